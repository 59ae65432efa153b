//===- KernelCompiler.cpp - Products to optimized LLVM modules -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelCompiler.h"

#include "setun/Pipelines/Registration.h"
#include "setun/Support/OptimizeLLVM.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"

using namespace setun;
using namespace setun::conformance;

static constexpr const char *kLowering =
    "canonicalize,cse,scf-forall-to-for,setun-hoist-scratch,canonicalize,cse,expand-strided-metadata,lower-affine,"
    "convert-scf-to-cf,convert-vector-to-llvm,convert-arith-to-llvm,finalize-memref-to-llvm,"
    "func.func(llvm-request-c-wrappers),convert-func-to-llvm,convert-cf-to-llvm,convert-index-to-llvm,"
    "reconcile-unrealized-casts";

static std::string productsName(Products products) { return products == Products::AddSub ? "addsub" : "best"; }

std::string Variant::name() const {
  return level->getName() + ", " + productsName(products) + (emulated ? ", emulated" : "");
}

KernelCompiler::KernelCompiler() {
  static const bool registered = [] {
    setun::registerPasses();
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
    return true;
  }();
  (void)registered;
  mlir::DialectRegistry registry;
  setun::registerDialects(registry);
  mlir::registerAllToLLVMIRTranslations(registry);
  context.appendDialectRegistry(registry);
}

static bool run(mlir::ModuleOp module, llvm::StringRef pipeline) {
  mlir::PassManager passes(module.getContext());
  return succeeded(mlir::parsePassPipeline(pipeline, passes)) && succeeded(passes.run(module));
}

static constexpr const char *kOutlined = "outlined_";

/// Puts each kind of a target's intrinsics into a function of its own: emulated in every place, a kernel's code would
/// be fifty times as long.
static void outlineIntrinsics(mlir::ModuleOp module) {
  llvm::StringMap<mlir::func::FuncOp> functions;
  module.walk([&](mlir::LLVM::CallIntrinsicOp op) {
    std::string kind;
    llvm::raw_string_ostream(kind) << op.getIntrin() << op->getOperandTypes() << op->getResultTypes();
    mlir::func::FuncOp &function = functions[kind];
    bool plain =
        llvm::none_of(op->getOperandTypes(), [](mlir::Type type) { return mlir::isa<mlir::VectorType>(type); });
    if (plain || op->getParentOp() == function)
      return;
    if (!function) {
      mlir::ImplicitLocOpBuilder builder(op.getLoc(), module.getBodyRegion());
      auto type = builder.getFunctionType(op->getOperandTypes(), op->getResultTypes());
      function = mlir::func::FuncOp::create(builder, kOutlined + std::to_string(functions.size()), type);
      function.setPrivate();
      builder.setInsertionPointToStart(function.addEntryBlock());
      mlir::IRMapping operands;
      operands.map(op->getOperands(), function.getArguments());
      mlir::func::ReturnOp::create(builder, builder.clone(*op, operands)->getResults());
    }
    mlir::OpBuilder builder(op);
    auto call = mlir::func::CallOp::create(builder, op.getLoc(), function, op->getOperands());
    op->replaceAllUsesWith(call);
    op->erase();
  });
}

static bool extend(mlir::ModuleOp module, const TargetLevel &level, PipelinePoint point, const LevelOptions &options) {
  mlir::PassManager passes(module.getContext());
  level.extendPipeline(point, passes, options);
  return succeeded(passes.run(module));
}

mlir::OwningOpRef<mlir::ModuleOp> KernelCompiler::lower(llvm::StringRef source, const TargetLevel &level,
                                                        Products products) {
  auto module = mlir::parseSourceString<mlir::ModuleOp>(source, &context);
  std::string options = "target=" + level.getName() + " products=" + productsName(products);
  if (module && run(*module, "setun-convert-ternary-to-loops{" + options + "}"))
    return module;
  return nullptr;
}

