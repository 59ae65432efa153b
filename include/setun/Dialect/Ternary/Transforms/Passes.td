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

def ShareActivations : Pass<"ternary-share-activations", "::mlir::ModuleOp"> {
  let summary = "Stack the weights of products that read one activation";
  let description = [{
    Several `ternary.matmul` of one activation become one with their weights' rows
    one after the other, and slices of its result. The joined weight's global is
    named after its parts, which `setun.parts` lists with their rows and their own
    attributes. Equal `ternary.quantize` of one value become one. Only weights in
    the canonical layout without group scales are joined.

    ```mlir
    %q = ternary.matmul ins(%x, %wq : tensor<?x8xi8>, tensor<8x8x!ternary.trit>) outs(...)
    %k = ternary.matmul ins(%x, %wk : tensor<?x8xi8>, tensor<4x8x!ternary.trit>) outs(...)
    ```
    becomes
    ```mlir
    %w = ml_program.global_load_const @"q|k" : tensor<12x8x!ternary.trit>
    %a = ternary.matmul ins(%x, %w : tensor<?x8xi8>, tensor<12x8x!ternary.trit>) outs(...)
    %q = tensor.extract_slice %a[0, 0] [%m, 8] [1, 1] : tensor<?x12xi32> to tensor<?x8xi32>
    %k = tensor.extract_slice %a[0, 8] [%m, 4] [1, 1] : tensor<?x12xi32> to tensor<?x4xi32>
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::ml_program::MLProgramDialect",
                           "::mlir::tensor::TensorDialect", "::setun::ternary::TernaryDialect"];
}

def FuseNormQuant : Pass<"ternary-fuse-norm-quant", "::mlir::func::FuncOp"> {
  let summary = "Join a norm with the quantizer that alone reads it";
  let description = [{
    ```mlir
    %n = nn.rms_norm ins(%x, %g : tensor<4x8xf32>, tensor<8xf32>) outs(%e : tensor<4x8xf32>) {epsilon = 1.0e-05 : f32} -> tensor<4x8xf32>
    %q, %c = ternary.quantize ins(%n : tensor<4x8xf32>) outs(%q0, %c0 : tensor<4x8xi8>, tensor<4xf32>) -> tensor<4x8xi8>, tensor<4xf32>
    ```
    becomes
    ```mlir
    %q, %c = ternary.norm_quantize ins(%x, %g : tensor<4x8xf32>, tensor<8xf32>) outs(%q0, %c0 : tensor<4x8xi8>, tensor<4xf32>)
               {norm_eps = 1.0e-05 : f32} -> tensor<4x8xi8>, tensor<4xf32>
    ```
  }];
  let dependentDialects = ["::setun::ternary::TernaryDialect"];
}

def FuseEpilogue : Pass<"ternary-fuse-epilogue", "::mlir::func::FuncOp"> {
  let summary = "Gather elementwise work into few linalg.generic ops";
  let description = [{
    Elementwise arith and math on tensors becomes `linalg.generic`, broadcasts too,
    and producers go into their consumers; constants become scalars of the body, and
    reshapes move out of the way. A producer is fused only if no element is computed
    twice: it has one consumer, which reads each element once. Casts and broadcasts
    are free and always go in. Nothing goes into a reduction.

    ```mlir
    %f = arith.sitofp %acc : tensor<4x8xi32> to tensor<4x8xf32>
    %sb = linalg.broadcast ins(%s : tensor<4xf32>) outs(%e : tensor<4x8xf32>) dimensions = [1]
    %y = arith.divf %f, %sb : tensor<4x8xf32>
    %z = arith.addf %y, %residual : tensor<4x8xf32>
    ```
    becomes
    ```mlir
    %z = linalg.generic {...} ins(%acc, %s, %residual : tensor<4x8xi32>, tensor<4xf32>, tensor<4x8xf32>) outs(%e : tensor<4x8xf32>) {
    ^bb0(%a: i32, %b: f32, %c: f32, %out: f32):
      %0 = arith.sitofp %a : i32 to f32
      %1 = arith.divf %0, %b : f32
      %2 = arith.addf %1, %c : f32
      linalg.yield %2 : f32
    }
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def DecomposeBitLinear : Pass<"ternary-decompose-bit-linear"> {
  let summary = "Write ternary.bit_linear as quantize, matmul and arithmetic";
  let description = [{
    y = (acc * scale) * (c / qmax) + bias, with acc the i32 product of the
    quantized activations and the trits. The order of roundings: acc to f32
    (one rounding above 2^24), times the scale, times (c / qmax), plus the bias,
    each in f32 with one rounding; f16 and bf16 operands are widened first, and
    the result is rounded to their type at the end. The quantizer itself rounds
    in the type of `x`, as `ternary.quantize` says, with the `divide` spelling.
    A scale of [N, G] goes into the product, whose result is f32 already.

    ```mlir
    %y = ternary.bit_linear ins(%x, %w, %s : tensor<?x8xf32>, tensor<4x8x!ternary.trit>, tensor<4xf32>)
           outs(%y0 : tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
    becomes
    ```mlir
    %q:2 = ternary.quantize ins(%x : tensor<?x8xf32>) outs(...) -> tensor<?x8xi8>, tensor<?xf32>
    %acc = ternary.matmul ins(%q#0, %w : tensor<?x8xi8>, tensor<4x8x!ternary.trit>) outs(...) -> tensor<?x4xi32>
    %f = arith.sitofp %acc : tensor<?x4xi32> to tensor<?x4xf32>
    %sb = linalg.broadcast ins(%s : tensor<4xf32>) outs(...) dimensions = [0]
    %p = arith.mulf %f, %sb : tensor<?x4xf32>
    %d = arith.divf %q#1, %qmax : tensor<?xf32>
    %db = linalg.broadcast ins(%d : tensor<?xf32>) outs(...) dimensions = [1]
    %y = arith.mulf %p, %db : tensor<?x4xf32>
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect", "::setun::ternary::TernaryDialect"];
}

def DecomposeQuantizeWeight : Pass<"ternary-decompose-quantize-weight"> {
  let summary = "Write ternary.quantize_weight as arithmetic on tensors";
  let description = [{
    The quantizer becomes what an exporter would have written, in the type of
    the weight: s = max(measure(|w|), eps), t = clamp(roundeven(w * (1 / s))).
    The sum of a mean is taken in f32 for f16 and bf16. The lower median is found
    bit by bit: in a loop over the bits of the type, from the highest, elements
    below the prefix are counted, so nothing is sorted and the result is exact.

    The trits come out of a `ternary.from_int`. A `ternary.matmul` without
    `scales` that reads them becomes a `linalg.matmul` with their integers, so
    that `--ternary-fold-weights` sees one kind of product only.

    ```mlir
    %t, %s = ternary.quantize_weight %w : tensor<4x8xf32> -> tensor<4x8x!ternary.trit>, tensor<1xf32>
    ```
    becomes
    ```mlir
    %a = math.absf %w : tensor<4x8xf32>
    %sum = linalg.reduce { arith.addf } ins(%a : tensor<4x8xf32>) outs(%zero : tensor<f32>) dimensions = [0, 1]
    %mean = arith.divf %sum, %count : tensor<f32>
    %s0 = arith.maximumf %mean, %eps : tensor<f32>
    %i = arith.divf %one, %s0 : tensor<f32>
    %ib = linalg.broadcast ins(%i : tensor<f32>) outs(...) dimensions = [0, 1]
    ...                                  // %v = clamp(roundeven(%w * %ib), -1, 1)
    %v8 = arith.fptosi %v : tensor<4x8xf32> to tensor<4x8xi8>
    %t = ternary.from_int %v8 : tensor<4x8xi8> -> tensor<4x8x!ternary.trit>
    %s = tensor.expand_shape %s0 [] output_shape [1] : tensor<f32> into tensor<1xf32>
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
                           "::setun::ternary::TernaryDialect"];
}

#endif // SETUN_DIALECT_TERNARY_TRANSFORMS_PASSES_TD
