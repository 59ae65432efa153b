//===- Registry.cpp - The targets, by name -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Target.h"

using namespace setun;

namespace setun {
#define SETUN_TARGET(CREATE) std::unique_ptr<Target> CREATE();
#include "Targets.def"
#undef SETUN_TARGET
} // namespace setun

static std::vector<std::unique_ptr<Target>> makeTargets() {
  std::vector<std::unique_ptr<Target>> targets;
#define SETUN_TARGET(CREATE) targets.push_back(CREATE());
#include "Targets.def"
#undef SETUN_TARGET
  return targets;
}

llvm::ArrayRef<std::unique_ptr<Target>> setun::getTargets() {
  static const std::vector<std::unique_ptr<Target>> targets = makeTargets();
  return targets;
}

const Target *setun::lookupTarget(llvm::StringRef name) {
  for (const std::unique_ptr<Target> &target : getTargets())
    if (target->getInfo().name == name)
      return target.get();
  return nullptr;
}

std::vector<const Target *> setun::getTargetLevels(llvm::StringRef name) {
  if (const Target *level = lookupTarget(name))
    return {level};
  std::vector<const Target *> levels;
  for (const std::unique_ptr<Target> &target : getTargets())
    if (target->getInfo().family == name)
      levels.push_back(target.get());
  return levels;
}

std::string setun::getTargetNames() {
  std::string names;
  for (const std::unique_ptr<Target> &target : getTargets())
    names += (names.empty() ? "" : ", ") + target->getInfo().name;
  return names;
}
