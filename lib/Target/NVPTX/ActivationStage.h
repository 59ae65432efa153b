//===- ActivationStage.h - Activations of few tokens in shared memory -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block's int8 activations, line after line: 16 columns are four words. Columns
// past K are zeros, so that products need not know K. For products of matrices the
// words of a line stand in the order 0, 2, 1, 3: two that belong together are
// neighbors.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_ACTIVATIONSTAGE_H
#define SETUN_LIB_TARGET_NVPTX_ACTIVATIONSTAGE_H

#include "ProductRows.h"

namespace setun::nvptx {

class ActivationStage {
public:
  static constexpr int64_t kLineWords = 4;

  /// Takes shared memory for `lines` lines of the share's tokens; the words of a token are `tokenWords` from those of
  /// the next.
  ActivationStage(DeviceBuilder &b, const DeviceProduct &product, const WarpShare &share, int64_t lines,
                  int64_t tokenWords);
  /// Fills it from a line on, by all threads of the block; ends with a barrier. Tokens past the last repeat it.
  void fill(const Threads &t, Value firstToken, Value firstLine);
  Value getBuffer() const { return buffer; }

private:
  Value order(Value words);
  Value startOf(Value token, Value firstToken);
  std::pair<Value, Value> split(Value unit, Value lines);
  Value isAligned(Value firstToken);
  void copyLines(const Threads &t, Value firstToken, Value firstLine, Value count);
  void fillUp(const Threads &t, Value firstToken, Value firstLine, Value from, bool behind);
  void storeRagged(Value row, Value column, Value at);

  DeviceBuilder &b;
  const DeviceProduct &product;
  const Product &p;
  const WarpShare &share;
  int64_t lines, tokenWords;
  Value buffer; // i32 [token][line][4]
};

} // namespace setun::nvptx

#endif // SETUN_LIB_TARGET_NVPTX_ACTIVATIONSTAGE_H
