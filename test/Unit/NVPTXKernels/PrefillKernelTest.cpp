//===- PrefillKernelTest.cpp - Every tile of the prefill kernels, exactly -===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The conformance suite runs what the host chooses; here each tile runs for sizes that it is not meant for as well,
// with one companion and two, in several schedules. Mutants, kernels with one instruction changed, must be caught.
//
//===----------------------------------------------------------------------===//

#include "CompiledKernels.h"

#include "setun/Support/Packing.h"
#include "setun/Target/NVPTX/PrefillKernel.h"

#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FormatVariadic.h"

#include "gtest/gtest.h"

#include <cstring>
#include <random>

using namespace setun;
using namespace setun::nvptx;
using namespace setun::test;

namespace {

constexpr int64_t kDynamic = -1;
constexpr int32_t kCanary = 0x5EEDBEEF;

/// What a tile is compiled for.
struct Shape {
  int64_t m = kDynamic, n = kDynamic, k = kDynamic;
  bool aligned = true;
  int64_t second = 0; // companion of a row, so many rows on; 0: none
  bool dependent = false;
};

/// A function with the launch of one tile. With two companions, a column holds three times the first sum less the
/// second.
std::unique_ptr<CompiledKernels> compile(const PrefillTile &tile, const Shape &shape) {
  auto size = [](int64_t value) { return value == kDynamic ? "?" : std::to_string(value); };
  auto matrix = [&](int64_t rows, int64_t columns, std::string type) {
    return "memref<" + size(rows) + "x" + size(columns) + "x" + type + ", strided<[?, 1], offset: ?>>";
  };
  PackedLayout layout = Product::getLayout(1);
  int64_t bytes = shape.n == kDynamic ? kDynamic : layout.byteSize(shape.n, shape.k);
  std::string x = matrix(shape.m, shape.k, "i8"), w = "memref<" + size(bytes) + "xi8>",
              acc = matrix(shape.m, shape.n, "i32");
  std::string source = "func.func @tile(%x: " + x + ", %w: " + w + ", %acc: " + acc +
                       ") attributes {llvm.emit_c_interface} {\n  ternary.matmul ins(%x, %w : " + x + ", " + w +
                       ") outs(%acc : " + acc +
                       ") {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 1>}\n  return\n}\n";
  const char *level = tile.wgmma ? "cuda:sm_90a" : shape.dependent ? "cuda:sm_90" : "cuda:sm_80";
  return CompiledKernels::compile(source, "canonicalize", level, [&](mlir::ModuleOp module) {
    module.walk([&](ternary::MatmulOp op) {
      DeviceBuilder b(op.getLoc(), op);
      Product p = *Product::get(b, op);
      DeviceProduct product = makePlainProduct(b, p);
      product.dependent = shape.dependent;
      if (shape.second) {
        product.companions.push_back(shape.second);
        product.columns = b.sub(p.n, b.index(shape.second));
        product.epilogue = [p](DeviceBuilder &b, Value m, Value n, ValueRange sums) {
          Value value = b.sub(b.add(sums[0], b.shl(sums[0], 1)), sums[1]);
          b.store(value, p.acc, b.add(b.mul(m, p.accStride), n));
        };
      }
      emitPrefillKernel(b, product, tile, shape.aligned);
      op.erase();
    });
  });
}

enum class Values { Random, AllPlusMin, AllMinusMax };

/// Runs one case; "" or what is wrong.
std::string check(CompiledKernels &tile, const Shape &shape, int64_t m, int64_t n, int64_t k, Values values,
                  uint64_t seed) {
  std::mt19937 random(seed + m + n + k);
  std::vector<int8_t> trits(n * k);
  for (int8_t &trit : trits)
    trit = values == Values::Random ? int8_t(random() % 3) - 1 : values == Values::AllPlusMin ? 1 : -1;
  PackedLayout layout = Product::getLayout(1);
  struct alignas(64) Line {
    uint8_t bytes[64];
  };
  std::vector<Line> weights(layout.byteSize(n, k) / sizeof(Line));
  packTrits(layout, n, k, trits, {weights.data()->bytes, weights.size() * sizeof(Line)});
  // Rows of x lie apart, with something between; not a byte past the last one may be read.
  int64_t xStride = shape.aligned ? llvm::alignTo(k, 16) + 16 * (seed % 2) : k + seed % 3;
  int64_t skip = shape.aligned ? 0 : 1 + seed % 5;
  std::vector<Line> storage((m * xStride + skip) / sizeof(Line) + 1);
  auto *x = reinterpret_cast<int8_t *>(storage.data());
  for (int64_t i = 0; i < m * xStride; ++i)
    x[skip + i] = values == Values::Random ? int8_t(random()) : values == Values::AllPlusMin ? -128 : 127;
  int64_t columns = n - shape.second, accStride = n + 3;
  std::vector<int32_t> acc(m * accStride, kCanary);
  auto range = [](const auto *begin, size_t count) {
    return MemoryRange{reinterpret_cast<uint64_t>(begin), count * sizeof *begin};
  };
  Buffer<int8_t, 2> xBuffer{x, x, skip, {m, k}, {xStride, 1}};
  Buffer<uint8_t, 1> wBuffer{weights[0].bytes, weights[0].bytes, 0, {layout.byteSize(n, k)}, {1}};
  Buffer<int32_t, 2> accBuffer{acc.data(), acc.data(), 0, {m, n}, {accStride, 1}};
  std::string failure = tile.run(
      "tile", {&xBuffer, &wBuffer, &accBuffer},
      {range(x + skip, (m - 1) * xStride + k), range(weights.data(), weights.size()), range(acc.data(), acc.size())},
      seed);
  if (!failure.empty())
    return failure;
  for (int64_t token = 0; token < m; ++token)
    for (int64_t column = 0; column < accStride; ++column) {
      auto sum = [&](int64_t row) {
        int32_t total = 0;
        for (int64_t i = 0; i < k; ++i)
          total += trits[row * k + i] * x[skip + token * xStride + i];
        return total;
      };
      int32_t expected = column >= columns ? kCanary
                         : shape.second    ? 3 * sum(column) - sum(column + shape.second)
                                           : sum(column);
      if (int32_t actual = acc[token * accStride + column]; actual != expected)
        return llvm::formatv("token {0}, column {1}: {2}, not {3}", token, column, actual, expected).str();
    }
  return "";
}

constexpr int64_t kTokens[] = {9, 16, 17, 31, 64, 65, 130};
constexpr int64_t kSizes[] = {1, 15, 16, 17, 63, 64, 65, 255, 256, 1000};

class PrefillKernelTest : public ::testing::TestWithParam<size_t> {
protected:
  void SetUp() override {
    if (kSanitized && GetParam() % 4)
      GTEST_SKIP() << "one in four tiles under a sanitizer";
  }

