//===- MergeKernels.cpp - One module for all kernels ----------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/Passes.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_MERGEKERNELS
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;

namespace {

/// Whether it waits for the kernel in front of it by itself, so that the runtime may launch it early.
bool waits(gpu::GPUFuncOp kernel) {
  return kernel
      .walk([](NVVM::GriddepcontrolOp op) {
        return op.getKind() == NVVM::GridDepActionKind::wait ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

struct MergeKernels : nvptx::impl::MergeKernelsBase<MergeKernels> {
  void runOnOperation() override {
    SmallVector<gpu::GPUModuleOp> containers(getOperation().getOps<gpu::GPUModuleOp>());
    if (containers.empty())
      return;
    OpBuilder builder(containers.front());
    auto merged = gpu::GPUModuleOp::create(builder, getOperation().getLoc(), "setun_kernels");
    SymbolTable symbols(merged);
    DenseMap<Attribute, SymbolRefAttr> renamed;
    for (gpu::GPUModuleOp container : containers) {
      for (auto kernel : llvm::make_early_inc_range(container.getOps<gpu::GPUFuncOp>())) {
        auto old = SymbolRefAttr::get(container.getNameAttr(), {FlatSymbolRefAttr::get(kernel.getNameAttr())});
        // Upstream names it after the function that it was cut out of.
        StringRef name = kernel.getName();
        name.consume_back("_kernel");
        StringRef ending = waits(kernel) ? "_pdl" : "";
        std::string unique = (name + ending).str();
        for (unsigned number = 0; symbols.lookup(unique); ++number)
          unique = (name + "_" + Twine(number) + ending).str();
        kernel.setName(unique);
        kernel->remove();
        symbols.insert(kernel);
        renamed[old] = SymbolRefAttr::get(merged.getNameAttr(), {FlatSymbolRefAttr::get(kernel.getNameAttr())});
      }
      container.erase();
    }
    getOperation().walk([&](gpu::LaunchFuncOp launch) { launch.setKernelAttr(renamed.lookup(launch.getKernel())); });
  }
};

} // namespace
