//===- TernaryTest.h - Is a matrix ternary? -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_EVALUATE_TERNARYTEST_H
#define SETUN_EVALUATE_TERNARYTEST_H

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace setun {

enum class ElementKind { I8, F16, BF16, F32, F64 };

/// A matrix of weights [N, K], one row an output column of the product, wherever its elements lie.
struct WeightView {
  const char *data;
  ElementKind kind;
  int64_t rows, cols;
  /// In elements.
  int64_t rowStride, colStride;
};

struct TernaryWeight {
  /// Trits in the canonical layout: four a byte, row by row.
  std::vector<uint8_t> packed;
  /// One scale, or one a row, or `groups` a row.
  std::vector<double> scales;
  int64_t groups = 1;
  /// Share of zeros, and the largest distance of a magnitude from its scale, relative to the scale.
  double zeros = 0, deviation = 0;
};

/// Why not: the first element (row by row) that is neither 0 nor near plus or minus the commonest magnitude of its row.
struct NotTernary {
  int64_t row, col;
  double value, scale;
};

/// How far a magnitude may be off its scale when the weight was computed in this type. A straight-through estimator
/// w + (q - w) rounds q - w to the ulp of its size, so that it leaves up to 2 ulp of s where |w| < 8 s and 4 where
/// |w| < 16 s: 4 ulp in f16 and bf16, and 8 in f32.
double getTernaryTolerance(ElementKind kind);

/// Looks at every element. Scales are found for the whole matrix, else for each row, else for the largest groups of
/// at least 16 columns that divide K. Integers have no scale: they are trits or not.
std::variant<TernaryWeight, NotTernary> testTernary(const WeightView &weight, double tolerance);

} // namespace setun

#endif // SETUN_EVALUATE_TERNARYTEST_H
