//===- Launch.cpp - Running what was compiled -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Launch.h"

#include "setun-rt/abi.h"
#include "setun-rt/main.h"
#include "setun/Compiler/Compiler.h"
#include "setun/Target/Registry.h"

#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <cerrno>
#include <dlfcn.h>
#include <unistd.h>

using namespace llvm;

/// An executable has an interpreter or a fixed address; a shared library of ours has neither.
static bool isExecutable(const object::ELFObjectFileBase &file) {
  if (file.getEType() == ELF::ET_EXEC)
    return true;
  auto *elf = dyn_cast<object::ELF64LEObjectFile>(&file);
  if (!elf)
    return false;
  Expected<object::ELF64LE::PhdrRange> headers = elf->getELFFile().program_headers();
  if (!headers)
    return consumeError(headers.takeError()), false;
  return any_of(*headers, [](const auto &header) { return header.p_type == ELF::PT_INTERP; });
}

/// Whether code for `architecture` runs here; says so if not.
static bool runsHere(const Twine &what, Triple::ArchType architecture) {
  Triple host(sys::getProcessTriple());
  if (architecture == host.getArch())
    return true;
  StringRef name = Triple::getArchTypeName(architecture);
  usageError(what + " is code for " + name + ", and this machine is " + host.getArchName() +
             ": an executable runs there, or here as `qemu-" + name + " -L SYSROOT FILE ...`");
  return false;
}

/// In the place of this process, so that Ctrl-C and the terminal are the program's alone.
static int runExecutable(StringRef path, ArrayRef<std::string> arguments) {
  std::string program = path.str();
  SmallVector<char *> argv = {program.data()};
  for (const std::string &argument : arguments)
    argv.push_back(const_cast<char *>(argument.c_str()));
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  return usageError("cannot run " + path + ": " + std::error_code(errno, std::generic_category()).message());
}

static int runLibrary(StringRef path, ArrayRef<std::string> arguments) {
  SmallString<256> absolute(path);
  sys::fs::make_absolute(absolute); // dlopen looks for bare names elsewhere
  void *library = dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return usageError(dlerror());
  auto *model = static_cast<const setun_model_desc *>(dlsym(library, SETUN_MODEL_SYMBOL));
  if (!model)
    return usageError(path + ": not a model compiled by setun");
  std::string program = path.str();
  SmallVector<char *> argv = {program.data()};
  for (const std::string &argument : arguments)
    argv.push_back(const_cast<char *>(argument.c_str()));
  int count = argv.size();
  argv.push_back(nullptr);
  return setun_main(model, count, argv.data());
}

/// Whether code for the target asked for runs here. Of a target that is not known the compiler tells.
static bool targetRunsHere(const setun::CompileOptions &options) {
  if (options.target.empty() || options.emulate)
    return true;
  Expected<setun::TargetSelection> selection = setun::selectTarget(options.target, options.cpu);
  if (selection)
    return runsHere("target '" + options.target + "'", Triple(selection->triple).getArch());
  consumeError(selection.takeError());
  return true;
}

static int runModel(StringRef path, ArrayRef<std::string> arguments, const ModelFlags &flags) {
  setun::CompileOptions options;
  if (!flags.apply(options) || !targetRunsHere(options))
    return 2;
  SmallString<128> folder;
  if (std::error_code error = sys::fs::createUniqueDirectory("setun-run", folder))
    return usageError("cannot make a temporary folder: " + error.message());
  options.model = path.str();
  options.output = (folder + "/model.so").str();
  options.emit = setun::Emit::SharedLibrary;
  options.progress = terminalProgress();
  std::unique_ptr<mlir::MLIRContext> context = setun::makeCompilerContext();
  DiagnosticPrinter printer(*context, /*remarks=*/false);
  int status = failed(setun::compileModel(options, *context)) ? 1 : runLibrary(options.output, arguments);
  sys::fs::remove_directories(folder);
  return status;
}

int launch(StringRef file, ArrayRef<std::string> arguments, const ModelFlags &flags) {
  if (sys::fs::is_directory(file))
    return runModel(file, arguments, flags); // a checkpoint's folder
  file_magic magic;
  if (std::error_code error = identify_magic(file, magic))
    return usageError(file + ": " + error.message());
  if (magic != file_magic::elf_shared_object && magic != file_magic::elf_executable)
    return runModel(file, arguments, flags);
  if (flags.batch.getNumOccurrences())
    return usageError(file +
                      " is compiled, for as many sequences as it was told then: --batch is for what is yet to be");
  Expected<object::OwningBinary<object::ObjectFile>> binary = object::ObjectFile::createObjectFile(file);
  if (!binary)
    return usageError(file + ": " + toString(binary.takeError()));
  auto *elf = dyn_cast<object::ELFObjectFileBase>(binary->getBinary());
  if (!elf)
    return usageError(file + ": not a file that setun compiled");
  if (!runsHere(file, elf->getArch()))
    return 2;
  return isExecutable(*elf) ? runExecutable(file, arguments) : runLibrary(file, arguments);
}
