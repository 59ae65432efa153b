//===- KernelLevel.cpp - Levels that use the shared kernels -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Kernels/KernelLevel.h"
#include "setun/Target/Kernels/Kernels.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace setun;

ProductShape ProductShape::of(ternary::MatmulOp op) {
  auto x = cast<ShapedType>(op.getX().getType()), acc = cast<ShapedType>(op.getAcc().getType());
  auto scales = op.getScales() ? cast<ShapedType>(op.getScales().getType()) : ShapedType();
  return {x.getDimSize(0), acc.getDimSize(1), x.getDimSize(1), scales ? scales.getDimSize(1) : 0, x.getElementType()};
}

bool setun::isColumnProduct(const ProductShape &shape) { return shape.groups || isa<FloatType>(shape.activation); }

std::vector<PackedLayout> KernelLevel::getLayouts(const ProductShape &) const {
  return {Product::getLayout(1), Product::getLayout(2), Product::getLayout(4)};
}

ProductPlan KernelLevel::getPlan(const ProductShape &shape, const PackedLayout &layout, Products products) const {
  // Where tokens are counted at run time, a decode step is what the plan is made for.
  int64_t tokens = ShapedType::isDynamic(shape.m) ? 1 : std::max<int64_t>(shape.m, 1);
  ProductForm form = getForm(shape, tokens, layout, products);
  ProductPlan plan;
  plan.form = form.name;
  plan.multiplies = form.multiplies;
  plan.bytes = static_cast<double>(layout.byteSize(shape.n, shape.k));
  // Four trits a byte: padded rows and columns are computed as well.
  double multiplyAdds = plan.bytes * 4 * llvm::alignTo(tokens, form.tokens);
  plan.instructions = multiplyAdds * form.instructions;
  double read = plan.bytes / getInfo().memoryGBs, compute = multiplyAdds / form.perNs;
  plan.nanoseconds = std::max(read, compute);
  plan.bound = read > compute ? "memory" : "arithmetic";
  return plan;
}

LogicalResult KernelLevel::lowerProduct(RewriterBase &rewriter, ternary::MatmulOp op, Products products) const {
  KernelBuilder b(op.getLoc(), rewriter);
  FailureOr<Product> product = Product::get(b, op);
  if (failed(product))
    return failure();
  emitProduct(b, *product, products);
  rewriter.eraseOp(op);
  return success();
}

ProductForm setun::getAddSubForm(const LevelInfo &info, const ProductShape &shape, int64_t tokens,
                                 const AddSubRates &rates) {
  if (isColumnProduct(shape)) // 16 rows of one column: a compare, a select and an addition, twice
    return {"column add", false, 9.0 / 16 * 512 / info.vectorBits, rates.columnAdd};
  // Eight products a lane of 32 bits and plane: two masks, compares, selects, an addition and a subtraction.
  if (tokens <= 3)
    return {"select add", false, 7.0 * 16 / info.vectorBits, rates.selectAdd};
  // One addition of an entry for four weights of as many tokens as fill a vector; half as much for indices and sums.
  int64_t lanes = tokens <= 8 ? 8 : tokens <= 16 ? 16 : 32;
  double rate = lanes == 8 ? rates.tableAdd8 : lanes == 16 ? rates.tableAdd16 : rates.tableAdd32;
  double vectors = std::max(1.0, lanes * 16.0 / info.vectorBits);
  return {("table add, " + llvm::Twine(lanes) + " tokens a block").str(), false, (1.5 * vectors + 2.5) / (4 * lanes),
          rate, lanes};
}

ProductForm AddSubLevel::getForm(const ProductShape &shape, int64_t tokens, const PackedLayout &, Products) const {
  return getAddSubForm(getInfo(), shape, tokens, rates);
}

void AddSubLevel::emitProduct(KernelBuilder &b, const Product &p, Products) const {
  emitAddSubProduct(b, p, getInfo().vectorBits);
}
