//===- TranslateRegex.cpp - Oniguruma's regular expressions for PCRE2 -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// `tokenizers` matches with Oniguruma in Ruby's syntax. What means the same in PCRE2 (with UTF, UCP and MULTILINE) is
// copied, what can be said otherwise is said otherwise, and all else is refused: a split elsewhere is another token.
// Groups capture nothing here, for nothing may refer back to them.

#include "Tokenizer.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

using namespace llvm;
using namespace setun::text;

namespace {
class Translator {
public:
  explicit Translator(StringRef pattern) : rest(pattern) {}
  Expected<std::string> translate();

private:
  Error translateGroup();
  Error translateSet();
  Error translateEscape(bool inSet);
  Error translateProperty(bool negated);
  Error translateCode(StringRef digits);
  Error translateBraces();
  Error translateSetElement();
  bool consume(StringRef text) { return rest.consume_front(text); }
  void copy(size_t count) {
    out += rest.take_front(count);
    rest = rest.drop_front(count);
  }
  Error refuse(const Twine &what) { return makeError(what + " is not supported in a regular expression"); }

  StringRef rest;
  std::string out;
};
} // namespace

/// Oniguruma's \w, which has the numbers of Latin-1.
static const char wordSet[] = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\xb2\\xb3\\xb9\\xbc-\\xbe";

/// A property by the names that both know.
Error Translator::translateProperty(bool negated) {
  size_t end = rest.find('}');
  if (!consume("{") || end == StringRef::npos)
    return refuse("\\p without {...}");
  StringRef name = rest.take_front(end - 1);
  rest = rest.drop_front(end);
  if (name.consume_front("^"))
    negated = !negated;
  std::string lower = name.lower();
  llvm::erase_if(lower, [](char c) { return c == ' ' || c == '_' || c == '-'; });
  if (!all_of(lower, isAlpha) || lower.empty())
    return refuse("\\p{" + name.take_front(40) + "}");
  StringRef known = StringSwitch<StringRef>(lower)
                        .Cases({"letter", "l"}, "L")
                        .Cases({"mark", "m"}, "M")
                        .Cases({"number", "n"}, "N")
                        .Cases({"punctuation", "p"}, "P")
                        .Cases({"symbol", "s"}, "S")
                        .Cases({"separator", "z"}, "Z")
                        .Cases({"other", "c"}, "C")
                        .Cases({"alpha", "alphabetic"}, "Alphabetic")
                        .Cases({"digit", "decimalnumber"}, "Nd")
                        .Cases({"uppercaseletter"}, "Lu")
                        .Cases({"lowercaseletter"}, "Ll")
                        .Default("");
  bool isCategory = lower.size() == 2 && StringRef("lmnpszc").contains(lower[0]);
  out += negated ? "\\P{" : "\\p{";
  if (!known.empty())
    out += known;
  else if (isCategory)
    out += {toUpper(lower[0]), lower[1]};
  else // PCRE2 knows scripts, or says that it does not
    out += "sc:" + lower;
  out += "}";
  return Error::success();
}

