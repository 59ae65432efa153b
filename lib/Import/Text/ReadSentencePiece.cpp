//===- ReadSentencePiece.cpp - tokenizer.model -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// A model of SentencePiece that learned byte pairs, as transformers' LlamaTokenizer makes one of `tokenizers` of it:
// any two pieces that make a third are a merge, and the third's id is its rank. tokenizer_config.json says the rest.

#include "Json.h"
#include "sentencepiece.pb.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace setun::text;
using Piece = setun_sentencepiece::ModelProto::SentencePiece;

static Error readPieces(const setun_sentencepiece::ModelProto &model, StringMap<uint32_t> &ids, Tokenizer &tokenizer) {
  if (model.pieces_size() == 0 || static_cast<uint32_t>(model.pieces_size()) > SETUN_TEXT_MAX_IDS)
    return makeError("expected from 1 to " + Twine(SETUN_TEXT_MAX_IDS) + " pieces");
  for (int id = 0; id < model.pieces_size(); ++id) {
    const std::string &text = model.pieces(id).piece();
    if (text.empty() || text.size() > 1024 || !json::isUTF8(text))
      return makeError("piece " + Twine(id) + ": expected from 1 to 1024 bytes of UTF-8");
    if (!ids.try_emplace(text, id).second)
      return makeError("piece " + Twine(id) + ": '" + StringRef(text).take_front(40) + "' is there twice");
    tokenizer.texts.push_back(text);
  }
  return Error::success();
}

static void makeMerges(const StringMap<uint32_t> &ids, Tokenizer &tokenizer) {
  for (const auto &[id, text] : enumerate(tokenizer.texts)) {
    StringRef whole = *text;
    for (size_t at = 1; at < whole.size(); ++at) {
      if ((static_cast<unsigned char>(whole[at]) & 0xc0) == 0x80)
        continue;
      auto left = ids.find(whole.take_front(at)), right = ids.find(whole.drop_front(at));
      if (left != ids.end() && right != ids.end())
        tokenizer.merges.push_back({left->second, right->second, static_cast<uint32_t>(id)});
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

namespace {
/// The tokens that are found before the model, in the order that gives new ones their ids.
struct Specials {
  Tokenizer &tokenizer;
  StringSet<> seen;

  void add(AddedToken token) {
    if (!token.text.empty() && seen.insert(token.text).second)
      tokenizer.added.push_back(std::move(token));
  }
  Error addListed(const Node &config);
  Error addNamed(const Node &config, StringRef key, StringRef otherwise, std::string *text);
};
} // namespace

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
static Error addEnds(const Node &config, StringRef key, StringRef text, const StringMap<uint32_t> &ids,
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

static Error readConfig(const Node &config, const setun_sentencepiece::ModelProto &model,
                        const StringMap<uint32_t> &ids, Tokenizer &tokenizer) {
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

Expected<Tokenizer> setun::text::readSentencePiece(StringRef content, StringRef folder) {
  setun_sentencepiece::ModelProto model;
  if (content.size() > (1u << 28) || !model.ParseFromArray(content.data(), content.size()))
    return makeError("not a model of SentencePiece");
  if (model.trainer_spec().model_type() != setun_sentencepiece::TrainerSpec::BPE)
    return makeError(
        "only SentencePiece models of byte pairs (BPE) are supported; for others, save tokenizer.json with "
        "transformers");
  Tokenizer tokenizer;
  StringMap<uint32_t> ids;
  if (Error e = readPieces(model, ids, tokenizer))
    return e;
  tokenizer.model = SETUN_MODEL_BPE;
  tokenizer.flags = SETUN_MODEL_FUSE_UNK | SETUN_MODEL_FALLBACK;
  for (unsigned byte = 0; byte < 256; ++byte) {
    static const char digits[] = "0123456789ABCDEF";
    auto it = ids.find(std::string{'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'});
    tokenizer.byteIds.push_back(it == ids.end() ? SETUN_TEXT_NONE : it->second);
  }
  makeMerges(ids, tokenizer);
  auto file = MemoryBuffer::getFile(folder + "/tokenizer_config.json");
  Expected<json::Value> root = file ? parseJson((*file)->getBuffer()) : json::Value(json::Object());
  Expected<Node> config = root ? Node::get(*root, "") : root.takeError();
  Error failed = config ? readConfig(*config, model, ids, tokenizer) : config.takeError();
  if (failed)
    return makeError("tokenizer_config.json: " + toString(std::move(failed)));
  if (Error e = finishTokenizer(tokenizer))
    return e;
  return tokenizer;
}
