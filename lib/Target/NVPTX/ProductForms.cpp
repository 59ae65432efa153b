//===- ProductForms.cpp - What products cost on CUDA devices --------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A thread's chunk is 64 weights: four words. Instructions are counted in PTX
// (test/Target/nvptx-decode.test); rates are those that all processors reach
// together, so what a product takes is launch + max(bytes / memory, instructions /
// rate).
//
//===----------------------------------------------------------------------===//

#include "ProductForms.h"
#include "setun/Target/NVPTX/PrefillKernel.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr double kChunkWeights = 64;

ProductForm nvptx::getDeviceForm(const ProductShape &shape, int64_t tokens, Products products,
                                 const DeviceRates &rates) {
  if (products == Products::AddSub || isColumnProduct(shape)) {
    // A mask and two compares a weight, then for each token two selects and an addition; activations and weights come
    // by some twenty more a chunk.
    int64_t atOnce = tokens == 1 ? 1 : tokens == 2 || shape.groups ? 2 : 4;
    double instructions = (3.0 + 20 / kChunkWeights) / atOnce + 3;
    return {"select add", false, instructions, rates.lanes() / instructions, atOnce};
  }
  if (tokens == 1) {
    // 16 masks, 16 dp4a; one more for the activations' sum; three loads and what they need.
    double instructions = (32 + 1 + 5) / kChunkWeights;
    return {"dp4a", true, instructions, rates.lanes() / instructions};
  }
  if (tokens > kDecodeTokens) {
    int64_t n = ShapedType::isDynamic(shape.n) ? 4096 : shape.n, k = ShapedType::isDynamic(shape.k) ? 4096 : shape.k;
    PrefillPlan plan = getPrefillPlan(tokens, n, k, rates.warpGroups, static_cast<int64_t>(rates.processors));
    int64_t atOnce = plan.tile->tokens();
    // The rate for all that is computed, as the plan rounds it up.
    double multiplyAdds = double(llvm::alignTo(n, 16)) * llvm::alignTo(k, 16) * llvm::alignTo(tokens, atOnce);
    std::string name =
        llvm::formatv("{0}, {1} tokens x {2} rows", plan.tile->wgmma ? "wgmma" : "mma.sync", atOnce, plan.tile->rows());
    return {name, true, plan.instructions, multiplyAdds / plan.cycles * rates.gigahertz, atOnce};
  }
  // 4 shifts, 16 masks, 6 matrices, two loads and what they need. The matrices bind: 4096 multiply-adds each, of 2048 a
  // clock and processor, for the 2048 weights of a warp's chunk.
  int64_t atOnce = tokens == 2 ? 2 : tokens <= 4 ? 4 : kDecodeTokens;
  double instructions = (20 + 6 + 4) / kChunkWeights / atOnce;
  double perNs = 2048.0 * atOnce / (6 * 4096 / 2048) * rates.processors * rates.gigahertz;
  return {("mma.sync, " + llvm::Twine(atOnce) + " tokens").str(), true, instructions, perNs, atOnce};
}
