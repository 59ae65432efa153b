//===- Passes.td - Passes of Dialect/Ternary/Transforms -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_TERNARY_TRANSFORMS_PASSES_TD
#define SETUN_DIALECT_TERNARY_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def RaiseBitLinear : Pass<"ternary-raise-bit-linear", "::mlir::ModuleOp"> {
  let summary = "Turn products of dequantized trits into ternary products";
  let description = [{
    Each `linalg.matmul` with a `ternary.dequantize` on its right becomes a
    `ternary.matmul`. On its left the pass looks for an activation quantizer in
    any of the spellings of `ternary.quantize`, behind reshapes, casts, an int8
    round trip, a straight-through estimator `(q - x) + x` and scales; it becomes
    one op, shared by all products that use it. Its c replaces the graph's own
    clamped maximum, so that scales stay as the graph derived them. Scales that
    stood before the product come after it, in f32: y = (acc * ws) / S.
    Without a quantizer the product takes its activations as floats, and a remark
    says what was missing. Where a product can't be ternary a remark says why.

    Run it after `--cse`: two spellings of one value are seen only to a depth of 3.

    ```mlir
    %m = linalg.reduce { arith.maximumf } ins(%a : tensor<?x8xf32>) outs(%i : tensor<?xf32>) dimensions = [1]
    %c = arith.maximumf %m, %eps : tensor<?xf32>
    %s = arith.divf %c127, %c : tensor<?xf32>
    %sb = linalg.broadcast ins(%s : tensor<?xf32>) outs(%e : tensor<?x8xf32>) dimensions = [1]
    ...                                  // I = clamp(roundeven(x * S)), xq = I / S
    %y = linalg.matmul indexing_maps = [...] ins(%xq, %w : tensor<?x8xf32>, tensor<4x8xf32>) outs(%zero : tensor<?x4xf32>)
    ```
    becomes
    ```mlir
    %q, %c = ternary.quantize ins(%x : tensor<?x8xf32>) outs(...)
    %s = arith.divf %c127, %c : tensor<?xf32>
    %acc = ternary.matmul ins(%q, %t : tensor<?x8xi8>, tensor<4x8x!ternary.trit>) outs(...)
    %f = arith.sitofp %acc : tensor<?x4xi32> to tensor<?x4xf32>
    ...                                  // times the weight's scale, divided by S
    ```
  }];
  let options = [Option<"keepProofs", "keep-proofs", "bool", "false",
                        "Leave a private function of each product before and after, for --setun-verify-raise">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::setun::ternary::TernaryDialect"];
}

#endif // SETUN_DIALECT_TERNARY_TRANSFORMS_PASSES_TD
