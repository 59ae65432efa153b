//===- Sort.cpp - Order: TopK, ArgMax and ArgMin -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// TopK sorts: a merge sort of indices, bottom up, written as loops that carry
// the permutation. Equal elements keep their order, as the standard demands.
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace setun::onnx;

/// True where `a` stands strictly before `b`.
static Value before(OpBuilder &b, Location loc, int32_t dtype, bool largest, Value x, Value y) {
  if (isFloat(dtype))
    return arith::CmpFOp::create(b, loc, largest ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT, x, y);
  auto predicate = isUnsigned(dtype) ? (largest ? arith::CmpIPredicate::ugt : arith::CmpIPredicate::ult)
                                     : (largest ? arith::CmpIPredicate::sgt : arith::CmpIPredicate::slt);
  return arith::CmpIOp::create(b, loc, predicate, x, y);
}

namespace {
/// What the loops of a sort know of their row.
struct Row {
  int32_t dtype;
  bool largest;
  Value data, index, length;
};
} // namespace

/// One pass of the sort: neighbouring runs of `width` elements of `from` become one run in `into`.
static Value mergeRuns(OpBuilder &b, Location loc, const Row &row, Value from, Value into, Value width) {
  Value zero = arith::ConstantIndexOp::create(b, loc, 0), one = arith::ConstantIndexOp::create(b, loc, 1);
  Value span = arith::ShLIOp::create(b, loc, width, one), n = row.length;
  Value last = arith::SubIOp::create(b, loc, n, one), yes = arith::ConstantIntOp::create(b, loc, 1, 1);
  auto body = [&](OpBuilder &b, Location loc, Value at, ValueRange state) {
    Value start = arith::MulIOp::create(b, loc, arith::DivUIOp::create(b, loc, at, span), span);
    Value middle = arith::MinUIOp::create(b, loc, arith::AddIOp::create(b, loc, start, width), n);
    Value end = arith::MinUIOp::create(b, loc, arith::AddIOp::create(b, loc, start, span), n);
    // At the first element of a pair of runs both cursors start anew.
    Value first = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, at, start);
    Value left = arith::SelectOp::create(b, loc, first, start, state[1]);
    Value right = arith::SelectOp::create(b, loc, first, middle, state[2]);
    auto indexAt = [&](Value cursor) -> Value {
      return tensor::ExtractOp::create(b, loc, from, ValueRange{arith::MinUIOp::create(b, loc, cursor, last)});
    };
    auto elementAt = [&](Value index) -> Value {
      Value at = arith::IndexCastOp::create(b, loc, b.getIndexType(), index);
      return tensor::ExtractOp::create(b, loc, row.data, ValueRange{row.index, at});
    };
    Value leftIndex = indexAt(left), rightIndex = indexAt(right);
    Value rightFirst = before(b, loc, row.dtype, row.largest, elementAt(rightIndex), elementAt(leftIndex));
    Value hasLeft = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, left, middle);
    Value noRight = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge, right, end);
    Value keepLeft = arith::OrIOp::create(b, loc, noRight, arith::XOrIOp::create(b, loc, rightFirst, yes));
    Value takeLeft = arith::AndIOp::create(b, loc, hasLeft, keepLeft);
    Value taken = arith::SelectOp::create(b, loc, takeLeft, leftIndex, rightIndex);
    Value nextLeft = arith::SelectOp::create(b, loc, takeLeft, arith::AddIOp::create(b, loc, left, one), left);
    Value nextRight = arith::SelectOp::create(b, loc, takeLeft, right, arith::AddIOp::create(b, loc, right, one));
    Value written = tensor::InsertOp::create(b, loc, taken, state[0], ValueRange{at});
    scf::YieldOp::create(b, loc, ValueRange{written, nextLeft, nextRight});
  };
  return scf::ForOp::create(b, loc, zero, n, one, ValueRange{into, zero, zero}, body).getResult(0);
}

