//===- EvaluatorTest.cpp - Slices compiled and run -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Evaluate/Evaluator.h"

#include "llvm/ADT/bit.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <random>
#include <sys/mman.h>

using namespace setun;

namespace {

template <typename T> llvm::ArrayRef<char> bytesOf(const std::vector<T> &values) {
  return {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)};
}

template <typename T>
std::vector<T> run(Evaluator &evaluator, llvm::StringRef text, llvm::ArrayRef<llvm::ArrayRef<char>> arguments) {
  auto results = evaluator.evaluate(text, arguments);
  if (!results) {
    ADD_FAILURE() << llvm::toString(results.takeError());
    return {};
  }
  auto &buffer = *results->front();
  std::vector<T> values(buffer.getBufferSize() / sizeof(T));
  std::memcpy(values.data(), buffer.getBufferStart(), values.size() * sizeof(T));
  return values;
}

constexpr const char *kAdd = R"(
func.func @slice(%x: tensor<2x3xf32>, %y: tensor<3xf32>) -> tensor<2x3xf32> {
  %e = tensor.empty() : tensor<2x3xf32>
  %b = linalg.broadcast ins(%y : tensor<3xf32>) outs(%e : tensor<2x3xf32>) dimensions = [0]
  %r = arith.addf %x, %b : tensor<2x3xf32>
  return %r : tensor<2x3xf32>
})";

TEST(Evaluator, CompilesEachTextOnce) {
  Evaluator evaluator;
  std::vector<float> x = {1, 2, 3, 4, 5, 6}, y = {10, 20, 30}, z = {0, 0, 1};
  EXPECT_EQ(run<float>(evaluator, kAdd, {bytesOf(x), bytesOf(y)}), (std::vector<float>{11, 22, 33, 14, 25, 36}));
  EXPECT_EQ(run<float>(evaluator, kAdd, {bytesOf(x), bytesOf(z)}), (std::vector<float>{1, 2, 4, 4, 5, 7}));
  EXPECT_EQ(evaluator.getNumCompiled(), 1u);
}

TEST(Evaluator, WritesToNoArgument) {
  // The pages are read-only, as those of a model's file are; the update below would be made in place otherwise.
  constexpr const char *text = R"(
func.func @slice(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %one = arith.constant 1.0 : f32
  %i = arith.constant 2 : index
  %r = tensor.insert %one into %x[%i] : tensor<4xf32>
  return %r, %x : tensor<4xf32>, tensor<4xf32>
})";
  auto *page = static_cast<float *>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  Evaluator evaluator;
  auto results = evaluator.evaluate(text, {llvm::ArrayRef<char>(reinterpret_cast<char *>(page), 16)});
  ASSERT_TRUE(static_cast<bool>(results)) << llvm::toString(results.takeError());
  auto *first = reinterpret_cast<float *>((*results)[0]->getBufferStart());
  auto *second = reinterpret_cast<float *>((*results)[1]->getBufferStart());
  EXPECT_EQ(std::vector<float>(first, first + 4), (std::vector<float>{0, 0, 1, 0}));
  EXPECT_EQ(std::vector<float>(second, second + 4), std::vector<float>(4));
  munmap(page, 4096);
}

TEST(Evaluator, TakesMisalignedBytes) {
  std::vector<float> x = {1, 2, 3, 4, 5, 6}, y = {10, 20, 30};
  std::vector<char> shifted(x.size() * 4 + 1);
  std::memcpy(shifted.data() + 1, x.data(), x.size() * 4);
  Evaluator evaluator;
  auto bytes = llvm::ArrayRef<char>(shifted).drop_front();
  EXPECT_EQ(run<float>(evaluator, kAdd, {bytes, bytesOf(y)}), (std::vector<float>{11, 22, 33, 14, 25, 36}));
}

TEST(Evaluator, SumsInDouble) {
  // A sequential f32 sum stops growing at 2^24.
  constexpr const char *text = R"(
func.func @slice(%x: tensor<20000000xf32>) -> tensor<f32> {
  %z = arith.constant dense<0.0> : tensor<f32>
  %r = linalg.reduce { arith.addf } ins(%x : tensor<20000000xf32>) outs(%z : tensor<f32>) dimensions = [0]
  return %r : tensor<f32>
})";
  Evaluator evaluator;
  std::vector<float> ones(20000000, 1.0f);
  EXPECT_EQ(run<float>(evaluator, text, {bytesOf(ones)}), std::vector<float>{20000000.0f});
}

