//===- EmbeddingOps.td - Token embedding -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_NN_IR_EMBEDDINGOPS_TD
#define SETUN_DIALECT_NN_IR_EMBEDDINGOPS_TD

include "setun/Dialect/NN/IR/NNBase.td"

def NN_EmbeddingOp : DestinationOp<NN_Dialect, "embedding"> {
  let summary = "rows of a table by index";
  let description = [{
    y[..., :] = table[ids[...], :] (ONNX Gather-13, axis = 0). A negative index
    counts from the end. An index outside [-V, V) makes the run fail with a
    message; no row is read for it.

    Constraints:
    - (C1) `ids` is i32 or i64, of any rank.
    - (C2) `table` is [V, D...] and `y` has the shape of `ids` followed by [D...], one element type.
  }];
  let arguments = (ins AnyBuffer:$ids, AnyBuffer:$table, AnyBuffer:$y);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = "`ins` `(` $ids `,` $table `:` type($ids) `,` type($table) `)` `outs` `(` $y `:` type($y) `)` attr-dict (`->` type($results)^)?";
}

#endif // SETUN_DIALECT_NN_IR_EMBEDDINGOPS_TD
