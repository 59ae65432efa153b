//===- KernelBench.cpp - Speed of ternary products beside a read of the same bytes -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Figures are ratios inside one run: on a shared machine only they can be trusted.
// Each number is the best of several rounds, which alternate between the kernels.
// `--quick` runs one small shape, as a test that all of it works.
//
//===----------------------------------------------------------------------===//

#include "KernelJit.h"

#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>
#include <sys/mman.h>

using namespace setun;
using namespace setun::conformance;

namespace {

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

/// This thread's processor time: what other processes take does not count.
double clockSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

double seconds(const std::function<void()> &run, double atLeast) {
  double start = clockSeconds(), passed = 0;
  int64_t rounds = 0;
  do {
    run();
    ++rounds;
    passed = clockSeconds() - start;
  } while (passed < atLeast);
  return passed / rounds;
}

uint64_t readAll(const uint8_t *bytes, size_t size) {
  uint64_t sums[16] = {};
  for (size_t i = 0; i + 128 <= size; i += 128)
    for (int j = 0; j < 16; ++j) {
      uint64_t word;
      std::memcpy(&word, bytes + i + 8 * j, 8);
      sums[j] += word;
    }
  uint64_t total = 0;
  for (uint64_t sum : sums)
    total += sum;
  return total;
}

volatile uint64_t sink;

struct Shape {
  int64_t n, k;
};

void bench(Shape shape, const std::vector<int64_t> &tokens, int rounds, double atLeast, const char *only) {
  using Product = void (*)(Matrix *, Vector *, Matrix *);
  struct Kernel {
    Variant variant;
    std::unique_ptr<KernelJit> jit;
    Product product;
  };
  std::vector<Kernel> kernels;
  for (const Variant &variant : getVariants()) {
    if (variant.emulated || // whose speed says nothing
        (only && variant.name().find(only) == std::string::npos))
      continue;
    auto jit = std::make_unique<KernelJit>();
    if (!jit->compile(productSource("ternary_bench", "i8", -1, shape.n, shape.k, 0), variant))
      std::exit(1);
    auto product = reinterpret_cast<Product>(jit->lookup("ternary_bench"));
    kernels.push_back({variant, std::move(jit), product});
  }
  // As many copies of the weight as lie in memory, not in a cache, for one token; many tokens use the first alone.
  size_t bytes = PackedLayout{2, 16, 16, 2}.byteSize(shape.n, shape.k);
  size_t copies = std::max<size_t>(1, (rounds > 1 ? (512u << 20) : bytes) / bytes);
  uint8_t *weights = allocate<uint8_t>(bytes * copies);
  std::mt19937 random(1);
  for (size_t i = 0; i < bytes; ++i) {
    uint32_t r = random();
    weights[i] = r % 3 | (r >> 4) % 3 << 2 | (r >> 8) % 3 << 4 | (r >> 12) % 3 << 6;
  }
  for (size_t copy = 1; copy < copies; ++copy)
    std::memcpy(weights + copy * bytes, weights, bytes);
  int64_t most = *std::max_element(tokens.begin(), tokens.end());
  int8_t *x = allocate<int8_t>(most * shape.k);
  int32_t *acc = allocate<int32_t>(most * shape.n);
  for (int64_t i = 0; i < most * shape.k; ++i)
    x[i] = static_cast<int8_t>(random());

  double read = 1e9;
  std::vector<std::vector<double>> best(kernels.size(), std::vector<double>(tokens.size(), 1e9));
  for (int round = 0; round < rounds; ++round) {
    read = std::min(read, seconds([&] { sink = readAll(weights, bytes * copies); }, 0) / copies);
    for (size_t i = 0; i < kernels.size(); ++i)
      for (size_t j = 0; j < tokens.size(); ++j) {
        int64_t m = tokens[j];
        Matrix xs = matrixOf(x, m, shape.k, shape.k), out = matrixOf(acc, m, shape.n, shape.n);
        size_t copy = 0;
        auto run = [&] {
          Vector w = vectorOf(weights + (m == 1 ? copy++ % copies * bytes : 0), bytes);
          kernels[i].product(&xs, &w, &out);
        };
        best[i][j] = std::min(best[i][j], seconds(run, m == 1 ? atLeast * 4 : atLeast));
      }
  }
  std::printf("%ld x %ld, %.1f KB packed; a read of the bytes: %.1f GB/s\n", long(shape.n), long(shape.k),
              bytes / 1024.0, bytes / read * 1e-9);
  for (size_t i = 0; i < kernels.size(); ++i) {
    std::printf("  %-22s", kernels[i].variant.name().c_str());
    for (size_t j = 0; j < tokens.size(); ++j) {
      double macs = double(shape.n) * shape.k * tokens[j] / best[i][j] * 1e-9;
      if (tokens[j] == 1)
        std::printf("  M 1: %.1f GB/s (%.0f %% of the read)", bytes / best[i][j] * 1e-9, 100 * read / best[i][j]);
      else
        std::printf("  %ld: %.0f", long(tokens[j]), macs);
    }
    std::printf(" GMAC/s\n");
  }
  munmap(weights, bytes * copies);
  munmap(x, most * shape.k);
  munmap(acc, most * shape.n * 4);
}

} // namespace

int main(int argc, char **argv) {
  if (argc > 1 && !std::strcmp(argv[1], "--quick")) {
    bench({256, 256}, {1, 4, 32}, 1, 0, nullptr);
    return 0;
  }
  const char *only = argc > 1 ? argv[1] : nullptr;
  std::vector<int64_t> tokens{1, 2, 4, 8, 12, 16, 24, 32, 64, 128, 512};
  for (Shape shape : {Shape{2560, 2560}, {640, 2560}, {6912, 2560}, {2560, 6912}, {512, 512}})
    bench(shape, tokens, 5, 0.02, only);
  return 0;
}
