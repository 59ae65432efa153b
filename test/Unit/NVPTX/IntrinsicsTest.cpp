//===- IntrinsicsTest.cpp - Each family of instructions against plain C++ -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel reads three words a thread, does a few instructions and writes one word. The
// expected words come from what the PTX manual says, written once more.
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"

#include "setun/Target/NVPTX/Emulator.h"

#include "llvm/ADT/bit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

using namespace llvm;
using namespace setun::nvptx;

namespace {

constexpr unsigned kThreads = 64;
struct Words {
  uint32_t a[kThreads], b[kThreads], c[kThreads];
};
using Expected1 = std::function<uint32_t(uint32_t, uint32_t, uint32_t)>;

float asFloat(uint32_t bits) { return bit_cast<float>(bits); }
uint32_t asBits(float value) { return bit_cast<uint32_t>(value); }

Words integers() {
  static constexpr uint32_t kEdges[] = {0,          1,          31,         32,         0x7fffffff,
                                        0x80000000, 0xffffffff, 0x80808080, 0x7f7f7f7f, 0x12345678};
  Words words;
  uint64_t state = 7;
  auto next = [&] { return uint32_t((state = state * 6364136223846793005u + 1442695040888963407u) >> 32); };
  for (unsigned i = 0; i < kThreads; ++i) {
    words.a[i] = i < 10 ? kEdges[i] : next();
    words.b[i] = i < 20 ? kEdges[i * 7 % 10] : next();
    words.c[i] = i < 30 ? kEdges[i * 3 % 10] : next() % 40;
  }
  return words;
}

Words floats() {
  static const float kEdges[] = {0.f,    -0.f,    1.f,         -1.5f,     2.5f,  0.5f,    3e9f,    -3e9f,
                                 1e-40f, -1e-40f, INFINITY,    -INFINITY, NAN,   65519.f, 65520.f, 3.3e38f,
                                 0.3f,   127.5f,  1.00390625f, 6.1e-5f,   1e-7f, 100.49f};
  Words words;
  for (unsigned i = 0; i < kThreads; ++i) {
    words.a[i] = asBits(kEdges[i % 22]);
    words.b[i] = asBits(kEdges[i * 5 % 22]);
    words.c[i] = asBits(kEdges[i * 3 % 22] * 0.7f);
  }
  return words;
}

/// Runs `body`, which makes %r of %a, %b, %c, %tid and %lane; its last line may be a declaration.
std::vector<uint32_t> evaluate(const std::string &declarations, const std::string &body, const Words &words,
                               uint64_t seed = 0) {
  std::string text = declarations + R"(
define ptx_kernel void @k(ptr addrspace(1) %pa, ptr addrspace(1) %pb, ptr addrspace(1) %pc, ptr addrspace(1) %pr) {
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %lane = call i32 @llvm.nvvm.read.ptx.sreg.laneid()
  %qa = getelementptr i32, ptr addrspace(1) %pa, i32 %tid
  %a = load i32, ptr addrspace(1) %qa, align 4
  %qb = getelementptr i32, ptr addrspace(1) %pb, i32 %tid
  %b = load i32, ptr addrspace(1) %qb, align 4
  %qc = getelementptr i32, ptr addrspace(1) %pc, i32 %tid
  %c = load i32, ptr addrspace(1) %qc, align 4
  %fa = bitcast i32 %a to float
  %fb = bitcast i32 %b to float
  %fc = bitcast i32 %c to float
)" + body + R"(
  %qr = getelementptr i32, ptr addrspace(1) %pr, i32 %tid
  store i32 %r, ptr addrspace(1) %qr, align 4
  ret void
}
)";
  std::vector<uint32_t> results(kThreads);
  auto emulator = DeviceEmulator::load(kernels::assemble(text), {seed, true});
  if (!emulator) {
    ADD_FAILURE() << toString(emulator.takeError()) << "\n" << body;
    return results;
  }
  const void *params[] = {words.a, words.b, words.c, results.data()};
  if (Error error = (*emulator)->launch("k", {1, 1, 1}, {kThreads, 1, 1}, 0, params, sizeof params))
    ADD_FAILURE() << toString(std::move(error)) << "\n" << body;
  return results;
}

