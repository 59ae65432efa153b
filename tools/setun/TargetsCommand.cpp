//===- TargetsCommand.cpp - setun targets -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"

#include "setun-rt/setun.h"
#include "setun/Target/Registry.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace setun;

static cl::SubCommand subcommand("targets", "What can be compiled for: targets, levels, features and encodings");
static cl::list<std::string> plugins("load-target", cl::desc("Shared library with more targets"),
                                     cl::value_desc("FILE"), cl::sub(subcommand));
static cl::opt<bool> asJson("json", cl::desc("Print JSON"), cl::sub(subcommand));

/// Those of a usual product; a level may offer others for other shapes.
static std::vector<std::string> listEncodings(const TargetLevel &level, mlir::MLIRContext &context) {
  ProductShape shape{1, 2560, 2560, 0, mlir::IntegerType::get(&context, 8)};
  std::vector<std::string> names;
  for (const PackedLayout &layout : level.getLayouts(shape))
    names.push_back(layout.str());
  return names;
}

/// The devices beside the processor that this machine has, or why none.
static std::pair<std::vector<std::string>, std::string> listDevices() {
  char text[4096] = "";
  if (setun_list_devices(text, sizeof text))
    return {{}, text};
  SmallVector<StringRef> lines;
  StringRef(text).split(lines, '\n', -1, /*KeepEmpty=*/false);
  return {{lines.begin(), lines.end()}, ""};
}

static json::Value describe(const Target &target, mlir::MLIRContext &context) {
  json::Array levels;
  for (const std::unique_ptr<TargetLevel> &level : target.getLevels()) {
    const LevelInfo &info = level->getInfo();
    levels.push_back(json::Object{{"name", info.name},
                                  {"summary", info.summary},
                                  {"runs_here", runsOnHost(*level)},
                                  {"needs", json::Array(info.needs)},
                                  {"products", json::Array(info.products)},
                                  {"encodings", json::Array(listEncodings(*level, context))}});
  }
  json::Object all{{"name", target.getName()},
                   {"summary", target.getSummary()},
                   {"triple", target.getTriple()},
                   {"artifacts", json::Array(target.getArtifacts())},
                   {"levels", std::move(levels)}};
  if (target.isDevice())
    all["devices"] = json::Array(listDevices().first);
  return all;
}

static int run() {
  if (!loadTargets(plugins))
    return 2;
  mlir::MLIRContext context;
  if (asJson) {
    json::Array all;
    for (const std::unique_ptr<Target> &target : getTargets())
      all.push_back(describe(*target, context));
    outs() << formatv("{0:2}\n", json::Value(std::move(all)));
    return 0;
  }
  for (const std::unique_ptr<Target> &target : getTargets()) {
    outs() << target->getName() << ": " << target->getSummary();
    if (!target->isDevice())
      outs() << " (" << target->getTriple() << ")";
    outs() << "\n";
    if (target->isDevice()) {
      auto [devices, why] = listDevices();
      for (const std::string &device : devices)
        outs() << "  here: " << device << "\n";
      if (devices.empty())
        outs() << "  none here: " << why << "\n";
    }
    for (const std::unique_ptr<TargetLevel> &level : target->getLevels()) {
      const LevelInfo &info = level->getInfo();
      outs() << formatv("  {0,-12} {1}{2}\n", info.name, info.summary, runsOnHost(*level) ? "; runs here" : "")
             << formatv("{0,15}needs {1}; products by {2}; encodings {3}\n", "",
                        info.needs.empty() ? "nothing" : join(info.needs, " "),
                        info.products.empty() ? "additions" : join(info.products, " ") + ", additions",
                        join(listEncodings(*level, context), " "));
    }
    if (!target->getArtifacts().empty())
      outs() << "  emits " << join(target->getArtifacts(), ", ") << "\n";
  }
  return 0;
}

const Command targetsCommand{subcommand, run};
