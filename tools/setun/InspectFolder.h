//===- InspectFolder.h - setun inspect of a checkpoint folder -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TOOLS_INSPECTFOLDER_H
#define SETUN_TOOLS_INSPECTFOLDER_H

#include "setun/Analysis/ProductCounts.h"
#include "setun/Import/HF.h"

#include "llvm/Support/JSON.h"

/// The architecture and a table of the folder's tensors: each weight with what was found about its product.
void printFolder(const setun::HfFolder &folder, const std::vector<setun::ProductFacts> &products,
                 llvm::raw_ostream &os);

/// `report` (Compiler/Report.h) and, besides: summary; tensors (name, dtype, shape, file, role, and of weights:
/// ternary, found).
llvm::json::Object makeFolderReport(const setun::HfFolder &folder, const std::vector<setun::ProductFacts> &products,
                                    llvm::json::Object report);

#endif // SETUN_TOOLS_INSPECTFOLDER_H
