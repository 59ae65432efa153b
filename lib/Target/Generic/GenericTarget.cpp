//===- GenericTarget.cpp - Plain additions for any machine -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The oracle of all targets: vector arithmetic that LLVM compiles for the oldest
// x86-64, with no instruction named and no multiplication in a product's loops.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Kernels/CostModel.h"
#include "setun/Target/Kernels/Kernels.h"
#include "setun/Target/Target.h"

using namespace mlir;
using namespace setun;

namespace {

class GenericTarget final : public Target {
public:
  const TargetInfo &getInfo() const override { return info; }

  std::vector<EncodingCandidate> getEncodings(const ProductShape &shape) const override {
    return {{Product::getLayout(), getPlan(shape, Products::AddSub).nanoseconds}};
  }

  ProductPlan getPlan(const ProductShape &shape, Products) const override {
    return planAddSub(info, shape, AddSubRates{35, 80, 170, 210, 5});
  }

  LogicalResult lowerProduct(RewriterBase &rewriter, ternary::MatmulOp op, Products) const override {
    KernelBuilder b(op.getLoc(), rewriter);
    auto product = Product::get(b, op);
    if (failed(product))
      return failure();
    emitAddSubProduct(b, *product, info.vectorBits);
    rewriter.eraseOp(op);
    return success();
  }

private:
  TargetInfo info{"generic", "x86-64", "plain additions, any x86-64", "x86_64-unknown-linux-gnu", "x86-64", "", 0, 128};
};

} // namespace

namespace setun {
std::unique_ptr<Target> createGenericTarget() { return std::make_unique<GenericTarget>(); }
} // namespace setun
