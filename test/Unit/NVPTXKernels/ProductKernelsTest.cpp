//===- ProductKernelsTest.cpp - Products of few tokens in the emulator ----===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Against the plain sum: exactly for integers and for scales on them, within the
// error of any order of sums for floats. Rows of x start at any byte, and what lies
// between rows of acc must stay.
//
//===----------------------------------------------------------------------===//

#include "CompiledKernels.h"

#include "setun/Support/Packing.h"
#include "setun/Target/NVPTX/ProductKernels.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <random>

using namespace setun;
using namespace setun::test;

namespace {

constexpr int64_t kDynamic = -1;
constexpr int32_t kCanary = 0x5EEDBEEF;

std::string size(int64_t value) { return value == kDynamic ? "?" : std::to_string(value); }

/// A function of one product; sizes may be dynamic.
std::string source(const std::string &name, const std::string &type, int64_t m, int64_t n, int64_t k, bool scaled,
                   int64_t interleave) {
  PackedLayout layout{2, 16, 16, interleave};
  std::string bytes = size(n == kDynamic || k == kDynamic ? kDynamic : layout.byteSize(n, k));
  std::string result = type == "i8" && !scaled ? "i32" : "f32";
  std::string x = "memref<" + size(m) + "x" + size(k) + "x" + type + ", strided<[?, 1], offset: ?>>";
  std::string acc = "memref<" + size(m) + "x" + size(n) + "x" + result + ", strided<[?, 1], offset: ?>>";
  std::string w = "memref<" + bytes + "xi8>", s = "memref<" + size(n) + "x?xf32, strided<[?, 1], offset: ?>>";
  return "func.func @" + name + "(%x: " + x + ", %w: " + w + (scaled ? ", %s: " + s : "") + ", %acc: " + acc +
         ") attributes {llvm.emit_c_interface} {\n  ternary.matmul ins(%x, %w" + (scaled ? ", %s" : "") + " : " + x +
         ", " + w + (scaled ? ", " + s : "") + ") outs(%acc : " + acc +
         ") {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = " + std::to_string(interleave) +
         ">}\n  return\n}\n";
}

std::unique_ptr<CompiledKernels> compile(const std::string &source, const std::string &products) {
  return CompiledKernels::compile(source,
                                  "setun-convert-ternary-to-loops{target=cuda:sm_80 products=" + products + "}");
}

template <typename T> nvptx::MemoryRange range(const std::vector<T> &values) {
  return {reinterpret_cast<uint64_t>(values.data()), values.size() * sizeof(T)};
}

float widen(float x) { return x; }
float widen(_Float16 x) { return static_cast<float>(x); }
struct BFloat {
  uint16_t bits;
};
float widen(BFloat x) {
  uint32_t bits = uint32_t(x.bits) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
template <typename T> T narrow(float value) { return static_cast<T>(value); }
template <> BFloat narrow(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof value);
  return {static_cast<uint16_t>(bits >> 16)};
}

enum class Data { Random, Extreme };

/// Operands of one product and their results.
template <typename T> struct Case {
  int64_t m, n, k, groups;
  std::vector<T> x;
  std::vector<int8_t> trits;
  std::vector<float> scales;

  Case(int64_t m, int64_t n, int64_t k, int64_t groups, Data data, std::mt19937 &random)
      : m(m), n(n), k(k), groups(groups), x(m * k), trits(n * k), scales(n * groups) {
    for (T &value : x)
      value = std::is_same_v<T, int8_t> ? T(narrow<T>(data == Data::Extreme ? -128 : int(random() % 256) - 128))
                                        : narrow<T>((int(random() % 2001) - 1000) / 256.0f);
    for (size_t i = 0; i < trits.size(); ++i)
      trits[i] = data == Data::Extreme ? (i / k % 2 ? 1 : -1) : int(random() % 3) - 1;
    for (float &scale : scales)
      scale = (random() % 1000 + 1) / 512.0f;
  }

  /// Runs; `offset` elements stand before x, and as many as `gap` between rows.
  std::string run(CompiledKernels &kernels, const std::string &function, int64_t interleave, int64_t offset,
                  int64_t gap, uint64_t seed, std::vector<int32_t> &acc) const {
    PackedLayout layout{2, 16, 16, interleave};
    std::vector<uint8_t> packed(layout.byteSize(n, k) + 64);
    int64_t skip = -reinterpret_cast<intptr_t>(packed.data()) & 63; // to a line
    llvm::MutableArrayRef<uint8_t> weights(packed.data() + skip, packed.size() - 64);
    packTrits(layout, n, k, trits, weights);
    int64_t xStride = k + gap, accStride = n + gap;
    std::vector<T> rows(offset + (m - 1) * xStride + k);
    for (int64_t t = 0; t < m; ++t)
      std::copy_n(&x[t * k], k, &rows[offset + t * xStride]);
    acc.assign((m - 1) * accStride + n, kCanary);
    Buffer<T, 2> xBuffer{rows.data(), rows.data(), offset, {m, k}, {xStride, 1}};
    Buffer<uint8_t, 1> wBuffer{weights.data(), weights.data(), 0, {int64_t(weights.size())}, {1}};
    Buffer<int32_t, 2> accBuffer{acc.data(), acc.data(), 0, {m, n}, {accStride, 1}};
    auto *s = const_cast<float *>(scales.data());
    Buffer<float, 2> sBuffer{s, s, 0, {n, groups}, {groups, 1}};
    std::vector<void *> arguments{&xBuffer, &wBuffer};
    if (groups)
      arguments.push_back(&sBuffer);
    arguments.push_back(&accBuffer);
    std::vector<nvptx::MemoryRange> memory{
        range(rows), range(acc), {reinterpret_cast<uint64_t>(weights.data()), weights.size()}};
    if (groups)
      memory.push_back(range(scales));
    return kernels.run(function, arguments, memory, seed);
  }

  /// Runs and compares.
  std::string check(CompiledKernels &kernels, const std::string &function, int64_t interleave, int64_t offset,
                    int64_t gap, uint64_t seed) const {
    std::vector<int32_t> acc;
    int64_t accStride = n + gap;
    std::string message = run(kernels, function, interleave, offset, gap, seed, acc);
    for (size_t i = 0; i < acc.size() && message.empty(); ++i) {
      int64_t token = i / accStride, row = i % accStride;
      if (row >= n)
        message = acc[i] == kCanary ? "" : "something between rows was written";
      else
        message = compare(acc[i], token, row);
    }
    return message.empty() ? "" : describe(function, offset, gap) + message;
  }

  std::string describe(const std::string &function, int64_t offset, int64_t gap) const {
    return function + " M " + std::to_string(m) + " N " + std::to_string(n) + " K " + std::to_string(k) + " groups " +
           std::to_string(groups) + " offset " + std::to_string(offset) + " gap " + std::to_string(gap) + ": ";
  }

  std::string compare(int32_t got, int64_t token, int64_t row) const {
    std::string where = "token " + std::to_string(token) + " row " + std::to_string(row) + ": ";
    float value;
    std::memcpy(&value, &got, sizeof value);
    if constexpr (std::is_same_v<T, int8_t>) {
      float total = 0;
      int32_t sum = 0;
      for (int64_t i = 0; i < k; ++i) {
        sum += trits[row * k + i] * x[token * k + i];
        if (groups && (i + 1) % (k / groups) == 0) {
          float scaled = float(sum) * scales[row * groups + i / (k / groups)];
          total += scaled;
          sum = 0;
        }
      }
      if (groups ? value == total : got == sum)
        return "";
      return where + (groups ? std::to_string(value) + ", not " + std::to_string(total)
                             : std::to_string(got) + ", not " + std::to_string(sum));
    } else {
      double sum = 0, size = 0;
      for (int64_t i = 0; i < k; ++i) {
        double term = trits[row * k + i] * double(widen(x[token * k + i]));
        if (groups)
          term *= scales[row * groups + i / (k / groups)];
        sum += term;
        size += std::abs(term);
      }
      if (std::abs(value - sum) <= size * 1e-6)
        return "";
      return where + std::to_string(value) + ", not " + std::to_string(sum);
    }
  }
};

std::string interleaved(const std::string &name, int64_t interleave) { return name + std::to_string(interleave); }

struct ProductKernels : ::testing::Test {
  std::mt19937 random{7};
};

constexpr int64_t kSizes[] = {1, 2, 3, 15, 16, 17, 63, 64, 65, 255, 256, 1000};

} // namespace

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

