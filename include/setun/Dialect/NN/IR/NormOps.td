//===- NormOps.td - Normalization -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_NN_IR_NORMOPS_TD
#define SETUN_DIALECT_NN_IR_NORMOPS_TD

include "setun/Dialect/NN/IR/NNBase.td"

def NN_RmsNormOp : TiledDestinationOp<NN_Dialect, "rms_norm"> {
  let summary = "root-mean-square normalization of the last dimension";
  let description = [{
    y = (x / sqrt(mean_k(x^2) + epsilon)) * gamma (ONNX RMSNormalization-23,
    axis = -1). Computed in f32 whatever the element type (stash_type = 1): the
    normalized value is rounded to x's type before the product with gamma.

    Constraints:
    - (C1) `x` and `y` have one shape and one float element type, rank at least 1.
    - (C2) `gamma` is [K] of that element type, K the last dimension.
    - (C3) `epsilon` is finite and not negative.
  }];
  let arguments = (ins AnyBuffer:$x, AnyBuffer:$gamma, AnyBuffer:$y, F32Attr:$epsilon);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = "`ins` `(` $x `,` $gamma `:` type($x) `,` type($gamma) `)` `outs` `(` $y `:` type($y) `)` attr-dict (`->` type($results)^)?";
}

def NN_LayerNormOp : TiledDestinationOp<NN_Dialect, "layer_norm"> {
  let summary = "layer normalization of the last dimension";
  let description = [{
    y = (x - mean(x)) / sqrt(var(x) + epsilon) * gamma + beta, with the biased
    variance (ONNX LayerNormalization-17, axis = -1), computed in f32.

    Constraints: (C1) to (C3) of `nn.rms_norm`;
    - (C4) `beta`, if given, has gamma's type.
  }];
  let arguments = (ins AnyBuffer:$x, AnyBuffer:$gamma, Optional<AnyBuffer>:$beta, AnyBuffer:$y, F32Attr:$epsilon);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $x `,` $gamma (`,` $beta^)? `:` type($x) `,` type($gamma) (`,` type($beta)^)? `)`
    `outs` `(` $y `:` type($y) `)` attr-dict (`->` type($results)^)?
  }];
}

#endif // SETUN_DIALECT_NN_IR_NORMOPS_TD
