//===- State.cpp - The fake as a whole -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Settings, log, checks that all calls share.
//
//===----------------------------------------------------------------------===//

#include "Fake.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <sys/mman.h>

using namespace llvm;

// The signatures of the header are those of the definitions: the compiler compares them.
#define DECLARE(NAME, SYMBOL, PARAMETERS) SETUN_FAKE_API SYMBOL PARAMETERS;
SETUN_CUDA_FUNCTIONS(DECLARE)
SETUN_CUDA_EMULATION(DECLARE)
#undef DECLARE

Fake &fake() {
  static Fake instance;
  return instance;
}

std::vector<CUcontext> &contexts() {
  static thread_local std::vector<CUcontext> stack;
  return stack;
}

CUcontext primary() { return reinterpret_cast<CUcontext>(&fake()); }

static uint64_t readNumber(const char *name, uint64_t otherwise) {
  const char *text = std::getenv(name);
  uint64_t number = otherwise;
  return text && !StringRef(text).getAsInteger(0, number) ? number : otherwise;
}

void Fake::configure() {
  devices = readNumber("SETUN_FAKE_CUDA_DEVICES", 1);
  arch = readNumber("SETUN_FAKE_CUDA_ARCH", 90);
  sms = readNumber("SETUN_FAKE_CUDA_SMS", arch >= 100 ? 148 : arch >= 90 ? 132 : 108);
  memory = readNumber("SETUN_FAKE_CUDA_MEMORY", 2ull << 30);
  seed = readNumber("SETUN_FAKE_CUDA_SEED", 0);
  checks = readNumber("SETUN_FAKE_CUDA_CHECK", 1) != 0;
  races = readNumber("SETUN_FAKE_CUDA_RACES", 1) != 0;
  rng = seed * 2 + 1;
  calls.clear();
  sabotage.clear();
  if (log)
    fclose(log);
  const char *path = std::getenv("SETUN_FAKE_CUDA_LOG");
  log = path && *path ? fopen(path, "ae") : nullptr;
  SmallVector<StringRef> items;
  if (const char *text = std::getenv("SETUN_FAKE_CUDA_FAIL"))
    StringRef(text).split(items, ',', -1, /*KeepEmpty=*/false);
  for (StringRef item : items) {
    auto [function, rest] = item.split(':');
    auto [number, error] = rest.split(':');
    Sabotage entry = {function.str(), 1, CUDA_ERROR_UNKNOWN};
    if (function.starts_with("cuMemAlloc") || function.starts_with("cuMemHostAlloc"))
      entry.error = CUDA_ERROR_OUT_OF_MEMORY;
    (void)number.getAsInteger(10, entry.number);
    (void)error.getAsInteger(10, entry.error);
    sabotage.push_back(entry);
  }
}

int Fake::sharedLimit() const { return (arch >= 90 ? 227 : arch == 80 || arch == 87 ? 163 : 99) << 10; }

/// What was never given back: tests look at it.
Fake::~Fake() {
  note(json::Object{{"left", json::Object{{"allocations", int64_t(allocations.size())},
                                          {"pinned", int64_t(pinned.size())},
                                          {"modules", int64_t(modules.size())},
                                          {"streams", int64_t(streams.size())},
                                          {"events", int64_t(events.size())},
                                          {"graphs", int64_t(graphs.size())},
                                          {"execs", int64_t(execs.size())},
                                          {"contexts", retained}}}});
  if (log)
    fclose(log);
}

void note(json::Object line) {
  if (!fake().log)
    return;
  std::string text;
  raw_string_ostream stream(text);
  stream << json::Value(std::move(line)) << "\n";
  fwrite(text.data(), 1, text.size(), fake().log);
  fflush(fake().log);
}

CUresult refuse(CUresult error, const Twine &why) {
  fake().why = why.str();
  return error;
}

/// "cuMemAlloc" stands for "cuMemAlloc_v2" too.
static StringRef plain(StringRef name) {
  name.consume_back("_v2");
  return name;
}

CUresult run(const char *name, unsigned needs, Arguments arguments, function_ref<CUresult()> body) {
  Fake &state = fake();
  std::lock_guard<std::recursive_mutex> guard(state.lock);
  state.why.clear();
  uint64_t number = ++state.calls[plain(name)];
  CUresult result = CUDA_SUCCESS;
  for (const Sabotage &entry : state.sabotage)
    if (plain(entry.function) == plain(name) && entry.number == number)
      result = refuse(static_cast<CUresult>(entry.error), "SETUN_FAKE_CUDA_FAIL asks for it");
  bool asked = result != CUDA_SUCCESS;
  if (!result && needs & kInit && !state.initialized)
    result = refuse(CUDA_ERROR_NOT_INITIALIZED, "cuInit has not been called");
  if (!result && (needs & kContext) == kContext && (contexts().empty() || !state.retained))
    result = refuse(CUDA_ERROR_INVALID_CONTEXT, "no context is current in this thread");
  if (!result && needs & kNoCapture)
    result = checkNoCapture(name);
  if (!result && (needs & kContext) == kContext && state.broken) {
    result = refuse(state.broken, "a kernel has failed before; the context is lost");
    asked = true;
    if (needs & kRelease)
      (void)body();
  } else if (!result) {
    result = body();
  }
  json::Object line{{"call", name}};
  for (const auto &argument : arguments)
    line[argument.first] = argument.second;
  line["result"] = int64_t(result);
  bool ordinary = result == CUDA_ERROR_NOT_READY || result == CUDA_ERROR_OUT_OF_MEMORY ||
                  result == CUDA_ERROR_NO_DEVICE ||
                  result == CUDA_ERROR_NOT_FOUND; // what right programs must be ready for
  if (result && !state.why.empty()) {
    line["why"] = state.why;
    if (!asked && !ordinary)
      errs() << "libcuda-fake: " << name << ": " << state.why << "\n";
  }
  note(std::move(line));
  return result;
}
