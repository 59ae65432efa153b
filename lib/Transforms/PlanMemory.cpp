//===- PlanMemory.cpp - One arena for all buffers of a run ----------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes are polynomials in the symbols. Buffers whose sizes are multiples of one polynomial (its unit; 1 for static
// sizes) form a class, and inside a class offsets are numbers of units: so a plan made at compile time is right for any
// value of the symbols. Classes stand one after the other.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/Entry.h"
#include "setun/Transforms/Passes.h"
#include "setun/Transforms/SizeExpression.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

#include <numeric>

namespace setun {
#define GEN_PASS_DEF_PLANMEMORY
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

constexpr int64_t kAlignment = 64;

struct Buffer {
  memref::AllocOp alloc;
  unsigned number;              // in the order of the IR
  int64_t units = 0;            // its size
  unsigned first = 0, last = 0; // the top-level ops between which it lives
  int64_t offset = 0;           // in units
};

struct Class {
  SizePolynomial unit;
  bool align = false; // the unit itself is rounded up to the alignment
  int64_t units = 0;
  std::vector<Buffer> buffers;
};

/// Gives each buffer the tightest gap among those that live at the same time, large buffers first.
void pack(Class &group) {
  llvm::sort(group.buffers, [](const Buffer &a, const Buffer &b) {
    return std::make_tuple(-a.units, a.first, a.number) < std::make_tuple(-b.units, b.first, b.number);
  });
  for (auto it = group.buffers.begin(); it != group.buffers.end(); ++it) {
    std::vector<const Buffer *> neighbours;
    for (auto other = group.buffers.begin(); other != it; ++other)
      if (other->first <= it->last && it->first <= other->last)
        neighbours.push_back(&*other);
    llvm::sort(neighbours, [](const Buffer *a, const Buffer *b) { return a->offset < b->offset; });
    int64_t end = 0, best = -1, bestGap = std::numeric_limits<int64_t>::max();
    for (const Buffer *other : neighbours) {
      int64_t gap = other->offset - end;
      if (gap >= it->units && gap < bestGap)
        std::tie(best, bestGap) = std::make_pair(end, gap);
      end = std::max(end, other->offset + other->units);
    }
    it->offset = best >= 0 ? best : end;
    group.units = std::max(group.units, it->offset + it->units);
  }
}

struct PlanMemory : setun::impl::PlanMemoryBase<PlanMemory> {
  void runOnOperation() override {
    func::FuncOp function = entry::find(getOperation());
    if (!function)
      return;
    if (function.getNumResults() || !function.getBody().hasOneBlock()) {
      function.emitError("memory is planned after --setun-outputs-to-arguments and bufferization");
      return signalPassFailure();
    }
    function.walk([](memref::DeallocOp op) { op.erase(); });
    SizeExpressions sizes(function);
    std::vector<Class> classes;
    BufferViewFlowAnalysis aliases(function);
    DenseMap<Operation *, unsigned> order;
    unsigned number = 0;
    for (auto [i, op] : llvm::enumerate(function.front()))
      order[&op] = i;
    WalkResult walk = function.walk([&](memref::AllocOp alloc) {
      Buffer buffer{alloc, number++};
      FailureOr<unsigned> group = measure(alloc, sizes, classes, buffer);
      auto same = aliases.resolve(alloc);
      if (failed(group) || failed(checkLoops(alloc, same)))
        return WalkResult::interrupt();
      findLife(function, same, order, buffer);
      classes[*group].buffers.push_back(buffer);
      return WalkResult::advance();
    });
    if (walk.wasInterrupted())
      return signalPassFailure();
    for (Class &group : classes)
      pack(group);
    writeSize(function, sizes, classes);
    writeViews(function, sizes, classes);
  }

  /// Finds the buffer's class and its size there.
  static FailureOr<unsigned> measure(memref::AllocOp alloc, SizeExpressions &sizes, std::vector<Class> &classes,
                                     Buffer &buffer) {
    MemRefType type = alloc.getType();
    int64_t bytes = entry::elementBytes(type.getElementType());
    if (!bytes || !type.getLayout().isIdentity() || alloc.getAlignment().value_or(1) > kAlignment)
      return alloc.emitError("cannot place a buffer of type ") << type << " in the arena";
    std::optional<SizePolynomial> size = SizeExpressions::constant(bytes);
    for (int64_t i = 0; i < type.getRank() && size; ++i) {
      auto dim = type.isDynamicDim(i) ? sizes.read(alloc.getDynamicSizes()[type.getDynamicDimIndex(i)])
                                      : SizeExpressions::constant(type.getDimSize(i));
      size = dim ? SizeExpressions::multiply(*size, *dim) : std::nullopt;
    }
    size = size ? sizes.upperBound(*size) : std::nullopt;
    if (!size)
      return alloc.emitError("the size of this buffer is not computed from the symbols alone, or exceeds 2^63 bytes");

    int64_t factor = 0;
    for (auto &term : *size)
      factor = std::gcd(factor, term.second);
    bool isStatic = size->empty() || (size->size() == 1 && size->begin()->first.empty());
    SizePolynomial unit = *size;
    bool align = false;
    if (isStatic) {
      buffer.units = llvm::alignTo(factor, kAlignment);
      unit = SizeExpressions::constant(1);
    } else if (factor % kAlignment) {
      buffer.units = 1;
      align = true;
    } else {
      buffer.units = factor;
      for (auto &term : unit)
        term.second /= factor;
    }
    auto it = llvm::find_if(classes, [&](const Class &c) { return c.unit == unit && c.align == align; });
    if (it == classes.end())
      it = classes.insert(it, Class{unit, align, 0, {}});
    return it - classes.begin();
  }