float roundToBf16(float value) {
  auto bits = llvm::bit_cast<uint32_t>(value);
  return llvm::bit_cast<float>((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u);
}

TEST(Evaluator, RoundsEachStepToBf16) {
  constexpr const char *text = R"(
func.func @slice(%x: tensor<64xbf16>, %y: tensor<64xbf16>) -> tensor<64xbf16> {
  %a = math.absf %x : tensor<64xbf16>
  %m = arith.mulf %a, %y : tensor<64xbf16>
  %s = arith.addf %m, %x : tensor<64xbf16>
  %r = math.roundeven %s : tensor<64xbf16>
  %c = arith.constant dense<-3.0> : tensor<64xbf16>
  %d = arith.divf %s, %y : tensor<64xbf16>
  %e = arith.maximumf %d, %c : tensor<64xbf16>
  %i = arith.fptosi %r : tensor<64xbf16> to tensor<64xi8>
  %f = arith.sitofp %i : tensor<64xi8> to tensor<64xbf16>
  %g = arith.subf %f, %e : tensor<64xbf16>
  return %g : tensor<64xbf16>
})";
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<uint16_t> x(64), y(64);
  std::vector<float> expected(64);
  auto toFloat = [](uint16_t bits) { return llvm::bit_cast<float>(static_cast<uint32_t>(bits) << 16); };
  for (int i = 0; i < 64; ++i) {
    x[i] = llvm::bit_cast<uint32_t>(normal(random) * 5) >> 16;
    y[i] = llvm::bit_cast<uint32_t>(normal(random)) >> 16;
    float s = roundToBf16(roundToBf16(std::fabs(toFloat(x[i])) * toFloat(y[i])) + toFloat(x[i]));
    float e = std::max(roundToBf16(s / toFloat(y[i])), -3.0f);
    expected[i] = roundToBf16(std::nearbyint(s) - e);
  }
  Evaluator evaluator;
  std::vector<uint16_t> result = run<uint16_t>(evaluator, text, {bytesOf(x), bytesOf(y)});
  ASSERT_EQ(result.size(), 64u);
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(toFloat(result[i]), expected[i]) << i;
}

TEST(Evaluator, ComputesInF16) {
  constexpr const char *text = R"(
func.func @slice(%x: tensor<4xf16>) -> (tensor<4xf16>) {
  %c = arith.constant dense<3.0> : tensor<4xf16>
  %d = arith.divf %x, %c : tensor<4xf16>
  %w = arith.extf %d : tensor<4xf16> to tensor<4xf32>
  %s = math.sqrt %w : tensor<4xf32>
  %r = arith.truncf %s : tensor<4xf32> to tensor<4xf16>
  return %r : tensor<4xf16>
})";
  Evaluator evaluator; // 3, 12, 0.75, 6 become 1, 2, 0.5, 1.414
  std::vector<uint16_t> x = {0x4200, 0x4a00, 0x3a00, 0x4600};
  EXPECT_EQ(run<uint16_t>(evaluator, text, {bytesOf(x)}), (std::vector<uint16_t>{0x3c00, 0x4000, 0x3800, 0x3da8}));
}

TEST(Evaluator, RunsLoopsGathersAndMasks) {
  // What unpacks four trits of a byte, a sort's index, a padded and concatenated tensor, a call.
  constexpr const char *text = R"(
func.func private @twice(%x: tensor<8xi8>) -> tensor<8xi8> {
  %r = arith.addi %x, %x : tensor<8xi8>
  return %r : tensor<8xi8>
}
func.func @slice(%x: tensor<2xi8>) -> tensor<10xi8> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %two = arith.constant 2 : i8
  %three = arith.constant dense<3> : tensor<2xi8>
  %one = arith.constant dense<1> : tensor<8xi8>
  %e = tensor.empty() : tensor<8xi8>
  %codes = scf.for %i = %c0 to %c4 step %c1 iter_args(%acc = %e) -> tensor<8xi8> {
    %i8 = arith.index_cast %i : index to i8
    %shift = arith.muli %i8, %two : i8
    %by = tensor.splat %shift : tensor<2xi8>
    %s = arith.shrui %x, %by : tensor<2xi8>
    %m = arith.andi %s, %three : tensor<2xi8>
    %o = arith.muli %i, %c2 : index
    %n = tensor.insert_slice %m into %acc[%o] [2] [1] : tensor<2xi8> into tensor<8xi8>
    scf.yield %n : tensor<8xi8>
  }
  %t = arith.subi %codes, %one : tensor<8xi8>
  %d = func.call @twice(%t) : (tensor<8xi8>) -> tensor<8xi8>
  %zero = arith.constant 7 : i8
  %p = tensor.pad %d low[1] high[0] { ^bb0(%i: index): tensor.yield %zero : i8 } : tensor<8xi8> to tensor<9xi8>
  %c = tensor.extract_slice %t[0] [1] [1] : tensor<8xi8> to tensor<1xi8>
  %r = tensor.concat dim(0) %p, %c : (tensor<9xi8>, tensor<1xi8>) -> tensor<10xi8>
  return %r : tensor<10xi8>
})";
  Evaluator evaluator;
  std::vector<uint8_t> x = {0b10010010, 0b00000110}; // codes 2 0 1 2 and 2 1 0 0
  EXPECT_EQ(run<int8_t>(evaluator, text, {bytesOf(x)}), (std::vector<int8_t>{7, 2, 2, -2, 0, 0, -2, 2, -2, 1}));
}

