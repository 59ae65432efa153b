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

#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace setun;

namespace {

struct GenericTarget final : Target {
  GenericTarget()
      : Target("generic", "additions alone, for this machine's architecture", llvm::sys::getProcessTriple()) {
    LevelInfo info;
    info.name = "generic";
    info.summary = "plain additions, any processor";
    info.cpu = llvm::Triple(llvm::sys::getProcessTriple()).isX86() ? "x86-64" : "generic";
    levels.push_back(std::make_unique<AddSubLevel>(*this, std::move(info), AddSubRates{13, 143, 160, 168, 5}));
  }
};

} // namespace

namespace setun {
std::unique_ptr<Target> createGenericTarget() { return std::make_unique<GenericTarget>(); }
} // namespace setun
