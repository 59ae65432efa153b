//===- ProductOps.td - Products with ternary weights -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_TERNARY_IR_PRODUCTOPS_TD
#define SETUN_DIALECT_TERNARY_IR_PRODUCTOPS_TD

include "setun/Dialect/Ternary/IR/TernaryBase.td"
include "setun/Dialect/Utils/Tiling.td"

def Ternary_MatmulOp : TiledDestinationOp<Ternary_Dialect, "matmul"> {
  let summary = "a product with a ternary matrix, by additions and subtractions";
  let description = [{
    acc[m, n] = sum over k of x[m, k] * w[n, k]: an i32 sum of i8 activations
    (exact), or an f32 sum of f32, f16 or bf16 activations (widened first; the
    order is k = 0, 1, 2, ... for each n, one rounding an addition).

    With `scales` [N, G] the result is f32: for each group of K / G columns the
    sum above, converted to f32, times its scale; groups are added in order.

    `weight` is a matrix of trits [N, K], or, once its encoding has been
    materialized, the packed bytes; then `encoding` says how.

    Constraints:
    - (C1) `x` is [M, K] of i8, f32, f16 or bf16.
    - (C2) `weight` is [N, K] of trits without `encoding`, or [B] of i8 with it, B its byte size for N x K.
    - (C3) `acc` is [M, N]: i32 for i8 activations without `scales`, else f32.
    - (C4) `scales`, if given, is [N, G] of f32 and G divides K.
    - (C5) K <= 16,777,215, so that no i32 sum overflows.
  }];
  let arguments = (ins AnyBuffer:$x, TritBuffer:$weight, Optional<AnyBuffer>:$scales, AnyBuffer:$acc, OptionalAttr<Ternary_EncodingAttr>:$encoding);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $x `,` $weight (`,` $scales^)? `:` type($x) `,` type($weight) (`,` type($scales)^)? `)`
    `outs` `(` $acc `:` type($acc) `)` attr-dict (`->` type($results)^)?
  }];
}

def Ternary_BitLinearOp : DestinationOp<Ternary_Dialect, "bit_linear"> {
  let summary = "a whole BitLinear layer";
  let description = [{
    y[m, n] = (sum_k q[m, k] * w[n, k]) * scale[n] * (c[m] / qmax) + bias[n], with
    (q, c) = quantize(x) and one activation scale a token (The Era of 1-bit LLMs,
    training FAQ, inference form). `--ternary-decompose-bit-linear` writes it as
    quantize, matmul and arithmetic. For people and for pattern rewrites.

    Constraints:
    - (C1) `x` is [M, K] and `y` [M, N], of one of f32, f16 and bf16.
    - (C2) `weight` is [N, K] of trits.
    - (C3) `scale` is [1], [N] or [N, G] with G dividing K, of x's element type.
    - (C4) `bias`, if given, is [N] of x's element type.
    - (C5) the quantizer's attributes obey (C3) and (C4) of `ternary.quantize`.
  }];
  let arguments = (ins AnyBuffer:$x, TritBuffer:$weight, AnyBuffer:$scale, Optional<AnyBuffer>:$bias, AnyBuffer:$y,
                   DefaultValuedAttr<F32Attr, "127.0f">:$qmax, DefaultValuedAttr<DenseI64ArrayAttr, "{-128, 127}">:$clamp,
                   DefaultValuedAttr<F32Attr, "1.0e-5f">:$eps);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $x `,` $weight `,` $scale (`,` $bias^)? `:` type($x) `,` type($weight) `,` type($scale) (`,` type($bias)^)? `)`
    `outs` `(` $y `:` type($y) `)` attr-dict (`->` type($results)^)?
  }];
}

#endif // SETUN_DIALECT_TERNARY_IR_PRODUCTOPS_TD
