//===- Json.cpp - JSON of strangers -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Json.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace setun::hf;

constexpr size_t kDeepest = 32; // no format here nests deeper than 5

std::string setun::hf::quote(StringRef name) {
  std::string text = "'";
  raw_string_ostream os(text);
  printEscapedString(name.take_front(200), os);
  return text + (name.size() > 200 ? "...'" : "'");
}

std::string setun::hf::show(double number) {
  std::string text;
  raw_string_ostream(text) << format("%.10g", number);
  return text;
}

/// The end of the string that begins with the quote at `begin`: one past its closing quote, or the text's end.
static size_t skipString(StringRef text, size_t begin) {
  for (size_t i = begin + 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return i + 1;
  }
  return text.size();
}

/// Looks at text that nothing has checked yet: how deep it nests, and whether an object has a key twice. What is not
/// JSON is left to the parser.
static bool checkForm(StringRef text, const Twine &what, Refusal &refuse) {
  SmallVector<StringSet<>> open; // keys of the objects (and, empty, arrays) around the current place
  for (size_t i = 0; i < text.size();) {
    char c = text[i];
    if (c == '{' || c == '[') {
      if (open.size() == kDeepest)
        return refuse(what + ": nested deeper than " + Twine(kDeepest) + " levels");
      open.emplace_back();
    } else if ((c == '}' || c == ']') && !open.empty()) {
      open.pop_back();
    } else if (c == '"') {
      size_t end = skipString(text, i);
      if (text.substr(end).ltrim(" \t\r\n").starts_with(":") && !open.empty()) {
        Expected<json::Value> decoded = json::parse(text.slice(i, end));
        std::string key = decoded && decoded->getAsString() ? decoded->getAsString()->str() : text.slice(i, end).str();
        if (!decoded)
          consumeError(decoded.takeError());
        if (!open.back().insert(key).second)
          return refuse(what + ": key " + quote(key) + " is given twice");
      }
      i = end;
      continue;
    }
    ++i;
  }
  return true;
}

std::optional<json::Object> setun::hf::parseObject(StringRef text, const Twine &what, Refusal &refuse) {
  if (!checkForm(text, what, refuse))
    return std::nullopt;
  Expected<json::Value> value = json::parse(text);
  if (!value) {
    refuse(what + ": not JSON: " + StringRef(toString(value.takeError())).trim());
    return std::nullopt;
  }
  json::Object *object = value->getAsObject();
  if (!object) {
    refuse(what + ": not a JSON object");
    return std::nullopt;
  }
  return std::move(*object);
}

std::optional<json::Object> setun::hf::readObject(StringRef path, uint64_t limit, Refusal &refuse) {
  sys::fs::file_status status;
  if (std::error_code error = sys::fs::status(path, status)) {
    refuse(path + ": " + error.message());
    return std::nullopt;
  }
  if (status.type() != sys::fs::file_type::regular_file || status.getSize() > limit) {
    refuse(path + ": not a regular file of at most " + Twine(limit) + " bytes");
    return std::nullopt;
  }
  ErrorOr<std::unique_ptr<MemoryBuffer>> file = MemoryBuffer::getFile(path);
  if (!file) {
    refuse(path + ": " + file.getError().message());
    return std::nullopt;
  }
  return parseObject((*file)->getBuffer(), path, refuse);
}
