//===- EmbedDeviceCode.cpp - Kernels as data of the host ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Assemble.h"
#include "setun/Target/NVPTX/Passes.h"
#include "setun/Target/NVPTX/PersistentKernel.h"

#include "setun/Support/OptimizeLLVM.h"

#include "setun-rt/abi.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_EMBEDDEVICECODE
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;

namespace {

/// Builds the constant, field by field as the structs of abi.h are.
struct ConstantWriter {
  ModuleOp module;
  OpBuilder builder;
  Location loc;
  Type pointer, i32, i64;

  explicit ConstantWriter(ModuleOp module)
      : module(module), builder(OpBuilder::atBlockEnd(module.getBody())), loc(module.getLoc()),
        pointer(LLVM::LLVMPointerType::get(module.getContext())), i32(builder.getI32Type()), i64(builder.getI64Type()) {
  }

  /// A constant array of bytes.
  LLVM::GlobalOp bytes(StringRef name, StringRef data) {
    auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), data.size());
    auto global = LLVM::GlobalOp::create(builder, loc, type, /*isConstant=*/true, LLVM::Linkage::Internal, name,
                                         builder.getStringAttr(data), /*alignment=*/64);
    return global;
  }

  /// A constant of `type` whose fields `fill` gives.
  LLVM::GlobalOp structure(StringRef name, Type type, llvm::function_ref<SmallVector<Value>(OpBuilder &)> fill) {
    auto global =
        LLVM::GlobalOp::create(builder, loc, type, /*isConstant=*/true, LLVM::Linkage::Internal, name, Attribute());
    OpBuilder inside = OpBuilder::atBlockEnd(builder.createBlock(&global.getInitializerRegion()));
    builder.setInsertionPointToEnd(module.getBody());
    Value value = LLVM::UndefOp::create(inside, loc, type);
    for (auto [i, field] : llvm::enumerate(fill(inside)))
      value = LLVM::InsertValueOp::create(inside, loc, value, field, SmallVector<int64_t>{static_cast<int64_t>(i)});
    LLVM::ReturnOp::create(inside, loc, value);
    return global;
  }

  Value constant(OpBuilder &inside, Type type, int64_t value) {
    return LLVM::ConstantOp::create(inside, loc, type, inside.getIntegerAttr(type, value));
  }

  /// An array of C strings.
  LLVM::GlobalOp strings(StringRef name, ArrayRef<std::string> texts) {
    SmallVector<LLVM::GlobalOp> globals;
    for (auto [i, text] : llvm::enumerate(texts))
      globals.push_back(bytes((name + "_" + Twine(i)).str(), text + std::string(1, '\0')));
    return structure(name, LLVM::LLVMArrayType::get(pointer, texts.size()), [&](OpBuilder &inside) {
      SmallVector<Value> fields;
      for (LLVM::GlobalOp global : globals)
        fields.push_back(LLVM::AddressOfOp::create(inside, loc, global));
      return fields;
    });
  }
};

struct Image {
  setun_image_kind kind;
  uint32_t arch, exact;
  std::string data;
};

/// What the host gets.
struct DeviceCode {
  std::vector<Image> images;
  std::vector<std::string> kernels;      // their names in each image
  std::vector<uint32_t> persistent = {}; // as setun_device_code has it; none without the persistent kernel
};

StringRef nameOf(setun_image_kind kind) {
  return kind == SETUN_IMAGE_PTX     ? "setun_device_ptx"
         : kind == SETUN_IMAGE_CUBIN ? "setun_device_cubin"
                                     : "setun_device_bitcode";
}

