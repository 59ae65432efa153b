//===- VnniTile.cpp - Any number of tokens by vpdpbusd in register tiles -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Activations of a chunk of columns are packed once: plane after plane of the tiles,
// and in each tile the tokens of a group side by side, so that one pointer moves
// through them. The sums of two vectors of rows times a group of tokens stay in
// registers, or of one vector times a few more tokens. Planes are masked in place and taken one after another, the one
// that counts most first: sums of 64 times the plane at bits 7:6 are shifted down by two before those of 16 times the
// next join them, and so on to the last, exactly. The first group of tokens masks, and leaves what it masked for the
// others: they have nothing to do but to load, broadcast and multiply.
//
//===----------------------------------------------------------------------===//

#include "Vnni.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace setun;

/// Tiles of a chunk and tokens of one parallel loop: the packed activations (480 KB) and a task's masked codes (230 KB)
/// stay in L2. Where there are few tokens chunks are longer.
static constexpr int64_t kChunkTiles = 448, kMostTokens = x86::Vpdpbusd::kBlockTokens, kMostTiles = 1024;
/// Packed weights and activations that are read for each plane stay in L1, or in L2 where a step has enough products to
/// wait for it. Sums of a chunk can be shifted up by eight bits between such parts: 2 x 128 x 16 x 1024 is 2^22.
static constexpr int64_t kNearBytes = 28 << 10, kFarBytes = 64 << 10;

namespace {

/// `total` in as few parts of at most `most` as will do, all of one size but for the last ones, which lack one.
struct Parts {
  Value count, size, larger; // how many are of that size
  Parts(KernelBuilder &b, Value total, Value most) : count(b.div(b.sub(b.add(total, most), b.index(1)), most)) {
    size = b.div(b.sub(b.add(total, count), b.index(1)), b.max(count, b.index(1)));
    larger = b.sub(total, b.mul(count, b.sub(size, b.index(1))));
  }
  bool areEqual() const { return getConstant(count) && getConstant(count) == getConstant(larger); }
  Value sizeOf(KernelBuilder &b, Value part) const {
    if (areEqual())
      return size;
    return b.select(b.cmp(arith::CmpIPredicate::slt, part, larger), size, b.sub(size, b.index(1)));
  }
  Value startOf(KernelBuilder &b, Value part) const {
    Value start = b.mul(part, size);
    return areEqual() ? start : b.sub(start, b.max(b.sub(part, larger), b.index(0)));
  }
};

/// How a block of tokens is done.
struct Form {
  int64_t vectors;      // of rows, whose sums are in registers together
  int64_t fewest, most; // tokens of a group
  bool alone;           // there is one group
};

/// Bytes from tile to tile in a plane of a group's activations. Not 64: with one distance for them and for weights LLVM
/// steps both by one index, and operands in memory that have an index are two operations each.
int64_t getPitch(int64_t tokens) { return 4 * (tokens == 16 ? 17 : std::max<int64_t>(tokens, 4)); }
Value getPitch(KernelBuilder &b, Value tokens) {
  return b.select(b.equals(tokens, 16), b.index(getPitch(16)), b.shl(b.max(tokens, b.index(4)), 2));
}

/// A block of tokens and a chunk of columns.
struct Chunk {
  KernelBuilder &b;
  const Product &p;
  const x86::Vpdpbusd &instruction;
  Value from;             // the first token
  Parts groups;           // of its tokens
  Value panel, biases;    // scratch: packed activations; minus the sum of each token's
  Value firstTile, tiles; // columns

  void pack();
};

/// The work of one task: neighbouring vectors of rows, all tokens of a chunk.
struct Task {
  KernelBuilder &b;
  const Product &p;
  const Chunk &chunk;
  const x86::Vpdpbusd &instruction;
  const Form &form;
  const int64_t vectors = form.vectors;
  int64_t lanes = vectors * instruction.lanes; // rows
  Value weights = {}, second = {},
        following = {}; // where codes begin; bytes to those of the second vector and the next task
  Value firstRow = {}, codes = {}, sums = {}; // scratch: masked codes, and sums whose rows are not all in the matrix

  /// Where codes come from: the packed weights, masked in place; these, leaving masked planes for other groups; or from
  /// there.
  enum class Codes { Packed, Shared, Masked };
  /// Tokens whose sums are in registers together.
  struct Group {
    int64_t tokens;
    Codes from;
    Value first, x, acc; // its first token, counted from the chunk's, and its places in the panel and in acc
  };
  void start(Value index);
  void run(Value index, Codes from);
  Values step(ArrayRef<Value> sums, const Group &group, Value x, Value slot, Value at, Value mask);
  Values add(const Group &group);
  void write(ArrayRef<Value> sums, const Group &group);
};

} // namespace

