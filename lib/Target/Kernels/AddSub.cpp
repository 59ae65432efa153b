//===- AddSub.cpp - A product from additions and subtractions alone -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Kernels/Kernels.h"

using namespace mlir;
using namespace setun;

void setun::emitAddSubProduct(KernelBuilder &b, const Product &p, unsigned vectorBits) {
  Value zero = b.index(0);
  if (p.scales || isa<FloatType>(p.activation))
    return emitColumnAdd(b, p, zero, p.m);

  // Whole blocks of 32 tokens first, one more if at least 17 are left; then tables of 16 or 8 lanes, down to 3 tokens.
  auto more = [&](Value count, int64_t than) { return b.cmp(arith::CmpIPredicate::sgt, count, b.index(than)); };
  Value whole = b.shl(b.shr(b.add(p.m, 15), 5), 5), wide = b.min(whole, p.m), rest = b.sub(p.m, wide);
  b.branch(more(wide, 0), [&] { emitTableAdd(b, p, zero, wide, 32, vectorBits); });
  b.branch(
      more(rest, 8), [&] { emitTableAdd(b, p, wide, p.m, 16, vectorBits); },
      [&] {
        b.branch(
            more(rest, 3), [&] { emitTableAdd(b, p, wide, p.m, 8, vectorBits); },
            [&] { b.branch(more(rest, 0), [&] { emitSelectAdd(b, p, wide, p.m, vectorBits); }); });
      });
}