// Every size and tail, by the kernel that knows none of them.
TEST_F(ProductKernels, DynamicSizes) {
  for (std::string products : {"best", "addsub"}) {
    std::string text;
    for (int64_t interleave : {1, 2, 4})
      text += source(interleaved("f", interleave), "i8", kDynamic, kDynamic, kDynamic, false, interleave);
    auto kernels = compile(text, products);
    ASSERT_TRUE(kernels);
    int64_t count = 0;
    for (int64_t n : kSizes)
      for (int64_t k : kSizes) {
        if ((products == "addsub" || kSanitized) && n * k > 100000)
          continue;
        int64_t m = count++ % 9 + 1, interleave = int64_t(1) << count % 5 / 2;
        Case<int8_t> c(m, n, k, 0, count % 3 ? Data::Random : Data::Extreme, random);
        bool aligned = count % 2;
        EXPECT_EQ(c.check(*kernels, interleaved("f", interleave), interleave, aligned ? 16 : count % 16,
                          aligned ? (16 - k % 16) % 16 : count % 7, count),
                  "");
      }
  }
}

// What is known of the sizes makes other code: straight, looped, with several stages, several blocks of rows a block.
TEST_F(ProductKernels, KnownSizes) {
  struct Shape {
    int64_t m, n, k;
  };
  constexpr Shape shapes[] = {{1, 16, 16},    {1, 2560, 256}, {1, 40, 2560}, {2, 33, 100},   {3, 100, 1000},
                              {4, 64, 640},   {8, 48, 2560},  {9, 17, 2561}, {1, 5, 33},     {1, 16, 100000},
                              {8, 16, 20000}, {1, 32, 6912},  {5, 7, 128},   {1, 4300, 128}, {kDynamic, 96, 6912}};
  for (std::string products : {"best", "addsub"}) {
    std::string text;
    for (auto [i, shape] : llvm::enumerate(shapes))
      text += source("f" + std::to_string(i), "i8", shape.m, shape.n, shape.k, false, 1);
    auto kernels = compile(text, products);
    ASSERT_TRUE(kernels);
    for (auto [i, shape] : llvm::enumerate(shapes)) {
      if ((products == "addsub" || kSanitized) && shape.n * shape.k > 400000)
        continue;
      for (int64_t m : {1, 2, 7, 20}) {
        if (shape.m != kDynamic && m > 1)
          break;
        for (Data data : {Data::Random, Data::Extreme}) {
          Case<int8_t> c(shape.m == kDynamic ? m : shape.m, shape.n, shape.k, 0, data, random);
          EXPECT_EQ(c.check(*kernels, "f" + std::to_string(i), 1, data == Data::Random ? 0 : 3, i % 2 * 16, i), "");
        }
      }
    }
  }
}

