//===- Assemble.cpp - PTX through ptxas ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Assemble.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"

using namespace mlir;
using namespace setun;

namespace {

/// One run of ptxas.
struct Assembly {
  std::string object, report;
};

FailureOr<Assembly> run(Location loc, StringRef assembler, StringRef arch, StringRef ptx) {
  SmallString<128> source, object, messages;
  std::error_code error;
  auto temporary = [&](StringRef suffix, SmallString<128> &path) {
    error = error ? error : llvm::sys::fs::createTemporaryFile("setun", suffix, path);
    return llvm::FileRemover(path);
  };
  llvm::FileRemover first = temporary("ptx", source), second = temporary("cubin", object),
                    third = temporary("txt", messages);
  if (!error) {
    llvm::raw_fd_ostream os(source, error);
    os << ptx;
  }
  if (error)
    return emitError(loc) << "cannot make a temporary file: " << error.message();
  std::string target = ("-arch=" + arch).str();
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(messages), StringRef(messages)};
  int status = llvm::sys::ExecuteAndWait(assembler, {assembler, target, "-O3", "-v", source, "-o", object},
                                         std::nullopt, redirects);
  auto report = llvm::MemoryBuffer::getFile(messages), made = llvm::MemoryBuffer::getFile(object);
  if (status)
    return emitError(loc) << assembler << " failed: " << (report ? (*report)->getBuffer().trim() : StringRef());
  if (!made || !report)
    return emitError(loc) << assembler << " made nothing: " << (made ? report : made).getError().message();
  return Assembly{(*made)->getBuffer().str(), (*report)->getBuffer().str()};
}

/// The kernels that a report of `ptxas -v` tells spilled bytes of.
SmallVector<StringRef> findSpills(StringRef report) {
  SmallVector<StringRef> kernels;
  StringRef kernel;
  for (StringRef line : llvm::split(report, '\n')) {
    if (auto [before, name] = line.split("Function properties for "); !name.empty())
      kernel = name.trim();
    else if (line.contains(" bytes spill stores") && !line.contains(" 0 bytes spill stores, 0 bytes spill loads"))
      kernels.push_back(kernel);
  }
  return kernels;
}

/// Tells the kernel to be content with one block a multiprocessor. False if PTX says already how many it wants, or does
/// not bound the kernel's threads.
bool allowOneBlock(std::string &ptx, StringRef kernel) {
  size_t start = ptx.find((".entry " + kernel + "(").str());
  size_t body = ptx.find('{', start), bound = ptx.find(".maxntid", start);
  if (start == std::string::npos || body == std::string::npos || bound > body ||
      ptx.find(".minnctapersm", start) < body)
    return false;
  ptx.insert(ptx.find('\n', bound), "\n.minnctapersm 1");
  return true;
}

} // namespace

FailureOr<std::string> nvptx::assemble(Location loc, StringRef arch, std::string &ptx) {
  llvm::ErrorOr<std::string> assembler = llvm::sys::findProgramByName("ptxas");
  if (!assembler)
    return std::string();
  FailureOr<Assembly> made = run(loc, *assembler, arch, ptx);
  if (failed(made))
    return failure();
  bool changed = false;
  for (StringRef kernel : findSpills(made->report))
    changed |= allowOneBlock(ptx, kernel);
  if (changed)
    made = run(loc, *assembler, arch, ptx);
  if (failed(made))
    return failure();
  return std::move(made->object);
}