/// Sorts one row: `order` holds 0, 1, .. and becomes the order of the elements; `scratch` is as long. Passes come in
/// pairs, to and fro, so that both are updated in place; one pass too many changes nothing.
static std::pair<Value, Value> sortRow(OpBuilder &b, Location loc, const Row &row, Value order, Value scratch) {
  Value zero = arith::ConstantIndexOp::create(b, loc, 0), one = arith::ConstantIndexOp::create(b, loc, 1);
  Value last = arith::IndexCastOp::create(b, loc, b.getI64Type(), arith::SubIOp::create(b, loc, row.length, one));
  // Half of ceil(log2 n), rounded up; log2 from the bits of n - 1.
  Value odd = arith::SubIOp::create(b, loc, arith::ConstantIntOp::create(b, loc, 65, 64),
                                    math::CountLeadingZerosOp::create(b, loc, last));
  Value pairs = arith::ShRUIOp::create(b, loc, odd, arith::ConstantIntOp::create(b, loc, 1, 64));
  auto body = [&](OpBuilder &b, Location loc, Value pair, ValueRange carried) {
    Value width = arith::ShLIOp::create(b, loc, one, arith::ShLIOp::create(b, loc, pair, one));
    Value there = mergeRuns(b, loc, row, carried[0], carried[1], width);
    Value back = mergeRuns(b, loc, row, there, carried[0], arith::ShLIOp::create(b, loc, width, one));
    scf::YieldOp::create(b, loc, ValueRange{back, there});
  };
  Value end = arith::IndexCastOp::create(b, loc, b.getIndexType(), pairs);
  auto loop = scf::ForOp::create(b, loc, zero, end, one, ValueRange{order, scratch}, body);
  return {loop.getResult(0), loop.getResult(1)};
}

/// 0, 1, 2, .. written into a vector.
static Value countUp(OpBuilder &b, Location loc, Value into) {
  return linalg::GenericOp::create(
             b, loc, into.getType(), ValueRange(), into, b.getMultiDimIdentityMap(1), utils::IteratorType::parallel,
             [](OpBuilder &b, Location loc, ValueRange) {
               Value i = linalg::IndexOp::create(b, loc, 0);
               linalg::YieldOp::create(b, loc, Value(arith::IndexCastOp::create(b, loc, b.getI64Type(), i)));
             })
      .getResult(0);
}

static LogicalResult importTopK(Node &node) {
  Emitter &e = node.e;
  FailureOr<int64_t> axis = node.normalizeAxis(node.intAttr("axis", -1), node.in(0).rank());
  if (failed(axis))
    return failure();
  if (!node.in(1).contents || node.in(1).contents->size() != 1)
    return node.fail("the number of elements must follow from the inputs' shapes");
  AffineExpr k = node.in(1).contents->front();
  bool largest = node.intAttr("largest", 1) != 0;
  // The axis goes last, the others become rows.
  SmallVector<int64_t> last, back;
  for (int64_t d = 0; d < node.in(0).rank(); ++d)
    if (d != *axis)
      last.push_back(d);
  last.push_back(*axis);
  back = last;
  for (auto [to, from] : llvm::enumerate(last))
    back[from] = to;
  Tensor moved = e.transpose(node.in(0), last);
  AffineExpr n = moved.shape.back();
  std::optional<int64_t> have = constantOf(n), want = constantOf(k);
  if ((want && *want < 0) || (have && want && *want > *have))
    return node.fail("takes " + Twine(want.value_or(0)) + " elements of " + Twine(have.value_or(0)));
  if ((!have || !want) && !isNonNegative(e.sizes.canonical(n - k)))
    return node.fail("may take more elements than there are");
  AffineExpr rows = e.sizes.expr(e.sizes.product(ArrayRef(moved.shape).drop_back()));
  Tensor flat = *e.reshape(moved, {rows, n});
  Value data = e.value(flat), length = e.size(n), count = e.size(rows);
  Shape resultShape = {rows, k};
  Value result = e.empty(resultShape, e.b.getI64Type());
  Value order = e.empty({n}, e.b.getI64Type()), scratch = e.empty({n}, e.b.getI64Type());
  auto rowType = e.type({k}, e.b.getI64Type());
  OpFoldResult zeroAttr = e.b.getIndexAttr(0), oneAttr = e.b.getIndexAttr(1), kSize = e.foldSize(k);
  Value zero = arith::ConstantIndexOp::create(e.b, 0), one = arith::ConstantIndexOp::create(e.b, 1);
  auto loop = scf::ForOp::create(
      e.b, e.b.getLoc(), zero, count, one, ValueRange{result, order, scratch},
      [&](OpBuilder &b, Location loc, Value row, ValueRange carried) {
        Value identity = countUp(b, loc, carried[1]);
        auto [sorted, used] = sortRow(b, loc, {flat.dtype, largest, data, row, length}, identity, carried[2]);
        Value top = tensor::ExtractSliceOp::create(b, loc, rowType, sorted, zeroAttr, kSize, oneAttr);
        Value written = tensor::InsertSliceOp::create(b, loc, top, carried[0], ArrayRef<OpFoldResult>{row, zeroAttr},
                                                      ArrayRef<OpFoldResult>{oneAttr, kSize},
                                                      ArrayRef<OpFoldResult>{oneAttr, oneAttr});
        scf::YieldOp::create(b, loc, ValueRange{written, sorted, used});
      });
  Value picked = loop.getResult(0);
  Value values =
      e.generic(picked, e.b.getMultiDimIdentityMap(2), resultShape, e.elementType(flat.dtype),
                [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
                  Value at = e.clampedIndex(b, loc, v[0], length);
                  return tensor::ExtractOp::create(b, loc, data, ValueRange{linalg::IndexOp::create(b, loc, 0), at});
                });
  Shape shape = moved.shape;
  shape.back() = k;
  for (auto [index, value, dtype] : {std::tuple(0, values, flat.dtype), std::tuple(1, picked, i64)}) {
    Tensor t = e.make(value, dtype, resultShape);
    FailureOr<Tensor> shaped = e.reshape(t, shape);
    if (failed(shaped) || failed(node.out(index, e.transpose(*shaped, back))))
      return failure();
  }
  return success();
}

