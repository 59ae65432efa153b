//===- Refusal.h - Why a folder is not served -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Readers of a folder say what is wrong once and go on with harmless values: the first
// reason stands, and becomes the one diagnostic.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_HF_REFUSAL_H
#define SETUN_LIB_IMPORT_HF_REFUSAL_H

#include "llvm/ADT/Twine.h"

#include <string>

namespace setun::hf {

class Refusal {
public:
  /// Keeps the first reason; false always, for `return refuse(...)`.
  bool operator()(const llvm::Twine &reason) {
    if (text.empty())
      text = reason.str();
    return false;
  }
  explicit operator bool() const { return !text.empty(); }
  const std::string &str() const { return text; }

private:
  std::string text;
};

/// A name out of a file for a diagnostic: in quotes, control characters escaped, cut where it is long.
std::string quote(llvm::StringRef name);
/// In at most ten digits.
std::string show(double number);

} // namespace setun::hf

#endif // SETUN_LIB_IMPORT_HF_REFUSAL_H
