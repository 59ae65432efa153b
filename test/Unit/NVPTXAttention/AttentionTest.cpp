//===- AttentionTest.cpp - Attention by kernels -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The same operation on buffers, lowered for processors and for CUDA devices, where sums have another order: results
// are near, and the same under any schedule.
//
//===----------------------------------------------------------------------===//

#include "TestTensor.h"

#include "llvm/Support/FormatVariadic.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace llvm;
using namespace setun::nvptx;

namespace {

/// One case of attention. Lines of k and v have gaps of their own, as in a cache.
struct Case {
  int64_t batch, heads, groups, queries, keys, depth, columns;
  std::string attributes = "causal, "; // before the scale
  std::string type = "f32", mask = "";
  std::vector<int64_t> maskSizes = {};
  int64_t gap = 0, offset = 0;
  bool scratch = true;
  int64_t past = -1; // -1: as many as are before the last queries
  int64_t half = 0;  // pairs of a query that are turned before; the result is then transposed, too
  bool pairs = false;
};

void PrintTo(const Case &c, std::ostream *os) {
  *os << c.batch << "x" << c.heads << "/" << c.groups << "x" << c.queries << "x" << c.keys << "x" << c.depth << "/"
      << c.columns << " " << c.attributes << c.type << " " << c.mask;
}

class AttentionTest : public testing::TestWithParam<Case> {};

} // namespace

TEST_P(AttentionTest, nearTheProcessors) {
  const Case &c = GetParam();
  std::string qt = bufferType({c.batch, c.heads, c.queries, c.depth}, c.type, {2}, false),
              kt = bufferType({c.batch, c.groups, c.keys, c.depth}, c.type, {2}, true),
              vt = bufferType({c.batch, c.groups, c.keys, c.columns}, c.type, {2}, true),
              yt = bufferType({c.batch, c.heads, c.queries, c.columns}, c.type, {2}, false),
              mt = bufferType(c.maskSizes, c.mask, {2, 3}, false);
  bool past = StringRef(c.attributes).contains("causal") || StringRef(c.attributes).contains("window");
  constexpr int64_t kScratch = 1 << 20;
  std::string scratchType = formatv("memref<{0}xf32>", kScratch);
  std::vector<int64_t> table{1, c.queries, c.half}, transposed{c.batch, c.queries, c.heads, c.columns};
  bool around = c.half > 0;
  std::string tt = bufferType(table, c.type, {1}, false), ot = around ? bufferType(transposed, c.type, {1}, true) : yt;
  auto source = [&](bool frees) {
    std::string text = formatv("func.func @attention(%q: {0}, %k: {1}, %v: {2}", qt, kt, vt);
    text += c.mask.empty() ? "" : ", %m: " + mt;
    text += past ? ", %past: index" : "";
    text += around ? ", %cos: " + tt + ", %sin: " + tt : "";
    text += ", %out: " + ot + (c.scratch ? ", %s: " + scratchType : "") + ") {\n";
    if (around)
      text += formatv("%two = arith.constant 2 : index\n%size = memref.dim %q, %two : {0}\n"
                      "%r = memref.alloc(%size) : {0}\n%y = memref.alloc(%size) : {1}\n"
                      "nn.rotary_embedding ins(%q, %cos, %sin : {0}, {2}, {2}) outs(%r : {0}) {3}\n",
                      qt, yt, tt, c.pairs ? "{interleaved}" : "");
    text += formatv("nn.attention ins({3}, %k, %v : {0}, {1}, {2}) ", qt, kt, vt, around ? "%r" : "%q");
    text += c.mask.empty() ? "" : "mask(%m : " + mt + ") ";
    text += past ? "past(%past) " : "";
    text += std::string("outs(") + (around ? "%y" : "%out") + " : " + yt + ") ";
    text += c.scratch ? "scratch(%s : " + scratchType + ") " : "";
    text += formatv("{{{0}scale = {1:F9} : f32}\n", c.attributes, 1 / std::sqrt(double(c.depth)));
    if (around)
      text += formatv("linalg.transpose ins(%y : {0}) outs(%out : {1}) permutation = [0, 2, 1, 3]\n", yt, ot);
    if (around && frees) // of the device's code both are taken out
      text += formatv("memref.dealloc %r : {0}\nmemref.dealloc %y : {1}\n", qt, yt);
    return text + "return\n}\n";
  };
  auto cpu = CompiledFunctions::compile(source(true), ""),
       gpu = CompiledFunctions::compile(source(false), "cuda:sm_80");
  ASSERT_TRUE(cpu && gpu);

  std::mt19937 random(7);
  Tensor q({c.batch, c.heads, c.queries, c.depth}, c.type),
      k({c.batch, c.groups, c.keys, c.depth}, c.type, c.offset, c.gap),
      v({c.batch, c.groups, c.keys, c.columns}, c.type, c.offset, c.gap),
      mask(c.maskSizes, c.mask.empty() ? "f32" : c.mask), cos(table, c.type), sin(table, c.type),
      y(around ? transposed : std::vector<int64_t>{c.batch, c.heads, c.queries, c.columns}, c.type),
      scratch({kScratch}, "f32");
  for (Tensor *tensor : {&q, &k, &v, &mask, &cos, &sin})
    tensor->fill(random);
  Tensor expected = y;
  auto arguments = [&](Tensor &result) {
    std::vector<TestArgument> list{q.view(), k.view(), v.view()};
    if (!c.mask.empty())
      list.push_back(mask.view());
    if (past)
      list.push_back(TestArgument::index(c.past >= 0 ? c.past : c.keys - c.queries));
    if (around)
      list.insert(list.end(), {cos.view(), sin.view()});
    list.push_back(result.view());
    if (c.scratch)
      list.push_back(scratch.view());
    return list;
  };
  ASSERT_EQ("", textOf(cpu->call("attention", arguments(expected))));
  std::vector<char> first;
  for (uint64_t seed : {0, 3}) {
    std::fill(y.bytes.begin(), y.bytes.end(), char(0x7f));
    std::fill(scratch.bytes.begin(), scratch.bytes.end(), char(0xff)); // NaNs: what no part wrote must not be read
    ASSERT_EQ("", textOf(gpu->call("attention", arguments(y), seed)));
    if (seed)
      EXPECT_EQ(first, y.bytes) << "the result depends on which thread runs first";
    first = y.bytes;
  }
  // Relative to the largest value of a row: where values cancel, their rounding stays.
  double bound = c.type == "f32" ? 1e-5 : c.type == "f16" ? 1e-3 : 8e-3;
  for (int64_t row = 0; row < c.batch * c.heads * c.queries; ++row) {
    double largest = 0, difference = 0;
    for (int64_t i = row * c.columns; i < (row + 1) * c.columns; ++i) {
      largest = std::max(largest, std::abs(expected.at(i)));
      ASSERT_FALSE(std::isnan(y.at(i))) << "row " << row;
      difference = std::max(difference, std::abs(expected.at(i) - y.at(i)));
    }
    ASSERT_LE(difference, bound * largest) << "row " << row;
  }
}

