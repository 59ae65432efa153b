//===- TensorData.h - The bytes of an ONNX tensor -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_ONNX_TENSORDATA_H
#define SETUN_LIB_IMPORT_ONNX_TENSORDATA_H

#include "setun_onnx.pb.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/SmallVector.h"

#include <string>

namespace setun::onnx {

/// The ONNX name of an element type, for messages.
llvm::StringRef dtypeName(int32_t dtype);
/// The signless element type of a tensor in the input contract; null for types that are not supported. Two-bit and
/// four-bit integers stand in a byte each once unpacked.
mlir::Type elementType(int32_t dtype, mlir::MLIRContext *context);
/// Bits of one element as stored.
unsigned storedBits(int32_t dtype);
bool isFloat(int32_t dtype);
bool isUnsigned(int32_t dtype);
/// What `setun.dtype` says of a type that the IR's type hides; empty for the others.
llvm::StringRef hiddenDtype(int32_t dtype);

/// A tensor of the file: its checked shape, and where its bytes are.
struct TensorData {
  int32_t dtype = 0;
  llvm::SmallVector<int64_t> dims;
  int64_t numElements = 0;
  int64_t numBytes = 0;
  /// In the model file: the elements as stored, little-endian, two-bit and four-bit ones packed.
  std::string bytes;
  /// Outside of it, when `file` is not empty.
  std::string file;
  int64_t offset = 0;

  bool isExternal() const { return !file.empty(); }
  bool isPacked() const { return storedBits(dtype) < 8; }
};

/// Reads and checks a tensor; on failure `reason` says what is wrong. Inline bytes are moved out of the message, once:
/// with `hasBytes` false only the shape is read.
bool readTensor(setun_onnx::TensorProto &proto, llvm::StringRef folder, TensorData &data, std::string &reason,
                bool hasBytes = true);

/// Brings the bytes of an external tensor in: for small ones, whose contents may be sizes or axes.
bool bringIn(TensorData &data, std::string &reason);

/// The elements as an attribute of a few elements; packed ones are unpacked.
mlir::DenseElementsAttr makeDense(const TensorData &data, mlir::MLIRContext *context);
/// The elements as an attribute that owns the bytes (which are moved out of `data`).
mlir::ElementsAttr makeResource(TensorData &data, llvm::StringRef name, mlir::MLIRContext *context);

} // namespace setun::onnx

#endif // SETUN_LIB_IMPORT_ONNX_TENSORDATA_H
