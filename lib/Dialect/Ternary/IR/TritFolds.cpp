//===- TritFolds.cpp - Folds of the operations on trits -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Opposite conversions cancel, and small constants go through pack, unpack and
// dequantize. Weights never do: they are globals, not constants, and a constant
// past kFoldedTrits stays as it is.
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Utils/Verification.h"

#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace setun;
using namespace setun::ternary;

static constexpr int64_t kFoldedTrits = 1 << 16;

/// The elements of a constant that is small enough to be worth copying.
static std::optional<SmallVector<int8_t>> getSmallConstant(Attribute attribute) {
  auto elements = dyn_cast_or_null<DenseIntElementsAttr>(attribute);
  if (!elements || elements.getNumElements() > kFoldedTrits)
    return std::nullopt;
  return llvm::to_vector(elements.getValues<int8_t>());
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

OpFoldResult PackOp::fold(FoldAdaptor adaptor) {
  if (auto unpack = getTrits().getDefiningOp<UnpackOp>())
    if (unpack.getEncoding() == getEncoding() && unpack.getPacked().getType() == getPacked().getType())
      return unpack.getPacked();
  std::optional<SmallVector<int8_t>> trits = getSmallConstant(adaptor.getTrits());
  auto type = cast<ShapedType>(getPacked().getType());
  if (!trits || type.getNumElements() > kFoldedTrits)
    return {};
  ArrayRef<int64_t> matrix = shapeOf(getTrits());
  SmallVector<uint8_t> bytes(type.getNumElements());
  packTrits(getEncoding().getLayout(), matrix[0], matrix[1], *trits, bytes);
  return DenseElementsAttr::get(type, ArrayRef(reinterpret_cast<const int8_t *>(bytes.data()), bytes.size()));
}

OpFoldResult UnpackOp::fold(FoldAdaptor adaptor) {
  if (auto pack = getPacked().getDefiningOp<PackOp>())
    if (pack.getEncoding() == getEncoding() && pack.getTrits().getType() == getTrits().getType())
      return pack.getTrits();
  std::optional<SmallVector<int8_t>> bytes = getSmallConstant(adaptor.getPacked());
  auto type = cast<ShapedType>(getTrits().getType());
  if (!bytes || type.getNumElements() > kFoldedTrits)
    return {};
  SmallVector<int8_t> trits(type.getNumElements());
  ArrayRef<uint8_t> codes(reinterpret_cast<const uint8_t *>(bytes->data()), bytes->size());
  unpackTrits(getEncoding().getLayout(), type.getDimSize(0), type.getDimSize(1), codes, trits);
  // The code 3 means nothing: bytes that hold it are left alone for a later stage to report.
  if (llvm::any_of(trits, [](int8_t trit) { return trit > 1; }))
    return {};
  return DenseElementsAttr::get(type.clone(IntegerType::get(getContext(), 8)), ArrayRef<int8_t>(trits));
}

OpFoldResult FromIntOp::fold(FoldAdaptor adaptor) {
  if (auto dequantize = getValues().getDefiningOp<DequantizeOp>())
    return dequantize.getTrits();
  std::optional<SmallVector<int8_t>> values = getSmallConstant(adaptor.getValues());
  if (!values || llvm::any_of(*values, [](int8_t value) { return value < -1 || value > 1; }))
    return {};
  return adaptor.getValues();
}

OpFoldResult DequantizeOp::fold(FoldAdaptor adaptor) {
  bool plain = !getScale() && elementOf(getResult()).isInteger();
  if (auto source = getTrits().getDefiningOp<FromIntOp>(); source && plain)
    return source.getValues();
  std::optional<SmallVector<int8_t>> trits = getSmallConstant(adaptor.getTrits());
  auto scale = dyn_cast_or_null<DenseFPElementsAttr>(adaptor.getScale());
  if (!trits || (getScale() && !scale))
    return {};
  auto type = cast<ShapedType>(getResult().getType());
  auto element = dyn_cast<FloatType>(type.getElementType());
  if (!element)
    return DenseElementsAttr::get(type, ArrayRef<int8_t>(*trits));
  int64_t cols = type.getDimSize(1), count = scale ? scale.getNumElements() : 0;
  int64_t groups = scale && scale.getType().getRank() == 2 ? scale.getType().getDimSize(1) : 1;
  SmallVector<APFloat> values;
  for (auto [index, trit] : llvm::enumerate(*trits)) {
    APFloat value(element.getFloatSemantics(), 0);
    value.convertFromAPInt(APInt(8, trit, /*isSigned=*/true), /*IsSigned=*/true, APFloat::rmNearestTiesToEven);
    if (scale) {
      int64_t row = index / cols, group = index % cols / (cols / groups);
      value.multiply(scale.getValues<APFloat>()[count == 1 ? 0 : row * groups + group], APFloat::rmNearestTiesToEven);
    }
    values.push_back(value);
  }
  return DenseElementsAttr::get(type, values);
}

/// Trits times scales that are all one are the trits as floats.
LogicalResult DequantizeOp::canonicalize(DequantizeOp op, PatternRewriter &rewriter) {
  if (!op.getScale() || !matchPattern(op.getScale(), m_OneFloat()))
    return failure();
  rewriter.modifyOpInPlace(op, [&] { op.getScaleMutable().clear(); });
  return success();
}
