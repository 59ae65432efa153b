//===- GenericTarget.cpp - Plain additions for any machine -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The oracle of all targets: vector arithmetic that LLVM compiles for the plainest
// processor of this machine's architecture, with no instruction named and no
// multiplication in a product's loops.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Kernels/KernelLevel.h"
#include "setun/Target/Kernels/Kernels.h"

#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace setun;

namespace {

class GenericLevel final : public KernelLevel {
public:
  explicit GenericLevel(const Target &target) : KernelLevel(target, makeInfo()) {}

private:
  static LevelInfo makeInfo() {
    LevelInfo info;
    info.name = "generic";
    info.summary = "plain additions, any processor";
    info.cpu = llvm::Triple(llvm::sys::getProcessTriple()).isX86() ? "x86-64" : "generic";
    return info;
  }
  ProductForm getForm(const ProductShape &shape, int64_t tokens, const PackedLayout &, Products) const override {
    return getAddSubForm(getInfo(), shape, tokens, AddSubRates{35, 80, 170, 210, 5});
  }
  void emitProduct(KernelBuilder &b, const Product &p, Products) const override {
    emitAddSubProduct(b, p, getInfo().vectorBits);
  }
};

struct GenericTarget final : Target {
  GenericTarget()
      : Target("generic", "additions alone, for this machine's architecture", llvm::sys::getProcessTriple()) {
    levels.push_back(std::make_unique<GenericLevel>(*this));
  }
};

} // namespace

namespace setun {
std::unique_ptr<Target> createGenericTarget() { return std::make_unique<GenericTarget>(); }
} // namespace setun
