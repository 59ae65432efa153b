//===- SentencePieceSteps.cpp - A tokenizer.model as SentencePiece runs it -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// The normalizer, the model and the decoder of the file, with the numbers that the library computes from it when it
// loads one: byte pairs are ranked by the score of what they make, Unigram's unknown characters cost ten more than the
// worst piece, and user-defined pieces are always taken. tokenizer_config.json adds tokens and ends.

#include "SentencePiece.h"
#include <cfloat>
#include <cmath>

using namespace llvm;
using namespace setun::text;

static Error checkPieces(const ModelProto &model) {
  unsigned unknown = 0, bytes = 0;
  for (const auto &[id, piece] : enumerate(model.pieces())) {
    unknown += piece.type() == Piece::UNKNOWN;
    bytes += piece.type() == Piece::BYTE;
    int byte = 0;
    StringRef text = piece.piece();
    if (piece.type() == Piece::BYTE &&
        (text.size() != 6 || !text.starts_with("<0x") || text.back() != '>' ||
         text.substr(3, 2).getAsInteger(16, byte) || text.upper() != "<0X" + text.substr(3).str()))
      return makeError("piece " + Twine(id) + ": '" + text.take_front(40) + "' is not a byte, <0x00> to <0xFF>");
  }
  if (unknown != 1)
    return makeError("expected one unknown piece, found " + Twine(unknown));
  if (bytes != (model.trainer_spec().byte_fallback() ? 256 : 0))
    return makeError("byte_fallback is " + Twine(model.trainer_spec().byte_fallback() ? "set" : "not set") + ", and " +
                     Twine(bytes) + " pieces are bytes");
  return Error::success();
}

/// Scores as floats, and what the model never finds by its text as NaN.
static void readUnigram(const ModelProto &model, Tokenizer &tokenizer) {
  float least = FLT_MAX;
  for (const Piece &piece : model.pieces()) {
    if (piece.type() == Piece::NORMAL)
      least = std::min(least, piece.score());
    float taken = 0.1 * (piece.piece().size() - 1.0); // better than any other way through its text
    tokenizer.scores.push_back(piece.type() == Piece::NORMAL         ? piece.score()
                               : piece.type() == Piece::USER_DEFINED ? taken
                                                                     : std::nan(""));
  }
  tokenizer.model = SETUN_MODEL_UNIGRAM;
  tokenizer.flags |= SETUN_UNIGRAM_FLOAT;
  tokenizer.unknownScore = least - 10.0f;
}

static Error readBytePairs(const ModelProto &model, const StringMap<uint32_t> &ids, Tokenizer &tokenizer) {
  tokenizer.model = SETUN_MODEL_BPE;
  std::vector<float> scores;
  for (const auto &[id, piece] : enumerate(model.pieces())) {
    if (piece.type() == Piece::UNUSED)
      return makeError("piece " + Twine(id) + ": byte pairs with pieces that are not used are not supported");
    scores.push_back(piece.score());
  }
  llvm::sort(scores, std::greater<float>());
  makeMerges(ids, tokenizer);
  llvm::erase_if(tokenizer.merges, [&](const Merge &merge) { return model.pieces(merge.id).type() != Piece::NORMAL; });
  for (Merge &merge : tokenizer.merges)
    merge.rank = llvm::lower_bound(scores, model.pieces(merge.id).score(), std::greater<float>()) - scores.begin();
  return Error::success();
}

static Error addNormalizer(const setun_sentencepiece::NormalizerSpec &spec, bool suffix, bool first,
                           Tokenizer &tokenizer) {
  const std::string &map = spec.precompiled_charsmap();
  if (!map.empty() && !isPrecompiledMap(map))
    return makeError("normalizer_spec.precompiled_charsmap: its array reaches past its end");
  uint32_t flags = (spec.add_dummy_prefix() ? SETUN_PIECE_PREFIX : 0) | (suffix ? SETUN_PIECE_SUFFIX : 0) |
                   (spec.remove_extra_whitespaces() ? SETUN_PIECE_TRIM : 0) |
                   (spec.escape_whitespaces() ? SETUN_PIECE_ESCAPE : 0) | (first ? SETUN_PIECE_FIRST : 0);
  tokenizer.normalizer.push_back({SETUN_NORM_SENTENCEPIECE, flags, 0, map});
  return Error::success();
}

