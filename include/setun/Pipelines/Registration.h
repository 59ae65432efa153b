//===- Registration.h - Dialects and passes, each named in one place -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_PIPELINES_REGISTRATION_H
#define SETUN_PIPELINES_REGISTRATION_H

namespace mlir {
class DialectRegistry;
}

namespace setun {

/// Our dialects, the upstream ones in use, and the interfaces (bufferization, tiling, translation) that passes need.
void registerDialects(mlir::DialectRegistry &registry);

/// Every pass of ours, the upstream passes our pipelines use, and the named pipelines.
void registerPasses();

} // namespace setun

#endif // SETUN_PIPELINES_REGISTRATION_H