struct EmbedDeviceCode : nvptx::impl::EmbedDeviceCodeBase<EmbedDeviceCode> {
  using EmbedDeviceCodeBase::EmbedDeviceCodeBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<gpu::GPUModuleOp> containers(module.getOps<gpu::GPUModuleOp>());
    if (containers.empty())
      return;
    if (containers.size() > 1) {
      containers[1].emitError("a second module of kernels; run --setun-merge-kernels first");
      return signalPassFailure();
    }
    gpu::GPUModuleOp container = containers.front();
    std::vector<std::string> kernels, messages;
    SmallVector<bool> forMany;
    for (auto function : container.getOps<LLVM::LLVMFuncOp>())
      if (function->hasAttr(gpu::GPUDialect::getKernelFuncAttrName())) {
        kernels.push_back(function.getName().str());
        forMany.push_back(function->hasAttr(nvptx::kManyTokensAttr));
      }
    if (auto texts = container->getAttrOfType<ArrayAttr>("setun.messages"))
      for (Attribute text : texts)
        messages.push_back(cast<StringAttr>(text).str());
    FailureOr<DeviceCode> code = compile(container, std::move(kernels), forMany);
    if (failed(code))
      return signalPassFailure();
    container.erase();
    embed(module, *code, messages);
  }

  static std::unique_ptr<llvm::TargetMachine> makeMachine(Location loc, StringRef arch, StringRef features) {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
    llvm::Triple triple("nvptx64-nvidia-cuda");
    std::string error;
    const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
    if (!backend) {
      emitError(loc) << "no code generator for " << triple.str() << ": " << error;
      return nullptr;
    }
    llvm::TargetOptions options;
    options.AllowFPOpFusion = llvm::FPOpFusion::Strict; // docs/numerics.md: never contracted
    return std::unique_ptr<llvm::TargetMachine>(backend->createTargetMachine(
        triple, arch, features, options, std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  }

  /// `kernels` that the container has, and the persistent kernel if there is to be one.
  FailureOr<DeviceCode> compile(gpu::GPUModuleOp container, std::vector<std::string> kernels, ArrayRef<bool> forMany) {
    Location loc = container.getLoc();
    std::unique_ptr<llvm::TargetMachine> machine = makeMachine(loc, arch, features);
    if (!machine)
      return failure();
    llvm::LLVMContext context;
    std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(container, context, container.getName());
    if (!code) {
      emitError(loc, "cannot translate the kernels to LLVM IR");
      return failure();
    }
    code->setTargetTriple(machine->getTargetTriple());
    code->setDataLayout(machine->createDataLayout());
    llvm::Expected<std::vector<uint32_t>> forms = nvptx::addPersistentKernel(*code, kernels, forMany);
    if (!forms) {
      emitError(loc) << llvm::toString(forms.takeError());
      return failure();
    }
    DeviceCode made{{}, std::move(kernels), std::move(*forms)};
    if (!made.persistent.empty()) {
      made.kernels.push_back(nvptx::kPersistentKernel);
      made.persistent.push_back(0);
    }
    optimizeLLVM(*code, *machine, llvm::OptimizationLevel::O3);
    nvptx::sinkPersistentParameters(*code);
    uint32_t number = 0;
    StringRef rest = StringRef(arch).drop_front(StringRef("sm_").size());
    rest.consumeInteger(10, number);
    uint32_t alone = !rest.empty(); // "sm_90a": not on later ones
    SmallString<0> data;
    llvm::raw_svector_ostream os(data);
    if (emulate) {
      llvm::WriteBitcodeToFile(*code, os);
      made.images = {{SETUN_IMAGE_BITCODE, number, alone, data.str().str()}};
      return made;
    }
    nvptx::inlinePersistentKernel(*code);
    llvm::legacy::PassManager passes;
    if (machine->addPassesToEmitFile(passes, os, nullptr, llvm::CodeGenFileType::AssemblyFile)) {
      emitError(loc, "the code generator cannot emit PTX");
      return failure();
    }
    passes.run(*code);
    std::string ptx = data.str().str();
    FailureOr<std::string> cubin = nvptx::assemble(loc, arch, ptx);
    if (failed(cubin))
      return failure();
    if (!cubin->empty())
      made.images.push_back({SETUN_IMAGE_CUBIN, number, alone, *cubin});
    made.images.push_back({SETUN_IMAGE_PTX, number, alone, ptx + std::string(1, '\0')});
    return made;
  }

  static void embed(ModuleOp module, const DeviceCode &device, ArrayRef<std::string> messages) {
    ConstantWriter w(module);
    MLIRContext *context = module.getContext();
    SmallVector<LLVM::GlobalOp> data;
    for (const Image &image : device.images)
      data.push_back(w.bytes(nameOf(image.kind), image.data));
    auto imageType = LLVM::LLVMStructType::getLiteral(context, {w.i32, w.i32, w.i32, w.i32, w.i64, w.pointer});
    SmallVector<LLVM::GlobalOp> descriptions;
    auto imagesType = LLVM::LLVMArrayType::get(imageType, device.images.size());
    LLVM::GlobalOp list = w.structure("setun_device_images", imagesType, [&](OpBuilder &b) {
      SmallVector<Value> items;
      for (auto [image, bytes] : llvm::zip_equal(device.images, data)) {
        Value item = LLVM::UndefOp::create(b, w.loc, imageType);
        Value fields[] = {w.constant(b, w.i32, image.kind),        w.constant(b, w.i32, image.arch),
                          w.constant(b, w.i32, image.exact),       w.constant(b, w.i32, 0),
                          w.constant(b, w.i64, image.data.size()), LLVM::AddressOfOp::create(b, w.loc, bytes)};
        for (auto [i, field] : llvm::enumerate(fields))
          item = LLVM::InsertValueOp::create(b, w.loc, item, field, SmallVector<int64_t>{static_cast<int64_t>(i)});
        items.push_back(item);
      }
      return items;
    });
    LLVM::GlobalOp driver = w.bytes("setun_device_driver", StringRef("cuda\0", 5));
    LLVM::GlobalOp names = w.strings("setun_device_kernels", device.kernels);
    LLVM::GlobalOp texts = w.strings("setun_device_messages", messages);
    LLVM::GlobalOp forms;
    if (!device.persistent.empty())
      forms = w.structure("setun_device_persistent", LLVM::LLVMArrayType::get(w.i32, device.persistent.size()),
                          [&](OpBuilder &b) {
                            SmallVector<Value> numbers;
                            for (uint32_t number : device.persistent)
                              numbers.push_back(w.constant(b, w.i32, number));
                            return numbers;
                          });
    auto type = LLVM::LLVMStructType::getLiteral(
        context, {w.pointer, w.i32, w.i32, w.i32, w.i32, w.pointer, w.pointer, w.pointer, w.pointer});
    static_assert(offsetof(setun_device_code, images) == 24 && sizeof(setun_device_code) == 56);
    LLVM::GlobalOp code = w.structure("setun_device_code", type, [&](OpBuilder &b) {
      auto address = [&](LLVM::GlobalOp global) { return LLVM::AddressOfOp::create(b, w.loc, global).getResult(); };
      return SmallVector<Value>{address(driver),
                                w.constant(b, w.i32, device.images.front().arch),
                                w.constant(b, w.i32, device.images.size()),
                                w.constant(b, w.i32, device.kernels.size()),
                                w.constant(b, w.i32, messages.size()),
                                address(list),
                                address(names),
                                address(texts),
                                forms ? address(forms) : LLVM::ZeroOp::create(b, w.loc, w.pointer).getResult()};
    });
    code.setLinkage(LLVM::Linkage::External); // the model's descriptor, which is not there yet, will name it
  }
};

} // namespace
