//===- TernaryTest.cpp - Is a matrix ternary? -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Columns of a matrix may have different scales (q|k|v packed into one) and magnitudes may be noisy (a folded
// straight-through estimator), so each row is judged by its own histogram of magnitudes, and rows are merged
// afterwards.

#include "setun/Evaluate/TernaryTest.h"

#include "TernaryRows.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <cmath>
#include <map>

using namespace setun;

/// More distinct magnitudes than any rounding noise leaves.
static constexpr size_t kMaxMagnitudes = 64;
/// Fewer columns a scale than this prove little.
static constexpr int64_t kMinGroup = 16;
/// Rows read at once, so that a weight stored by columns is read by whole cache lines.
static constexpr int64_t kRowBlock = 64;

double setun::getTernaryTolerance(ElementKind kind) {
  switch (kind) {
  case ElementKind::I8:
    return 0;
  case ElementKind::F16:
    return 4e-3;
  case ElementKind::BF16:
    return 3.2e-2;
  case ElementKind::F32:
  case ElementKind::F64:
    return 1e-6;
  }
  return 0;
}

namespace {

/// The magnitudes of the non-zero elements of one row or one group of it.
struct Block {
  double scale = 0, smallest = 0, largest = 0;
  int64_t count = 0, atScale = 0;
  bool isNoisy() const { return smallest != largest; }
  /// Whether the commonest magnitude may be taken for the scale that was meant.
  bool isConclusive() const { return count >= 8 && 2 * atScale > count; }
};

class Tester {
public:
  Tester(const WeightView &weight, double tolerance) : weight(weight), tolerance(tolerance) {}

  /// Judges blocks of `groupSize` columns; nothing if all are ternary.
  std::variant<std::monostate, NotTernary> judge(int64_t groupSize);
  /// One scale for all blocks if there is one.
  void merge();
  TernaryWeight pack();
  /// The first row whose scale is not that of the first.
  NotTernary getStranger() const;

  bool hasOneScale() const { return oneScale; }
  bool isStoredByRows() const { return weight.colStride == 1; }

private:
  bool isNear(double magnitude, double scale) const { return std::abs(magnitude - scale) <= tolerance * scale; }
  std::variant<Block, NotTernary> judgeBlock(llvm::ArrayRef<double> values, int64_t row, int64_t firstCol) const;
  /// The same of a row's elements that lie one after the other.
  std::variant<Block, NotTernary> judgeStored(int64_t row, int64_t firstCol, int64_t count) const;
  const char *getRow(int64_t row) const { return weight.data + row * weight.rowStride * getWidth(weight.kind); }
  /// Calls `body(row, values)` for each row until it returns false.
  template <typename Body> void forEachRow(Body body) const;

  WeightView weight;
  double tolerance;
  int64_t groups = 1;
  bool oneScale = false;
  std::vector<Block> blocks;
};

} // namespace

template <typename Body> void Tester::forEachRow(Body body) const {
  std::vector<double> values(std::min(kRowBlock, weight.rows) * weight.cols);
  for (int64_t first = 0; first < weight.rows; first += kRowBlock) {
    int64_t rows = std::min(kRowBlock, weight.rows - first), cols = weight.cols;
    auto load = [&](int64_t row, int64_t col) {
      values[row * cols + col] =
          loadElement(weight.kind, weight.data, (first + row) * weight.rowStride + col * weight.colStride);
    };
    if (weight.rowStride < weight.colStride) {
      for (int64_t col = 0; col < cols; ++col)
        for (int64_t row = 0; row < rows; ++row)
          load(row, col);
    } else {
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t col = 0; col < cols; ++col)
          load(row, col);
    }
    for (int64_t row = 0; row < rows; ++row)
      if (!body(first + row, llvm::ArrayRef<double>(values).slice(row * cols, cols)))
        return;
  }
}

std::variant<Block, NotTernary> Tester::judgeBlock(llvm::ArrayRef<double> values, int64_t row, int64_t firstCol) const {
  struct Bin {
    double magnitude;
    int64_t count;
  };
  llvm::SmallVector<Bin, 8> bins;
  for (double value : values) {
    double magnitude = std::abs(value);
    if (magnitude == 0)
      continue;
    auto *bin = llvm::find_if(bins, [&](const Bin &bin) { return bin.magnitude == magnitude; });
    if (bin != bins.end())
      ++bin->count;
    else if (bins.size() < kMaxMagnitudes) // enough to find the commonest; the rest is compared with it below
      bins.push_back({magnitude, 1});
    else
      break;
  }
  Block block;
  for (const Bin &bin : bins)
    if (bin.count > block.atScale)
      block.scale = bin.magnitude, block.atScale = bin.count;
  if (weight.kind == ElementKind::I8)
    block.scale = 1;
  for (auto [col, value] : llvm::enumerate(values)) {
    double magnitude = std::abs(value);
    if (magnitude == 0)
      continue;
    if (!std::isfinite(magnitude) || !isNear(magnitude, block.scale))
      return NotTernary{row, firstCol + static_cast<int64_t>(col), value, block.scale};
    block.smallest = block.count == 0 ? magnitude : std::min(block.smallest, magnitude);
    block.largest = std::max(block.largest, magnitude);
    ++block.count;
  }
  return block;
}

