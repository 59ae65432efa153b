//===- FusedProduct.h - A product with what stands around it -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_NVPTX_FUSEDPRODUCT_H
#define SETUN_TARGET_NVPTX_FUSEDPRODUCT_H

#include "setun/Target/NVPTX/ProductKernels.h"

namespace setun {
namespace nvptx {

/// Marks work on a quantizer's scales that nothing outside of its group reads.
constexpr llvm::StringLiteral kLocalAttr = "setun.local";

/// Replaces a product on buffers that stands in a region of --setun-group-steps, and what of that region its kernels
/// can do as well: the quantizer before it and elementwise work on its sums after it. What they cannot stays.
/// `dependent`: as of DeviceProduct.
mlir::LogicalResult lowerGroupedProduct(mlir::RewriterBase &rewriter, ternary::MatmulOp op, bool dependent,
                                        bool warpGroups);

} // namespace nvptx
} // namespace setun

#endif // SETUN_TARGET_NVPTX_FUSEDPRODUCT_H
