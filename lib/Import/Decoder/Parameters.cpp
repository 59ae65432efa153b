//===- Parameters.cpp - Stored tensors as parameters -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Writer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace setun::decoder;

static Type getType(Element element, Builder &b) {
  switch (element) {
  case Element::F32:
    return b.getF32Type();
  case Element::F16:
    return b.getF16Type();
  case Element::BF16:
    return b.getBF16Type();
  case Element::I8:
  case Element::U8:
    return b.getI8Type();
  }
  llvm_unreachable("unknown element type");
}

/// Before @main, under a name that is free.
ml_program::GlobalOp Writer::makeGlobal(StringRef name, Type type, Attribute value) {
  OpBuilder detached(b.getContext());
  auto global = ml_program::GlobalOp::create(detached, b.getLoc(), name, type, /*is_mutable=*/false, value,
                                             b.getStringAttr("private"));
  symbols.insert(global, entry->getIterator());
  return global;
}

Value Writer::load(const Tensor &tensor) {
  auto type = RankedTensorType::get(tensor.shape, getType(tensor.element, b));
  // Where it lies makes a tensor what it is: tied weights have one place, and perhaps two names.
  std::string key;
  llvm::raw_string_ostream(key) << tensor.file << '\n' << tensor.offset << ' ' << type;
  Value &value = loaded[key];
  if (value)
    return value;
  OpBuilder::InsertionGuard guard(b);
  At at(*this, tensor.name);
  auto global = makeGlobal(tensor.name, type, ml_program::ExternAttr::get(b.getContext(), type));
  global->setAttr("setun.data", b.getDictionaryAttr({b.getNamedAttr("file", b.getStringAttr(tensor.file)),
                                                     b.getNamedAttr("offset", b.getI64IntegerAttr(tensor.offset)),
                                                     b.getNamedAttr("length", b.getI64IntegerAttr(tensor.length))}));
  b.setInsertionPointToStart(&entry.getBody().front());
  value = ml_program::GlobalLoadConstOp::create(b, type, FlatSymbolRefAttr::get(global));
  return value;
}

Value Writer::loadFloat(const Tensor &tensor) {
  Value value = load(tensor);
  auto type = cast<RankedTensorType>(value.getType());
  return type.getElementType().isF32() ? value : arith::ExtFOp::create(b, type.clone(b.getF32Type()), value);
}

Value Writer::loadScalar(const Tensor &tensor) {
  Value value = loadFloat(tensor);
  if (tensor.shape.empty())
    return value;
  return tensor::CollapseShapeOp::create(b, RankedTensorType::get({}, b.getF32Type()), value,
                                         ArrayRef<ReassociationIndices>());
}

Value Writer::makeTable(StringRef name, int64_t rows, int64_t columns, const std::vector<float> &values) {
  auto type = RankedTensorType::get({rows, columns}, b.getF32Type());
  ArrayRef<char> bytes(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float));
  AsmResourceBlob blob = HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, /*align=*/64, /*dataIsMutable=*/false);
  auto resource = DenseResourceElementsAttr::get(type, name, std::move(blob));
  auto global = makeGlobal(name, type, resource);
  return ml_program::GlobalLoadConstOp::create(b, type, FlatSymbolRefAttr::get(global));
}
