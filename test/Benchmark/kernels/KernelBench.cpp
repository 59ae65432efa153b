//===- KernelBench.cpp - Speed of ternary products beside this machine's walls -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Figures are ratios inside one run: on a shared machine only they can be trusted.
// Each number is the best of several rounds, which alternate between the walls and
// all kernels. test/Benchmark/README.md tells how to read them.
//
//===----------------------------------------------------------------------===//

#include "../Timing.h"
#include "KernelJit.h"
#include "Walls.h"

#include "setun-rt/abi.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include <cstring>
#include <random>
#include <sys/mman.h>

using namespace setun;
using namespace setun::conformance;

namespace {

llvm::cl::opt<bool> quick("quick", llvm::cl::desc("one small shape, one round: a test that all of it works"));
llvm::cl::opt<std::string> jsonFile("json", llvm::cl::desc("write all figures to this file"));
llvm::cl::opt<std::string> only("only", llvm::cl::desc("kernels whose name holds this text"));
llvm::cl::list<std::string> shapeOptions("shape", llvm::cl::CommaSeparated, llvm::cl::desc("ROWSxCOLUMNS,..."));
llvm::cl::list<int64_t> tokenOptions("tokens", llvm::cl::CommaSeparated, llvm::cl::desc("numbers of tokens"));
llvm::cl::opt<int64_t> interleaveOption("interleave", llvm::cl::init(1),
                                        llvm::cl::desc("row tiles of a block: 1, 2 or 4"));
llvm::cl::opt<int> roundsOption("rounds", llvm::cl::init(51), llvm::cl::desc("rounds, of which the best counts"));

/// Memory on huge pages where the system gives them, as the runtime maps weights.
template <typename T> T *allocate(size_t count) {
  size_t align = 2u << 20, bytes = (count * sizeof(T) + align - 1) & ~(align - 1);
  auto *raw =
      static_cast<uint8_t *>(mmap(nullptr, bytes + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  auto *data = reinterpret_cast<uint8_t *>((reinterpret_cast<uintptr_t>(raw) + align - 1) & ~(align - 1));
  madvise(data, bytes, MADV_HUGEPAGE);
  std::memset(data, 0x55, bytes);
  return reinterpret_cast<T *>(data);
}

volatile uint64_t sink;

/// Seconds of one measurement: shorter than the slices that a shared processor is lent in, after each of which the
/// caches are another's, and than its clock keeps its pace. One token's passes over memory need longer.
constexpr double kWindow = 0.001, kReadWindow = 0.08;

struct Shape {
  int64_t n, k;
};

struct Kernel {
  using Product = void (*)(Matrix *, Vector *, Matrix *, setun_rt *);
  std::string name;
  std::unique_ptr<KernelJit> jit;
  Product product;
  std::vector<double> best;                // seconds, by number of tokens
  std::vector<std::vector<double>> ofDots; // of each round, as a share of the dot product's peak beside it
};

PackedLayout layoutOf(Shape shape) { return {2, 16, 16, interleaveOption}; }

/// The product as models have it: rows and columns known, tokens counted at run time, everything contiguous.
std::string sourceOf(Shape shape) {
  std::string x = llvm::formatv("memref<?x{0}xi8>", shape.k), acc = llvm::formatv("memref<?x{0}xi32>", shape.n);
  std::string w = llvm::formatv("memref<{0}xi8>", layoutOf(shape).byteSize(shape.n, shape.k));
  return llvm::formatv("func.func @ternary_bench(%x: {0}, %w: {1}, %acc: {2}) {{\n"
                       "  ternary.matmul ins(%x, %w : {0}, {1}) outs(%acc : {2})\n"
                       "    {{encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = {3}>}\n"
                       "  return\n}\n",
                       x, w, acc, interleaveOption.getValue());
}

/// Every level's products for one shape, natively; an emulation's speed says nothing.
std::vector<Kernel> compileKernels(Shape shape, size_t tokens) {
  std::vector<Kernel> kernels;
  for (const Variant &variant : getVariants()) {
    if (variant.emulated || variant.name().find(only) == std::string::npos)
      continue;
    auto jit = std::make_unique<KernelJit>();
    if (!jit->compile(sourceOf(shape), variant, Loops::Runtime))
      std::exit(1);
    auto product = reinterpret_cast<Kernel::Product>(jit->lookup("ternary_bench"));
    kernels.push_back({variant.name(), std::move(jit), product, std::vector<double>(tokens, 1e9),
                       std::vector<std::vector<double>>(tokens)});
  }
  return kernels;
}

/// Random trits, and `copies` of them one after another.
uint8_t *makeWeights(size_t bytes, size_t copies) {
  uint8_t *weights = allocate<uint8_t>(bytes * copies);
  std::mt19937 random(1);
  for (size_t i = 0; i < bytes; ++i) {
    uint32_t r = random();
    weights[i] = r % 3 | (r >> 4) % 3 << 2 | (r >> 8) % 3 << 4 | (r >> 12) % 3 << 6;
  }
  for (size_t copy = 1; copy < copies; ++copy)
    std::memcpy(weights + copy * bytes, weights, bytes);
  return weights;
}

/// The widest vpdpbusd, if this processor has one: its clock is not the same all the time, so each figure has its own.
const walls::Peak *findDots(llvm::ArrayRef<walls::Peak> peaks) {
  const walls::Peak *found = nullptr;
  for (const walls::Peak &peak : peaks)
    if (llvm::StringRef(peak.name) == "vpdpbusd ymm" || llvm::StringRef(peak.name) == "vpdpbusd zmm")
      found = &peak;
  return found;
}

/// The peak of that name in GMAC/s, 0 if this processor lacks it.
double peakOf(llvm::ArrayRef<walls::Peak> peaks, llvm::ArrayRef<double> best, llvm::StringRef name) {
  for (size_t i = 0; i < peaks.size(); ++i)
    if (name == peaks[i].name)
      return peaks[i].macs / best[i] * 1e-9;
  return 0;
}

void bench(Shape shape, llvm::ArrayRef<int64_t> tokens, int rounds, double atLeast, llvm::json::Array &json) {
  std::vector<Kernel> kernels = compileKernels(shape, tokens.size());
  // As many copies of the weight as lie in memory, not in a cache, for one token; many tokens use the first alone.
  size_t bytes = layoutOf(shape).byteSize(shape.n, shape.k);
  size_t copies = std::max<size_t>(1, (rounds > 1 ? (512u << 20) : bytes) / bytes), all = bytes * copies & ~size_t(255);
  uint8_t *weights = makeWeights(bytes, copies);
  int64_t most = *std::max_element(tokens.begin(), tokens.end());
  int8_t *x = allocate<int8_t>(most * shape.k);
  int32_t *acc = allocate<int32_t>(most * shape.n);
  std::mt19937 random(2);
  for (int64_t i = 0; i < most * shape.k; ++i)
    x[i] = static_cast<int8_t>(random());

  setun_rt runtime{};
  runtime.parallel_for = [](setun_rt *, int64_t count, int64_t, setun_body_fn body, void *env) { body(env, 0, count); };
  std::vector<walls::Read> reads = walls::getReads();
  std::vector<walls::Peak> peaks = walls::getPeaks();
  const walls::Peak *dots = findDots(peaks);
  std::vector<double> readBest(reads.size(), 1e9), peakBest(peaks.size(), 1e9);
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < peaks.size(); ++i)
      peakBest[i] = std::min(peakBest[i], seconds(peaks[i].run, atLeast));
    for (size_t j = 0; j < tokens.size(); ++j) {
      int64_t m = tokens[j];
      // Beside the reads of the same bytes, one after another, so that both see the same neighbours.
      for (size_t i = 0; m == 1 && i < reads.size(); ++i)
        readBest[i] = std::min(readBest[i], seconds([&] { sink = reads[i].run(weights, all); }, 0) / copies);
      for (Kernel &kernel : kernels) {
        Matrix xs = matrixOf(x, m, shape.k, shape.k), out = matrixOf(acc, m, shape.n, shape.n);
        size_t copy = 0;
        auto run = [&] {
          Vector w = vectorOf(weights + (m == 1 ? copy++ % copies * bytes : 0), bytes);
          kernel.product(&xs, &w, &out, &runtime);
        };
        if (m > 1 && atLeast > 0)
          run(); // brings what lies in L2 back to it
        double before = dots ? seconds(dots->run, atLeast) : 0;
        double taken = seconds(run, m == 1 && atLeast > 0 ? kReadWindow : atLeast);
        kernel.best[j] = std::min(kernel.best[j], taken);
        if (dots)
          kernel.ofDots[j].push_back(double(shape.n) * shape.k * m / taken /
                                     (2 * dots->macs / (before + seconds(dots->run, atLeast))));
      }
    }
  }

  size_t fastest = std::min_element(readBest.begin(), readBest.end()) - readBest.begin();
  double read = readBest[fastest], madd = peakOf(peaks, peakBest, "vpmaddubsw + vpaddw ymm");
  std::printf("%ld x %ld, %.1f KB packed\n", long(shape.n), long(shape.k), bytes / 1024.0);
  llvm::json::Object wallJson;
  for (size_t i = 0; i < reads.size(); ++i) {
    std::printf("  read, %-36s %6.1f GB/s%s\n", reads[i].name, bytes / readBest[i] * 1e-9, i == fastest ? "  <" : "");
    wallJson[(llvm::Twine("read, ") + reads[i].name).str()] = bytes / readBest[i] * 1e-9;
  }
  for (size_t i = 0; i < peaks.size(); ++i) {
    std::printf("  peak, %-36s %6.1f GMAC/s\n", peaks[i].name, peaks[i].macs / peakBest[i] * 1e-9);
    wallJson[(llvm::Twine("peak, ") + peaks[i].name).str()] = peaks[i].macs / peakBest[i] * 1e-9;
  }
  llvm::json::Array kernelJson;
  for (const Kernel &kernel : kernels) {
    std::printf("  %s\n", kernel.name.c_str());
    for (size_t j = 0; j < tokens.size(); ++j) {
      double macs = double(shape.n) * shape.k * tokens[j] / kernel.best[j] * 1e-9;
      llvm::json::Object figure{{"kernel", kernel.name}, {"tokens", tokens[j]}, {"gmacs", macs}};
      std::printf("    M %-4ld %7.1f GMAC/s", long(tokens[j]), macs);
      if (madd) {
        std::printf("  %.2f of vpmaddubsw + vpaddw", macs / madd);
        figure["of_vpmaddubsw_vpaddw"] = macs / madd;
      }
      if (dots) {
        std::vector<double> shares = kernel.ofDots[j];
        std::sort(shares.begin(), shares.end());
        std::printf("  %.2f of %s", shares[shares.size() / 2], dots->name);
        figure["of_vpdpbusd"] = shares[shares.size() / 2];
      }
      if (tokens[j] == 1) {
        std::printf("  %.1f GB/s: %.0f %% of the read", bytes / kernel.best[j] * 1e-9, 100 * read / kernel.best[j]);
        figure["of_read"] = read / kernel.best[j];
      }
      std::printf("\n");
      kernelJson.push_back(std::move(figure));
    }
  }
  std::fflush(stdout);
  json.push_back(llvm::json::Object{{"rows", shape.n},
                                    {"columns", shape.k},
                                    {"packed_bytes", int64_t(bytes)},
                                    {"walls", std::move(wallJson)},
                                    {"products", std::move(kernelJson)}});
  munmap(weights, bytes * copies);
  munmap(x, most * shape.k);
  munmap(acc, most * shape.n * 4);
}

} // namespace

