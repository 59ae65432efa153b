//===- Passes.td - Passes of Analysis -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_ANALYSIS_PASSES_TD
#define SETUN_ANALYSIS_PASSES_TD

include "mlir/Pass/PassBase.td"

def ProveAddSub : Pass<"ternary-prove-addsub", "::mlir::ModuleOp"> {
  let summary = "prove that ternary products hold no multiplication";
  let description = [{
    In every function whose name begins with `ternary_`, loops may hold only loads and stores, additions, subtractions,
    negations, compares, selects, minima and maxima, shifts, and/or/xor, casts, and moves of lanes. Anything else is an
    error that names the operation. Outside the sums stand two exceptions:
    - arithmetic on `index` directly in an outermost loop, where a task finds its place;
    - `arith.mulf` in a loop around another one, where the sum of a group of columns meets its scale.

    ```mlir
    func.func private @ternary_matmul_0(...) {
      scf.for ... { %p = arith.muli %a, %w : i32 ... }  // error: multiplies inside a loop of a ternary product
    }
    ```
  }];
}

#endif // SETUN_ANALYSIS_PASSES_TD