static std::unique_ptr<llvm::TargetMachine> makeMachine(const Variant &variant) {
  const LevelInfo &info = variant.level->getInfo();
  llvm::Triple triple(variant.emulated ? llvm::sys::getProcessTriple() : variant.level->getTarget().getTriple().str());
  std::string plain = triple.getArch() == llvm::Triple::x86_64 ? "x86-64" : "generic", error;
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend) {
    llvm::errs() << "no code generator for " << triple.str() << ": " << error << "\n";
    return nullptr;
  }
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(
      backend->createTargetMachine(triple, variant.emulated ? plain : info.cpu, variant.emulated ? "" : info.features,
                                   options, llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

std::optional<CompiledModule> KernelCompiler::compile(llvm::StringRef source, const Variant &variant, Loops loops) {
  const TargetLevel &level = *variant.level;
  auto parsed = lower(source, level, variant.products);
  LevelOptions options{variant.products, variant.emulated};
  if (!parsed || !extend(*parsed, level, PipelinePoint::AfterProducts, options))
    return std::nullopt;
  bool replaces = variant.emulated && !level.getTarget().isDevice(); // a device's instructions are the emulator's task
  if (replaces)
    outlineIntrinsics(*parsed);
  if (replaces && !run(*parsed, "setun-emulate-intrinsics{target=" + level.getTarget().getName().str() + "}"))
    return std::nullopt;
  // The compiler's own pipeline comes to the target's passes by itself.
  const std::string whole =
      "canonicalize,cse,func.func(llvm-request-c-wrappers),setun-target-to-llvm{target=" + level.getName() +
      " products=" + productsName(variant.products) + "}";
  if (loops == Loops::Runtime ? !run(*parsed, whole)
                              : !extend(*parsed, level, PipelinePoint::BeforeLLVM, options) || !run(*parsed, kLowering))
    return std::nullopt;

  CompiledModule result;
  result.machine = makeMachine(variant);
  result.context = std::make_unique<llvm::LLVMContext>();
  result.module = mlir::translateModuleToLLVMIR(*parsed, *result.context);
  if (!result.machine || !result.module)
    return std::nullopt;
  result.module->setTargetTriple(result.machine->getTargetTriple());
  result.module->setDataLayout(result.machine->createDataLayout());
  for (llvm::Function &function : *result.module)
    if (!function.isDeclaration()) {
      function.addFnAttr("target-cpu", result.machine->getTargetCPU());
      function.addFnAttr("target-features", result.machine->getTargetFeatureString());
      if (function.getName().starts_with(kOutlined))
        function.addFnAttr(llvm::Attribute::NoInline);
    }
  optimizeLLVM(*result.module, *result.machine, llvm::OptimizationLevel::O3);
  return result;
}

bool KernelCompiler::usesIntrinsics(llvm::StringRef source, const TargetLevel &level) {
  auto module = lower(source, level, Products::Best);
  if (!module)
    return true; // the emulated way shows the error
  constexpr llvm::StringLiteral plain[] = {"builtin", "func", "arith", "vector", "memref", "scf", "affine", "index"};
  auto found = module->walk([&](mlir::Operation *op) {
    return llvm::is_contained(plain, op->getName().getDialectNamespace()) ? mlir::WalkResult::advance()
                                                                          : mlir::WalkResult::interrupt();
  });
  return found.wasInterrupted();
}

bool KernelCompiler::onlyAdds(llvm::StringRef source, const TargetLevel &level) {
  auto best = lower(source, level, Products::Best), adds = lower(source, level, Products::AddSub);
  auto print = [](mlir::ModuleOp module) {
    std::string text;
    llvm::raw_string_ostream(text) << module;
    return text;
  };
  return best && adds && print(*best) == print(*adds);
}

std::string setun::conformance::productSource(llvm::StringRef name, llvm::StringRef type, int64_t m, int64_t n,
                                              int64_t k, int64_t scales, const PackedLayout &layout) {
  auto size = [](int64_t value) { return value < 0 ? std::string("?") : std::to_string(value); };
  int64_t bytes = n < 0 || k < 0 ? -1 : layout.byteSize(n, k);
  std::string strided = ", strided<[?, 1]>>", result = type == "i8" && !scales ? "i32" : "f32";
  std::string x = "memref<" + size(m) + "x" + size(k) + "x" + type.str() + strided;
  std::string w = "memref<" + size(bytes) + "xi8>";
  std::string acc = "memref<" + size(m) + "x" + size(n) + "x" + result + strided;
  std::string s = "memref<" + size(n) + "x" + size(scales) + "xf32" + strided;
  std::string text = "func.func @" + name.str() + "(%x: " + x + ", %w: " + w;
  text += (scales ? ", %s: " + s : "") + ", %acc: " + acc + ") {\n  ternary.matmul ins(%x, %w";
  text += (scales ? ", %s : " : " : ") + x + ", " + w + (scales ? ", " + s : "") + ") outs(%acc : " + acc + ")";
  text += " {encoding = #ternary.encoding<bits = " + std::to_string(layout.bits) + ", tile = [";
  text += std::to_string(layout.tileRows) + ", " + std::to_string(layout.tileCols) + "], interleave = ";
  return text + std::to_string(layout.interleave) + ">}\n  return\n}\n";
}
