//===- DeviceEmulator.cpp - A module of device code -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads it, checks it, and compiles each kernel when it is first launched.
//
//===----------------------------------------------------------------------===//

#include "Rewrite.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/DebugInfo.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace llvm;
using namespace setun::nvptx;
using namespace setun::nvptx::emulator;

namespace {

class Emulator;

/// A machine at work, which goes back to its emulator.
class Launch final : public EmulatedLaunch {
public:
  Launch(Emulator &emulator, std::unique_ptr<Machine> machine) : emulator(emulator), machine(std::move(machine)) {}
  ~Launch() override;
  Error finish() override { return machine->finish(); }

private:
  Emulator &emulator;
  std::unique_ptr<Machine> machine;
};

class Emulator final : public DeviceEmulator {
public:
  explicit Emulator(EmulatorOptions options) : options(options) {}
  ~Emulator() override {
    module.reset(); // before its context
  }

  Error read(StringRef bitcode);
  ArrayRef<KernelInfo> getKernels() const override { return kernels; }
  void setMemory(ArrayRef<MemoryRange> ranges) override;
  void setSeed(uint64_t seed) override { options.seed = seed; }
  Expected<std::unique_ptr<EmulatedLaunch>> begin(StringRef name, const LaunchConfig &config, uint32_t early) override;

  std::vector<std::unique_ptr<Machine>> machines;

private:
  Error makeJit();
  Error addGlobals();
  Expected<CompiledKernel *> compile(const KernelInfo &info);
  std::unique_ptr<Module> copy(function_ref<bool(const GlobalValue *)> defines);
  Error add(std::unique_ptr<Module> code);

  EmulatorOptions options;
  orc::ThreadSafeContext context{std::make_unique<LLVMContext>()};
  std::unique_ptr<Module> module;
  std::vector<KernelInfo> kernels;
  std::unique_ptr<TargetMachine> target;
  std::unique_ptr<orc::LLJIT> jit;
  std::string messages;
  StringMap<std::unique_ptr<CompiledKernel>> compiled;
  std::vector<MemoryRange> constants;
  MemoryTable memory;
  uint64_t launches = 0;
};

} // namespace

Launch::~Launch() { emulator.machines.push_back(std::move(machine)); }

Error Emulator::read(StringRef bitcode) {
  return context.withContextDo([&](LLVMContext *llvm) -> Error {
    auto parsed = parseBitcodeFile(MemoryBufferRef(bitcode, "device code"), *llvm);
    if (!parsed)
      return parsed.takeError();
    module = std::move(*parsed);
    std::string message;
    raw_string_ostream stream(message);
    if (verifyModule(*module, &stream))
      return createStringError("the device code is wrong: " + message);
    if (Error error = checkModule(*module))
      return error;
    auto described = describeKernels(*module);
    if (!described)
      return described.takeError();
    kernels = std::move(*described);
    if (Error error = makeJit())
      return error;
    return addGlobals();
  });
}

Error Emulator::makeJit() {
  InitializeNativeTarget();
  InitializeNativeTargetAsmPrinter();
  auto host = orc::JITTargetMachineBuilder::detectHost();
  if (!host)
    return host.takeError();
  // The kernels have been optimized once. To do so again, and to select code with care, takes longer than it saves:
  // threads spend their time meeting each other.
  host->setCodeGenOptLevel(CodeGenOptLevel::None);
  host->getOptions().AllowFPOpFusion = FPOpFusion::Strict;
  auto made = host->createTargetMachine();
  if (!made)
    return made.takeError();
  target = std::move(*made);
  auto built = orc::LLJITBuilder().setJITTargetMachineBuilder(*host).create();
  if (!built)
    return built.takeError();
  jit = std::move(*built);
  jit->getExecutionSession().setErrorReporter([this](Error error) { messages += toString(std::move(error)) + "; "; });
  orc::SymbolMap symbols;
  for (auto [name, address] : getHostFunctions())
    symbols[jit->mangleAndIntern(name)] = {orc::ExecutorAddr::fromPtr(address), JITSymbolFlags::Exported};
  return jit->getMainJITDylib().define(orc::absoluteSymbols(symbols));
}

/// A copy of the device code for the host, with the bodies and values that `defines` asks for.
std::unique_ptr<Module> Emulator::copy(function_ref<bool(const GlobalValue *)> defines) {
  ValueToValueMapTy map;
  std::unique_ptr<Module> code = CloneModule(*module, map, defines);
  StripDebugInfo(*code);
  for (NamedMDNode &node : make_early_inc_range(code->named_metadata()))
    code->eraseNamedMetadata(&node);
  code->setTargetTriple(target->getTargetTriple());
  code->setDataLayout(target->createDataLayout());
  return code;
}

Error Emulator::add(std::unique_ptr<Module> code) {
  if (Error error = jit->addIRModule(orc::ThreadSafeModule(std::move(code), context)))
    return error;
  return Error::success();
}

/// Variables and constants of the device: one place for all kernels.
Error Emulator::addGlobals() {
  std::vector<GlobalVariable *> globals;
  for (GlobalVariable &global : module->globals())
    if (global.getAddressSpace() != 3 && !global.isDeclaration() && !global.getName().starts_with("llvm."))
      globals.push_back(&global);
  if (globals.empty())
    return Error::success();
  for (auto [i, global] : enumerate(globals)) {
    global->setName("setun.global." + Twine(i));
    global->setLinkage(GlobalValue::ExternalLinkage);
    global->setVisibility(GlobalValue::DefaultVisibility);
    global->setComdat(nullptr);
  }
  auto code = copy([](const GlobalValue *value) {
    auto *global = dyn_cast<GlobalVariable>(value);
    return global && global->getAddressSpace() != 3;
  });
  for (Function &function : make_early_inc_range(*code))
    if (function.use_empty())
      function.eraseFromParent();
  if (Error error = add(std::move(code)))
    return error;
  for (GlobalVariable *global : globals) {
    auto address = jit->lookup(global->getName());
    if (!address)
      return createStringError(std::exchange(messages, "") + toString(address.takeError()));
    constants.push_back({address->getValue(), module->getDataLayout().getTypeAllocSize(global->getValueType())});
  }
  return Error::success();
}