Value x86::Vpdpbusd::dot(KernelBuilder &b, Value sums, Value codes, Value activations) const {
  // The names serve both encodings: AVX-VNNI's and that of AVX-512 VNNI with VL.
  auto type = cast<VectorType>(sums.getType());
  auto name = b.getStringAttr("llvm.x86.avx512.vpdpbusd." + llvm::Twine(32 * type.getDimSize(0)));
  return LLVM::CallIntrinsicOp::create(b, type, name, ValueRange{sums, codes, activations}).getResult(0);
}

/// Four tokens of a group at a time, the last four over again where their number is no multiple of it. A group of fewer
/// than four is the last one: it is filled up with copies of its last token.
void Chunk::pack() {
  b.forall(groups.count, 1, [&](Value index) {
    Value zero = b.index(0), first = groups.startOf(b, index), size = groups.sizeOf(b, index);
    Value pitch = getPitch(b, size), plane = b.mul(pitch, tiles), column = b.shl(firstTile, 4);
    Value left = b.sub(p.k, column), whole = b.min(tiles, b.shr(left, 4));
    Value stage = b.scratch(4 * Product::kTile, p.activation), ones = b.constant(b.i8s(16), 1);
    // Sixteen columns: four tokens' dwords of each plane become neighbours. Adds up each token's activations by plane.
    auto pack = [&](Value x, ArrayRef<Value> rows, Value at, Value to, ValueRange sums) {
      Values dwords, next;
      for (Value row : rows)
        dwords.push_back(b.bitcast(b.load(x, b.add(row, at), b.i8s(16)), b.i32s(4)));
      dwords = transpose(b, dwords);
      for (int64_t i = 3; i >= 0; --i, to = b.add(to, plane)) {
        Value bytes = b.bitcast(dwords[i], b.i8s(16));
        next.push_back(instruction.dot(b, sums[3 - i], ones, bytes));
        b.store(bytes, panel, to);
      }
      return next;
    };
    b.loop(zero, size, 4, [&](Value token) {
      token = b.max(b.min(token, b.sub(size, b.index(4))), zero);
      Values rows, staged;
      for (int64_t i = 0; i < 4; ++i) {
        Value row = b.add(b.add(from, first), b.min(b.add(token, i), b.sub(size, b.index(1))));
        rows.push_back(b.add(b.mul(row, p.xStride), column));
        staged.push_back(b.index(i * Product::kTile));
      }
      Value to = b.add(b.mul(first, b.shl(tiles, 4)), b.shl(token, 2));
      Values now(4, b.constant(b.i32s(4), 0));
      now.append({zero, to});
      now = b.loop(zero, whole, 1, now, [&](Value, ValueRange now) {
        Values next = pack(p.x, rows, now[4], now[5], now);
        next.append({b.add(now[4], Product::kTile), b.add(now[5], pitch)});
        return next;
      });
      Values sums = b.choose(
          b.cmp(arith::CmpIPredicate::eq, whole, tiles), [&] { return Values(ArrayRef(now).take_front(4)); },
          [&] { // K ends inside the last tile: zeros to its end
            for (int64_t i = 0; i < 4; ++i) {
              b.store(b.constant(b.i8s(Product::kTile), 0), stage, staged[i]);
              b.loop(zero, b.bitAnd(left, 15), 1, [&](Value k) {
                b.store(b.load(p.x, b.add(b.add(rows[i], now[4]), k)), stage, b.add(staged[i], k));
              });
            }
            return pack(stage, staged, zero, now[5], now);
          });
      Value sum = b.add(b.add(sums[0], sums[1]), b.add(sums[2], sums[3]));
      b.store(b.sub(b.constant(b.i32s(4), 0), sum), biases, b.add(first, token));
    });
  });
}

