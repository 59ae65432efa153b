//===- Main.cpp - The conformance suite's flags -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Table.h"

#include "llvm/Support/raw_ostream.h"

#include "gtest/gtest.h"

using namespace setun;
using namespace setun::conformance;

static constexpr const char *kUsage =
    R"(Runs the products of every target and level against the plain sum. Besides GoogleTest's flags:
  --seed=S             of all random values
  --more=F             F times as many random cases
  --targets=REGEX      levels to run, such as x86-64:avx2
  --load-target=LIB    a target from a shared library; may be repeated
  --runner=ARCH:CMD    runs programs of another architecture, in place of qemu-ARCH; empty: none. Also SETUN_RUN_ARCH.
)";

int main(int argc, char **argv) {
  Options &options = getOptions();
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    llvm::StringRef flag = argv[i];
    bool good = true;
    if (flag.consume_front("--seed=")) {
      good = !flag.getAsInteger(0, options.seed);
    } else if (flag.consume_front("--more=")) {
      good = !flag.getAsDouble(options.more) && options.more >= 0;
    } else if (flag.consume_front("--targets=")) {
      options.levels = flag.str();
    } else if (flag.consume_front("--runner=")) {
      auto [arch, command] = flag.split(':');
      options.runners.push_back({arch.str(), command.str()});
    } else if (flag.consume_front("--load-target=")) {
      if (llvm::Error failure = loadTargetPlugin(flag)) {
        llvm::errs() << llvm::toString(std::move(failure)) << "\n";
        return 1;
      }
    } else {
      if (flag == "--help")
        llvm::outs() << kUsage << "\n";
      argv[kept++] = argv[i];
      continue;
    }
    if (!good) {
      llvm::errs() << "cannot read '" << argv[i] << "'\n" << kUsage;
      return 2;
    }
  }
  argv[kept] = nullptr;
  testing::InitGoogleTest(&kept, argv);
  if (kept > 1) {
    llvm::errs() << "unknown flag '" << argv[1] << "'\n" << kUsage;
    return 2;
  }
  if (!testing::GTEST_FLAG(list_tests))
    llvm::outs() << "seed " << options.seed << "\n";
  int result = RUN_ALL_TESTS();
  printTable();
  return result;
}
