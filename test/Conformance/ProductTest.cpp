//===- ProductTest.cpp - Every target's products against the plain sum -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels are compiled once for sizes known at run time, then run over all sizes;
// a few are compiled for fixed sizes, as models are. Each operand ends at a page
// that cannot be read, and what lies between the rows of acc must stay.
//
//===----------------------------------------------------------------------===//

#include "KernelJit.h"

#include "gtest/gtest.h"
#include <cmath>
#include <random>
#include <sys/mman.h>
#include <unistd.h>

using namespace setun;
using namespace setun::conformance;

namespace {

constexpr int64_t kSizes[] = {1, 2, 3, 15, 16, 17, 63, 64, 65, 255, 256, 1000, 2560, 4097};
constexpr int64_t kTokens[] = {1, 2, 3, 4, 5, 7, 8, 16, 31, 64, 65};
constexpr int64_t kMostTokens = 65;

/// Memory whose end borders on a page that must not be touched, as does its beginning.
class Guarded {
public:
  explicit Guarded(size_t bytes) : page(sysconf(_SC_PAGESIZE)), size((bytes + page - 1) / page * page) {
    base = static_cast<uint8_t *>(mmap(nullptr, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base + page, size, PROT_READ | PROT_WRITE);
  }
  ~Guarded() { munmap(base, size + 2 * page); }
  Guarded(const Guarded &) = delete;
  /// The last `count` elements before the guard page.
  template <typename T> T *end(size_t count) { return reinterpret_cast<T *>(base + page + size) - count; }

private:
  size_t page, size;
  uint8_t *base;
};

enum class Pattern { Random, AllPlusMin, AllMinusMin, AllPlusMax, AllMinusMax, AllZero, Lopsided };
constexpr Pattern kExtremes[] = {Pattern::AllPlusMin,  Pattern::AllMinusMin, Pattern::AllPlusMax,
                                 Pattern::AllMinusMax, Pattern::AllZero,     Pattern::Lopsided};

/// One weight and 65 tokens, with the exact result.
struct Case {
  int64_t n, k;
  std::vector<int8_t> weight, x;
  std::vector<uint8_t> packed;
  std::vector<int32_t> expected; // [65][n]

