//===- NNBase.td - The nn dialect's base -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_NN_IR_NNBASE_TD
#define SETUN_DIALECT_NN_IR_NNBASE_TD

include "setun/Dialect/Utils/Tiling.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::setun::nn";
  let summary = "Parts of a transformer that fusion and scheduling need by name";
  let description = [{
    Normalization, rotary embedding, attention and embedding, with the semantics
    of the ONNX operators of opset 23 and 24, in destination style.

    Constraints are numbered in each op's description, and the message of a
    verifier begins with the number. (C0) holds for every op with `outs`: its
    operands are all tensors, with one result a destination and of its type, or
    all memrefs, without results. A dynamic size agrees with every size.
  }];
}

#endif // SETUN_DIALECT_NN_IR_NNBASE_TD
