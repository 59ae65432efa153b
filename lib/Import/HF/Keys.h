//===- Keys.h - Typed reading of a configuration's keys -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_HF_KEYS_H
#define SETUN_LIB_IMPORT_HF_KEYS_H

#include "Refusal.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/JSON.h"

#include <optional>

namespace setun::hf {

/// Reads keys of a JSON object, and remembers which. A key that is null is as one that is absent. What is not of the
/// type or range asked for is refused with the key's name and value; the result is then some value that is.
class Keys {
public:
  /// `what` names the file, and the key above if there is one: diagnostics begin with it.
  Keys(const llvm::json::Object &object, std::string what, Refusal &refuse)
      : object(object), what(std::move(what)), refuse(refuse) {}

  bool has(llvm::StringRef key);
  /// An integer in [least, most]. Without `absent`, the key must be there.
  int64_t integer(llvm::StringRef key, int64_t least, int64_t most, std::optional<int64_t> absent = std::nullopt);
  /// A finite number >= least (> 0 for `positive`).
  double number(llvm::StringRef key, double least, std::optional<double> absent = std::nullopt);
  double positive(llvm::StringRef key, std::optional<double> absent = std::nullopt);
  bool flag(llvm::StringRef key, bool absent);
  std::string text(llvm::StringRef key, llvm::StringRef absent);
  std::optional<std::vector<std::string>> texts(llvm::StringRef key);
  std::vector<double> positives(llvm::StringRef key);
  const llvm::json::Object *group(llvm::StringRef key);

  /// Refuses `key` because of its value; `supported` says what it may be.
  void reject(llvm::StringRef key, const llvm::Twine &supported);
  /// Refuses the first key, in the order of the alphabet, that was never read, is not null and that `isHarmless` does
  /// not excuse.
  void rejectUnread(llvm::function_ref<bool(llvm::StringRef, const llvm::json::Value &)> isHarmless,
                    const llvm::Twine &supported);

private:
  const llvm::json::Value *get(llvm::StringRef key, bool needed);

  const llvm::json::Object &object;
  std::string what;
  Refusal &refuse;
  llvm::StringSet<> read;
};

} // namespace setun::hf

#endif // SETUN_LIB_IMPORT_HF_KEYS_H
