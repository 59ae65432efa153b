//===- PrefillGroups.cpp - Prefill products by four warps together --------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// wgmma.m64nNk32 of sm_90a: weights are A, in registers, and all tokens of the block are B, which the tensor cores read
// from shared memory themselves. 32 columns of a token are B's 32, in their order; thread q = lane % 4 has columns 4q
// to 4q + 3 of both halves: plane q of two lines' words. So each thread reads the words of all lines, and one of four
// planes is its own: more is read, but of the first-level cache, and nothing changes hands.
//
// Products go on while the next ones' weights are decoded. When a warp comes to a barrier, only those of the last step
// may not be done, so all stages but the one in front are free.
//
//===----------------------------------------------------------------------===//

#include "PrefillBlock.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

static constexpr int64_t kStepColumns = 32, kSteps = 4, kLinesOfStep = 2; // of a product; of a stage

Value PrefillBlock::loadLine(Value number, int64_t line) {
  if (wholeStages())
    return loadWords(0, b.add(b.mul(b.min(number, b.add(stages, -1)), kSteps * kLinesOfStep), line));
  Value at = b.add(b.mul(number, kSteps * kLinesOfStep), line);
  return loadWords(0, b.min(at, b.add(p.colTiles, -1)));
}

Values PrefillBlock::decodeLines(Value low, Value high) {
  auto decodeWord = [&](Value words, int64_t row) {
    Value plane = b.createOrFold<arith::AndIOp>(bitXor(b.word(words, row), turnBits), planeBits);
    return b.createOrFold<arith::ShLIOp>(plane, planeShift);
  };
  Values registers;
  for (int64_t row = 0; row < 4; row += 2)
    for (Value words : {low, high}) {
      registers.push_back(decodeWord(words, row));
      registers.push_back(decodeWord(words, row + 1));
    }
  return registers;
}

Values PrefillBlock::multiplyInGroups() {
  int64_t half = 4 * tile.tokenTiles; // sums of a matrix
  Values zeros(2 * half, b.constant(b.getI32Type(), 0)), words;
  for (int64_t line = 0; line < kSteps * kLinesOfStep; ++line)
    words.push_back(loadLine(b.index(0), line));
  if (d.dependent)
    b.waitForKernelInFront();
  // One stage of the ring is what products of the last one may still read.
  for (int64_t i = 0; i < tile.stages - 2; ++i)
    copyStage(b.index(i), b.index(i * tile.stageBytes()));
  auto after = [&](Value at) {
    Value next = b.add(at, tile.stageBytes());
    return b.select(b.equals(next, tile.stages * tile.stageBytes()), b.index(0), next);
  };
  Values carried = b.groupOperands(zeros);
  carried.append(words);
  carried.push_back(b.index(0));                                     // the stage that is multiplied
  carried.push_back(b.index((tile.stages - 2) * tile.stageBytes())); // and the one that is filled
  Values result = b.loop(b.index(0), stages, 1, carried, [&](Value stage, ValueRange now) {
    Values sums(now.take_front(2 * half)), lines(now.slice(2 * half, words.size()));
    Value from = now[now.size() - 2], to = now.back();
    b.waitForCopies(tile.stages - 3);
    b.releaseToProducts();
    b.barrier();
    copyStage(b.add(stage, tile.stages - 2), to);
    Value next = b.add(stage, 1);
    for (int64_t step = 0; step < kSteps; ++step) {
      Value &low = lines[2 * step], &high = lines[2 * step + 1];
      Values a = decodeLines(low, high);
      // As late as this, new words can take the registers of the old ones.
      low = loadLine(next, 2 * step);
      high = loadLine(next, 2 * step + 1);
      a = b.groupOperands(a);
      Value tokens = b.sharedMatrix(memory, b.add(from, step * kStepColumns));
      for (int64_t matrix = 0; matrix < 2; ++matrix) {
        auto of = llvm::MutableArrayRef<Value>(sums).slice(matrix * half, half);
        llvm::copy(b.groupMmaBytes(ValueRange(a).slice(4 * matrix, 4), tokens, ValueRange(of)), of.begin());
      }
      b.commitProducts();
      b.waitForProducts(1); // the step before
    }
    Values more = sums;
    more.append(lines);
    more.append({after(from), after(to)});
    return more;
  });
  result.truncate(2 * half);
  Values done = b.waitForProducts(result), ordered(2 * half);
  for (int64_t matrix = 0; matrix < 2; ++matrix)
    for (int64_t i = 0; i < half; ++i)
      ordered[sumAt(i / 4, 0, matrix) + i % 4] = done[matrix * half + i];
  return ordered;
}