void expectWords(const std::string &declarations, const std::string &body, const Words &words,
                 const Expected1 &expected) {
  std::vector<uint32_t> results = evaluate(declarations, body, words);
  for (unsigned i = 0; i < kThreads; ++i) {
    uint32_t right = expected(words.a[i], words.b[i], words.c[i]);
    EXPECT_EQ(results[i], right) << body << " of " << std::hex << words.a[i] << ", " << words.b[i] << ", "
                                 << words.c[i];
  }
}

/// `%r = call i32 @llvm.nvvm.NAME(i32 %a, i32 %b, i32 %c)` with the first `count` operands.
void expectCall(const std::string &name, int count, const Expected1 &expected) {
  std::string types, operands;
  for (int i = 0; i < count; ++i) {
    types += i ? ", i32" : "i32";
    operands += (i ? ", i32 %" : "i32 %") + std::string(1, "abc"[i]);
  }
  expectWords("declare i32 @llvm.nvvm." + name + "(" + types + ")\n",
              "  %r = call i32 @llvm.nvvm." + name + "(" + operands + ")", integers(), expected);
}

int32_t byteOf(uint32_t word, int i, bool isSigned) {
  uint8_t byte = word >> 8 * i;
  return isSigned ? int32_t(int8_t(byte)) : int32_t(byte);
}

TEST(Intrinsics, Dot) {
  for (bool signedA : {false, true})
    for (bool signedB : {false, true}) {
      std::string signs = std::string(signedA ? "s" : "u") + "." + (signedB ? "s" : "u");
      if (signs != "u.s") // kHeader declares that one
        expectCall("idp4a." + signs, 3, [&](uint32_t a, uint32_t b, uint32_t c) {
          for (int i = 0; i < 4; ++i)
            c += byteOf(a, i, signedA) * byteOf(b, i, signedB);
          return c;
        });
      for (bool high : {false, true})
        expectWords("declare i32 @llvm.nvvm.idp2a." + signs + "(i32, i32, i1 immarg, i32)\n",
                    "  %r = call i32 @llvm.nvvm.idp2a." + signs + "(i32 %a, i32 %b, i1 " + (high ? "true" : "false") +
                        ", i32 %c)",
                    integers(), [&](uint32_t a, uint32_t b, uint32_t c) {
                      for (int i = 0; i < 2; ++i) {
                        uint16_t half = a >> 16 * i;
                        c += (signedA ? int32_t(int16_t(half)) : int32_t(half)) * byteOf(b, i + 2 * high, signedB);
                      }
                      return c;
                    });
    }
}

