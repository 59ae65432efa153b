//===- Passes.td - Passes of Evaluate -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_EVALUATE_PASSES_TD
#define SETUN_EVALUATE_PASSES_TD

include "mlir/Pass/PassBase.td"

def FoldWeights : Pass<"ternary-fold-weights", "::mlir::ModuleOp"> {
  let summary = "evaluate the weights of products and keep the ternary ones as trits";
  let description = [{
    Every `linalg.matmul` (`linalg.batch_matmul` of batch 1, `vecmat` and `matvec`
    are written as such first) whose weight depends on parameters and constants alone: the weight is computed by the
    generic pipeline and every element is looked at. A weight in {-s, 0, +s},
    with one s for the tensor, a row (output column) or a group of columns,
    becomes a parameter of trits; magnitudes a few ulp off s, as a folded
    straight-through estimator leaves them, are snapped to the commonest one.
    Any other weight stays dense, already computed, with a remark that names the
    first element that is not ternary.

    ```mlir
    ml_program.global private @l.weight(dense_resource<w> : tensor<128x64xf32>) : tensor<128x64xf32>
    %w = ml_program.global_load_const @l.weight : tensor<128x64xf32>
    %y = linalg.matmul ins(%x, %w : tensor<?x128xf32>, tensor<128x64xf32>) outs(%z : tensor<?x64xf32>) -> tensor<?x64xf32>
    // becomes
    ml_program.global private @l.weight(#ternary.trits<#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>,
      dense_resource<l.weight> : tensor<2048xi8>>) {setun.deviation = 0.0, setun.source = "l", setun.zeros = 0.33} : tensor<64x128x!ternary.trit>
    %t = ml_program.global_load_const @l.weight : tensor<64x128x!ternary.trit>
    %w = ternary.dequantize %t, %scale : tensor<64x128x!ternary.trit>, tensor<1xf32> -> tensor<64x128xf32>
    %y = linalg.matmul indexing_maps = [(m,n,k)->(m,k), (m,n,k)->(n,k), (m,n,k)->(m,n)] ins(%x, %w : ...) outs(%z : ...)
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::ml_program::MLProgramDialect",
                           "::mlir::tensor::TensorDialect", "::setun::ternary::TernaryDialect"];
}

def FoldConstants : Pass<"setun-fold-constants", "::mlir::ModuleOp"> {
  let summary = "evaluate what depends on parameters alone";
  let description = [{
    Subexpressions of parameters and constants (rotary tables, masks, scales)
    become constants: up to 64 elements an `arith.constant`, more a parameter.
    Plain parameters, reshapes of them and constants of one value stay as they
    are, and a broadcast stays a broadcast of what was folded. A result larger
    than 16 MiB is folded only if it is no larger than the parameters it is
    computed from.

    ```mlir
    %w = ml_program.global_load_const @scale : tensor<1xf32>
    %r = arith.divf %one, %w : tensor<1xf32>
    // becomes
    %r = arith.constant dense<25.0> : tensor<1xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::ml_program::MLProgramDialect"];
}

def VerifyRaise : Pass<"setun-verify-raise", "::mlir::ModuleOp"> {
  let summary = "run what was raised against what it was raised from";
  let description = [{
    The raising passes leave pairs of functions under `keep-proofs`: a slice as it
    was, and the raised slice, whose `setun.raised_from` names the first. Both are
    compiled and run on random inputs and on edge cases (zeros, ties at .5, one
    huge value a row, denormals, rows of different range), with small sizes for
    what is dynamic. A difference above the tolerance is an error that names the
    element; a pair that cannot be run leaves a warning. The pairs are removed.

    ```mlir
    func.func private @proof_0(%x: tensor<?x64xf32>, %g: tensor<64xf32>) -> tensor<?x64xf32> attributes {setun.proof} { ... }
    func.func private @proof_0_raised(%x: tensor<?x64xf32>, %g: tensor<64xf32>) -> tensor<?x64xf32>
      attributes {setun.raise = "rms_norm", setun.raised_from = @proof_0} { ... nn.rms_norm ... }
    // becomes nothing, or an error
    ```
  }];
  let options = [Option<"tolerance", "tolerance", "double", "1e-5",
                        "largest difference, relative to the largest magnitude in a row of the result">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::tensor::TensorDialect",
                           "::setun::ternary::TernaryDialect"];
}

#endif // SETUN_EVALUATE_PASSES_TD
