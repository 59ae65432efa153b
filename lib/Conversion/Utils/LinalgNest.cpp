//===- LinalgNest.cpp - A linalg op as buffers, loops and a body -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Conversion/LinalgNest.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace setun;

std::optional<LinalgNest> LinalgNest::match(LoopEmitter &e, linalg::LinalgOp op) {
  if (!op.hasPureBufferSemantics())
    return std::nullopt;
  LinalgNest nest;
  nest.body = op.getBlock();
  nest.numInputs = op.getNumDpsInputs();
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    if (!map.isProjectedPermutation(/*allowZeroInResults=*/true))
      return std::nullopt;
    NestOperand &entry = nest.operands.emplace_back(NestOperand{operand.get(), {}});
    for (AffineExpr expr : map.getResults())
      entry.loops.push_back(isa<AffineDimExpr>(expr) ? int64_t(cast<AffineDimExpr>(expr).getPosition()) : -1);
  }
  for (utils::IteratorType kind : op.getIteratorTypesArray())
    nest.isReduction.push_back(kind == utils::IteratorType::reduction);
  for (int64_t loop = 0, end = op.getNumLoops(); loop < end; ++loop) {
    const NestOperand *user = llvm::find_if(nest.operands, [&](const NestOperand &o) { return o.uses(loop); });
    if (user == nest.operands.end())
      return std::nullopt;
    nest.sizes.push_back(e.size(user->value, std::distance(user->loops.begin(), llvm::find(user->loops, loop))));
  }
  return nest;
}

/// Whether the loops `first` to `last` walk `operand` as one loop would. The run is judged whole: with a size of 1 in
/// the middle, neighbours may be collapsible pair by pair and yet not together.
static bool canMerge(const NestOperand &operand, int64_t first, int64_t last) {
  ReassociationIndices run;
  for (int64_t loop = first; loop <= last; ++loop)
    if (auto dim = llvm::find(operand.loops, loop); dim != operand.loops.end())
      run.push_back(std::distance(operand.loops.begin(), dim));
  if (run.empty())
    return true;
  if (static_cast<int64_t>(run.size()) != last - first + 1)
    return false;
  SmallVector<ReassociationIndices> groups;
  for (int64_t dim = 0, rank = operand.loops.size(); dim < rank; ++dim)
    if (dim > run.front() && dim <= run.back())
      groups.back().push_back(dim);
    else
      groups.push_back({dim});
  return groups[run.front()] == run &&
         memref::CollapseShapeOp::isGuaranteedCollapsible(cast<MemRefType>(operand.value.getType()), groups);
}

void LinalgNest::collapse(LoopEmitter &e) {
  if (!body->getOps<linalg::IndexOp>().empty())
    return;
  int64_t numLoops = sizes.size();
  // The loop that each old loop becomes part of.
  SmallVector<int64_t> merged;
  SmallVector<Value> newSizes;
  SmallVector<bool> newReduction;
  int64_t first = 0; // of the run that the next loop may join
  for (int64_t loop = 0; loop < numLoops; ++loop) {
    bool joins = loop > 0 && isReduction[loop] == isReduction[loop - 1] &&
                 llvm::all_of(operands, [&](const NestOperand &o) { return canMerge(o, first, loop); });
    if (joins) {
      newSizes.back() = e.mul(newSizes.back(), sizes[loop]);
    } else {
      first = loop;
      newSizes.push_back(sizes[loop]);
      newReduction.push_back(isReduction[loop]);
    }
    merged.push_back(newSizes.size() - 1);
  }
  for (NestOperand &operand : operands) {
    SmallVector<ReassociationIndices> groups;
    SmallVector<int64_t> loops;
    for (auto [dim, loop] : llvm::enumerate(operand.loops)) {
      int64_t target = loop < 0 ? -1 : merged[loop];
      if (target >= 0 && !loops.empty() && loops.back() == target)
        groups.back().push_back(dim);
      else
        groups.push_back({static_cast<int64_t>(dim)}), loops.push_back(target);
    }
    if (groups.size() != operand.loops.size())
      operand.value = memref::CollapseShapeOp::create(e.b, e.loc, operand.value, groups);
    operand.loops = loops;
  }
  sizes = newSizes;
  isReduction = newReduction;
}

Line LinalgNest::line(LoopEmitter &e, unsigned operand, ArrayRef<Value> ivs, std::optional<int64_t> free) const {
  const NestOperand &entry = operands[operand];
  Line line{entry.value, {}, std::nullopt};
  for (auto [dim, loop] : llvm::enumerate(entry.loops)) {
    bool isFree = free && loop == *free;
    if (isFree)
      line.dim = dim;
    line.indices.push_back(loop < 0 || isFree ? e.index(0) : ivs[loop]);
  }
  return line;
}

bool LinalgNest::hasLanes() const {
  return llvm::all_of(body->without_terminator(), [](Operation &op) {
    if (isa<arith::ConstantOp, linalg::IndexOp>(op))
      return op.getResultTypes().front().isIntOrIndexOrFloat();
    // Division by a lane that does not exist would trap.
    if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp, arith::CeilDivSIOp, arith::CeilDivUIOp,
            arith::FloorDivSIOp>(op))
      return false;
    return OpTrait::hasElementwiseMappableTraits(&op) &&
           llvm::all_of(op.getOperandTypes(), [](Type type) { return type.isIntOrIndexOrFloat(); });
  });
}

