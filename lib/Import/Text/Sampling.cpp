//===- Sampling.cpp - How a model wants its tokens drawn -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// generation_config.json as transformers' generate reads it: without do_sample the likeliest token is taken, whatever
// temperature the file says; with it, what the file does not name has transformers' own defaults.

#include "Json.h"
#include "setun-rt/text_table.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace setun::text;

static Expected<double> readNumber(const Node &node, StringRef key, double least, double most, double otherwise) {
  const json::Value *value = node.find(key);
  if (!value)
    return otherwise;
  std::optional<double> number = value->getAsNumber();
  if (!number || !(*number >= least && *number <= most))
    return node.error(key, formatv("expected a number from {0} to {1}", least, most));
  return *number;
}

static Expected<setun_text_sampling> read(const Node &node) {
  Expected<bool> samples = node.getBool("do_sample", false);
  if (!samples)
    return samples.takeError();
  setun_text_sampling result = {};
  struct {
    const char *key;
    double *into, least, most, sampling, greedy;
  } numbers[] = {{"temperature", &result.temperature, 0, 1e9, 1, 0},
                 {"top_p", &result.top_p, 0, 1, 1, 1},
                 {"min_p", &result.min_p, 0, 1, 0, 0},
                 {"repetition_penalty", &result.repetition_penalty, 1e-9, 1e9, 1, 1}};
  for (auto &number : numbers) {
    Expected<double> value = readNumber(node, number.key, number.least, number.most, number.sampling);
    if (!value)
      return value.takeError();
    *number.into = *samples || number.into == &result.repetition_penalty ? *value : number.greedy;
  }
  if (result.top_p == 0) // the runtime's 0 is all; transformers' keeps the likeliest
    result.top_p = 1e-9;
  Expected<int64_t> topK = node.getInteger("top_k", 0, INT32_MAX, 50);
  if (!topK)
    return topK.takeError();
  result.top_k = *samples ? *topK : 0;
  return result;
}

Expected<std::string> setun::text::readSampling(StringRef folder) {
  auto file = MemoryBuffer::getFile(folder + "/generation_config.json");
  if (!file)
    return std::string();
  Expected<json::Value> root = parseJson((*file)->getBuffer());
  Expected<Node> node = root ? Node::get(*root, "") : root.takeError();
  Expected<setun_text_sampling> sampling = node ? read(*node) : node.takeError();
  if (!sampling)
    return makeError("generation_config.json: " + toString(sampling.takeError()));
  return std::string(reinterpret_cast<const char *>(&*sampling), sizeof *sampling);
}
