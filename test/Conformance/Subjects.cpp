//===- Subjects.cpp - What the suite runs, and how -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Executor.h"

#include "llvm/Support/Regex.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace setun;
using namespace setun::conformance;

llvm::StringRef setun::conformance::toString(Way way) {
  return way == Way::Native ? "native" : way == Way::Emulated ? "emulated" : "remote";
}

std::string Subject::getName() const { return Variant{level, products, false}.name() + ", " + toString(way).str(); }

Options &setun::conformance::getOptions() {
  static Options options;
  return options;
}

std::vector<Subject> setun::conformance::getSubjects() {
  llvm::Regex wanted(getOptions().levels.empty() ? ".*" : getOptions().levels);
  auto host = llvm::Triple(llvm::sys::getProcessTriple()).getArch();
  std::vector<Subject> subjects;
  for (const std::unique_ptr<Target> &target : getTargets())
    for (const std::unique_ptr<TargetLevel> &level : target->getLevels()) {
      if (!wanted.match(level->getName()))
        continue;
      bool ofHost = llvm::Triple(target->getTriple()).getArch() == host, runs = runsOnHost(*level);
      bool uses = !level->getInfo().products.empty(); // ProductTest.Exact checks that it is true
      for (Products products : {Products::AddSub, Products::Best}) {
        if (products == Products::AddSub && !uses)
          continue; // the same code
        if (!target->isDevice())
          subjects.push_back({level.get(), products, ofHost ? Way::Native : Way::Remote});
        if (!runs || uses)
          subjects.push_back({level.get(), products, Way::Emulated});
      }
    }
  return subjects;
}

llvm::Expected<std::unique_ptr<Executor>> setun::conformance::makeExecutor(const Subject &subject,
                                                                           OperandMemory &memory) {
  if (subject.level->getTarget().isDevice())
    return makeDeviceExecutor(subject, memory);
  return subject.way == Way::Remote ? makeRemoteExecutor(subject, memory) : makeHostExecutor(subject);
}
