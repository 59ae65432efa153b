//===- Text.h - Tokenizers and chat templates to a text table -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_IMPORT_TEXT_H
#define SETUN_IMPORT_TEXT_H

#include "mlir/IR/Location.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace setun {

/// Whether a folder has a tokenizer that compileText reads (tokenizer.json or tokenizer.model).
bool hasTokenizer(llvm::StringRef folder);

/// Compiles the tokenizer of `path`, a tokenizer.json, a tokenizer.model or a folder with one of them, together with
/// what the folder says of special tokens (tokenizer_config.json, special_tokens_map.json, generation_config.json,
/// config.json) and its chat template (chat_template.jinja or tokenizer_config.json), into the text table that
/// include/setun-rt/text.h reads. On failure there is exactly one error diagnostic at `location`. A chat template that
/// cannot be compiled is a warning that says why, and the table has none.
llvm::FailureOr<std::string> compileText(llvm::StringRef path, mlir::Location location);

} // namespace setun

#endif // SETUN_IMPORT_TEXT_H
