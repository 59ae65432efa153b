//===- TernaryBase.td - Dialect, types, attributes of ternary -*- tablegen -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_TERNARY_IR_TERNARYBASE_TD
#define SETUN_DIALECT_TERNARY_IR_TERNARYBASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/BuiltinTypeInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Ternary_Dialect : Dialect {
  let name = "ternary";
  let cppNamespace = "::setun::ternary";
  let summary = "Ternary tensors, their quantization, packing and products";
  let description = [{
    Weights in {-1, 0, +1} (trits) and what BitNet b1.58 and its relatives do
    with them: quantize weights and activations, multiply by additions and
    subtractions, pack trits into bytes.

    Constraints are numbered in each op's description, and the message of a
    verifier begins with the number. (C0) holds for every op with `outs`: its
    operands are all tensors, with one result a destination and of its type, or
    all memrefs, without results. A dynamic size agrees with every size.
  }];
  let hasConstantMaterializer = 1;
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

def Ternary_TritType : TypeDef<Ternary_Dialect, "Trit", [
    MemRefElementTypeInterface, VectorElementTypeInterface]> {
  let mnemonic = "trit";
  let summary = "one of -1, 0, +1";
  let description = [{
    The element type of ternary tensors. It has no arithmetic of its own: trits
    enter products (`ternary.matmul`), become floats (`ternary.dequantize`) or
    bytes (`ternary.pack`).
  }];
}

def Ternary_EncodingAttr : AttrDef<Ternary_Dialect, "Encoding"> {
  let mnemonic = "encoding";
  let summary = "a packed layout of a matrix of trits";
  let description = [{
    `#ternary.encoding<bits = 2, tile = [R, C], interleave = B>`. A trit t is
    stored as the code t + 1 in `bits` bits. A tile of R rows and C columns
    fills R * C * bits / 8 bytes: byte (C / P) * r + c, with P = 8 / bits trits
    a byte, holds at bits `bits * p` the code of (row r, column (C / P) * p + c).
    Tiles of B neighbouring row groups follow one another for the same columns,
    then the next columns come, then the next B * R rows. Rows and columns past
    the matrix are zero trits (code 1). Bytes in all:
    ceil(N / (R * B)) * B * ceil(K / C) * R * C * bits / 8
    (lib/Support/Packing). `tile = [1, 4], interleave = 1` is row-major order
    with four trits a byte, lowest bits first: the canonical layout.
  }];
  let parameters = (ins "unsigned":$bits, "int64_t":$tileRows, "int64_t":$tileCols, "int64_t":$interleave);
  let assemblyFormat = "`<` `bits` `=` $bits `,` `tile` `=` `[` $tileRows `,` $tileCols `]` `,` `interleave` `=` $interleave `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The row-major layout of four trits a byte in which folded weights are kept.
    static EncodingAttr getCanonical(::mlir::MLIRContext *context);
    ::setun::PackedLayout getLayout() const;
    /// Bytes of a packed matrix of `rows` x `cols`; the largest int64_t where that is more.
    int64_t getByteSize(int64_t rows, int64_t cols) const;
  }];
}

def Ternary_TritsAttr : AttrDef<Ternary_Dialect, "Trits"> {
  let mnemonic = "trits";
  let summary = "a constant matrix of trits in packed form";
  let description = [{
    The value of an `ml_program.global` of trits: `#ternary.trits<#ternary.encoding<...>, dense_resource<w> : tensor<Bxi8>>`.
    (C1) the bytes are `tensor<Bxi8>`.
  }];
  let parameters = (ins "::setun::ternary::EncodingAttr":$encoding, "::mlir::ElementsAttr":$bytes);
  let assemblyFormat = "`<` $encoding `,` $bytes `>`";
  let genVerifyDecl = 1;
}

def Ternary_Spelling : I32Enum<"Spelling", "how an activation quantizer writes its scale; c = max(absmax(x), eps)", [
    I32EnumCase<"Reciprocal", 0, "reciprocal">,  // v = x * (qmax * (1 / c)): two roundings
    I32EnumCase<"Divide", 1, "divide">,          // v = x * (qmax / c)
    I32EnumCase<"Step", 2, "step">,              // v = x / (c / qmax)
    I32EnumCase<"Normalize", 3, "normalize">,    // v = (x / c) * qmax
    I32EnumCase<"ScaleFirst", 4, "scale_first">  // v = (x * qmax) / c
  ]> {
  let cppNamespace = "::setun::ternary";
}

def Ternary_WeightMethod : I32Enum<"WeightMethod", "how a weight quantizer finds its scale", [
    I32EnumCase<"AbsMean", 0, "absmean">, I32EnumCase<"AbsMedian", 1, "absmedian">,
    I32EnumCase<"AbsMax", 2, "absmax">]> {
  let cppNamespace = "::setun::ternary";
}

def Ternary_SpellingAttr : EnumAttr<Ternary_Dialect, Ternary_Spelling, "spelling">;
def Ternary_WeightMethodAttr : EnumAttr<Ternary_Dialect, Ternary_WeightMethod, "weight_method">;

/// Tensors or memrefs of trits, and packed bytes in their place once an encoding has been materialized.
def TritBuffer : AnyTypeOf<[RankedTensorOf<[Ternary_TritType]>, MemRefOf<[Ternary_TritType]>, RankedTensorOf<[I8]>, MemRefOf<[I8]>]>;
def TritTensor : RankedTensorOf<[Ternary_TritType]>;

#endif // SETUN_DIALECT_TERNARY_IR_TERNARYBASE_TD
