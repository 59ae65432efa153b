//===- Vnni.cpp - Products by vpdpbusd -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The 256-bit form is one intrinsic for both encodings: AVX-VNNI's and that of
// AVX-512 VNNI with VL.
//
//===----------------------------------------------------------------------===//

#include "Vnni.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace setun;

DotInstruction x86::getVpdpbusd(unsigned vectorBits) {
  DotInstruction dot;
  dot.lanes = vectorBits / 32;
  dot.registers = vectorBits == 512 ? 32 : 16;
  dot.unsignedCodes = true;
  dot.dot = [vectorBits](KernelBuilder &b, Value acc, Value codes, Value activations) -> Value {
    StringRef name = vectorBits == 512 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256";
    return LLVM::CallIntrinsicOp::create(b, acc.getType(), b.getStringAttr(name), ValueRange{acc, codes, activations})
        .getResult(0);
  };
  dot.columns = [vectorBits](KernelBuilder &b, Value x, Value at) {
    std::array<Value, 4> columns;
    for (int64_t plane = 0; plane < 4; ++plane)
      columns[plane] = b.broadcastDword(x, b.add(at, 4 * plane), vectorBits / 8);
    return columns;
  };
  return dot;
}
