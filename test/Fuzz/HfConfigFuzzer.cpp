//===- HfConfigFuzzer.cpp - config.json from strangers -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Config.h"
#include "Json.h"

#include <cmath>
#include <cstdlib>

using namespace setun;
using namespace setun::hf;

static void require(bool holds) {
  if (!holds)
    abort();
}

/// What is accepted is in the ranges that the rest of the importer counts on.
static void check(const Config &config) {
  for (int64_t size : {config.vocabulary, config.hidden, config.intermediate, config.layers, config.heads,
                       config.keyHeads, config.headSize, config.positions})
    require(size > 0 && size < (int64_t(1) << 31));
  require(config.heads % config.keyHeads == 0 && config.headSize % 2 == 0);
  require(static_cast<int64_t>(config.windows.size()) == config.layers);
  const decoder::Rope &rope = config.rope;
  require(std::isfinite(rope.theta) && rope.theta > 0 && std::isfinite(rope.factor) && rope.factor > 0);
  require(rope.dimension == config.headSize && rope.originalLength > 0 && std::isfinite(config.epsilon));
  if (rope.kind == decoder::Rope::LongRope)
    require(static_cast<int64_t>(rope.shortFactors.size()) == rope.dimension / 2 &&
            rope.shortFactors.size() == rope.longFactors.size());
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Refusal refuse;
  auto object = parseObject(llvm::StringRef(reinterpret_cast<const char *>(data), size), "f", refuse);
  if (!object)
    return require(static_cast<bool>(refuse)), 0;
  Config config = readConfig(*object, "f", refuse);
  if (refuse)
    return 0;
  check(config);
  config.quantization.converts("model.layers.0.self_attn.q_proj", refuse);
  return 0;
}