TEST(Intrinsics, Bits) {
  using u = uint32_t;
  expectCall("prmt", 3, [](u a, u b, u c) {
    u result = 0;
    for (int i = 0; i < 4; ++i) {
      u s = c >> 4 * i & 15, byte = (uint64_t(b) << 32 | a) >> 8 * (s & 7) & 255;
      result |= (s & 8 ? (byte & 128 ? 255 : 0) : byte) << 8 * i;
    }
    return result;
  });
  expectWords("declare i32 @llvm.nvvm.prmt(i32, i32, i32)\n",
              "  %r = call i32 @llvm.nvvm.prmt(i32 %a, i32 %b, i32 29762)", integers(), [](u a, u b, u) { // 0x7442
                return (a >> 16 & 255) | (b & 255) << 8 | (b & 255) << 16 | b >> 24 << 24;
              });
  // The manual's tables: the byte that comes first is the highest.
  static constexpr u kForward[] = {0x3210, 0x4321, 0x5432, 0x6543}, kBackward[] = {0x5670, 0x6701, 0x7012, 0x0123},
                     kReplicate[] = {0x0000, 0x1111, 0x2222, 0x3333}, kLeft[] = {0x3210, 0x3211, 0x3222, 0x3333},
                     kRight[] = {0x0000, 0x1110, 0x2210, 0x3210}, kHalves[] = {0x1010, 0x3232, 0x1010, 0x3232};
  auto table = [](const u *rows, u a, u b, u c) {
    u result = 0;
    for (int i = 0; i < 4; ++i)
      result |= u((uint64_t(b) << 32 | a) >> 8 * (rows[c & 3] >> 4 * i & 7) & 255) << 8 * i;
    return result;
  };
  expectCall("prmt.f4e", 3, [&](u a, u b, u c) { return table(kForward, a, b, c); });
  expectCall("prmt.b4e", 3, [&](u a, u b, u c) { return table(kBackward, a, b, c); });
  expectCall("prmt.rc8", 2, [&](u a, u b, u) { return table(kReplicate, a, 0, b); });
  expectCall("prmt.ecl", 2, [&](u a, u b, u) { return table(kLeft, a, 0, b); });
  expectCall("prmt.ecr", 2, [&](u a, u b, u) { return table(kRight, a, 0, b); });
  expectCall("prmt.rc16", 2, [&](u a, u b, u) { return table(kHalves, a, 0, b); });
  auto expectShift = [](const char *name, const Expected1 &expected) {
    expectWords(std::string("declare i32 @llvm.nvvm.") + name + ".clamp.i32(i32, i32, i32)\n",
                std::string("  %r = call i32 @llvm.nvvm.") + name + ".clamp.i32(i32 %a, i32 %b, i32 %c)", integers(),
                expected);
  };
  expectShift("fshl", [](u a, u b, u c) {
    u n = std::min(c, 32u);
    return u(((uint64_t(a) << 32 | b) << n) >> 32);
  });
  expectShift("fshr", [](u a, u b, u c) { return c >= 32 ? a : u((uint64_t(a) << 32 | b) >> c); });
  expectCall("mulhi.i", 2, [](u a, u b, u) { return u(int64_t(int32_t(a)) * int32_t(b) >> 32); });
  expectCall("mulhi.ui", 2, [](u a, u b, u) { return u(uint64_t(a) * b >> 32); });
  expectCall("mul24.i", 2, [](u a, u b, u) { return u((int32_t(a << 8) >> 8) * int64_t(int32_t(b << 8) >> 8)); });
  expectCall("mul24.ui", 2, [](u a, u b, u) { return (a & 0xffffff) * (b & 0xffffff); });
  expectCall("sad.i", 3, [](u a, u b, u c) { return c + u(std::llabs(int64_t(int32_t(a)) - int32_t(b))); });
  expectCall("sad.ui", 3, [](u a, u b, u c) { return c + u(std::llabs(int64_t(a) - b)); });
  expectCall("bmsk.clamp", 2,
             [](u a, u b, u) { return a >= 32 ? 0 : u(((uint64_t(1) << std::min(b, 32u)) - 1) << a); });
  expectCall("sext.wrap", 2,
             [](u a, u b, u) { return b % 32 == 0 ? 0 : u(int32_t(a << (32 - b % 32)) >> (32 - b % 32)); });
  expectCall("zext.clamp", 2, [](u a, u b, u) { return b >= 32 ? a : a & ((1u << b) - 1); });
  for (bool isSigned : {false, true}) {
    std::string name = isSigned ? "llvm.nvvm.flo.s.i32" : "llvm.nvvm.flo.u.i32";
    expectWords("declare i32 @" + name + "(i32, i1 immarg)\n", "  %r = call i32 @" + name + "(i32 %a, i1 false)",
                integers(), [&](u a, u, u) {
                  u value = isSigned && a >> 31 ? ~a : a;
                  return value ? 31 - llvm::countl_zero(value) : ~0u;
                });
  }
}

