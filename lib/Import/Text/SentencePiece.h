//===- SentencePiece.h - What the readers of tokenizer.model share -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_TEXT_SENTENCEPIECE_H
#define SETUN_LIB_IMPORT_TEXT_SENTENCEPIECE_H

#include "Json.h"
#include "sentencepiece.pb.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace setun::text {

using setun_sentencepiece::ModelProto;
using Piece = ModelProto::SentencePiece;

/// The tokens that are found before the model, in the order that gives new ones their ids.
struct Specials {
  Tokenizer &tokenizer;
  llvm::StringSet<> seen;

  void add(AddedToken token) {
    if (!token.text.empty() && seen.insert(token.text).second)
      tokenizer.added.push_back(std::move(token));
  }
  llvm::Error addListed(const Node &config);
  llvm::Error addNamed(const Node &config, llvm::StringRef key, llvm::StringRef otherwise, std::string *text);
};

/// Any two pieces that make a third are a merge, ranked in the order of the thirds.
void makeMerges(const llvm::StringMap<uint32_t> &ids, Tokenizer &tokenizer);

/// What the text gets around it, where `key` asks for it: the token `text`.
llvm::Error addEnds(const Node &config, llvm::StringRef key, llvm::StringRef text, const llvm::StringMap<uint32_t> &ids,
                    std::vector<uint32_t> &into);

/// Makes of a model what SentencePiece itself does with it; `tokenizer` has its texts and bytes.
llvm::Error readSteps(const ModelProto &model, const Node &config, const llvm::StringMap<uint32_t> &ids,
                      Tokenizer &tokenizer);

} // namespace setun::text

#endif // SETUN_LIB_IMPORT_TEXT_SENTENCEPIECE_H
