//===- PrefillKernel.cpp - A product on tensor cores, one tile a block ----===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// mma.sync.m16n8k32 with 16 weight rows as A and 8 tokens as B. The order of columns within a product of matrices is
// free, so both operands are taken as they lie: of a chunk of 64 columns, thread q = lane % 4 has columns 16q to 16q +
// 15, which are one line of weights and 16 bytes of a token. One 16-byte load gives a thread four weight rows' words of
// its line, from the device's memory straight to registers: 32 rows a warp, two matrices A. Plane i of a word holds
// columns 4i to 4i + 3, and belongs to step i / 2 of the chunk. Activations go through shared memory; 16 bytes are B of
// both steps, in the registers that the instruction wants them in.
//
// A code is trit + 1. Its two bits, the lower one turned over, at the top of a signed byte are -64 times the trit: a
// shift and a mask a register, no sum of activations to subtract, and a shift by six at the end.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/PrefillKernel.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

namespace {

constexpr int64_t kPiece = 16; // bytes of a copy
constexpr int64_t kTokens = PrefillTile::kTokens;

/// Where a thread stands within its block.
struct Place {
  Value group, quarter; // lane / 4, lane % 4
  Value warpM, warpN, warpK;

  Place(DeviceBuilder &b, Value thread, const PrefillTile &tile) {
    group = b.bitAnd(b.shr(thread, 2), 7);
    quarter = b.bitAnd(thread, 3);
    warpM = b.bitAnd(b.shr(thread, 5), tile.warpsM - 1);
    Value rest = b.shr(thread, 5 + llvm::Log2_64(tile.warpsM));
    warpN = b.bitAnd(rest, tile.warpsN - 1);
    warpK = b.shr(rest, llvm::Log2_64(tile.warpsN));
  }
};

class Kernel {
public:
  Kernel(DeviceBuilder &b, const DeviceProduct &d, const PrefillTile &tile, bool aligned)
      : b(b), d(d), p(d.p), tile(tile), aligned(aligned), pair(d.companions.size() == 2),
        columns(tile.rows() / static_cast<int64_t>(d.companions.size())) {}

  void launch();

private:
  void locate(const Threads &t);
  void locateWeights(const Place &place);
  void locatePieces(Value thread);
  /// Asks for the activations of stage `number` (of all K) into the ring at byte `to`; none past K.
  void copyStage(Value number, Value to);
  void copyPiece(Value column, Value from, Value to);
  /// The words of a chunk of stage `number` that this warp needs; `before` past K.
  Values loadWeights(Value number, int64_t chunk, ValueRange before);
  Value loadWords(int64_t group, Value line);
  /// The registers of B of a word: a register for each plane.
  Values decode(Value word);
  void multiply(Values &sums, llvm::ArrayRef<Values> planes, Value from);
  Values multiplyAll();

  void store(ValueRange sums, int64_t firstTile, int64_t tiles);
  void finish(int64_t firstTile, int64_t tiles);

  /// Whether K is known to end where a stage does.
  bool wholeStages() const { return getConstant(p.k) && *getConstant(p.k) % tile.stageColumns() == 0; }
  /// Of a row group, rows of each companion.
  int64_t rowsOfGroup() const { return pair ? PrefillTile::kRows / 2 : PrefillTile::kRows; }
  /// Sums of one token tile of all warps, in shared memory.
  int64_t tileBytes() const { return tile.warpsK * tile.warpsM * kTokens * (tile.rows() + 4) * 4; }
  int64_t memoryBytes() const { return std::max(tile.stages * tile.stageBytes(), tileBytes()); }
  /// Where the sums of a token tile, row group and matrix A begin: rows 2 matrix and 2 matrix + 1 of four, two tokens
  /// each.
  size_t sumAt(int64_t tokenTile, int64_t group, int64_t matrix) const {
    return ((tokenTile * tile.groups + group) * 2 + matrix) * 4;
  }
  Value less(Value a, Value b_) { return b.cmp(arith::CmpIPredicate::slt, a, b_); }
  Value narrow(Value v) { return b.createOrFold<arith::IndexCastUIOp>(b.getI32Type(), v); }
  Value wide(Value v) { return b.createOrFold<arith::IndexCastUIOp>(b.getIndexType(), v); }
  Value bitXor(Value a, Value c) { return b.createOrFold<arith::XOrIOp>(a, c); }