Error Translator::translateCode(StringRef digits) {
  unsigned code;
  if (digits.getAsInteger(16, code) || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
    return refuse("the character code '" + digits.take_front(20) + "'");
  out += "\\x{" + utohexstr(code) + "}";
  return Error::success();
}

Error Translator::translateEscape(bool inSet) {
  if (rest.empty())
    return refuse("\\ at the end");
  char c = rest.front();
  rest = rest.drop_front();
  switch (c) {
  case 'p':
  case 'P':
    return translateProperty(c == 'P');
  case 'u': {
    StringRef digits = rest.take_front(4);
    rest = rest.drop_front(digits.size());
    return digits.size() == 4 ? translateCode(digits) : refuse("\\u without four digits");
  }
  case 'x': {
    if (consume("{")) {
      StringRef digits = rest.take_until([](char d) { return d == '}'; });
      rest = rest.drop_front(digits.size());
      return consume("}") ? translateCode(digits) : refuse("\\x{ without }");
    }
    StringRef digits = rest.take_front(2).take_while(isHexDigit);
    rest = rest.drop_front(digits.size());
    unsigned code = 0; // codes above 7F would be bytes
    return !digits.getAsInteger(16, code) && code < 0x80 ? translateCode(digits) : refuse("\\x" + digits);
  }
  case 'v':
    return translateCode("b");
  case 'h':
    out += inSet ? "0-9A-Fa-f" : "[0-9A-Fa-f]";
    return Error::success();
  case 'w':
    out += inSet ? wordSet : ("[" + Twine(wordSet) + "]").str();
    return Error::success();
  case 'W':
    if (inSet)
      return refuse("\\W in brackets");
    out += ("[^" + Twine(wordSet) + "]").str();
    return Error::success();
  case 'b':
  case 'B': {
    if (inSet)
      return c == 'b' ? translateCode("8") : refuse("\\B in brackets");
    std::string word = ("[" + Twine(wordSet) + "]").str();
    std::string same = "(?<=" + word + ")(?" + (c == 'b' ? "!" : "=") + word + ")";
    std::string other = "(?<!" + word + ")(?" + (c == 'b' ? "=" : "!") + word + ")";
    out += "(?:" + same + "|" + other + ")";
    return Error::success();
  }
  default:
    bool isSame = StringRef("sSdDnrtfae").contains(c) || (!inSet && StringRef("AzZ").contains(c)) ||
                  (!isAlnum(c) && static_cast<unsigned char>(c) < 0x80);
    if (!isSame)
      return refuse("\\" + Twine(c));
    out += {'\\', c};
    return Error::success();
  }
}

Error Translator::translateSetElement() {
  if (consume("\\"))
    return translateEscape(/*inSet=*/true);
  if (rest.starts_with("&&"))
    return refuse("&& in brackets");
  if (rest.starts_with("[:")) {
    bool negated = rest.starts_with("[:^");
    StringRef name = rest.drop_front(negated ? 3 : 2).take_while(isAlpha);
    StringRef set =
        StringSwitch<StringRef>(name)
            .Case("alpha",
                  "p{Alphabetic}\\x{363}-\\x{36f}\\x{c04}\\x{f82}\\x{f83}\\x{1dd3}-\\x{1de6}\\x{11080}\\x{11081}")
            .Case("digit", "p{Nd}")
            .Case("space", "s")
            .Case("cntrl", "p{Cc}")
            .Default("");
    rest = rest.drop_front((negated ? 3 : 2) + name.size());
    if (set.empty() || (negated && name == "alpha") || !consume(":]"))
      return refuse("[:" + name.take_front(20) + ":]");
    out += "\\" + (negated ? std::string(1, toUpper(set[0])) + set.drop_front().str() : set.str());
    return Error::success();
  }
  if (rest.starts_with("["))
    return refuse("[ in brackets");
  copy(1);
  return Error::success();
}

Error Translator::translateSet() {
  out += "[";
  if (consume("^"))
    out += "^";
  if (rest.starts_with("]"))
    return refuse("an empty [] or ] at its start");
  while (!rest.empty()) {
    if (consume("]")) {
      out += "]";
      return Error::success();
    }
    if (Error e = translateSetElement())
      return e;
  }
  return refuse("[ without ]");
}

Error Translator::translateGroup() {
  if (!consume("?")) {
    out += "(?:";
    return Error::success();
  }
  for (StringRef kind : {":", "=", "!", "<=", "<!", ">"})
    if (consume(kind)) {
      out += ("(?" + kind).str();
      return Error::success();
    }
  if (rest.starts_with("<")) { // a name that nothing refers to
    size_t end = rest.find('>');
    if (end == StringRef::npos || !all_of(rest.slice(1, end), [](char c) { return isAlnum(c) || c == '_'; }))
      return refuse("(?<");
    rest = rest.drop_front(end + 1);
    out += "(?:";
    return Error::success();
  }
  StringRef flags = rest.take_while([](char c) { return c == 'i' || c == 'm' || c == '-'; });
  rest = rest.drop_front(flags.size());
  if (flags.empty() || !(rest.starts_with(":") || rest.starts_with(")")))
    return refuse("(?" + rest.take_front(1));
  out += "(?";
  for (char flag : flags)
    out += flag == 'm' ? 's' : flag; // in Ruby, m lets . match ends of lines
  copy(1);
  return Error::success();
}

/// {n}, {n,}, {n,m} and {,m}; other braces are characters.
Error Translator::translateBraces() {
  StringRef body = rest.take_until([](char c) { return c == '}'; });
  auto [least, most] = body.split(',');
  bool isCount = body.size() < rest.size() && all_of(least, isDigit) && all_of(most, isDigit) &&
                 (!least.empty() || !most.empty()) && body.count(',') <= 1;
  if (!isCount) {
    out += "\\{";
    return Error::success();
  }
  rest = rest.drop_front(body.size() + 1);
  // Ruby reads these two as a repetition of the repetition.
  if (rest.starts_with("+") || (rest.starts_with("?") && !body.contains(',')))
    return refuse("{" + body + "}" + rest.take_front(1));
  out += "{" + (least.empty() ? "0" : least.str()) + body.drop_front(least.size()).str() + "}";
  return Error::success();
}

Expected<std::string> Translator::translate() {
  if (rest.size() > (1u << 16))
    return makeError("a regular expression of more than " + Twine(1u << 16) + " bytes is not supported");
  while (!rest.empty()) {
    Error e = Error::success();
    if (consume("\\"))
      e = translateEscape(/*inSet=*/false);
    else if (consume("["))
      e = translateSet();
    else if (consume("("))
      e = translateGroup();
    else if (consume("{"))
      e = translateBraces();
    else
      copy(1);
    if (e)
      return e;
  }
  int code;
  PCRE2_SIZE place;
  pcre2_code *compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(out.data()), out.size(),
                                       PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &code, &place, nullptr);
  if (compiled) {
    pcre2_code_free(compiled);
    return std::move(out);
  }
  PCRE2_UCHAR message[256];
  pcre2_get_error_message(code, message, sizeof message);
  return makeError(Twine("not a regular expression that is supported: ") + reinterpret_cast<char *>(message));
}

Expected<std::string> setun::text::translateRegex(StringRef pattern) { return Translator(pattern).translate(); }
