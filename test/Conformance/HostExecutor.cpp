//===- HostExecutor.cpp - Kernels in this process -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel that dies takes the call with it, not the suite: signals come back as
// errors. Generated code holds nothing that a jump over it would leak.
//
//===----------------------------------------------------------------------===//

#include "Executor.h"
#include "KernelJit.h"

#include "llvm/ADT/STLExtras.h"
#include <csetjmp>
#include <csignal>
#include <cstring>

using namespace setun;
using namespace setun::conformance;

static sigjmp_buf whereCalled;
static volatile sig_atomic_t isCalled = 0;

static void leaveKernel(int signal) {
  if (isCalled)
    siglongjmp(whereCalled, signal);
  ::signal(signal, SIG_DFL);
  raise(signal);
}

static void catchSignals() {
  struct sigaction action = {};
  action.sa_handler = leaveKernel;
  action.sa_flags = SA_NODEFER;
  for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE})
    sigaction(signal, &action, nullptr);
}

namespace {

class HostKernels final : public Kernels {
public:
  HostKernels(std::unique_ptr<KernelJit> jit, std::vector<void *> functions)
      : jit(std::move(jit)), functions(std::move(functions)) {}

  llvm::Error call(size_t function, llvm::ArrayRef<Operand> operands) override {
    Matrix descriptors[SETUN_REGIONS]; // a Vector fits
    for (auto [operand, descriptor] : llvm::zip_first(operands, descriptors))
      if (operand.rank == 2)
        descriptor = matrixOf(operand.data, operand.sizes[0], operand.sizes[1], operand.strides[0]);
      else
        new (&descriptor) Vector(vectorOf(operand.data, operand.sizes[0]));
    if (int signal = sigsetjmp(whereCalled, /*savesigs=*/0)) {
      isCalled = 0;
      return llvm::createStringError("the kernel died: %s", strsignal(signal));
    }
    isCalled = 1;
    void *code = functions[function], *d[SETUN_REGIONS];
    for (int i = 0; i < SETUN_REGIONS; ++i)
      d[i] = &descriptors[i];
    if (operands.size() == 3)
      reinterpret_cast<void (*)(void *, void *, void *)>(code)(d[0], d[1], d[2]);
    else
      reinterpret_cast<void (*)(void *, void *, void *, void *)>(code)(d[0], d[1], d[2], d[3]);
    isCalled = 0;
    return llvm::Error::success();
  }

private:
  std::unique_ptr<KernelJit> jit;
  std::vector<void *> functions;
};

class HostExecutor final : public Executor {
public:
  explicit HostExecutor(Variant variant) : variant(variant) {}

  std::unique_ptr<Kernels> compile(llvm::StringRef source, llvm::ArrayRef<std::string> names) override {
    auto jit = std::make_unique<KernelJit>();
    if (!jit->compile(source, variant))
      return nullptr;
    std::vector<void *> functions;
    for (const std::string &name : names) {
      functions.push_back(jit->lookup(name));
      if (!functions.back())
        return nullptr;
    }
    return std::make_unique<HostKernels>(std::move(jit), std::move(functions));
  }

private:
  Variant variant;
};

} // namespace

llvm::Expected<std::unique_ptr<Executor>> setun::conformance::makeHostExecutor(const Subject &subject) {
  bool emulated = subject.way == Way::Emulated;
  if (!emulated && !runsOnHost(*subject.level))
    return llvm::createStringError("this processor lacks what " + subject.level->getName() + " needs");
  catchSignals();
  return std::make_unique<HostExecutor>(Variant{subject.level, subject.products, emulated});
}
