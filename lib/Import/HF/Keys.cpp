//===- Keys.cpp - Typed reading of a configuration's keys -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Keys.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <limits>

using namespace llvm;
using namespace setun;
using namespace setun::hf;

/// A value for a diagnostic, cut where it is long.
static std::string showValue(const json::Value &value) {
  std::string text = formatv("{0}", value);
  return text.size() > 100 ? text.substr(0, 100) + "..." : text;
}

const json::Value *Keys::get(StringRef key, bool needed) {
  read.insert(key);
  const json::Value *value = object.get(key);
  if (value && value->kind() != json::Value::Null)
    return value;
  if (needed)
    refuse(what + ": key '" + key + "' is missing");
  return nullptr;
}

bool Keys::has(StringRef key) { return get(key, /*needed=*/false); }

void Keys::reject(StringRef key, const Twine &supported) {
  const json::Value *value = object.get(key);
  refuse(what + ": key " + quote(key) + (value ? " is " + showValue(*value) : " is missing") +
         "; supported: " + supported);
}

int64_t Keys::integer(StringRef key, int64_t least, int64_t most, std::optional<int64_t> absent) {
  const json::Value *value = get(key, !absent);
  if (!value)
    return absent.value_or(least);
  std::optional<int64_t> result = value->getAsInteger();
  if (!result || *result < least || *result > most) {
    reject(key, "an integer from " + Twine(least) + " to " + Twine(most));
    return least;
  }
  return *result;
}

double Keys::number(StringRef key, double least, std::optional<double> absent) {
  const json::Value *value = get(key, !absent);
  if (!value)
    return absent.value_or(least);
  std::optional<double> result = value->getAsNumber();
  if (!result || !std::isfinite(*result) || *result < least) {
    if (least == std::numeric_limits<double>::denorm_min())
      reject(key, "a number above 0");
    else
      reject(key, "a number of at least " + hf::show(least));
    return std::max(least, 1.0);
  }
  return *result;
}

double Keys::positive(StringRef key, std::optional<double> absent) {
  return number(key, std::numeric_limits<double>::denorm_min(), absent);
}

bool Keys::flag(StringRef key, bool absent) {
  const json::Value *value = get(key, /*needed=*/false);
  if (!value)
    return absent;
  if (!value->getAsBoolean())
    reject(key, "true or false");
  return value->getAsBoolean().value_or(absent);
}

std::string Keys::text(StringRef key, StringRef absent) {
  const json::Value *value = get(key, /*needed=*/false);
  if (!value)
    return absent.str();
  if (!value->getAsString())
    reject(key, "a string");
  return value->getAsString().value_or(absent).str();
}

std::optional<std::vector<std::string>> Keys::texts(StringRef key) {
  const json::Value *value = get(key, /*needed=*/false);
  if (!value)
    return std::nullopt;
  std::vector<std::string> result;
  const json::Array *array = value->getAsArray();
  bool good = array;
  for (size_t i = 0; good && i < array->size(); ++i)
    if ((good = (*array)[i].getAsString().has_value()))
      result.push_back((*array)[i].getAsString()->str());
  if (!good)
    reject(key, "a list of strings");
  return result;
}

std::vector<double> Keys::positives(StringRef key) {
  const json::Value *value = get(key, /*needed=*/true);
  std::vector<double> result;
  const json::Array *array = value ? value->getAsArray() : nullptr;
  bool good = array;
  for (size_t i = 0; good && i < array->size(); ++i) {
    std::optional<double> number = (*array)[i].getAsNumber();
    if ((good = number && std::isfinite(*number) && *number > 0))
      result.push_back(*number);
  }
  if (value && !good)
    reject(key, "a list of numbers above 0");
  return result;
}

const json::Object *Keys::group(StringRef key) {
  const json::Value *value = get(key, /*needed=*/false);
  if (value && !value->getAsObject())
    reject(key, "an object");
  return value ? value->getAsObject() : nullptr;
}

void Keys::rejectUnread(function_ref<bool(StringRef, const json::Value &)> isHarmless, const Twine &supported) {
  std::vector<std::string> unread;
  for (const auto &[key, value] : object)
    if (!read.contains(key) && value.kind() != json::Value::Null && !isHarmless(key, value))
      unread.push_back(StringRef(key).str());
  if (!unread.empty()) {
    std::string first = *min_element(unread);
    refuse(what + ": unknown key " + quote(first) + " with value " + showValue(*object.get(first)) +
           "; supported: " + supported);
  }
}