/// A float of floats; a NaN is as good as any other.
void expectFloat(const std::string &name, const std::string &operands,
                 const std::function<float(float, float, float)> &expected) {
  std::string types;
  for (char c : operands)
    types += c == ',' ? ", float" : "";
  std::string declaration = "declare float @" + name + "(float" + types + ")\n";
  std::string body = "  %f = call float @" + name + "(" + operands + ")\n  %r = bitcast float %f to i32";
  Words words = floats();
  std::vector<uint32_t> results = evaluate(declaration, body, words);
  for (unsigned i = 0; i < kThreads; ++i) {
    float right = expected(asFloat(words.a[i]), asFloat(words.b[i]), asFloat(words.c[i]));
    bool same = std::isnan(right) ? std::isnan(asFloat(results[i])) : results[i] == asBits(right);
    EXPECT_TRUE(same) << name << " of " << asFloat(words.a[i]) << ", " << asFloat(words.b[i]) << ": "
                      << asFloat(results[i]) << ", not " << right;
  }
}

float flushed(float x) { return std::fabs(x) < 1.1754944e-38f ? std::copysign(0.f, x) : x; }

TEST(Intrinsics, Floats) {
  const char *one = "float %fa", *two = "float %fa, float %fb", *three = "float %fa, float %fb, float %fc";
  expectFloat("llvm.nvvm.add.rn.f", two, [](float a, float b, float) { return a + b; });
  expectFloat("llvm.nvvm.mul.rn.ftz.f", two, [](float a, float b, float) { return flushed(flushed(a) * flushed(b)); });
  expectFloat("llvm.nvvm.div.rn.f", two, [](float a, float b, float) { return a / b; });
  expectFloat("llvm.nvvm.fma.rn.f", three, [](float a, float b, float c) { return std::fma(a, b, c); });
  expectFloat("llvm.nvvm.rcp.rn.f", one, [](float a, float, float) { return 1 / a; });
  expectFloat("llvm.nvvm.sqrt.rn.f", one, [](float a, float, float) { return std::sqrt(a); });
  expectFloat("llvm.nvvm.rsqrt.approx.f", one, [](float a, float, float) { return 1 / std::sqrt(a); });
  expectFloat("llvm.nvvm.ex2.approx.f32", one, [](float a, float, float) { return std::exp2(a); });
  expectFloat("llvm.nvvm.lg2.approx.f", one, [](float a, float, float) { return std::log2(a); });
  expectFloat("llvm.nvvm.round.f", one, [](float a, float, float) { return std::nearbyint(a); });
  expectFloat("llvm.nvvm.saturate.f", one, [](float a, float, float) {
    return std::isnan(a) || a <= 0 ? 0.f : a > 1 ? 1.f : a;
  });
  expectFloat("llvm.nvvm.fmax.f", two, [](float a, float b, float) {
    return std::isnan(a) ? b : std::isnan(b) ? a : a == 0 && b == 0 ? (std::signbit(a) ? b : a) : std::max(a, b);
  });
  expectFloat("llvm.nvvm.fmin.nan.f", two, [](float a, float b, float) {
    return std::isnan(a) || std::isnan(b) ? NAN : a == 0 && b == 0 ? (std::signbit(a) ? a : b) : std::min(a, b);
  });
}

uint32_t clampTo(double value, double least, double most) {
  return std::isnan(value) ? 0 : uint32_t(int64_t(std::min(std::max(value, least), most)));
}

