//===- RemoteExecutor.cpp - Kernels of another machine, in a process that a runner starts -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels become an object for the level's own triple, processor and features,
// linked with Remote/Runner.c by the architecture's compiler. The program takes
// commands over a pipe and finds its operands in a file that both processes map.
//
//===----------------------------------------------------------------------===//

#include "Executor.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Triple.h"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace setun;
using namespace setun::conformance;

namespace {

constexpr int kPatienceMilliseconds = 120000; // for one call, on a busy machine

/// A folder for object and program, gone with this.
struct Folder {
  llvm::SmallString<128> path;
  Folder() { llvm::cantFail(llvm::errorCodeToError(llvm::sys::fs::createUniqueDirectory("setun-conformance", path))); }
  ~Folder() { llvm::sys::fs::remove_directories(path); }
  std::string file(llvm::StringRef name) const { return (path + "/" + name).str(); }
};

/// The program under its runner, started when it is first called and again after it died.
class RemoteKernels final : public Kernels {
public:
  RemoteKernels(std::unique_ptr<Folder> folder, std::string runner, OperandMemory &memory)
      : folder(std::move(folder)), runner(std::move(runner)), memory(memory) {}
  ~RemoteKernels() { stop(); }

  llvm::Error call(size_t function, llvm::ArrayRef<Operand> operands) override {
    if (child < 0)
      if (llvm::Error failure = start())
        return failure;
    setun_command command = {static_cast<int64_t>(function), static_cast<int64_t>(operands.size()), {}};
    for (size_t i = 0; i < operands.size(); ++i) {
      const Operand &operand = operands[i];
      command.operands[i] = {memory.offsetOf(operand.data), operand.rank, {}, {}};
      std::copy_n(operand.sizes, 2, command.operands[i].sizes);
      std::copy_n(operand.strides, 2, command.operands[i].strides);
    }
    char answer;
    pollfd reply = {fromChild, POLLIN, 0};
    if (write(toChild, &command, sizeof command) != sizeof command)
      return llvm::createStringError("the runner takes no commands: " + stop());
    if (poll(&reply, 1, kPatienceMilliseconds) == 0)
      return llvm::createStringError("the kernel does not end: " + stop());
    if (read(fromChild, &answer, 1) != 1)
      return llvm::createStringError("the kernel died: " + stop());
    return llvm::Error::success();
  }

private:
  llvm::Error start() {
    int down[2], up[2];
    if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
      return llvm::createStringError("no pipe: %s", std::strerror(errno));
    std::string program = folder->file("kernels"), file = std::to_string(memory.getFile());
    std::string shell = "exec " + runner + " \"$0\" \"$1\"";
    char *const arguments[] = {
        const_cast<char *>("sh"), const_cast<char *>("-c"), shell.data(), program.data(), file.data(), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, down[0], 0);
    posix_spawn_file_actions_adddup2(&actions, up[1], 1);
    int failure = posix_spawn(&child, "/bin/sh", &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(down[0]);
    close(up[1]);
    toChild = down[1];
    fromChild = up[0];
    if (!failure)
      return llvm::Error::success();
    child = -1;
    return llvm::createStringError("'%s' does not start: %s", runner.c_str(), std::strerror(failure));
  }

  /// Ends the child; says how it ended if it had by itself.
  std::string stop() {
    if (child < 0)
      return "";
    close(toChild);
    close(fromChild);
    int status = 0;
    // A program without commands ends by itself, at once; one that hangs does not.
    for (int wait = 0; waitpid(child, &status, WNOHANG) == 0; ++wait) {
      if (wait == 200)
        kill(child, SIGKILL);
      usleep(10000);
    }
    child = -1;
    if (WIFSIGNALED(status))
      return strsignal(WTERMSIG(status));
    return "exit status " + std::to_string(WEXITSTATUS(status));
  }

  std::unique_ptr<Folder> folder;
  std::string runner;
  OperandMemory &memory;
  pid_t child = -1;
  int toChild = -1, fromChild = -1;
};

class RemoteExecutor final : public Executor {
public:
  RemoteExecutor(Variant variant, std::string runner, std::vector<std::string> linker, OperandMemory &memory)
      : variant(variant), runner(std::move(runner)), linker(std::move(linker)), memory(memory) {}

