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
  auto best = llvm::find_if(selection.levels, [&](auto *level) { return llvm::all_of(level->getInfo().needs, has); });
  if (best == selection.levels.end())
    return llvm::createStringError("processor '" + cpu + "' runs none of the levels asked for");
  selection.levels = {*best};
  selection.cpu = cpu.str();
  return llvm::Error::success();
}

/// The best level that this machine runs, tuned for its processor.
static llvm::Expected<TargetSelection> selectNative() {
  const Target *target = getHostTarget();
  if (target)
    for (const std::unique_ptr<TargetLevel> &level : target->getLevels())
      if (runsOnHost(*level))
        return TargetSelection{target, {level.get()}, target->getTriple().str(), llvm::sys::getHostCPUName().str()};
  return llvm::createStringError("no target is made for this machine's architecture; known: " + getTargetNames());
}

llvm::Expected<TargetSelection> setun::selectTarget(llvm::StringRef name, llvm::StringRef cpu) {
  TargetSelection selection;
  if (name == "native") {
    llvm::Expected<TargetSelection> native = selectNative();
    if (!native)
      return native.takeError();
    selection = *native;
  } else {
    auto [targetName, levelNames] = name.split(':');
    selection.target = lookupTarget(targetName);
    if (selection.target) {
      selection.triple = selection.target->getTriple().str();
    } else {
      selection.target = findTargetOf(targetName);
      selection.triple = llvm::Triple::normalize(targetName);
    }
    if (!selection.target)
      return llvm::createStringError("unknown target '" + targetName + "'; known: native, " + getTargetNames());
    llvm::SmallVector<llvm::StringRef> wanted;
    levelNames.split(wanted, ',', -1, /*KeepEmpty=*/false);
    for (llvm::StringRef level : wanted)
      if (!selection.target->getLevel(level))
        return llvm::createStringError("target '" + selection.target->getName() + "' has no level '" + level +
                                       "'; known: native, " + getTargetNames());
    for (const std::unique_ptr<TargetLevel> &level : selection.target->getLevels())
      if (wanted.empty() || llvm::is_contained(wanted, level->getInfo().name))
        selection.levels.push_back(level.get());
  }
  if (!cpu.empty())
    if (llvm::Error error = keepLevelFor(cpu, selection))
      return error;
  return selection;
}
