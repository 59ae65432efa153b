//===- Main.cpp - The conformance suite's flags -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Table.h"

#include "llvm/Support/Regex.h"
#include "llvm/Support/raw_ostream.h"

#include "gtest/gtest.h"

using namespace setun;
using namespace setun::conformance;

static constexpr const char *kUsage = R"(Runs the products of every target and level against the plain sum.
  --seed=S             of all random values
  --more=F             F times as many random cases
  --most=N             multiply-adds of the largest case; larger weights run for two small numbers of tokens
  --targets=REGEX      levels to run, such as x86-64:avx2
  --load-target=LIB    a target from a shared library; may be repeated
  --runner=ARCH:CMD    runs programs of another architecture, in place of qemu-ARCH; empty: none. Also SETUN_RUN_ARCH.
Besides these, GoogleTest's:
)";

/// Takes `argument` if it is a flag of ours; false if its value cannot be read.
static bool take(llvm::StringRef argument, bool &known) {
  Options &options = getOptions();
  auto [flag, value] = argument.split('=');
  known = true;
  if (flag == "--seed")
    return !value.getAsInteger(0, options.seed);
  if (flag == "--more")
    return !value.getAsDouble(options.more) && options.more >= 0;
  if (flag == "--most")
    return !value.getAsInteger(0, options.most) && options.most > 0;
  if (flag == "--targets") {
    options.levels = value.str();
    return llvm::Regex(value).isValid();
  }
  if (flag == "--runner") {
    auto [arch, command] = value.split(':');
    options.runners.push_back({arch.str(), command.str()});
    return value.contains(':');
  }
  if (flag == "--load-target") {
    llvm::Error failure = loadTargetPlugin(value);
    bool failed = bool(failure);
    llvm::logAllUnhandledErrors(std::move(failure), llvm::errs());
    return !failed;
  }
  known = false;
  return true;
}

int main(int argc, char **argv) {
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    bool known;
    if (!take(argv[i], known)) {
      llvm::errs() << "cannot take '" << argv[i] << "'\n" << kUsage;
      return 2;
    }
    if (argv[i] == llvm::StringRef("--help"))
      llvm::outs() << kUsage;
    if (!known)
      argv[kept++] = argv[i];
  }
  argv[kept] = nullptr;
  if (getSubjects().empty()) {
    llvm::errs() << "no level is called '" << getOptions().levels << "'; there are " << getTargetNames() << "\n";
    return 2;
  }
  testing::InitGoogleTest(&kept, argv);
  if (kept > 1) {
    llvm::errs() << "unknown flag '" << argv[1] << "'\n" << kUsage;
    return 2;
  }
  if (!testing::GTEST_FLAG(list_tests))
    llvm::outs() << "seed " << getOptions().seed << "\n";
  int result = RUN_ALL_TESTS();
  printTable();
  return result;
}
