//===- Embedding.cpp - nn.embedding and nn.rotary_embedding to loops -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NNToLoops.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace setun;

void setun::emitEmbedding(LoopEmitter &e, nn::EmbeddingOp op) {
  Value ids = op.getIds(), table = op.getTable(), y = op.getY();
  int64_t idRank = cast<MemRefType>(ids.getType()).getRank(), rank = cast<MemRefType>(table.getType()).getRank();
  SmallVector<Value> idSizes, rowSizes;
  for (int64_t dim = 0; dim < idRank; ++dim)
    idSizes.push_back(e.size(ids, dim));
  for (int64_t dim = 1; dim < rank; ++dim)
    rowSizes.push_back(e.size(table, dim));
  Value rows = e.size(table, 0);

  // One row of y, read from the table at `from` or, without it, zero.
  auto fill = [&](ArrayRef<Value> at, Value from) {
    Value outer = rowSizes.empty() ? e.index(1) : e.product(ArrayRef(rowSizes).drop_back());
    e.loop(e.index(0), outer, 1, [&](Value linear) {
      SmallVector<Value> inner;
      if (!rowSizes.empty())
        inner = e.delinearize(linear, ArrayRef(rowSizes).drop_back());
      Line source{table, {from ? from : e.index(0)}, std::nullopt}, target{y, SmallVector<Value>(at), std::nullopt};
      source.indices.append(inner);
      target.indices.append(inner);
      auto copy = [&](Value i, Lanes lanes) {
        e.write(target, i,
                from ? e.read(source, i, lanes) : e.constant(e.lanesOf(source.getElementType(), lanes.width), 0),
                lanes);
        return SmallVector<Value>();
      };
      if (rowSizes.empty())
        return (void)copy(nullptr, Lanes{});
      source.dim = source.indices.size();
      target.dim = target.indices.size();
      source.indices.push_back(e.index(0));
      target.indices.push_back(e.index(0));
      e.steps(rowSizes.back(), kSumLanes, {}, [&](Value i, Lanes lanes, ValueRange) { return copy(i, lanes); });
    });
  };

  e.parallel(e.product(idSizes), e.product(rowSizes), [&](Value linear) {
    SmallVector<Value> at = e.delinearize(linear, idSizes);
    Value id = memref::LoadOp::create(e.b, e.loc, ids, at);
    Value index = arith::IndexCastOp::create(e.b, e.loc, e.b.getIndexType(), id);
    Value isNegative = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::slt, index, e.index(0));
    Value row = arith::SelectOp::create(e.b, e.loc, isNegative, e.add(index, rows), index);
    Value exists = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::ult, row, rows);
    cf::AssertOp::create(e.b, e.loc, exists, "an index of an embedding is outside its table");
    auto branch = scf::IfOp::create(e.b, e.loc, exists, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(branch.thenBlock());
    fill(at, row);
    e.b.setInsertionPointToStart(branch.elseBlock());
    fill(at, nullptr);
  });
}

void setun::emitRotaryEmbedding(LoopEmitter &e, nn::RotaryEmbeddingOp op) {
  Value x = op.getX(), y = op.getY();
  Value half = e.size(op.getCos(), 2), turned = e.mul(half, e.index(2)), size = e.size(x, 3);
  forEachRow(e, x, 4, [&](ArrayRef<Value> at) {
    Line in = rowOf(e, x, at), out = rowOf(e, y, at);
    Type element = in.getElementType(), type = LoopEmitter::sumType(element);
    SmallVector<Value> position{broadcastIndex(e, op.getCos(), 0, at[0]), at[2]};
    Line cosines = rowOf(e, op.getCos(), position), sines = rowOf(e, op.getSin(), position);
    auto step = [&](Value i, int64_t width) {
      auto read = [&](const Line &line, Value where) { return e.convert(e.read(line, where, Lanes{width}), type); };
      bool pairs = op.getInterleaved();
      Value first = pairs ? e.mul(i, e.index(2)) : i, second = pairs ? e.add(first, e.index(1)) : e.add(i, half), a, b;
      if (pairs && width > 1) {
        Value both = e.convert(e.read(in, first, Lanes{2 * width}), type);
        SmallVector<int64_t> even, odd;
        for (int64_t lane = 0; lane < width; ++lane)
          even.push_back(2 * lane), odd.push_back(2 * lane + 1);
        a = vector::ShuffleOp::create(e.b, e.loc, both, both, even);
        b = vector::ShuffleOp::create(e.b, e.loc, both, both, odd);
      } else {
        a = read(in, first);
        b = read(in, second);
      }
      Value c = read(cosines, i), s = read(sines, i);
      Value low = e.convert(arith::SubFOp::create(e.b, e.loc, e.mulf(a, c), e.mulf(b, s)), element);
      Value high = e.convert(e.addf(e.mulf(b, c), e.mulf(a, s)), element);
      if (pairs && width > 1) {
        SmallVector<int64_t> woven;
        for (int64_t lane = 0; lane < width; ++lane)
          woven.push_back(lane), woven.push_back(width + lane);
        e.write(out, first, vector::ShuffleOp::create(e.b, e.loc, low, high, woven), Lanes{2 * width});
      } else {
        e.write(out, first, low, Lanes{width});
        e.write(out, second, high, Lanes{width});
      }
    };
    Value whole = e.roundDown(half, e.freeLanes);
    e.loop(e.index(0), whole, e.freeLanes, [&](Value i) { step(i, e.freeLanes); });
    e.loop(whole, half, 1, [&](Value i) { step(i, 1); });
    e.loop(turned, size, 1, [&](Value i) { e.write(out, i, e.read(in, i, Lanes{}), Lanes{}); });
  });
}
