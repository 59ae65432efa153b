//===- ReadSteps.cpp - Normalizers, pre-tokenizers and decoders of tokenizer.json -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Sequences become flat lists. What is not known is refused by its type: a tokenizer that skips a step gives other ids.

#include "Json.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Base64.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace setun::text;

/// Calls `read` for each entry of a sequence's list.
static Error readSequence(const Node &node, StringRef key, std::vector<Step> &steps,
                          Error (*read)(const Node &, std::vector<Step> &)) {
  Expected<const json::Array *> entries = node.getArray(key);
  if (!entries)
    return entries.takeError();
  for (const auto &[index, entry] : enumerate(**entries)) {
    Expected<Node> step = Node::get(entry, node.at(key + "[" + Twine(index) + "]"));
    if (!step)
      return step.takeError();
    if (Error e = read(*step, steps))
      return e;
    if (steps.size() > 256)
      return node.error(key, "more than 256 steps");
  }
  return Error::success();
}

/// A step's pattern, {"String": ...} or {"Regex": ...}.
static Error readPattern(const Node &node, uint32_t literal, uint32_t regex, std::vector<Step> &steps) {
  Expected<Node> pattern = node.getNode("pattern");
  if (!pattern)
    return pattern.takeError();
  bool isRegex = pattern->find("Regex");
  Expected<std::string> text = pattern->getString(isRegex ? "Regex" : "String");
  if (!text)
    return text.takeError();
  if (!isRegex) {
    if (text->empty())
      return pattern->error("String", "is empty");
    steps.push_back({literal, 0, 0, *text});
    return Error::success();
  }
  Expected<std::string> translated = translateRegex(*text);
  if (!translated)
    return pattern->error("Regex", toString(translated.takeError()));
  steps.push_back({regex, 0, 0, *translated});
  return Error::success();
}

static Error readReplace(const Node &node, uint32_t literal, uint32_t regex, std::vector<Step> &steps) {
  if (Error e = readPattern(node, literal, regex, steps))
    return e;
  Expected<std::string> content = node.getString("content");
  if (!content)
    return content.takeError();
  steps.back().b = *content;
  return Error::success();
}

/// Puts together a set of flags from keys that say true or false.
static Expected<uint32_t> readFlags(const Node &node, ArrayRef<std::pair<StringRef, uint32_t>> flags,
                                    std::optional<bool> otherwise) {
  uint32_t set = 0;
  for (auto [key, flag] : flags) {
    Expected<bool> value = node.getBool(key, otherwise);
    if (!value)
      return value.takeError();
    set |= *value ? flag : 0;
  }
  return set;
}

/// Adds a step that has nothing but flags.
static Error addFlags(uint32_t kind, Expected<uint32_t> flags, std::vector<Step> &steps) {
  if (!flags)
    return flags.takeError();
  steps.push_back({kind, *flags});
  return Error::success();
}

static Error readBert(const Node &node, std::vector<Step> &steps) {
  Expected<uint32_t> flags = readFlags(node,
                                       {{"clean_text", SETUN_BERT_CLEAN},
                                        {"handle_chinese_chars", SETUN_BERT_CHINESE},
                                        {"lowercase", SETUN_BERT_LOWERCASE}},
                                       std::nullopt);
  if (!flags)
    return flags.takeError();
  Expected<bool> accents = node.getBool("strip_accents", (*flags & SETUN_BERT_LOWERCASE) != 0);
  if (!accents)
    return accents.takeError();
  steps.push_back({SETUN_NORM_BERT, *flags | (*accents ? SETUN_BERT_ACCENTS : 0)});
  return Error::success();
}

/// The size of a double array of 32-bit units, the units, texts that end with 0.
bool setun::text::isPrecompiledMap(StringRef bytes) {
  uint32_t size = bytes.size() < 4 ? 0 : support::endian::read32le(bytes.data());
  return size != 0 && size % 4 == 0 && size <= bytes.size() - 4;
}