std::variant<Block, NotTernary> Tester::judgeStored(int64_t row, int64_t firstCol, int64_t count) const {
  const char *data = getRow(row) + firstCol * getWidth(weight.kind);
  if (std::optional<PlainRow> plain = findPlainRow(weight.kind, data, count)) {
    bool isInteger = weight.kind == ElementKind::I8;
    return Block{isInteger ? 1 : plain->magnitude, plain->magnitude, plain->magnitude, plain->nonZeros,
                 plain->nonZeros};
  }
  std::vector<double> values(count);
  for (int64_t col = 0; col < count; ++col)
    values[col] = loadElement(weight.kind, data, col);
  return judgeBlock(values, row, firstCol);
}

std::variant<std::monostate, NotTernary> Tester::judge(int64_t groupSize) {
  groups = weight.cols / groupSize;
  blocks.clear();
  blocks.reserve(weight.rows * groups);
  std::variant<std::monostate, NotTernary> verdict;
  if (isStoredByRows()) {
    for (int64_t row = 0; row < weight.rows; ++row)
      for (int64_t col = 0; col < weight.cols; col += groupSize) {
        auto result = judgeStored(row, col, groupSize);
        if (auto *refusal = std::get_if<NotTernary>(&result))
          return *refusal;
        blocks.push_back(std::get<Block>(result));
      }
    return verdict;
  }
  forEachRow([&](int64_t row, llvm::ArrayRef<double> values) {
    for (int64_t col = 0; col < weight.cols; col += groupSize) {
      auto result = judgeBlock(values.slice(col, groupSize), row, col);
      if (auto *refusal = std::get_if<NotTernary>(&result)) {
        verdict = *refusal;
        return false;
      }
      blocks.push_back(std::get<Block>(result));
    }
    return true;
  });
  return verdict;
}

void Tester::merge() {
  std::map<double, int64_t> votes;
  bool noisy = false;
  for (const Block &block : blocks) {
    noisy |= block.isNoisy();
    if (block.count > 0)
      votes[block.scale] += block.atScale;
  }
  double common = 1; // of a matrix of zeros
  if (!votes.empty())
    common = std::max_element(votes.begin(), votes.end(), [](auto &a, auto &b) { return a.second < b.second; })->first;
  // With noise, a short row's commonest magnitude may be a neighbour of the scale: it follows the majority. Without,
  // scales are equal or they are different.
  oneScale = true;
  for (Block &block : blocks) {
    bool follows = block.count == 0 ||
                   (noisy && !block.isConclusive() && isNear(block.smallest, common) && isNear(block.largest, common));
    if (follows)
      block.scale = common;
    oneScale &= block.scale == common;
  }
}

NotTernary Tester::getStranger() const {
  auto stranger = llvm::find_if(blocks, [&](const Block &block) { return block.scale != blocks.front().scale; });
  int64_t row = stranger - blocks.begin();
  return NotTernary{row, 0, loadElement(weight.kind, weight.data, row * weight.rowStride), blocks.front().scale};
}

TernaryWeight Tester::pack() {
  TernaryWeight result;
  int64_t rowBytes = (weight.cols + 3) / 4, nonZeros = 0;
  result.packed.assign(weight.rows * rowBytes, 0);
  if (isStoredByRows()) {
    for (int64_t row = 0; row < weight.rows; ++row)
      packSigns(weight.kind, getRow(row), weight.cols, result.packed.data() + row * rowBytes);
  } else {
    forEachRow([&](int64_t row, llvm::ArrayRef<double> values) {
      uint8_t *bytes = result.packed.data() + row * rowBytes;
      for (int64_t col = 0; col < 4 * rowBytes; ++col) {
        double value = col < weight.cols ? values[col] : 0;
        bytes[col / 4] |= ((value > 0) - (value < 0) + 1) << 2 * (col % 4);
      }
      return true;
    });
  }
  for (const Block &block : blocks) {
    nonZeros += block.count;
    if (block.count > 0)
      result.deviation = std::max({result.deviation, (block.scale - block.smallest) / block.scale,
                                   (block.largest - block.scale) / block.scale});
  }
  result.zeros = 1 - static_cast<double>(nonZeros) / (weight.rows * weight.cols);
  result.groups = oneScale ? 1 : groups;
  for (const Block &block : llvm::ArrayRef<Block>(blocks).take_front(oneScale ? 1 : blocks.size()))
    result.scales.push_back(block.scale);
  return result;
}

std::variant<TernaryWeight, NotTernary> setun::testTernary(const WeightView &weight, double tolerance) {
  Tester tester(weight, tolerance);
  auto whole = tester.judge(weight.cols);
  if (std::holds_alternative<std::monostate>(whole)) {
    tester.merge();
    if (tester.hasOneScale() || weight.cols > 1)
      return tester.pack();
    // One element a scale: any vector would be "ternary".
    return tester.getStranger();
  }
  if (weight.kind != ElementKind::I8)
    for (int64_t groups = 2; weight.cols / groups >= kMinGroup; ++groups)
      if (weight.cols % groups == 0 && std::holds_alternative<std::monostate>(tester.judge(weight.cols / groups))) {
        tester.merge();
        return tester.pack();
      }
  return std::get<NotTernary>(whole);
}
