//===- QuantizeOps.td - Quantization of weights and activations -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_TERNARY_IR_QUANTIZEOPS_TD
#define SETUN_DIALECT_TERNARY_IR_QUANTIZEOPS_TD

include "setun/Dialect/Ternary/IR/TernaryBase.td"
include "setun/Dialect/Utils/Tiling.td"

def Ternary_QuantizeWeightOp : Op<Ternary_Dialect, "quantize_weight", [Pure]> {
  let summary = "a float matrix to trits and a scale";
  let description = [{
    s = max(measure(|w|), eps) over the whole matrix, or over each row with
    `per_row`; t = clamp(roundeven(w * (1 / s)), -1, 1) (The Era of 1-bit LLMs,
    training FAQ, `weight_quant`). The measure is the mean, the lower median or
    the maximum of the magnitudes.

    Constraints:
    - (C1) `trits` has the shape of `weight`, a matrix.
    - (C2) `scale` is `tensor<1xT>`, or `tensor<NxT>` with `per_row`, T the element type of `weight`.
    - (C3) `eps` is positive and finite.
  }];
  let arguments = (ins RankedTensorOf<[AnyFloat]>:$weight, DefaultValuedAttr<Ternary_WeightMethodAttr, "::setun::ternary::WeightMethod::AbsMean">:$method,
                   DefaultValuedAttr<F32Attr, "1.0e-5f">:$eps, UnitAttr:$per_row);
  let results = (outs TritTensor:$trits, RankedTensorOf<[AnyFloat]>:$scale);
  let assemblyFormat = "$weight attr-dict `:` type($weight) `->` type($trits) `,` type($scale)";
  let hasVerifier = 1;
}

def Ternary_DequantizeOp : Op<Ternary_Dialect, "dequantize", [Pure]> {
  let summary = "trits times their scales as floats, or as plain numbers";
  let description = [{
    result[n, k] = scale * trits[n, k], with `scale` of shape [1] (whole tensor),
    [N] (a scale a row) or [N, G] (a scale a row and group of K / G columns).
    Without `scale` the trits become numbers as they are, i8 or float.
    It stands between a folded weight and the product that `raise-bit-linear` finds.

    Constraints:
    - (C1) `trits` is a static matrix and the result has its shape.
    - (C2) `scale` is [1], [N] or [N, G] with G dividing K, and has the result's element type.
    - (C2b) an i8 result has no `scale`.
  }];
  let arguments = (ins TritTensor:$trits, Optional<RankedTensorOf<[AnyFloat]>>:$scale);
  let results = (outs RankedTensorOf<[I8, AnyFloat]>:$result);
  let assemblyFormat = "$trits (`,` $scale^)? attr-dict `:` type($trits) (`,` type($scale)^)? `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizeMethod = 1;
}

def QuantizerAttrs {
  dag attrs = (ins DefaultValuedAttr<F32Attr, "127.0f">:$qmax, DefaultValuedAttr<DenseI64ArrayAttr, "{-128, 127}">:$clamp,
               DefaultValuedAttr<F32Attr, "1.0e-5f">:$eps, DefaultValuedAttr<Ternary_SpellingAttr, "::setun::ternary::Spelling::Divide">:$spelling,
               UnitAttr:$per_tensor);
}

def Ternary_QuantizeOp : TiledDestinationOp<Ternary_Dialect, "quantize"> {
  let summary = "activations to int8 by their largest magnitude";
  let description = [{
    For each token (all leading dimensions of `x`; the whole tensor with
    `per_tensor`): c = max(max_k |x[k]|, eps); v as `spelling` says;
    q = clamp(roundeven(v), clamp[0], clamp[1]). Each step is rounded to the
    element type of `x`, which is therefore the type the source graph rounds in.
    A NaN becomes clamp[0]. The second result is c itself, so that whatever
    scale the graph derives from c stays written as the graph wrote it.

    | spelling | v |
    |---|---|
    | `reciprocal` | x * (qmax * (1 / c)) |
    | `divide` | x * (qmax / c) |
    | `step` | x / (c / qmax) |
    | `normalize` | (x / c) * qmax |
    | `scale_first` | (x * qmax) / c |

    Constraints:
    - (C1) `x` is of f32, f16 or bf16 with rank at least 1; `q` is i8 of the same shape.
    - (C2) `absmax` has x's element type and x's leading shape; rank 0 with `per_tensor`.
    - (C3) -128 <= clamp[0] < clamp[1] <= 127.
    - (C4) `qmax` is positive, `eps` is not negative, both are finite.

    ```mlir
    %q, %c = ternary.quantize ins(%x : tensor<?x128xf32>) outs(%q0, %c0 : tensor<?x128xi8>, tensor<?xf32>)
               {spelling = #ternary<spelling reciprocal>} -> tensor<?x128xi8>, tensor<?xf32>
    ```
  }];
  let arguments = !con((ins AnyBuffer:$x, AnyBuffer:$q, AnyBuffer:$absmax), QuantizerAttrs.attrs);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = "`ins` `(` $x `:` type($x) `)` `outs` `(` $q `,` $absmax `:` type($q) `,` type($absmax) `)` attr-dict (`->` type($results)^)?";
}

def Ternary_NormQuantizeOp : TiledDestinationOp<Ternary_Dialect, "norm_quantize"> {
  let summary = "nn.rms_norm and ternary.quantize in one pass over a token";
  let description = [{
    `quantize(rms_norm(x, gamma))` with the same bits as the two ops one after
    the other. Made by `--ternary-fuse-norm-quant` where the norm's own result
    has no other use.

    Constraints: (C1) to (C4) of `ternary.quantize`;
    - (C5) `gamma` is [K] of x's element type.
    - (C6) not `per_tensor`.
    - (C7) `norm_eps` is finite and not negative.
  }];
  let arguments = !con((ins AnyBuffer:$x, AnyBuffer:$gamma, AnyBuffer:$q, AnyBuffer:$absmax, F32Attr:$norm_eps), QuantizerAttrs.attrs);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = "`ins` `(` $x `,` $gamma `:` type($x) `,` type($gamma) `)` `outs` `(` $q `,` $absmax `:` type($q) `,` type($absmax) `)` attr-dict (`->` type($results)^)?";
}

#endif // SETUN_DIALECT_TERNARY_IR_QUANTIZEOPS_TD
