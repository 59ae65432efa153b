//===- Locations.h - Names that locations carry -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_DIALECT_UTILS_LOCATIONS_H
#define SETUN_DIALECT_UTILS_LOCATIONS_H

#include "mlir/IR/Location.h"

namespace setun {

/// The name that a location carries: a module path or a node's name. Empty if it has none.
llvm::StringRef getSourceName(mlir::Location loc);

} // namespace setun

#endif // SETUN_DIALECT_UTILS_LOCATIONS_H
