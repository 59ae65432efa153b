//===- ChatTemplate.cpp - Chat templates to programs of segments -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Templates are Jinja, and what renders Jinja is Python's jinja2, as in transformers. So
// chat_template.py, whose text is in this program, runs at compile time and answers with
// a state machine over the roles; here it becomes the section that the runtime reads.
//
//===----------------------------------------------------------------------===//

#include "ChatTemplate.h"

#include "ChatTemplateScript.h"
#include "setun-rt/text_table.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace mlir;
using namespace llvm;

static constexpr unsigned kSeconds = 60, kMegabytes = 1024;

static std::optional<std::string> readFile(const Twine &path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/true);
  return buffer ? std::optional((*buffer)->getBuffer().str()) : std::nullopt;
}

static json::Object readObject(const Twine &path) {
  std::optional<std::string> text = readFile(path);
  Expected<json::Value> value = json::parse(text ? *text : "{}");
  if (!value)
    return consumeError(value.takeError()), json::Object();
  json::Object *object = value->getAsObject();
  return object ? std::move(*object) : json::Object();
}

/// A template's own text, or in a list of named ones that named "default".
static std::optional<std::string> findTemplate(StringRef folder, const json::Object &config) {
  if (std::optional<std::string> text = readFile(folder + "/chat_template.jinja"))
    return text;
  if (std::optional<StringRef> text = config.getString("chat_template"))
    return text->str();
  if (const json::Array *list = config.getArray("chat_template"))
    for (const json::Value &item : *list)
      if (const json::Object *named = item.getAsObject(); named && named->getString("name") == "default")
        if (std::optional<StringRef> text = named->getString("template"))
          return text->str();
  return std::nullopt;
}

/// The special tokens that templates name: bos_token and so on, each a text or an object with its content.
static json::Object findTokens(StringRef folder, const json::Object &config) {
  json::Object tokens, map = readObject(folder + "/special_tokens_map.json");
  for (StringRef name : {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token"})
    for (const json::Object *from : {&config, static_cast<const json::Object *>(&map)}) {
      std::optional<StringRef> text = from->getString(name);
      if (const json::Object *object = from->getObject(name); object && !text)
        text = object->getString("content");
      if (text && !tokens.get(name))
        tokens[name] = *text;
    }
  return tokens;
}

/// Runs the script on `request`; its answer, or why there is none.
static std::optional<json::Object> runScript(json::Object request, std::string &why) {
  std::string name = sys::Process::GetEnv("SETUN_PYTHON").value_or("python3");
  ErrorOr<std::string> python = sys::findProgramByName(name);
  if (!python)
    return why = "it takes Python to render, and there is no '" + name + "'", std::nullopt;
  SmallString<128> folder;
  if (std::error_code error = sys::fs::createUniqueDirectory("setun-chat", folder))
    return why = "cannot make a temporary folder: " + error.message(), std::nullopt;
  llvm::scope_exit cleanup([&] { sys::fs::remove_directories(folder); });
  std::string in = (folder + "/in").str(), out = (folder + "/out").str(), err = (folder + "/err").str();
  {
    std::error_code error;
    raw_fd_ostream os(in, error);
    os << json::Value(std::move(request));
  }
  std::string message;
  int status = sys::ExecuteAndWait(*python, {*python, "-I", "-c", kChatTemplateScript}, std::nullopt, {in, out, err},
                                   kSeconds, kMegabytes, &message);
  std::string errors = readFile(err).value_or("");
  if (StringRef(errors).contains("No module named 'jinja2'"))
    return why = "it takes Jinja to render, and " + *python + " has no module jinja2", std::nullopt;
  json::Object answer = readObject(out);
  if (std::optional<StringRef> refused = answer.getString("refused"))
    return why = refused->str(), std::nullopt;
  if (status || !answer.getArray("states"))
    return why = "rendering it failed: " +
                 (message.empty() ? StringRef(errors).rtrim().rsplit('\n').second.str() : message),
           std::nullopt;
  return answer;
}

namespace {
/// Lays the section out: states first, texts behind them.
struct Section {
  std::string bytes;

  setun_chat_text add(StringRef text) {
    setun_chat_text result = {static_cast<uint32_t>(bytes.size()), static_cast<uint32_t>(text.size())};
    bytes += text;
    return result;
  }
};
} // namespace

static uint32_t transformOf(StringRef name) {
  return llvm::StringSwitch<uint32_t>(name)
      .Case("trim", SETUN_CHAT_TRIM_LEFT | SETUN_CHAT_TRIM_RIGHT)
      .Case("trim_left", SETUN_CHAT_TRIM_LEFT)
      .Case("trim_right", SETUN_CHAT_TRIM_RIGHT)
      .Case("after_thinking", SETUN_CHAT_AFTER_THINKING)
      .Case("trim_after_thinking", SETUN_CHAT_AFTER_THINKING | SETUN_CHAT_TRIM_LEFT | SETUN_CHAT_TRIM_RIGHT)
      .Case("trim_newlines_after_thinking", SETUN_CHAT_AFTER_THINKING | SETUN_CHAT_TRIM_NEWLINES)
      .Default(0);
}

static std::string layOut(const json::Array &states) {
  static const char *const roles[] = {"system", "user", "assistant"};
  static const char *const follows[] = {"system", "user", "assistant", "end", "generate"};
  std::vector<setun_chat_state> table(states.size());
  Section section{std::string(sizeof(setun_chat_header) + table.size() * sizeof(setun_chat_state), '\0')};
  for (auto [state, value] : zip_equal(table, states)) {
    const json::Object &object = *value.getAsObject();
    for (auto [generate, end] : enumerate(*object.getArray("ends"))) {
      const json::Array &pair = *end.getAsArray();
      auto &slot = pair[0] == json::Value("error") ? state.errors : state.ends;
      slot[generate] = section.add(*pair[1].getAsString());
    }
    for (auto [role, step] : zip_equal(roles, state.next)) {
      const json::Object &next = *object.getObject("next")->getObject(role);
      step.state = *next.getInteger("state");
      step.transform = transformOf(*next.getString("transform"));
      for (auto [follow, before] : zip_equal(follows, step.before))
        if (std::optional<StringRef> text = next.getObject("text")->getString(follow))
          before = section.add(*text);
    }
  }
  setun_chat_header header = {static_cast<uint32_t>(table.size()), 0};
  std::memcpy(section.bytes.data(), &header, sizeof header);
  std::memcpy(section.bytes.data() + sizeof header, table.data(), table.size() * sizeof(setun_chat_state));
  return std::move(section.bytes);
}

std::optional<std::string> setun::text::compileChatTemplate(StringRef folder, Location location) {
  json::Object config = readObject(folder + "/tokenizer_config.json");
  std::optional<std::string> source = findTemplate(folder, config);
  if (!source)
    return std::nullopt;
  std::string why;
  std::optional<json::Object> answer =
      runScript(json::Object{{"template", *source}, {"tokens", findTokens(folder, config)}}, why);
  if (!answer) {
    emitWarning(location) << "the chat template is left out: " << why << "; raw prompts work";
    return std::nullopt;
  }
  return layOut(*answer->getArray("states"));
}
