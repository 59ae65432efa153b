//===- Passes.td - Passes of Target -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_PASSES_TD
#define SETUN_TARGET_PASSES_TD

include "mlir/Pass/PassBase.td"

def SelectEncoding : Pass<"setun-select-encoding", "::mlir::ModuleOp"> {
  let summary = "choose a packed layout for each ternary weight";
  let description = [{
    Asks for the layouts that every level of the target can read and marks each
    `ternary.matmul` with the cheapest by the cost model of the best level, for the
    products asked for, as `setun.encoding`. Products that share a weight get one layout, the cheapest for
    all of them together.

    ```mlir
    %w = ml_program.global_load_const @w : tensor<64x128x!ternary.trit>
    %0 = ternary.matmul ins(%q, %w : ...) outs(%a : ...) -> tensor<?x64xi32>
    // becomes
    %0 = ternary.matmul ins(%q, %w : ...) outs(%a : ...)
           {setun.encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>} -> tensor<?x64xi32>
    ```
  }];
  let options = [
    Option<"target", "target", "std::string", "\"generic\"", "what the model is compiled for, as --target">,
    Option<"products", "products", "std::string", "\"best\"", "what they will be made of, as of setun-convert-ternary-to-loops">,
    Option<"encoding", "encoding", "std::string", "\"\"", "the encoding that every weight takes, as BITSxROWSxCOLSxINTERLEAVE">
  ];
  let dependentDialects = ["::setun::ternary::TernaryDialect"];
}

def MaterializeEncoding : Pass<"setun-materialize-encoding", "::mlir::ModuleOp"> {
  let summary = "repack ternary weights in their chosen layout";
  let description = [{
    Gives each `ternary.matmul` that carries `setun.encoding` its weight as packed
    bytes. A `ml_program.global` of trits is repacked once, one global at a time,
    and its old bytes are freed when nothing else reads them.

    ```mlir
    ml_program.global private @w(#ternary.trits<#ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>,
                                 dense_resource<w> : tensor<2048xi8>>) : tensor<64x128x!ternary.trit>
    // becomes
    ml_program.global private @w(dense_resource<w_packed> : tensor<2048xi8>) : tensor<2048xi8>
    ```
  }];
  let dependentDialects = ["::setun::ternary::TernaryDialect", "::mlir::arith::ArithDialect"];
}

def ConvertTernaryToLoops : Pass<"setun-convert-ternary-to-loops", "::mlir::ModuleOp"> {
  let summary = "ternary products on buffers to the target's loops";
  let description = [{
    Replaces each `ternary.matmul` on buffers, its weight packed, by the target's
    code: `scf.forall` loops over rows or tokens (attribute `setun.grain`: the least
    iterations worth a task) around vector arithmetic. With `products=addsub` the
    loops hold no multiplication on any target.

    ```mlir
    ternary.matmul ins(%x, %w : memref<?x2560xi8>, memref<1638400xi8>) outs(%acc : memref<?x2560xi32>)
      {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
    // becomes
    scf.forall (%block) in (80) { ... } {setun.grain = 1 : i64}
    ```
  }];
  let options = [
    Option<"target", "target", "std::string", "\"generic\"", "name of the level, as TARGET:LEVEL">,
    Option<"products", "products", "std::string", "\"best\"", "addsub: additions and subtractions only; best: any instruction">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect", "::mlir::LLVM::LLVMDialect"];
}

def EmulateIntrinsics : Pass<"setun-emulate-intrinsics"> {
  let summary = "a target's intrinsics to plain vector arithmetic";
  let description = [{
    Replaces each `llvm.call_intrinsic` that the target's kernels use by arithmetic
    with the same results, saturation included, so that they run on any machine.
    An intrinsic without an emulation is an error.

    ```mlir
    %0 = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%a, %b) : (vector<16xi16>, vector<16xi16>) -> vector<8xi32>
    // becomes widened products of even and of odd lanes, and their sum
    ```
  }];
  let options = [Option<"target", "target", "std::string", "\"\"", "name of the target or level">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::vector::VectorDialect"];
}

#endif // SETUN_TARGET_PASSES_TD
