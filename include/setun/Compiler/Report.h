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

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace setun {

/// All that reports tell, in the form of FILE.json:
///   model, target, products; ternary_products, dense_products; layers (name, kind, rows, columns, activation, scales,
///   zeros, deviation, reason, before and after: additions, multiplications, bytes, picojoules_45nm, picojoules_7nm;
///   forms: how each level of the target does it for 1 and for 128 tokens, and the time its cost model predicts);
///   total (the ternary layers' sums, `additions_before` and so on). Counts are for one token.
llvm::json::Object makeReport(const std::vector<ProductFacts> &products, const CompileOptions &options);

/// Writes `options.report` for a module at the ternary stage, as its extension says. The HTML opens without a network.
llvm::LogicalResult writeReport(mlir::ModuleOp module, const CompileOptions &options);

/// The report as a page (ReportPage.cpp).
void printReportPage(const llvm::json::Object &report, llvm::raw_ostream &os);

} // namespace setun

#endif // SETUN_COMPILER_REPORT_H