void Task::start(Value index) {
  // A task is a part of a block, or two blocks; after an odd number of them the last stands in for its neighbour.
  const int64_t passes = std::max<int64_t>(p.blockRows / lanes, 1), blocksLog = p.blockRows < lanes;
  Value part = b.div(index, b.index(passes)), pass = b.sub(index, b.mul(part, passes)), block = b.shl(part, blocksLog);
  weights = b.add(b.mul(block, p.blockBytes), b.add(b.mul(pass, 4 * lanes), b.shl(chunk.firstTile, p.stepBytesLog)));
  Value last = b.cmp(arith::CmpIPredicate::sge, b.add(block, 1), p.rowBlocks);
  second = blocksLog ? b.select(last, b.index(0), p.blockBytes) : b.index(instruction.bytes());
  following = blocksLog ? b.shl(p.blockBytes, 1) : passes == 1 ? p.blockBytes : b.index(4 * lanes);
  firstRow = b.add(b.shl(block, p.blockRowsLog), b.mul(pass, lanes));
  codes = b.scratch(std::min(kChunkTiles, getConstant(p.colTiles).value_or(kChunkTiles)) * 16 * lanes, b.getI8Type());
  sums = b.scratch(form.most * lanes, b.getI32Type());
}

/// One plane of one tile of columns.
Values Task::step(ArrayRef<Value> sums, const Group &group, Value x, Value slot, Value at, Value mask) {
  Values next(sums), planes;
  VectorType type = b.i8s(instruction.bytes());
  for (int64_t v = 0; v < vectors; ++v) {
    Value place = b.add(slot, v * instruction.bytes());
    if (mask) {
      Value from = v ? b.add(at, second) : at;
      planes.push_back(b.createOrFold<arith::AndIOp>(b.load(p.weight, from, type), mask));
      if (group.from == Codes::Shared)
        b.store(planes.back(), codes, place);
    } else {
      planes.push_back(b.load(codes, place, type));
    }
  }
  for (int64_t t = 0; t < group.tokens; ++t) {
    Value four = b.broadcastDword(chunk.panel, b.add(x, 4 * t), instruction.bytes());
    for (int64_t v = 0; v < vectors; ++v)
      next[t * vectors + v] = instruction.dot(b, sums[t * vectors + v], planes[v], four);
  }
  return next;
}

/// The group's sums over the chunk, without biases.
Values Task::add(const Group &group) {
  const int64_t size = vectors * group.tokens, pitch = getPitch(group.tokens);
  // A sum waits for its last addition: few sums are doubled, so that there are at least ten at work.
  int64_t copies = 1;
  while (copies < 4 && size * copies < 10 && size * (copies + 1) + vectors + 2 <= instruction.registers)
    ++copies;
  const bool masks = group.from != Codes::Masked, alone = group.from == Codes::Packed;
  // Steps that mask are done two at a time: what steers the loop takes ports as well. So are those that only load, as
  // long as the registers hold the codes of both; up to eight tokens that was slower.
  const bool twice = masks || (group.tokens > 8 && size + 2 * vectors + 4 <= instruction.registers);
  // One vector's are done four at a time: a line of the next task for each plane.
  const int64_t steps = vectors == 1 ? 4 : std::max<int64_t>(copies, twice ? 2 : 1);
  const int64_t near = group.tokens > 6 ? kFarBytes : kNearBytes;
  Parts parts(b, chunk.tiles, alone ? b.index(near / (4 * lanes + 16 * group.tokens)) : chunk.tiles);
  Values all(size * copies, b.constant(b.i32s(instruction.lanes), 0));
  all.append({group.x, weights});
  all = b.loop(b.index(0), parts.count, 1, all, [&](Value part, ValueRange outer) {
    Value tiles = parts.sizeOf(b, part), rest = steps == 1 ? b.index(0) : b.rem(tiles, b.index(steps));
    Value whole = b.sub(tiles, rest), skipped = b.mul(b.sub(chunk.tiles, tiles), pitch), at = outer.back();
    const int64_t xAt = size * copies, slotAt = xAt + 1, maskAt = xAt + 2;
    Values all(outer.take_front(xAt + 1));
    if (getConstant(parts.count) != 1)
      for (Value &sum : MutableArrayRef<Value>(all).take_front(xAt))
        sum = b.shl(sum, 8);
    all.push_back(b.index(0));
    if (masks)
      all.push_back(b.constant(b.i16s(2 * instruction.lanes), static_cast<int16_t>(0xc0c0)));
    all = b.loop(b.index(0), b.index(4), 1, all, [&](Value plane, ValueRange now) {
      Values next(now);
      Value mask = masks ? b.bitcast(now[maskAt], b.i8s(instruction.bytes())) : Value();
      for (Value &sum : MutableArrayRef<Value>(next).take_front(xAt))
        sum = b.sra(sum, 2);
      // The next task's lines, spread over all planes; of two steps done together one asks for a line of either.
      Value odd = b.bitAnd(plane, 1), ahead = b.add(following, b.select(b.equals(odd, 0), b.index(0), second));
      if (steps > 1)
        ahead = vectors == 1 ? b.add(following, b.mul(plane, p.stepBytes))
                             : b.add(ahead, b.mul(b.shr(plane, 1), p.stepBytes));
      if (masks)
        next[maskAt] = at;
      for (auto [count, unroll] : {std::pair(whole, steps), std::pair(rest, int64_t(1))})
        next = b.loop(b.index(0), count, unroll, next, [&, unroll = unroll](Value, ValueRange now) {
          Values next(now);
          for (int64_t i = 0; i < unroll; ++i) {
            auto sums = MutableArrayRef<Value>(next).slice(i % copies * size, size);
            if (masks && i % (4 / vectors) == 0)
              b.prefetch(p.weight, b.add(next[maskAt], ahead), /*locality=*/2);
            llvm::copy(step(sums, group, next[xAt], next[slotAt], masks ? next[maskAt] : Value(), mask), sums.begin());
            next[xAt] = b.add(next[xAt], pitch), next[slotAt] = b.add(next[slotAt], 4 * lanes);
            if (masks)
              next[maskAt] = b.add(next[maskAt], p.stepBytes);
          }
          return next;
        });
      next[xAt] = b.add(next[xAt], skipped);
      if (masks)
        next[maskAt] = b.shr(now[maskAt], 2);
      return next;
    });
    all.resize(xAt);
    all.append({b.add(outer[xAt], b.mul(tiles, pitch)), b.add(at, b.shl(tiles, p.stepBytesLog))});
    return all;
  });
  Values total(ArrayRef(all).take_front(size));
  for (int64_t i = size; i < size * copies; ++i)
    total[i % size] = b.add(total[i % size], all[i]);
  return total;
}

