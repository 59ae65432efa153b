//===- MatchQuantizer.h - Finding the activation side of a BitLinear -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_TERNARY_TRANSFORMS_MATCHQUANTIZER_H
#define SETUN_DIALECT_TERNARY_TRANSFORMS_MATCHQUANTIZER_H

#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Utils/Matchers.h"

namespace setun::ternary {

/// An activation quantizer as the graph wrote it: everything `ternary.quantize` needs.
struct Quantizer {
  mlir::Value x;
  mlir::Value scaled; // what is rounded
  View absmax;        // c, seen from x
  double qmax, eps;
  int64_t low, high;
  Spelling spelling;
  bool perTensor;
  mlir::Location loc;

  bool operator==(const Quantizer &other) const {
    return x == other.x && absmax.value == other.absmax.value && qmax == other.qmax && low == other.low &&
           high == other.high && spelling == other.spelling && eps == other.eps;
  }
};

/// A multiplication or division, by something that does not change along k, between the quantizer and the product. It
/// commutes with the product.
struct DeferredScale {
  bool divides;
  View by;           // seen from the tensor it scales
  unsigned reshapes; // how many of Activation::reshapes come after it
};

/// The activation operand of a product: a quantizer's integers or a tensor that is int8 already, then scales and
/// reshapes, listed from the product upwards.
struct Activation {
  std::optional<Quantizer> quantizer;
  mlir::Value integers; // i8, if the graph has them as such
  llvm::SmallVector<DeferredScale> scales;
  llvm::SmallVector<mlir::Operation *> reshapes;
};

/// Finds the quantizer behind a product's operand. Otherwise says in `reason` what stood in its way.
std::optional<Activation> matchActivation(mlir::Value operand, std::string &reason);

} // namespace setun::ternary

#endif // SETUN_DIALECT_TERNARY_TRANSFORMS_MATCHQUANTIZER_H
