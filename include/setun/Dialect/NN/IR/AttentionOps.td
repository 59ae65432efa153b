//===- AttentionOps.td - Attention and its position encoding -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_NN_IR_ATTENTIONOPS_TD
#define SETUN_DIALECT_NN_IR_ATTENTIONOPS_TD

include "setun/Dialect/NN/IR/NNBase.td"

def NN_RotaryEmbeddingOp : DestinationOp<NN_Dialect, "rotary_embedding"> {
  let summary = "rotary position embedding";
  let description = [{
    ONNX RotaryEmbedding-23 on a 4-D input and caches already gathered by
    position: with h = D / 2 and i < h, not interleaved,
      y[.., i]     = x[.., i] * cos[b, s, i] - x[.., i + h] * sin[b, s, i]
      y[.., i + h] = x[.., i + h] * cos[b, s, i] + x[.., i] * sin[b, s, i]
    and with `interleaved` the pairs are (2i, 2i + 1). Components past 2h, where
    h is the last dimension of the caches, pass through.

    Constraints:
    - (C1) `x` and `y` are [B, H, S, D] of one float element type.
    - (C2) `cos` and `sin` are [B, S, h] or [1, S, h], of x's element type, 2h <= D.
  }];
  let arguments = (ins AnyBuffer:$x, AnyBuffer:$cos, AnyBuffer:$sin, AnyBuffer:$y, UnitAttr:$interleaved);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = "`ins` `(` $x `,` $cos `,` $sin `:` type($x) `,` type($cos) `,` type($sin) `)` `outs` `(` $y `:` type($y) `)` attr-dict (`->` type($results)^)?";
}

def NN_AttentionOp : DestinationOp<NN_Dialect, "attention", [AttrSizedOperandSegments]> {
  let summary = "scaled dot-product attention over grouped heads";
  let description = [{
    y = softmax(softcap(q k^T * scale) + mask) v for each head (ONNX
    Attention-23/24, 4-D inputs). Query head h reads key-value head h / (H / G).
    softcap(z) = c * tanh(z / c) when `softcap` = c is not 0.

    `past` is the number of keys before the first query: with `causal`, query i
    sees keys j <= i + past; with `window` = w > 0 also j > i + past - w. `mask`
    is added to the scores (float) or selects them (i1); its sizes of 1 are
    broadcast. A query that sees no key gives zeros.

    The scores of a query are summed over D in fixed lanes, the softmax's sum
    over the keys likewise, and the product with v takes keys in order, so that
    the bits do not depend on how many queries come at once (docs/numerics.md).

    `scratch`, a second destination, is memory that a lowering may use as it
    likes; a target that needs some adds it.

    Constraints:
    - (C1) `q` is [B, H, S, D], `k` [B, G, T, D], `v` [B, G, T, E], `y` [B, H, S, E], of one float element type; G divides H.
    - (C2) `mask`, if given, is [B|1, H|1, S|1, T], of that element type or i1.
    - (C3) `causal` and `window` need `past`.
    - (C4) `window` and `softcap` are not negative, `scale` and `softcap` are finite.
    - (C5) `scratch`, if given, has one dimension and elements of f32.
  }];
  let arguments = (ins AnyBuffer:$q, AnyBuffer:$k, AnyBuffer:$v, Optional<AnyBuffer>:$mask, Optional<Index>:$past, AnyBuffer:$y,
                   Optional<AnyBuffer>:$scratch, F32Attr:$scale, UnitAttr:$causal, DefaultValuedAttr<I64Attr, "0">:$window, DefaultValuedAttr<F32Attr, "0.0f">:$softcap);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $q `,` $k `,` $v `:` type($q) `,` type($k) `,` type($v) `)` (`mask` `(` $mask^ `:` type($mask) `)`)? (`past` `(` $past^ `)`)?
    `outs` `(` $y `:` type($y) `)` (`scratch` `(` $scratch^ `:` type($scratch) `)`)? attr-dict (`->` type($results)^)?
  }];
}

#endif // SETUN_DIALECT_NN_IR_ATTENTIONOPS_TD