static const Case kCases[] = {
    // Decode at several positions: the shape of BitNet 2B-4T, of Falcon3, one head for all, as many as queries.
    {1, 20, 5, 1, 1, 128, 128},
    {1, 20, 5, 1, 2, 128, 128},
    {1, 20, 5, 1, 18, 128, 128},
    {1, 20, 5, 1, 2001, 128, 128},
    {1, 32, 8, 1, 300, 96, 96},
    {1, 8, 1, 1, 130, 64, 64},
    {1, 3, 3, 1, 75, 100, 100},
    {2, 10, 2, 1, 40, 32, 48},
    // Several queries.
    {1, 20, 5, 2, 19, 128, 128},
    {1, 20, 5, 17, 34, 128, 128},
    {1, 32, 8, 64, 64, 96, 96},
    // Without scratch; sizes that no vector divides; lines of a cache that begin anywhere.
    {1, 20, 5, 1, 200, 128, 128, "causal, ", "f32", "", {}, 0, 0, false},
    {1, 4, 2, 3, 50, 333, 77},
    {1, 4, 2, 2, 50, 33, 333},
    {1, 4, 2, 1, 50, 128, 128, "causal, ", "f32", "", {}, 1, 1},
    {1, 4, 2, 1, 50, 128, 128, "causal, ", "f32", "", {}, 4, 2},
    {1, 2, 1, 1, 20, 1024, 600},
    // Windows, caps, masks, all keys; queries past the cache's end and before its beginning.
    {1, 8, 2, 1, 200, 64, 64, "causal, window = 37 : i64, "},
    {1, 8, 2, 5, 200, 64, 64, "window = 37 : i64, "},
    {1, 8, 2, 3, 70, 64, 64, "causal, softcap = 2.0 : f32, "},
    {2, 4, 2, 3, 70, 64, 64, "", "f32", "i1", {2, 1, 3, 70}},
    {2, 4, 2, 3, 70, 64, 64, "", "f32", "f32", {1, 4, 1, 70}},
    {1, 4, 2, 3, 70, 64, 64, ""},
    {1, 4, 2, 3, 10, 64, 64, "causal, window = 4 : i64, ", "f32", "", {}, 0, 0, true, 30},
    // Narrow floats.
    {1, 8, 2, 1, 90, 128, 128, "causal, ", "f16"},
    {1, 8, 2, 1, 90, 64, 64, "causal, ", "bf16"},
    {1, 8, 2, 3, 90, 100, 60, "causal, ", "f16", "", {}, 2, 1},
    // Queries that are turned on the way, and a result that is transposed.
    {1, 20, 5, 1, 90, 128, 128, "causal, ", "f32", "", {}, 0, 0, true, -1, 64},
    {1, 4, 2, 5, 30, 100, 60, "causal, ", "f32", "", {}, 0, 0, true, -1, 20},
    {1, 4, 2, 5, 30, 64, 64, "causal, ", "f16", "", {}, 0, 0, true, -1, 16},
    {1, 4, 2, 5, 30, 64, 64, "causal, ", "f32", "", {}, 0, 0, true, -1, 32, true},
    {1, 4, 2, 3, 30, 33, 33, "causal, ", "f32", "", {}, 0, 0, true, -1, 10, true},
    {1, 64, 16, 64, 70, 32, 32, "causal, ", "f32", "", {}, 0, 0, true, -1, 16},
    {1, 64, 16, 64, 70, 34, 34, "causal, ", "bf16", "", {}, 0, 0, true, -1, 16, true},
    // Blocks of rows.
    {1, 16, 4, 256, 256, 64, 64},
    {1, 16, 4, 256, 300, 40, 24, "causal, window = 50 : i64, "},
    {1, 64, 2, 65, 70, 33, 17},
    {2, 64, 32, 33, 40, 160, 136, "causal, "},
    {1, 64, 16, 64, 80, 32, 32, "", "f16", "i1", {1, 1, 64, 80}},
    {1, 64, 16, 64, 80, 32, 32, "", "bf16", "", {}, 1, 3},
    {1, 64, 16, 64, 20, 32, 32, "causal, window = 8 : i64, ", "f32", "", {}, 0, 0, true, 0},
};
INSTANTIATE_TEST_SUITE_P(Shapes, AttentionTest, testing::ValuesIn(kCases));
