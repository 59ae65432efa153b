//===- ProductCounts.h - What each product costs, before and after -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_ANALYSIS_PRODUCTCOUNTS_H
#define SETUN_ANALYSIS_PRODUCTCOUNTS_H

#include "mlir/IR/BuiltinOps.h"
#include <array>
#include <string>
#include <vector>

namespace setun {

/// Arithmetic of a product for one token, the bytes of its weight, and energy in picojoules at 45 and 7 nm.
struct ProductCost {
  int64_t additions = 0, multiplications = 0, bytes = 0;
  std::array<double, 2> energy = {0, 0};

  ProductCost &operator+=(const ProductCost &other);
};

/// One product with a constant weight [rows, columns], as the ternary contract has it.
struct ProductFacts {
  std::string layer; ///< module path or node name
  int64_t rows = 0, columns = 0;
  bool ternary = false;
  mlir::Type activation; ///< element type of the activations
  std::string reason;    ///< of a dense product: why it is not ternary
  double zeros = 0;      ///< share of zero trits
  double deviation = 0;  ///< largest distance of a weight from its trit times its scale, relative to the scale
  int64_t scales = 0;    ///< how many weight scales
  std::array<double, 2> scaleRange = {0, 0};
  ProductCost before, after;
};

/// All products with constant weights in `module`, which is at the ternary stage, in the order of the graph.
///
/// Counting follows "BitNet: Scaling 1-bit Transformers" (arXiv 2310.11453, arithmetic energy): a dense product
/// of [rows, columns] takes rows * columns multiplications and rows * (columns - 1) additions a token in the weight's
/// float type; a ternary one takes the additions in the activations' type and one multiplication a row for each scale.
std::vector<ProductFacts> collectProducts(mlir::ModuleOp module);

} // namespace setun

#endif // SETUN_ANALYSIS_PRODUCTCOUNTS_H
