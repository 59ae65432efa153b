//===- Json.cpp - Reading JSON with the key in every error -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Json.h"

using namespace llvm;
using namespace setun::text;

Error setun::text::makeError(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), "%s", message.str().c_str());
}

Expected<json::Value> setun::text::parseJson(StringRef content) {
  int depth = 0;
  bool inString = false;
  for (size_t i = 0; i < content.size(); ++i) {
    char c = content[i];
    if (inString) {
      i += c == '\\';
      inString = c != '"';
    } else if (c == '"') {
      inString = true;
    } else if (c == '[' || c == '{') {
      if (++depth > 64)
        return makeError("values are nested more than 64 deep");
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return json::parse(content);
}

Expected<Node> Node::get(const json::Value &value, const Twine &path) {
  if (const json::Object *object = value.getAsObject())
    return Node(*object, path.str());
  return makeError(path + ": expected an object");
}

Error Node::error(const Twine &key, const Twine &message) const { return makeError(at(key) + ": " + message); }

const json::Value *Node::find(StringRef key) const {
  const json::Value *value = object->get(key);
  return value && value->kind() != json::Value::Null ? value : nullptr;
}

Expected<std::string> Node::getString(StringRef key) const {
  const json::Value *value = find(key);
  if (!value)
    return error(key, "is missing");
  if (std::optional<StringRef> text = value->getAsString())
    return text->str();
  return error(key, "expected a string");
}

Expected<std::string> Node::getString(StringRef key, StringRef otherwise) const {
  return find(key) ? getString(key) : otherwise.str();
}

Expected<bool> Node::getBool(StringRef key, std::optional<bool> otherwise) const {
  const json::Value *value = find(key);
  if (!value && otherwise)
    return *otherwise;
  if (!value)
    return error(key, "is missing");
  if (std::optional<bool> result = value->getAsBoolean())
    return *result;
  return error(key, "expected true or false");
}

Expected<int64_t> Node::getInteger(StringRef key, int64_t least, int64_t most, std::optional<int64_t> otherwise) const {
  const json::Value *value = find(key);
  if (!value && otherwise)
    return *otherwise;
  if (!value)
    return error(key, "is missing");
  std::optional<int64_t> result = value->getAsInteger();
  if (result && *result >= least && *result <= most)
    return *result;
  return error(key, "expected an integer from " + Twine(least) + " to " + Twine(most));
}

Expected<const json::Array *> Node::getArray(StringRef key) const {
  const json::Value *value = find(key);
  if (!value)
    return error(key, "is missing");
  if (const json::Array *array = value->getAsArray())
    return array;
  return error(key, "expected a list");
}

Expected<Node> Node::getNode(StringRef key) const {
  const json::Value *value = find(key);
  if (!value)
    return error(key, "is missing");
  return Node::get(*value, at(key));
}

Expected<uint32_t> setun::text::readId(const json::Value &value, const Twine &path) {
  std::optional<int64_t> id = value.getAsInteger();
  if (!id || *id < 0 || *id >= SETUN_TEXT_MAX_IDS)
    return makeError(path + ": expected an id from 0 to " + Twine(SETUN_TEXT_MAX_IDS - 1));
  return static_cast<uint32_t>(*id);
}