// Sums of groups are exact, and added in order.
TEST_F(ProductKernels, Groups) {
  struct Shape {
    int64_t m, n, k, groups;
  };
  constexpr Shape shapes[] = {{1, 16, 128, 1}, {1, 33, 1280, 10}, {3, 17, 96, 3},  {4, 5, 100, 20}, {5, 20, 1000, 1000},
                              {1, 16, 7, 7},   {2, 40, 640, 5},   {9, 48, 256, 4}, {1, 1, 1, 1},    {1, 18, 2000, 500}};
  std::string text;
  for (int64_t interleave : {1, 2})
    text += source(interleaved("f", interleave), "i8", kDynamic, kDynamic, kDynamic, true, interleave);
  text += source("h1", "f16", kDynamic, kDynamic, kDynamic, true, 1);
  for (auto [i, shape] : llvm::enumerate(shapes))
    text += source("known" + std::to_string(i), "i8", shape.m, shape.n, shape.k, true, 1);
  auto kernels = compile(text, "best");
  ASSERT_TRUE(kernels);
  for (auto [i, shape] : llvm::enumerate(shapes)) {
    Case<int8_t> c(shape.m, shape.n, shape.k, shape.groups, i % 4 ? Data::Random : Data::Extreme, random);
    for (int64_t interleave : {1, 2})
      EXPECT_EQ(c.check(*kernels, interleaved("f", interleave), interleave, i % 3, i % 4, i), "");
    EXPECT_EQ(c.check(*kernels, "known" + std::to_string(i), 1, 0, 0, i), "");
    Case<_Float16> halves(shape.m, shape.n, shape.k, shape.groups, Data::Random, random);
    EXPECT_EQ(halves.check(*kernels, "h1", 1, i % 3, i % 4, i), "");
  }
}