/// Classes of transformers that give the pieces other ids, or the text other steps, than the file says.
static Error checkClass(const Node &config) {
  static const StringRef others[] = {"Albert",  "Barthez", "BigBird", "Camembert", "DebertaV2",   "MBart",
                                     "MBart50", "Nllb",    "Pegasus", "RemBert",   "SeamlessM4T", "T5",
                                     "Udop",    "XGLM",    "XLNet",   "XLMRoberta"};
  Expected<std::string> name = config.getString("tokenizer_class", "");
  if (!name)
    return name.takeError();
  StringRef family = *name;
  family.consume_back("Fast");
  family.consume_back("Tokenizer");
  if (!is_contained(others, family))
    return Error::success();
  return config.error("tokenizer_class", "'" + StringRef(*name).take_front(40) +
                                             "' does more than its SentencePiece model; save tokenizer.json with "
                                             "transformers");
}

/// Control pieces are special tokens, user-defined ones belong to the model; then what the configuration adds.
static Error readTokens(const ModelProto &model, const Node &config, const StringMap<uint32_t> &ids,
                        Tokenizer &tokenizer) {
  if (Error e = checkClass(config))
    return e;
  Specials specials{tokenizer, {}};
  for (const Piece &piece : model.pieces())
    if (piece.type() == Piece::CONTROL || piece.type() == Piece::USER_DEFINED)
      specials.add({piece.piece(), piece.type() == Piece::CONTROL ? SETUN_ADDED_SPECIAL : SETUN_ADDED_PIECE});
  if (Error e = specials.addListed(config))
    return e;
  std::string bos = model.trainer_spec().bos_piece(), eos = model.trainer_spec().eos_piece();
  for (auto [key, text] : {std::pair("bos_token", &bos),
                           std::pair("eos_token", &eos),
                           std::pair<const char *, std::string *>("unk_token", nullptr),
                           {"sep_token", nullptr},
                           {"pad_token", nullptr},
                           {"cls_token", nullptr},
                           {"mask_token", nullptr}})
    if (Error e = specials.addNamed(config, key, "", text))
      return e;
  if (Error e = addEnds(config, "add_bos_token", bos, ids, tokenizer.before))
    return e;
  return addEnds(config, "add_eos_token", eos, ids, tokenizer.after);
}

Error setun::text::readSteps(const ModelProto &model, const Node &config, const StringMap<uint32_t> &ids,
                             Tokenizer &tokenizer) {
  const auto &trainer = model.trainer_spec();
  if (trainer.model_type() != setun_sentencepiece::TrainerSpec::UNIGRAM &&
      trainer.model_type() != setun_sentencepiece::TrainerSpec::BPE)
    return makeError("models of words and of characters are not supported; Unigram and BPE are");
  if (!model.denormalizer_spec().precompiled_charsmap().empty())
    return makeError("denormalizer_spec: a map of characters for decoding is not supported");
  if (Error e = checkPieces(model))
    return e;
  for (const auto &[id, piece] : enumerate(model.pieces()))
    if (piece.type() == Piece::UNKNOWN)
      tokenizer.unknown = id;
  tokenizer.flags = SETUN_MODEL_FUSE_UNK | (trainer.byte_fallback() ? SETUN_MODEL_FALLBACK : 0);
  if (trainer.model_type() == setun_sentencepiece::TrainerSpec::UNIGRAM)
    readUnigram(model, tokenizer);
  else if (Error e = readBytePairs(model, ids, tokenizer))
    return e;
  Expected<bool> legacy = config.getBool("legacy", true);
  Error failed = legacy ? readTokens(model, config, ids, tokenizer) : legacy.takeError();
  if (failed)
    return makeError("tokenizer_config.json: " + toString(std::move(failed)));
  if (Error e = addNormalizer(model.normalizer_spec(), trainer.treat_whitespace_as_suffix(), !*legacy, tokenizer))
    return e;
  const auto &spec = model.normalizer_spec();
  uint32_t flags = (spec.add_dummy_prefix() ? SETUN_PIECE_PREFIX : 0) |
                   (spec.remove_extra_whitespaces() ? SETUN_PIECE_TRIM : 0) |
                   (trainer.byte_fallback() ? SETUN_PIECE_BYTES : 0);
  if (!json::isUTF8(trainer.unk_surface()))
    return makeError("trainer_spec.unk_surface: is not UTF-8");
  tokenizer.decoder.push_back(
      {SETUN_DECODE_SENTENCEPIECE, flags, 0, *tokenizer.texts[tokenizer.unknown], trainer.unk_surface()});
  return Error::success();
}
