//===- EmbeddingTest.cpp - Rotary embedding and embedding by kernels -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Against what processors write: the same bits.
//
//===----------------------------------------------------------------------===//

#include "TestTensor.h"

#include "llvm/Support/FormatVariadic.h"

#include <gtest/gtest.h>

using namespace llvm;
using namespace setun::nvptx;

struct RotaryCase {
  int64_t batch, heads, queries, depth, half;
  bool pairs;
  std::string type;
  int64_t tables = 1, offset = 0, gap = 0; // of the destination
};

TEST(Rotary, sameBits) {
  const RotaryCase cases[] = {
      {1, 20, 1, 128, 64, false, "f32"}, {1, 5, 3, 128, 64, false, "f32", 1, 7, 5}, {2, 4, 17, 100, 20, false, "f32"},
      {2, 4, 9, 64, 32, true, "f32", 2}, {2, 3, 5, 33, 11, true, "f16", 2},         {1, 4, 6, 96, 48, false, "bf16"},
      {1, 1, 1, 7, 0, false, "f32"},
  };
  for (const RotaryCase &c : cases) {
    SCOPED_TRACE(formatv("{0} heads of {1}, {2}", c.heads, c.depth, c.type).str());
    std::vector<int64_t> shape{c.batch, c.heads, c.queries, c.depth}, table{c.tables, c.queries, c.half};
    std::string xt = bufferType(shape, c.type, {2}, false), yt = bufferType(shape, c.type, {2}, true),
                tt = bufferType(table, c.type, {0, 1}, false);
    std::string source = formatv("func.func @rotary(%x: {0}, %c: {1}, %s: {1}, %y: {2}) {{\n"
                                 "nn.rotary_embedding ins(%x, %c, %s : {0}, {1}, {1}) outs(%y : {2}) {3}\nreturn\n}\n",
                                 xt, tt, yt, c.pairs ? "{interleaved}" : "");
    auto cpu = CompiledFunctions::compile(source, ""), gpu = CompiledFunctions::compile(source, "cuda:sm_80");
    ASSERT_TRUE(cpu && gpu);
    std::mt19937 random(5);
    Tensor x(shape, c.type), cos(table, c.type), sin(table, c.type), y(shape, c.type, c.offset, c.gap);
    for (Tensor *tensor : {&x, &cos, &sin, &y})
      tensor->fill(random);
    Tensor expected = y;
    ASSERT_EQ("", textOf(cpu->call("rotary", {x.view(), cos.view(), sin.view(), expected.view()})));
    ASSERT_EQ("", textOf(gpu->call("rotary", {x.view(), cos.view(), sin.view(), y.view()})));
    EXPECT_EQ(expected.bytes, y.bytes);
  }
}

struct EmbeddingCase {
  std::vector<int64_t> ids, row;
  int64_t rows;
  std::string type, idType;
  int64_t offset = 0, gap = 0; // of the destination
};

TEST(Embedding, sameBits) {
  const EmbeddingCase cases[] = {
      {{1, 3}, {2560}, 11, "bf16", "i64"}, {{5}, {333}, 7, "f32", "i32"}, {{2, 2}, {64}, 5, "f32", "i64", 3, 1},
      {{3}, {4, 24}, 5, "f16", "i64"},     {{4}, {}, 6, "f32", "i32"},    {{}, {40}, 6, "i1", "i64"},
      {{300}, {8}, 6, "f32", "i64", 4, 4},
  };
  for (const EmbeddingCase &c : cases) {
    SCOPED_TRACE(formatv("{0} rows of {1}", c.rows, c.type).str());
    std::vector<int64_t> tableShape{c.rows}, shape = c.ids;
    tableShape.insert(tableShape.end(), c.row.begin(), c.row.end());
    shape.insert(shape.end(), c.row.begin(), c.row.end());
    std::string it = bufferType(c.ids, c.idType, {0}, false), tt = bufferType(tableShape, c.type, {}, false),
                yt = bufferType(shape, c.type, {0}, c.gap > 0);
    std::string source = formatv("func.func @embedding(%i: {0}, %t: {1}, %y: {2}) {{\n"
                                 "nn.embedding ins(%i, %t : {0}, {1}) outs(%y : {2})\nreturn\n}\n",
                                 it, tt, yt);
    auto cpu = CompiledFunctions::compile(source, ""), gpu = CompiledFunctions::compile(source, "cuda:sm_80");
    ASSERT_TRUE(cpu && gpu);
    std::mt19937 random(5);
    Tensor ids(c.ids, c.idType), table(tableShape, c.type), y(shape, c.type, c.offset, c.gap);
    table.fill(random);
    int64_t count = ids.bytes.size() / ids.elementBytes();
    for (int64_t i = 0; i < count; ++i) {
      int64_t id = int64_t(random() % (2 * c.rows)) - c.rows;
      std::memcpy(&ids.bytes[i * ids.elementBytes()], &id, ids.elementBytes());
    }
    Tensor expected = y;
    ASSERT_EQ("", textOf(cpu->call("embedding", {ids.view(), table.view(), expected.view()})));
    ASSERT_EQ("", textOf(gpu->call("embedding", {ids.view(), table.view(), y.view()})));
    EXPECT_EQ(expected.bytes, y.bytes);

    // Outside of the table: a message, zeros in its place, and nothing read.
    int64_t outside = c.rows;
    std::memcpy(&ids.bytes[(count - 1) * ids.elementBytes()], &outside, ids.elementBytes());
    EXPECT_EQ("an index of an embedding is outside its table",
              textOf(gpu->call("embedding", {ids.view(), table.view(), y.view()})));
    int64_t size = y.elementBytes();
    for (int64_t row : c.row)
      size *= row;
    if (c.gap == 0)
      EXPECT_TRUE(std::all_of(y.bytes.end() - size, y.bytes.end(), [](char byte) { return byte == 0; }));
  }
}