uint16_t toBFloat(float value) {
  uint32_t bits = asBits(value);
  return std::isnan(value) ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/// To f16 through the compiler's type: another way than the emulator's.
uint16_t toHalf(float value) { return bit_cast<uint16_t>(static_cast<_Float16>(value)); }

TEST(Intrinsics, Conversions) {
  auto convert = [](const char *name, const Expected1 &expected) {
    expectWords(std::string("declare i32 @llvm.nvvm.") + name + "(float)\n",
                std::string("  %r = call i32 @llvm.nvvm.") + name + "(float %fa)", floats(), expected);
  };
  convert("f2i.rn",
          [](uint32_t a, uint32_t, uint32_t) { return clampTo(std::nearbyint(asFloat(a)), INT32_MIN, INT32_MAX); });
  convert("f2i.rm",
          [](uint32_t a, uint32_t, uint32_t) { return clampTo(std::floor(asFloat(a)), INT32_MIN, INT32_MAX); });
  convert("f2ui.rz", [](uint32_t a, uint32_t, uint32_t) { return clampTo(std::trunc(asFloat(a)), 0, UINT32_MAX); });
  // A pair: the first operand above. Of a NaN, only that it is one.
  auto pair = [](const char *type, uint16_t (*narrow)(float), uint16_t infinity) {
    std::string name = std::string("llvm.nvvm.ff2") + type + "x2.rn",
                vector = std::string("<2 x ") + (type[0] == 'b' ? "bfloat" : "half") + ">";
    Words words = floats();
    auto results = evaluate("declare " + vector + " @" + name + "(float, float)\n",
                            "  %v = call " + vector + " @" + name + "(float %fa, float %fb)\n  %r = bitcast " + vector +
                                " %v to i32",
                            words);
    for (unsigned i = 0; i < kThreads; ++i)
      for (auto [from, to] : {std::pair(words.a[i], results[i] >> 16), std::pair(words.b[i], results[i] & 0xffff)}) {
        if (std::isnan(asFloat(from)))
          EXPECT_GT(to & 0x7fff, infinity);
        else
          EXPECT_EQ(to, narrow(asFloat(from))) << name << " of " << asFloat(from);
      }
  };
  pair("bf16", toBFloat, 0x7f80);
  pair("f16", toHalf, 0x7c00);
  // The language's own conversion and arithmetic of bf16: rounded after each operation.
  Words words = floats();
  auto results = evaluate("", R"(  %x = fptrunc float %fa to bfloat
  %y = fptrunc float %fb to bfloat
  %s = fadd bfloat %x, %y
  %h = bitcast bfloat %s to i16
  %r = zext i16 %h to i32)",
                          words);
  for (unsigned i = 0; i < kThreads; ++i) {
    auto widen = [](uint16_t bits) { return asFloat(uint32_t(bits) << 16); };
    float sum = widen(toBFloat(asFloat(words.a[i]))) + widen(toBFloat(asFloat(words.b[i])));
    if (std::isnan(sum))
      EXPECT_GT(results[i] & 0x7fff, 0x7f80u);
    else
      EXPECT_EQ(results[i], toBFloat(sum));
  }
  auto truncated =
      evaluate("declare bfloat @llvm.nvvm.f2bf16.rz(float)\n", R"(  %x = call bfloat @llvm.nvvm.f2bf16.rz(float %fa)
  %h = bitcast bfloat %x to i16
  %r = zext i16 %h to i32)",
               words);
  for (unsigned i = 0; i < kThreads; ++i)
    if (std::isfinite(asFloat(words.a[i])))
      EXPECT_EQ(truncated[i], words.a[i] >> 16) << asFloat(words.a[i]);
}

TEST(Intrinsics, Shuffles) {
  Words words = integers();
  for (const char *mode : {"up", "down", "bfly", "idx"})
    for (int width : {32, 8})
      for (bool predicate : {false, true}) {
        // As CUDA's __shfl_sync and its kin give the clamp.
        int clamp = (32 - width) << 8 | (std::string(mode) == "up" ? 0 : 31);
        std::string name = std::string("llvm.nvvm.shfl.sync.") + mode + ".i32p", all = "i32 -1, i32 %a, i32 3, i32 ";
        std::vector<uint32_t> results =
            evaluate("declare {i32, i1} @" + name + "(i32, i32, i32, i32)\n",
                     "  %p = call {i32, i1} @" + name + "(" + all + std::to_string(clamp) + ")\n" +
                         (predicate ? "  %q = extractvalue {i32, i1} %p, 1\n  %r = zext i1 %q to i32"
                                    : "  %r = extractvalue {i32, i1} %p, 0"),
                     words, predicate);
        for (int i = 0; i < int(kThreads); ++i) {
          int base = i / width * width, at = i % width;
          int from = mode[0] == 'u' ? at - 3 : mode[0] == 'd' ? at + 3 : mode[0] == 'b' ? at ^ 3 : 3;
          bool valid = from >= 0 && from < width;
          EXPECT_EQ(results[i], predicate ? valid : words.a[base + (valid ? from : at)])
              << mode << " " << width << " " << i;
        }
      }
}

