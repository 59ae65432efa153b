//===- Scan.cpp - Running sums -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace setun::onnx;

/// One loop along the axis that carries the result and the sum so far, slice by slice.
static LogicalResult importCumSum(Node &node) {
  Emitter &e = node.e;
  Tensor &x = node.in(0);
  FailureOr<SmallVector<int64_t>> given = node.constantInts(1);
  if (failed(given))
    return failure();
  if (given->size() != 1 || x.dtype == boolean)
    return node.fail("needs one axis and a tensor of numbers");
  FailureOr<int64_t> axis = node.normalizeAxis(given->front(), x.rank());
  if (failed(axis))
    return failure();
  if (holdsNothing(x))
    return node.out(x);
  bool exclusive = node.intAttr("exclusive", 0), reverse = node.intAttr("reverse", 0);
  Type element = e.elementType(x.dtype);
  Shape slice = x.shape;
  slice[*axis] = e.sizes.constant(1);
  Value input = e.value(x), result = e.empty(x.shape, element), sum = e.zeros(slice, element);
  Value end = e.size(x.shape[*axis]);
  SmallVector<OpFoldResult> sizes = e.foldSizes(slice), strides(x.rank(), e.b.getIndexAttr(1));
  auto sliceType = e.type(slice, element);
  Value zero = arith::ConstantIndexOp::create(e.b, 0), one = arith::ConstantIndexOp::create(e.b, 1);
  auto loop = scf::ForOp::create(
      e.b, e.b.getLoc(), zero, end, one, ValueRange{result, sum},
      [&](OpBuilder &b, Location loc, Value i, ValueRange carried) {
        Value at = i;
        if (reverse)
          at = arith::SubIOp::create(b, loc, arith::SubIOp::create(b, loc, end, one), i);
        SmallVector<OpFoldResult> offsets(x.rank(), b.getIndexAttr(0));
        offsets[*axis] = at;
        Value part = tensor::ExtractSliceOp::create(b, loc, sliceType, input, offsets, sizes, strides);
        // The sum is updated in place, after or before it is written out.
        auto add = [&] {
          SmallVector<AffineMap> maps(2, b.getMultiDimIdentityMap(x.rank()));
          SmallVector<utils::IteratorType> iterators(x.rank(), utils::IteratorType::parallel);
          return linalg::GenericOp::create(b, loc, carried[1].getType(), part, carried[1], maps, iterators,
                                           [&](OpBuilder &b, Location loc, ValueRange v) {
                                             Value total = isFloat(x.dtype)
                                                               ? Value(arith::AddFOp::create(b, loc, v[1], v[0]))
                                                               : Value(arith::AddIOp::create(b, loc, v[1], v[0]));
                                             linalg::YieldOp::create(b, loc, total);
                                           })
              .getResult(0);
        };
        Value next = exclusive ? carried[1] : add();
        Value written = tensor::InsertSliceOp::create(b, loc, next, carried[0], offsets, sizes, strides);
        if (exclusive)
          next = add();
        scf::YieldOp::create(b, loc, ValueRange{written, next});
      });
  return node.out(e.make(loop.getResult(0), x.dtype, x.shape));
}

static const OpRow rows[] = {{"CumSum", 2, 2, importCumSum}};
ArrayRef<OpRow> setun::onnx::getScanOps() { return rows; }