  Case(int64_t n, int64_t k, Pattern pattern, std::mt19937 &random) : n(n), k(k), weight(n * k), x(kMostTokens * k) {
    for (int8_t &a : x)
      a = static_cast<int8_t>(random());
    for (int8_t &w : weight)
      w = static_cast<int8_t>(random() % 3) - 1;
    if (pattern != Pattern::Random && pattern != Pattern::Lopsided) {
      bool low = pattern == Pattern::AllPlusMin || pattern == Pattern::AllMinusMin;
      bool minus = pattern == Pattern::AllMinusMin || pattern == Pattern::AllMinusMax;
      std::fill(x.begin(), x.end(), low ? -128 : 127);
      std::fill(weight.begin(), weight.end(), pattern == Pattern::AllZero ? 0 : minus ? -1 : 1);
    } else if (pattern == Pattern::Lopsided) {
      // Row i takes the signs of token i, which is all extremes: every partial sum grows as fast as it can.
      for (int8_t &a : x)
        a = random() & 1 ? 127 : -128;
      for (int64_t row = 0; row < n; ++row)
        for (int64_t col = 0; col < k; ++col)
          weight[row * k + col] = (x[row % kMostTokens * k + col] < 0) == (row / kMostTokens % 2 == 0) ? -1 : 1;
    }
    PackedLayout layout{2, 16, 16, 2};
    packed.resize(layout.byteSize(n, k));
    packTrits(layout, n, k, weight, packed);
    expected.resize(kMostTokens * n);
    for (int64_t m = 0; m < kMostTokens; ++m)
      for (int64_t row = 0; row < n; ++row) {
        int32_t sum = 0;
        const int8_t *a = &x[m * k], *w = &weight[row * k];
        for (int64_t i = 0; i < k; ++i)
          sum += static_cast<int16_t>(a[i] * w[i]);
        expected[m * n + row] = sum;
      }
  }
};

/// Buffers for the largest case, reused.
struct Buffers {
  Guarded x{kMostTokens * 4200 * 4}, weight{4128 * 4112 / 4}, acc{kMostTokens * 4200 * 4}, scales{4200 * 4200 * 4};
};

constexpr int32_t kCanary = 0x5EEDBEEF;

using Product = void (*)(Matrix *, Vector *, Matrix *);
using ScaledProduct = void (*)(Matrix *, Vector *, Matrix *, Matrix *);

/// Runs m tokens of a case and compares; rows of x and acc are `gap` elements apart.
::testing::AssertionResult check(Product function, Buffers &buffers, const Case &c, int64_t m, int64_t gap) {
  int64_t xStride = c.k + gap, accStride = c.n + gap;
  int8_t *x = buffers.x.end<int8_t>((m - 1) * xStride + c.k);
  for (int64_t t = 0; t < m; ++t)
    std::copy_n(&c.x[t * c.k], c.k, x + t * xStride);
  uint8_t *weight = buffers.weight.end<uint8_t>(c.packed.size());
  std::copy(c.packed.begin(), c.packed.end(), weight);
  int64_t size = (m - 1) * accStride + c.n;
  int32_t *acc = buffers.acc.end<int32_t>(size);
  std::fill(acc, acc + size, kCanary);
  Matrix xs = matrixOf(x, m, c.k, xStride), out = matrixOf(acc, m, c.n, accStride);
  Vector bytes = vectorOf(weight, c.packed.size());
  function(&xs, &bytes, &out);
  for (int64_t t = 0; t < m; ++t)
    for (int64_t i = 0; i < accStride && t * accStride + i < size; ++i) {
      int32_t got = acc[t * accStride + i], want = i < c.n ? c.expected[t * c.n + i] : kCanary;
      if (got != want)
        return ::testing::AssertionFailure() << "N " << c.n << " K " << c.k << " M " << m << " gap " << gap
                                             << ": token " << t << " row " << i << " is " << got << ", not " << want;
    }
  return ::testing::AssertionSuccess();
}

class ProductTest : public ::testing::Test {
protected:
  static std::mt19937 random;
  Buffers buffers;
};
std::mt19937 ProductTest::random(2024);

struct Compiled {
  Variant variant;
  std::unique_ptr<KernelJit> jit;
  Product product;
};

std::vector<Compiled> compileAll(llvm::StringRef name, llvm::StringRef source) {
  std::vector<Compiled> all;
  for (const Variant &variant : getVariants()) {
    auto jit = std::make_unique<KernelJit>();
    if (!jit->compile(source, variant)) {
      ADD_FAILURE() << variant.name() << " does not compile";
      continue;
    }
    auto product = reinterpret_cast<Product>(jit->lookup(name));
    EXPECT_NE(product, nullptr);
    all.push_back({variant, std::move(jit), product});
  }
  return all;
}

TEST_F(ProductTest, EverySizeExact) {
  std::vector<Compiled> kernels = compileAll("ternary_dynamic", productSource("ternary_dynamic", "i8", -1, -1, -1, 0));
  std::vector<int64_t> sizes(std::begin(kSizes), std::end(kSizes));
  sizes.push_back(1 + random() % 700);
  int64_t cases = 0;
  for (int64_t n : sizes)
    for (int64_t k : sizes) {
      Case c(n, k, Pattern::Random, random);
      for (Compiled &kernel : kernels) {
        if (kernel.variant.emulated && n * k > 300 * 300)
          continue; // the same code at a hundredth of the speed
        for (int64_t m : kTokens) {
          ++cases;
          ASSERT_TRUE(check(kernel.product, buffers, c, m, m % 2 ? 0 : 5)) << kernel.variant.name();
        }
      }
    }
  for (Compiled &kernel : kernels)
    std::printf("  %s\n", kernel.variant.name().c_str());
  std::printf("  %ld cases exact\n", static_cast<long>(cases));
}

TEST_F(ProductTest, ExtremesExact) {
  std::vector<Compiled> kernels = compileAll("ternary_dynamic", productSource("ternary_dynamic", "i8", -1, -1, -1, 0));
  int64_t cases = 0;
  for (Pattern pattern : kExtremes)
    for (int64_t n : {1, 17, 64, 255})
      for (int64_t k : kSizes) {
        Case c(n, k, pattern, random);
        for (Compiled &kernel : kernels)
          for (int64_t m : {1, 3, 5, 7, 13, 16, 22, 64, 65}) {
            if (kernel.variant.emulated && (n > 64 || k > 1000))
              continue;
            ++cases;
            ASSERT_TRUE(check(kernel.product, buffers, c, m, 0))
                << kernel.variant.name() << " pattern " << int(pattern);
          }
      }
  std::printf("  %ld cases exact\n", static_cast<long>(cases));
}

TEST_F(ProductTest, FixedSizesExact) {
  struct Shape {
    int64_t m, n, k;
  };
  for (Shape shape : {Shape{1, 96, 80},
                      {1, 33, 100},
                      {4, 64, 256},
                      {16, 40, 48},
                      {32, 1024, 64},
                      {65, 2080, 96},
                      {-1, 2560, 640},
                      {-1, 100, 2561}}) {
    std::vector<Compiled> kernels =
        compileAll("ternary_fixed", productSource("ternary_fixed", "i8", shape.m, shape.n, shape.k, 0));
    Case c(shape.n, shape.k, Pattern::Random, random);
    for (Compiled &kernel : kernels) {
      if (shape.m > 0) {
        ASSERT_TRUE(check(kernel.product, buffers, c, shape.m, 0)) << kernel.variant.name();
        continue;
      }
      for (int64_t m : kTokens)
        ASSERT_TRUE(check(kernel.product, buffers, c, m, 3)) << kernel.variant.name();
    }
  }
}

// Threads would divide the work; the bits of float sums must not depend on the number of tokens.

template <typename T> float widen(T value);
template <> float widen(float value) { return value; }
template <> float widen(_Float16 value) { return value; }
/// The upper half of a float: compilers' own type needs library calls that are not everywhere.
struct BFloat {
  BFloat(float value) {
    uint32_t wide;
    std::memcpy(&wide, &value, 4);
    bits = static_cast<uint16_t>(wide >> 16);
  }
  uint16_t bits;
};
template <> float widen(BFloat value) {
  uint32_t wide = uint32_t(value.bits) << 16;
  float result;
  std::memcpy(&result, &wide, 4);
  return result;
}
template <> float widen(int8_t value) { return value; }

/// acc[m, n] in the written order: columns one after another, groups one after another.
template <typename T>
std::vector<float> orderedProduct(const Case &c, const T *x, int64_t m, const float *scales, int64_t groups) {
  std::vector<float> result(m * c.n);
  for (int64_t t = 0; t < m; ++t)
    for (int64_t row = 0; row < c.n; ++row) {
      float total = 0;
      int64_t columns = c.k / groups;
      for (int64_t g = 0; g < groups; ++g) {
        volatile float sum = 0;
        for (int64_t i = g * columns; i < (g + 1) * columns; ++i) {
          int8_t w = c.weight[row * c.k + i];
          if (w)
            sum = w > 0 ? sum + widen(x[t * c.k + i]) : sum - widen(x[t * c.k + i]);
        }
        volatile float scaled = scales ? sum * scales[row * groups + g] : sum;
        total = scales ? total + scaled : scaled;
      }
      result[t * c.n + row] = total;
    }
  return result;
}

template <typename T> void checkFloats(llvm::StringRef type, Buffers &buffers, std::mt19937 &random) {
  for (bool scaled : {false, true}) {
    if (!scaled && std::is_same_v<T, int8_t>)
      continue;
    std::vector<Compiled> kernels =
        compileAll("ternary_float", productSource("ternary_float", type, -1, -1, -1, scaled ? -1 : 0));
    for (int64_t n : {1, 15, 16, 33, 100})
      for (int64_t k : {1, 6, 16, 96, 130, 512})
        for (int64_t groups : {1, 2, 3}) {
          if (k % groups || (!scaled && groups > 1))
            continue;
          Case c(n, k, Pattern::Random, random);
          constexpr int64_t m = 5;
          T *x = buffers.x.end<T>(m * k);
          float *scales = buffers.scales.end<float>(n * groups);
          std::uniform_real_distribution<float> uniform(-2, 2);
          for (int64_t i = 0; i < m * k; ++i)
            x[i] = T(std::is_same_v<T, int8_t> ? std::round(63 * uniform(random)) : uniform(random));
          for (int64_t i = 0; i < n * groups; ++i)
            scales[i] = uniform(random);
          std::vector<float> expected = orderedProduct(c, x, m, scaled ? scales : nullptr, groups);
          uint8_t *weight = buffers.weight.end<uint8_t>(c.packed.size());
          std::copy(c.packed.begin(), c.packed.end(), weight);
          float *acc = buffers.acc.end<float>(m * n);
          std::fill(acc, acc + m * n, std::nanf(""));
          Matrix xs = matrixOf(x, m, k, k), out = matrixOf(acc, m, n, n), s = matrixOf(scales, n, groups, groups);
          Vector bytes = vectorOf(weight, c.packed.size());
          for (Compiled &kernel : kernels) {
            if (scaled)
              reinterpret_cast<ScaledProduct>(reinterpret_cast<void *>(kernel.product))(&xs, &bytes, &s, &out);
            else
              kernel.product(&xs, &bytes, &out);
            ASSERT_EQ(std::memcmp(acc, expected.data(), m * n * 4), 0)
                << kernel.variant.name() << " " << type.str() << " N " << n << " K " << k << " groups " << groups;
          }
        }
  }
}

TEST_F(ProductTest, FloatsInTheWrittenOrder) { checkFloats<float>("f32", buffers, random); }
TEST_F(ProductTest, HalvesInTheWrittenOrder) { checkFloats<_Float16>("f16", buffers, random); }
TEST_F(ProductTest, BrainFloatsInTheWrittenOrder) { checkFloats<BFloat>("bf16", buffers, random); }
TEST_F(ProductTest, ScaledIntegersInTheWrittenOrder) { checkFloats<int8_t>("i8", buffers, random); }

} // namespace
