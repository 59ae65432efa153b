//===- Report.h - What a compilation did to each layer -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_COMPILER_REPORT_H
#define SETUN_COMPILER_REPORT_H

#include "setun/Analysis/ProductCounts.h"
#include "setun/Compiler/Options.h"
#include "setun/Target/Registry.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace setun {

/// All that reports tell of the layers, in the form of FILE.json:
///   model, target, products; ternary_products, dense_products; layers (name, kind, rows, columns, activation, scales,
///   zeros, deviation, reason, before and after: additions, multiplications, bytes, picojoules_45nm, picojoules_7nm);
///   total (the ternary layers' sums, `additions_before` and so on). Counts are for one token.
llvm::json::Object makeReport(const std::vector<ProductFacts> &products, const CompileOptions &options);

/// How each ternary product of a module with packed weights is done, and why: layers (joined ones together), rows,
/// columns, encoding; candidates (encoding, predicted_nanoseconds of one token on the best level); forms (level,
/// tokens, form, multiplies, predicted_bytes, predicted_instructions, predicted_nanoseconds, bound).
llvm::json::Array makeKernelReport(mlir::ModuleOp encoded, const TargetSelection &selection, Products products);

/// Writes `options.report`, as its extension says: `layers` were found at the ternary stage, `encoded` is the module
/// after it. The HTML opens without a network.
llvm::LogicalResult writeReport(const std::vector<ProductFacts> &layers, mlir::ModuleOp encoded,
                                const TargetSelection &selection, const CompileOptions &options);

/// The report as a page (ReportPage.cpp).
void printReportPage(const llvm::json::Object &report, llvm::raw_ostream &os);

} // namespace setun

#endif // SETUN_COMPILER_REPORT_H
