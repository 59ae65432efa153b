//===- Link.cpp - From object to executable or shared library -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The only other program a compilation runs. For another system than this one it is Debian's cross compiler
// (ARCHITECTURE-linux-gnu-gcc), or clang with lld, which finds its way in most sysroots; docs/cross-compiling.md.

#include "setun/Compiler/Link.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace setun;

namespace {
/// The system that code is linked for.
struct System {
  llvm::Triple triple;
  bool isNative;

  explicit System(StringRef name) : triple(llvm::Triple::normalize(name)) {
    llvm::Triple host(llvm::sys::getProcessTriple());
    isNative = triple.getArch() == host.getArch() && triple.getOS() == host.getOS() &&
               triple.getEnvironment() == host.getEnvironment();
  }
  /// ARCHITECTURE-linux-gnu, as cross toolchains are named.
  std::string getName() const {
    std::string name = (triple.getArchName() + "-" + triple.getOSName()).str();
    return triple.getEnvironmentName().empty() ? name : (name + "-" + triple.getEnvironmentName()).str();
  }
};
} // namespace

static std::optional<std::string> findFirst(ArrayRef<std::string> names) {
  for (StringRef name : names)
    if (llvm::ErrorOr<std::string> program = llvm::sys::findProgramByName(name))
      return *program;
  return std::nullopt;
}

/// clang with what it needs to know of another system. Its linker is lld, where there is one: the system's own may not
/// know the architecture.
static SmallVector<std::string> addTarget(StringRef clang, const System &system,
                                          const std::optional<std::string> &lld) {
  SmallVector<std::string> command = {clang.str(), "--target=" + system.getName()};
  if (lld)
    command.append({"-fuse-ld=lld", "--ld-path=" + *lld});
  return command;
}

/// The program that links and its first arguments.
static FailureOr<SmallVector<std::string>> findLinker(const System &system, const CompileOptions &options,
                                                      Location loc) {
  using Command = SmallVector<std::string>;
  std::optional<std::string> clang = findFirst({"clang-22", "clang"}), lld = findFirst({"ld.lld-22", "ld.lld"});
  if (!options.linker.empty()) {
    std::optional<std::string> program = findFirst({options.linker});
    if (!program)
      return emitError(loc) << "linker '" << options.linker << "' not found";
    bool isClang = llvm::sys::path::filename(*program).contains("clang");
    return isClang && !system.isNative ? addTarget(*program, system, lld) : Command{*program};
  }
  if (system.isNative) {
    std::optional<std::string> program = clang ? clang : findFirst({"cc", "gcc"});
    if (program)
      return Command{*program};
    return emitError(loc) << "no linker found: install clang or gcc, or name one with --linker, or use --emit object";
  }
  std::string gccName = system.getName() + "-gcc";
  std::optional<std::string> gcc = findFirst({gccName});
  if (clang && lld && (!gcc || !options.sysroot.empty()))
    return addTarget(*clang, system, lld);
  if (gcc)
    return Command{*gcc};
  return emitError(loc) << "no linker for " << system.getName() << " found: install " << gccName
                        << " or clang and lld, or name one with --linker, or use --emit object";
}

/// A library of the installed or built tree this program runs from.
static FailureOr<std::string> findLibrary(const System &system, StringRef name, Location loc) {
  static int anchor;
  SmallString<256> path(llvm::sys::fs::getMainExecutable(nullptr, &anchor));
  llvm::sys::path::remove_filename(path);
  llvm::sys::path::append(path, "..", "lib");
  if (!system.isNative)
    llvm::sys::path::append(path, "setun", system.getName());
  llvm::sys::path::append(path, name);
  llvm::sys::path::remove_dots(path, /*remove_dot_dot=*/true);
  if (llvm::sys::fs::exists(path))
    return std::string(path);
  if (system.isNative)
    return emitError(loc) << "the runtime library " << path << " is missing: the installation is incomplete";
  return emitError(loc) << "the runtime library for " << system.getName() << ", " << path
                        << ", is missing: configure Setun's build with -DSETUN_RUNTIME_TRIPLES=" << system.getName()
                        << ", or use --emit object";
}

/// The program that links and all its arguments but the object and the output.
static FailureOr<SmallVector<std::string>> makeCommand(const System &system, ArrayRef<std::string> devices,
                                                       const CompileOptions &options, Location loc) {
  if (!options.sysroot.empty() && !llvm::sys::fs::is_directory(options.sysroot))
    return emitError(loc) << "the sysroot '" << options.sysroot << "' is not a folder";
  FailureOr<SmallVector<std::string>> command = findLinker(system, options, loc);
  if (failed(command))
    return failure();
  command->push_back("-Wl,-z,noexecstack");
  if (!options.sysroot.empty())
    command->push_back("--sysroot=" + options.sysroot);
  if (options.emit == Emit::SharedLibrary) {
    command->append({"-shared", "-lm"});
    return command;
  }
  if (options.linkStatically && !devices.empty())
    return emitError(loc) << "code for " << devices.front()
                          << " needs its driver, a shared library: a static executable cannot load it";
  SmallVector<std::string> names = {"libsetun_rt_main.a", "libsetun_rt_text.a"};
  for (const std::string &device : devices)
    names.push_back("libsetun_rt_" + device + ".a");
  if (!devices.empty()) // the runtime knows of drivers by a weak symbol, which takes nothing out of an archive
    command->push_back("-Wl,-u,setun_device_drivers");
  names.push_back("libsetun_rt.a");
  for (const std::string &name : names) {
    FailureOr<std::string> library = findLibrary(system, name, loc);
    if (failed(library))
      return failure();
    command->push_back(*library);
  }
  if (options.linkStatically)
    command->append({"-static", "-Wl,--gc-sections"});
  command->append({"-lm", "-lpthread", "-ldl"});
  return command;
}

LogicalResult setun::checkLinker(StringRef triple, ArrayRef<std::string> devices, const CompileOptions &options,
                                 Location loc) {
  return makeCommand(System(triple), devices, options, loc);
}

LogicalResult setun::linkModel(StringRef object, StringRef output, StringRef triple, ArrayRef<std::string> devices,
                               const CompileOptions &options, Location loc) {
  System system(triple);
  FailureOr<SmallVector<std::string>> command = makeCommand(system, devices, options, loc);
  if (failed(command))
    return failure();
  command->insert(command->begin() + 1, {object.str(), "-o", output.str()}); // before the libraries it needs
  SmallString<128> log;
  if (std::error_code error = llvm::sys::fs::createTemporaryFile("setun-link", "log", log))
    return emitError(loc) << "cannot make a temporary file: " << error.message();
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(log), StringRef(log)};
  SmallVector<StringRef> arguments(command->begin(), command->end());
  std::string message;
  int status = llvm::sys::ExecuteAndWait(command->front(), arguments, std::nullopt, redirects, 0, 0, &message);
  if (status != 0) {
    if (auto text = llvm::MemoryBuffer::getFile(log))
      message += (*text)->getBuffer().rtrim();
    InFlightDiagnostic error = emitError(loc) << "linking " << options.output << " failed: " << message;
    if (!options.sysroot.empty())
      error.attachNote() << "the sysroot must hold what it takes to link for " << system.getName()
                         << ": the C library with its start files, and libgcc";
    else if (!system.isNative)
      error.attachNote() << "the C library of " << system.getName()
                         << " must be installed (on Debian, packages libc6-dev-*-cross and libgcc-*-dev-*-cross), or "
                            "--sysroot tell where it is";
  }
  llvm::sys::fs::remove(log);
  return success(status == 0);
}
