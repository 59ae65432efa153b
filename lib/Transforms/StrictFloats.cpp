//===- StrictFloats.cpp - No fast-math flag anywhere ----------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Upstream's emulation of bf16 marks its conversions as contractible, and a later fold then drops the rounding between
// two steps. docs/numerics.md asks for each of them.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace setun {
#define GEN_PASS_DEF_STRICTFLOATS
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

struct StrictFloats : setun::impl::StrictFloatsBase<StrictFloats> {
  void runOnOperation() override {
    auto none = arith::FastMathFlagsAttr::get(&getContext(), arith::FastMathFlags::none);
    getOperation()->walk([&](arith::ArithFastMathInterface op) {
      if (auto flags = op.getFastMathFlagsAttr(); flags && flags != none)
        op->setAttr(op.getFastMathAttrName(), none);
    });
  }
};

} // namespace
