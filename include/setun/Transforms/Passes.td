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

def SplitPackedProducts : Pass<"setun-split-packed-products", "::mlir::ModuleOp"> {
  let summary = "one product for each slice of a packed one";
  let description = [{
    A `linalg.matmul` with a constant weight, all of whose users are slices along
    its columns that do not overlap (through `tensor.expand_shape` of the rows and
    through elementwise operations), becomes one product a slice. So q|k|v packed
    into one weight are three weights again, each with its scale.

    ```mlir
    %y = linalg.matmul ins(%x, %w : tensor<?x48xf32>, tensor<48x64xf32>) outs(%z : tensor<?x64xf32>) -> tensor<?x64xf32>
    %q = tensor.extract_slice %y[0, 0] [%m, 32] [1, 1] : tensor<?x64xf32> to tensor<?x32xf32>
    %k = tensor.extract_slice %y[0, 32] [%m, 32] [1, 1] : tensor<?x64xf32> to tensor<?x32xf32>
    // becomes
    %wq = tensor.extract_slice %w[0, 0] [48, 32] [1, 1] : tensor<48x64xf32> to tensor<48x32xf32>
    %q = linalg.matmul ins(%x, %wq : tensor<?x48xf32>, tensor<48x32xf32>) outs(%zq : tensor<?x32xf32>) -> tensor<?x32xf32>
    // and the same for %k
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

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

def DecomposeConcat : Pass<"setun-decompose-concat"> {
  let summary = "tensor.concat becomes insertions, which can be written in place";
  let description = [{
    ```mlir
    %0 = tensor.concat dim(1) %a, %b : (tensor<2x3xf32>, tensor<2x?xf32>) -> tensor<2x?xf32>
    // becomes
    %e = tensor.empty(%n) : tensor<2x?xf32>
    %1 = tensor.insert_slice %a into %e[0, 0] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<2x?xf32>
    %0 = tensor.insert_slice %b into %1[0, 3] [2, %m] [1, 1] : tensor<2x?xf32> into tensor<2x?xf32>
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

def SplitInits : Pass<"setun-split-inits"> {
  let summary = "fills and empty tensors that several ops write become one for each";
  let description = [{
    ```mlir
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<4x4xf32>) -> tensor<4x4xf32>
    %0 = linalg.matmul ins(%a, %b : ...) outs(%f : tensor<4x4xf32>) -> tensor<4x4xf32>
    %1 = linalg.matmul ins(%a, %c : ...) outs(%f : tensor<4x4xf32>) -> tensor<4x4xf32>
    // becomes the same with a fill for each product
    ```
  }];
}

def ReuseInputs : Pass<"setun-reuse-inputs"> {
  let summary = "elementwise work proposes an input as its destination";
  let description = [{
    Only where the destination is still empty, so run it after empty tensors were eliminated.

    ```mlir
    %y = linalg.generic ... ins(%x, %s : tensor<?x8xf32>, tensor<?xf32>) outs(%empty : tensor<?x8xf32>)
    // becomes
    %y = linalg.generic ... ins(%x, %s : tensor<?x8xf32>, tensor<?xf32>) outs(%x : tensor<?x8xf32>)
    ```
  }];
}

def OutputsToArguments : Pass<"setun-outputs-to-arguments", "::mlir::ModuleOp"> {
  let summary = "results of the entry function become buffers that the caller passes";
  let description = [{
    Each result that is not a state becomes a memref argument before the symbols, with the result's attributes and
    `setun.output`; each state becomes a memref that is read and updated in place, and keeps the result's `setun.shape`
    as `setun.next_shape`. Inputs are marked as not writable.

    ```mlir
    func.func @main(%x: tensor<?x4xf32>, %n: index {setun.symbol = "n"}) -> (tensor<?x4xf32> {setun.name = "y"})
    // becomes
    func.func @main(%x: tensor<?x4xf32>, %y: memref<?x4xf32> {setun.name = "y", setun.output}, %n: index ...) {
      ...
      bufferization.materialize_in_destination %0 in restrict writable %y : (tensor<?x4xf32>, memref<?x4xf32>) -> ()
    ```
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect", "::mlir::memref::MemRefDialect"];
}

def ResolveParameters : Pass<"setun-resolve-parameters", "::mlir::ModuleOp"> {
  let summary = "parameters become views of the weights";
  let description = [{
    Gives each parameter in use an offset in the weights' data section (`setun.offset` on its global, in the order of the
    globals; SETUN_ALIGNMENT or, from `large` bytes on, `page` bytes aligned) and reads it there. Parameters without a use
    are erased. The globals stay: they say what the weights file holds.

    ```mlir
    %0 = ml_program.global_load_const @w : tensor<8x4xf32>
    // becomes
    %v = memref.view %weights[%offset][] : memref<?xi8> to memref<8x4xf32>
    %0 = bufferization.to_tensor %v restrict : memref<8x4xf32> to tensor<8x4xf32>
    ```
  }];
  let options = [
    Option<"large", "large", "int64_t", "65536", "bytes from which a parameter starts on a page of its own">,
    Option<"page", "page", "int64_t", "4096", "bytes of a page">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::memref::MemRefDialect"];
}

def PlanMemory : Pass<"setun-plan-memory", "::mlir::ModuleOp"> {
  let summary = "buffers of the entry function become views of one arena";
  let description = [{
    Each `memref.alloc` becomes a `memref.view` of the argument `%arena: memref<?xi8>`. Buffers that do not live at the
    same time (in the order of the entry's top-level ops, aliases included) share memory where one size is a multiple of
    the other's unit. `@main_arena_size(symbols...) -> index` gives the bytes, or 2^62 if they do not fit 64 bits.

    ```mlir
    %0 = memref.alloc(%n) : memref<?x16xf32>
    // becomes
    %0 = memref.view %arena[%offset][%n] : memref<?xi8> to memref<?x16xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"];
}

def ExpandCopies : Pass<"setun-expand-copies"> {
  let summary = "copies of strided buffers become linalg.generic";
  let description = [{
    A `memref.copy` between buffers of identity layout stays: it becomes a memcpy.

    ```mlir
    memref.copy %a, %b : memref<?x4xf32> to memref<?x4xf32, strided<[8, 1]>>
    // becomes
    linalg.generic {...} ins(%a : memref<?x4xf32>) outs(%b : memref<?x4xf32, strided<[8, 1]>>) { linalg.yield %in }
    ```
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect"];
}

def OutlineKernels : Pass<"setun-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "each step of the entry function becomes a call of a private function";
  let description = [{
    A step is a top-level op of the entry that computes on buffers: an op in destination style or a loop nest. Its
    operands become arguments, constants are made inside unless they are all that tells steps apart (the scales of
    layers): then they are arguments too. Equal functions are one. `ternary_*` names those with an op of
    the ternary dialect inside, the others are named after their op.

    ```mlir
    linalg.fill ins(%zero : f32) outs(%b : memref<?x8xf32>)
    // becomes
    call @linalg_fill_0(%b) : (memref<?x8xf32>) -> ()
    ```
  }];
  let dependentDialects = ["::mlir::func::FuncDialect", "::mlir::memref::MemRefDialect"];
}

def HoistScratch : Pass<"setun-hoist-scratch"> {
  let summary = "stack scratch of static size moves to the start of its function";
  let description = [{
    After parallel loops have become functions: each `memref.alloca` of static size moves to the entry block. One of
    dynamic size inside a loop is an error.

    ```mlir
    scf.for ... { %t = memref.alloca() : memref<16xf32> ... }
    // becomes
    %t = memref.alloca() : memref<16xf32>
    scf.for ... { ... }
    ```
  }];
}

def LowerExpandShapes : Pass<"setun-lower-expand-shapes"> {
  let summary = "expanded buffers become reinterpreted ones";
  let description = [{
    ```mlir
    %e = memref.expand_shape %v [[0, 1], [2]] output_shape [%b, %s, 40] : memref<?x40xf32> into memref<?x?x40xf32>
    // becomes
    %base, %offset, %sizes:2, %strides:2 = memref.extract_strided_metadata %v
    %outer = arith.muli %s, %c40
    %e = memref.reinterpret_cast %base to offset: [0], sizes: [%b, %s, 40], strides: [%outer, 40, 1]
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"];
}

def StrictFloats : Pass<"setun-strict-floats"> {
  let summary = "removes fast-math flags";
  let description = [{
    ```mlir
    %0 = arith.truncf %a fastmath<contract> : f32 to bf16
    // becomes
    %0 = arith.truncf %a : f32 to bf16
    ```
  }];
}

def OneShotBufferize : Pass<"setun-one-shot-bufferize", "::mlir::ModuleOp"> {
  let summary = "upstream's one-shot bufferization, parameters left alone";
  let description = [{
    `one-shot-bufferize` with function boundaries and identity layouts. Upstream's pass turns every `ml_program.global`
    into a `memref.global`, which fails for external data; here they stay (see `setun-resolve-parameters`).
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect", "::mlir::memref::MemRefDialect"];
}

def VerifyContract : Pass<"setun-verify-contract", "::mlir::ModuleOp"> {
  let summary = "check a stage's IR against its contract";
  let description = [{
    docs/contracts.md as a check, with one error that says what is wrong: which
    dialects may stand in a stage, the entry function's arguments, symbols, shapes
    and states, parameters and their data; in the ternary contract that no product
    reads a dequantized weight any more and that states are lowered; in the target
    contract buffers of identity layout at the entry, no allocation, no tensors,
    parallel loops over one dimension and no fast-math flags.

    ```mlir
    func.func @main(%x: tensor<?x8xf32> {setun.name = "x"}) attributes {setun.entry}
    // error: argument 0 has dynamic sizes but no setun.shape
    ```
  }];
  let options = [Option<"stage", "stage", "std::string", "\"input\"", "The contract: input, ternary or target">];
}

#endif // SETUN_TRANSFORMS_PASSES_TD
