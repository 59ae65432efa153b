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
#include "setun/Transforms/Entry.h"

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
      if (hasLogits(element)) {
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
    b.setInsertionPointToEnd(container.getBody());
    Type pointer = LLVM::LLVMPointerType::get(b.getContext());
    auto type = b.getFunctionType({pointer, pointer, b.getI64Type(), pointer, pointer}, {});
    auto function = gpu::GPUFuncOp::create(b, name, type);
    function->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
    function.setKnownBlockSize(ArrayRef<int32_t>{static_cast<int32_t>(kDrawThreads), 1, 1});
    b.setInsertionPointToStart(&function.getBody().front());
    gpu::ReturnOp::create(b);
    b.setInsertionPointToStart(&function.getBody().front());
    DrawKernel kernel(b, function);
    emit(kernel);
  }

  /// Whether some result may be logits of that type: rows of floats.
  bool hasLogits(Type element) {
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (unsigned i = 0; i < function.getNumArguments(); ++i) {
        auto type = dyn_cast<MemRefType>(function.getArgument(i).getType());
        if (function.getArgAttr(i, entry::kOutput) && type && type.getRank() >= 2 && type.getElementType() == element)
          return true;
      }
    return false;
  }
};

} // namespace
