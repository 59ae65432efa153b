//===- DrawKernelsTest.cpp - Draws in the emulator ------------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Against the runtime's sampler: the same token, and the same of the random numbers
// used, for every row, history and set of options.
//
//===----------------------------------------------------------------------===//

#include "CompiledKernels.h"
#include "Sampler.h"

#include "llvm/ADT/StringRef.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

using namespace setun;
using namespace setun::test;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

const std::string &getBitcode() {
  static const std::string bitcode = [] {
    std::string source;
    for (const char *type : {"f32", "f16", "bf16"})
      source += std::string("func.func @fill_") + type + "(%y: memref<?x?x" + type +
                "> {setun.output}) attributes {llvm.emit_c_interface} {\n  %c = arith.constant 1.0 : " + type +
                "\n  linalg.fill ins(%c : " + type + ") outs(%y : memref<?x?x" + type + ">)\n  return\n}\n";
    auto compiled = CompiledKernels::compile(source, "func.func(setun-elementwise-to-device)");
    return compiled ? compiled->getBitcode().str() : std::string();
  }();
  return bitcode;
}

/// What the runtime keeps on the device for one session.
class Drawing {
public:
  Drawing(int64_t vocabulary, bool races = false) : vocabulary(vocabulary) {
    nvptx::EmulatorOptions options;
    options.checkRaces = races;
    emulator = llvm::cantFail(nvptx::DeviceEmulator::load(getBitcode(), options));
    memory.resize((sizeof(setun_draw_memory) + vocabulary * SETUN_DRAW_BYTES_A_TOKEN + 7) / 8);
  }

  /// The token, or an error's text. `history` goes on where it ended in the last call.
  std::string draw(setun_sampler *sampler, const void *logits, size_t bytes, const std::vector<int64_t> &history,
                   uint64_t seed, const std::string &type = "") {
    setun_draw_options told;
    setun_draw_tell(sampler, vocabulary, &told);
    std::vector<setun_bias> biases(sampler->biases, sampler->biases + sampler->options.num_biases);
    std::stable_sort(biases.begin(), biases.end(),
                     [](const setun_bias &a, const setun_bias &b) { return a.token < b.token; });
    std::vector<int64_t> fresh(history.begin() + static_cast<ptrdiff_t>(known), history.end());
    told.biases = reinterpret_cast<uint64_t>(biases.data());
    told.tokens = reinterpret_cast<uint64_t>(fresh.data());
    told.num_tokens = static_cast<int64_t>(fresh.size());
    told.counted = sampler->counted_from > known ? static_cast<int64_t>(sampler->counted_from - known) : 0;
    if (told.has_history)
      known = history.size();
    setun_device_frame frame{};
    int64_t token = 77;
    std::vector<nvptx::MemoryRange> ranges{{reinterpret_cast<uint64_t>(&told), sizeof told},
                                           {reinterpret_cast<uint64_t>(logits), bytes},
                                           {reinterpret_cast<uint64_t>(memory.data()), memory.size() * 8},
                                           {reinterpret_cast<uint64_t>(&token), 8}};
    if (!biases.empty())
      ranges.push_back({told.biases, biases.size() * sizeof biases[0]});
    if (!fresh.empty())
      ranges.push_back({told.tokens, fresh.size() * 8});
    emulator->setMemory(ranges);
    emulator->setSeed(seed);
    const void *params[] = {&frame, &told, logits, reinterpret_cast<const void *>(vocabulary), memory.data(), &token};
    uint32_t chunks = static_cast<uint32_t>((vocabulary + SETUN_DRAW_CHUNK - 1) / SETUN_DRAW_CHUNK);
    uint32_t span = (chunks + SETUN_DRAW_CHUNK - 1) / SETUN_DRAW_CHUNK, blocks = (chunks + span - 1) / span;
    bool ranks = told.draws && told.top_k < vocabulary, shares = told.draws && told.top_p < 1;
    const std::pair<std::string, bool> kernels[] = {{"largest" + type, true}, {"weigh", told.draws},    {"rank", ranks},
                                                    {"share", shares},        {"sum", ranks || shares}, {"pick", true}};
    for (const auto &[name, wanted] : kernels)
      if (wanted)
        if (llvm::Error error = emulator->launch("setun_draw_" + name, {name == "pick" ? 1 : blocks, 1, 1},
                                                 {SETUN_DRAW_THREADS, 1, 1}, 0, params, sizeof params))
          return llvm::toString(std::move(error));
    return std::to_string(token);
  }

private:
  int64_t vocabulary;
  size_t known = 0;
  std::unique_ptr<nvptx::DeviceEmulator> emulator;
  std::vector<uint64_t> memory;
};