// Float activations of any type.
TEST_F(ProductKernels, Floats) {
  std::string text;
  for (std::string type : {"f32", "f16", "bf16"}) {
    text += source(type, type, kDynamic, kDynamic, kDynamic, false, 1);
    text += source(type + "_known", type, kDynamic, 50, 1300, false, 1);
  }
  auto kernels = compile(text, "best");
  ASSERT_TRUE(kernels);
  for (int64_t m : {1, 2, 3, 4, 6})
    for (int64_t k : {1, 16, 100, 1300}) {
      int64_t n = k == 1300 ? 50 : 16 * m + m;
      for (std::string kind : {"", "_known"}) {
        if (!kind.empty() && k != 1300)
          continue;
        EXPECT_EQ(Case<float>(m, n, k, 0, Data::Random, random).check(*kernels, "f32" + kind, 1, m, m, m), "");
        EXPECT_EQ(Case<_Float16>(m, n, k, 0, Data::Random, random).check(*kernels, "f16" + kind, 1, m, m, m), "");
        EXPECT_EQ(Case<BFloat>(m, n, k, 0, Data::Random, random).check(*kernels, "bf16" + kind, 1, m, m, m), "");
      }
    }
}

// Sums of floats have one order for a shape: tokens get the same bits alone and among others, on any schedule.
TEST_F(ProductKernels, FloatsHaveOneOrder) {
  auto kernels = compile(source("f", "f32", kDynamic, kDynamic, kDynamic, false, 1), "best");
  ASSERT_TRUE(kernels);
  Case<float> all(5, 37, 3000, 0, Data::Random, random);
  std::vector<int32_t> bits, alone;
  ASSERT_EQ(all.run(*kernels, "f", 1, 0, 0, 1, bits), "");
  for (int64_t m : {1, 2, 3}) {
    Case<float> some = all;
    some.m = m;
    some.x.resize(m * some.k);
    ASSERT_EQ(some.run(*kernels, "f", 1, 3, 0, m + 1, alone), "");
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), bits.begin())) << m << " tokens";
  }
}

