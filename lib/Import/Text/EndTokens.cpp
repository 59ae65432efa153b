//===- EndTokens.cpp - The tokens that end a generation -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// As transformers' generate finds them: generation_config.json, else config.json; else the token that the tokenizer's
// own files name.

#include "Json.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace setun::text;

static Error addId(const json::Value &value, const Twine &path, std::vector<int64_t> &ids) {
  std::optional<int64_t> id = value.getAsInteger();
  if (!id || *id < 0 || *id > INT32_MAX)
    return makeError(path + ": expected an id from 0 to " + Twine(INT32_MAX));
  if (!is_contained(ids, *id))
    ids.push_back(*id);
  return Error::success();
}

/// Ids under `eos_token_id`, a number or a list of numbers.
static Error readIds(const Node &node, std::vector<int64_t> &ids) {
  const json::Value *value = node.find("eos_token_id");
  if (!value)
    return Error::success();
  const json::Array *list = value->getAsArray();
  if (!list)
    return addId(*value, node.at("eos_token_id"), ids);
  for (const json::Value &element : *list)
    if (Error e = addId(element, node.at("eos_token_id"), ids))
      return e;
  return Error::success();
}

/// The token under `eos_token`, a text or an object with `content`.
static Error readToken(const Node &node, const Tokenizer &tokenizer, std::vector<int64_t> &ids) {
  const json::Value *value = node.find("eos_token");
  if (!value)
    return Error::success();
  std::optional<StringRef> text = value->getAsString();
  if (const json::Object *object = value->getAsObject())
    text = object->getString("content");
  if (!text)
    return node.error("eos_token", "expected a token's text");
  for (const AddedToken &token : tokenizer.added)
    if (token.text == *text)
      return addId(token.id, "", ids);
  for (const auto &[id, other] : enumerate(tokenizer.texts))
    if (other == *text)
      return addId(id, "", ids);
  return Error::success(); // a token that is never made
}

Expected<std::string> setun::text::readEndTokens(StringRef folder, const Tokenizer &tokenizer) {
  std::vector<int64_t> ids;
  for (StringRef name : {"generation_config.json", "config.json", "tokenizer_config.json", "special_tokens_map.json"}) {
    auto file = MemoryBuffer::getFile(folder + "/" + name);
    if (!file)
      continue;
    Expected<json::Value> root = parseJson((*file)->getBuffer());
    Expected<Node> node = root ? Node::get(*root, "") : root.takeError();
    if (!node)
      return makeError(name + ": " + toString(node.takeError()));
    Error e = readIds(*node, ids);
    if (!e && ids.empty())
      e = readToken(*node, tokenizer, ids);
    if (e)
      return makeError(name + ": " + toString(std::move(e)));
    if (!ids.empty())
      break;
  }
  return std::string(reinterpret_cast<const char *>(ids.data()), ids.size() * sizeof(int64_t));
}