static Error readPrecompiled(const Node &node, std::vector<Step> &steps) {
  Expected<std::string> encoded = node.getString("precompiled_charsmap");
  if (!encoded)
    return encoded.takeError();
  std::vector<char> bytes;
  if (Error e = decodeBase64(*encoded, bytes))
    return node.error("precompiled_charsmap", toString(std::move(e)));
  if (!isPrecompiledMap(StringRef(bytes.data(), bytes.size())))
    return node.error("precompiled_charsmap", "its array reaches past its end");
  steps.push_back({SETUN_NORM_PRECOMPILED, 0, 0, std::string(bytes.begin(), bytes.end())});
  return Error::success();
}

static Error refuse(const Node &node, StringRef what, StringRef type) {
  return node.error("type", what + " '" + type.take_front(40) + "' is not supported");
}

Error setun::text::readNormalizer(const Node &node, std::vector<Step> &steps) {
  Expected<std::string> type = node.getString("type");
  if (!type)
    return type.takeError();
  if (*type == "Sequence")
    return readSequence(node, "normalizers", steps, readNormalizer);
  uint32_t plain = StringSwitch<uint32_t>(*type)
                       .Case("NFC", SETUN_NORM_NFC)
                       .Case("NFD", SETUN_NORM_NFD)
                       .Case("NFKC", SETUN_NORM_NFKC)
                       .Case("NFKD", SETUN_NORM_NFKD)
                       .Case("Lowercase", SETUN_NORM_LOWERCASE)
                       .Case("StripAccents", SETUN_NORM_STRIP_ACCENTS)
                       .Case("Nmt", SETUN_NORM_NMT)
                       .Case("ByteLevel", SETUN_NORM_BYTES)
                       .Default(0);
  if (plain) {
    steps.push_back({plain});
    return Error::success();
  }
  if (*type == "Replace")
    return readReplace(node, SETUN_NORM_REPLACE, SETUN_NORM_REPLACE_REGEX, steps);
  if (*type == "Strip")
    return addFlags(SETUN_NORM_STRIP, readFlags(node, {{"strip_left", 1}, {"strip_right", 2}}, std::nullopt), steps);
  if (*type == "BertNormalizer")
    return readBert(node, steps);
  if (*type == "Precompiled")
    return readPrecompiled(node, steps);
  if (*type != "Prepend")
    return refuse(node, "normalizer", *type);
  Expected<std::string> text = node.getString("prepend");
  if (!text)
    return text.takeError();
  steps.push_back({SETUN_NORM_PREPEND, 0, 0, *text});
  return Error::success();
}

static Expected<uint32_t> readBehavior(const Node &node, std::optional<uint32_t> otherwise) {
  if (otherwise && !node.find("behavior"))
    return *otherwise;
  Expected<std::string> name = node.getString("behavior");
  if (!name)
    return name.takeError();
  int behavior = StringSwitch<int>(*name)
                     .Case("Removed", SETUN_SPLIT_REMOVED)
                     .Case("Isolated", SETUN_SPLIT_ISOLATED)
                     .Case("Contiguous", SETUN_SPLIT_CONTIGUOUS)
                     .Case("MergedWithPrevious", SETUN_SPLIT_PREVIOUS)
                     .Case("MergedWithNext", SETUN_SPLIT_NEXT)
                     .Default(-1);
  if (behavior < 0)
    return node.error("behavior", "'" + StringRef(*name).take_front(40) + "' is not known");
  return behavior;
}

static Error readSplit(const Node &node, std::vector<Step> &steps) {
  if (Error e = readPattern(node, SETUN_SPLIT_STRING, SETUN_SPLIT_REGEX, steps))
    return e;
  Expected<uint32_t> behavior = readBehavior(node, std::nullopt);
  if (!behavior)
    return behavior.takeError();
  Expected<bool> invert = node.getBool("invert");
  if (!invert)
    return invert.takeError();
  steps.back().value = *behavior | (*invert ? SETUN_SPLIT_INVERT : 0);
  return Error::success();
}

