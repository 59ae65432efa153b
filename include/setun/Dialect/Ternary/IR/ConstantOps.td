//===- ConstantOps.td - Trit constants, packing -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_TERNARY_IR_CONSTANTOPS_TD
#define SETUN_DIALECT_TERNARY_IR_CONSTANTOPS_TD

include "setun/Dialect/Ternary/IR/TernaryBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Ternary_ConstantOp : Op<Ternary_Dialect, "constant", [Pure, ConstantLike]> {
  let summary = "a small constant tensor of trits";
  let description = [{
    Writes trits as i8 elements, for tests and small tables. Large weights are
    `ml_program.global`s with a `#ternary.trits` value.

    Constraints:
    - (C1) `value` is a dense constant of i8 elements, each -1, 0 or 1.
    - (C2) the result has the shape of `value`.

    ```mlir
    %t = ternary.constant dense<[[1, 0], [-1, 1]]> : tensor<2x2xi8> -> tensor<2x2x!ternary.trit>
    ```
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs TritTensor:$result);
  let assemblyFormat = "$value attr-dict `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Ternary_PackOp : Op<Ternary_Dialect, "pack", [Pure]> {
  let summary = "trits to bytes in a packed layout";
  let description = [{
    Constraints:
    - (C1) `trits` is a static matrix.
    - (C2) `packed` is `tensor<Bxi8>` with B the byte size of `encoding` for that matrix.

    `pack(unpack(x))` with equal encodings is `x`.
  }];
  let arguments = (ins TritTensor:$trits, Ternary_EncodingAttr:$encoding);
  let results = (outs RankedTensorOf<[I8]>:$packed);
  let assemblyFormat = "$trits attr-dict `:` type($trits) `->` type($packed)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Ternary_UnpackOp : Op<Ternary_Dialect, "unpack", [Pure]> {
  let summary = "bytes in a packed layout to trits";
  let description = [{
    Constraints:
    - (C1) `trits` is a static matrix.
    - (C2) `packed` is `tensor<Bxi8>` with B the byte size of `encoding` for that matrix.
  }];
  let arguments = (ins RankedTensorOf<[I8]>:$packed, Ternary_EncodingAttr:$encoding);
  let results = (outs TritTensor:$trits);
  let assemblyFormat = "$packed attr-dict `:` type($packed) `->` type($trits)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Ternary_FromIntOp : Op<Ternary_Dialect, "from_int", [Pure]> {
  let summary = "integers that are -1, 0 or 1 as trits";
  let description = [{
    The inverse of `ternary.dequantize` to i8. What another integer becomes is
    undefined. It stands behind a weight quantizer that has been taken apart,
    until folding makes its result a parameter.

    Constraints:
    - (C1) `trits` has the shape of `values`.
  }];
  let arguments = (ins RankedTensorOf<[I8]>:$values);
  let results = (outs TritTensor:$trits);
  let assemblyFormat = "$values attr-dict `:` type($values) `->` type($trits)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

#endif // SETUN_DIALECT_TERNARY_IR_CONSTANTOPS_TD