int main(int argc, char **argv) {
  llvm::cl::ParseCommandLineOptions(argc, argv,
                                    "Speed of every level's ternary products beside this machine's walls\n");
  std::vector<Shape> shapes{{2560, 2560}, {640, 2560}, {6912, 2560}, {2560, 6912}, {512, 512}};
  std::vector<int64_t> tokens{1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 48, 64, 128, 512};
  if (quick)
    shapes = {{256, 256}}, tokens = {1, 4, 32};
  if (!shapeOptions.empty())
    shapes.clear();
  for (const std::string &text : shapeOptions) {
    Shape shape{};
    if (std::sscanf(text.c_str(), "%ldx%ld", &shape.n, &shape.k) != 2 || shape.n < 1 || shape.k < 1) {
      std::fprintf(stderr, "--shape: '%s' is not ROWSxCOLUMNS\n", text.c_str());
      return 1;
    }
    shapes.push_back(shape);
  }
  if (!tokenOptions.empty())
    tokens.assign(tokenOptions.begin(), tokenOptions.end());
  llvm::json::Array features, all;
  std::printf("processor %s:", walls::getProcessor().c_str());
  for (const std::string &feature : walls::getFeatures()) {
    std::printf(" %s", feature.c_str());
    features.push_back(feature);
  }
  std::printf("\n");
  for (Shape shape : shapes)
    bench(shape, tokens, quick ? 1 : int(roundsOption), quick ? 0 : kWindow, all);
  if (jsonFile.empty())
    return 0;
  std::error_code error;
  llvm::raw_fd_ostream os(jsonFile, error);
  if (error) {
    std::fprintf(stderr, "%s: %s\n", jsonFile.c_str(), error.message().c_str());
    return 1;
  }
  llvm::json::Object run{
      {"processor", walls::getProcessor()}, {"features", std::move(features)}, {"shapes", std::move(all)}};
  os << llvm::formatv("{0:2}\n", llvm::json::Value(std::move(run)));
  return 0;
}
