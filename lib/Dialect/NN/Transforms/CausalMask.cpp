//===- CausalMask.cpp - What a mask of attention says ---------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exporters write a causal mask in a dozen ways (ranges compared, triangles cut,
// minima multiplied), all of them functions of the two indices. The mask is
// evaluated with symbols for its indices, and the result is compared with the
// one inequality that matters.
//
//===----------------------------------------------------------------------===//

#include "CausalMask.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace setun;

/// Adding this or less to a score leaves its key without weight.
static constexpr double kBlocked = -6.0e4;

namespace {
/// An element of the mask's computation, as a function of the query's index d0, the key's d1, batch d2 and head d3.
struct Symbolic {
  enum Kind { Unknown, Integer, Condition, Choice } kind = Unknown;
  AffineExpr integer;
  SmallVector<AffineExpr, 2> nonNegative; // a condition: all of these are >= 0 ...
  bool negated = false;                   // ... or not
  double yes = 0, no = 0;                 // a choice between floats by that condition

  static Symbolic number(AffineExpr expr) {
    Symbolic result;
    result.kind = Integer, result.integer = expr;
    return result;
  }
  static Symbolic constant(double value) {
    Symbolic result;
    result.kind = Choice, result.yes = result.no = value;
    return result;
  }
  static Symbolic condition(bool value) {
    Symbolic result;
    result.kind = Condition, result.negated = !value;
    return result;
  }
  bool isConstant() const { return kind == Choice && yes == no; }
};

struct Reader {
  MLIRContext *context;
  SmallVector<Value> symbols;

  AffineExpr coordinate(int64_t rootDim) {
    // Of the root [B, H, S, T].
    static constexpr unsigned dims[] = {2, 3, 0, 1};
    return rootDim == -1 ? getAffineConstantExpr(0, context) : getAffineDimExpr(dims[rootDim], context);
  }
  AffineExpr symbol(Value value) {
    auto *found = llvm::find(symbols, value);
    unsigned position = found - symbols.begin();
    if (found == symbols.end())
      symbols.push_back(value);
    return getAffineSymbolExpr(position, context);
  }
  Symbolic read(View view);
  Symbolic readConstant(DenseElementsAttr data, ArrayRef<int64_t> dims);
  Symbolic readScalar(Value value, linalg::GenericOp generic, ArrayRef<int64_t> loops);
  Symbolic apply(Operation *op, function_ref<Symbolic(Value)> read);
  Symbolic compare(arith::CmpIPredicate predicate, AffineExpr a, AffineExpr b);
};
} // namespace

/// One number, or numbers in steps along one dimension.
Symbolic Reader::readConstant(DenseElementsAttr data, ArrayRef<int64_t> dims) {
  Type element = data.getElementType();
  if (isa<FloatType>(element))
    return data.isSplat() ? Symbolic::constant(data.getSplatValue<FloatAttr>().getValueAsDouble()) : Symbolic();
  if (!element.isIntOrIndex() || data.empty())
    return {};
  if (element.isInteger(1))
    return data.isSplat() ? Symbolic::condition(data.getSplatValue<bool>()) : Symbolic();
  SmallVector<int64_t> values;
  for (APInt value : data.getValues<APInt>())
    values.push_back(value.getSExtValue());
  AffineExpr result = getAffineConstantExpr(values[0], context);
  int64_t stride = values.size(), step = 0, period = values.size(), length = 1;
  for (auto [dim, size] : llvm::zip_equal(dims, data.getType().getShape())) {
    stride /= size;
    if (size == 1)
      continue;
    // At most one dimension may count; the others must repeat.
    int64_t delta = values[stride] - values[0];
    if (delta == 0)
      continue;
    if (step)
      return {};
    step = delta, period = stride, length = size;
    result = result + coordinate(dim) * step;
  }
  for (auto [i, value] : llvm::enumerate(values))
    if (value != values[0] + (step ? static_cast<int64_t>(i) / period % length * step : 0))
      return {};
  return Symbolic::number(result);
}

