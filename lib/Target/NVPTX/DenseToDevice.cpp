//===- DenseToDevice.cpp - Dense products to kernels ----------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Few rows: the pace is that of reading the weights. Many rows: that of multiplying. The host chooses where only it
// knows how many there are.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/Passes.h"

#include "DenseKernels.h"
#include "Steps.h"
#include "setun/Target/NVPTX/RowKernels.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_DENSETODEVICE
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

DenseProduct DenseProduct::of(DeviceBuilder &b, const Contraction &op) {
  LoopEmitter e(b, b.getLoc());
  auto size = [&](std::optional<unsigned> loop) { return loop ? op.size(e, *loop) : b.index(1); };
  DenseProduct result{op, size(op.m), size(op.n), op.size(e, op.k), {}, {}};
  for (unsigned loop : op.batch)
    result.batches.push_back(op.size(e, loop));
  result.batch = e.product(result.batches);
  return result;
}

void DenseProduct::forEachBatch(DeviceBuilder &b, const Threads &t,
                                function_ref<void(SmallVector<Value>)> body) const {
  LoopEmitter e(b, b.getLoc());
  auto at = [&](Value number) {
    SmallVector<Value> ivs(op.numLoops);
    for (auto [loop, index] : llvm::zip(op.batch, e.delinearize(number, batches)))
      ivs[loop] = index;
    body(ivs);
  };
  if (getConstant(batch) == 1)
    return at(b.index(0));
  auto loop = scf::ForOp::create(b, t.blockZ, batch, t.blocksZ);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  at(loop.getInductionVar());
}

static Line lineOf(LoopEmitter &e, const DenseProduct &p, bool ofRight, ArrayRef<Value> ivs, Value at, Value k) {
  SmallVector<Value> here(ivs);
  if (std::optional<unsigned> loop = ofRight ? p.op.n : p.op.m)
    here[*loop] = at;
  here[p.op.k] = k;
  return p.op.line(e, ofRight ? p.op.b : p.op.a, here, std::nullopt);
}

Value DenseProduct::read(DeviceBuilder &b, bool ofRight, ArrayRef<Value> ivs, Value at, Value k) const {
  LoopEmitter e(b, b.getLoc());
  Line line = lineOf(e, *this, ofRight, ivs, at, k);
  return widen(b, memref::LoadOp::create(b, line.buffer, line.indices), ofRight);
}

Value DenseProduct::readVector(DeviceBuilder &b, bool ofRight, ArrayRef<Value> ivs, Value at, Value k,
                               int64_t width) const {
  LoopEmitter e(b, b.getLoc());
  Line line = lineOf(e, *this, ofRight, ivs, at, k);
  if (width == 1)
    return memref::LoadOp::create(b, line.buffer, line.indices);
  Type element = line.getElementType();
  return vector::LoadOp::create(b, b.vec(width, element), line.buffer, line.indices, /*nontemporal=*/false,
                                llvm::MaybeAlign(width * element.getIntOrFloatBitWidth() / 8));
}

int64_t DenseProduct::vectorWidth(bool ofRight, int64_t most) const {
  const ProductOperand &operand = ofRight ? op.b : op.a;
  auto last = dyn_cast<AffineDimExpr>(operand.map.getResults().back());
  std::optional<int64_t> known = getConstant(depth);
  if (!last || last.getPosition() != op.k || !known || *known == 0)
    return 1;
  int64_t width = most;
  while (width > 1 && (*known % width != 0 || !hasAlignedRows(cast<MemRefType>(operand.buffer.getType()), width)))
    width /= 2;
  return width;
}

Value DenseProduct::widen(DeviceBuilder &b, Value value, bool ofRight) const {
  LoopEmitter e(b, b.getLoc());
  if (isFloat())
    return e.convert(value, op.sumType);
  if (getElementTypeOrSelf(value) == op.sumType)
    return value;
  auto vector = dyn_cast<VectorType>(value.getType());
  Type type = vector ? Type(vector.clone(op.sumType)) : op.sumType;
  return (ofRight ? op.b : op.a).isUnsigned ? arith::ExtUIOp::create(b, type, value).getResult()
                                            : arith::ExtSIOp::create(b, type, value).getResult();
}

Value DenseProduct::multiplyAdd(DeviceBuilder &b, Value x, Value y, Value sum) const {
  if (isFloat())
    return b.fma(x, y, sum);
  return arith::AddIOp::create(b, sum, arith::MulIOp::create(b, x, y));
}

void DenseProduct::add(DeviceBuilder &b, SmallVector<Value> ivs, Value m, Value n, Value sum) const {
  LoopEmitter e(b, b.getLoc());
  if (op.m)
    ivs[*op.m] = m;
  if (op.n)
    ivs[*op.n] = n;
  Line out = op.line(e, op.c, ivs, std::nullopt);
  Value old = memref::LoadOp::create(b, out.buffer, out.indices);
  Value value = isFloat() ? e.convert(e.addf(e.convert(old, op.sumType), sum), out.getElementType())
                          : e.addAny(old, sum);
  memref::StoreOp::create(b, value, out.buffer, out.indices);
}

static void emitProduct(DeviceBuilder &b, const Contraction &op) {
  DenseProduct product = DenseProduct::of(b, op);
  auto atMost = [&](int64_t rows) { return b.cmp(arith::CmpIPredicate::sle, product.rows, b.index(rows)); };
  auto many = [&] { emitDenseTile(b, product); };
  auto few = [&](int64_t tokens) {
    op.isDot() ? emitDenseDot(b, product, tokens) : emitDenseColumns(b, product, tokens);
  };
  b.branch(atMost(1), [&] { few(1); }, [&] { b.branch(atMost(kFewRows), [&] { few(kDenseTokens); }, many); });
}

namespace {

struct DenseToDevice : nvptx::impl::DenseToDeviceBase<DenseToDevice> {
  void runOnOperation() override {
    for (Operation *op : getSteps(getOperation())) {
      auto nested = dyn_cast<linalg::LinalgOp>(op);
      if (!nested)
        continue;
      std::optional<Contraction> product = Contraction::match(nested);
      if (!product || product->sumType.getIntOrFloatBitWidth() < 32)
        continue;
      DeviceBuilder b(op->getLoc(), op);
      emitProduct(b, *product);
      op->erase();
    }
  }
};

} // namespace
