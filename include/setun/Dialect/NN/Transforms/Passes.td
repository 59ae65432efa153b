//===- Passes.td - Passes of Dialect/NN/Transforms -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_NN_TRANSFORMS_PASSES_TD
#define SETUN_DIALECT_NN_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

class KeepProofs<string what> : Option<"keepProofs", "keep-proofs", "bool", "false",
    "Leave a private function of each " # what # " before and after, for --setun-verify-raise">;

def RaiseRmsNorm : Pass<"nn-raise-rms-norm", "::mlir::ModuleOp"> {
  let summary = "Find root-mean-square normalization";
  let description = [{
    x * (1 / sqrt(mean(x * x) + eps)) * gamma over the last dimension becomes
    `nn.rms_norm`: the square as a product or a power, the mean as a division or a
    product, the root as rsqrt, 1 / sqrt or a division by sqrt, gamma on either side.
    In f16 and bf16 the norm is computed in f32 and rounded before gamma, as the op says.
    Nothing is raised without gamma, or if the normalized value has other uses.

    ```mlir
    %q = arith.mulf %x, %x : tensor<4x8xf32>
    %s = linalg.reduce { arith.addf } ins(%q : tensor<4x8xf32>) outs(%z : tensor<4xf32>) dimensions = [1]
    ...
    %n = arith.mulf %x, %rb : tensor<4x8xf32>
    %y = arith.mulf %gb, %n : tensor<4x8xf32>
    ```
    becomes
    ```mlir
    %y = nn.rms_norm ins(%x, %g : tensor<4x8xf32>, tensor<8xf32>) outs(%e : tensor<4x8xf32>) {epsilon = 1.0e-05 : f32} -> tensor<4x8xf32>
    ```
  }];
  let options = [KeepProofs<"norm">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect",
                           "::setun::nn::NNDialect"];
}

def RaiseRotaryEmbedding : Pass<"nn-raise-rotary-embedding", "::mlir::ModuleOp"> {
  let summary = "Find rotary position embedding";
  let description = [{
    x * cos + concat(-x2, x1) * sin on [B, H, S, D], x1 and x2 the halves of x along D,
    becomes `nn.rotary_embedding`. cos and sin must be the same for all heads and have
    two equal halves, seen in how they were made; the op gets one half of each, and the
    angles' functions are computed on that half alone.

    ```mlir
    %n = arith.negf %x2 : tensor<1x4x?x4xf32>
    %r = tensor.concat dim(3) %n, %x1 : (tensor<1x4x?x4xf32>, tensor<1x4x?x4xf32>) -> tensor<1x4x?x8xf32>
    %a = arith.mulf %x, %cos : tensor<1x4x?x8xf32>
    %b = arith.mulf %r, %sin : tensor<1x4x?x8xf32>
    %y = arith.addf %a, %b : tensor<1x4x?x8xf32>
    ```
    becomes
    ```mlir
    %y = nn.rotary_embedding ins(%x, %c, %s : tensor<1x4x?x8xf32>, tensor<1x?x4xf32>, tensor<1x?x4xf32>) outs(...)
    ```
  }];
  let options = [KeepProofs<"rotation">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::setun::nn::NNDialect"];
}

def RaiseAttention : Pass<"nn-raise-attention", "::mlir::ModuleOp"> {
  let summary = "Find attention, grouped heads and causal masks";
  let description = [{
    Two batches of products with a softmax between them become `nn.attention`: a
    scale on the queries, the keys or the scores, a soft cap, a mask that is added or
    selects, a guard against rows of NaN. Transposes of the keys and the repetition
    of key-value heads are folded. A mask that is proven to be a function of the two
    indices, j <= i + past (and j > i + past - window), becomes `causal` (and `window`);
    any other mask stays an operand. Fused attention gets the same treatment of its
    mask and heads.

    ```mlir
    %s = linalg.batch_matmul ins(%q3, %kt : tensor<4x?x8xf32>, tensor<4x8x?xf32>) outs(...)
    ...                                                   // * scale + mask, softmax
    %y = linalg.batch_matmul ins(%p3, %v3 : tensor<4x?x?xf32>, tensor<4x?x8xf32>) outs(...)
    ```
    becomes
    ```mlir
    %y = nn.attention ins(%q, %k, %v : tensor<1x4x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>)
           past(%past) outs(...) {causal, scale = 0.35 : f32} -> tensor<1x4x?x8xf32>
    ```
  }];
  let options = [KeepProofs<"attention">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::setun::nn::NNDialect"];
}

def LowerState : Pass<"setun-lower-state", "::mlir::ModuleOp"> {
  let summary = "Turn state that is passed in and out into buffers written in place";
  let description = [{
    For each input of the entry function with `setun.state`:

    - with `setun.axis` (it grows): the input's size along the axis becomes the new
      symbol `capacity`, one trailing index argument for all; `setun.position` names
      the symbol that counts its live entries. The concatenation of the input and new
      entries becomes an insertion at the position; readers get the live part, and
      the function returns the whole buffer. `setun.shape` of the result stays that of
      the live part. Capacity is checked before a run, by the runtime.
    - without: insertions are in place; any other next value is copied into the input
      at the end.

    ```mlir
    %k1 = tensor.concat dim(1) %k, %new : (tensor<1x?x8xf32>, tensor<1x?x8xf32>) -> tensor<1x?x8xf32>
    ```
    becomes
    ```mlir
    %b = tensor.insert_slice %new into %k[0, %past, 0] [1, %seq, 8] [1, 1, 1] : tensor<1x?x8xf32> into tensor<1x?x8xf32>
    %k1 = tensor.extract_slice %b[0, 0, 0] [1, %n, 8] [1, 1, 1] : tensor<1x?x8xf32> to tensor<1x?x8xf32>
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif // SETUN_DIALECT_NN_TRANSFORMS_PASSES_TD