  /// One place per alloc is one place for all rounds of its loops: refuse what needs more.
  static LogicalResult checkLoops(memref::AllocOp alloc, const BufferViewFlowAnalysis::ValueSetT &aliases) {
    for (Operation *parent = alloc->getParentOp(); !isa<func::FuncOp>(parent); parent = parent->getParentOp()) {
      if (isa<scf::ForallOp, scf::ParallelOp>(parent))
        return alloc.emitError("a buffer inside a parallel loop needs a place for each thread; use memref.alloca");
      if (!isa<LoopLikeOpInterface>(parent))
        continue;
      for (Value alias : aliases)
        if (!parent->isProperAncestor(alias.getParentRegion()->getParentOp()) &&
            !(alias.getParentRegion()->getParentOp() == parent && alias.getDefiningOp()))
          return alloc.emitError("a buffer made in a loop must not outlive its round");
    }
    return success();
  }

  static void findLife(func::FuncOp function, const BufferViewFlowAnalysis::ValueSetT &aliases,
                       const DenseMap<Operation *, unsigned> &order, Buffer &buffer) {
    bool used = false;
    for (Value alias : aliases)
      for (Operation *user : alias.getUsers()) {
        // A view alone touches nothing; what reads through it is a use of an alias.
        if (isa<ViewLikeOpInterface>(user))
          continue;
        unsigned at = order.lookup(function.front().findAncestorOpInBlock(*user));
        buffer.first = used ? std::min(buffer.first, at) : at;
        buffer.last = used ? std::max(buffer.last, at) : at;
        used = true;
      }
  }

  /// The unit's value and, for each class, where it starts.
  static SmallVector<std::pair<Value, Value>> writeBases(SizeExpressions &sizes, ArrayRef<Class> classes,
                                                         OpBuilder &builder, Location loc, ValueRange symbols,
                                                         bool saturate, Value &end) {
    SmallVector<std::pair<Value, Value>> result;
    end = arith::ConstantIndexOp::create(builder, loc, 0);
    for (const Class &group : classes) {
      Value unit = sizes.write(group.unit, builder, loc, symbols, saturate);
      if (group.align) {
        Value mask = arith::ConstantIndexOp::create(builder, loc, kAlignment - 1);
        Value sum = arith::AddIOp::create(builder, loc, unit, mask);
        Value notMask = arith::ConstantIndexOp::create(builder, loc, -kAlignment);
        unit = arith::AndIOp::create(builder, loc, sum, notMask);
      }
      result.push_back({unit, end});
      Value bytes = SizeExpressions::writeMultiply(unit, group.units, builder, loc, saturate);
      end = SizeExpressions::writeAdd(end, bytes, builder, loc, saturate);
    }
    return result;
  }

  void writeSize(func::FuncOp function, SizeExpressions &sizes, ArrayRef<Class> classes) {
    OpBuilder builder(function);
    builder.setInsertionPointAfter(function);
    unsigned count = entry::symbols(function).size();
    auto type = builder.getFunctionType(SmallVector<Type>(count, builder.getIndexType()), builder.getIndexType());
    auto size = func::FuncOp::create(builder, function.getLoc(), (function.getName() + "_arena_size").str(), type);
    builder.setInsertionPointToStart(size.addEntryBlock());
    Value end;
    writeBases(sizes, classes, builder, size.getLoc(), size.getArguments(), /*saturate=*/true, end);
    func::ReturnOp::create(builder, size.getLoc(), end);
  }

  static void writeViews(func::FuncOp function, SizeExpressions &sizes, std::vector<Class> &classes) {
    Value arena = entry::getOrAddService(function, entry::Service::Arena);
    OpBuilder builder = OpBuilder::atBlockBegin(&function.front());
    SmallVector<Value> symbols(llvm::map_range(entry::symbols(function), [](BlockArgument a) { return Value(a); }));
    Value end;
    auto bases = writeBases(sizes, classes, builder, function.getLoc(), symbols, /*saturate=*/false, end);
    for (auto [group, base] : llvm::zip_equal(classes, bases))
      for (Buffer &buffer : group.buffers) {
        Location loc = buffer.alloc.getLoc();
        Value shift = SizeExpressions::writeMultiply(base.first, buffer.offset, builder, loc, /*saturate=*/false);
        Value offset = arith::AddIOp::create(builder, loc, base.second, shift);
        OpBuilder here(buffer.alloc);
        Value view =
            memref::ViewOp::create(here, loc, buffer.alloc.getType(), arena, offset, buffer.alloc.getDynamicSizes());
        buffer.alloc.replaceAllUsesWith(view);
      }
    // Last, for one of them may be where the offsets go.
    for (Class &group : classes)
      for (Buffer &buffer : group.buffers)
        buffer.alloc.erase();
  }
};

} // namespace