Symbolic Reader::compare(arith::CmpIPredicate predicate, AffineExpr a, AffineExpr b) {
  Symbolic result;
  result.kind = Symbolic::Condition;
  switch (predicate) {
  case arith::CmpIPredicate::sle:
    result.nonNegative = {b - a};
    return result;
  case arith::CmpIPredicate::slt:
    result.nonNegative = {b - a - 1};
    return result;
  case arith::CmpIPredicate::sge:
    result.nonNegative = {a - b};
    return result;
  case arith::CmpIPredicate::sgt:
    result.nonNegative = {a - b - 1};
    return result;
  default:
    return {};
  }
}

/// An elementwise op, on tensors or in a body.
Symbolic Reader::apply(Operation *op, function_ref<Symbolic(Value)> read) {
  SmallVector<Symbolic, 3> in;
  for (Value operand : op->getOperands()) {
    in.push_back(read(operand));
    if (in.back().kind == Symbolic::Unknown)
      return {};
  }
  auto are = [&](Symbolic::Kind kind) { return llvm::all_of(in, [&](const Symbolic &s) { return s.kind == kind; }); };
  if (are(Symbolic::Integer)) {
    if (isa<arith::IndexCastOp, arith::ExtSIOp, arith::TruncIOp>(op))
      return in[0];
    if (isa<arith::AddIOp>(op))
      return Symbolic::number(in[0].integer + in[1].integer);
    if (isa<arith::SubIOp>(op))
      return Symbolic::number(in[0].integer - in[1].integer);
    if (isa<arith::MulIOp>(op) && (in[0].integer.isSymbolicOrConstant() || in[1].integer.isSymbolicOrConstant()))
      return Symbolic::number(in[0].integer * in[1].integer);
    if (auto compareOp = dyn_cast<arith::CmpIOp>(op))
      return compare(compareOp.getPredicate(), in[0].integer, in[1].integer);
    return {};
  }
  auto isTruth = [](const Symbolic &s, bool value) { return s.nonNegative.empty() && s.negated == !value; };
  if (are(Symbolic::Condition)) {
    if (isa<arith::XOrIOp>(op) && (isTruth(in[0], true) || isTruth(in[1], true))) {
      Symbolic result = isTruth(in[0], true) ? in[1] : in[0];
      result.negated = !result.negated;
      return result;
    }
    if (isa<arith::AndIOp>(op) && !in[0].negated && !in[1].negated) {
      in[0].nonNegative.append(in[1].nonNegative);
      return in[0];
    }
    if (isa<arith::UIToFPOp>(op)) {
      in[0].kind = Symbolic::Choice, in[0].yes = 1, in[0].no = 0;
      return in[0];
    }
    return {};
  }
  if (isa<arith::SelectOp>(op) && in[0].kind == Symbolic::Condition && in[1].isConstant() && in[2].isConstant()) {
    in[0].kind = Symbolic::Choice, in[0].yes = in[1].yes, in[0].no = in[2].yes;
    return in[0];
  }
  if (!are(Symbolic::Choice) || in.size() > 2 || (in.size() == 2 && !in[0].isConstant() && !in[1].isConstant()))
    return {};
  // One operand chooses, the other is a number: the function of both choices.
  Symbolic result = in.size() == 2 && in[0].isConstant() ? in[1] : in[0];
  auto compute = [&](auto function) {
    result.yes = function(in[0].yes, in.back().yes);
    result.no = function(in[0].no, in.back().no);
    return result;
  };
  if (isa<arith::AddFOp>(op))
    return compute([](double a, double b) { return a + b; });
  if (isa<arith::SubFOp>(op))
    return compute([](double a, double b) { return a - b; });
  if (isa<arith::MulFOp>(op))
    return compute([](double a, double b) { return a * b; });
  if (isa<arith::ExtFOp, arith::TruncFOp>(op))
    return result;
  auto compareOp = dyn_cast<arith::CmpFOp>(op);
  if (!compareOp)
    return {};
  bool isEqual = compareOp.getPredicate() == arith::CmpFPredicate::OEQ;
  if (!isEqual && compareOp.getPredicate() != arith::CmpFPredicate::UNE)
    return {};
  compute([&](double a, double b) { return (a == b) == isEqual; });
  if (result.yes == result.no)
    return Symbolic::condition(result.yes != 0);
  result.kind = Symbolic::Condition;
  result.negated ^= result.no != 0;
  return result;
}

