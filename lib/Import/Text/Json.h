//===- Json.h - Reading JSON with the key in every error -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_TEXT_JSON_H
#define SETUN_LIB_IMPORT_TEXT_JSON_H

#include "Tokenizer.h"
#include "llvm/Support/JSON.h"

namespace setun::text {

/// Parses JSON whose nesting is bounded: the parser goes down recursively.
llvm::Expected<llvm::json::Value> parseJson(llvm::StringRef content);

/// An object with its place in the file. A key that is missing or null gives the default, where there is one; a value
/// of another type is an error.
class Node {
public:
  Node(const llvm::json::Object &object, std::string path) : object(&object), path(std::move(path)) {}
  static llvm::Expected<Node> get(const llvm::json::Value &value, const llvm::Twine &path);

  llvm::Error error(const llvm::Twine &key, const llvm::Twine &message) const;
  const llvm::json::Value *find(llvm::StringRef key) const; ///< nullptr for null, too
  llvm::Expected<std::string> getString(llvm::StringRef key) const;
  llvm::Expected<std::string> getString(llvm::StringRef key, llvm::StringRef otherwise) const;
  llvm::Expected<bool> getBool(llvm::StringRef key, std::optional<bool> otherwise = std::nullopt) const;
  llvm::Expected<int64_t> getInteger(llvm::StringRef key, int64_t least, int64_t most,
                                     std::optional<int64_t> otherwise = std::nullopt) const;
  llvm::Expected<const llvm::json::Array *> getArray(llvm::StringRef key) const;
  llvm::Expected<Node> getNode(llvm::StringRef key) const;
  std::string at(const llvm::Twine &key) const { return path.empty() ? key.str() : (path + "." + key).str(); }

  const llvm::json::Object *object;
  std::string path;
};

/// `value` as an id; errors name `path`.
llvm::Expected<uint32_t> readId(const llvm::json::Value &value, const llvm::Twine &path);

llvm::Error readModel(const Node &node, Tokenizer &tokenizer);
llvm::Error readNormalizer(const Node &node, std::vector<Step> &steps);
llvm::Error readSplits(const Node &node, std::vector<Step> &steps);
llvm::Error readDecoder(const Node &node, std::vector<Step> &steps);
llvm::Error readPostProcessor(const Node &node, Tokenizer &tokenizer);

} // namespace setun::text

#endif // SETUN_LIB_IMPORT_TEXT_JSON_H
