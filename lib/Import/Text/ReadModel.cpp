//===- ReadModel.cpp - Vocabularies and merges of tokenizer.json -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Json.h"
#include "llvm/ADT/StringMap.h"

#include <charconv>
#include <cmath>

using namespace llvm;
using namespace setun::text;

namespace {
/// A vocabulary as an object of texts and ids.
struct Vocabulary {
  StringMap<uint32_t> ids;

  std::optional<uint32_t> find(StringRef text) const {
    auto it = ids.find(text);
    return it == ids.end() ? std::nullopt : std::optional<uint32_t>(it->second);
  }
};
} // namespace

/// A text as it may stand in a message.
static std::string show(StringRef text) {
  return ("'" + text.take_front(40) + (text.size() > 40 ? "...'" : "'")).str();
}

static Expected<Vocabulary> readVocabulary(const Node &node, Tokenizer &tokenizer) {
  Expected<Node> entries = node.getNode("vocab");
  if (!entries)
    return entries.takeError();
  Vocabulary vocabulary;
  for (const auto &[key, value] : *entries->object) {
    Expected<uint32_t> id = readId(value, entries->path + "[" + show(key) + "]");
    if (!id)
      return id.takeError();
    if (*id >= tokenizer.texts.size())
      tokenizer.texts.resize(*id + 1);
    if (tokenizer.texts[*id])
      return makeError(entries->path + ": " + show(*tokenizer.texts[*id]) + " and " + show(key) + " both have id " +
                       Twine(*id));
    tokenizer.texts[*id] = StringRef(key).str();
    vocabulary.ids[key] = *id;
  }
  if (vocabulary.ids.empty())
    return makeError(entries->path + ": is empty");
  return vocabulary;
}

/// The parts of a merge, as "a b" or ["a", "b"].
static Expected<std::pair<StringRef, StringRef>> readMerge(const json::Value &value, const Twine &path) {
  if (std::optional<StringRef> line = value.getAsString())
    if (line->count(' ') == 1)
      return line->split(' ');
  if (const json::Array *parts = value.getAsArray(); parts && parts->size() == 2)
    if (std::optional<StringRef> left = (*parts)[0].getAsString(), right = (*parts)[1].getAsString(); left && right)
      return std::pair(*left, *right);
  return makeError(path + ": expected two tokens");
}

static Error readMerges(const Node &node, const Vocabulary &vocabulary, Tokenizer &tokenizer) {
  Expected<const json::Array *> merges = node.getArray("merges");
  if (!merges)
    return merges.takeError();
  for (const auto &[index, value] : enumerate(**merges)) {
    std::string path = node.at("merges[" + Twine(index) + "]");
    if (std::optional<StringRef> line = value.getAsString(); line && line->starts_with("#version"))
      continue;
    auto parts = readMerge(value, path);
    if (!parts)
      return parts.takeError();
    auto [left, right] = *parts;
    if (right.size() < tokenizer.prefix.size())
      return makeError(path + ": " + show(right) + " is shorter than continuing_subword_prefix");
    std::string whole = (left + right.drop_front(tokenizer.prefix.size())).str();
    std::optional<uint32_t> ids[] = {vocabulary.find(left), vocabulary.find(right), vocabulary.find(whole)};
    StringRef texts[] = {left, right, whole};
    for (int i = 0; i < 3; ++i)
      if (!ids[i])
        return makeError(path + ": token " + show(texts[i]) + " is not in the vocabulary");
    tokenizer.merges.push_back({*ids[0], *ids[1], *ids[2], static_cast<uint32_t>(tokenizer.merges.size())});
  }
  return Error::success();
}

/// Sets `flag` of the model where `key` is true.
static Error readFlag(const Node &node, StringRef key, uint32_t flag, Tokenizer &tokenizer) {
  Expected<bool> value = node.getBool(key, false);
  if (!value)
    return value.takeError();
  tokenizer.flags |= *value ? flag : 0;
  return Error::success();
}

static Error readString(const Node &node, StringRef key, std::string &into) {
  Expected<std::string> value = node.getString(key, "");
  if (!value)
    return value.takeError();
  into = *value;
  return Error::success();
}

/// The tokens <0x00> to <0xFF>, where they are there.
static void findFallback(const Vocabulary &vocabulary, Tokenizer &tokenizer) {
  static const char digits[] = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte) {
    std::string name = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
    tokenizer.byteIds.push_back(vocabulary.find(name).value_or(SETUN_TEXT_NONE));
  }
}

/// The unknown token; a vocabulary without the token that is named is refused.
static Error readUnknown(const Node &node, StringRef otherwise, const Vocabulary &vocabulary, Tokenizer &tokenizer) {
  Expected<std::string> name = node.getString("unk_token", otherwise);
  if (!name)
    return name.takeError();
  if (node.find("unk_token") || !otherwise.empty()) {
    std::optional<uint32_t> id = vocabulary.find(*name);
    if (!id)
      return node.error("unk_token", show(*name) + " is not in the vocabulary");
    tokenizer.unknown = *id;
  }
  return Error::success();
}

