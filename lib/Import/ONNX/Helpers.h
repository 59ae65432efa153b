//===- Helpers.h - What several families of operators share -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_ONNX_HELPERS_H
#define SETUN_LIB_IMPORT_ONNX_HELPERS_H

#include "Node.h"

namespace setun::onnx {

/// Operands brought to one shape.
struct Operands {
  llvm::SmallVector<mlir::Value> values;
  Shape shape;
};
/// Broadcasts the given operands against each other; with `oneType` they must have one element type.
mlir::FailureOr<Operands> broadcastOperands(Node &node, llvm::ArrayRef<int> indices, bool oneType = true);
/// The same for all operands of the node.
mlir::FailureOr<Operands> broadcastAll(Node &node);

/// Element by element on operands whose contents are known, with broadcasting. Nothing if some element is not: the
/// function then returns a null expression, or an operand has no contents.
using FoldFn = llvm::function_ref<mlir::AffineExpr(llvm::ArrayRef<mlir::AffineExpr>)>;
std::optional<Tensor> foldContents(Node &node, int32_t dtype, FoldFn fold);
/// False for numbers so large that arithmetic on them could overflow (ends of slices are INT64_MAX).
bool isModest(mlir::AffineExpr expr);

/// True if a size is known to be 0: there are no elements, and no slice of the tensor can be taken.
bool holdsNothing(const Tensor &t);

/// The dimensions of a static or dynamic product of sizes as a float number, for means.
mlir::Value sizeAsNumber(Emitter &e, mlir::AffineExpr size, mlir::Type element);

/// ONNX's element type number of a signless element type that the importer itself introduces.
inline constexpr int32_t f32 = setun_onnx::TensorProto::FLOAT;
inline constexpr int32_t i32 = setun_onnx::TensorProto::INT32;
inline constexpr int32_t i64 = setun_onnx::TensorProto::INT64;
inline constexpr int32_t boolean = setun_onnx::TensorProto::BOOL;

} // namespace setun::onnx

#endif // SETUN_LIB_IMPORT_ONNX_HELPERS_H
