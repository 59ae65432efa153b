//===- Emitter.h - Writes the input contract for one node at a time -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_ONNX_EMITTER_H
#define SETUN_LIB_IMPORT_ONNX_EMITTER_H

#include "Sizes.h"
#include "TensorData.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <functional>

namespace setun::onnx {

/// What an ONNX value is to the importer. Small integer tensors are known as expressions in the symbols, so that all
/// arithmetic on shapes happens here and none of it at run time.
struct Tensor {
  int32_t dtype = 0;
  Shape shape;
  /// Null until somebody asks for it (Emitter::value).
  mlir::Value value;
  /// Known integer elements, row-major; the shape is static.
  std::optional<llvm::SmallVector<mlir::AffineExpr>> contents;
  /// Known elements of a small constant.
  mlir::DenseElementsAttr constant;
  /// The name that a parameter came with; its value is a global.
  std::string parameter;
  /// The argument that this value is the next state of, and the dimension it grows along (-1: fixed size).
  int stateOf = -1;
  int64_t stateAxis = -1;

  int64_t rank() const { return shape.size(); }
};

/// Builds operations; a function that can fail has reported why when it does.
class Emitter {
public:
  Emitter(mlir::OpBuilder &builder, Sizes &sizes)
      : b(builder.getUnknownLoc(), builder), sizes(sizes), context(builder.getContext()) {}

  mlir::ImplicitLocOpBuilder b;
  Sizes &sizes;
  mlir::MLIRContext *context;
  /// Reports an error at the node at hand, once.
  std::function<llvm::LogicalResult(const llvm::Twine &)> fail;
  /// The value of a symbol, as an index argument of the function.
  std::function<mlir::Value(unsigned)> symbolValue;

  // Sizes (EmitSizes.cpp).
  mlir::Type elementType(int32_t dtype) { return onnx::elementType(dtype, context); }
  mlir::RankedTensorType type(llvm::ArrayRef<mlir::AffineExpr> shape, mlir::Type element);
  mlir::RankedTensorType type(const Tensor &t) { return type(t.shape, elementType(t.dtype)); }
  mlir::Value size(mlir::AffineExpr expr);
  mlir::OpFoldResult foldSize(mlir::AffineExpr expr);
  llvm::SmallVector<mlir::OpFoldResult> foldSizes(llvm::ArrayRef<mlir::AffineExpr> shape);
  Shape staticShape(llvm::ArrayRef<int64_t> dims);
  /// Two sizes that must be equal become one.
  llvm::LogicalResult unify(mlir::AffineExpr &a, mlir::AffineExpr b, const llvm::Twine &what);
  /// numpy's rule, but a dynamic size never broadcasts against another.
  mlir::FailureOr<Shape> broadcastShape(llvm::ArrayRef<mlir::AffineExpr> a, llvm::ArrayRef<mlir::AffineExpr> b);

  // Values (Emitter.cpp).
  mlir::Value value(Tensor &t);
  Tensor make(mlir::Value value, int32_t dtype, llvm::ArrayRef<mlir::AffineExpr> shape);
  Tensor ints(llvm::ArrayRef<mlir::AffineExpr> contents, int32_t dtype, llvm::ArrayRef<mlir::AffineExpr> shape);
  mlir::TypedAttr scalar(double number, mlir::Type element);
  mlir::Value empty(llvm::ArrayRef<mlir::AffineExpr> shape, mlir::Type element);
  /// A splat constant, or a fill where the shape is dynamic.
  mlir::Value fill(llvm::ArrayRef<mlir::AffineExpr> shape, mlir::TypedAttr scalar);
  mlir::Value fill(llvm::ArrayRef<mlir::AffineExpr> shape, double number, mlir::Type element) {
    return fill(shape, scalar(number, element));
  }
  mlir::Value fillWith(llvm::ArrayRef<mlir::AffineExpr> shape, mlir::Value scalar);
  /// Zeros that an operation accumulates into: always a fill, never a constant.
  mlir::Value zeros(llvm::ArrayRef<mlir::AffineExpr> shape, mlir::Type element);
  Tensor splat(double number, int32_t dtype, llvm::ArrayRef<mlir::AffineExpr> shape);

  // Movement (EmitMovement.cpp).
  Tensor broadcast(Tensor &t, llvm::ArrayRef<mlir::AffineExpr> shape);
  /// With `trusted` the caller knows that both shapes hold as many elements where that can't be shown.
  mlir::FailureOr<Tensor> reshape(Tensor &t, llvm::ArrayRef<mlir::AffineExpr> shape, bool trusted = false);
  Tensor transpose(Tensor &t, llvm::ArrayRef<int64_t> permutation);
  /// A box of `t`. Where it can't be shown to lie inside, the reads are clamped.
  Tensor slice(Tensor &t, llvm::ArrayRef<mlir::AffineExpr> offsets, llvm::ArrayRef<mlir::AffineExpr> shape,
               llvm::ArrayRef<int64_t> strides);

  // Computation (EmitCompute.cpp).
  Tensor cast(Tensor &t, int32_t dtype);
  mlir::Value castScalar(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, int32_t from, int32_t to);
  /// One float type wider than f16 and bf16, for sums.
  int32_t accumulatorType(int32_t dtype);
  /// A linalg.generic over `shape` that is parallel in all dimensions.
  using Body = llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::ValueRange)>;
  mlir::Value generic(llvm::ArrayRef<mlir::Value> inputs, llvm::ArrayRef<mlir::AffineMap> maps,
                      llvm::ArrayRef<mlir::AffineExpr> shape, mlir::Type element, Body body);
  /// linalg.reduce with one combiner over `axes`, which are dropped.
  mlir::Value reduce(mlir::Value input, llvm::ArrayRef<mlir::AffineExpr> shape, llvm::ArrayRef<int64_t> axes,
                     mlir::TypedAttr start, Body combine);
  /// An integer of any width as an index inside [0, size): negative ones count from the end, the rest is clamped.
  mlir::Value clampedIndex(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value index, mlir::Value size);

private:
  llvm::DenseMap<mlir::AffineExpr, mlir::Value> sizeValues;
  mlir::Operation *lastSize = nullptr;
};

} // namespace setun::onnx

#endif // SETUN_LIB_IMPORT_ONNX_EMITTER_H