int64_t LinalgNest::bodyWork() const {
  int64_t work = 1;
  for (Operation &op : body->without_terminator())
    work += isa<math::MathDialect>(op.getDialect()) && !isa<math::AbsFOp, math::RoundEvenOp, math::SqrtOp>(op) ? 16 : 1;
  return work;
}

SmallVector<Value> LinalgNest::emitBody(LoopEmitter &e, ArrayRef<Value> arguments, ArrayRef<Value> ivs,
                                        std::optional<int64_t> free, int64_t width, Operation *combiner) const {
  IRMapping mapping;
  for (auto [argument, value] : llvm::zip(body->getArguments(), arguments))
    mapping.map(argument, value);
  auto lookup = [&](Value value) {
    Value mapped = mapping.lookupOrDefault(value);
    if (width > 1 && mapped && !isa<VectorType>(mapped.getType())) {
      mapped = e.splat(mapped, width);
      mapping.map(value, mapped);
    }
    return mapped;
  };
  for (Operation &op : body->without_terminator()) {
    if (&op == combiner)
      continue;
    if (auto index = dyn_cast<linalg::IndexOp>(op)) {
      Value at = e.splat(ivs[index.getDim()], width);
      if (width > 1 && free == static_cast<int64_t>(index.getDim()))
        at = e.addAny(at, vector::StepOp::create(e.b, e.loc, cast<VectorType>(at.getType())));
      mapping.map(index.getResult(), at);
      continue;
    }
    if (width == 1 || isa<arith::ConstantOp>(op)) {
      e.b.clone(op, mapping);
      continue;
    }
    for (Value operand : op.getOperands())
      lookup(operand);
    Operation *clone = e.b.clone(op, mapping);
    for (auto [old, result] : llvm::zip(op.getResults(), clone->getResults())) {
      result.setType(e.lanesOf(old.getType(), width));
      mapping.map(old, result);
    }
  }
  if (!combiner)
    return llvm::map_to_vector(body->getTerminator()->getOperands(), lookup);
  bool first = combiner->getOperand(0) == body->getArgument(numInputs);
  return {lookup(combiner->getOperand(first ? 1 : 0))};
}

std::optional<NestReduction> NestReduction::match(const LinalgNest &nest) {
  if (nest.operands.size() != nest.numInputs + 1)
    return std::nullopt;
  BlockArgument out = nest.body->getArgument(nest.numInputs);
  Operation *last = nest.body->getTerminator()->getOperand(0).getDefiningOp();
  if (!last || last->getBlock() != nest.body || last->getNumOperands() != 2 || !last->hasOneUse() ||
      !out.hasOneUse() || *out.user_begin() != last || !arith::getNeutralElement(last))
    return std::nullopt;
  NestReduction result{last, LoopEmitter::sumType(getElementTypeOrSelf(nest.operands.back().value)), {}, {}};
  for (auto [loop, reduces] : llvm::enumerate(nest.isReduction))
    (reduces ? result.reduced : result.kept).push_back(loop);
  return result;
}

Value NestReduction::identity(LoopEmitter &e, int64_t width) const {
  Type type = e.lanesOf(sumType, width);
  if (isa<arith::AddFOp>(combiner))
    return e.constant(type, 0); // +0: upstream's neutral -0 would turn a sum of nothing into -0
  TypedAttr neutral = *arith::getNeutralElement(combiner);
  if (auto real = dyn_cast<FloatAttr>(neutral)) {
    APFloat value = real.getValue();
    bool losesInfo;
    value.convert(cast<FloatType>(sumType).getFloatSemantics(), APFloat::rmNearestTiesToEven, &losesInfo);
    neutral = e.b.getFloatAttr(sumType, value);
  }
  if (width > 1)
    neutral = DenseElementsAttr::get(cast<VectorType>(type), ArrayRef<Attribute>(neutral));
  return arith::ConstantOp::create(e.b, e.loc, neutral);
}

Value NestReduction::combine(LoopEmitter &e, Value sum, Value value) const {
  OperationState state(e.loc, combiner->getName(), {sum, value}, {sum.getType()});
  state.addAttributes(combiner->getAttrs());
  return e.b.create(state)->getResult(0);
}

bool NestReduction::isAlongLast(const LinalgNest &nest) const {
  return llvm::any_of(ArrayRef(nest.operands).take_front(nest.numInputs), [&](const NestOperand &input) {
    return !input.loops.empty() && input.loops.back() == reduced.back();
  });
}

void setun::emitParallelNest(LoopEmitter &e, ArrayRef<Value> sizes, Value work,
                             function_ref<void(ArrayRef<Value>)> body) {
  size_t shared = 0;
  while (shared + 1 < sizes.size() && getConstantIntValue(sizes[shared]) == 1)
    ++shared;
  SmallVector<Value> ivs(sizes.size());
  std::function<void(size_t)> emit = [&](size_t loop) {
    if (loop == sizes.size())
      return body(ivs);
    auto step = [&](Value iv) {
      ivs[loop] = iv;
      emit(loop + 1);
    };
    if (loop != shared)
      return e.loop(e.index(0), sizes[loop], 1, step);
    e.parallel(sizes[loop], e.mul(work, e.product(sizes.drop_front(loop + 1))), step);
  };
  emit(0);
}