struct Sampler {
  setun_sampler *sampler;
  explicit Sampler(const setun_sampling &options) {
    char error[200] = "";
    sampler = setun_sampler_open(&options, error, sizeof error);
    EXPECT_NE(sampler, nullptr) << error;
  }
  ~Sampler() { setun_sampler_close(sampler); }

  /// What the device should say; the sampler moves on.
  std::string expect(const std::vector<float> &logits, const std::vector<int64_t> &history) {
    setun_sampler_place before, after;
    setun_sampler_get_place(sampler, &before);
    int64_t token =
        setun_sample(sampler, logits.data(), static_cast<int64_t>(logits.size()), history.data(), history.size());
    setun_sampler_get_place(sampler, &after);
    bool drew = std::memcmp(before.random, after.random, sizeof before.random) != 0;
    return std::to_string(drew ? token | SETUN_DRAW_DREW : token);
  }
  void goBack(const setun_sampler_place &place) { setun_sampler_set_place(sampler, &place); }
};

using Random = std::mt19937_64;

int64_t below(Random &random, int64_t count) { return static_cast<int64_t>(random() % static_cast<uint64_t>(count)); }
double real(Random &random, double least, double most) {
  return std::uniform_real_distribution<double>(least, most)(random);
}

constexpr int kKinds = 9;
std::vector<float> makeRow(Random &random, int64_t size, int kind) {
  std::vector<float> row(static_cast<size_t>(size));
  std::normal_distribution<float> normal;
  float scale = static_cast<float>(std::exp(real(random, -3, 4)));
  for (float &x : row) {
    x = normal(random) * scale;
    if (kind == 1)
      x = std::round(x); // many equal ones
    if (kind == 2)
      x = 3; // all
    if (kind == 3 && below(random, 3) == 0)
      x = below(random, 2) ? kInf * -1 : NAN;
    if (kind == 4)
      x = below(random, 2) ? 0.0f : -0.0f;
    if (kind == 5)
      x = std::nextafter(1.0f, static_cast<float>(below(random, 3))); // neighbours
    if (kind == 6)
      x = (normal(random) > 0 ? 1 : -1) * std::exp(normal(random) * 40); // up to the largest floats
    if (kind == 7 && below(random, size) < 2)
      x = kInf;
    if (kind == 8)
      x = below(random, 2) ? NAN : -kInf;
  }
  return row;
}

setun_sampling makeOptions(Random &random, int64_t size, std::vector<setun_bias> &biases) {
  setun_sampling o{};
  auto sometimes = [&] { return below(random, 3) == 0; };
  o.temperature = below(random, 8) == 0 ? 0 : std::exp(real(random, -2, 2));
  if (below(random, 20) == 0)
    o.temperature = below(random, 2) ? 1e-310 : 1e9;
  if (below(random, 2))
    o.top_k = 1 + below(random, below(random, 2) ? 50 : size + 2);
  o.top_p = below(random, 2) ? real(random, 1e-9, 1) : 1;
  o.min_p = sometimes() ? (sometimes() ? 1 : std::exp(real(random, -20, 0))) : 0;
  o.repetition_penalty = sometimes() ? real(random, 0.5, 2) : 1;
  o.frequency_penalty = sometimes() ? real(random, -1, 2) : 0;
  o.presence_penalty = sometimes() ? real(random, -1, 2) : 0;
  o.seed = random();
  biases.clear();
  for (int64_t i = sometimes() ? below(random, 20) : 0; i > 0; --i)
    biases.push_back({below(random, size + 4) - 2, below(random, 6) == 0 ? -kInf : real(random, -9, 9)});
  o.biases = biases.data();
  o.num_biases = biases.size();
  return o;
}