/// Adds biases and, after the first chunk, what is in acc.
void Task::write(ArrayRef<Value> sums, const Group &group) {
  VectorType type = b.i32s(instruction.lanes);
  Value isFirst = b.equals(chunk.firstTile, 0), last = b.add(firstRow, lanes);
  auto n = getConstant(p.n);
  Value whole = n && *n % std::max(lanes, p.blockRows) == 0 ? b.constant(b.getI1Type(), 1)
                                                            : b.cmp(arith::CmpIPredicate::sle, last, p.n);
  auto biased = [&](Value sum, Value token) { return b.add(sum, b.broadcast(b.load(chunk.biases, token), type)); };
  b.branch(
      whole,
      [&] {
        Value at = group.acc, zero = b.constant(type, 0);
        Value more = b.cmp(arith::CmpIPredicate::ne, chunk.firstTile, b.index(0));
        Value mask = b.broadcast(more, b.vec(instruction.lanes, b.getI1Type()));
        for (int64_t i = 0; i < vectors * group.tokens; ++i) {
          Value sum = biased(sums[i], b.add(group.first, i / vectors));
          Value to = b.add(at, i % vectors * instruction.lanes);
          if (getConstant(isFirst) != 1)
            sum = b.add(sum, vector::MaskedLoadOp::create(b, type, p.acc, ValueRange{to}, mask, zero));
          b.store(sum, p.acc, to);
          at = i % vectors == vectors - 1 ? b.add(at, p.accStride) : at;
        }
      },
      [&] {
        for (auto [i, sum] : llvm::enumerate(sums))
          b.store(sum, this->sums, b.index(i * instruction.lanes));
        Values start{b.sub(group.acc, firstRow), b.index(0)};
        b.loop(group.first, b.add(group.first, group.tokens), 1, start, [&](Value token, ValueRange now) {
          for (int64_t v = 0; v < vectors; ++v) {
            Value row = b.add(firstRow, instruction.lanes * v);
            b.branch(b.cmp(arith::CmpIPredicate::slt, row, p.n), [&] {
              Value sum = biased(b.load(this->sums, b.add(now[1], instruction.lanes * v), type), token);
              storeRows(b, p, sum, now[0], row, isFirst);
            });
          }
          return Values{b.add(now[0], p.accStride), b.add(now[1], lanes)};
        });
      });
}

/// The group of that number.
void Task::run(Value index, Codes from) {
  Value first = chunk.groups.startOf(b, index), size = chunk.groups.sizeOf(b, index);
  Value x = b.mul(first, b.shl(chunk.tiles, 4)), acc = b.add(b.mul(b.add(chunk.from, first), p.accStride), firstRow);
  auto known = getConstant(chunk.groups.size);
  for (int64_t few = form.fewest; few <= form.most; ++few)
    if ((!known || few == *known || few == *known - 1) && (vectors > 1 || instruction.isWide(few)))
      b.branch(b.equals(size, few), [&] {
        Value line = acc; // lines that are written in the end: by then they are here
        for (int64_t t = 0; t < few; ++t, line = b.add(line, p.accStride))
          for (int64_t row = 0; row < lanes; row += 16)
            b.prefetch(p.acc, b.add(line, row), /*locality=*/2);
        Group group{few, from, first, x, acc};
        write(add(group), group);
      });
}

