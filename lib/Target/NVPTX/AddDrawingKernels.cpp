//===- AddDrawingKernels.cpp - Sampling on the device ------------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The runtime's sampler (include/setun-rt/sample.h) as kernels: the same token, so that a step that draws gives back
// one number and not a row of logits.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/Passes.h"

#include "DrawKernels.h"
#include "SamplingKernels.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_ADDDRAWINGKERNELS
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

namespace {

struct AddDrawingKernels : nvptx::impl::AddDrawingKernelsBase<AddDrawingKernels> {
  void runOnOperation() override {
    auto containers = getOperation().getOps<gpu::GPUModuleOp>();
    if (containers.empty())
      return;
    Builder types(&getContext());
    const std::pair<Type, StringRef> kernels[] = {{types.getF32Type(), "setun_draw_largest"},
                                                  {types.getF16Type(), "setun_draw_largest_f16"},
                                                  {types.getBF16Type(), "setun_draw_largest_bf16"}};
    bool any = false;
    for (auto [element, name] : kernels)
      if (hasLogits(getOperation(), element)) {
        add(*containers.begin(), name, [element = element](DrawKernel &kernel) { kernel.emitLargest(element); });
        any = true;
      }
    if (!any)
      return;
    add(*containers.begin(), "setun_draw_weigh", [](DrawKernel &kernel) { kernel.emitWeigh(); });
    add(*containers.begin(), "setun_draw_rank", [](DrawKernel &kernel) { kernel.emitRank(); });
    add(*containers.begin(), "setun_draw_share", [](DrawKernel &kernel) { kernel.emitShare(); });
    add(*containers.begin(), "setun_draw_sum", [](DrawKernel &kernel) { kernel.emitSum(); });
    add(*containers.begin(), "setun_draw_pick", [](DrawKernel &kernel) { kernel.emitPick(); });
  }

  static void add(gpu::GPUModuleOp container, StringRef name, function_ref<void(DrawKernel &)> emit) {
    DeviceBuilder b(container.getLoc(), container.getContext());
    Type pointer = LLVM::LLVMPointerType::get(b.getContext());
    DrawKernel kernel(
        b, addKernel(b, container, name, {pointer, pointer, b.getI64Type(), pointer, pointer}, kDrawThreads));
    emit(kernel);
  }
};

} // namespace
