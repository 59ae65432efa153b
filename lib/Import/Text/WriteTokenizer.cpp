//===- WriteTokenizer.cpp - A tokenizer's section of the text table -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tokenizer.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

using namespace llvm;
using namespace setun::text;

namespace {
/// Puts lists behind the header, each aligned to 8 bytes.
class Writer {
public:
  explicit Writer(const Tokenizer &tokenizer) : tokenizer(tokenizer) {}
  Expected<std::string> write();

private:
  setun_text_string addString(StringRef text);
  template <typename T> setun_text_list addList(ArrayRef<T> elements);
  setun_text_list addSteps(ArrayRef<Step> steps);
  setun_text_list addTexts();
  setun_text_list addVocabulary();
  setun_text_list addMerges();
  setun_text_list addAdded();
  Error addTrie();

  const Tokenizer &tokenizer;
  setun_tokenizer_table header = {};
  std::string body, bytes;
};
} // namespace

setun_text_string Writer::addString(StringRef text) {
  setun_text_string place = {static_cast<uint32_t>(bytes.size()), static_cast<uint32_t>(text.size())};
  bytes += text;
  return place;
}

template <typename T> setun_text_list Writer::addList(ArrayRef<T> elements) {
  body.resize(alignTo(body.size(), 8));
  setun_text_list list = {sizeof header + body.size(), elements.size()};
  body.append(reinterpret_cast<const char *>(elements.data()), elements.size() * sizeof(T));
  return list;
}

setun_text_list Writer::addSteps(ArrayRef<Step> steps) {
  std::vector<setun_text_step> list;
  for (const Step &step : steps)
    list.push_back({step.kind, step.value, step.more, 0, addString(step.a), addString(step.b)});
  return addList(ArrayRef(list));
}

setun_text_list Writer::addTexts() {
  std::vector<setun_text_string> list;
  for (const std::optional<std::string> &text : tokenizer.texts)
    list.push_back(text ? addString(*text) : setun_text_string{0, SETUN_TEXT_NONE});
  return addList(ArrayRef(list));
}

/// Three places for two keys: short ways to what is there and to what is not.
static size_t getPlaces(size_t keys) { return keys + keys / 2 + 1; }

setun_text_list Writer::addVocabulary() {
  std::vector<uint32_t> places(getPlaces(tokenizer.texts.size()), SETUN_TEXT_NONE);
  auto insert = [&](uint32_t id, const std::string &text) {
    uint64_t hash = setun_text_hash(reinterpret_cast<const uint8_t *>(text.data()), text.size());
    size_t place = setun_text_place(hash, places.size());
    while (places[place] != SETUN_TEXT_NONE && tokenizer.texts[places[place]] != text)
      place = place + 1 == places.size() ? 0 : place + 1;
    places[place] = id; // of texts that come twice (Unigram) the later
  };
  for (const auto &[id, text] : enumerate(tokenizer.texts))
    if (text)
      insert(id, *text);
  return addList(ArrayRef(places));
}

setun_text_list Writer::addMerges() {
  std::vector<setun_text_merge> places(getPlaces(tokenizer.merges.size()), {SETUN_TEXT_NONE, 0, 0, 0});
  for (const Merge &merge : tokenizer.merges) {
    size_t place = setun_text_place(setun_text_hash_pair(merge.left, merge.right), places.size());
    while (places[place].left != SETUN_TEXT_NONE &&
           (places[place].left != merge.left || places[place].right != merge.right))
      place = place + 1 == places.size() ? 0 : place + 1;
    places[place] = {merge.left, merge.right, merge.rank, merge.id};
  }
  return addList(ArrayRef(places));
}

setun_text_list Writer::addAdded() {
  std::vector<setun_text_added> list;
  for (const AddedToken &token : tokenizer.added)
    list.push_back({token.id, token.flags, addString(token.text)});
  return addList(ArrayRef(list));
}

/// The trie of all tokens that the model finds, its edges as a hash.
Error Writer::addTrie() {
  DenseMap<uint64_t, uint32_t> edges;
  std::vector<uint32_t> ends(1, SETUN_TEXT_NONE);
  auto walk = [&](StringRef text) {
    uint32_t node = 0;
    for (uint8_t byte : text) {
      auto [it, isNew] = edges.try_emplace(uint64_t(node) << 8 | byte, ends.size());
      if (isNew)
        ends.push_back(SETUN_TEXT_NONE);
      node = it->second;
    }
    return node;
  };
  for (const auto &[id, text] : enumerate(tokenizer.texts)) {
    bool never = id < tokenizer.scores.size() && std::isnan(tokenizer.scores[id]);
    if (text && !text->empty() && !never)
      ends[walk(*text)] = id;
    if (ends.size() >= SETUN_TEXT_MAX_NODES)
      return makeError("model.vocab: the texts of the tokens are too long together");
  }
  header.root = walk(tokenizer.prefix);
  std::vector<setun_text_edge> places(getPlaces(edges.size()), {SETUN_TEXT_NONE, 0});
  for (uint32_t node = 0; node < ends.size(); ++node) // in a fixed order: the same bytes every time
    for (unsigned byte = 0; byte < 256; ++byte) {
      auto it = edges.find(uint64_t(node) << 8 | byte);
      if (it == edges.end())
        continue;
      uint32_t key = node << 8 | byte;
      size_t place = setun_text_place(setun_text_mix(key), places.size());
      while (places[place].key != SETUN_TEXT_NONE)
        place = place + 1 == places.size() ? 0 : place + 1;
      places[place] = {key, it->second};
    }
  header.edges = addList(ArrayRef(places));
  header.ends = addList(ArrayRef(ends));
  return Error::success();
}

Expected<std::string> Writer::write() {
  size_t size = 0;
  for (const std::optional<std::string> &text : tokenizer.texts)
    size += text ? text->size() : 0;
  if (size > (1u << 30))
    return makeError("the texts of the tokens are too long together");
  header.model = tokenizer.model;
  header.flags = tokenizer.flags;
  header.num_ids =
      std::max<size_t>(tokenizer.texts.size(), tokenizer.added.empty() ? 0 : tokenizer.added.back().id + 1);
  header.unknown = tokenizer.unknown;
  header.max_chars = tokenizer.maxChars;
  header.unknown_score = tokenizer.unknownScore;
  header.prefix = addString(tokenizer.prefix);
  header.suffix = addString(tokenizer.suffix);
  header.texts = addTexts();
  header.vocabulary = addVocabulary();
  header.merges = addMerges();
  header.scores = addList(ArrayRef(tokenizer.scores));
  if (tokenizer.model == SETUN_MODEL_UNIGRAM || tokenizer.model == SETUN_MODEL_WORDPIECE)
    if (Error e = addTrie())
      return e;
  header.added = addAdded();
  header.normalizer = addSteps(tokenizer.normalizer);
  header.splits = addSteps(tokenizer.splits);
  header.decoder = addSteps(tokenizer.decoder);
  header.before = addList(ArrayRef(tokenizer.before));
  header.after = addList(ArrayRef(tokenizer.after));
  std::fill(std::begin(header.byte_ids), std::end(header.byte_ids), SETUN_TEXT_NONE);
  llvm::copy(tokenizer.byteIds, header.byte_ids);
  header.bytes = addList(ArrayRef(bytes.data(), bytes.size()));
  return std::string(reinterpret_cast<const char *>(&header), sizeof header) + body;
}

Expected<std::string> setun::text::writeTokenizer(const Tokenizer &tokenizer) { return Writer(tokenizer).write(); }
