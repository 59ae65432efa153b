//===- TokenizerFuzzer.cpp - tokenizer.json from strangers -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// What is accepted becomes a table that the runtime opens, and that gives tokens for any text.

#include "Tokenizer.h"
#include "setun-rt/text.h"
#include "setun-rt/text_table.h"

#include <cstdlib>
#include <cstring>

using namespace setun::text;

static void require(bool holds) {
  if (!holds)
    abort();
}

/// A table of one section.
static std::vector<uint64_t> wrap(const std::string &section) {
  size_t header = sizeof(setun_text_header) + sizeof(setun_text_section);
  std::vector<uint64_t> table((header + section.size() + 7) / 8);
  setun_text_section entry = {SETUN_TEXT_TOKENIZER, 0, header, section.size()};
  uint64_t magic = SETUN_TEXT_MAGIC;
  uint32_t words[] = {SETUN_TEXT_VERSION, 1};
  char *bytes = reinterpret_cast<char *>(table.data());
  memcpy(bytes, &magic, 8);
  memcpy(bytes + 8, words, 8);
  memcpy(bytes + sizeof(setun_text_header), &entry, sizeof entry);
  memcpy(bytes + header, section.data(), section.size());
  return table;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::Expected<Tokenizer> tokenizer = readTokenizerJson(llvm::StringRef(reinterpret_cast<const char *>(data), size));
  llvm::Expected<std::string> section = tokenizer ? writeTokenizer(*tokenizer) : tokenizer.takeError();
  if (!section) {
    require(!toString(section.takeError()).empty());
    return 0;
  }
  std::vector<uint64_t> table = wrap(*section);
  char error[200];
  setun_tokenizer *opened = setun_tokenizer_open(table.data(), table.size() * 8, error, sizeof error);
  if (!opened) // added tokens that are the same once they are normalized
    return 0;
  int64_t ids[256];
  char text[1024];
  int64_t count = setun_encode(opened, reinterpret_cast<const char *>(data), std::min<size_t>(size, 64),
                               SETUN_ADD_SPECIAL | SETUN_PARSE_SPECIAL, ids, 256);
  for (int64_t i = 0; i < std::min<int64_t>(count, 256); ++i)
    require(ids[i] >= 0 && ids[i] < setun_tokenizer_size(opened));
  if (count >= 0)
    setun_decode(opened, ids, std::min<int64_t>(count, 256), 0, text, sizeof text);
  setun_tokenizer_close(opened);
  return 0;
}
