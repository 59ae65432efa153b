//===- CompileText.cpp - Tokenizers and chat templates to a text table -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Import/Text.h"

#include "ChatTemplate.h"
#include "Tokenizer.h"
#include "setun-rt/text_table.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace setun;
using namespace setun::text;

bool setun::hasTokenizer(StringRef folder) {
  return llvm::sys::fs::exists(folder + "/tokenizer.json") || llvm::sys::fs::exists(folder + "/tokenizer.model");
}

static std::string join(StringRef folder, StringRef name) {
  SmallString<256> path(folder);
  llvm::sys::path::append(path, name);
  return std::string(path);
}

/// The container (text_table.h) of sections that have bytes.
static std::string writeTable(ArrayRef<std::pair<uint32_t, std::string>> sections) {
  std::vector<setun_text_section> list;
  uint64_t count = llvm::count_if(sections, [](const auto &section) { return !section.second.empty(); });
  uint64_t offset = sizeof(setun_text_header) + count * sizeof(setun_text_section);
  std::string body;
  for (const auto &[tag, bytes] : sections) {
    if (bytes.empty())
      continue;
    list.push_back({tag, 0, offset + body.size(), bytes.size()});
    body += bytes;
    body.resize(llvm::alignTo(body.size(), 8));
  }
  uint64_t magic = SETUN_TEXT_MAGIC;
  uint32_t words[] = {SETUN_TEXT_VERSION, static_cast<uint32_t>(count)};
  std::string table(reinterpret_cast<const char *>(&magic), sizeof magic);
  table.append(reinterpret_cast<const char *>(words), sizeof words);
  table.append(reinterpret_cast<const char *>(list.data()), list.size() * sizeof list[0]);
  return table + body;
}

FailureOr<std::string> setun::compileText(StringRef path, Location location) {
  std::string file = path.str(), folder = path.str();
  if (!llvm::sys::fs::is_directory(path))
    folder = llvm::sys::path::has_parent_path(path) ? llvm::sys::path::parent_path(path).str() : ".";
  else if (file = join(path, "tokenizer.json"); !llvm::sys::fs::exists(file))
    file = join(path, "tokenizer.model");
  auto content = llvm::MemoryBuffer::getFile(file, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!content)
    return emitError(location) << "cannot read tokenizer '" << file << "': " << content.getError().message();
  bool isJson = StringRef(file).ends_with(".json");
  llvm::Expected<Tokenizer> tokenizer =
      isJson ? readTokenizerJson((*content)->getBuffer()) : readSentencePiece((*content)->getBuffer(), folder);
  llvm::Expected<std::string> bytes = tokenizer ? writeTokenizer(*tokenizer) : tokenizer.takeError();
  if (!bytes)
    return emitError(location) << (path == file ? "" : "tokenizer '" + file + "': ") << toString(bytes.takeError());
  llvm::Expected<std::string> ends = readEndTokens(folder, *tokenizer);
  if (!ends)
    return emitError(location) << "in '" << folder << "': " << toString(ends.takeError());
  llvm::Expected<std::string> sampling = readSampling(folder);
  if (!sampling)
    return emitError(location) << "in '" << folder << "': " << toString(sampling.takeError());
  std::optional<std::string> chat = compileChatTemplate(folder, location);
  return writeTable({{SETUN_TEXT_TOKENIZER, *bytes},
                     {SETUN_TEXT_ENDS, *ends},
                     {SETUN_TEXT_CHAT, chat.value_or("")},
                     {SETUN_TEXT_SAMPLING, *sampling}});
}