  const PrefillTile &tile() const { return getPrefillTiles(/*warpGroups=*/true)[GetParam()]; }

  /// Each number of tokens, N and K, in combinations that the emulator can afford.
  void checkAll(const Shape &shape) {
    auto compiled = compile(tile(), shape);
    ASSERT_TRUE(compiled);
    uint64_t seed = 0;
    for (size_t i = 0; i < std::size(kSizes); ++i)
      for (size_t j : {i, (3 * i + 4) % std::size(kSizes)}) {
        int64_t m = kTokens[(i + j + GetParam()) % std::size(kTokens)], n = kSizes[i], k = kSizes[j];
        if (n <= shape.second || m * n * k > 6 << 20)
          continue;
        ++seed;
        EXPECT_EQ(check(*compiled, shape, m, n, k, Values::Random, seed), "") << m << " x " << n << " x " << k;
      }
    for (Values values : {Values::AllPlusMin, Values::AllMinusMax})
      EXPECT_EQ(check(*compiled, shape, 17, shape.second + 33, 1000, values, ++seed), "");
  }
};

TEST_P(PrefillKernelTest, AnySize) { checkAll(Shape()); }

TEST_P(PrefillKernelTest, Unaligned) {
  Shape shape;
  shape.aligned = false;
  checkAll(shape);
}

TEST_P(PrefillKernelTest, TwoCompanions) {
  for (int64_t second : {64, 31}) { // rows of which four lie together, and not
    Shape shape;
    shape.second = second;
    checkAll(shape);
  }
}

/// Known sizes leave out masks.
TEST_P(PrefillKernelTest, KnownSizes) {
  Shape shape{2 * tile().tokens(), tile().rows(), 4 * tile().stageColumns()};
  shape.dependent = true;
  auto compiled = compile(tile(), shape);
  ASSERT_TRUE(compiled);
  for (uint64_t seed : {0, 1, 2})
    EXPECT_EQ(check(*compiled, shape, shape.m, shape.n, shape.k, Values::Random, seed), "");
}

/// A call of an intrinsic, or inline assembly.
bool isCall(llvm::CallInst &call, llvm::StringRef name) {
  if (auto *assembly = llvm::dyn_cast<llvm::InlineAsm>(call.getCalledOperand()))
    return llvm::StringRef(assembly->getAsmString()).starts_with(name);
  return call.getCalledFunction() && call.getCalledFunction()->getName().starts_with(name);
}

constexpr size_t kEach = ~size_t(0);

/// The kernel with `change` done to the call number `which` of those to `name`, or to each; empty if there are fewer.
std::string mutate(llvm::StringRef image, llvm::StringRef name, size_t which,
                   llvm::function_ref<void(llvm::CallInst &)> change) {
  llvm::LLVMContext context;
  auto module = llvm::cantFail(llvm::parseBitcodeFile({image, "kernel"}, context));
  size_t number = 0, changes = 0;
  for (llvm::Function &function : *module)
    for (llvm::BasicBlock &block : function)
      for (llvm::Instruction &instruction : llvm::make_early_inc_range(block))
        if (auto *call = llvm::dyn_cast<llvm::CallInst>(&instruction);
            call && isCall(*call, name) && (number++ == which || which == kEach)) {
          change(*call);
          ++changes;
        }
  std::string changed;
  if (changes) {
    llvm::raw_string_ostream stream(changed);
    llvm::WriteBitcodeToFile(*module, stream);
  }
  return changed;
}

/// Of a wait: `more` groups may stay.
void raiseWait(llvm::CallInst &call, uint64_t more) {
  auto *groups = llvm::cast<llvm::ConstantInt>(call.getArgOperand(0));
  call.setArgOperand(0, llvm::ConstantInt::get(groups->getType(), groups->getZExtValue() + more));
}

TEST_P(PrefillKernelTest, MutantsAreCaught) {
  // The last stage of K lies where sums are stored first.
  Shape shape{2 * tile().tokens() - 1, tile().rows(), (2 * tile().stages + 1) * tile().stageColumns()};
  auto compiled = compile(tile(), shape);
  ASSERT_TRUE(compiled);
  auto run = [&](uint64_t seed) { return check(*compiled, shape, shape.m, shape.n, shape.k, Values::Random, seed); };
  ASSERT_EQ(run(1), "");
  std::string image = compiled->getBitcode().str();
  auto isCaught = [&](const std::string &changed) {
    if (!compiled->replaceBitcode(changed, /*checkRaces=*/tile().wgmma))
      return true;
    bool caught = false;
    for (uint64_t seed = 0; seed < 6 && !caught; ++seed)
      caught = !run(seed).empty();
    return caught;
  };
  auto expectCaught = [&](llvm::StringRef name, size_t least, llvm::function_ref<void(llvm::CallInst &)> change) {
    size_t which = 0;
    for (;; ++which) {
      std::string changed = mutate(image, name, which, change);
      if (changed.empty())
        break;
      EXPECT_TRUE(isCaught(changed)) << name.str() << " " << which;
    }
    EXPECT_GE(which, least) << name.str();
  };
  expectCaught("llvm.nvvm.cp.async.wait.group", 1, [](llvm::CallInst &call) { raiseWait(call, 1); });
  // In the loop, before sums take the activations' place, and before they are read.
  auto erase = [](llvm::CallInst &call) { call.eraseFromParent(); };
  expectCaught("llvm.nvvm.barrier", 3, erase);
  if (!tile().wgmma)
    return;
  expectCaught("llvm.nvvm.fence.proxy.async", 1, erase);
  EXPECT_TRUE(isCaught(mutate(image, "llvm.nvvm.wgmma.commit_group", kEach, erase)));
  // The four products of the stage in front may go on while the one behind it is filled, and none before them.
  auto raised = [&](uint64_t more) {
    return mutate(image, "llvm.nvvm.wgmma.wait_group", kEach, [&](llvm::CallInst &call) { raiseWait(call, more); });
  };
  EXPECT_FALSE(isCaught(raised(3)));
  EXPECT_TRUE(isCaught(raised(4)));
  expectCaught("wgmma.wait_group", 1, [](llvm::CallInst &call) {
    auto *assembly = llvm::cast<llvm::InlineAsm>(call.getCalledOperand());
    call.setCalledOperand(llvm::InlineAsm::get(assembly->getFunctionType(), "wgmma.wait_group.sync.aligned 1;",
                                               assembly->getConstraintString(), /*hasSideEffects=*/true));
  });
}

INSTANTIATE_TEST_SUITE_P(Tiles, PrefillKernelTest, ::testing::Range<size_t>(0, getPrefillTiles(true).size()),
                         [](const ::testing::TestParamInfo<size_t> &info) {
                           const PrefillTile &tile = getPrefillTiles(true)[info.param];
                           std::string size = std::to_string(tile.tokens()) + "x" + std::to_string(tile.rows());
                           return (tile.wgmma ? "Groups" : "") + size;
                         });

} // namespace
