//===- DataTypes.cpp - Element types of ONNX -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TensorData.h"

#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace setun::onnx;
using setun_onnx::TensorProto;

namespace {
/// One row a type; rows without bits are named but not supported.
struct DataType {
  int32_t dtype;
  const char *name;
  unsigned bits;
  bool isFloat, isUnsigned;
  const char *hidden;
};
} // namespace

static const DataType dataTypes[] = {
    {TensorProto::FLOAT, "FLOAT", 32, true, false, ""},
    {TensorProto::UINT8, "UINT8", 8, false, true, "u8"},
    {TensorProto::INT8, "INT8", 8, false, false, ""},
    {TensorProto::UINT16, "UINT16", 16, false, true, "u16"},
    {TensorProto::INT16, "INT16", 16, false, false, ""},
    {TensorProto::INT32, "INT32", 32, false, false, ""},
    {TensorProto::INT64, "INT64", 64, false, false, ""},
    {TensorProto::STRING, "STRING", 0, false, false, ""},
    {TensorProto::BOOL, "BOOL", 8, false, true, "bool"},
    {TensorProto::FLOAT16, "FLOAT16", 16, true, false, ""},
    {TensorProto::DOUBLE, "DOUBLE", 64, true, false, ""},
    {TensorProto::UINT32, "UINT32", 32, false, true, "u32"},
    {TensorProto::UINT64, "UINT64", 64, false, true, "u64"},
    {TensorProto::BFLOAT16, "BFLOAT16", 16, true, false, ""},
    {TensorProto::UINT4, "UINT4", 4, false, true, "u8"},
    {TensorProto::INT4, "INT4", 4, false, false, ""},
    {TensorProto::UINT2, "UINT2", 2, false, true, "u8"},
    {TensorProto::INT2, "INT2", 2, false, false, ""},
    {TensorProto::COMPLEX64, "COMPLEX64", 0, false, false, ""},
    {TensorProto::COMPLEX128, "COMPLEX128", 0, false, false, ""},
    {TensorProto::FLOAT8E4M3FN, "FLOAT8E4M3FN", 0, true, false, ""},
    {TensorProto::FLOAT8E4M3FNUZ, "FLOAT8E4M3FNUZ", 0, true, false, ""},
    {TensorProto::FLOAT8E5M2, "FLOAT8E5M2", 0, true, false, ""},
    {TensorProto::FLOAT8E5M2FNUZ, "FLOAT8E5M2FNUZ", 0, true, false, ""},
    {TensorProto::FLOAT4E2M1, "FLOAT4E2M1", 0, true, false, ""},
};

static const DataType &find(int32_t dtype) {
  static const DataType unknown = {0, "unknown", 0, false, false, ""};
  for (const DataType &entry : dataTypes)
    if (entry.dtype == dtype)
      return entry;
  return unknown;
}

StringRef setun::onnx::dtypeName(int32_t dtype) { return find(dtype).name; }
unsigned setun::onnx::storedBits(int32_t dtype) { return find(dtype).bits; }
bool setun::onnx::isFloat(int32_t dtype) { return find(dtype).isFloat; }
bool setun::onnx::isUnsigned(int32_t dtype) { return find(dtype).isUnsigned; }
StringRef setun::onnx::hiddenDtype(int32_t dtype) { return find(dtype).hidden; }

Type setun::onnx::elementType(int32_t dtype, MLIRContext *context) {
  const DataType &entry = find(dtype);
  if (!entry.bits)
    return {};
  if (dtype == TensorProto::FLOAT)
    return Float32Type::get(context);
  if (dtype == TensorProto::DOUBLE)
    return Float64Type::get(context);
  if (dtype == TensorProto::FLOAT16)
    return Float16Type::get(context);
  if (dtype == TensorProto::BFLOAT16)
    return BFloat16Type::get(context);
  if (dtype == TensorProto::BOOL)
    return IntegerType::get(context, 1);
  return IntegerType::get(context, std::max(8u, entry.bits));
}