Expected<CompiledKernel *> Emulator::compile(const KernelInfo &info) {
  std::unique_ptr<CompiledKernel> &kernel = compiled[info.name];
  if (kernel && kernel->entry)
    return kernel.get();
  kernel = std::make_unique<CompiledKernel>();
  kernel->info = &info;
  kernel->constants = constants;
  kernel->checksRaces = options.checkRaces;
  auto code = copy([&](const GlobalValue *value) {
    auto *function = dyn_cast<Function>(value);
    return function && (function->getName() == info.name || function->getCallingConv() != CallingConv::PTX_Kernel);
  });
  if (Error error = rewriteKernel(*code, *kernel, options.checkAccesses || options.checkRaces))
    return error;
  // What has been inlined, and then what that called.
  for (bool erased = true; erased;) {
    erased = false;
    for (Function &function : make_early_inc_range(*code))
      if (function.getName() != info.name && function.use_empty()) {
        function.eraseFromParent();
        erased = true;
      }
  }
  if (Error error = add(std::move(code)))
    return error;
  auto address = jit->lookup(info.name);
  if (!address)
    return createStringError("cannot compile kernel '" + info.name + "': " + std::exchange(messages, "") +
                             toString(address.takeError()));
  kernel->entry = address->toPtr<KernelEntry>();
  return kernel.get();
}

void Emulator::setMemory(ArrayRef<MemoryRange> ranges) {
  memory.known = true;
  memory.ranges = ranges.vec();
  llvm::sort(memory.ranges, [](const MemoryRange &a, const MemoryRange &b) { return a.begin < b.begin; });
}

/// What a driver would refuse.
static Error checkConfig(const KernelInfo &info, const LaunchConfig &config) {
  auto refuse = [&](const Twine &message) { return createStringError("kernel '" + info.name + "': " + message); };
  uint64_t threads = uint64_t(config.block[0]) * config.block[1] * config.block[2];
  auto [gx, gy, gz] = config.grid;
  if (!threads || threads > 1024 || config.block[0] > 1024 || config.block[1] > 1024 || config.block[2] > 64)
    return refuse(formatv("blocks of ({0},{1},{2}) threads: 1 to 1024 are possible", config.block[0], config.block[1],
                          config.block[2]));
  if (threads > info.maxThreads || (info.exactThreads && threads != info.maxThreads))
    return refuse(formatv("blocks of {0} threads: it was compiled for {1}{2}", threads,
                          info.exactThreads ? "" : "up to ", info.maxThreads));
  if (!gx || !gy || !gz || gx > INT32_MAX || gy > 65535 || gz > 65535)
    return refuse(formatv("a grid of ({0},{1},{2}) blocks", gx, gy, gz));
  if (info.sharedBytes + config.sharedBytes > 227 * 1024)
    return refuse(formatv("{0} bytes of shared memory: no device has more than {1}",
                          info.sharedBytes + config.sharedBytes, 227 * 1024));
  if (config.paramsSize != info.paramsSize)
    return refuse(formatv("{0} bytes of parameters, it takes {1}", config.paramsSize, info.paramsSize));
  return Error::success();
}

Expected<std::unique_ptr<EmulatedLaunch>> Emulator::begin(StringRef name, const LaunchConfig &config, uint32_t early) {
  const KernelInfo *info = lookup(name);
  if (!info)
    return createStringError("the device code has no kernel '" + name + "'");
  if (Error error = checkConfig(*info, config))
    return error;
  auto kernel = context.withContextDo([&](LLVMContext *) { return compile(*info); });
  if (!kernel)
    return kernel.takeError();
  if (machines.empty())
    machines.push_back(std::make_unique<Machine>());
  std::unique_ptr<Machine> machine = std::move(machines.back());
  machines.pop_back();
  Machine &started = *machine;
  auto launch = std::make_unique<Launch>(*this, std::move(machine));
  uint64_t turn = options.seed ? 1000003 * ++launches : 0;
  if (Error error = started.start(**kernel, config, options.seed, turn, &memory, early))
    return error;
  return launch;
}

const KernelInfo *DeviceEmulator::lookup(StringRef name) const {
  for (const KernelInfo &info : getKernels())
    if (info.name == name)
      return &info;
  return nullptr;
}

Error DeviceEmulator::launch(StringRef kernel, const LaunchConfig &config) {
  auto started = begin(kernel, config, /*early=*/0);
  return started ? (*started)->finish() : started.takeError();
}

Error DeviceEmulator::launch(StringRef kernel, std::array<uint32_t, 3> grid, std::array<uint32_t, 3> block,
                             uint32_t sharedBytes, const void *params, uint64_t size) {
  return launch(kernel, {grid, block, sharedBytes, params, size});
}

Expected<std::unique_ptr<DeviceEmulator>> DeviceEmulator::load(StringRef bitcode, EmulatorOptions options) {
  auto emulator = std::make_unique<Emulator>(options);
  if (Error error = emulator->read(bitcode))
    return error;
  return emulator;
}
