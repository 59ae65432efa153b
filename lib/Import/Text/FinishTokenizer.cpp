//===- FinishTokenizer.cpp - Ids of added tokens, and words as bytes -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tokenizer.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/ConvertUTF.h"

using namespace llvm;
using namespace setun::text;

const std::vector<std::string> &setun::text::getByteAlphabet() {
  static const std::vector<std::string> alphabet = [] {
    std::vector<std::string> result;
    unsigned next = 256; // bytes that are not shown as they are get the characters from here on
    for (unsigned byte = 0; byte < 256; ++byte) {
      bool shown = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
      char buffer[4], *end = buffer;
      ConvertCodePointToUTF8(shown ? byte : next++, end);
      result.emplace_back(buffer, end);
    }
    return result;
  }();
  return alphabet;
}

/// An added token is the model's token of its text, if there is one; others follow the vocabulary in the order of the
/// file, whatever id it says. Special is what any entry of that text calls special.
static Error placeAdded(Tokenizer &tokenizer) {
  StringMap<uint32_t> ids;
  size_t count = 0;
  for (const auto &[id, text] : enumerate(tokenizer.texts))
    if (text) {
      ids[*text] = id;
      ++count;
    }
  StringSet<> special;
  std::vector<AddedToken> added;
  DenseMap<uint32_t, size_t> places;
  uint32_t next = count;
  for (AddedToken &token : tokenizer.added) {
    if (token.text.empty())
      continue;
    auto [it, isNew] = ids.try_emplace(token.text, next);
    token.id = it->second;
    if (isNew) {
      if (++next > SETUN_TEXT_MAX_IDS)
        return makeError("more than " + Twine(SETUN_TEXT_MAX_IDS) + " tokens");
      if (token.id >= tokenizer.texts.size())
        tokenizer.texts.resize(token.id + 1);
      if (tokenizer.texts[token.id])
        return makeError("added_tokens: '" + StringRef(token.text).take_front(40) + "' and '" +
                         StringRef(*tokenizer.texts[token.id]).take_front(40) + "' both have id " + Twine(token.id));
      // Not a token of the model: its text is kept with the added ones.
    }
    if (token.flags & SETUN_ADDED_SPECIAL)
      special.insert(token.text);
    auto [place, isFirst] = places.try_emplace(token.id, added.size());
    if (isFirst)
      added.push_back(token);
    else
      added[place->second] = token;
  }
  for (AddedToken &token : added)
    if (special.contains(token.text))
      token.flags |= SETUN_ADDED_SPECIAL;
  llvm::sort(added, [](const AddedToken &a, const AddedToken &b) { return a.id < b.id; });
  tokenizer.added = std::move(added);
  return Error::success();
}

/// A last ByteLevel step need not turn bytes into characters where each byte has a token: the model takes bytes.
static void takeBytes(Tokenizer &tokenizer) {
  if (tokenizer.model != SETUN_MODEL_BPE || tokenizer.splits.empty() || !tokenizer.prefix.empty() ||
      !tokenizer.suffix.empty() || tokenizer.splits.back().kind != SETUN_SPLIT_BYTES)
    return;
  StringMap<uint32_t> ids;
  for (const auto &[id, text] : enumerate(tokenizer.texts))
    if (text && text->size() <= 2)
      ids[*text] = id;
  std::vector<uint32_t> bytes;
  for (const std::string &character : getByteAlphabet()) {
    auto it = ids.find(character);
    if (it == ids.end())
      return;
    bytes.push_back(it->second);
  }
  tokenizer.byteIds = std::move(bytes);
  tokenizer.flags = (tokenizer.flags & ~SETUN_MODEL_FALLBACK) | SETUN_BPE_BYTES;
}

/// Where SentencePiece learned no token across spaces, a text is as many words as its spaces say, and not one: they are
/// merged by themselves, and those that come again need no merging. The mark itself must be a token, so that it ends
/// what is unknown before it.
static void findWordStarts(Tokenizer &tokenizer) {
  const StringRef mark = "\xe2\x96\x81";
  if (tokenizer.model != SETUN_MODEL_BPE || !tokenizer.prefix.empty() || !tokenizer.suffix.empty() ||
      tokenizer.flags & (SETUN_BPE_IGNORE_MERGES | SETUN_BPE_BYTES) ||
      !llvm::any_of(tokenizer.texts, [&](const auto &text) { return text && *text == mark; }))
    return;
  for (const Merge &merge : tokenizer.merges) {
    StringRef left = *tokenizer.texts[merge.left], right = *tokenizer.texts[merge.right];
    if (right.starts_with(mark) && !left.ends_with(mark))
      return;
  }
  tokenizer.flags |= SETUN_BPE_WORD_STARTS;
}

Error setun::text::finishTokenizer(Tokenizer &tokenizer) {
  if (Error e = placeAdded(tokenizer))
    return e;
  takeBytes(tokenizer);
  findWordStarts(tokenizer);
  for (const std::vector<uint32_t> *ids : {&tokenizer.before, &tokenizer.after})
    for (uint32_t id : *ids)
      if (id >= tokenizer.texts.size())
        return makeError("post_processor: id " + Twine(id) + " is not in the vocabulary");
  return Error::success();
}