/// The products of a module as kernels whose epilogues store `companions` sums each, in the place of their rows, and
/// whose prologue, if there is one, reads the activations as they are.
static void fuse(mlir::ModuleOp module, llvm::ArrayRef<int64_t> counts, bool prologue, bool additions) {
  std::vector<ternary::MatmulOp> products;
  module.walk([&](ternary::MatmulOp op) { products.push_back(op); });
  for (auto [op, count] : llvm::zip_equal(products, counts)) {
    const int64_t companions = count;
    mlir::OpBuilder at(op);
    nvptx::DeviceBuilder b(op.getLoc(), at);
    Product p = *Product::get(b, op);
    nvptx::DeviceProduct product = nvptx::makePlainProduct(b, p);
    int64_t columns = *getConstant(p.n) / companions;
    product.columns = b.index(columns);
    product.dependent = true;
    product.companions.clear();
    for (int64_t i = 0; i < companions; ++i)
      product.companions.push_back(i * columns);
    product.epilogue = [=](nvptx::DeviceBuilder &b, Value m, Value n, ValueRange sums) {
      for (int64_t i = 0; i < companions; ++i)
        b.store(sums[i], p.acc, b.add(b.mul(m, p.accStride), b.add(n, i * columns)));
    };
    if (prologue) {
      ASSERT_TRUE(nvptx::takesPrologue(p));
      product.prologue = nvptx::Prologue{[p](nvptx::DeviceBuilder &b, const nvptx::Threads &t, Value m, Value words) {
        auto loop = mlir::scf::ForOp::create(b, t.thread, b.shl(p.colTiles, 2), b.index(32));
        mlir::OpBuilder::InsertionGuard guard(b);
        b.setInsertionPoint(loop.getBody()->getTerminator());
        Value word = b.constant(b.getI32Type(), 0);
        for (int64_t i = 0; i < 4; ++i) {
          Value column = b.add(b.shl(loop.getInductionVar(), 2), i);
          Value inside = b.cmp(mlir::arith::CmpIPredicate::ult, column, p.k);
          Value x = b.load(p.x, b.add(b.mul(m, p.xStride), b.select(inside, column, b.index(0))));
          x = b.select(inside, x, b.constant(b.getI8Type(), 0));
          x = mlir::arith::ExtUIOp::create(b, b.getI32Type(), x);
          word = b.createOrFold<mlir::arith::OrIOp>(word, b.shl(x, 8 * i));
        }
        b.store(word, words, loop.getInductionVar());
        b.setInsertionPointAfter(loop);
        b.barrier();
      }};
    }
    additions ? emitAdditionProduct(b, product) : emitDecodeProduct(b, product);
    op.erase();
  }
}

// What stands before and after a product in its kernel.
TEST_F(ProductKernels, Fused) {
  struct Shape {
    int64_t n, k, companions;
  };
  constexpr Shape shapes[] = {{64, 100, 2}, {40, 640, 2},   {10, 2000, 2}, {66, 33, 2},
                              {99, 64, 3},  {60, 1100, 12}, {600, 130, 1}};
  std::string text;
  std::vector<int64_t> companions;
  for (auto [i, shape] : llvm::enumerate(shapes)) {
    text += source("f" + std::to_string(i), "i8", kDynamic, shape.n, shape.k, false, i % 2 + 1);
    companions.push_back(shape.companions);
  }
  for (bool prologue : {false, true})
    for (bool additions : {false, true}) {
      if (prologue && additions)
        continue;
      size_t number = 0;
      auto kernels = CompiledKernels::compile(text, "canonicalize", "cuda:sm_90", [&](mlir::ModuleOp module) {
        fuse(module, companions, prologue, additions);
      });
      ASSERT_TRUE(kernels);
      for (auto [i, shape] : llvm::enumerate(shapes))
        for (int64_t m : {1, 2, 5, 9}) {
          if (kSanitized && m % 2 == 0)
            continue;
          Case<int8_t> c(m, shape.n, shape.k, 0, ++number % 3 ? Data::Random : Data::Extreme, random);
          EXPECT_EQ(c.check(*kernels, "f" + std::to_string(i), i % 2 + 1, m % 3, m % 2, m), "");
        }
    }
}
