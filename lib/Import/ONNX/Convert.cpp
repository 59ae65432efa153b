//===- Convert.cpp - Casts, and operators that change nothing -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

using namespace mlir;
using namespace setun::onnx;

static LogicalResult castTo(Node &node, int32_t dtype) {
  if (!node.e.elementType(dtype))
    return node.fail("a cast to " + dtypeName(dtype) + " (" + Twine(dtype) + ") is not supported");
  if (storedBits(dtype) < 8 && node.in(0).dtype != dtype)
    return node.fail("a cast to " + dtypeName(dtype) + " is not supported");
  return node.out(node.e.cast(node.in(0), dtype));
}

static LogicalResult importCast(Node &node) { return castTo(node, int32_t(node.intAttr("to", 0))); }
static LogicalResult importCastLike(Node &node) { return castTo(node, node.in(1).dtype); }
static LogicalResult importIdentity(Node &node) { return node.out(node.in(0)); }

/// Dropout does nothing unless it is told to train.
static LogicalResult importDropout(Node &node) {
  if (node.has(2) && node.constantNumber(2) != 0.0)
    return node.fail("training mode is not supported");
  if (node.wants(1) && failed(node.out(1, node.e.splat(1, boolean, node.in(0).shape))))
    return failure();
  return node.out(node.in(0));
}

static const OpRow rows[] = {
    {"Cast", 1, 1, importCast},
    {"CastLike", 2, 2, importCastLike},
    {"Identity", 1, 1, importIdentity},
    {"Dropout", 1, 3, importDropout},
};
ArrayRef<OpRow> setun::onnx::getConvertOps() { return rows; }
