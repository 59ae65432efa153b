//===- KernelJit.cpp - Kernels of any target as functions of this process -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelJit.h"

#include "setun/Pipelines/Registration.h"
#include "setun/Support/OptimizeLLVM.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

using namespace setun;
using namespace setun::conformance;

static constexpr const char *kLowering =
    "canonicalize,cse,scf-forall-to-for,setun-hoist-scratch,canonicalize,cse,expand-strided-metadata,lower-affine,"
    "convert-scf-to-cf,convert-vector-to-llvm,convert-arith-to-llvm,finalize-memref-to-llvm,"
    "func.func(llvm-request-c-wrappers),convert-func-to-llvm,convert-cf-to-llvm,convert-index-to-llvm,"
    "reconcile-unrealized-casts";

std::string Variant::name() const {
  return level->getName() + (products == Products::AddSub ? ", addsub" : ", best") + (emulated ? ", emulated" : "");
}

std::vector<Variant> setun::conformance::getVariants() {
  std::vector<Variant> variants;
  for (const std::unique_ptr<Target> &target : getTargets())
    for (const std::unique_ptr<TargetLevel> &level : target->getLevels())
      for (Products products : {Products::AddSub, Products::Best}) {
        bool sameAsOther = level->getInfo().products.empty() && products == Products::Best;
        if (runsOnHost(*level) && !sameAsOther)
          variants.push_back({level.get(), products, false});
        if (!level->getInfo().products.empty() && products == Products::Best)
          variants.push_back({level.get(), products, true});
      }
  return variants;
}

KernelJit::KernelJit() {
  static const bool registered = (setun::registerPasses(), true);
  (void)registered;
  mlir::DialectRegistry registry;
  setun::registerDialects(registry);
  mlir::registerAllToLLVMIRTranslations(registry);
  context.appendDialectRegistry(registry);
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
}

bool KernelJit::compile(llvm::StringRef source, const Variant &variant) {
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::parseSourceString<mlir::ModuleOp>(source, &context);
  if (!module)
    return false;
  const LevelInfo &info = variant.level->getInfo();
  std::string pipeline =
      "setun-convert-ternary-to-loops{target=" + variant.level->getName() +
      " products=" + (variant.products == Products::AddSub ? "addsub" : "best") + "}," +
      (variant.emulated ? "setun-emulate-intrinsics{target=" + variant.level->getName() + "}," : "") + kLowering;
  mlir::PassManager passes(&context);
  if (failed(mlir::parsePassPipeline(pipeline, passes)) || failed(passes.run(*module)))
    return false;
  auto llvmContext = std::make_unique<llvm::LLVMContext>();
  std::unique_ptr<llvm::Module> code = mlir::translateModuleToLLVMIR(*module, *llvmContext);
  if (!code)
    return false;
  llvm::Triple triple(llvm::sys::getProcessTriple());
  std::string cpu = variant.emulated ? "x86-64" : info.cpu, error;
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  std::unique_ptr<llvm::TargetMachine> machine(
      backend->createTargetMachine(triple, cpu, variant.emulated ? "" : info.features, llvm::TargetOptions(),
                                   llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  code->setTargetTriple(triple);
  code->setDataLayout(machine->createDataLayout());
  for (llvm::Function &function : *code)
    if (!function.isDeclaration()) {
      function.addFnAttr("target-cpu", cpu);
      if (!variant.emulated && !info.features.empty())
        function.addFnAttr("target-features", info.features);
    }
  optimizeLLVM(*code, *machine, llvm::OptimizationLevel::O3);
  if (llvm::Error failure = jit->addIRModule(llvm::orc::ThreadSafeModule(std::move(code), std::move(llvmContext)))) {
    llvm::logAllUnhandledErrors(std::move(failure), llvm::errs());
    return false;
  }
  return true;
}

void *KernelJit::lookup(llvm::StringRef name) {
  auto address = jit->lookup(("_mlir_ciface_" + name).str());
  if (!address) {
    llvm::logAllUnhandledErrors(address.takeError(), llvm::errs());
    return nullptr;
  }
  return address->toPtr<void *>();
}

std::string setun::conformance::productSource(llvm::StringRef name, llvm::StringRef type, int64_t m, int64_t n,
                                              int64_t k, int64_t scales) {
  auto size = [](int64_t value) { return value < 0 ? std::string("?") : std::to_string(value); };
  int64_t bytes = n < 0 || k < 0 ? -1 : PackedLayout{2, 16, 16, 2}.byteSize(n, k);
  std::string strided = ", strided<[?, 1]>>", result = type == "i8" && !scales ? "i32" : "f32";
  std::string x = "memref<" + size(m) + "x" + size(k) + "x" + type.str() + strided;
  std::string w = "memref<" + size(bytes) + "xi8>";
  std::string acc = "memref<" + size(m) + "x" + size(n) + "x" + result + strided;
  std::string s = "memref<" + size(n) + "x" + size(scales) + "xf32" + strided;
  std::string text = "func.func @" + name.str() + "(%x: " + x + ", %w: " + w;
  text += (scales ? ", %s: " + s : "") + ", %acc: " + acc + ") {\n  ternary.matmul ins(%x, %w";
  text += (scales ? ", %s : " : " : ") + x + ", " + w + (scales ? ", " + s : "") + ") outs(%acc : " + acc + ")";
  return text + " {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}\n  return\n}\n";
}
