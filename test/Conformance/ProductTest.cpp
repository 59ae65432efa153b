//===- ProductTest.cpp - Every level's products against the plain sum -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each test compiles its kernels once and runs them over all its cases. Operands
// end, or begin, at memory that cannot be touched, and what lies between the rows
// of acc must stay.
//
//===----------------------------------------------------------------------===//

#include "Cases.h"
#include "Table.h"

#include "mlir/IR/BuiltinTypes.h"

#include "gtest/gtest.h"
#include <chrono>
#include <cmath>

using namespace setun;
using namespace setun::conformance;
using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

#ifndef __has_feature
#define __has_feature(FEATURE) 0
#endif
// Under a sanitizer the compiler and the suite are watched, and slow; kernels are not.
static constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);

void setun::conformance::PrintTo(const Subject &subject, std::ostream *os) { *os << subject.getName(); }

namespace {

constexpr int32_t kCanary = 0x5EEDBEEF;

class ProductTest : public ::testing::TestWithParam<Subject> {
protected:
  void SetUp() override {
    start = std::chrono::steady_clock::now();
    if (kSanitized && (GetParam().way == Way::Remote || (isDevice() && getTurn())))
      return skip("not under a sanitizer");
    auto made = makeExecutor(GetParam(), memory);
    if (!made)
      return skip(llvm::toString(made.takeError()));
    executor = std::move(*made);
  }

  void TearDown() override {
    std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    if (executor)
      record(GetParam(), cases, passed.count());
  }

  void skip(const std::string &why) {
    record(GetParam(), 0, 0, "SKIPPED: " + why);
    GTEST_SKIP() << GetParam().getName() << ": " << why;
  }

  bool isDevice() const { return GetParam().level->getTarget().isDevice(); }

  /// Levels of the target behind this one: none behind the plainest.
  int64_t getTurn() const {
    int64_t turn = -1;
    for (const std::unique_ptr<TargetLevel> &level : GetParam().level->getTarget().getLevels())
      turn = level.get() == GetParam().level ? 0 : turn < 0 ? turn : turn + 1;
    return turn;
  }

  /// What the way of running can afford of a layout's cases. A device's levels differ in few instructions: those above
  /// the plainest share its cases out among them, as do emulations of levels that run natively as well.
  Effort getEffort(bool usual) const {
    const Subject &subject = GetParam();
    bool slow = subject.products == Products::AddSub && isDevice(); // a thread an addition
    bool again = isDevice() ? getTurn() > 0 : subject.way == Way::Emulated && runsOnHost(*subject.level);
    int64_t most = subject.way == Way::Native ? INT64_MAX : (slow ? 1 << 20 : 4 << 20) >> (again ? 2 : 0);
    int64_t stride = (kSanitized || !usual ? 5 : slow ? 3 : 1) * (again ? 3 : 1);
    return {std::min<int64_t>(getOptions().most, kSanitized ? 1 << 20 : most), stride, getTurn() % stride, again};
  }

  std::vector<PackedLayout> getLayouts(mlir::Type activation, int64_t groups) const {
    constexpr int64_t any = mlir::ShapedType::kDynamic;
    return GetParam().level->getLayouts(ProductShape{any, any, any, groups, activation});
  }

  void pack(const PackedLayout &layout, int64_t n, int64_t k, llvm::ArrayRef<int8_t> trits) {
    packed.assign(layout.byteSize(n, k), 0);
    packTrits(layout, n, k, trits, packed);
  }

  void runGroups(Kernels &kernels, size_t function, const PackedLayout &layout, llvm::ArrayRef<Group> groups);
  AssertionResult check(Kernels &kernels, size_t function, const Case &c, int64_t m, int64_t gap, bool atStart);
  template <typename T> void checkFloats(llvm::StringRef name, mlir::Type type);

