//===- TernaryRows.h - Rows of one magnitude, by their bits -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_EVALUATE_TERNARYROWS_H
#define SETUN_LIB_EVALUATE_TERNARYROWS_H

#include "setun/Evaluate/TernaryTest.h"

#include <optional>

namespace setun {

/// Elements that are zeros and one magnitude.
struct PlainRow {
  double magnitude; ///< 0 if all are zeros
  int64_t nonZeros;
};

size_t getWidth(ElementKind kind);
double loadElement(ElementKind kind, const char *data, int64_t index);

/// Looks at `count` elements one after the other, whose address need not be aligned. Nothing unless all magnitudes are
/// the same bits, of a finite number (1, if they are integers). Nearly all weights are such: this is what most of the
/// time of recognition goes into.
std::optional<PlainRow> findPlainRow(ElementKind kind, const char *data, int64_t count);

/// The signs of `count` elements, four a byte: 0 for a negative one, 1 for zero, 2 for a positive one. Bytes are filled
/// up with 1.
void packSigns(ElementKind kind, const char *data, int64_t count, uint8_t *bytes);

} // namespace setun

#endif // SETUN_LIB_EVALUATE_TERNARYROWS_H
