//===- WeightsFile.h - Parameters as a .safetensors file -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_COMPILER_WEIGHTSFILE_H
#define SETUN_COMPILER_WEIGHTSFILE_H

#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/raw_ostream.h"

namespace setun {

/// The weights of a model in the order that --setun-resolve-parameters gave them (`setun.offset` of each global): a
/// valid .safetensors file whose data section begins on a page. Gaps of alignment are tensors named `setun.padding.N`,
/// since the format allows no holes. Packed ternary weights are U8 with their encoding told in `__metadata__`.
class WeightsFile {
public:
  /// Lays the file out, `text` (a text table, or nothing) behind the parameters; none of these is read yet. Fails with
  /// a diagnostic on offsets that overlap.
  static llvm::FailureOr<WeightsFile> plan(mlir::ModuleOp module, std::string text);

  bool empty() const { return globals.empty() && text.empty(); }
  /// Where the text table begins in the data section.
  uint64_t getTextOffset() const { return dataSize - text.size(); }
  uint64_t getSize() const { return header.size() + dataSize; }
  uint64_t getDataOffset() const { return header.size(); }
  /// FNV-1a 64 of the header's bytes.
  uint64_t getHeaderHash() const;
  /// Streams the file, one parameter at a time. Constants are let go as they are written: once is all they can be.
  llvm::LogicalResult write(llvm::raw_ostream &os) const;

private:
  std::vector<mlir::ml_program::GlobalOp> globals;
  std::string header, text;
  uint64_t dataSize = 0;
};

/// Bytes of a parameter of this type in the weights: an i1 takes a byte.
uint64_t getParameterSize(mlir::ShapedType type);

} // namespace setun

#endif // SETUN_COMPILER_WEIGHTSFILE_H