/// `rows` rows of a generation each time, as it would go on.
void compare(Random &random, int64_t size, int generations, int rows, bool races) {
  std::vector<setun_bias> biases;
  for (int i = 0; i < generations; ++i) {
    setun_sampling options = makeOptions(random, size, biases);
    Sampler sampler(options);
    Drawing drawing(size, races);
    std::vector<int64_t> history;
    for (int64_t n = below(random, 30); n > 0; --n)
      history.push_back(below(random, size + 4) - 2);
    setun_sampler_count_from(sampler.sampler, static_cast<size_t>(below(random, 20)));
    int kind = static_cast<int>(below(random, kKinds));
    for (int row = 0; row < rows; ++row) {
      std::vector<float> logits = makeRow(random, size, kind);
      setun_sampler_place place;
      setun_sampler_get_place(sampler.sampler, &place);
      std::string expected = sampler.expect(logits, history);
      setun_sampler_place after;
      setun_sampler_get_place(sampler.sampler, &after);
      sampler.goBack(place);
      ASSERT_EQ(drawing.draw(sampler.sampler, logits.data(), logits.size() * 4, history, random() % 4), expected)
          << "vocabulary " << size << ", kind " << kind << ", row " << row << ", temperature " << options.temperature
          << ", top-k " << options.top_k << ", top-p " << options.top_p << ", min-p " << options.min_p << ", biases "
          << biases.size();
      sampler.goBack(after);
      int64_t token = std::stoll(expected);
      history.push_back(token < 0 ? 0 : token & ~SETUN_DRAW_DREW);
    }
  }
}

TEST(DrawKernels, DrawWhatTheSamplerDraws) {
  ASSERT_FALSE(getBitcode().empty());
  Random random(1);
  for (int64_t size : {1, 2, 3, 40, 255, 256, 257, 1000})
    compare(random, size, kSanitized ? 4 : 30, 3, /*races=*/false);
  for (int64_t size : {1023, 1024, 1025, 3000, 5000})
    compare(random, size, kSanitized ? 1 : 8, 2, /*races=*/false);
}

TEST(DrawKernels, HaveNoRaces) {
  Random random(2);
  for (int64_t size : {1, 300, 2500})
    compare(random, size, kSanitized ? 3 : 12, 2, /*races=*/true);
}

TEST(DrawKernels, TakeLargeVocabularies) {
  Random random(3);
  for (int64_t size : {128256, 200000})
    compare(random, size, kSanitized ? 1 : 2, 1, /*races=*/false);
}

TEST(DrawKernels, WidenShortFloats) {
  Random random(4);
  for (const char *type : {"_f16", "_bf16"}) {
    setun_sampling options{};
    options.temperature = 1;
    options.top_k = 30;
    options.seed = 5;
    Sampler sampler(options);
    Drawing drawing(700);
    for (int row = 0; row < 10; ++row) {
      std::vector<uint16_t> bits;
      std::vector<float> logits;
      for (int i = 0; i < 700; ++i) {
        // Of a bf16 the upper half; of an f16 integers of 0 to 1023 as subnormals, of which sums are as exact.
        bool half = type[1] == 'f';
        uint16_t number = static_cast<uint16_t>(half ? below(random, 1024) : 0x4000 + below(random, 0x60));
        uint32_t wide = static_cast<uint32_t>(number) << 16;
        float value;
        std::memcpy(&value, &wide, sizeof value);
        bits.push_back(number);
        logits.push_back(half ? static_cast<float>(number) * 0x1p-24f : value);
      }
      setun_sampler_place place, after;
      setun_sampler_get_place(sampler.sampler, &place);
      std::string expected = sampler.expect(logits, {});
      setun_sampler_get_place(sampler.sampler, &after);
      sampler.goBack(place);
      EXPECT_EQ(drawing.draw(sampler.sampler, bits.data(), bits.size() * 2, {}, 0, type), expected) << type;
      sampler.goBack(after);
    }
  }
}

} // namespace
