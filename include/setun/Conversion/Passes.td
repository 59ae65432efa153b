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

#endif // SETUN_CONVERSION_PASSES_TD
