//===- TargetsCommand.cpp - setun targets -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"

#include "setun/Target/Registry.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace setun;

static cl::SubCommand subcommand("targets", "What can be compiled for: targets, levels, features and encodings");
static cl::list<std::string> plugins("load-target", cl::desc("Shared library with more targets"),
                                     cl::value_desc("FILE"), cl::sub(subcommand));

static std::string listEncodings(const TargetLevel &level, mlir::MLIRContext &context) {
  // Those of a usual product; a level may offer others for other shapes.
  ProductShape shape{1, 2560, 2560, 0, mlir::IntegerType::get(&context, 8)};
  std::string text;
  for (const PackedLayout &layout : level.getLayouts(shape))
    text += (text.empty() ? "" : " ") + layout.str();
  return text;
}

static int run() {
  if (!loadTargets(plugins))
    return 2;
  mlir::MLIRContext context;
  for (const std::unique_ptr<Target> &target : getTargets()) {
    outs() << formatv("{0}: {1} ({2})\n", target->getName(), target->getSummary(), target->getTriple());
    for (const std::unique_ptr<TargetLevel> &level : target->getLevels()) {
      const LevelInfo &info = level->getInfo();
      outs() << formatv("  {0,-12} {1}{2}\n", info.name, info.summary, runsOnHost(*level) ? "; runs here" : "")
             << formatv("{0,15}needs {1}; products by {2}; encodings {3}\n", "",
                        info.needs.empty() ? "nothing" : join(info.needs, " "),
                        info.products.empty() ? "additions" : join(info.products, " ") + ", additions",
                        listEncodings(*level, context));
    }
    if (!target->getArtifacts().empty())
      outs() << "  emits " << join(target->getArtifacts(), ", ") << "\n";
  }
  return 0;
}

const Command targetsCommand{subcommand, run};
