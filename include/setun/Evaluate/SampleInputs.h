//===- SampleInputs.h - Random inputs and edge cases -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_EVALUATE_SAMPLEINPUTS_H
#define SETUN_EVALUATE_SAMPLEINPUTS_H

#include "mlir/IR/BuiltinTypes.h"
#include <string>
#include <vector>

namespace setun {

/// The kinds of inputs that tell a wrong rewrite from a right one.
enum class Sample { Normal, Ranges, Zeros, Ties, Huge, Denormal };
inline constexpr Sample kSamples[] = {Sample::Normal, Sample::Ranges, Sample::Zeros,
                                      Sample::Ties,   Sample::Huge,   Sample::Denormal};
llvm::StringRef getName(Sample sample);

/// A number as the element type stores it, in its bytes, and back. Integers are rounded; i1 is not 0.
void storeElement(mlir::Type type, double value, char *bytes);
double loadElement(mlir::Type type, const char *bytes);
/// Bytes of one element; 0 for a type that has none.
int64_t getElementBytes(mlir::Type type);

/// The bytes of a tensor of numbers; the same for the same arguments. Integers are small and not negative where they
/// may be indices (wider than 8 bits).
std::vector<char> makeSample(mlir::RankedTensorType type, Sample sample, unsigned seed);

} // namespace setun

#endif // SETUN_EVALUATE_SAMPLEINPUTS_H
