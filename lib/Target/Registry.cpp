//===- Registry.cpp - Targets by name -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Registry.h"

#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace setun;

namespace setun {
#define SETUN_TARGET(CREATE) std::unique_ptr<Target> CREATE();
#include "Targets.def"
#undef SETUN_TARGET
} // namespace setun

/// Never destroyed: a plug-in's code may be gone by then.
static std::vector<std::unique_ptr<Target>> &getRegistry() {
  static std::vector<std::unique_ptr<Target>> &targets = *[] {
    auto *made = new std::vector<std::unique_ptr<Target>>();
#define SETUN_TARGET(CREATE) made->push_back(CREATE());
#include "Targets.def"
#undef SETUN_TARGET
    return made;
  }();
  return targets;
}

std::string TargetLevel::getName() const { return (target.getName() + ":" + info.name).str(); }

const TargetLevel *Target::getLevel(llvm::StringRef name) const {
  for (const std::unique_ptr<TargetLevel> &level : levels)
    if (level->getInfo().name == name)
      return level.get();
  return nullptr;
}

llvm::LogicalResult Target::emitArtifact(llvm::StringRef name, const TargetLevel &, mlir::ModuleOp module, Products,
                                         llvm::raw_pwrite_stream &) const {
  return module.emitError("target ") << getName() << " does not emit '" << name << "'";
}

llvm::ArrayRef<std::unique_ptr<Target>> setun::getTargets() { return getRegistry(); }

llvm::Error setun::registerTarget(std::unique_ptr<Target> target) {
  if (lookupTarget(target->getName()))
    return llvm::createStringError("there is a target '" + target->getName() + "' already");
  if (target->getLevels().empty())
    return llvm::createStringError("target '" + target->getName() + "' has no levels");
  target->registerPasses();
  getRegistry().push_back(std::move(target));
  return llvm::Error::success();
}

const Target *setun::lookupTarget(llvm::StringRef name) {
  for (const std::unique_ptr<Target> &target : getTargets())
    if (target->getName() == name)
      return target.get();
  return nullptr;
}

const TargetLevel *setun::lookupLevel(llvm::StringRef name) {
  auto [targetName, levelName] = name.split(':');
  const Target *target = lookupTarget(targetName);
  if (!target)
    return nullptr;
  return levelName.empty() ? target->getLevels().front().get() : target->getLevel(levelName);
}

const TargetLevel *setun::lookupLevel(mlir::Operation *op, llvm::StringRef name) {
  const TargetLevel *level = lookupLevel(name);
  if (!level)
    op->emitError("unknown target '") << name << "'; known: " << getTargetNames();
  return level;
}

std::optional<Products> setun::lookupProducts(mlir::Operation *op, llvm::StringRef name) {
  if (name == "addsub")
    return Products::AddSub;
  if (name == "best")
    return Products::Best;
  op->emitError("unknown products '") << name << "'; known: addsub, best";
  return std::nullopt;
}

const TargetLevel &setun::getPlainLevel() { return *lookupLevel("generic"); }

const Target *setun::findTargetOf(llvm::StringRef tripleName) {
  llvm::Triple triple{llvm::Triple::normalize(tripleName)};
  if (triple.getArch() == llvm::Triple::UnknownArch)
    return nullptr;
  const Target *generic = nullptr;
  for (const std::unique_ptr<Target> &target : getTargets()) {
    if (llvm::Triple(target->getTriple()).getArch() != triple.getArch())
      continue;
    if (target->getLevels().size() > 1 || !target->getLevels().front()->getInfo().products.empty())
      return target.get();
    generic = target.get();
  }
  return generic;
}

const Target *setun::getHostTarget() { return findTargetOf(llvm::sys::getProcessTriple()); }

bool setun::runsOnHost(const TargetLevel &level) {
  llvm::Triple host(llvm::sys::getProcessTriple()), triple(level.getTarget().getTriple());
  if (host.getArch() != triple.getArch())
    return false;
  static const llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  return llvm::all_of(level.getInfo().needs, [](const std::string &need) { return features.lookup(need); });
}

std::string setun::getTargetNames() {
  std::string names;
  for (const std::unique_ptr<Target> &target : getTargets()) {
    names += (names.empty() ? "" : ", ") + target->getName().str();
    if (target->getLevels().size() == 1)
      continue;
    std::string levels;
    for (const std::unique_ptr<TargetLevel> &level : target->getLevels())
      levels += (levels.empty() ? "" : ", ") + level->getInfo().name;
    names += " (" + levels + ")";
  }
  return names;
}
