//===- Products.h - Matrix products for other families -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_ONNX_PRODUCTS_H
#define SETUN_LIB_IMPORT_ONNX_PRODUCTS_H

#include "Node.h"

namespace setun::onnx {

/// a [M, K] by b [K, N], or b [N, K] with `transposeB`. f16 and bf16 sum in f32 and are rounded once.
Tensor matmul(Emitter &e, Tensor &a, Tensor &b, bool transposeB, int32_t resultType);
/// MatMul of operands of any rank, with broadcasting of what stands before the matrices.
mlir::FailureOr<Tensor> matmulAnyRank(Node &node, Tensor a, Tensor b, int32_t resultType);

} // namespace setun::onnx

#endif // SETUN_LIB_IMPORT_ONNX_PRODUCTS_H
