//===- LayerBench.cpp - Float layers beside the walls of the machine -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A layer cannot be faster than a read of the bytes that it reads and writes, nor
// than its arithmetic at the pace of a loop of products and sums (or of divisions)
// at the level's width. All of them run here, in turns, and the printed share is
// the slowest of these walls over the layer's time: 1 is the wall itself. `--quick`
// runs small sizes once, as a test that all of it works. A word selects layers or
// levels that contain it.
//
//===----------------------------------------------------------------------===//

#include "../Timing.h"
#include "LayerJit.h"
#include "Layers.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <sys/mman.h>

using namespace setun;
using namespace setun::bench;

namespace {

/// Memory on huge pages where the system gives them, as the runtime maps weights.
class Slab {
public:
  explicit Slab(size_t bytes) : size((bytes + kPage - 1) & ~(kPage - 1)) {
    raw = mmap(nullptr, size + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    base = reinterpret_cast<uint8_t *>((reinterpret_cast<uintptr_t>(raw) + kPage - 1) & ~(kPage - 1));
    madvise(base, size, MADV_HUGEPAGE);
    std::memset(base, 0, size);
  }
  ~Slab() { munmap(raw, size + kPage); }
  Slab(const Slab &) = delete;
  uint8_t *base;

private:
  static constexpr size_t kPage = 2u << 20;
  size_t size;
  void *raw;
};

/// `loads` chains of one operation each, so that none waits for another: acc = acc * a + b, or acc / a.
std::string peakSource(const TargetLevel &level, bool divide) {
  int lanes = level.getInfo().vectorBits / 32, chains = 10;
  std::string vector = "<" + std::to_string(lanes) + " x float>", text;
  auto at = [](const char *name, int i) { return "%" + std::string(name) + std::to_string(i); };
  text = std::string("define void @") + (divide ? "divisions" : "products") +
         "(i64 %n, ptr %p) {\nentry:\n  %a = load " + vector +
         ", ptr %p, align 4\n  br label %loop\nloop:\n  %i = phi i64 [ 0, %entry ], [ %j, %loop ]\n";
  for (int c = 0; c < chains; ++c)
    text += "  " + at("x", c) + " = phi " + vector + " [ %a, %entry ], [ " + at("y", c) + ", %loop ]\n";
  for (int c = 0; c < chains; ++c) {
    if (divide) {
      text += "  " + at("y", c) + " = fdiv " + vector + " " + at("x", c) + ", %a\n";
      continue;
    }
    text += "  " + at("m", c) + " = fmul " + vector + " " + at("x", c) + ", %a\n";
    text += "  " + at("y", c) + " = fadd " + vector + " " + at("m", c) + ", %a\n";
  }
  text += "  %j = add i64 %i, 1\n  %done = icmp eq i64 %j, %n\n  br i1 %done, label %exit, label %loop\nexit:\n";
  for (int c = 0; c < chains; ++c)
    text += "  %q" + std::to_string(c) + " = getelementptr " + vector + ", ptr %p, i64 " + std::to_string(c) +
            "\n  store " + vector + " " + at("y", c) + ", ptr %q" + std::to_string(c) + ", align 4\n";
  return text + "  ret void\n}\n";
}

/// Adds up all vectors of a buffer: eight loads a turn.
std::string readSource(const TargetLevel &level) {
  int lanes = level.getInfo().vectorBits / 32;
  std::string vector = "<" + std::to_string(lanes) + " x i32>";
  std::string text = "define void @read(ptr %p, i64 %n, ptr %r) {\nentry:\n  br label %loop\nloop:\n"
                     "  %i = phi i64 [ 0, %entry ], [ %j, %loop ]\n";
  auto number = [](int c) { return std::to_string(c); };
  for (int c = 0; c < 8; ++c)
    text += "  %x" + number(c) + " = phi " + vector + " [ zeroinitializer, %entry ], [ %y" + number(c) + ", %loop ]\n";
  for (int c = 0; c < 8; ++c) {
    text += "  %k" + number(c) + " = add i64 %i, " + number(c) + "\n  %q" + number(c) + " = getelementptr " + vector +
            ", ptr %p, i64 %k" + number(c) + "\n  %v" + number(c) + " = load " + vector + ", ptr %q" + number(c) +
            ", align 4\n  %y" + number(c) + " = xor " + vector + " %x" + number(c) + ", %v" + number(c) + "\n";
  }
  text += "  %j = add i64 %i, 8\n  %more = icmp ult i64 %j, %n\n  br i1 %more, label %loop, label %exit\nexit:\n";
  for (int c = 0; c < 8; ++c)
    text += "  %w" + number(c) + " = getelementptr " + vector + ", ptr %r, i64 " + number(c) + "\n  store " + vector +
            " %y" + number(c) + ", ptr %w" + number(c) + ", align 4\n";
  return text + "  ret void\n}\n";
}

/// Ordinary values: none that processors treat apart.
void fill(const Argument &argument, uint8_t *data) {
  std::mt19937 random(1);
  std::vector<float> some(4096);
  for (float &x : some)
    x = (random() & 1 ? 1 : -1) * (0.01f + (random() % 4096) / 4096.0f);
  for (int64_t i = 0; i < argument.count; ++i) {
    float x = some[(i + i / 4096) % 4096];
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    uint32_t exponent = (bits >> 23 & 0xff) - 112;
    if (argument.element == "f32")
      reinterpret_cast<float *>(data)[i] = x;
    else if (argument.element == "bf16")
      reinterpret_cast<uint16_t *>(data)[i] = bits >> 16;
    else if (argument.element == "f16")
      reinterpret_cast<uint16_t *>(data)[i] = (bits >> 16 & 0x8000) | exponent << 10 | (bits >> 13 & 0x3ff);
    else if (argument.element == "i32")
      reinterpret_cast<int32_t *>(data)[i] = static_cast<int32_t>(x * 1000);
    else if (argument.element == "i64")
      reinterpret_cast<int64_t *>(data)[i] = random() % std::max<int64_t>(1, argument.indices);
  }
}

/// Operations of the shortest known sequence that gives the prescribed bits: instructions where the level has them.
struct Conversion {
  double widening, rounding, inPlace; // to `element` and back
  Conversion(const Layer &layer, const TargetLevel &level) {
    if (layer.element == "bf16")
      widening = 1, rounding = 7, inPlace = 7;
    else if (level.getInfo().convertsHalf)
      widening = 2, rounding = 2, inPlace = 4;
    else
      widening = 7, rounding = 18, inPlace = 11;
  }
};

struct Measured {
  std::unique_ptr<LayerJit> jit;
  void (*products)(int64_t, void *) = nullptr, (*divisions)(int64_t, void *) = nullptr;
  void (*read)(const void *, int64_t, void *) = nullptr;
  double time = 1e9, readTime = 1e9, productTime = 1e9,
         divisionTime = 1e9; // the latter two: of one operation of one lane
};

bool measure(const Layer &layer, llvm::ArrayRef<const TargetLevel *> levels, int rounds, double atLeast) {
  std::vector<Measured> all;
  for (const TargetLevel *level : levels) {
    Measured &m = all.emplace_back();
    m.jit = std::make_unique<LayerJit>(*level);
    if (!m.jit->compileIR(peakSource(*level, false) + peakSource(*level, true) + readSource(*level)) ||
        !m.jit->compile(layer.source)) {
      std::fprintf(stderr, "LayerBench: %s does not compile for %s\n", layer.name.c_str(), level->getName().c_str());
      return false;
    }
    m.products = reinterpret_cast<decltype(m.products)>(m.jit->lookup("products"));
    m.divisions = reinterpret_cast<decltype(m.divisions)>(m.jit->lookup("divisions"));
    m.read = reinterpret_cast<decltype(m.read)>(m.jit->lookup("read"));
  }
  auto aligned = [](int64_t bytes) { return (bytes + 63) & ~int64_t(63); };
  int64_t bytes = 0;
  for (const Argument &argument : layer.arguments)
    bytes += aligned(argument.size());
  Slab slab(bytes + 4096);
  std::vector<void *> buffers;
  uint8_t *next = slab.base;
  for (const Argument &argument : layer.arguments) {
    buffers.push_back(next);
    if (!argument.isOutput)
      fill(argument, next);
    next += aligned(argument.size());
  }
  std::vector<float> ones(16 * 10, 1.0f);
  std::vector<uint8_t> outputs; // of the first level
  bool same = true;
  for (int round = 0; round < rounds; ++round)
    for (size_t i = 0; i < all.size(); ++i) {
      Measured &m = all[i];
      int64_t lanes = levels[i]->getInfo().vectorBits / 32, vectors = int64_t(layer.bytes) / (4 * lanes),
              turns = atLeast ? 20000 : 10;
      auto run = [&] { m.jit->run(buffers, layer.symbols); };
      auto least = [&](double &best, double now) { best = std::min(best, now); };
      auto clear = [&] { std::fill(ones.begin(), ones.end(), 1.0f); };
      if (round == 0) { // the same bits at each level
        run();
        std::vector<uint8_t> now;
        for (auto [buffer, argument] : llvm::zip(buffers, layer.arguments))
          if (argument.isOutput)
            now.insert(now.end(), static_cast<uint8_t *>(buffer), static_cast<uint8_t *>(buffer) + argument.size());
        same &= outputs.empty() || outputs == now;
        outputs = now;
      }
      least(m.readTime, seconds([&] { m.read(slab.base, vectors, ones.data()); }, atLeast));
      clear();
      least(m.productTime, seconds([&] { m.products(turns, ones.data()); }, atLeast / 10) / (turns * 20 * lanes));
      clear();
      least(m.divisionTime, seconds([&] { m.divisions(turns, ones.data()); }, atLeast / 10) / (turns * 10 * lanes));
      least(m.time, seconds(run, atLeast));
    }
  std::printf("%-44s", layer.name.c_str());
  for (auto [m, level] : llvm::zip(all, levels)) {
    Conversion conversion(layer, *level);
    double operations = layer.operations + layer.widenings * conversion.widening +
                        layer.roundings * conversion.rounding + layer.roundingsInPlace * conversion.inPlace;
    double arithmetic = operations * m.productTime + layer.divisions * m.divisionTime;
    double wall = std::max(m.readTime, arithmetic);
    std::printf("  %4.2f %s (%.3g us)", wall / m.time, m.readTime > arithmetic ? "mem" : "ops", m.time * 1e6);
  }
  std::printf("%s\n", same ? "" : "  BITS DIFFER");
  std::fflush(stdout);
  return same;
}

} // namespace

int main(int argc, char **argv) {
  bool quick = argc > 1 && !std::strcmp(argv[1], "--quick"), good = true;
  std::string only = argc > 1 && !quick ? argv[1] : "";
  std::vector<const TargetLevel *> levels = getLevels();
  std::printf("share of the wall, by level:");
  for (const TargetLevel *level : levels)
    std::printf("  %s", level->getName().c_str());
  std::printf("\n");
  for (const Layer &layer : getLayers(quick))
    if (layer.name.find(only) != std::string::npos)
      good &= measure(layer, levels, quick ? 1 : 5, quick ? 0 : 0.02);
  return good ? 0 : 1;
}
