//===- Parameters.h - The bytes of a parameter -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_UTILS_PARAMETERS_H
#define SETUN_DIALECT_UTILS_PARAMETERS_H

#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "llvm/Support/MemoryBuffer.h"

namespace setun {

/// The bytes of one ml_program.global, wherever they are: in the IR (dense or dense_resource) or in a file
/// (`setun.data`), of which only the range is mapped. The view lives as long as this object.
class ParameterBytes {
public:
  /// Fails with a diagnostic on a global without a value or a file that cannot be mapped.
  static llvm::FailureOr<ParameterBytes> open(mlir::ml_program::GlobalOp global);
  /// The same for a constant's elements; a splat is repeated, i1 takes a byte an element.
  static llvm::FailureOr<ParameterBytes> open(mlir::ElementsAttr elements, mlir::Location loc);

  llvm::ArrayRef<char> get() const { return bytes; }
  /// Gives the memory of the file's pages back that lie wholly before `end`; reading them again would map them again.
  void release(size_t end) const;

private:
  llvm::ArrayRef<char> bytes;
  std::unique_ptr<llvm::MemoryBuffer> mapping;
  std::unique_ptr<std::vector<char>> owned;
};

} // namespace setun

#endif // SETUN_DIALECT_UTILS_PARAMETERS_H
