//===- TensorBuilder.h - Arithmetic on tensors, as the contracts write it -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Words for passes that take an op apart: scalars become splats of the operand's
// shape, and broadcasting is explicit.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_DIALECT_TERNARY_TRANSFORMS_TENSORBUILDER_H
#define SETUN_LIB_DIALECT_TERNARY_TRANSFORMS_TENSORBUILDER_H

#include "setun/Dialect/Utils/Matchers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace setun::ternary {

class TensorBuilder {
public:
  TensorBuilder(mlir::OpBuilder &builder, mlir::Location loc) : builder(builder), loc(loc) {}

  static mlir::RankedTensorType typeOf(mlir::Value value) {
    return mlir::cast<mlir::RankedTensorType>(value.getType());
  }

  template <typename Op, typename... Args> mlir::Value make(Args &&...args) {
    return Op::create(builder, loc, std::forward<Args>(args)...)->getResult(0);
  }

  mlir::Value empty(llvm::ArrayRef<mlir::OpFoldResult> sizes, mlir::Type element) {
    return make<mlir::tensor::EmptyOp>(sizes, element);
  }

  /// A tensor of `sizes` that holds one constant.
  mlir::Value splat(llvm::ArrayRef<mlir::OpFoldResult> sizes, mlir::TypedAttr value) {
    llvm::SmallVector<int64_t> shape;
    for (mlir::OpFoldResult size : sizes)
      shape.push_back(mlir::getConstantIntValue(size).value_or(mlir::ShapedType::kDynamic));
    auto type = mlir::RankedTensorType::get(shape, value.getType());
    if (type.hasStaticShape())
      return make<mlir::arith::ConstantOp>(mlir::DenseElementsAttr::get(type, mlir::Attribute(value)));
    mlir::Value scalar = make<mlir::arith::ConstantOp>(value);
    return fill(sizes, scalar);
  }
  mlir::Value splat(llvm::ArrayRef<mlir::OpFoldResult> sizes, mlir::FloatType type, double value) {
    return splat(sizes, builder.getFloatAttr(type, value));
  }
  mlir::Value fill(llvm::ArrayRef<mlir::OpFoldResult> sizes, mlir::Value scalar) {
    return make<mlir::linalg::FillOp>(scalar, empty(sizes, scalar.getType()));
  }

  mlir::Value broadcast(mlir::Value value, llvm::ArrayRef<mlir::OpFoldResult> sizes, llvm::ArrayRef<int64_t> dims) {
    return broadcastTo(builder, loc, value, sizes, dims);
  }

  /// tensor<1xT> as tensor<T>.
  mlir::Value asScalar(mlir::Value value) {
    llvm::ArrayRef<mlir::ReassociationIndices> none;
    return make<mlir::tensor::CollapseShapeOp>(typeOf(value).clone(llvm::ArrayRef<int64_t>()), value, none);
  }

  template <typename Combiner>
  mlir::Value reduce(mlir::Value value, mlir::Value init, llvm::ArrayRef<int64_t> dimensions) {
    return make<mlir::linalg::ReduceOp>(value, init, dimensions,
                                        [](mlir::OpBuilder &nested, mlir::Location loc, mlir::ValueRange args) {
                                          mlir::Value sum = Combiner::create(nested, loc, args[0], args[1]);
                                          mlir::linalg::YieldOp::create(nested, loc, sum);
                                        });
  }

  mlir::Value convertFloat(mlir::Value value, mlir::FloatType to) {
    mlir::RankedTensorType type = typeOf(value);
    if (type.getElementType() == to)
      return value;
    if (type.getElementTypeBitWidth() < to.getWidth())
      return make<mlir::arith::ExtFOp>(type.clone(to), value);
    return make<mlir::arith::TruncFOp>(type.clone(to), value);
  }

  /// `value` with what is known of its shape; a cast only where that changes the type.
  mlir::Value cast(mlir::Value value, llvm::ArrayRef<int64_t> shape) {
    mlir::RankedTensorType type = typeOf(value);
    return type.getShape() == shape ? value : make<mlir::tensor::CastOp>(type.clone(shape), value);
  }

  mlir::OpBuilder &builder;
  mlir::Location loc;
};

} // namespace setun::ternary

#endif // SETUN_LIB_DIALECT_TERNARY_TRANSFORMS_TENSORBUILDER_H