/// One character, as UTF-8.
static Expected<std::string> readCharacter(const Node &node, StringRef key) {
  Expected<std::string> text = node.getString(key);
  if (text && (text->empty() ||
               getUTF8SequenceSize(reinterpret_cast<const UTF8 *>(text->data()),
                                   reinterpret_cast<const UTF8 *>(text->data()) + text->size()) != text->size()))
    return node.error(key, "expected one character");
  return text;
}

/// 0: never prepended, 1: on the first piece, 2: always.
static Expected<uint32_t> readPrependScheme(const Node &node) {
  Expected<std::string> scheme = node.getString("prepend_scheme", "always");
  if (!scheme)
    return scheme.takeError();
  int value = StringSwitch<int>(*scheme).Case("never", 0).Case("first", 1).Case("always", 2).Default(-1);
  if (value < 0)
    return node.error("prepend_scheme", "expected always, first or never");
  Expected<bool> prefix = node.getBool("add_prefix_space", true);
  if (!prefix)
    return prefix.takeError();
  if (!*prefix && value && node.find("prepend_scheme"))
    return node.error("add_prefix_space", "is false, and prepend_scheme says otherwise");
  return *prefix ? value : 0;
}

static Error readMetaspace(const Node &node, uint32_t kind, std::vector<Step> &steps) {
  Expected<std::string> replacement = readCharacter(node, "replacement");
  if (!replacement)
    return replacement.takeError();
  Expected<uint32_t> scheme = readPrependScheme(node);
  if (!scheme)
    return scheme.takeError();
  Expected<bool> split = node.getBool("split", true);
  if (!split)
    return split.takeError();
  steps.push_back({kind, *scheme | (*split && kind == SETUN_SPLIT_METASPACE ? 4 : 0), 0, *replacement});
  return Error::success();
}

Error setun::text::readSplits(const Node &node, std::vector<Step> &steps) {
  Expected<std::string> type = node.getString("type");
  if (!type)
    return type.takeError();
  if (*type == "Sequence")
    return readSequence(node, "pretokenizers", steps, readSplits);
  if (*type == "Split")
    return readSplit(node, steps);
  if (*type == "Metaspace")
    return readMetaspace(node, SETUN_SPLIT_METASPACE, steps);
  if (*type == "ByteLevel") {
    Expected<uint32_t> prefix = readFlags(node, {{"add_prefix_space", 1}}, std::nullopt);
    if (!prefix)
      return prefix.takeError();
    Expected<uint32_t> regex = readFlags(node, {{"use_regex", 2}}, true);
    return addFlags(SETUN_SPLIT_BYTES, regex ? Expected<uint32_t>(*prefix | *regex) : std::move(regex), steps);
  }
  if (*type == "Digits") {
    Expected<bool> each = node.getBool("individual_digits");
    if (!each)
      return each.takeError();
    steps.push_back({SETUN_SPLIT_DIGITS, *each ? SETUN_SPLIT_ISOLATED : SETUN_SPLIT_CONTIGUOUS});
  } else if (*type == "Punctuation") {
    return addFlags(SETUN_SPLIT_PUNCTUATION, readBehavior(node, SETUN_SPLIT_ISOLATED), steps);
  } else if (*type == "BertPreTokenizer") {
    steps.push_back({SETUN_SPLIT_SPACES, SETUN_SPLIT_REMOVED});
    steps.push_back({SETUN_SPLIT_PUNCTUATION, SETUN_SPLIT_ISOLATED});
  } else if (*type == "Whitespace") {
    steps.push_back({SETUN_SPLIT_WORDS, SETUN_SPLIT_REMOVED | SETUN_SPLIT_INVERT});
  } else if (*type == "WhitespaceSplit") {
    steps.push_back({SETUN_SPLIT_SPACES, SETUN_SPLIT_REMOVED});
  } else if (*type == "FixedLength") {
    Expected<int64_t> length = node.getInteger("length", 1, UINT32_MAX, 5);
    if (!length)
      return length.takeError();
    steps.push_back({SETUN_SPLIT_LENGTH, static_cast<uint32_t>(*length)});
  } else if (*type == "CharDelimiterSplit" || *type == "Delimiter") {
    Expected<std::string> delimiter = readCharacter(node, "delimiter");
    if (!delimiter)
      return delimiter.takeError();
    steps.push_back({SETUN_SPLIT_STRING, SETUN_SPLIT_REMOVED, 0, *delimiter});
  } else {
    return refuse(node, "pre-tokenizer", *type);
  }
  return Error::success();
}