  std::unique_ptr<Kernels> compile(llvm::StringRef source, llvm::ArrayRef<std::string> names) override {
    std::optional<CompiledModule> code = compiler.compile(source, variant);
    if (!code)
      return nullptr;
    addTable(*code->module, names);
    auto folder = std::make_unique<Folder>();
    std::string object = folder->file("kernels.o"), program = folder->file("kernels"), message;
    if (!emitObject(*code, object))
      return nullptr;
    llvm::SmallVector<llvm::StringRef> arguments(linker.begin(), linker.end());
    arguments.append({"-O1", "-static", SETUN_RUNNER_SOURCE, object, "-o", program});
    if (llvm::sys::ExecuteAndWait(linker.front(), arguments, std::nullopt, {}, 0, 0, &message) != 0) {
      llvm::errs() << "linking with " << linker.front() << " failed " << message << "\n";
      return nullptr;
    }
    return std::make_unique<RemoteKernels>(std::move(folder), runner, memory);
  }

private:
  /// Runner.c finds the functions by their numbers.
  static void addTable(llvm::Module &module, llvm::ArrayRef<std::string> names) {
    auto *pointer = llvm::PointerType::get(module.getContext(), 0);
    llvm::SmallVector<llvm::Constant *> functions;
    for (const std::string &name : names)
      functions.push_back(module.getFunction(cInterface(name)));
    auto *type = llvm::ArrayType::get(pointer, functions.size());
    new llvm::GlobalVariable(module, type, /*isConstant=*/true, llvm::GlobalValue::ExternalLinkage,
                             llvm::ConstantArray::get(type, functions), "setun_kernels");
  }

  static bool emitObject(CompiledModule &code, llvm::StringRef path) {
    std::error_code failure;
    llvm::raw_fd_ostream file(path, failure);
    llvm::legacy::PassManager passes;
    if (failure || code.machine->addPassesToEmitFile(passes, file, nullptr, llvm::CodeGenFileType::ObjectFile)) {
      llvm::errs() << "cannot write " << path << "\n";
      return false;
    }
    passes.run(*code.module);
    return true;
  }

  KernelCompiler compiler;
  Variant variant;
  std::string runner;
  std::vector<std::string> linker; // program and first arguments
  OperandMemory &memory;
};

} // namespace

/// The command that runs programs of an architecture: as asked for, or qemu's; empty if there is none.
static std::string findRunner(llvm::StringRef arch) {
  for (const auto &[name, command] : getOptions().runners)
    if (arch == name)
      return command;
  if (const char *command = std::getenv(("SETUN_RUN_" + arch.upper()).c_str()))
    return command;
  auto qemu = llvm::sys::findProgramByName(("qemu-" + arch).str());
  return qemu ? *qemu + " -cpu max" : "";
}

/// A compiler that knows the architecture and finds its C library: program and first arguments. Empty if there is none.
static std::vector<std::string> findLinker(llvm::StringRef arch) {
  std::string system = arch.str() + "-linux-gnu";
  for (std::vector<std::string> linker : {std::vector<std::string>{"clang-22", "--target=" + system, "-fuse-ld=lld"},
                                          {"clang", "--target=" + system, "-fuse-ld=lld"},
                                          {system + "-gcc"}}) {
    auto program = llvm::sys::findProgramByName(linker.front());
    if (!program)
      continue;
    linker.front() = *program;
    llvm::SmallVector<llvm::StringRef> arguments(linker.begin(), linker.end());
    arguments.append({"-fsyntax-only", SETUN_RUNNER_SOURCE});
    std::optional<llvm::StringRef> silent[] = {"", "", ""};
    if (llvm::sys::ExecuteAndWait(*program, arguments, std::nullopt, silent) == 0)
      return linker;
  }
  return {};
}

llvm::Expected<std::unique_ptr<Executor>> setun::conformance::makeRemoteExecutor(const Subject &subject,
                                                                                 OperandMemory &memory) {
  std::string arch = llvm::Triple(subject.level->getTarget().getTriple()).getArchName().str();
  std::string runner = findRunner(arch);
  if (runner.empty())
    return llvm::createStringError("no program to run " + arch + " code: install qemu-user, name one with --runner=" +
                                   arch + ":COMMAND or in SETUN_RUN_" + llvm::StringRef(arch).upper());
  std::vector<std::string> linker = findLinker(arch);
  if (linker.empty())
    return llvm::createStringError("no compiler and C library for " + arch + ": install clang and lld, or gcc-" + arch +
                                   "-linux-gnu, and libc6-dev for it");
  std::signal(SIGPIPE, SIG_IGN); // a dead runner is an error of its call
  return std::make_unique<RemoteExecutor>(Variant{subject.level, subject.products, false}, runner, std::move(linker),
                                          memory);
}