  DeviceBuilder &b;
  const DeviceProduct &d;
  const Product &p;
  const PrefillTile &tile;
  bool aligned;
  bool pair;       // two companions
  int64_t columns; // of the epilogue, in a block

  // A block's values.
  Value tokenBlocks, columnBlocks, stages; // stages: of all K
  Value memory;                            // shared, bytes
  Value thread, quarter, firstLine;        // of the weights of a stage, that its first chunk's is for the warp
  Value firstToken, firstColumn;
  llvm::SmallVector<Values> wordRows; // of each row group: where in a line its rows lie; one, or four words apart
  Value pieceColumn, pieceTo;         // of a stage
  Values pieceRows;                   // where the tokens of this thread's pieces begin
  Values fragments;                   // where in a stage the fragments of each chunk of the warp begin
};

void Kernel::launch() {
  tokenBlocks = b.ceilDiv(p.m, tile.tokens());
  columnBlocks = b.ceilDiv(d.columns, columns);
  stages = b.ceilDiv(p.k, tile.stageColumns());
  b.launch({b.mul(tokenBlocks, columnBlocks)}, PrefillTile::kThreads, [&](const Threads &t) {
    locate(t);
    Values sums = multiplyAll();
    // As many token tiles at a time as shared memory holds.
    int64_t tiles = std::min<int64_t>(tile.tokenTiles, llvm::bit_floor<uint64_t>(memoryBytes() / tileBytes()));
    for (int64_t first = 0; first < tile.tokenTiles; first += tiles) {
      b.barrier();
      store(sums, first, tiles);
      b.barrier();
      finish(first, tiles);
    }
  });
}

void Kernel::locate(const Threads &t) {
  memory = b.shared(memoryBytes(), b.getI8Type());
  thread = t.thread;
  // Blocks that run together share weights. 32 bits, which are divided faster.
  Value block = narrow(t.block), over = narrow(tokenBlocks);
  firstToken = b.mul(wide(b.rem(block, over)), tile.tokens());
  firstColumn = b.mul(wide(b.div(block, over)), columns);
  Place place(b, narrow(thread), tile);
  locateWeights(place);
  locatePieces(narrow(thread));
  quarter = wide(place.quarter);
  firstLine = wide(b.shl(place.warpK, 2));
  // Rows of 64 bytes, so that the eight threads that one pass of shared memory serves read 128 bytes in a row; in odd
  // chunks neighbouring rows change places, so that the same holds where a token's chunks are written together.
  Value row = b.shl(b.add(b.shl(place.warpM, llvm::Log2_64(kTokens * tile.tokenTiles)), place.group), 6);
  for (int64_t j = 0; j < tile.chunksOfWarp(); ++j) {
    Value chunk = b.add(place.warpK, j * tile.warpsK);
    Value at = b.add(bitXor(row, b.shl(b.bitAnd(chunk, 1), 6)), b.shl(place.quarter, 4));
    fragments.push_back(wide(b.add(at, b.shl(chunk, llvm::Log2_64(tile.tokens() * PrefillTile::kChunk)))));
  }
}

void Kernel::locateWeights(const Place &place) {
  // Threads with g = lane / 4 have rows 4g to 4g + 3; of two companions, even g those of the first and odd g the same
  // rows of the second.
  bool vectors = llvm::all_of(d.companions, [](int64_t rows) { return rows % 4 == 0; });
  Value within = b.add(b.shl(place.warpN, llvm::Log2_64(tile.groups * rowsOfGroup())),
                       b.shl(pair ? b.shr(place.group, 1) : place.group, 2));
  Value companion = b.index(d.companions[0]);
  if (pair)
    companion = b.select(b.equals(b.bitAnd(place.group, 1), 0), companion, b.index(d.companions[1]));
  Value base = b.add(b.add(firstColumn, wide(within)), companion), rows = b.mul(p.rowBlocks, p.blockRows);
  for (int64_t j = 0; j < tile.groups; ++j) {
    Values &starts = wordRows.emplace_back();
    for (int64_t word = 0; word < (vectors ? 1 : 4); ++word) {
      // Past the last row stands what nobody asks for.
      Value row = b.min(b.add(base, j * rowsOfGroup() + word), b.add(rows, vectors ? -4 : -1));
      Value block = b.mul(b.shr(row, p.blockRowsLog), p.blockBytes);
      Value at = b.add(block, b.shl(b.bitAnd(row, p.blockRows - 1), 2)); // 16 rows of a tile are 64 bytes
      starts.push_back(b.add(at, wide(b.shl(place.quarter, p.stepBytesLog))));
    }
  }
}

void Kernel::locatePieces(Value thread) {
  // Neighbouring threads copy neighbouring pieces of a token.
  int64_t perToken = 4 * tile.chunks, apart = PrefillTile::kThreads / perToken;
  Value piece = b.bitAnd(thread, perToken - 1), token = b.shr(thread, llvm::Log2_64(perToken));
  Value chunk = b.shr(piece, 2);
  pieceColumn = wide(b.shl(piece, 4));
  Value row = bitXor(b.shl(token, 6), b.shl(b.bitAnd(chunk, 1), 6));
  Value to = b.add(b.shl(chunk, llvm::Log2_64(tile.tokens() * PrefillTile::kChunk)), row);
  pieceTo = wide(b.add(to, b.shl(b.bitAnd(piece, 3), 4)));
  // Past the last token stand the activations of the last one.
  Value last = b.add(p.m, -1), first = b.add(firstToken, wide(token));
  for (int64_t i = 0; i < tile.tokens() / apart; ++i)
    pieceRows.push_back(b.add(b.mul(b.min(b.add(first, i * apart), last), p.xStride), pieceColumn));
}

void Kernel::copyPiece(Value column, Value from, Value to) {
  if (aligned && wholeStages())
    return b.copyAsync(memory, to, p.x, from);
  Value zero = b.index(0), count = b.min(b.max(b.sub(p.k, column), zero), b.index(kPiece));
  if (aligned)
    return b.copyAsync(memory, to, p.x, b.select(b.equals(count, 0), zero, from), count);
  b.loop(zero, b.index(kPiece), 1, [&](Value i) {
    Value byte = b.choose(
        less(i, count), [&] { return Values{b.load(p.x, b.add(from, i))}; },
        [&] { return Values{b.constant(b.getI8Type(), 0)}; })[0];
    b.store(byte, memory, b.add(to, i));
  });
}

void Kernel::copyStage(Value number, Value to) {
  b.branch(less(number, stages), [&] {
    Value start = b.mul(number, tile.stageColumns()), column = b.add(pieceColumn, start);
    int64_t apart = PrefillTile::kThreads / (4 * tile.chunks);
    for (auto [i, row] : llvm::enumerate(pieceRows))
      copyPiece(column, b.add(row, start), b.add(b.add(to, pieceTo), i * apart * PrefillTile::kChunk));
  });
  b.commitCopies();
}

Value Kernel::loadWords(int64_t group, Value line) {
  Value step = b.shl(line, p.stepBytesLog);
  auto words = [&](Value at, int64_t count) {
    return b.bitcast(b.loadAligned(p.weight, b.add(at, step), b.i8s(4 * count)), b.i32s(count));
  };
  if (wordRows[group].size() == 1)
    return words(wordRows[group][0], 4);
  Values parts;
  for (Value at : wordRows[group])
    parts.push_back(b.word(words(at, 1), 0));
  return vector::FromElementsOp::create(b, b.i32s(4), parts);
}

Values Kernel::loadWeights(Value number, int64_t chunk, ValueRange before) {
  // The warp's first line of the chunk; a thread's own is as far on as its quarter.
  Value line = b.add(b.add(b.mul(number, 4 * tile.chunks), firstLine), 4 * chunk * tile.warpsK);
  return b.choose(
      wholeStages() ? less(number, stages) : less(b.add(line, quarter), p.colTiles),
      [&] {
        Values words;
        for (int64_t g = 0; g < tile.groups; ++g)
          words.push_back(loadWords(g, line));
        return words;
      },
      [&] { return Values(before); });
}

Values Kernel::decode(Value word) {
  Values planes;
  Value turned = bitXor(word, b.constant(b.getI32Type(), 0x55555555));
  for (int64_t i = 0; i < 4; ++i)
    planes.push_back(b.bitAnd(b.shl(turned, 6 - 2 * i), static_cast<int32_t>(0xc0c0c0c0u)));
  return planes;
}

void Kernel::multiply(Values &sums, llvm::ArrayRef<Values> planes, Value from) {
  for (int64_t m = 0; m < tile.tokenTiles; ++m) {
    Value bytes = b.loadAligned(memory, b.add(from, m * kTokens * PrefillTile::kChunk), b.i8s(kPiece));
    Value tokens = b.bitcast(bytes, b.i32s(4));
    for (int64_t step = 0; step < 2; ++step)
      for (int64_t g = 0; g < tile.groups; ++g)
        for (int64_t matrix = 0; matrix < 2; ++matrix) {
          const Values &low = planes[4 * g + 2 * matrix], &high = planes[4 * g + 2 * matrix + 1];
          auto c = llvm::MutableArrayRef<Value>(sums).slice(sumAt(m, g, matrix), 4);
          Values result = b.mmaBytes({low[2 * step], high[2 * step], low[2 * step + 1], high[2 * step + 1]},
                                     {b.word(tokens, 2 * step), b.word(tokens, 2 * step + 1)}, ValueRange(c));
          llvm::copy(result, c.begin());
        }
  }
}

Values Kernel::multiplyAll() {
  size_t sumCount = sumAt(tile.tokenTiles, 0, 0), perStage = tile.chunksOfWarp() * tile.groups;
  Values carried(sumCount, b.constant(b.getI32Type(), 0));
  Values nothing(tile.groups, b.constant(b.i32s(4), 0));
  for (int64_t i = 0; i < tile.ahead; ++i)
    for (int64_t j = 0; j < tile.chunksOfWarp(); ++j)
      carried.append(loadWeights(b.index(i), j, nothing));
  if (d.dependent) {
    NVVM::GriddepcontrolOp::create(b, NVVM::GridDepActionKind::launch_dependents);
    NVVM::GriddepcontrolOp::create(b, NVVM::GridDepActionKind::wait);
  }
  for (int64_t i = 0; i < tile.stages - 1; ++i)
    copyStage(b.index(i), b.index(i * tile.stageBytes()));
  carried.push_back(b.index(0));                                     // the stage that is multiplied
  carried.push_back(b.index((tile.stages - 1) * tile.stageBytes())); // and the one that is filled
  auto after = [&](Value at) {
    Value next = b.add(at, tile.stageBytes());
    return b.select(b.equals(next, tile.stages * tile.stageBytes()), b.index(0), next);
  };
  Values result = b.loop(b.index(0), stages, 1, carried, [&](Value stage, ValueRange now) {
    Values sums(now.take_front(sumCount));
    ValueRange weights = now.drop_front(sumCount).drop_back(2);
    Value from = now[now.size() - 2], to = now.back();
    // The stage is here, and all have left the one before it, which is filled now.
    b.waitForCopies(tile.stages - 2);
    b.barrier();
    copyStage(b.add(stage, tile.stages - 1), to);
    Values fresh;
    for (int64_t j = 0; j < tile.chunksOfWarp(); ++j) {
      ValueRange words = weights.slice(j * tile.groups, tile.groups);
      llvm::SmallVector<Values> planes; // of each row group and row
      for (Value four : words)
        for (int64_t row = 0; row < 4; ++row)
          planes.push_back(decode(b.word(four, row)));
      // As late as this, new words can take the registers of the old ones.
      fresh.append(loadWeights(b.add(stage, tile.ahead), j, words));
      multiply(sums, planes, b.add(from, fragments[j]));
    }
    Values next = sums;
    llvm::append_range(next, weights.drop_front(perStage));
    next.append(fresh);
    next.append({after(from), after(to)});
    return next;
  });
  result.truncate(sumCount);
  return result;
}

// Sums go through shared memory, where those of warps that share columns of K meet, and from which neighbouring threads
// take neighbouring columns. Four words more than a row keep the threads that write at the same time apart.

void Kernel::store(ValueRange sums, int64_t firstTile, int64_t tiles) {
  int64_t stride = tile.rows() + 4, tokens = kTokens * tiles * tile.warpsM;
  Place place(b, thread, tile);
  Value row = b.add(b.mul(place.warpK, tokens), b.mul(place.warpM, kTokens * tiles));
  row = b.add(row, b.shl(place.quarter, 1));
  Value column =
      b.add(b.mul(place.warpN, rowsOfGroup() * tile.groups), b.shl(pair ? b.shr(place.group, 1) : place.group, 2));
  if (pair)
    column = b.add(column, b.mul(b.bitAnd(place.group, 1), columns));
  Value at = b.add(b.mul(row, stride), column);
  for (int64_t m = firstTile; m < firstTile + tiles; ++m)
    for (int64_t g = 0; g < tile.groups; ++g)
      for (int64_t token = 0; token < 2; ++token) {
        Values words;
        for (int64_t row = 0; row < 4; ++row)
          words.push_back(sums[sumAt(m, g, row / 2) + row % 2 * 2 + token]);
        int64_t offset = (kTokens * (m - firstTile) + token) * stride + g * rowsOfGroup();
        Value vector = vector::FromElementsOp::create(b, b.i32s(4), words);
        b.storeAligned(b.bitcast(vector, b.i8s(16)), memory, b.shl(b.add(at, offset), 2));
      }
}

void Kernel::finish(int64_t firstTile, int64_t tiles) {
  int64_t stride = tile.rows() + 4, rows = kTokens * tiles * tile.warpsM, apart = PrefillTile::kThreads / columns;
  int64_t count = rows / apart, most = std::min<int64_t>(count, 8);
  Value column = b.bitAnd(thread, columns - 1), first = b.shr(thread, llvm::Log2_64(columns));
  Value n = b.add(firstColumn, column);
  auto call = [&](Value row) {
    // Rows of a warp over tokens follow those of the one before.
    Value local = b.bitAnd(row, kTokens * tiles - 1), owner = b.shr(row, llvm::Log2_64(kTokens * tiles));
    Value m = b.add(b.add(firstToken, b.mul(owner, kTokens * tile.tokenTiles)), b.add(local, kTokens * firstTile));
    Value at = b.add(b.mul(row, stride), column);
    Values sums;
    for (int64_t c = 0; c < static_cast<int64_t>(d.companions.size()); ++c) {
      Value sum;
      for (int64_t part = 0; part < tile.warpsK; ++part) {
        Value to = b.shl(b.add(at, part * rows * stride + c * columns), 2);
        Value word = b.word(b.bitcast(b.loadAligned(memory, to, b.i8s(4)), b.i32s(1)), 0);
        sum = sum ? b.add(sum, word) : word;
      }
      sums.push_back(b.sra(b.sub(b.constant(b.getI32Type(), 0), sum), 6));
    }
    return EpilogueCall{m, n, sums};
  };
  Value whole = less(b.add(firstToken, tile.tokens() - 1), p.m);
  auto all = getConstant(d.columns);
  if (!all || *all % columns)
    whole = b.createOrFold<arith::AndIOp>(whole, less(b.add(firstColumn, columns - 1), d.columns));
  b.branch(
      whole,
      [&] {
        b.loop(b.index(0), b.index(rows), most * apart, [&](Value start) {
          llvm::SmallVector<EpilogueCall> calls;
          for (int64_t i = 0; i < most; ++i)
            calls.push_back(call(b.add(b.add(start, first), i * apart)));
          emitEpilogues(b, d.epilogue, calls);
        });
      },
      [&] {
        b.loop(first, b.index(rows), apart, [&](Value row) {
          EpilogueCall one = call(row);
          Value inside = b.createOrFold<arith::AndIOp>(less(one.m, p.m), less(n, d.columns));
          b.branch(inside, [&] { emitEpilogues(b, d.epilogue, one); });
        });
      });
}

} // namespace

