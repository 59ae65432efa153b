//===- ReadTokenizerJson.cpp - tokenizer.json -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The format of Hugging Face's tokenizers. `truncation` and `padding` are not read: they are about batches.

#include "Json.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

using namespace llvm;
using namespace setun::text;

static Error readAdded(const Node &node, Tokenizer &tokenizer) {
  if (!node.find("added_tokens"))
    return Error::success();
  Expected<const json::Array *> entries = node.getArray("added_tokens");
  if (!entries)
    return entries.takeError();
  for (const auto &[index, value] : enumerate(**entries)) {
    Expected<Node> entry = Node::get(value, "added_tokens[" + Twine(index) + "]");
    if (!entry)
      return entry.takeError();
    Expected<std::string> text = entry->getString("content");
    if (!text)
      return text.takeError();
    AddedToken token = {*text};
    for (auto [key, flag] :
         {std::pair("special", SETUN_ADDED_SPECIAL), std::pair("single_word", SETUN_ADDED_SINGLE_WORD),
          std::pair("lstrip", SETUN_ADDED_LSTRIP), std::pair("rstrip", SETUN_ADDED_RSTRIP),
          std::pair("normalized", SETUN_ADDED_NORMALIZED)}) {
      Expected<bool> value = entry->getBool(key);
      if (!value)
        return value.takeError();
      token.flags |= *value ? flag : 0;
    }
    Expected<int64_t> id = entry->getInteger("id", 0, SETUN_TEXT_MAX_IDS - 1);
    if (!id)
      return id.takeError();
    tokenizer.added.push_back(std::move(token)); // the id is given anew: see finishTokenizer
  }
  return Error::success();
}

/// Ids around the text: [CLS] and [SEP] of a pair ["[CLS]", id].
static Error readPair(const Node &node, StringRef key, std::vector<uint32_t> &ids) {
  Expected<const json::Array *> pair = node.getArray(key);
  if (!pair)
    return pair.takeError();
  if ((*pair)->size() != 2)
    return node.error(key, "expected a token and its id");
  Expected<uint32_t> id = readId((**pair)[1], node.at(key));
  if (!id)
    return id.takeError();
  ids.push_back(*id);
  return Error::success();
}

static Error readTemplate(const Node &node, Tokenizer &tokenizer) {
  Expected<const json::Array *> pieces = node.getArray("single");
  if (!pieces)
    return pieces.takeError();
  bool passed = false;
  for (const auto &[index, value] : enumerate(**pieces)) {
    Expected<Node> piece = Node::get(value, node.at("single[" + Twine(index) + "]"));
    if (!piece)
      return piece.takeError();
    if (piece->find("Sequence")) {
      Expected<Node> sequence = piece->getNode("Sequence");
      Expected<std::string> id = sequence ? sequence->getString("id") : sequence.takeError();
      if (!id)
        return id.takeError();
      if (passed || *id != "A")
        return piece->error("Sequence", "expected the text, A, once");
      passed = true;
      continue;
    }
    Expected<Node> special = piece->getNode("SpecialToken");
    Expected<std::string> name = special ? special->getString("id") : special.takeError();
    if (!name)
      return name.takeError();
    Expected<Node> tokens = node.getNode("special_tokens");
    Expected<Node> token = tokens ? tokens->getNode(*name) : tokens.takeError();
    Expected<const json::Array *> ids = token ? token->getArray("ids") : token.takeError();
    if (!ids)
      return ids.takeError();
    for (const json::Value &value : **ids) {
      Expected<uint32_t> id = readId(value, token->at("ids"));
      if (!id)
        return id.takeError();
      (passed ? tokenizer.after : tokenizer.before).push_back(*id);
    }
  }
  return passed ? Error::success() : node.error("single", "expected the text, A, once");
}

Error setun::text::readPostProcessor(const Node &node, Tokenizer &tokenizer) {
  Expected<std::string> type = node.getString("type");
  if (!type)
    return type.takeError();
  if (*type == "ByteLevel") // moves offsets
    return Error::success();
  if (*type == "Sequence") {
    Expected<const json::Array *> entries = node.getArray("processors");
    if (!entries)
      return entries.takeError();
    for (const auto &[index, entry] : enumerate(**entries)) {
      Expected<Node> step = Node::get(entry, node.at("processors[" + Twine(index) + "]"));
      if (!step)
        return step.takeError();
      if (Error e = readPostProcessor(*step, tokenizer))
        return e;
    }
    return Error::success();
  }
  bool isTemplate = *type == "TemplateProcessing";
  if (!isTemplate && *type != "BertProcessing" && *type != "RobertaProcessing")
    return node.error("type", "post-processor '" + StringRef(*type).take_front(40) + "' is not supported");
  if (!tokenizer.before.empty() || !tokenizer.after.empty())
    return node.error("type", "a second post-processor that adds tokens is not supported");
  if (isTemplate)
    return readTemplate(node, tokenizer);
  if (Error e = readPair(node, "cls", tokenizer.before))
    return e;
  return readPair(node, "sep", tokenizer.after);
}

/// Reads the part `key`, where there is one.
template <typename Target>
static Error readPart(const Node &node, StringRef key, Error (*read)(const Node &, Target &), Target &target) {
  if (!node.find(key))
    return Error::success();
  Expected<Node> part = node.getNode(key);
  if (!part)
    return part.takeError();
  return read(*part, target);
}

Expected<Tokenizer> setun::text::readTokenizerJson(StringRef content) {
  Expected<json::Value> root = parseJson(content);
  if (!root)
    return root.takeError();
  Expected<Node> node = Node::get(*root, "");
  if (!node)
    return node.takeError();
  Tokenizer tokenizer;
  Expected<Node> model = node->getNode("model");
  if (!model)
    return model.takeError();
  if (Error e = readModel(*model, tokenizer))
    return e;
  if (Error e = readAdded(*node, tokenizer))
    return e;
  if (Error e = readPart(*node, "normalizer", readNormalizer, tokenizer.normalizer))
    return e;
  if (Error e = readPart(*node, "pre_tokenizer", readSplits, tokenizer.splits))
    return e;
  if (Error e = readPart(*node, "post_processor", readPostProcessor, tokenizer))
    return e;
  if (Error e = readPart(*node, "decoder", readDecoder, tokenizer.decoder))
    return e;
  if (!node->find("decoder"))
    tokenizer.decoder.push_back({SETUN_DECODE_SPACES});
  if (Error e = finishTokenizer(tokenizer))
    return e;
  return tokenizer;
}
