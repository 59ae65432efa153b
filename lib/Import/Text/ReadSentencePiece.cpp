//===- ReadSentencePiece.cpp - tokenizer.model -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A model of SentencePiece, read in one of two ways. Byte pairs whose folder has a tokenizer_config.json are what
// transformers' LlamaTokenizer makes of them for `tokenizers`: any two pieces that make a third are a merge, and the
// third's id is its rank. All others do what SentencePiece does (SentencePieceSteps.cpp). docs/rfcs/0008 says why the
// file is read by its schema.

#include "SentencePiece.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>

using namespace llvm;
using namespace setun::text;

static Error readPieces(const ModelProto &model, StringMap<uint32_t> &ids, Tokenizer &tokenizer) {
  if (model.pieces_size() == 0 || static_cast<uint32_t>(model.pieces_size()) > SETUN_TEXT_MAX_IDS)
    return makeError("expected from 1 to " + Twine(SETUN_TEXT_MAX_IDS) + " pieces");
  for (int id = 0; id < model.pieces_size(); ++id) {
    const std::string &text = model.pieces(id).piece();
    if (text.empty() || text.size() > 1024 || !json::isUTF8(text))
      return makeError("piece " + Twine(id) + ": expected from 1 to 1024 bytes of UTF-8");
    if (!std::isfinite(model.pieces(id).score()))
      return makeError("piece " + Twine(id) + ": its score is not a number");
    if (!ids.try_emplace(text, id).second)
      return makeError("piece " + Twine(id) + ": '" + StringRef(text).take_front(40) + "' is there twice");
    tokenizer.texts.push_back(text);
  }
  return Error::success();
}

void setun::text::makeMerges(const StringMap<uint32_t> &ids, Tokenizer &tokenizer) {
  for (const auto &[id, text] : enumerate(tokenizer.texts)) {
    StringRef whole = *text;
    for (size_t at = 1; at < whole.size(); ++at) {
      if ((static_cast<unsigned char>(whole[at]) & 0xc0) == 0x80)
        continue;
      auto left = ids.find(whole.take_front(at)), right = ids.find(whole.drop_front(at));
      if (left != ids.end() && right != ids.end())
        tokenizer.merges.push_back(
            {left->second, right->second, static_cast<uint32_t>(id), static_cast<uint32_t>(tokenizer.merges.size())});
    }
  }
}

/// A special token, as a text or as an object with `content` and flags.
static Expected<AddedToken> readSpecial(const json::Value &value, const Twine &path, uint32_t flags) {
  if (std::optional<StringRef> text = value.getAsString())
    return AddedToken{text->str(), flags};
  Expected<Node> node = Node::get(value, path);
  Expected<std::string> text = node ? node->getString("content") : node.takeError();
  if (!text)
    return text.takeError();
  AddedToken token = {*text, flags};
  for (auto [key, flag] : {std::pair("special", SETUN_ADDED_SPECIAL), std::pair("single_word", SETUN_ADDED_SINGLE_WORD),
                           std::pair("lstrip", SETUN_ADDED_LSTRIP), std::pair("rstrip", SETUN_ADDED_RSTRIP),
                           std::pair("normalized", SETUN_ADDED_NORMALIZED)}) {
    Expected<bool> set = node->getBool(key, (flags & flag) != 0);
    if (!set)
      return set.takeError();
    token.flags = *set ? token.flags | flag : token.flags & ~flag;
  }
  return token;
}

/// added_tokens_decoder: tokens by their ids.
Error Specials::addListed(const Node &config) {
  if (!config.find("added_tokens_decoder"))
    return Error::success();
  Expected<Node> list = config.getNode("added_tokens_decoder");
  if (!list)
    return list.takeError();
  std::vector<std::pair<uint32_t, AddedToken>> tokens;
  for (const auto &[key, value] : *list->object) {
    std::string path = list->at(StringRef(key).take_front(20));
    uint32_t id;
    if (StringRef(key).getAsInteger(10, id) || id >= SETUN_TEXT_MAX_IDS)
      return makeError(path + ": expected an id from 0 to " + Twine(SETUN_TEXT_MAX_IDS - 1));
    Expected<AddedToken> token = readSpecial(value, path, 0);
    if (!token)
      return token.takeError();
    tokens.emplace_back(id, std::move(*token));
  }
  llvm::sort(tokens, [](const auto &a, const auto &b) { return a.first < b.first; });
  for (auto &[id, token] : tokens)
    add(std::move(token));
  return Error::success();
}

/// bos_token and such; `text` gets the token's text.
Error Specials::addNamed(const Node &config, StringRef key, StringRef otherwise, std::string *text) {
  const json::Value *value = config.find(key);
  if (!value && otherwise.empty())
    return Error::success();
  Expected<AddedToken> token = value ? readSpecial(*value, key, SETUN_ADDED_SPECIAL)
                                     : Expected<AddedToken>(AddedToken{otherwise.str(), SETUN_ADDED_SPECIAL});
  if (!token)
    return token.takeError();
  if (text)
    *text = token->text;
  add(std::move(*token));
  return Error::success();
}

