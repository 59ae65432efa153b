//===- Link.cpp - From object to executable or shared library -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The only other program a compilation runs.

#include "setun/Compiler/Link.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace mlir;
using namespace setun;

static FailureOr<std::string> findLinker(const CompileOptions &options, Location loc) {
  if (!options.linker.empty()) {
    if (llvm::ErrorOr<std::string> program = llvm::sys::findProgramByName(options.linker))
      return *program;
    return emitError(loc) << "linker '" << options.linker << "' not found";
  }
  for (StringRef name : {"clang-22", "clang", "cc", "gcc"})
    if (llvm::ErrorOr<std::string> program = llvm::sys::findProgramByName(name))
      return *program;
  return emitError(loc) << "no linker found: install clang or gcc, or name one with --linker, or use --emit object";
}

/// A library of the installed or built tree this program runs from.
static FailureOr<std::string> findLibrary(StringRef name, Location loc) {
  static int anchor;
  SmallString<256> path(llvm::sys::fs::getMainExecutable(nullptr, &anchor));
  llvm::sys::path::remove_filename(path);
  llvm::sys::path::append(path, "..", "lib", name);
  llvm::sys::path::remove_dots(path, /*remove_dot_dot=*/true);
  if (llvm::sys::fs::exists(path))
    return std::string(path);
  return emitError(loc) << "the runtime library " << path << " is missing: the installation is incomplete";
}

LogicalResult setun::linkModel(StringRef object, StringRef output, const CompileOptions &options, Location loc) {
  FailureOr<std::string> linker = findLinker(options, loc);
  if (failed(linker))
    return failure();
  SmallVector<std::string> args = {*linker, object.str(), "-o", output.str(), "-Wl,-z,noexecstack"};
  if (options.emit == Emit::SharedLibrary) {
    args.append({"-shared", "-lm"});
  } else {
    for (StringRef name : {"libsetun_rt_main.a", "libsetun_rt.a"}) {
      FailureOr<std::string> library = findLibrary(name, loc);
      if (failed(library))
        return failure();
      args.push_back(*library);
    }
    args.append({"-lm", "-lpthread", "-ldl"});
  }
  SmallString<128> log;
  if (std::error_code error = llvm::sys::fs::createTemporaryFile("setun-link", "log", log))
    return emitError(loc) << "cannot make a temporary file: " << error.message();
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(log), StringRef(log)};
  SmallVector<StringRef> arguments(args.begin(), args.end());
  std::string message;
  int status = llvm::sys::ExecuteAndWait(*linker, arguments, std::nullopt, redirects, 0, 0, &message);
  if (status != 0) {
    if (auto text = llvm::MemoryBuffer::getFile(log))
      message += (*text)->getBuffer().rtrim();
    emitError(loc) << "linking " << output << " failed: " << message;
  }
  llvm::sys::fs::remove(log);
  return success(status == 0);
}
