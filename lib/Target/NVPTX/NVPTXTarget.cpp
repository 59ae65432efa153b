//===- NVPTXTarget.cpp - NVIDIA GPUs ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One level an architecture. A step of the model becomes one or several kernels: first by the passes that know the
// step (docs/targets/cuda.md), then by setun-map-to-device; the kernels are compiled before the host's code and travel
// in it as data.
//
//===----------------------------------------------------------------------===//

#include "ProductForms.h"
#include "setun/Target/NVPTX/FusedProduct.h"
#include "setun/Target/NVPTX/Passes.h"
#include "setun/Target/NVPTX/ProductKernels.h"

#include "setun/Conversion/Flatten.h"
#include "setun/Conversion/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/GPU/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace setun;

/// Kernels to the LLVM dialect with NVVM's operations. Nothing of libdevice: setun-expand-math left no function of it.
static void lowerKernels(OpPassManager &pm) {
  addFlattening(pm);
  pm.addPass(createConvertGpuOpsToNVVMOps()); // loads of vectors from shared memory, too: it knows the address space
  pm.addPass(createConvertNVGPUToNVVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertVectorToLLVMPass()); // it knows nothing of shared memory, which is pointers by now
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createConvertNVVMToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

/// Kernels of the operations that have some.
static void addKernels(OpPassManager &pm, bool dependent) {
  pm.addNestedPass<func::FuncOp>(nvptx::createAttentionToDevice({dependent})); // first: it may take neighbours with it
  pm.addNestedPass<func::FuncOp>(nvptx::createRotaryToDevice());
  pm.addNestedPass<func::FuncOp>(nvptx::createEmbeddingToDevice());
  pm.addNestedPass<func::FuncOp>(nvptx::createQuantizeToDevice());
  pm.addNestedPass<func::FuncOp>(nvptx::createNormToDevice());
  pm.addNestedPass<func::FuncOp>(nvptx::createDenseToDevice());
  pm.addNestedPass<func::FuncOp>(nvptx::createReductionsToDevice());
  pm.addNestedPass<func::FuncOp>(nvptx::createElementwiseToDevice());
}

namespace {

struct NVPTXLevel final : KernelLevel {
  NVPTXLevel(const Target &target, LevelInfo info, std::string features, nvptx::DeviceRates rates)
      : KernelLevel(target, std::move(info)), backendFeatures(std::move(features)), rates(rates) {}

  /// By all processors, with the launch of a kernel.
  ProductPlan getPlan(const ProductShape &shape, const PackedLayout &layout, Products products) const override {
    ProductPlan plan = KernelLevel::getPlan(shape, layout, products);
    plan.nanoseconds += nvptx::kLaunchNs;
    return plan;
  }

  void extendPipeline(PipelinePoint point, OpPassManager &pm, const LevelOptions &options) const override {
    if (point == PipelinePoint::BeforeBufferize) {
      pm.addPass(nvptx::createConstantsToParameters());
      pm.addPass(nvptx::createGroupSteps());
      pm.addNestedPass<func::FuncOp>(nvptx::createAttentionScratch());
      pm.addNestedPass<func::FuncOp>(nvptx::createGroupAttention());
    }
    if (point == PipelinePoint::AfterProducts)
      addKernels(pm, launchesEarly());
    if (point != PipelinePoint::BeforeLLVM)
      return;
    pm.addPass(nvptx::createMapToDevice());
    pm.addPass(createGpuLaunchSinkIndexComputationsPass());
    pm.addPass(createGpuKernelOutliningPass());
    pm.addPass(nvptx::createMergeKernels());
    pm.addPass(nvptx::createReadPositions());
    pm.addPass(nvptx::createAddSamplingKernels());
    pm.addPass(nvptx::createAddDrawingKernels());
    pm.addPass(createLaunchToRuntime());
    OpPassManager &kernels = pm.nest<gpu::GPUModuleOp>();
    kernels.addPass(nvptx::createPrepareKernels());
    lowerKernels(kernels);
    pm.addPass(nvptx::createEmbedDeviceCode({getInfo().name, backendFeatures, options.emulate}));
  }

  LogicalResult lowerProduct(RewriterBase &rewriter, ternary::MatmulOp op, Products products) const override {
    bool integers = getElementTypeOrSelf(op.getX().getType()).isInteger(8) && !op.getScales();
    if (products == Products::AddSub || !integers || !isa<scf::ExecuteRegionOp>(op->getParentOp()))
      return KernelLevel::lowerProduct(rewriter, op, products);
    loadDialects(op.getContext());
    return nvptx::lowerGroupedProduct(rewriter, op, launchesEarly(), rates.warpGroups);
  }

protected:
  ProductForm getForm(const ProductShape &shape, int64_t tokens, const PackedLayout &,
                      Products products) const override {
    return nvptx::getDeviceForm(shape, tokens, products, rates);
  }
  void emitProduct(KernelBuilder &b, const Product &p, Products products) const override {
    loadDialects(b.getContext());
    nvptx::DeviceBuilder d(b.getLoc(), b);
    nvptx::DeviceProduct product = nvptx::makePlainProduct(d, p);
    product.dependent = launchesEarly();
    product.warpGroups = rates.warpGroups;
    if (products == Products::AddSub || p.scales || isa<FloatType>(p.activation))
      return nvptx::emitAdditionProduct(d, product);
    d.branch(
        d.cmp(arith::CmpIPredicate::sle, p.m, d.index(nvptx::kDecodeTokens)),
        [&] { nvptx::emitDecodeProduct(d, product); }, [&] { nvptx::emitPrefillProduct(d, product); });
  }

private:
  /// Whether a kernel can be launched while the one in front of it still runs.
  bool launchesEarly() const { return getInfo().name != "sm_80"; }

  /// The pass that calls this is every target's, and knows nothing of kernels.
  static void loadDialects(MLIRContext *context) {
    context->loadDialect<affine::AffineDialect, gpu::GPUDialect, LLVM::LLVMDialect, nvgpu::NVGPUDialect,
                         NVVM::NVVMDialect>();
  }

  std::string backendFeatures;
  nvptx::DeviceRates rates;
};

struct NVPTXTarget final : Target {
  NVPTXTarget() : Target("cuda", "NVIDIA GPUs, by PTX", "") {
    add("sm_100", "Blackwell", "+ptx86", 8000, 126 << 20, {148, 1.85});
    // Its code runs on that architecture alone: a file for others as well holds another level beside it.
    add("sm_90a", "Hopper alone, with wgmma", "+ptx80", 3350, 50 << 20, {132, 1.7, /*warpGroups=*/true});
    add("sm_90", "Hopper", "+ptx80", 3350, 50 << 20, {132, 1.7});
    add("sm_80", "Ampere and later", "+ptx80", 1555, 40 << 20, {108, 1.4});
  }

  void add(const char *name, const char *summary, const char *features, double memoryGBs, int64_t l2Bytes,
           nvptx::DeviceRates rates) {
    LevelInfo info;
    info.name = name;
    info.summary = summary;
    info.products = {"dp4a", "mma.sync"};
    if (rates.warpGroups)
      info.products.push_back("wgmma");
    info.vectorBits = 128;
    info.convertsHalf = true;
    info.l1Bytes = 128 << 10;
    info.l2Bytes = l2Bytes;
    info.memoryGBs = memoryGBs;
    levels.push_back(std::make_unique<NVPTXLevel>(*this, std::move(info), features, rates));
  }

  llvm::ArrayRef<llvm::StringRef> getArtifacts() const override {
    static constexpr llvm::StringRef names[] = {"ptx"};
    return names;
  }

  /// The text that the driver gets.
  LogicalResult emitArtifact(llvm::StringRef, const TargetLevel &level, ModuleOp module, Products products,
                             llvm::raw_pwrite_stream &os) const override {
    std::string options = "{target=" + level.getName() + (products == Products::AddSub ? " products=addsub}" : "}");
    PassManager passes(module.getContext(), ModuleOp::getOperationName());
    if (failed(parsePassPipeline("setun-encoded-to-target" + options + ",setun-target-to-llvm" + options, passes)) ||
        failed(passes.run(module)))
      return failure();
    for (auto global : module.getOps<LLVM::GlobalOp>())
      if (auto data = dyn_cast_or_null<StringAttr>(global.getValueOrNull()))
        if (global.getSymName() == "setun_device_ptx") {
          os << data.getValue().rtrim('\0');
          return success();
        }
    return emitError(module.getLoc()) << "the model has no kernels to write";
  }

  void registerPasses() const override { nvptx::registerNVPTXPasses(); }
};

} // namespace

namespace setun {
std::unique_ptr<Target> createNVPTXTarget() { return std::make_unique<NVPTXTarget>(); }
} // namespace setun
