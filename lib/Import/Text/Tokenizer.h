//===- Tokenizer.h - A tokenizer between its file and its table -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_TEXT_TOKENIZER_H
#define SETUN_LIB_IMPORT_TEXT_TOKENIZER_H

#include "setun-rt/text_tokenizer.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <vector>

namespace setun::text {

/// One entry of the table's lists of steps (setun_text_step).
struct Step {
  uint32_t kind, value = 0, more = 0;
  std::string a = {}, b = {};
};

/// A token that is found before the model sees the text; `flags` are SETUN_ADDED_*.
struct AddedToken {
  std::string text;
  uint32_t flags = 0;
  uint32_t id = SETUN_TEXT_NONE;
};

struct Merge {
  uint32_t left, right, id, rank; ///< the least rank is merged first; of equal ones the first in the text
};

/// What a tokenizer does, whichever file said it. Ids index `texts`; an id without a token has none.
struct Tokenizer {
  uint32_t model = 0, flags = 0, unknown = SETUN_TEXT_NONE, maxChars = 0;
  double unknownScore = 0;
  std::string prefix, suffix;
  std::vector<std::optional<std::string>> texts;
  std::vector<Merge> merges;     ///< of a pair that comes twice the later one counts
  std::vector<double> scores;    ///< NaN: a token that the model never finds
  std::vector<uint32_t> byteIds; ///< none or 256
  std::vector<AddedToken> added;
  std::vector<Step> normalizer, splits, decoder;
  std::vector<uint32_t> before, after;
};

/// Reads a tokenizer.json. Errors say which key and why; the caller adds the file.
llvm::Expected<Tokenizer> readTokenizerJson(llvm::StringRef content);

/// Reads a SentencePiece model; a tokenizer_config.json in `folder` may tell more of its tokens.
llvm::Expected<Tokenizer> readSentencePiece(llvm::StringRef content, llvm::StringRef folder);

/// What both readers do last: gives added tokens their ids, as `tokenizers` does, and finds the fast ways.
llvm::Error finishTokenizer(Tokenizer &tokenizer);

/// The bytes of the SETUN_TEXT_TOKENIZER section.
llvm::Expected<std::string> writeTokenizer(const Tokenizer &tokenizer);

/// The bytes of the SETUN_TEXT_ENDS section; `tokenizer` knows the ids of tokens that are named by their text.
llvm::Expected<std::string> readEndTokens(llvm::StringRef folder, const Tokenizer &tokenizer);

/// Whether SentencePiece's map of characters (precompiled_charsmap) is as long as it says.
bool isPrecompiledMap(llvm::StringRef bytes);

/// The bytes of the SETUN_TEXT_SAMPLING section; none where the folder has no generation_config.json.
llvm::Expected<std::string> readSampling(llvm::StringRef folder);

/// A regular expression of Oniguruma (Ruby's syntax, as `tokenizers` uses it) for PCRE2, checked by compiling it.
llvm::Expected<std::string> translateRegex(llvm::StringRef pattern);

/// The characters that stand for bytes 0 to 255 in byte-level vocabularies (GPT-2's alphabet), as UTF-8.
const std::vector<std::string> &getByteAlphabet();

llvm::Error makeError(const llvm::Twine &message);

} // namespace setun::text

#endif // SETUN_LIB_IMPORT_TEXT_TOKENIZER_H
