//===- EmbeddingOps.cpp - Token embedding -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constraints; numbers are those of EmbeddingOps.td.
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/Utils/Verification.h"

using namespace mlir;
using namespace setun;
using namespace setun::nn;

LogicalResult EmbeddingOp::verify() {
  if (failed(verifyDestinationOp(*this)))
    return failure();
  Type index = elementOf(getIds());
  if (!index.isSignlessInteger(32) && !index.isSignlessInteger(64))
    return emitOpError("C1: `ids` must be of i32 or i64");
  ArrayRef<int64_t> table = shapeOf(getTable());
  if (table.empty() || elementOf(getTable()) != elementOf(getY()))
    return emitOpError("C2: `table` must have a rank of at least 1 and the element type of `y`");
  SmallVector<int64_t> shape(shapeOf(getIds()));
  llvm::append_range(shape, table.drop_front());
  if (!shapesAgree(shape, shapeOf(getY())))
    return emitOpError("C2: `y` must have the shape of `ids` followed by that of a row of `table`");
  return success();
}