/// Behind Fuse and ByteLevel there is one token, the whole text: it comes in parts, and only steps that can be taken
/// part by part are known there.
static Error checkFused(const Node &node, const std::vector<Step> &steps, size_t first) {
  bool fused = llvm::any_of(ArrayRef(steps).take_front(first), [](const Step &step) {
    return step.kind == SETUN_DECODE_FUSE || step.kind == SETUN_DECODE_BYTES;
  });
  for (const Step &step : ArrayRef(steps).drop_front(first))
    if (fused && (step.kind == SETUN_DECODE_FALLBACK || step.kind == SETUN_DECODE_WORDPIECE ||
                  step.kind == SETUN_DECODE_BYTES || step.kind == SETUN_DECODE_REPLACE_REGEX))
      return node.error("type", "is not supported behind Fuse or ByteLevel");
  return Error::success();
}

Error setun::text::readDecoder(const Node &node, std::vector<Step> &steps) {
  Expected<std::string> type = node.getString("type");
  if (!type)
    return type.takeError();
  if (*type == "Sequence")
    return readSequence(node, "decoders", steps, readDecoder);
  size_t first = steps.size();
  uint32_t plain = StringSwitch<uint32_t>(*type)
                       .Case("ByteLevel", SETUN_DECODE_BYTES)
                       .Case("ByteFallback", SETUN_DECODE_FALLBACK)
                       .Case("Fuse", SETUN_DECODE_FUSE)
                       .Default(0);
  if (plain) {
    steps.push_back({plain});
  } else if (*type == "Replace") {
    if (Error e = readReplace(node, SETUN_DECODE_REPLACE, SETUN_DECODE_REPLACE_REGEX, steps))
      return e;
  } else if (*type == "Metaspace") {
    if (Error e = readMetaspace(node, SETUN_DECODE_METASPACE, steps))
      return e;
  } else if (*type == "WordPiece" || *type == "BPEDecoder") {
    bool pieces = *type == "WordPiece";
    Expected<std::string> text = node.getString(pieces ? "prefix" : "suffix");
    if (!text)
      return text.takeError();
    steps.push_back({pieces ? SETUN_DECODE_WORDPIECE : SETUN_DECODE_SUFFIX, 0, 0, *text});
    if (!pieces && text->empty())
      return node.error("suffix", "is empty");
    Expected<uint32_t> cleanup = readFlags(node, {{"cleanup", 1}}, pieces ? std::nullopt : std::optional(false));
    if (!cleanup)
      return cleanup.takeError();
    steps.back().value = *cleanup;
  } else if (*type == "Strip") {
    Expected<std::string> character = readCharacter(node, "content");
    if (!character)
      return character.takeError();
    Expected<int64_t> start = node.getInteger("start", 0, UINT32_MAX), stop = node.getInteger("stop", 0, 1024);
    if (!start)
      return joinErrors(start.takeError(), stop.takeError());
    if (!stop)
      return stop.takeError();
    steps.push_back({SETUN_DECODE_STRIP, static_cast<uint32_t>(*start), static_cast<uint32_t>(*stop), *character});
  } else {
    return refuse(node, "decoder", *type);
  }
  return checkFused(node, steps, first);
}