TEST(Intrinsics, VotesAndReductions) {
  Words words = integers();
  auto warp = [&](unsigned i, auto combine) {
    uint32_t result = words.a[i / 32 * 32];
    for (unsigned lane = 1; lane < 32; ++lane)
      result = combine(result, words.a[i / 32 * 32 + lane]);
    return result;
  };
  auto expect = [&](const std::string &kind, auto combine) {
    auto results = evaluate(kind == "add" ? "" : "declare i32 @llvm.nvvm.redux.sync." + kind + "(i32, i32)\n",
                            "  %r = call i32 @llvm.nvvm.redux.sync." + kind + "(i32 %a, i32 -1)", words);
    for (unsigned i = 0; i < kThreads; ++i)
      EXPECT_EQ(results[i], warp(i, combine)) << kind;
  };
  expect("add", [](uint32_t a, uint32_t b) { return a + b; });
  expect("min", [](uint32_t a, uint32_t b) { return uint32_t(std::min(int32_t(a), int32_t(b))); });
  expect("max", [](uint32_t a, uint32_t b) { return uint32_t(std::max(int32_t(a), int32_t(b))); });
  expect("umin", [](uint32_t a, uint32_t b) { return std::min(a, b); });
  expect("umax", [](uint32_t a, uint32_t b) { return std::max(a, b); });
  expect("xor", [](uint32_t a, uint32_t b) { return a ^ b; });

  for (const char *kind : {"all", "any", "uni"}) {
    std::string name = std::string("llvm.nvvm.vote.") + kind + ".sync";
    auto results = evaluate(
        "declare i1 @" + name + "(i32, i1)\n",
        "  %p = icmp slt i32 %a, 0\n  %v = call i1 @" + name + "(i32 -1, i1 %p)\n  %r = zext i1 %v to i32", words);
    for (unsigned i = 0; i < kThreads; ++i) {
      unsigned count = 0;
      for (unsigned lane = 0; lane < 32; ++lane)
        count += words.a[i / 32 * 32 + lane] >> 31;
      EXPECT_EQ(results[i], uint32_t(kind[1] == 'l'                     ? count == 32
                                     : kind[1] == 'n' && kind[0] == 'a' ? count > 0
                                                                        : count % 32 == 0));
    }
  }
  Words few = words;
  for (unsigned i = 0; i < kThreads; ++i)
    few.a[i] = i * i % 5;
  auto groups = evaluate("declare i32 @llvm.nvvm.match.any.sync.i32(i32, i32)\n",
                         "  %r = call i32 @llvm.nvvm.match.any.sync.i32(i32 -1, i32 %a)", few);
  for (unsigned i = 0; i < kThreads; ++i) {
    uint32_t same = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
      same |= uint32_t(few.a[i / 32 * 32 + lane] == few.a[i]) << lane;
    EXPECT_EQ(groups[i], same);
  }
  auto counted =
      evaluate("declare i32 @llvm.nvvm.barrier.cta.red.popc.aligned.all(i32, i1)\n",
               "  %p = icmp slt i32 %a, 0\n  %r = call i32 @llvm.nvvm.barrier.cta.red.popc.aligned.all(i32 0, i1 %p)",
               words, /*seed=*/3);
  uint32_t negative = 0;
  for (uint32_t a : words.a)
    negative += a >> 31;
  for (uint32_t count : counted)
    EXPECT_EQ(count, negative);
}

