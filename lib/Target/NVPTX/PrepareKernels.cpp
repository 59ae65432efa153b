//===- PrepareKernels.cpp - The device frame, faults and alignment ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/Passes.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/StringSwitch.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_PREPAREKERNELS
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;

/// The intrinsic of LLVM that a function of math is, for those that NVPTX has instructions for; upstream's conversion
/// would call libdevice.
static StringRef intrinsicOf(Operation *op) {
  return llvm::StringSwitch<StringRef>(op->getName().getStringRef())
      .Case("math.absf", "llvm.fabs")
      .Case("math.ceil", "llvm.ceil")
      .Case("math.copysign", "llvm.copysign")
      .Case("math.floor", "llvm.floor")
      .Case("math.fma", "llvm.fma")
      .Case("math.roundeven", "llvm.roundeven")
      .Case("math.sqrt", "llvm.sqrt")
      .Case("math.trunc", "llvm.trunc")
      .Default("");
}

namespace {

struct PrepareKernels : nvptx::impl::PrepareKernelsBase<PrepareKernels> {
  void runOnOperation() override {
    gpu::GPUModuleOp module = getOperation();
    SmallVector<Attribute> messages;
    for (auto kernel : module.getOps<gpu::GPUFuncOp>()) {
      if (!kernel.isKernel())
        continue;
      if (failed(kernel.insertArgument(0, LLVM::LLVMPointerType::get(&getContext()), {}, kernel.getLoc())))
        return signalPassFailure();
      kernel.walk([&](LLVM::CallIntrinsicOp frame) {
        if (frame.getIntrin() != nvptx::kDeviceFrame)
          return;
        frame->getResult(0).replaceAllUsesWith(kernel.getArgument(0));
        frame.erase();
      });
      SmallVector<cf::AssertOp> checks;
      kernel.walk([&](cf::AssertOp check) { checks.push_back(check); });
      for (cf::AssertOp check : checks)
        lower(check, kernel.getArgument(0), messages);
      // A launch's own attributes do not outlive its outlining: a barrier carries this one.
      kernel.walk([&](gpu::BarrierOp barrier) {
        if (auto blocks = barrier->removeAttr(nvptx::kMinBlocksAttr))
          kernel->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), blocks);
        if (auto many = barrier->removeAttr(nvptx::kManyTokensAttr))
          kernel->setAttr(nvptx::kManyTokensAttr, many);
      });
      // Matrices that tensor cores read from shared memory themselves have rows exchanged by their addresses' bits.
      bool matrices = false;
      kernel.walk([&](LLVM::InlineAsmOp code) { matrices |= code.getAsmString().starts_with("wgmma."); });
      for (unsigned i = 0; i < kernel.getNumWorkgroupAttributions(); ++i)
        kernel.setWorkgroupAttributionAttr(
            i, LLVM::LLVMDialect::getAlignAttrName(),
            IntegerAttr::get(IntegerType::get(&getContext(), 64), matrices ? 1024 : 128));
    }
    module.walk([](Operation *op) {
      StringRef intrinsic = intrinsicOf(op);
      if (intrinsic.empty())
        return;
      OpBuilder builder(op);
      auto call = LLVM::CallIntrinsicOp::create(builder, op->getLoc(), op->getResult(0).getType(),
                                                builder.getStringAttr(intrinsic), op->getOperands());
      op->replaceAllUsesWith(call);
      op->erase();
    });
    module->setAttr("setun.messages", ArrayAttr::get(&getContext(), messages));
  }

  /// The first fault of a run is the one that is told.
  static void lower(cf::AssertOp check, Value frame, SmallVector<Attribute> &messages) {
    OpBuilder builder(check);
    Location loc = check.getLoc();
    auto *known = llvm::find(messages, check.getMsgAttr());
    int64_t number = known - messages.begin() + 1;
    if (known == messages.end())
      messages.push_back(check.getMsgAttr());
    Value yes = arith::ConstantOp::create(builder, loc, builder.getBoolAttr(true));
    Value bad = arith::XOrIOp::create(builder, loc, check.getArg(), yes);
    auto guard = scf::IfOp::create(builder, loc, bad);
    OpBuilder inside = OpBuilder::atBlockBegin(guard.thenBlock());
    Value none = LLVM::ConstantOp::create(inside, loc, inside.getI32IntegerAttr(0));
    Value fault = LLVM::ConstantOp::create(inside, loc, inside.getI32IntegerAttr(number));
    LLVM::AtomicCmpXchgOp::create(inside, loc, frame, none, fault, LLVM::AtomicOrdering::monotonic,
                                  LLVM::AtomicOrdering::monotonic);
    check.erase();
  }
};

} // namespace