  mlir::MLIRContext context;
  mlir::Builder types{&context};
  std::mt19937 random{getOptions().seed};
  OperandMemory memory;
  std::unique_ptr<Executor> executor;
  std::vector<uint8_t> packed;
  int64_t cases = 0;
  std::chrono::steady_clock::time_point start;
};

std::string describe(const PackedLayout &layout) {
  return std::to_string(layout.tileRows) + "x" + std::to_string(layout.tileCols) + " tiles, interleave " +
         std::to_string(layout.interleave);
}

/// Runs m tokens of a case, packed already, and compares; rows of x and acc are `gap` elements apart.
AssertionResult ProductTest::check(Kernels &kernels, size_t function, const Case &c, int64_t m, int64_t gap,
                                   bool atStart) {
  ++cases;
  int64_t xStride = c.k + gap, accStride = c.n + gap, size = (m - 1) * accStride + c.n;
  auto *x = memory.place<int8_t>(Slot::X, (m - 1) * xStride + c.k, atStart);
  for (int64_t t = 0; t < m; ++t)
    std::copy_n(&c.x[t * c.k], c.k, x + t * xStride);
  auto *weight = memory.place<uint8_t>(Slot::Weight, packed.size(), atStart);
  std::copy(packed.begin(), packed.end(), weight);
  auto *acc = memory.place<int32_t>(Slot::Result, size, atStart);
  std::fill(acc, acc + size, kCanary);
  Operand operands[] = {Operand::matrix(x, m, c.k, xStride), Operand::vector(weight, packed.size()),
                        Operand::matrix(acc, m, c.n, accStride)};
  auto where = [&](AssertionResult result) {
    return result << "N " << c.n << " K " << c.k << " M " << m << " gap " << gap << ": ";
  };
  if (llvm::Error failure = kernels.call(function, operands))
    return where(AssertionFailure()) << llvm::toString(std::move(failure));
  for (int64_t i = 0; i < size; ++i) {
    int64_t token = i / accStride, row = i % accStride;
    int32_t want = row < c.n ? c.expected[token * c.n + row] : kCanary;
    if (acc[i] != want)
      return where(AssertionFailure()) << "token " << token << " row " << row << " is " << acc[i] << ", not " << want;
  }
  return AssertionSuccess();
}

void ProductTest::runGroups(Kernels &kernels, size_t function, const PackedLayout &layout,
                            llvm::ArrayRef<Group> groups) {
  for (const Group &group : groups) {
    Case c(group.n, group.k, *std::max_element(group.tokens.begin(), group.tokens.end()), group.pattern, random);
    pack(layout, c.n, c.k, c.weight);
    for (int64_t m : group.tokens)
      ASSERT_TRUE(check(kernels, function, c, m, m % 2 ? 0 : 5, m % 4 == 3))
          << describe(layout) << ", " << toString(group.pattern).str();
  }
}

TEST_P(ProductTest, Exact) {
  std::vector<PackedLayout> layouts = getLayouts(types.getI8Type(), 0);
  ASSERT_FALSE(layouts.empty()) << "no layout for int8 activations";
  if (kSanitized)
    layouts.resize(1);
  std::string source;
  std::vector<std::string> names;
  for (const PackedLayout &layout : layouts) {
    names.push_back("ternary_dynamic_" + std::to_string(names.size()));
    source += productSource(names.back(), "i8", -1, -1, -1, 0, layout);
  }
  if (GetParam().level->getInfo().products.empty()) { // getSubjects relies on it
    EXPECT_FALSE(KernelCompiler().usesIntrinsics(source, *GetParam().level)) << "LevelInfo names no instructions";
    EXPECT_TRUE(KernelCompiler().onlyAdds(source, *GetParam().level)) << "LevelInfo names no instructions";
  }
  std::unique_ptr<Kernels> kernels = executor->compile(source, names);
  ASSERT_TRUE(kernels) << GetParam().getName() << " does not compile";
  for (size_t i = 0; i < layouts.size(); ++i) {
    Effort effort = getEffort(i == 0);
    int64_t count = std::lround((kSanitized ? 20 : 100) * getOptions().more / (i + 1));
    for (const std::vector<Group> &groups :
         {getGrid(effort, random), getExtremes(effort), getLong(effort), getRandom(effort, count, random)}) {
      runGroups(*kernels, i, layouts[i], groups);
      if (HasFatalFailure())
        return;
    }
  }
}

TEST_P(ProductTest, FixedSizes) {
  struct Fixed {
    int64_t m, n, k;
  };
  constexpr Fixed shapes[] = {{1, 96, 80},    {1, 33, 100},    {4, 64, 256},   {16, 40, 48},  {32, 1024, 64},
                              {65, 2080, 96}, {-1, 2560, 640}, {-1, 40, 7169}, {-1, 40, 7200}};
  std::vector<PackedLayout> layouts;
  std::vector<std::string> names;
  std::string source;
  for (const Fixed &shape : shapes) {
    auto known = [](int64_t size) { return size < 0 ? mlir::ShapedType::kDynamic : size; };
    ProductShape product{known(shape.m), shape.n, shape.k, 0, types.getI8Type()};
    std::vector<PackedLayout> readable = GetParam().level->getLayouts(product);
    ASSERT_FALSE(readable.empty()) << "no layout for N " << shape.n << " K " << shape.k;
    layouts.push_back(readable[names.size() % readable.size()]);
    names.push_back("ternary_fixed_" + std::to_string(names.size()));
    source += productSource(names.back(), "i8", shape.m, shape.n, shape.k, 0, layouts.back());
  }
  std::unique_ptr<Kernels> kernels = executor->compile(source, names);
  ASSERT_TRUE(kernels) << GetParam().getName() << " does not compile";
  for (size_t i = 0; i < layouts.size(); ++i) {
    std::vector<int64_t> tokens{shapes[i].m};
    if (shapes[i].m < 0)
      tokens = {1, 2, 3, 4, 5, 7, 8, 16, 31, 64, 65};
    runGroups(*kernels, i, layouts[i], Group{shapes[i].n, shapes[i].k, Pattern::Random, tokens});
    if (HasFatalFailure())
      return;
  }
}

/// Whether sums of floats are those of the written order, bit for bit; a device has an order of its own, which may be
/// off by the rounding of its additions. Sums of integers are exact on both, and groups of them are added in order.
template <typename T> bool areRight(const FloatCase<T> &c, const float *acc, bool isDevice) {
  if (!isDevice || std::is_same_v<T, int8_t>)
    return !std::memcmp(acc, c.expected.data(), c.expected.size() * sizeof(float));
  for (int64_t i = 0; i < c.m * c.n; ++i) {
    double size = 0;
    for (int64_t column = 0; column < c.k; ++column) {
      double scale = c.groups ? c.scales[i % c.n * c.groups + column / (c.k / c.groups)] : 1;
      size += std::abs(c.weight[i % c.n * c.k + column] * scale * float(c.x[i / c.n * c.k + column]));
    }
    if (!(std::abs(acc[i] - double(c.expected[i])) <= size * 0x1p-20))
      return false;
  }
  return true;
}

// The bits of float sums: the written order, whatever the number of tokens.
template <typename T> void ProductTest::checkFloats(llvm::StringRef name, mlir::Type type) {
  for (bool scaled : {false, true}) {
    if (!scaled && std::is_same_v<T, int8_t>)
      continue;
    std::vector<PackedLayout> layouts = getLayouts(type, scaled ? mlir::ShapedType::kDynamic : 0);
    std::vector<std::string> names;
    std::string source;
    for (const PackedLayout &layout : layouts) {
      names.push_back("ternary_float_" + std::to_string(names.size()));
      source += productSource(names.back(), name, -1, -1, -1, scaled ? -1 : 0, layout);
    }
    ASSERT_FALSE(layouts.empty()) << "no layout for " << name.str() << " activations";
    std::unique_ptr<Kernels> kernels = executor->compile(source, names);
    ASSERT_TRUE(kernels) << GetParam().getName() << " does not compile for " << name.str();
    for (FloatSizes sizes : getFloatSizes(scaled)) {
      FloatCase<T> c(sizes.n, sizes.k, sizes.groups, random);
      for (size_t i = 0; i < layouts.size(); ++i) {
        ++cases;
        pack(layouts[i], c.n, c.k, c.weight);
        T *x = memory.place<T>(Slot::X, c.x.size());
        std::copy(c.x.begin(), c.x.end(), x);
        auto *weight = memory.place<uint8_t>(Slot::Weight, packed.size());
        std::copy(packed.begin(), packed.end(), weight);
        auto *scales = memory.place<float>(Slot::Scales, c.scales.size());
        std::copy(c.scales.begin(), c.scales.end(), scales);
        auto *acc = memory.place<float>(Slot::Result, c.expected.size());
        std::fill_n(acc, c.expected.size(), std::nanf(""));
        llvm::SmallVector<Operand> operands{Operand::matrix(x, c.m, c.k, c.k), Operand::vector(weight, packed.size())};
        if (scaled)
          operands.push_back(Operand::matrix(scales, c.n, c.groups, c.groups));
        operands.push_back(Operand::matrix(acc, c.m, c.n, c.n));
        std::string failure = llvm::toString(kernels->call(i, operands));
        ASSERT_TRUE(failure.empty() && areRight(c, acc, GetParam().level->getTarget().isDevice()))
            << name.str() << " N " << c.n << " K " << c.k << " groups " << c.groups << ", " << describe(layouts[i])
            << " " << failure;
      }
    }
  }
}

TEST_P(ProductTest, RoundedInTheWrittenOrder) {
  checkFloats<float>("f32", types.getF32Type());
  checkFloats<_Float16>("f16", types.getF16Type());
  checkFloats<BFloat>("bf16", types.getBF16Type());
  checkFloats<int8_t>("i8", types.getI8Type()); // with scales
}

std::string getTestName(const ::testing::TestParamInfo<Subject> &info) {
  std::string name = info.param.getName(), result;
  for (char c : name)
    if (c != ',')
      result += isalnum(c) ? c : '_';
  return result;
}

INSTANTIATE_TEST_SUITE_P(Levels, ProductTest, ::testing::ValuesIn(getSubjects()), getTestName);

} // namespace
