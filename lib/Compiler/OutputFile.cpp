//===- OutputFile.cpp - Files that appear whole or not at all -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Compiler/OutputFile.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Signals.h"

using namespace mlir;
using namespace setun;

FailureOr<OutputFile> OutputFile::open(StringRef path, Location loc, bool executable) {
  OutputFile file(loc);
  file.path = path.str();
  file.executable = executable;
  std::error_code error;
  if (path == "-") {
    file.stream = std::make_unique<llvm::raw_fd_ostream>("-", error);
    return file;
  }
  llvm::SmallString<256> temporary;
  int descriptor;
  error = llvm::sys::fs::createUniqueFile(path + ".tmp-%%%%%%", descriptor, temporary);
  if (error)
    return emitError(loc) << "cannot write " << path << ": " << error.message();
  file.temporary = temporary.str().str();
  llvm::sys::RemoveFileOnSignal(file.temporary);
  file.stream = std::make_unique<llvm::raw_fd_ostream>(descriptor, /*shouldClose=*/true);
  return file;
}

OutputFile::~OutputFile() {
  if (!stream || temporary.empty())
    return;
  stream->clear_error();
  stream.reset();
  llvm::sys::fs::remove(temporary);
  llvm::sys::DontRemoveFileOnSignal(temporary);
}

LogicalResult OutputFile::commit() {
  stream->flush();
  if (std::error_code error = stream->error()) {
    stream->clear_error();
    return emitError(loc) << "cannot write " << path << ": " << error.message();
  }
  if (temporary.empty())
    return success();
  stream.reset();
  auto permissions = executable ? llvm::sys::fs::all_read | llvm::sys::fs::all_exe | llvm::sys::fs::owner_write
                                : llvm::sys::fs::all_read | llvm::sys::fs::owner_write;
  std::error_code error = llvm::sys::fs::setPermissions(temporary, permissions);
  if (!error)
    error = llvm::sys::fs::rename(temporary, path);
  llvm::sys::DontRemoveFileOnSignal(temporary);
  if (error) {
    llvm::sys::fs::remove(temporary);
    return emitError(loc) << "cannot write " << path << ": " << error.message();
  }
  return success();
}
