//===- EncodeFuzzer.cpp - Texts and tokens from strangers -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The first byte chooses flags, the rest is a text, then tokens, for the table in the file that SETUN_FUZZ_TABLE names
// (setun tokenizer FILE -o TABLE).

#include "setun-rt/text.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

static void require(bool holds) {
  if (!holds)
    abort();
}

static setun_tokenizer *open() {
  const char *name = getenv("SETUN_FUZZ_TABLE");
  FILE *file = name ? fopen(name, "rb") : nullptr;
  if (!file) {
    fprintf(stderr, "SETUN_FUZZ_TABLE does not name a table\n");
    exit(1);
  }
  static std::vector<uint64_t> table;
  uint64_t word = 0;
  while (fread(&word, 1, 8, file) > 0)
    table.push_back(word);
  fclose(file);
  char error[200];
  setun_tokenizer *tokenizer = setun_tokenizer_open(table.data(), table.size() * 8, error, sizeof error);
  if (!tokenizer) {
    fprintf(stderr, "%s: %s\n", name, error);
    exit(1);
  }
  return tokenizer;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static setun_tokenizer *tokenizer = open();
  if (!size)
    return 0;
  uint32_t flags = data[0];
  const char *text = reinterpret_cast<const char *>(data + 1);
  int64_t count = setun_encode(tokenizer, text, size - 1, flags, nullptr, 0);
  require(count >= 0);
  std::vector<int64_t> ids(count);
  require(setun_encode(tokenizer, text, size - 1, flags, ids.data(), count) == count);
  // Pieces that are cut anywhere are one text, if it is cut between characters; and never a reason to crash.
  size_t cut = size / 2;
  setun_piece pieces[] = {{text, cut - (cut ? 1 : 0), static_cast<int>(flags & 1)},
                          {text + cut - (cut ? 1 : 0), size - 1 - cut + (cut ? 1 : 0), static_cast<int>(flags & 2)}};
  require(setun_encode_pieces(tokenizer, pieces, 2, flags, nullptr, 0) >= 0);
  for (size_t i = 1; i + 1 < size && i < 64; i += 2) // and any tokens
    ids.push_back((data[i] | data[i + 1] << 8) % setun_tokenizer_size(tokenizer));
  int64_t length = setun_decode(tokenizer, ids.data(), ids.size(), flags, nullptr, 0);
  require(length >= 0);
  std::string whole(length, 0), parts;
  setun_decode(tokenizer, ids.data(), ids.size(), flags, whole.data(), length);
  setun_stream *stream = setun_stream_open(tokenizer, flags);
  const char *part;
  size_t part_size;
  for (int64_t id : ids) {
    require(setun_stream_push(stream, id, &part, &part_size) == 0);
    parts.append(part, part_size);
  }
  require(setun_stream_finish(stream, &part, &part_size) == 0);
  parts.append(part, part_size);
  setun_stream_close(stream);
  require(parts == whole);
  return 0;
}