/// Fragments of floats: one warp, registers as operands, C in f32.
TEST(Intrinsics, FloatProducts) {
  for (bool bf16 : {true, false}) {
    std::string type = bf16 ? "i32" : "<2 x half>",
                name = bf16 ? "mma.m16n8k16.row.col.bf16" : "mma.m16n8k16.row.col.f32.f32";
    std::string text = "declare {float, float, float, float} @llvm.nvvm." + name + "(";
    for (int i = 0; i < 6; ++i)
      text += type + ", ";
    text += "float, float, float, float)\ndefine ptx_kernel void @k(ptr addrspace(1) %in, ptr addrspace(1) %out) {\n"
            "  %lane = call i32 @llvm.nvvm.read.ptx.sreg.laneid()\n";
    std::string operands;
    for (int i = 0; i < 10; ++i) { // in: ten words a lane
      std::string n = std::to_string(i), t = i < 6 ? type : "float";
      text += "  %m" + n + " = mul i32 %lane, 10\n  %x" + n + " = add i32 %m" + n + ", " + n + "\n  %p" + n +
              " = getelementptr i32, ptr addrspace(1) %in, i32 %x" + n + "\n  %v" + n + " = load " + t +
              ", ptr addrspace(1) %p" + n + ", align 4\n";
      operands += (i ? ", " : "") + t + " %v" + n;
    }
    text += "  %d = call {float, float, float, float} @llvm.nvvm." + name + "(" + operands +
            ")\n  %at = mul i32 %lane, 4\n";
    for (int i = 0; i < 4; ++i) {
      std::string n = std::to_string(i);
      text += "  %d" + n + " = extractvalue {float, float, float, float} %d, " + n + "\n  %y" + n + " = add i32 %at, " +
              n + "\n  %q" + n + " = getelementptr float, ptr addrspace(1) %out, i32 %y" + n + "\n  store float %d" +
              n + ", ptr addrspace(1) %q" + n + ", align 4\n";
    }
    text += "  ret void\n}\n";
    auto narrow = [&](float value) { return bf16 ? toBFloat(value) : toHalf(value); };
    float a[16][16], b[16][8], c[16][8];
    for (int i = 0; i < 16; ++i)
      for (int k = 0; k < 16; ++k)
        a[i][k] = float((i * 7 + k * 3) % 11) - 5;
    for (int k = 0; k < 16; ++k)
      for (int j = 0; j < 8; ++j)
        b[k][j] = (float((k * 5 + j * 13) % 9) - 4) / 2;
    std::vector<uint32_t> in(320);
    std::vector<float> out(128);
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 8; ++j)
        c[i][j] = i - j * 0.25f;
    // The manual's figures: a row and a pair of columns for each register.
    for (int lane = 0; lane < 32; ++lane) {
      int g = lane >> 2, t = lane & 3;
      auto two = [&](float low, float high) { return uint32_t(narrow(low)) | uint32_t(narrow(high)) << 16; };
      uint32_t *r = &in[10 * lane];
      r[0] = two(a[g][2 * t], a[g][2 * t + 1]);
      r[1] = two(a[g + 8][2 * t], a[g + 8][2 * t + 1]);
      r[2] = two(a[g][2 * t + 8], a[g][2 * t + 9]);
      r[3] = two(a[g + 8][2 * t + 8], a[g + 8][2 * t + 9]);
      r[4] = two(b[2 * t][g], b[2 * t + 1][g]);
      r[5] = two(b[2 * t + 8][g], b[2 * t + 9][g]);
      for (int i = 0; i < 4; ++i)
        r[6 + i] = asBits(c[g + i / 2 * 8][2 * t + i % 2]);
    }
    auto emulator = DeviceEmulator::load(kernels::assemble(text));
    ASSERT_TRUE(bool(emulator)) << toString(emulator.takeError());
    const void *params[] = {in.data(), out.data()};
    Error error = (*emulator)->launch("k", {1, 1, 1}, {32, 1, 1}, 0, params, sizeof params);
    ASSERT_FALSE(bool(error)) << toString(std::move(error));
    for (int lane = 0; lane < 32; ++lane)
      for (int i = 0; i < 4; ++i) {
        int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        float sum = c[row][column];
        for (int k = 0; k < 16; ++k)
          sum += a[row][k] * b[k][column];
        EXPECT_EQ(out[4 * lane + i], sum) << name << " " << row << " " << column;
      }
  }
}

