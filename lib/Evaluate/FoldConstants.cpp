//===- FoldConstants.cpp - Evaluates what depends on parameters alone -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// What the model would compute again in every step from nothing but its parameters is computed here. Data must not grow
// much by it: broadcasts stay, and so do views of parameters.

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Utils/Proof.h"
#include "setun/Evaluate/ConstantSlice.h"
#include "setun/Evaluate/ParameterBuilder.h"
#include "setun/Evaluate/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace setun;

namespace setun {
#define GEN_PASS_DEF_FOLDCONSTANTS
#include "setun/Evaluate/Passes.h.inc"
} // namespace setun

/// A result larger than this is folded only if the parameters behind it are as large.
static constexpr int64_t kMaxGrownBytes = 16 << 20;

static int64_t getBytes(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  Type element = type.getElementType();
  return element.isIntOrFloat() ? type.getNumElements() * llvm::divideCeil(element.getIntOrFloatBitWidth(), 8)
                                : type.getNumElements() * 8;
}

/// Operations that only look at their source in another way, or repeat it.
static bool isView(Operation *op) {
  return isa<linalg::BroadcastOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::CastOp>(op);
}

/// The value behind views: this is what is worth computing.
static Value peel(Value value) {
  while (isView(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

/// Nothing to gain: parameters, constants, empty and filled tensors, slices of parameters, folded weights.
static bool isPlain(Value value) {
  Operation *op = value.getDefiningOp();
  if (op->hasTrait<OpTrait::ConstantLike>() || isa<ml_program::GlobalLoadConstOp, tensor::EmptyOp, linalg::FillOp>(op))
    return true;
  if (isa<tensor::ExtractSliceOp>(op))
    return isPlain(peel(op->getOperand(0)));
  return llvm::any_of(op->getOperandTypes(), [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && isa<ternary::TritType>(tensor.getElementType());
  });
}

namespace {

struct FoldConstants : setun::impl::FoldConstantsBase<FoldConstants> {
  void runOnOperation() override {
    ParameterBuilder parameters(getOperation());
    Evaluator evaluator;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!isProof(function))
        fold(function, parameters, evaluator);
    parameters.finish();
  }

  static void fold(func::FuncOp function, ParameterBuilder &parameters, Evaluator &evaluator) {
    llvm::StringMap<Value> done;
    for (Value root : findRoots(function)) {
      ConstantSlice slice = ConstantSlice::cut(root);
      int64_t parameterBytes = 0;
      for (Operation *leaf : slice.leaves)
        parameterBytes += getBytes(leaf->getResult(0));
      if (getBytes(root) > std::max(kMaxGrownBytes, parameterBytes))
        continue;
      Value &value = done[slice.getKey()];
      if (!value) {
        auto result = slice.evaluate(evaluator);
        if (!result) {
          emitRemark(root.getLoc()) << "computed at run time: " << llvm::toString(result.takeError());
          done.erase(slice.getKey());
          continue;
        }
        OpBuilder builder(&function.getBody().front().front());
        StringRef path = getSourceName(root.getLoc());
        value = parameters.makeConstant(builder, root.getLoc(), path.empty() ? "folded" : (path + ".folded").str(),
                                        cast<RankedTensorType>(root.getType()),
                                        {(*result)->getBufferStart(), (*result)->getBufferSize()});
      }
      root.replaceAllUsesWith(value);
    }
  }

  /// Constant tensors that something not constant reads, in the order of the block.
  static SmallVector<Value> findRoots(func::FuncOp function) {
    ConstantValues constants(function);
    SetVector<Value> roots;
    if (!function.getBody().hasOneBlock())
      return {};
    Block &block = function.getBody().front();
    for (Operation &op : block) {
      if (op.getNumResults() > 0 && constants.contains(op.getResult(0)))
        continue;
      op.walk([&](Operation *nested) {
        for (Value operand : nested->getOperands())
          if (constants.contains(operand) && isa<RankedTensorType>(operand.getType()))
            if (Value root = peel(operand); !isPlain(root))
              roots.insert(root);
      });
    }
    return roots.takeVector();
  }
};

} // namespace
