//===- TargetSelection.cpp - What a compilation is for -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Registry.h"

#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace setun;

/// Keeps the best of `levels` that the processor `cpu` can run. LLVM tells what a processor has.
static llvm::Error keepLevelFor(llvm::StringRef cpu, TargetSelection &selection) {
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargetMCs();
  llvm::Triple triple(selection.triple);
  std::string error;
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return llvm::createStringError("no code generator for " + selection.triple + ": " + error);
  std::unique_ptr<llvm::MCSubtargetInfo> none(backend->createMCSubtargetInfo(triple, "", ""));
  if (!none || !none->isCPUStringValid(cpu))
    return llvm::createStringError("unknown processor '" + cpu + "' of " + triple.getArchName());
  std::unique_ptr<llvm::MCSubtargetInfo> processor(backend->createMCSubtargetInfo(triple, cpu, ""));
  auto has = [&](const std::string &need) { return processor->checkFeatures("+" + need); };
  auto isDevice = [](const TargetLevel *level) { return level->getTarget().isDevice(); };
  auto *host = llvm::find_if_not(selection.levels, isDevice);
  auto *best = std::find_if(host, selection.levels.end(),
                            [&](const TargetLevel *level) { return llvm::all_of(level->getInfo().needs, has); });
  if (best == selection.levels.end())
    return llvm::createStringError("processor '" + cpu + "' runs none of the levels asked for");
  *host = *best;
  selection.levels.erase(host + 1, selection.levels.end());
  selection.cpu = cpu.str();
  return llvm::Error::success();
}

/// The best level that this machine runs, tuned for its processor.
static llvm::Error selectNative(TargetSelection &selection) {
  const Target *target = getHostTarget();
  if (target)
    for (const std::unique_ptr<TargetLevel> &level : target->getLevels())
      if (runsOnHost(*level)) {
        selection.target = target;
        selection.triple = target->getTriple().str();
        selection.cpu = llvm::sys::getHostCPUName().str();
        selection.levels.push_back(level.get());
        return llvm::Error::success();
      }
  return llvm::createStringError("no target is made for this machine's architecture; known: " + getTargetNames());
}

namespace {
/// Reads a list of names from left to right.
struct SelectionParser {
  TargetSelection selection;
  struct Choice {
    const Target *target;
    llvm::SmallVector<llvm::StringRef> levels; // empty: all
  };
  llvm::SmallVector<Choice> choices;

  static llvm::Error unknown(const llvm::Twine &what) {
    return llvm::createStringError(what + "; known: native, " + getTargetNames());
  }

  llvm::Error addTarget(llvm::StringRef name) {
    const Target *target = lookupTarget(name);
    std::string triple = target ? target->getTriple().str() : llvm::Triple::normalize(name);
    if (!target)
      target = findTargetOf(name);
    if (!target)
      return unknown("unknown target '" + name + "'");
    if (!target->isDevice()) {
      if (selection.target && selection.target != target)
        return llvm::createStringError("one file serves one host, not " + selection.target->getName() + " and " +
                                       target->getName());
      selection.target = target;
      selection.triple = triple;
    }
    choices.push_back({target, {}});
    return llvm::Error::success();
  }

  /// A device that has a level of that name.
  static const Target *findDevice(llvm::StringRef level) {
    for (const std::unique_ptr<Target> &target : getTargets())
      if (target->isDevice() && target->getLevel(level))
        return target.get();
    return nullptr;
  }

  llvm::Error addLevel(llvm::StringRef name) {
    Choice &choice = choices.back();
    if (!choice.target->getLevel(name))
      return unknown("target '" + choice.target->getName() + "' has no level '" + name + "'");
    choice.levels.push_back(name);
    return llvm::Error::success();
  }

  llvm::Error add(llvm::StringRef item) {
    if (item == "native")
      return selectNative(selection);
    auto [target, level] = item.split(':');
    if (!level.empty()) {
      if (llvm::Error error = addTarget(target))
        return error;
      return addLevel(level);
    }
    // A level goes with the target before it, where that one has its levels listed.
    if (!choices.empty() && !choices.back().levels.empty() && choices.back().target->getLevel(item))
      return addLevel(item);
    if (const Target *device = lookupTarget(item) ? nullptr : findDevice(item)) {
      choices.push_back({device, {}});
      return addLevel(item);
    }
    // What follows a target's levels and is no target is meant as one of them.
    if (!choices.empty() && !choices.back().levels.empty() && !lookupTarget(item) && !findTargetOf(item))
      return addLevel(item);
    return addTarget(item);
  }

  /// The levels in their targets' order, devices' first.
  void collect() {
    llvm::SmallVector<const TargetLevel *> native = std::move(selection.levels);
    for (bool device : {true, false})
      for (const std::unique_ptr<Target> &target : getTargets())
        for (const std::unique_ptr<TargetLevel> &level : target->getLevels())
          if (target->isDevice() == device && isWanted(*target, *level))
            selection.levels.push_back(level.get());
    for (const TargetLevel *level : native)
      if (!llvm::is_contained(selection.levels, level))
        selection.levels.push_back(level);
  }

  bool isWanted(const Target &target, const TargetLevel &level) const {
    return llvm::any_of(choices, [&](const Choice &choice) {
      return choice.target == &target &&
             (choice.levels.empty() || llvm::is_contained(choice.levels, level.getInfo().name));
    });
  }
};
} // namespace

std::string TargetSelection::str() const {
  std::string text;
  for (const TargetLevel *level : levels)
    text += (text.empty() ? "" : ",") + level->getName();
  return text;
}

llvm::Expected<TargetSelection> setun::selectTarget(llvm::StringRef name, llvm::StringRef cpu) {
  SelectionParser parser;
  llvm::SmallVector<llvm::StringRef> items;
  name.split(items, ',', -1, /*KeepEmpty=*/false);
  if (items.empty())
    items.push_back(name);
  for (llvm::StringRef item : items)
    if (llvm::Error error = parser.add(item))
      return error;
  parser.collect();
  TargetSelection &selection = parser.selection;
  if (!cpu.empty())
    if (llvm::Error error = keepLevelFor(cpu, selection))
      return error;
  if (!selection.target) {
    selection.target = getHostTarget();
    selection.triple = llvm::sys::getProcessTriple();
  }
  if (!selection.target)
    return SelectionParser::unknown("no target is made for this machine's architecture");
  return selection;
}
