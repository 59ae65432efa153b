//===- Matchers.h - Seeing through the spelling of tensor code -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The input contract spells one idea in many ways: a scale may be broadcast
// before or after it is computed, and may carry sizes of 1. What the raising
// passes share to look through that.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_UTILS_MATCHERS_H
#define SETUN_DIALECT_UTILS_MATCHERS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/BuiltinAttributeInterfaces.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/PatternMatch.h"

#include <optional>

namespace setun {

/// A value seen from a root tensor: `dims[i]` is the root's dimension that the value's dimension i follows, or -1 where
/// the value's size is 1.
struct View {
  mlir::Value value;
  llvm::SmallVector<int64_t> dims;

  /// The root itself.
  static View root(mlir::Value value);
  /// An elementwise operand of this view's value: it has the same dimensions. Views through it are stripped.
  View operand(mlir::Value operand) const;
  /// Through broadcasts and reshapes that only add or drop sizes of 1.
  View strip() const;
  /// Whether it stays the same along the root's dimension `dim`.
  bool isConstantAlong(int64_t dim) const { return !llvm::is_contained(dims, dim); }
};

/// The one element of a constant tensor, however it was made; for a value of float type.
std::optional<double> getSplat(mlir::Value value);

/// The data of a constant or of an immutable parameter that is in memory; null otherwise.
mlir::ElementsAttr getConstantData(mlir::Value value);

/// Whether both are one value: the same SSA value, or equal pure computations.
bool isSameValue(mlir::Value a, mlir::Value b);

/// Through arith.extf (exact), and with `lossy` through arith.truncf.
mlir::Value stripFloatCasts(mlir::Value value, bool lossy = false);

/// Through collapse_shape, expand_shape and tensor.cast.
mlir::Value stripReshapes(mlir::Value value);

/// The reduction behind `value` if its combiner is the single op `Combiner`, on one input.
template <typename Combiner> mlir::linalg::ReduceOp getReduction(mlir::Value value) {
  auto reduce = value.getDefiningOp<mlir::linalg::ReduceOp>();
  if (!reduce || reduce.getInputs().size() != 1)
    return {};
  mlir::Block &body = reduce.getCombiner().front();
  if (!llvm::hasNItems(body, 2) || !mlir::isa<Combiner>(body.front()))
    return {};
  mlir::Operation &combiner = body.front();
  bool bothArguments = llvm::is_contained(combiner.getOperands(), body.getArgument(0)) &&
                       llvm::is_contained(combiner.getOperands(), body.getArgument(1));
  return bothArguments && body.back().getOperand(0) == combiner.getResult(0) ? reduce : mlir::linalg::ReduceOp();
}

/// The reduction of the last dimension behind a view from a tensor of the reduced tensor's shape, row for row; null if
/// `view` is something else.
template <typename Combiner> mlir::linalg::ReduceOp getRowReduction(const View &view) {
  mlir::linalg::ReduceOp reduce = getReduction<Combiner>(view.value);
  if (!reduce || reduce.getDimensions().size() != 1 ||
      reduce.getDimensions()[0] != static_cast<int64_t>(view.dims.size()))
    return {};
  for (auto [i, dim] : llvm::enumerate(view.dims))
    if (dim != -1 && dim != static_cast<int64_t>(i))
      return {};
  return reduce;
}

/// Calls `match(a, b)` with a commutative operation's operands in both orders until one matches.
template <typename Op, typename Match> bool matchCommutative(mlir::Value value, Match match) {
  auto op = value.getDefiningOp<Op>();
  return op && (match(op->getOperand(0), op->getOperand(1)) || match(op->getOperand(1), op->getOperand(0)));
}

/// The sizes of a tensor by the values it was made with, so that no size hangs on a tensor which is about to go.
llvm::SmallVector<mlir::OpFoldResult> getSizes(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value);

/// `value` along a tensor of `sizes`: value's dimension i becomes dimension `dims[i]`.
mlir::Value broadcastTo(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value,
                        llvm::ArrayRef<mlir::OpFoldResult> sizes, llvm::ArrayRef<int64_t> dims);

/// `view` as a tensor whose dimension i follows the root's dimension `dims[i]`, or is 1 where that is -1: broadcast
/// over what it lacks. Dimensions are in the root's order on both sides; `rootSizes` are the root's.
mlir::Value reshapeView(mlir::OpBuilder &builder, mlir::Location loc, const View &view, llvm::ArrayRef<int64_t> dims,
                        llvm::ArrayRef<mlir::OpFoldResult> rootSizes);

} // namespace setun

#endif // SETUN_DIALECT_UTILS_MATCHERS_H
