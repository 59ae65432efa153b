//===- Json.h - JSON of strangers -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_HF_JSON_H
#define SETUN_LIB_IMPORT_HF_JSON_H

#include "Refusal.h"

#include "llvm/Support/JSON.h"

#include <optional>

namespace setun::hf {

/// Parses `text` as one JSON object. What JSON allows and our formats do not (a key given twice, deep nesting, which
/// would exhaust the parser's stack) is refused; reasons begin with `what`.
std::optional<llvm::json::Object> parseObject(llvm::StringRef text, const llvm::Twine &what, Refusal &refuse);

/// The same of a regular file of at most `limit` bytes.
std::optional<llvm::json::Object> readObject(llvm::StringRef path, uint64_t limit, Refusal &refuse);

} // namespace setun::hf

#endif // SETUN_LIB_IMPORT_HF_JSON_H