static LogicalResult argExtremum(Node &node, bool largest) {
  Emitter &e = node.e;
  Tensor &x = node.in(0);
  FailureOr<int64_t> axis = node.normalizeAxis(node.intAttr("axis", 0), x.rank());
  if (failed(axis))
    return failure();
  bool last = node.intAttr("select_last_index", 0) != 0;
  Shape kept = x.shape, withOne = x.shape;
  kept.erase(kept.begin() + *axis);
  withOne[*axis] = e.sizes.constant(1);
  // The index alone is carried: it starts at 0 and moves to each better element.
  Value input = e.value(x), init = e.zeros(kept, e.b.getI64Type());
  SmallVector<AffineExpr> outer;
  SmallVector<utils::IteratorType> iterators(x.rank(), utils::IteratorType::parallel);
  iterators[*axis] = utils::IteratorType::reduction;
  for (int64_t d = 0; d < x.rank(); ++d)
    if (d != *axis)
      outer.push_back(e.b.getAffineDimExpr(d));
  SmallVector<AffineMap> maps = {e.b.getMultiDimIdentityMap(x.rank()), AffineMap::get(x.rank(), 0, outer, e.context)};
  auto op = linalg::GenericOp::create(
      e.b, init.getType(), input, init, maps, iterators, [&](OpBuilder &b, Location loc, ValueRange v) {
        SmallVector<Value> at;
        for (int64_t d = 0; d < x.rank(); ++d)
          at.push_back(d == *axis ? Value(arith::IndexCastOp::create(b, loc, b.getIndexType(), v[1]))
                                  : Value(linalg::IndexOp::create(b, loc, d)));
        Value best = tensor::ExtractOp::create(b, loc, input, at);
        Value better = before(b, loc, x.dtype, largest, v[0], best);
        if (last)
          better = arith::XOrIOp::create(b, loc, before(b, loc, x.dtype, largest, best, v[0]),
                                         arith::ConstantIntOp::create(b, loc, 1, 1));
        Value here = arith::IndexCastOp::create(b, loc, b.getI64Type(), linalg::IndexOp::create(b, loc, *axis));
        linalg::YieldOp::create(b, loc, Value(arith::SelectOp::create(b, loc, better, here, v[1])));
      });
  Tensor t = e.make(op.getResult(0), i64, kept);
  FailureOr<Tensor> shaped = e.reshape(t, node.intAttr("keepdims", 1) ? withOne : kept);
  return failed(shaped) ? failure() : node.out(*shaped);
}

static LogicalResult importArgMax(Node &node) { return argExtremum(node, true); }
static LogicalResult importArgMin(Node &node) { return argExtremum(node, false); }

static const OpRow rows[] = {
    {"TopK", 2, 2, importTopK},
    {"ArgMax", 1, 1, importArgMax},
    {"ArgMin", 1, 1, importArgMin},
};
ArrayRef<OpRow> setun::onnx::getSortOps() { return rows; }
