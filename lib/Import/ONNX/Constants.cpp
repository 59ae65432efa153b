//===- Constants.cpp - Initializers as constants and parameters -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Importer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "llvm/ADT/ScopeExit.h"

using namespace mlir;
using namespace setun::onnx;
using setun_onnx::TensorProto;

static constexpr int64_t maxConstant = 64;

/// Packed elements, low bits first, are brought to a byte each by shifts on the bytes: [B] -> [B, per byte] -> [n].
static Tensor unpackElements(Emitter &e, Value bytes, const TensorData &data) {
  unsigned bits = storedBits(data.dtype), perByte = 8 / bits;
  auto wide = RankedTensorType::get({data.numBytes, perByte}, e.b.getI8Type());
  Shape shape = e.staticShape(wide.getShape());
  Value spread =
      linalg::BroadcastOp::create(e.b, bytes, e.empty(shape, e.b.getI8Type()), ArrayRef<int64_t>{1})->getResult(0);
  SmallVector<int8_t> lifts;
  for (unsigned i = 0; i < perByte; ++i)
    lifts.push_back(8 - bits * (i + 1));
  Value lift = arith::ConstantOp::create(
      e.b, DenseElementsAttr::get(RankedTensorType::get({perByte}, e.b.getI8Type()), ArrayRef(lifts)));
  lift = linalg::BroadcastOp::create(e.b, lift, e.empty(shape, e.b.getI8Type()), ArrayRef<int64_t>{0})->getResult(0);
  Value down = e.fill(shape, 8 - bits, e.b.getI8Type());
  // Up until the element's highest bit is the byte's, then down with its sign.
  Value high = arith::ShLIOp::create(e.b, spread, lift);
  Value codes = isUnsigned(data.dtype) ? Value(arith::ShRUIOp::create(e.b, high, down))
                                       : Value(arith::ShRSIOp::create(e.b, high, down));
  Tensor all = e.make(codes, data.dtype, shape);
  Tensor flat = *e.reshape(all, e.staticShape({data.numBytes * perByte}));
  AffineExpr zero = e.sizes.constant(0);
  Tensor exact = e.slice(flat, zero, e.staticShape({data.numElements}), {1});
  return *e.reshape(exact, e.staticShape(data.dims));
}

FailureOr<Tensor> Importer::readConstant(TensorProto &proto, StringRef name) {
  TensorData data;
  std::string reason;
  auto known = resources.find(&proto);
  bool fresh = known == resources.end();
  if (!readTensor(proto, folder, data, reason, /*hasBytes=*/fresh))
    return fail("tensor '" + name + "' " + reason);
  if (data.isExternal() && data.numElements <= maxConstant && !bringIn(data, reason))
    return fail("tensor '" + name + "' " + reason);

  Tensor t;
  t.dtype = data.dtype;
  t.shape = emitter->staticShape(data.dims);
  ImplicitLocOpBuilder &b = emitter->b;
  Location keep = b.getLoc();
  llvm::scope_exit restore([&] { b.setLoc(keep); });
  b.setLoc(NameLoc::get(b.getStringAttr(name)));
  if (data.numElements <= maxConstant) {
    if (fresh)
      resources[&proto] = makeDense(data, context);
    t.constant = cast<DenseElementsAttr>(resources[&proto]);
    if (data.dtype == TensorProto::INT64 || data.dtype == TensorProto::INT32 || data.dtype == TensorProto::BOOL) {
      t.contents.emplace();
      for (APInt number : t.constant.getValues<APInt>())
        t.contents->push_back(
            sizes.constant(data.dtype == TensorProto::BOOL ? number.getZExtValue() : number.getSExtValue()));
    }
    return t;
  }

  Attribute value;
  SmallVector<int64_t> dims = data.dims;
  if (data.isPacked())
    dims = {data.numBytes};
  auto type = RankedTensorType::get(dims, emitter->elementType(data.dtype));
  if (data.isExternal()) {
    value = ml_program::ExternAttr::get(context, type);
  } else {
    if (fresh)
      resources[&proto] = makeResource(data, name, context);
    value = resources[&proto];
  }
  std::string symbol = name.empty() ? "parameter" : name.str();
  for (int i = 0; !globals.insert(symbol).second; ++i)
    symbol = (name + "_" + Twine(i)).str();
  OpBuilder top = OpBuilder::atBlockEnd(module->getBody());
  if (entry)
    top.setInsertionPoint(entry);
  auto global = ml_program::GlobalOp::create(top, b.getLoc(), symbol, type, /*is_mutable=*/false, value,
                                             b.getStringAttr("private"));
  if (data.isExternal())
    global->setAttr("setun.data", b.getDictionaryAttr({b.getNamedAttr("file", b.getStringAttr(data.file)),
                                                       b.getNamedAttr("length", b.getI64IntegerAttr(data.numBytes)),
                                                       b.getNamedAttr("offset", b.getI64IntegerAttr(data.offset))}));
  Value loaded = ml_program::GlobalLoadConstOp::create(b, type, FlatSymbolRefAttr::get(context, symbol));
  if (data.isPacked()) {
    Tensor unpacked = unpackElements(*emitter, loaded, data);
    unpacked.parameter = symbol;
    return unpacked;
  }
  t.value = loaded;
  t.parameter = symbol;
  return t;
}