Symbolic Reader::readScalar(Value value, linalg::GenericOp generic, ArrayRef<int64_t> loops) {
  IntegerAttr integer;
  FloatAttr number;
  if (matchPattern(value, m_Constant(&integer)))
    return integer.getType().isInteger(1) ? Symbolic::condition(integer.getValue().getBoolValue())
                                          : Symbolic::number(getAffineConstantExpr(integer.getInt(), context));
  if (matchPattern(value, m_Constant(&number)))
    return Symbolic::constant(number.getValueAsDouble());
  if (auto argument = dyn_cast<BlockArgument>(value); argument && generic && argument.getOwner() == generic.getBody()) {
    if (argument.getArgNumber() >= generic.getNumDpsInputs())
      return {};
    OpOperand *input = generic.getDpsInputOperand(argument.getArgNumber());
    View view{input->get(), {}};
    for (AffineExpr expr : generic.getMatchingIndexingMap(input).getResults()) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim)
        return {};
      view.dims.push_back(loops[dim.getPosition()]);
    }
    return isa<RankedTensorType>(view.value.getType()) ? read(view) : Symbolic();
  }
  Operation *op = value.getDefiningOp();
  if (auto index = dyn_cast_or_null<linalg::IndexOp>(op))
    return Symbolic::number(coordinate(loops[index.getDim()]));
  if (op && isa<arith::ArithDialect>(op->getDialect()) && op->getNumRegions() == 0)
    return apply(op, [&](Value operand) { return readScalar(operand, generic, loops); });
  // Sizes and positions come as indices.
  return value.getType().isIndex() ? Symbolic::number(symbol(value)) : Symbolic();
}

Symbolic Reader::read(View view) {
  view = view.strip();
  Operation *op = view.value.getDefiningOp();
  DenseElementsAttr data;
  if (!op)
    return {};
  if (matchPattern(op, m_Constant(&data)))
    return readConstant(data, view.dims);
  if (auto fill = dyn_cast<linalg::FillOp>(op))
    return readScalar(fill.getInputs().front(), {}, {});
  if (isa<tensor::SplatOp>(op) || (isa<tensor::FromElementsOp>(op) && op->getNumOperands() == 1))
    return readScalar(op->getOperand(0), {}, {});
  if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
    bool isElementwise = generic.getNumLoops() == generic.getNumParallelLoops() && generic->getNumResults() == 1 &&
                         generic.getMatchingIndexingMap(generic.getDpsInitOperand(0)).isIdentity();
    return isElementwise ? readScalar(generic.getBody()->getTerminator()->getOperand(0), generic, view.dims)
                         : Symbolic();
  }
  if (isa<arith::ArithDialect>(op->getDialect()))
    return apply(op, [&](Value operand) {
      return isa<RankedTensorType>(operand.getType()) ? read(view.operand(operand)) : readScalar(operand, {}, {});
    });
  return {};
}

