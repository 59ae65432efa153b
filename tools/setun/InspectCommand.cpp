//===- InspectCommand.cpp - setun inspect -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"
#include "InspectFolder.h"

#include "setun/Analysis/ProductCounts.h"
#include "setun/Compiler/Compiler.h"
#include "setun/Compiler/Report.h"
#include "setun/Import/HF.h"

#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace setun;

static cl::SubCommand subcommand("inspect", "What is ternary in a model, what is not and why, and how large it is");
static cl::opt<std::string> input(cl::Positional, cl::Required, cl::desc("MODEL.onnx or FOLDER"), cl::sub(subcommand));
static cl::opt<bool> asJson("json", cl::desc("Print JSON, in the form of compile --report"), cl::sub(subcommand));
static ModelFlags modelFlags(subcommand);

static void printTable(const std::vector<ProductFacts> &products) {
  size_t width = 5;
  for (const ProductFacts &facts : products)
    width = std::max(width, facts.layer.size());
  ProductCost before, after;
  outs() << left_justify("layer", width) << "  kind        rows x columns  activations  scales  zeros        bytes\n";
  for (const ProductFacts &facts : products) {
    std::string shape = formatv("{0} x {1}", facts.rows, facts.columns);
    std::string activation;
    raw_string_ostream(activation) << facts.activation;
    outs() << left_justify(facts.layer, width) << "  " << left_justify(facts.ternary ? "ternary" : "dense", 8)
           << right_justify(shape, 18) << "  " << left_justify(activation, 11);
    if (facts.ternary)
      outs() << formatv("{0,8}{1,6:f1}%{2,13}\n", facts.scales, 100 * facts.zeros, facts.after.bytes);
    else
      outs() << formatv("{0,28}  {1}\n", facts.after.bytes, facts.reason);
    before += facts.before;
    after += facts.after;
  }
  outs() << formatv("{0} products; bytes of their weights {1} -> {2}\n", products.size(), before.bytes, after.bytes);
}

static int run() {
  CompileOptions options;
  options.model = input;
  options.progress = terminalProgress();
  if (!modelFlags.apply(options))
    return 2;
  std::unique_ptr<mlir::MLIRContext> context = makeCompilerContext();
  DiagnosticPrinter printer(*context, /*remarks=*/false);
  mlir::FailureOr<HfFolder> folder = HfFolder();
  bool isFolder = isHfFolder(options.model);
  if (isFolder)
    folder = readHf(options.model, mlir::UnknownLoc::get(context.get()));
  if (failed(folder))
    return 1;
  mlir::OwningOpRef<mlir::ModuleOp> module = loadModel(options, *context);
  if (!module || failed(lowerToTernary(*module, options)))
    return 1;
  std::vector<ProductFacts> products = collectProducts(*module);
  if (isFolder && asJson)
    outs() << formatv("{0:2}\n", json::Value(makeFolderReport(*folder, products, makeReport(products, options))));
  else if (isFolder)
    printFolder(*folder, products, outs());
  else if (asJson)
    outs() << formatv("{0:2}\n", json::Value(makeReport(products, options)));
  else
    printTable(products);
  return 0;
}

const Command inspectCommand{subcommand, run};