void x86::emitVnniTile(KernelBuilder &b, const Product &p, Value from, Value to, int64_t least,
                       const Vpdpbusd &instruction) {
  const bool is512 = instruction.lanes == 16;
  const int64_t most = instruction.mostTokens(), wide = is512 ? instruction.kMostWide : most;
  // More tokens than a group can hold go in groups that are half full or more; of 29 the smallest has nine.
  const Form one{2, std::min(least, (most + 1) / 2), most, true}, oneWide{1, most + 1, wide, true},
      several{2, is512 ? 9 : (most + 1) / 2, instruction.mostOfSeveral(), false};
  Value all = b.sub(to, from), zero = b.index(0);
  // Few tokens, one group, go in longer chunks.
  const int64_t blockTokens = std::min(kMostTokens, getConstant(all).value_or(kMostTokens));
  const int64_t chunkTiles = std::min(kChunkTiles, getConstant(p.colTiles).value_or(kChunkTiles));
  const int64_t fewTiles = std::min(kMostTiles, getConstant(p.colTiles).value_or(kMostTiles));
  const int64_t wideTiles = std::min(2 * kChunkTiles, fewTiles);
  const int64_t places = std::max({(blockTokens + 3) * chunkTiles, (std::min(blockTokens, wide) + 3) * wideTiles,
                                   (std::min(blockTokens, most) + 3) * fewTiles});
  Parts blocks(b, all, b.index(kMostTokens));
  Value panel = b.scratch(places * Product::kTile, p.activation);
  Value biases = b.scratch(blockTokens + 3, b.getI32Type());
  b.loop(zero, blocks.count, 1, [&](Value i) {
    Value first = b.add(from, blocks.startOf(b, i)), tokens = blocks.sizeOf(b, i);
    auto emit = [&](const Form &form, int64_t limit) {
      const int64_t lanes = form.vectors * instruction.lanes;
      const int64_t passes = std::max<int64_t>(p.blockRows / lanes, 1), blocksLog = p.blockRows < lanes;
      Value tasks = b.mul(b.ceilDiv(p.rowBlocks, 1 << blocksLog), passes);
      // Loops of a known length are faster: rather one or two chunks more, if then all are of one size.
      if (auto tiles = getConstant(p.colTiles); tiles && *tiles > limit)
        for (int64_t needed = llvm::divideCeil(*tiles, limit), count = needed; count <= needed + 2; ++count)
          if (*tiles % count == 0) {
            limit = *tiles / count;
            break;
          }
      Parts chunks(b, p.colTiles, b.index(limit)), groups(b, tokens, b.index(form.most));
      b.loop(zero, chunks.count, 1, [&](Value j) {
        Chunk chunk{b, p, instruction, first, groups, panel, biases, chunks.startOf(b, j), chunks.sizeOf(b, j)};
        chunk.pack();
        b.forall(tasks, getGrain(p, 16 << 10) * passes, [&](Value index) {
          Task task{b, p, chunk, instruction, form};
          task.start(index);
          // With 256 bits a mask takes a port that vpdpbusd does not.
          const bool shared = !form.alone && is512;
          if (shared)
            task.run(zero, Task::Codes::Shared);
          b.loop(b.index(shared), form.alone ? b.index(1) : groups.count, 1,
                 [&](Value group) { task.run(group, shared ? Task::Codes::Masked : Task::Codes::Packed); });
        });
      });
    };
    auto emitSeveral = [&] { emit(several, chunkTiles); };
    auto isAtMost = [&](int64_t limit) { return b.cmp(arith::CmpIPredicate::sle, tokens, b.index(limit)); };
    b.branch(
        isAtMost(most), [&] { emit(one, fewTiles); },
        [&] {
          if (!is512)
            return emitSeveral();
          Value isWide = isAtMost(most);
          for (int64_t count = most + 1; count <= wide; ++count)
            if (instruction.isWide(count))
              isWide = b.createOrFold<arith::OrIOp>(isWide, b.equals(tokens, count));
          b.branch(isWide, [&] { emit(oneWide, wideTiles); }, emitSeveral);
        });
  });
}