/// A mask whose numbers are all known.
static std::optional<CausalMask> matchData(const View &mask, bool isSingleQuery) {
  ElementsAttr data = getConstantData(mask.value);
  auto type = data ? dyn_cast<RankedTensorType>(data.getType()) : RankedTensorType();
  if (!type || mask.dims.empty() || mask.dims.back() != 3 || type.getNumElements() == 0 ||
      (!isSingleQuery && !llvm::is_contained(mask.dims, 2)))
    return std::nullopt;
  int64_t columns = type.getShape().back(), rows = type.getNumElements() / columns;
  for (auto [dim, size] : llvm::zip_equal(mask.dims, type.getShape()))
    if (dim < 2 && size != 1)
      return std::nullopt;
  SmallVector<bool> seen;
  bool isMask = true;
  auto look = [&](double value) {
    isMask &= value == 0.0 || value <= kBlocked;
    seen.push_back(value == 0.0);
  };
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(data)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob || !type.getElementType().isF32() || blob->getData().size() != static_cast<size_t>(rows * columns) * 4)
      return std::nullopt;
    llvm::for_each(blob->getDataAs<float>(), look);
  } else if (isa<FloatType>(type.getElementType())) {
    for (APFloat value : cast<DenseElementsAttr>(data).getValues<APFloat>())
      look(FloatAttr::get(type.getElementType(), value).getValueAsDouble());
  } else if (type.getElementType().isInteger(1)) {
    llvm::append_range(seen, cast<DenseElementsAttr>(data).getValues<bool>());
  } else {
    return std::nullopt;
  }
  int64_t past = llvm::count(ArrayRef(seen).take_front(columns), true) - 1;
  for (int64_t i = 0; i < rows && isMask; ++i)
    for (int64_t j = 0; j < columns && isMask; ++j)
      isMask = seen[i * columns + j] == (j <= i + past);
  if (!isMask || past < 0)
    return std::nullopt;
  return CausalMask{AffineMap::get(0, 0, getAffineConstantExpr(past, type.getContext())), {}, 0};
}

std::optional<CausalMask> setun::matchCausalMask(const View &mask, bool isSingleQuery) {
  View stripped = mask.strip();
  if (std::optional<CausalMask> known = matchData(stripped, isSingleQuery))
    return known;
  MLIRContext *context = mask.value.getContext();
  Reader reader{context, {}};
  Symbolic symbolic = reader.read(stripped);
  if (symbolic.kind == Symbolic::Choice && symbolic.no == 0.0 && symbolic.yes <= kBlocked) {
    symbolic.negated = !symbolic.negated;
    std::swap(symbolic.yes, symbolic.no);
  }
  bool isMask = symbolic.kind == Symbolic::Condition ||
                (symbolic.kind == Symbolic::Choice && symbolic.yes == 0.0 && symbolic.no <= kBlocked);
  if (!isMask || symbolic.nonNegative.empty() || (symbolic.negated && symbolic.nonNegative.size() > 1))
    return std::nullopt;
  AffineExpr query = getAffineDimExpr(0, context), key = getAffineDimExpr(1, context);
  if (isSingleQuery)
    query = getAffineConstantExpr(0, context);
  unsigned count = reader.symbols.size();
  auto simplify = [&](AffineExpr expr) { return simplifyAffineExpr(expr, 4, count); };
  AffineExpr past, lower;
  for (AffineExpr bound : symbolic.nonNegative) {
    if (symbolic.negated)
      bound = -bound - 1;
    AffineExpr upTo = simplify(bound - (query - key)), from = simplify(bound - (key - query));
    if (upTo.isSymbolicOrConstant() && !past)
      past = upTo;
    else if (from.isSymbolicOrConstant() && !lower)
      lower = from;
    else
      return std::nullopt;
  }
  if (!past)
    return std::nullopt;
  CausalMask result{AffineMap::get(0, count, past), getAsOpFoldResult(reader.symbols), 0};
  // j >= i - lower is j > i + past - window.
  if (lower) {
    auto window = dyn_cast<AffineConstantExpr>(simplify(past + lower + 1));
    if (!window || window.getValue() <= 0)
      return std::nullopt;
    result.window = window.getValue();
  }
  return result;
}