/// What the text gets around it: the tokens that are asked for.
Error setun::text::addEnds(const Node &config, StringRef key, StringRef text, const StringMap<uint32_t> &ids,
                           std::vector<uint32_t> &into) {
  Expected<bool> asked = config.getBool(key, false);
  if (!asked)
    return asked.takeError();
  auto it = ids.find(text);
  if (*asked && it == ids.end())
    return config.error(key, "'" + text.take_front(40) + "' is not a piece");
  if (*asked)
    into.push_back(it->second);
  return Error::success();
}

static Error readLlamaConfig(const Node &config, const ModelProto &model, const StringMap<uint32_t> &ids,
                             Tokenizer &tokenizer) {
  Specials specials{tokenizer, {}};
  if (Error e = specials.addListed(config))
    return e;
  std::string bos, eos;
  if (Error e = specials.addNamed(config, "unk_token", "<unk>", nullptr))
    return e;
  if (Error e = specials.addNamed(config, "bos_token", "<s>", &bos))
    return e;
  if (Error e = specials.addNamed(config, "eos_token", "</s>", &eos))
    return e;
  for (StringRef key : {"sep_token", "pad_token", "cls_token", "mask_token"})
    if (Error e = specials.addNamed(config, key, "", nullptr))
      return e;
  for (int id = 0; id < model.pieces_size(); ++id)
    if (int type = model.pieces(id).type(); type == Piece::CONTROL || type == Piece::USER_DEFINED)
      specials.add({model.pieces(id).piece(), type == Piece::CONTROL ? SETUN_ADDED_SPECIAL : 0});
  Expected<bool> space = config.getBool("add_prefix_space", true), legacy = config.getBool("legacy", false);
  if (!space || !legacy)
    return joinErrors(space ? Error::success() : space.takeError(), legacy ? Error::success() : legacy.takeError());
  const std::string mark = "\xe2\x96\x81";
  tokenizer.splits.push_back({SETUN_SPLIT_METASPACE, *space ? *legacy ? 2u : 1u : 0u, 0, mark});
  tokenizer.decoder = {{SETUN_DECODE_REPLACE, 0, 0, mark, " "}, {SETUN_DECODE_FALLBACK}, {SETUN_DECODE_FUSE}};
  if (*space)
    tokenizer.decoder.push_back({SETUN_DECODE_STRIP, 1, 0, " "});
  if (Error e = addEnds(config, "add_bos_token", bos, ids, tokenizer.before))
    return e;
  return addEnds(config, "add_eos_token", eos, ids, tokenizer.after);
}

/// The tokens of single bytes, <0x00> to <0xFF>; one that is missing is NONE.
static void findBytes(const StringMap<uint32_t> &ids, Tokenizer &tokenizer) {
  static const char digits[] = "0123456789ABCDEF";
  for (unsigned byte = 0; byte < 256; ++byte) {
    auto it = ids.find(std::string{'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'});
    tokenizer.byteIds.push_back(it == ids.end() ? SETUN_TEXT_NONE : it->second);
  }
}

static Error readLlama(const ModelProto &model, const Node &config, const StringMap<uint32_t> &ids,
                       Tokenizer &tokenizer) {
  tokenizer.model = SETUN_MODEL_BPE;
  tokenizer.flags = SETUN_MODEL_FUSE_UNK | SETUN_MODEL_FALLBACK;
  makeMerges(ids, tokenizer);
  if (Error e = readLlamaConfig(config, model, ids, tokenizer))
    return makeError("tokenizer_config.json: " + toString(std::move(e)));
  return Error::success();
}

Expected<Tokenizer> setun::text::readSentencePiece(StringRef content, StringRef folder) {
  ModelProto model;
  if (content.size() > (1u << 28) || !model.ParseFromArray(content.data(), content.size()))
    return makeError("not a model of SentencePiece");
  Tokenizer tokenizer;
  StringMap<uint32_t> ids;
  if (Error e = readPieces(model, ids, tokenizer))
    return e;
  findBytes(ids, tokenizer);
  auto file = MemoryBuffer::getFile(folder + "/tokenizer_config.json");
  Expected<json::Value> root = file ? parseJson((*file)->getBuffer()) : json::Value(json::Object());
  Expected<Node> config = root ? Node::get(*root, "") : root.takeError();
  if (!config)
    return makeError("tokenizer_config.json: " + toString(config.takeError()));
  bool isLlama = model.trainer_spec().model_type() == setun_sentencepiece::TrainerSpec::BPE && file;
  Error failed = isLlama ? readLlama(model, *config, ids, tokenizer) : readSteps(model, *config, ids, tokenizer);
  if (failed)
    return failed;
  if (Error e = finishTokenizer(tokenizer))
    return e;
  return tokenizer;
}
