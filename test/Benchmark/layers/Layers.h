//===- Layers.h - The layers that are measured -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_BENCHMARK_LAYERS_LAYERS_H
#define SETUN_TEST_BENCHMARK_LAYERS_LAYERS_H

#include <cstdint>
#include <string>
#include <vector>

namespace setun::bench {

/// A buffer of the entry.
struct Argument {
  std::string element; // "f32"
  int64_t count;
  bool isOutput;
  int64_t indices = 0;  // its integers are below this number
  int64_t size() const; // in bytes
};

/// A model of one layer, and what it must do at least.
struct Layer {
  std::string name, source; // source: the ternary contract
  std::vector<Argument> arguments;
  std::vector<int64_t> symbols;
  std::string element; // of its floats
  /// Bytes read and written once each. The arithmetic that docs/numerics.md prescribes, one lane each: additions,
  /// products and the like of f32; divisions; what is widened to f32 and rounded to `element`, if that is narrower, and
  /// what is rounded on the way, and goes on in f32.
  double bytes = 0, operations = 0, divisions = 0, widenings = 0, roundings = 0, roundingsInPlace = 0;
};

/// `quick`: the same layers at sizes for a test.
std::vector<Layer> getLayers(bool quick);

} // namespace setun::bench

#endif // SETUN_TEST_BENCHMARK_LAYERS_LAYERS_H
