//===- ProductKernels.cpp - Ternary products on CUDA devices --------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/ProductKernels.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

DeviceProduct nvptx::makePlainProduct(DeviceBuilder &, const Product &p) {
  Epilogue store = [p](DeviceBuilder &b, Value m, Value n, ValueRange sums) {
    b.store(sums[0], p.acc, b.add(b.mul(m, p.accStride), n));
  };
  return DeviceProduct{p, {0}, p.n, store, std::nullopt};
}