static Error readBpe(const Node &node, Tokenizer &tokenizer) {
  tokenizer.model = SETUN_MODEL_BPE;
  if (const json::Value *dropout = node.find("dropout"))
    if (dropout->getAsNumber() != 0.0)
      return node.error("dropout", "tokens that are chosen at random are not supported");
  if (Error e = readString(node, "continuing_subword_prefix", tokenizer.prefix))
    return e;
  if (Error e = readString(node, "end_of_word_suffix", tokenizer.suffix))
    return e;
  for (auto [key, flag] :
       {std::pair("fuse_unk", SETUN_MODEL_FUSE_UNK), std::pair("byte_fallback", SETUN_MODEL_FALLBACK),
        std::pair("ignore_merges", SETUN_BPE_IGNORE_MERGES)})
    if (Error e = readFlag(node, key, flag, tokenizer))
      return e;
  Expected<Vocabulary> vocabulary = readVocabulary(node, tokenizer);
  if (!vocabulary)
    return vocabulary.takeError();
  if (tokenizer.flags & SETUN_MODEL_FALLBACK)
    findFallback(*vocabulary, tokenizer);
  if (Error e = readUnknown(node, "", *vocabulary, tokenizer))
    return e;
  return readMerges(node, *vocabulary, tokenizer);
}

/// A score as `tokenizers` reads it: serde_json makes an integer of all digits and scales that once, which is off by a
/// last bit where there are seventeen; and of two ways through a word the better one by a last bit is taken. The
/// shortest digits that give `value` are those that were written.
static double readScore(double value) {
  char digits[32];
  std::to_chars_result end = std::to_chars(digits, std::end(digits), std::fabs(value), std::chars_format::scientific);
  if (end.ec != std::errc() || !std::isfinite(value))
    return value;
  auto [mantissa, power] = StringRef(digits, end.ptr - digits).split('e');
  std::string whole = mantissa.str();
  llvm::erase(whole, '.');
  uint64_t significand;
  int exponent;
  if (StringRef(whole).getAsInteger(10, significand) || power.ltrim('+').getAsInteger(10, exponent))
    return value;
  exponent -= whole.size() - 1;
  double result = significand;
  if (exponent < -308)
    return value;   // subnormal: no score
  double scale = 1; // powers of ten as the nearest doubles
  std::string text = "1e" + std::to_string(std::abs(exponent));
  if (StringRef(text).getAsDouble(scale))
    return value;
  result = exponent < 0 ? result / scale : result * scale;
  return value < 0 ? -result : result;
}

static Error readUnigram(const Node &node, Tokenizer &tokenizer) {
  tokenizer.model = SETUN_MODEL_UNIGRAM;
  tokenizer.flags |= SETUN_MODEL_FUSE_UNK;
  if (Error e = readFlag(node, "byte_fallback", SETUN_MODEL_FALLBACK, tokenizer))
    return e;
  Expected<const json::Array *> entries = node.getArray("vocab");
  if (!entries)
    return entries.takeError();
  if ((*entries)->empty() || (*entries)->size() > SETUN_TEXT_MAX_IDS)
    return node.error("vocab", "expected from 1 to " + Twine(SETUN_TEXT_MAX_IDS) + " tokens");
  Vocabulary vocabulary;
  double least = HUGE_VAL;
  for (const auto &[id, entry] : enumerate(**entries)) {
    const json::Array *pair = entry.getAsArray();
    std::optional<StringRef> text = pair && pair->size() == 2 ? (*pair)[0].getAsString() : std::nullopt;
    std::optional<double> score = text ? (*pair)[1].getAsNumber() : std::nullopt;
    if (!score)
      return node.error("vocab[" + Twine(id) + "]", "expected a token and its score");
    tokenizer.texts.push_back(text->str());
    tokenizer.scores.push_back(readScore(*score));
    vocabulary.ids[*text] = id; // of a text that comes twice the later id counts
    least = std::min(least, tokenizer.scores.back());
  }
  Expected<int64_t> unknown = node.getInteger("unk_id", 0, tokenizer.texts.size() - 1, -1);
  if (!unknown)
    return unknown.takeError();
  if (*unknown < 0)
    return node.error("unk_id", "is missing: a character outside of the vocabulary would have no token");
  tokenizer.unknown = *unknown;
  tokenizer.unknownScore = least - 10;
  if (tokenizer.flags & SETUN_MODEL_FALLBACK)
    findFallback(vocabulary, tokenizer);
  return Error::success();
}

static Error readWords(const Node &node, bool pieces, Tokenizer &tokenizer) {
  tokenizer.model = pieces ? SETUN_MODEL_WORDPIECE : SETUN_MODEL_WORDLEVEL;
  Expected<Vocabulary> vocabulary = readVocabulary(node, tokenizer);
  if (!vocabulary)
    return vocabulary.takeError();
  if (Error e = readUnknown(node, pieces ? "[UNK]" : "<unk>", *vocabulary, tokenizer))
    return e;
  if (!pieces)
    return Error::success();
  Expected<std::string> prefix = node.getString("continuing_subword_prefix", "##");
  if (!prefix)
    return prefix.takeError();
  tokenizer.prefix = *prefix;
  Expected<int64_t> most = node.getInteger("max_input_chars_per_word", 0, UINT32_MAX, 100);
  if (!most)
    return most.takeError();
  tokenizer.maxChars = *most;
  return Error::success();
}

/// Files of before models had types are told by what they have.
static StringRef guessModel(const Node &node) {
  return node.find("merges")                                      ? "BPE"
         : node.find("continuing_subword_prefix")                 ? "WordPiece"
         : node.find("vocab") && node.find("vocab")->getAsArray() ? "Unigram"
                                                                  : "WordLevel";
}

Error setun::text::readModel(const Node &node, Tokenizer &tokenizer) {
  Expected<std::string> type = node.getString("type", guessModel(node));
  if (!type)
    return type.takeError();
  if (*type == "BPE")
    return readBpe(node, tokenizer);
  if (*type == "Unigram")
    return readUnigram(node, tokenizer);
  if (*type == "WordPiece" || *type == "WordLevel")
    return readWords(node, *type == "WordPiece", tokenizer);
  return node.error("type", "model " + show(*type) + " is not supported; BPE, Unigram, WordPiece and WordLevel are");
}
