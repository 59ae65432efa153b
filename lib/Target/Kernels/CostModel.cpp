//===- CostModel.cpp - Predicted times of the shared kernel forms -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Kernels/CostModel.h"

#include "setun/Target/Kernels/KernelBuilder.h"

using namespace mlir;
using namespace setun;

ProductShape ProductShape::of(ternary::MatmulOp op) {
  auto x = cast<ShapedType>(op.getX().getType()), acc = cast<ShapedType>(op.getAcc().getType());
  auto scales = op.getScales() ? cast<ShapedType>(op.getScales().getType()) : ShapedType();
  return {x.getDimSize(0), acc.getDimSize(1), x.getDimSize(1), scales ? scales.getDimSize(1) : 0, x.getElementType()};
}

int64_t setun::plannedTokens(const ProductShape &shape) {
  return ShapedType::isDynamic(shape.m) ? 1 : std::max<int64_t>(shape.m, 1);
}

ProductPlan setun::makePlan(const TargetInfo &info, const ProductShape &shape, StringRef form, double productsPerNs,
                            bool multiplies) {
  double bytes = static_cast<double>(Product::getLayout().byteSize(shape.n, shape.k));
  double read = bytes / info.memoryGBs;
  double compute = static_cast<double>(plannedTokens(shape)) * shape.n * shape.k / productsPerNs;
  return {form.str(), multiplies, std::max(read, compute), read > compute ? "memory" : "arithmetic"};
}

ProductPlan setun::planAddSub(const TargetInfo &info, const ProductShape &shape, const AddSubRates &rates) {
  if (shape.groups || isa<FloatType>(shape.activation))
    return makePlan(info, shape, "column add", rates.columnAdd, false);
  int64_t tokens = plannedTokens(shape);
  if (tokens <= 3)
    return makePlan(info, shape, "select add", rates.selectAdd, false);
  if (tokens <= 8)
    return makePlan(info, shape, "table add, 8 tokens a block", rates.tableAdd8, false);
  if (tokens <= 16)
    return makePlan(info, shape, "table add, 16 tokens a block", rates.tableAdd16, false);
  return makePlan(info, shape, "table add, 32 tokens a block", rates.tableAdd32, false);
}
