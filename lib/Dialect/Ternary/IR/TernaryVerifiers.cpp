//===- TernaryVerifiers.cpp - Constraints of the ternary operations -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Ternary/IR/Ternary.h"

using namespace mlir;
using namespace setun;
using namespace setun::ternary;

LogicalResult ConstantOp::verify() { return success(); }
LogicalResult PackOp::verify() { return success(); }
LogicalResult UnpackOp::verify() { return success(); }
LogicalResult QuantizeWeightOp::verify() { return success(); }
LogicalResult DequantizeOp::verify() { return success(); }
LogicalResult QuantizeOp::verify() { return verifyDestinationOp(*this); }
LogicalResult NormQuantizeOp::verify() { return verifyDestinationOp(*this); }
LogicalResult MatmulOp::verify() { return verifyDestinationOp(*this); }
LogicalResult BitLinearOp::verify() { return verifyDestinationOp(*this); }

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }
OpFoldResult PackOp::fold(FoldAdaptor) { return {}; }
OpFoldResult UnpackOp::fold(FoldAdaptor) { return {}; }
