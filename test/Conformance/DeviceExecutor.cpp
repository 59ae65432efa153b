//===- DeviceExecutor.cpp - Kernels of a device, emulated -----------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The host's code runs natively and launches kernels through the runtime's interface, as in a model; the kernels, the
// very code that the device's compiler gets, run in the emulator. Each call takes another schedule of their threads.
//
//===----------------------------------------------------------------------===//

#include "Executor.h"
#include "KernelJit.h"

#include "setun/Target/NVPTX/Emulator.h"

#include "setun-rt/abi.h"

using namespace setun;
using namespace setun::conformance;

namespace {

/// What the host's code is given as the runtime: the public part first.
struct Runtime {
  setun_rt rt = {};
  nvptx::DeviceEmulator *emulator = nullptr;
  const setun_device_code *code = nullptr;
  setun_device_frame frame = {};
  std::string failure; // of the first launch that failed

  static void launch(setun_rt *rt, const setun_launch *launch) {
    auto *self = reinterpret_cast<Runtime *>(rt);
    if (!self->failure.empty())
      return;
    nvptx::LaunchConfig config;
    std::copy_n(launch->grid, 3, config.grid.begin());
    std::copy_n(launch->block, 3, config.block.begin());
    config.sharedBytes = launch->shared_bytes;
    config.params = launch->params;
    config.paramsSize = launch->params_size;
    if (llvm::Error error = self->emulator->launch(self->code->kernels[launch->kernel], config))
      self->failure = llvm::toString(std::move(error));
  }
};

class DeviceKernels final : public Kernels {
public:
  DeviceKernels(std::unique_ptr<KernelJit> jit, std::unique_ptr<nvptx::DeviceEmulator> emulator,
                const setun_device_code *code, std::vector<void *> functions)
      : jit(std::move(jit)), emulator(std::move(emulator)), functions(std::move(functions)) {
    runtime.rt.launch = Runtime::launch;
    runtime.rt.device = &runtime.frame;
    runtime.emulator = this->emulator.get();
    runtime.code = code;
  }

  llvm::Error call(size_t function, llvm::ArrayRef<Operand> operands) override {
    Matrix descriptors[SETUN_REGIONS];
    void *d[SETUN_REGIONS];
    for (auto [i, operand] : llvm::enumerate(operands)) {
      d[i] = &descriptors[i];
      if (operand.rank == 2)
        descriptors[i] = matrixOf(operand.data, operand.sizes[0], operand.sizes[1], operand.strides[0]);
      else
        new (&descriptors[i]) Vector(vectorOf(operand.data, operand.sizes[0]));
    }
    emulator->setSeed(calls++ % 4);
    runtime.failure.clear();
    void *code = functions[function];
    if (operands.size() == 3)
      reinterpret_cast<void (*)(void *, void *, void *, void *)>(code)(d[0], d[1], d[2], &runtime);
    else
      reinterpret_cast<void (*)(void *, void *, void *, void *, void *)>(code)(d[0], d[1], d[2], d[3], &runtime);
    return runtime.failure.empty() ? llvm::Error::success() : llvm::createStringError(runtime.failure);
  }

  void setMemory(std::vector<nvptx::MemoryRange> ranges) {
    ranges.push_back({reinterpret_cast<uint64_t>(&runtime.frame), sizeof runtime.frame});
    emulator->setMemory(ranges);
  }

private:
  std::unique_ptr<KernelJit> jit;
  std::unique_ptr<nvptx::DeviceEmulator> emulator;
  std::vector<void *> functions;
  Runtime runtime;
  uint64_t calls = 0;
};

class DeviceExecutor final : public Executor {
public:
  DeviceExecutor(Variant variant, OperandMemory &memory) : variant(variant) {
    for (Slot slot : {Slot::X, Slot::Weight, Slot::Scales, Slot::Result})
      memoryRanges.push_back({reinterpret_cast<uint64_t>(memory.place<uint8_t>(slot, 0, true)), SETUN_REGION_SIZE});
  }

  std::unique_ptr<Kernels> compile(llvm::StringRef source, llvm::ArrayRef<std::string> names) override {
    auto jit = std::make_unique<KernelJit>();
    if (!jit->compile(source, variant))
      return nullptr;
    auto *code = static_cast<const setun_device_code *>(jit->lookupSymbol("setun_device_code"));
    if (!code)
      return nullptr;
    const setun_image &image = code->images[0];
    auto emulator = nvptx::DeviceEmulator::load({static_cast<const char *>(image.data), image.size});
    if (!emulator) {
      llvm::logAllUnhandledErrors(emulator.takeError(), llvm::errs());
      return nullptr;
    }
    std::vector<void *> functions;
    for (const std::string &name : names) {
      functions.push_back(jit->lookup(name));
      if (!functions.back())
        return nullptr;
    }
    auto kernels = std::make_unique<DeviceKernels>(std::move(jit), std::move(*emulator), code, std::move(functions));
    kernels->setMemory(memoryRanges);
    return kernels;
  }

private:
  Variant variant;
  std::vector<nvptx::MemoryRange> memoryRanges;
};

} // namespace

llvm::Expected<std::unique_ptr<Executor>> setun::conformance::makeDeviceExecutor(const Subject &subject,
                                                                                 OperandMemory &memory) {
  return std::make_unique<DeviceExecutor>(Variant{subject.level, subject.products, /*emulated=*/true}, memory);
}
