//===- OutputFile.h - Files that appear whole or not at all -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_COMPILER_OUTPUTFILE_H
#define SETUN_COMPILER_OUTPUTFILE_H

#include "mlir/IR/Location.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

namespace setun {

/// A file written under a temporary name beside its own and renamed by commit(). Destroyed without commit, it leaves
/// nothing. "-" is standard output.
class OutputFile {
public:
  static llvm::FailureOr<OutputFile> open(llvm::StringRef path, mlir::Location loc, bool executable = false);
  OutputFile(OutputFile &&) = default;
  ~OutputFile();

  llvm::raw_pwrite_stream &os() { return *stream; }
  /// Where the bytes are until commit(): for programs that write the file themselves.
  llvm::StringRef temporaryPath() const { return temporary; }
  llvm::LogicalResult commit();

private:
  explicit OutputFile(mlir::Location loc) : loc(loc) {}
  mlir::Location loc;
  std::string path, temporary;
  bool executable = false;
  std::unique_ptr<llvm::raw_fd_ostream> stream;
};

} // namespace setun

#endif // SETUN_COMPILER_OUTPUTFILE_H
