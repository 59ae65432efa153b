//===- KernelBuilder.h - Terse building of loops and vectors -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the kernels of every target share: a builder that folds constants as it
// goes (so that static shapes leave no trace of their generality) and a product
// whose operands are flattened, so that loops move by adding strides and hold
// no multiplication for addresses.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_KERNELS_KERNELBUILDER_H
#define SETUN_TARGET_KERNELS_KERNELBUILDER_H

#include "setun/Dialect/Ternary/IR/Ternary.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace setun {

using mlir::Value;
using mlir::ValueRange;
using mlir::VectorType;
using Values = llvm::SmallVector<Value>;

class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  Value index(int64_t value);
  /// A scalar or splat constant of an integer or float type.
  Value constant(mlir::Type type, int64_t value);
  VectorType vec(int64_t lanes, mlir::Type type) { return VectorType::get({lanes}, type); }
  VectorType i8s(int64_t lanes) { return vec(lanes, getI8Type()); }
  VectorType i16s(int64_t lanes) { return vec(lanes, getI16Type()); }
  VectorType i32s(int64_t lanes) { return vec(lanes, getI32Type()); }

  Value add(Value a, Value b) { return createOrFold<mlir::arith::AddIOp>(a, b); }
  Value add(Value a, int64_t b) { return add(a, constant(a.getType(), b)); }
  Value sub(Value a, Value b) { return createOrFold<mlir::arith::SubIOp>(a, b); }
  /// For sizes and the start of a task only: never inside a product's loops.
  Value mul(Value a, Value b) { return createOrFold<mlir::arith::MulIOp>(a, b); }
  Value mul(Value a, int64_t b) { return mul(a, index(b)); }
  Value div(Value a, Value b) { return createOrFold<mlir::arith::DivUIOp>(a, b); }
  Value rem(Value a, Value b) { return createOrFold<mlir::arith::RemUIOp>(a, b); }
  Value ceilDiv(Value a, int64_t b) { return createOrFold<mlir::arith::DivUIOp>(add(a, b - 1), index(b)); }
  Value min(Value a, Value b) { return createOrFold<mlir::arith::MinSIOp>(a, b); }
  Value max(Value a, Value b) { return createOrFold<mlir::arith::MaxSIOp>(a, b); }
  Value bitAnd(Value a, int64_t b) { return createOrFold<mlir::arith::AndIOp>(a, constant(a.getType(), b)); }
  Value shl(Value a, int64_t bits) { return createOrFold<mlir::arith::ShLIOp>(a, constant(a.getType(), bits)); }
  Value shr(Value a, int64_t bits) { return createOrFold<mlir::arith::ShRUIOp>(a, constant(a.getType(), bits)); }
  Value sra(Value a, int64_t bits) { return createOrFold<mlir::arith::ShRSIOp>(a, constant(a.getType(), bits)); }
  Value cmp(mlir::arith::CmpIPredicate predicate, Value a, Value b) {
    return createOrFold<mlir::arith::CmpIOp>(predicate, a, b);
  }
  Value equals(Value a, int64_t b) { return cmp(mlir::arith::CmpIPredicate::eq, a, constant(a.getType(), b)); }
  Value select(Value c, Value a, Value b) { return createOrFold<mlir::arith::SelectOp>(c, a, b); }
  Value bitcast(Value v, VectorType type) { return mlir::vector::BitCastOp::create(*this, type, v); }
  Value broadcast(Value v, VectorType type) { return mlir::vector::BroadcastOp::create(*this, type, v); }
  Value shuffle(Value a, Value b, llvm::ArrayRef<int64_t> mask) {
    return mlir::vector::ShuffleOp::create(*this, a, b, mask);
  }

  Value load(Value buffer, Value at) { return mlir::memref::LoadOp::create(*this, buffer, ValueRange{at}); }
  Value load(Value buffer, Value at, VectorType type) {
    return mlir::vector::LoadOp::create(*this, type, buffer, ValueRange{at});
  }
  void store(Value value, Value buffer, Value at);
  /// Asks for the cache line of an element that is read later; it may lie past the buffer. `locality` 3: into the first
  /// cache, 2: into the second.
  void prefetch(Value buffer, Value at, int64_t locality = 3);
  /// Four bytes in each dword of a vector of bytes: the activations of four columns, for every row.
  Value broadcastDword(Value bytes, Value at, int64_t lanes);

  /// A loop that carries `init`; the body gives the next values. Runs once straight through if it has one iteration.
  Values loop(Value from, Value to, int64_t step, ValueRange init,
              llvm::function_ref<Values(Value iv, ValueRange carried)> body);
  void loop(Value from, Value to, int64_t step, llvm::function_ref<void(Value iv)> body);
  /// A parallel loop over [0, count), in pieces of at least `grain`.
  void forall(Value count, int64_t grain, llvm::function_ref<void(Value iv)> body);
  /// Folded where `condition` is constant. Both sides of `choose` give values of the same types.
  Values choose(Value condition, llvm::function_ref<Values()> then, llvm::function_ref<Values()> otherwise);
  void branch(Value condition, llvm::function_ref<void()> then);
  void branch(Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise);

  /// Uninitialized stack memory of `count` elements, aligned to a cache line.
  Value scratch(int64_t count, mlir::Type element);
  /// A flat buffer in the type that views of operands have.
  Value dynamicView(Value buffer);
};