void nvptx::emitPrefillKernel(DeviceBuilder &b, const DeviceProduct &product, const PrefillTile &tile, bool aligned) {
  Kernel(b, product, tile, aligned).launch();
}

void nvptx::emitEpilogues(DeviceBuilder &b, const Epilogue &epilogue, llvm::ArrayRef<EpilogueCall> calls) {
  Block *block = b.getInsertionBlock();
  Block::iterator end = b.getInsertionPoint();
  llvm::SmallVector<llvm::SmallVector<Operation *>> writing;
  for (const EpilogueCall &call : calls) {
    Operation *before = end == block->begin() ? nullptr : &*std::prev(end);
    epilogue(b, call.m, call.n, call.sums);
    auto &ops = writing.emplace_back();
    for (Operation &op : llvm::make_range(before ? std::next(before->getIterator()) : block->begin(), end)) {
      auto effects = getEffectsRecursively(&op);
      bool reads = effects && llvm::all_of(*effects, [](const MemoryEffects::EffectInstance &effect) {
                     return isa<MemoryEffects::Read>(effect.getEffect());
                   });
      if (!ops.empty() || !reads)
        ops.push_back(&op);
    }
  }
  for (auto &ops : writing)
    for (Operation *op : ops)
      op->moveBefore(block, end);
}
