//===- Passes.td - Passes of Conversion -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_CONVERSION_PASSES_TD
#define SETUN_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ParallelToRuntime : Pass<"setun-parallel-to-runtime", "::mlir::ModuleOp"> {
  let summary = "parallel loops and run-time checks become calls of the runtime";
  let description = [{
    An outermost `scf.forall` over one dimension without results becomes a function of (env, begin, end) and an indirect
    call of the runtime's `parallel_for`; what its body uses goes through a struct on the stack. `setun.grain` on the
    loop is the smallest range worth a thread (1 if absent). A loop inside a parallel loop runs serially. `cf.assert`
    becomes a call of `fail` when its condition is false, and the code goes on. Functions that do either get a last
    argument `!llvm.ptr`, the runtime.

    ```mlir
    scf.forall (%i) in (%n) { ... } {setun.grain = 8 : i64}
    // becomes
    %f = llvm.load %rt : !llvm.ptr -> !llvm.ptr
    llvm.call %f(%rt, %count, %grain, %body, %env) : !llvm.ptr, (!llvm.ptr, i64, i64, !llvm.ptr, !llvm.ptr) -> ()
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::scf::SCFDialect"];
}

def LaunchToRuntime : Pass<"setun-launch-to-runtime", "::mlir::ModuleOp"> {
  let summary = "kernel launches become calls of the runtime";
  let description = [{
    Each `gpu.launch_func` becomes a call of the runtime's `launch` with the kernel's number, counted over all modules of
    kernels, its grid and its parameters in one struct on the stack: the device frame first, then the operands as
    functions in LLVM take them. Functions that launch get an argument `!llvm.ptr`, the runtime.

    ```mlir
    gpu.launch_func @kernels::@scale blocks in (%n, %c1, %c1) threads in (%c128, %c1, %c1) args(%x : memref<?xf32>)
    // becomes
    %f = llvm.load %launch : !llvm.ptr -> !llvm.ptr
    llvm.call %f(%rt, %what) : !llvm.ptr, (!llvm.ptr, !llvm.ptr) -> ()
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect"];
}

def EntryToLLVM : Pass<"setun-entry-to-llvm", "::mlir::ModuleOp"> {
  let summary = "the C entry points setun_run and setun_plan";
  let description = [{
    Writes `setun_run(rt, frame)` and `setun_plan(symbols, values)` of include/setun-rt/abi.h over the entry function and
    its size function. All other functions become internal, and those that the entry calls stay out of line, so that a
    disassembly shows each kernel under its name.
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::LLVM::LLVMDialect"];
}

class LoopLowering<string flag> : Pass<flag, "::mlir::func::FuncOp"> {
  let options = [Option<"vectorBits", "vector-bits", "int64_t", "128",
                        "bits of a vector register: the shape of tiles, never a result">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect", "::mlir::affine::AffineDialect"];
}

def ConvertDenseToLoops : LoopLowering<"setun-convert-dense-to-loops"> {
  let summary = "lower dense products on buffers to loops with one written order of sums";
  let description = [{
    Takes every linalg op on buffers that is a contraction over one dimension with at most one free dimension on each
    side (`linalg.matmul`, `batch_matmul`, `matvec`, `vecmat`, `dot` and their generics). Floats narrower than f32 are
    widened, summed in f32 and rounded once at the end; a product is rounded before it is added.

    - A right operand whose last dimension is the summed one ([N, K]): 16 lanes and the tree of docs/numerics.md from
      +0, then the destination's old value plus that sum.
    - Any other ([K, N]): columns in lanes, k in order from +0, then the destination's old value plus that sum.

    Neither order depends on the number of rows, on tiles or on threads. The outer loop is a `scf.forall` over blocks
    of the result with a `setun.grain`.

    ```mlir
    linalg.vecmat ins(%x, %w : memref<?xf32>, memref<?x?xf32>) outs(%y : memref<?xf32>)
    // becomes
    scf.forall (%block) in (%blocks) {
      %sums = memref.alloca() : memref<512xf32>
      ...
    } {setun.grain = 1 : i64}
    ```
  }];
}

def ConvertReductionsToLoops : LoopLowering<"setun-convert-reductions-to-loops"> {
  let summary = "lower reductions on buffers to loops with one written order of sums";
  let description = [{
    Takes every linalg op on buffers with one destination and a combiner that reads the destination once
    (`linalg.reduce`, generics with a producer fused into them). Where some input has the innermost summed dimension as
    its last, sums use 16 lanes of it and the tree of docs/numerics.md; elsewhere the outputs stand in lanes and the
    summed elements come in order. Maxima and minima keep their NaN semantics. What else is left of reductions becomes
    upstream's scalar loops, in order.

    ```mlir
    linalg.reduce {arith.addf} ins(%x : memref<4x64xf32>) outs(%y : memref<4xf32>) dimensions = [1]
    // becomes
    scf.for %i = %c0 to %c4 step %c1 {
      %lanes = scf.for %k = %c0 to %c64 step %c16 iter_args(%sum = %zero) -> (vector<16xf32>) { ... }
      ...
    }
    ```
  }];
}

def ConvertElementwiseToLoops : LoopLowering<"setun-convert-elementwise-to-loops"> {
  let summary = "lower elementwise work on buffers to vectorized loops";
  let description = [{
    Takes every linalg op on buffers whose iterators are all parallel (`linalg.generic`, `fill`, `broadcast`,
    `transpose`, `map`, `copy`), collapses the dimensions that lie side by side in all operands, and writes the innermost
    in lanes of 8 (16 with registers of 512 bits) with a scalar rest; the body is the same ops in both. Bodies that read buffers of their own stay
    scalar. The outermost loop is a `scf.forall` with a grain of about 16,384 element operations.

    ```mlir
    linalg.generic {... parallel ...} ins(%x : memref<?x64xf32>) outs(%y : memref<?x64xf32>) { arith.addf ... }
    // becomes
    scf.forall (%chunk) in (%chunks) {
      scf.for %i = ... step %c8 { vector.load; arith.addf : vector<8xf32>; vector.store }
    } {setun.grain = 16 : i64}
    ```
  }];
}

def ConvertQuantizeToLoops : LoopLowering<"setun-convert-quantize-to-loops"> {
  let summary = "lower ternary.quantize and ternary.norm_quantize on buffers to loops";
  let description = [{
    The largest magnitude is taken on the bits of |x|, so that a NaN wins; every step of the spelling is rounded to the
    element type; the clamp comes before the rounding, which for integer bounds is the same, and makes the rounding
    one exact addition. `norm_quantize` writes the same bits as `nn.rms_norm` followed by `ternary.quantize`.

    ```mlir
    ternary.quantize ins(%x : memref<?x64xf32>) outs(%q, %c : memref<?x64xi8>, memref<?xf32>)
    // becomes
    scf.forall (%token) in (%tokens) { ... memref.store %max, %c[%token] ... vector.store %q8, %q[%token, %k] }
    ```
  }];
}

def ConvertNNToLoops : LoopLowering<"setun-convert-nn-to-loops"> {
  let summary = "lower the nn dialect on buffers to loops";
  let description = [{
    Floats narrower than f32 are widened, worked on in f32 and rounded where the op's own definition rounds.

    - `nn.rms_norm`, `nn.layer_norm`: one token a task, sums in 16 lanes.
    - `nn.embedding`: a row an index. An index out of range is a `cf.assert`; its row is then zero.
    - `nn.rotary_embedding`: one head of one token at a time.
    - `nn.attention`: a task is up to 8 queries of the heads that share keys, and reads each key once for all of them.
      Scores stand on the stack for blocks of 2048 keys, and are computed a second time only where there are more keys
      than that. A query's largest score is found first, then exp(score - largest) is summed in 16 lanes by the key's
      number and multiplied with the values in order of keys; the sum divides the result once. Tasks stop at the last
      key that any of their queries sees; the others add exact zeros.

    ```mlir
    nn.rms_norm ins(%x, %g : memref<?x64xf32>, memref<64xf32>) outs(%y : memref<?x64xf32>) {epsilon = 1.0e-5 : f32}
    // becomes
    scf.forall (%token) in (%tokens) { ... math.sqrt ... arith.divf ... vector.store }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect", "::mlir::cf::ControlFlowDialect"];
}

def ExpandMath : Pass<"setun-expand-math", "::mlir::func::FuncOp"> {
  let summary = "expand narrow floats and math functions into arith ops that are the same on every processor";
  let description = [{
    - Arithmetic on f16 and bf16, scalar or vector, is done in f32 and rounded after each op; the conversions become
      integer ops, so that no level of an architecture calls a helper of its compiler's library. With `convert-half`
      those between f16 and f32 stay, for levels that have instructions for them; the bits are the same. What is rounded
      to f16 only to be widened again stays in f32, with the same bits.
    - On f32, exp, exp2, expm1, log, log1p, log2, log10, sin, cos, tan, tanh, erf and powf become polynomials in arith
      ops, without fma, the same for scalars and vectors, within 2 units of the last place (sin, cos, tan: for |x| up to
      2^20). powf with an exponent of 2, 3 or 0.5 is products or a square root. rsqrt is a division by a square root.
    - On f32, roundeven, floor, ceil, trunc and round become additions, exact and the same without SSE4.1.

    Functions of f64 and others of math stay.

    ```mlir
    %w = arith.extf %x : bf16 to f32
    // becomes
    %b = arith.bitcast %x : bf16 to i16
    %i = arith.extui %b : i16 to i32
    %s = arith.shli %i, %c16 : i32
    %w = arith.bitcast %s : i32 to f32
    ```
  }];
  let options = [Option<"convertHalf", "convert-half", "bool", "false",
                        "the processor converts between f16 and f32 by itself">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

#endif // SETUN_CONVERSION_PASSES_TD