/// The value of a constant index, if it is one.
std::optional<int64_t> getConstant(Value value);

/// A product on buffers in the layout all kernels here read: tiles of 16 rows x 16 columns (64 bytes), the row tiles of
/// a block interleaved: a step is one tile of columns for all rows of the block. Buffers are flat; rows are found by
/// adding strides.
struct Product {
  static constexpr int64_t kTile = 16, kTileBytes = 64;

  int64_t interleave = 0;               // row tiles of a block: 1, 2 or 4
  int64_t blockRows = 0, stepBytes = 0; // 16 and 64 times as many
  unsigned blockRowsLog = 0, stepBytesLog = 0;

  Value x, weight, acc, scales;           // scales may be null
  Value xStride, accStride, scalesStride; // elements from row to row
  Value m, n, k, groups;                  // sizes; groups null without scales
  Value rowBlocks;                        // ceil(n / blockRows)
  Value colTiles;                         // ceil(k / 16)
  Value blockBytes;                       // packed bytes of a block's rows
  mlir::Type activation, result;

  /// Flattens the operands; emits an error for what no kernel reads.
  static mlir::FailureOr<Product> get(KernelBuilder &b, ternary::MatmulOp op);
  static PackedLayout getLayout(int64_t interleave = 2) { return PackedLayout{2, kTile, kTile, interleave}; }
};

/// Rows n, n+1, ... of one token: `lanes` values to acc, of which only the rows inside the matrix are written. If there
/// is an `isFirst` and it is false, they are added to the integers that stand there.
void storeRows(KernelBuilder &b, const Product &p, Value lanes, Value accRow, Value row, Value isFirst = {});

/// Asks for weights ahead of `at`, where a step of `bytes` bytes is read in order: for those of 1 KB ahead into the
/// first cache, and of 4.5 KB, past the page in which hardware looks ahead by itself, into the second.
void prefetchStream(KernelBuilder &b, Value weight, Value at, int64_t bytes);

/// Columns [16 tile, 16 tile + 16 tiles) of a row of int8 activations that starts at `row`, readable up to whole tiles:
/// in place, or where K ends inside them, copied to `stage` and filled up with zeros. Returns a flat buffer and an
/// offset.
std::pair<Value, Value> stageColumns(KernelBuilder &b, const Product &p, Value row, Value tile, int64_t tiles,
                                     Value stage);

/// Rows of 2^n vectors to columns: `rows` holds the vectors of a row-major matrix with as many rows as values; returns
/// the same elements in column-major order.
Values transpose(KernelBuilder &b, Values rows);

} // namespace setun

#endif // SETUN_TARGET_KERNELS_KERNELBUILDER_H
