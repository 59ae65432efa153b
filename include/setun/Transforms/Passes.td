//===- Passes.td - Passes of Transforms -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TRANSFORMS_PASSES_TD
#define SETUN_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def WidenReductions : Pass<"setun-widen-reductions"> {
  let summary = "accumulate sums of floats in f64";
  let description = [{
    A `linalg.reduce` that adds f32, f16 or bf16 adds in f64 instead and rounds
    once. For code that runs at compile time: the order of docs/numerics.md is
    that of the model itself and stays as it is.

    ```mlir
    %s = linalg.reduce { arith.addf } ins(%x : tensor<64x128xf32>) outs(%z : tensor<64xf32>) dimensions = [1]
    // becomes
    %x64 = arith.extf %x : tensor<64x128xf32> to tensor<64x128xf64>
    %z64 = arith.extf %z : tensor<64xf32> to tensor<64xf64>
    %s64 = linalg.reduce { arith.addf } ins(%x64 : tensor<64x128xf64>) outs(%z64 : tensor<64xf64>) dimensions = [1]
    %s = arith.truncf %s64 : tensor<64xf64> to tensor<64xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect"];
}

#endif // SETUN_TRANSFORMS_PASSES_TD
