//===- Walls.cpp - What this processor can do at most -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Instruction peaks are written in assembly, so that no compiler can help or harm,
// and run only where the processor has the instruction.
//
//===----------------------------------------------------------------------===//

#include "Walls.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"
#include <cstring>

#ifdef __x86_64__
#include <immintrin.h>
#endif

using namespace setun::walls;

static bool has(const char *feature) { return llvm::sys::getHostCPUFeatures().lookup(feature); }

/// Words in sixteen sums: what any compiler makes of it.
static uint64_t readWords(const uint8_t *bytes, size_t size) {
  uint64_t sums[16] = {}, total = 0;
  for (size_t i = 0; i + 128 <= size; i += 128)
    for (int j = 0; j < 16; ++j) {
      uint64_t word;
      std::memcpy(&word, bytes + i + 8 * j, 8);
      sums[j] += word;
    }
  for (uint64_t sum : sums)
    total += sum;
  return total;
}

#ifdef __x86_64__

/// 256 bytes a step into four sums, asking for lines `Ahead` bytes further into L1 and `Far` into L2; 0: hardware finds
/// them alone.
template <int Ahead, int Far = 0>
__attribute__((target("avx2"))) static uint64_t read256(const uint8_t *bytes, size_t size) {
  __m256i sums[4] = {};
  for (size_t i = 0; i + 256 <= size; i += 256)
    for (int j = 0; j < 8; ++j) {
      if (Ahead && j % 2 == 0)
        _mm_prefetch(reinterpret_cast<const char *>(bytes) + i + 32 * j + Ahead, _MM_HINT_T0);
      if (Far && j % 2 == 0)
        _mm_prefetch(reinterpret_cast<const char *>(bytes) + i + 32 * j + Far, _MM_HINT_T1);
      sums[j % 4] += _mm256_load_si256(reinterpret_cast<const __m256i *>(bytes + i + 32 * j));
    }
  sums[0] += sums[1] + sums[2] + sums[3];
  return sums[0][0] + sums[0][1] + sums[0][2] + sums[0][3];
}

template <int Ahead, int Far = 0>
__attribute__((target("avx512f"))) static uint64_t read512(const uint8_t *bytes, size_t size) {
  __m512i sums[4] = {};
  for (size_t i = 0; i + 256 <= size; i += 256)
    for (int j = 0; j < 4; ++j) {
      if (Ahead)
        _mm_prefetch(reinterpret_cast<const char *>(bytes) + i + 64 * j + Ahead, _MM_HINT_T0);
      if (Far)
        _mm_prefetch(reinterpret_cast<const char *>(bytes) + i + 64 * j + Far, _MM_HINT_T1);
      sums[j] += _mm512_load_si512(bytes + i + 64 * j);
    }
  return _mm512_reduce_add_epi64(sums[0] + sums[1] + sums[2] + sums[3]);
}

// Each instruction is repeated for twelve sums, 24 where there are 32 registers: its latency does not show. Compilers
// of plain code know nothing of the upper registers, so that they need not be told.
#define SUMS12 "0,1,2,3,4,5,6,7,8,9,10,11"
#define SUMS24 SUMS12 ",16,17,18,19,20,21,22,23,24,25,26,27"
#define PEAK(NAME, COUNT, MACS, ...)                                                                                   \
  Peak {                                                                                                               \
    NAME, double(kTurns) * (MACS) * COUNT, [] {                                                                        \
      for (int i = 0; i < kTurns; ++i)                                                                                 \
        asm volatile(".irp r," SUMS##COUNT "\n" __VA_ARGS__ "\n.endr"                                                  \
                     :                                                                                                 \
                     : "r"(l1)                                                                                         \
                     : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",       \
                       "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");                                          \
    }                                                                                                                  \
  }

static constexpr int kTurns = 20000;
alignas(64) static const int8_t l1[2048] = {};

#endif

std::vector<Read> setun::walls::getReads() {
  std::vector<Read> reads;
#ifdef __x86_64__
  if (has("avx2"))
    reads.insert(reads.end(), {{"256-bit loads", read256<0>},
                               {"256-bit loads, prefetch 2 KB ahead", read256<2048>},
                               {"256-bit loads, 1 and 4.5 KB ahead", read256<1024, 4608>}});
  if (has("avx512f"))
    reads.insert(reads.end(), {{"512-bit loads", read512<0>},
                               {"512-bit loads, prefetch 2 KB ahead", read512<2048>},
                               {"512-bit loads, 1 and 4.5 KB ahead", read512<1024, 4608>}});
#endif
  if (reads.empty())
    reads.push_back({"64-bit loads", readWords});
  return reads;
}

std::vector<Peak> setun::walls::getPeaks() {
  std::vector<Peak> peaks;
#ifdef __x86_64__
  if (has("avx2")) {
    peaks.push_back(PEAK("vpmaddubsw ymm", 12, 32, "vpmaddubsw %%ymm14, %%ymm15, %%ymm\\r"));
    peaks.push_back(PEAK("vpmaddubsw + vpaddw ymm", 12, 32,
                         "vpmaddubsw %%ymm14, %%ymm15, %%ymm13\nvpaddw %%ymm13, %%ymm\\r, %%ymm\\r"));
    peaks.push_back(PEAK("vpaddw ymm from L1, 4 columns an entry", 12, 64, "vpaddw 32*\\r(%0), %%ymm\\r, %%ymm\\r"));
  }
  if (has("avxvnni"))
    peaks.push_back(PEAK("vpdpbusd ymm", 12, 32, "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm\\r"));
  if (has("avx512vnni")) {
    peaks.push_back(PEAK("vpdpbusd zmm", 24, 64, "vpdpbusd %%zmm14, %%zmm15, %%zmm\\r"));
    peaks.push_back(PEAK("vpdpbusd zmm, broadcast from L1", 24, 64, "vpdpbusd 4*\\r(%0)%{1to16%}, %%zmm15, %%zmm\\r"));
  }
  if (has("avx512bw"))
    peaks.push_back(PEAK("vpaddw zmm from L1, 4 columns an entry", 24, 128, "vpaddw 64*\\r(%0), %%zmm\\r, %%zmm\\r"));
#endif
  return peaks;
}

std::string setun::walls::getProcessor() { return llvm::sys::getHostCPUName().str(); }

std::vector<std::string> setun::walls::getFeatures() {
  std::vector<std::string> features;
  for (const char *feature : {"sse4.2", "avx2", "fma", "avxvnni", "avx512f", "avx512bw", "avx512vl", "avx512vnni",
                              "avx512vbmi", "amx-int8", "neon", "dotprod", "i8mm"})
    if (has(feature))
      features.push_back(feature);
  return features;
}