/// Blocks that wait for each other, as those of a persistent kernel do: each adds 1 and spins until all have.
TEST(Intrinsics, BlocksThatWaitForEachOther) {
  const char *text = R"(
define ptx_kernel void @k(ptr addrspace(1) %count, ptr addrspace(1) %out) {
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %block = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %first = icmp eq i32 %tid, 0
  br i1 %first, label %add, label %meet
add:
  %old = atomicrmw add ptr addrspace(1) %count, i32 1 syncscope("device") release
  br label %spin
spin:
  %now = load atomic i32, ptr addrspace(1) %count syncscope("device") acquire, align 4
  %all = icmp eq i32 %now, 5
  br i1 %all, label %meet, label %spin
meet:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %seen = load i32, ptr addrspace(1) %count, align 4
  %to = getelementptr i32, ptr addrspace(1) %out, i32 %block
  br i1 %first, label %write, label %done
write:
  store i32 %seen, ptr addrspace(1) %to, align 4
  br label %done
done:
  ret void
}
)";
  auto emulator = DeviceEmulator::load(kernels::assemble(text));
  ASSERT_TRUE(bool(emulator)) << toString(emulator.takeError());
  for (uint64_t seed = 0; seed < 9; ++seed) {
    uint32_t count = 0;
    std::vector<uint32_t> out(5);
    const void *params[] = {&count, out.data()};
    (*emulator)->setSeed(seed);
    Error error = (*emulator)->launch("k", {5, 1, 1}, {64, 1, 1}, 0, params, sizeof params);
    EXPECT_FALSE(bool(error)) << toString(std::move(error));
    EXPECT_EQ(out, std::vector<uint32_t>(5, 5)) << seed;
  }
}

/// cp.async with fewer bytes in the source: the rest is zeros; and what has not been waited for is not there.
TEST(Intrinsics, PartialCopies) {
  const char *declarations = R"(
@s = internal addrspace(3) global [256 x i8] poison, align 16
declare void @llvm.nvvm.cp.async.ca.shared.global.4.s(ptr addrspace(3), ptr addrspace(1), i32)
declare void @llvm.nvvm.cp.async.wait.all()
)";
  Words words = integers();
  for (unsigned i = 0; i < kThreads; ++i)
    words.b[i] = i % 5;
  for (bool waits : {true, false}) {
    auto results = evaluate(declarations,
                            std::string(R"(  %p = getelementptr i32, ptr addrspace(3) @s, i32 %tid
  call void @llvm.nvvm.cp.async.ca.shared.global.4.s(ptr addrspace(3) %p, ptr addrspace(1) %qa, i32 %b)
)") + (waits ? "  call void @llvm.nvvm.cp.async.wait.all()\n" : "") +
                                "  %r = load i32, ptr addrspace(3) %p, align 4",
                            words);
    for (unsigned i = 0; i < kThreads; ++i) {
      uint32_t copied = words.b[i] == 4 ? words.a[i] : words.a[i] & ((1u << 8 * words.b[i]) - 1);
      EXPECT_EQ(results[i], waits ? copied : 0xffa5ffa5u);
    }
  }
}

/// Local memory that a loop asks for: no more of it however often the loop goes round.
TEST(Intrinsics, LocalMemoryInALoop) {
  Words words = integers();
  auto results = evaluate("", R"(  br label %loop
loop:
  %i = phi i32 [ 0, %0 ], [ %j, %loop ]
  %sum = phi i32 [ 0, %0 ], [ %more, %loop ]
  %local = alloca [1024 x i32], align 16
  %at = urem i32 %i, 1024
  %p = getelementptr i32, ptr %local, i32 %at
  store volatile i32 %i, ptr %p, align 4
  %v = load volatile i32, ptr %p, align 4
  %more = add i32 %sum, %v
  %j = add i32 %i, 1
  %again = icmp ult i32 %j, 1000
  br i1 %again, label %loop, label %done
done:
  %r = add i32 %more, %a)",
                          words);
  for (unsigned i = 0; i < kThreads; ++i)
    EXPECT_EQ(results[i], words.a[i] + 999 * 1000 / 2);
}

} // namespace
