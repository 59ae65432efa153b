//===- DamagedTableTest.cpp - Text tables that are not as they were made -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A table is a part of a file like any other: whatever was done to it, it is refused or gives some tokens, and nothing
// outside of it is read (setun-sanitized-tests runs this under ASan).

#include "setun-rt/text.h"
#include "setun-rt/text_table.h"
#include "setun/Import/Text.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

#include <cstdlib>
#include <cstring>

namespace {

/// The characters of GPT-2's alphabet are not needed: these models have no ByteLevel step but the one of `bytes`.
struct Sample {
  const char *name, *json;
};

const Sample samples[] = {
    {"bpe", R"({"model": {"type": "BPE", "unk_token": "u", "fuse_unk": true, "vocab": {"u": 0, "a": 1, "b": 2, "ab": 3,
      "abab": 4, "\u2581": 5, "<0x41>": 6}, "merges": ["a b", ["ab", "ab"]]},
      "added_tokens": [{"id": 7, "content": "<s>", "special": true, "single_word": false, "lstrip": true,
      "rstrip": false, "normalized": false}, {"id": 8, "content": "AB", "special": true, "single_word": true,
      "lstrip": false, "rstrip": true, "normalized": true}],
      "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"},
      {"type": "Replace", "pattern": {"Regex": "c+"}, "content": "a"}]},
      "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "\\s+(?!\\S)|\\d"},
      "behavior": "MergedWithNext", "invert": false}, {"type": "Metaspace", "replacement": "\u2581"}]},
      "post_processor": {"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]},
      "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
      {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 1}]}})"},
    {"unigram",
     R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["u", 0], ["a", -1], ["ab", -1.5], ["\u2581a", -2],
      ["\u2581", -3], ["\u00e9", -4]]}, "normalizer": {"type": "Precompiled",
      "precompiled_charsmap": "CAAAAAAEAAAABAAAYQA="},
      "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": true},
      "decoder": {"type": "Metaspace", "replacement": "\u2581"}})"},
    {"pieces",
     R"({"model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "a": 1, "##b": 2, "##ab": 3,
      "x": 4}}, "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
      "strip_accents": null, "lowercase": true}, "pre_tokenizer": {"type": "BertPreTokenizer"},
      "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true}})"},
};

std::string compile(const char *json) {
  llvm::SmallString<128> path;
  int file;
  EXPECT_FALSE(llvm::sys::fs::createTemporaryFile("tokenizer", "json", file, path));
  llvm::raw_fd_ostream(file, /*shouldClose=*/true) << json;
  mlir::MLIRContext context;
  auto table = setun::compileText(path, mlir::UnknownLoc::get(&context));
  llvm::sys::fs::remove(path);
  EXPECT_TRUE(succeeded(table));
  return succeeded(table) ? *table : "";
}

/// Opens the table and uses all that it has. Returns whether it was opened.
bool use(const std::string &table) {
  void *copy = malloc(table.size() + 1); // on the heap, as long as it is: reads behind it are seen
  memcpy(copy, table.data(), table.size());
  char error[200];
  setun_tokenizer *tokenizer = setun_tokenizer_open(copy, table.size(), error, sizeof error);
  if (tokenizer) {
    const char text[] = "ab <s> AB Abab 12 \xc3\xa9\xff caf\xcc\x81 \xe4\xb8\xad x,y  ";
    int64_t ids[64];
    int64_t size = setun_tokenizer_size(tokenizer);
    for (uint32_t flags : {0u, SETUN_ADD_SPECIAL | SETUN_PARSE_SPECIAL}) {
      int64_t count = setun_encode(tokenizer, text, sizeof text - 1, flags, ids, 64);
      EXPECT_GE(count, -1);
      for (int64_t i = 0; i < std::min<int64_t>(count, 64); ++i)
        EXPECT_TRUE(ids[i] >= 0 && ids[i] < size) << ids[i];
    }
    for (int64_t id = 0; id < 12; ++id)
      ids[id] = id;
    char decoded[256];
    setun_decode(tokenizer, ids, 12, 0, decoded, sizeof decoded);
    setun_decode(tokenizer, ids, 12, SETUN_SKIP_SPECIAL, decoded, sizeof decoded);
    setun_token_id(tokenizer, "ab", 2);
    const int64_t *ends;
    setun_end_tokens(tokenizer, &ends);
    setun_tokenizer_close(tokenizer);
  } else {
    EXPECT_NE(error[0], 0);
  }
  free(copy);
  return tokenizer;
}

class DamagedTable : public testing::TestWithParam<Sample> {};

TEST_P(DamagedTable, Whole) { EXPECT_TRUE(use(compile(GetParam().json))); }

TEST_P(DamagedTable, CutAnywhere) {
  std::string table = compile(GetParam().json);
  for (size_t size = 0; size < table.size(); size += size < 64 ? 1 : 8)
    EXPECT_FALSE(use(table.substr(0, size)) && size + 16 < table.size()) << size;
}

TEST_P(DamagedTable, AnyByteChanged) {
  std::string table = compile(GetParam().json);
  for (size_t at = 0; at < table.size(); ++at)
    for (uint8_t change : {0x01, 0x80, 0xff}) {
      std::string damaged = table;
      damaged[at] ^= change;
      use(damaged);
    }
}

INSTANTIATE_TEST_SUITE_P(Models, DamagedTable, testing::ValuesIn(samples),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(TextTable, NamesWhatIsWrong) {
  std::string table = compile(samples[0].json);
  auto message = [](const std::string &bytes) {
    std::vector<uint64_t> words(bytes.size() / 8 + 1);
    memcpy(words.data(), bytes.data(), bytes.size());
    char error[200] = "";
    EXPECT_EQ(setun_tokenizer_open(words.data(), bytes.size(), error, sizeof error), nullptr);
    return std::string(error);
  };
  EXPECT_EQ(message("no table at all, only text"), "not a text table, or a damaged one");
  std::string other = table;
  other[8] = 9;
  EXPECT_EQ(message(other), "the text table has version 9, and this runtime reads version 1: compile the model again");
  other = table;
  memset(&other[16], 0, 4); // the first section's tag
  EXPECT_EQ(message(other), "the text table has no tokenizer");
}

} // namespace
