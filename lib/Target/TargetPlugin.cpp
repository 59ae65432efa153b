//===- TargetPlugin.cpp - Targets from shared libraries -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Registry.h"

#include "llvm/Support/DynamicLibrary.h"

using namespace setun;

llvm::Error setun::loadTargetPlugin(llvm::StringRef path) {
  auto fail = [&](const llvm::Twine &message) { return llvm::createStringError(path + ": " + message); };
  std::string error;
  llvm::sys::DynamicLibrary library = llvm::sys::DynamicLibrary::getPermanentLibrary(path.str().c_str(), &error);
  if (!library.isValid())
    return fail("cannot be loaded: " + error);
  auto entry = reinterpret_cast<TargetPlugin (*)()>(library.getAddressOfSymbol("setunGetTargetPlugin"));
  if (!entry)
    return fail("is no target plug-in: it does not export setunGetTargetPlugin");
  TargetPlugin plugin = entry();
  if (plugin.version != TargetPlugin::kVersion || llvm::StringRef(plugin.setunVersion) != SETUN_VERSION_STRING)
    return fail("was built for another version of Setun than " SETUN_VERSION_STRING);
  for (std::unique_ptr<Target> &target : plugin.createTargets())
    if (llvm::Error duplicate = registerTarget(std::move(target)))
      return fail(toString(std::move(duplicate)));
  return llvm::Error::success();
}
