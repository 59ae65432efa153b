//===- Registry.h - Targets by name -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The targets of this tree (lib/Target/Targets.def) and those loaded from shared
// libraries.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_REGISTRY_H
#define SETUN_TARGET_REGISTRY_H

#include "setun/Support/Version.h"
#include "setun/Target/Target.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

namespace setun {

/// All targets: those of this tree in their order, then the loaded ones.
llvm::ArrayRef<std::unique_ptr<Target>> getTargets();
/// The target of that name, or null.
const Target *lookupTarget(llvm::StringRef name);
/// The level "TARGET:LEVEL", or the best of "TARGET"; null if there is none.
const TargetLevel *lookupLevel(llvm::StringRef name);
/// The same for a pass's options: if there is none, or no such products, an error at `op`.
const TargetLevel *lookupLevel(mlir::Operation *op, llvm::StringRef name);
std::optional<Products> lookupProducts(mlir::Operation *op, llvm::StringRef name);
/// Additions alone, for any processor of this machine's architecture: the oracle of all others.
const TargetLevel &getPlainLevel();
/// Adds a target. The error says if its name is taken or it has no levels.
llvm::Error registerTarget(std::unique_ptr<Target> target);
/// The target that makes code for an LLVM triple's architecture, or null.
const Target *findTargetOf(llvm::StringRef triple);
/// The target whose code this machine runs: its architecture's.
const Target *getHostTarget();
/// Whether this machine runs the level's code.
bool runsOnHost(const TargetLevel &level);
/// "generic, x86-64 (avx2, baseline), ..." for diagnostics.
std::string getTargetNames();

/// What a compilation is for: a host's code, a device's with host code around, or both in one file.
struct TargetSelection {
  const Target *target = nullptr;                // of the host code
  llvm::SmallVector<const TargetLevel *> levels; // best first, at least one; a device's before the host's
  std::string triple;                            // of the host code
  std::string cpu;                               // processor to tune for, as LLVM names it; empty: the levels' own

  /// A name that selects the same levels.
  std::string str() const;
};

/// Understands a list of "native" (this machine's best level), "TARGET" (all its levels), "TARGET:LEVEL,LEVEL", an LLVM
/// triple in place of TARGET, and LEVEL alone where one device has a level of that name. The list names at most one
/// host; without one, a device's host code is made for this machine. `cpu`, if not empty, names a processor: of the
/// host's levels asked for, the best it can run remains. The error says what is known.
llvm::Expected<TargetSelection> selectTarget(llvm::StringRef name, llvm::StringRef cpu = "");

/// The contract of a target plug-in: a shared library, built against the headers of this very version, that exports
/// `extern "C" setun::TargetPlugin setunGetTargetPlugin()`.
struct TargetPlugin {
  static constexpr uint32_t kVersion = 1;
  uint32_t version;         // kVersion
  const char *setunVersion; // SETUN_VERSION_STRING of the headers it was built with
  std::vector<std::unique_ptr<Target>> (*createTargets)();
};

/// Loads a plug-in and adds its targets. The error names the file and what is wrong with it.
llvm::Error loadTargetPlugin(llvm::StringRef path);

} // namespace setun

#endif // SETUN_TARGET_REGISTRY_H