TEST(Evaluator, ComparesAndSelects) {
  constexpr const char *text = R"(
func.func @slice(%x: tensor<3xf32>, %m: tensor<3xi1>) -> (tensor<3xf32>, tensor<3xi1>) {
  %z = arith.constant dense<0.0> : tensor<3xf32>
  %g = arith.cmpf ogt, %x, %z : tensor<3xf32>
  %b = arith.andi %g, %m : tensor<3xi1>
  %f = arith.uitofp %b : tensor<3xi1> to tensor<3xf32>
  %n = arith.xori %b, %m : tensor<3xi1>
  return %f, %n : tensor<3xf32>, tensor<3xi1>
})";
  Evaluator evaluator;
  std::vector<float> x = {1, -1, 2};
  std::vector<char> mask = {1, 1, 0};
  auto results = evaluator.evaluate(text, {bytesOf(x), bytesOf(mask)});
  ASSERT_TRUE(static_cast<bool>(results)) << llvm::toString(results.takeError());
  auto *f = reinterpret_cast<float *>((*results)[0]->getBufferStart());
  EXPECT_EQ(std::vector<float>(f, f + 3), (std::vector<float>{1, 0, 0}));
  auto bits = (*results)[1]->getBuffer();
  EXPECT_EQ(std::vector<char>(bits.begin(), bits.end()), (std::vector<char>{0, 1, 0}));
}

TEST(Evaluator, SurvivesDivisionByZero) {
  constexpr const char *text = R"(
func.func @slice(%x: tensor<4xi32>, %y: tensor<4xi32>) -> (tensor<4xi32>, tensor<4xi32>) {
  %d = arith.divsi %x, %y : tensor<4xi32>
  %r = arith.remui %x, %y : tensor<4xi32>
  return %d, %r : tensor<4xi32>, tensor<4xi32>
})";
  Evaluator evaluator;
  std::vector<int32_t> x = {7, INT32_MIN, -9, 5}, y = {0, -1, 2, 3};
  EXPECT_EQ(run<int32_t>(evaluator, text, {bytesOf(x), bytesOf(y)}), (std::vector<int32_t>{7, INT32_MIN, -4, 1}));
}

std::string getError(llvm::StringRef text, llvm::ArrayRef<llvm::ArrayRef<char>> arguments) {
  Evaluator evaluator;
  auto results = evaluator.evaluate(text, arguments);
  return results ? "" : llvm::toString(results.takeError());
}

TEST(Evaluator, TellsWhatStandsInTheWay) {
  std::vector<float> x(4);
  EXPECT_NE(getError("func.func @slice(%x: tensor<?xf32>) -> tensor<?xf32> { return %x : tensor<?xf32> }", {bytesOf(x)})
                .find("static tensor"),
            std::string::npos);
  EXPECT_NE(getError("func.func @other() { return }", {}).find("cannot lower"), std::string::npos);
  EXPECT_NE(getError("func.func @slice( -> {", {}).find("expected"), std::string::npos);
  constexpr const char *external = R"(
func.func private @gone(tensor<4xf32>) -> tensor<4xf32>
func.func @slice(%x: tensor<4xf32>) -> tensor<4xf32> {
  %r = call @gone(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
})";
  EXPECT_NE(getError(external, {bytesOf(x)}), "");
  EXPECT_NE(getError(kAdd, {bytesOf(x)}).find("2 arguments"), std::string::npos);
  EXPECT_NE(getError(kAdd, {bytesOf(x), bytesOf(x)}).find("bytes"), std::string::npos);
}

} // namespace
