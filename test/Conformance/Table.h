//===- Table.h - Which ran how -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_CONFORMANCE_TABLE_H
#define SETUN_TEST_CONFORMANCE_TABLE_H

#include "Executor.h"

namespace setun::conformance {

/// Adds to a subject's row; `note` says why nothing ran.
void record(const Subject &subject, int64_t cases, double seconds, llvm::StringRef note = "");
/// Prints a row for each subject. With SETUN_CONFORMANCE_TABLE in the environment the rows are also added to that
/// file, for runs that are spread over processes: "subject|way|cases|seconds|note".
void printTable();

} // namespace setun::conformance

#endif // SETUN_TEST_CONFORMANCE_TABLE_H
