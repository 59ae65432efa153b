//===- Report.cpp - What a compilation did to each layer -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Compiler/Report.h"

#include "setun/Compiler/OutputFile.h"

#include "llvm/Support/Path.h"

using namespace mlir;
using namespace setun;
namespace json = llvm::json;

static json::Object toJson(const ProductCost &cost) {
  return json::Object{{"additions", cost.additions},
                      {"multiplications", cost.multiplications},
                      {"bytes", cost.bytes},
                      {"picojoules_45nm", cost.energy[0]},
                      {"picojoules_7nm", cost.energy[1]}};
}

static json::Object toJson(const ProductFacts &facts) {
  std::string activation;
  llvm::raw_string_ostream(activation) << facts.activation;
  json::Object layer{{"name", facts.layer},         {"kind", facts.ternary ? "ternary" : "dense"},
                     {"rows", facts.rows},          {"columns", facts.columns},
                     {"activation", activation},    {"before", toJson(facts.before)},
                     {"after", toJson(facts.after)}};
  if (facts.ternary) {
    layer["zeros"] = facts.zeros;
    layer["deviation"] = facts.deviation;
    layer["scales"] = facts.scales;
    layer["scale_range"] = json::Array{facts.scaleRange[0], facts.scaleRange[1]};
  } else {
    layer["reason"] = facts.reason.empty() ? "its weight is not ternary" : facts.reason;
  }
  return layer;
}

json::Object setun::makeReport(const std::vector<ProductFacts> &products, const CompileOptions &options) {
  json::Array layers;
  ProductCost before, after;
  int64_t ternary = 0;
  for (const ProductFacts &facts : products) {
    layers.push_back(toJson(facts));
    if (!facts.ternary)
      continue;
    ++ternary;
    before += facts.before;
    after += facts.after;
  }
  json::Object total;
  for (auto &[suffix, cost] : {std::pair("_before", toJson(before)), std::pair("_after", toJson(after))})
    for (auto &[key, value] : cost)
      total[(key.str() + suffix)] = value;
  return json::Object{{"model", llvm::sys::path::filename(options.model)},
                      {"target", options.target},
                      {"products", options.products},
                      {"ternary_products", ternary},
                      {"dense_products", static_cast<int64_t>(products.size()) - ternary},
                      {"layers", std::move(layers)},
                      {"total", std::move(total)}};
}

LogicalResult setun::writeReport(const std::vector<ProductFacts> &layers, ModuleOp encoded,
                                 const TargetSelection &selection, const CompileOptions &options) {
  json::Object report = makeReport(layers, options);
  report["kernels"] =
      makeKernelReport(encoded, selection, options.products == "addsub" ? Products::AddSub : Products::Best);
  FailureOr<OutputFile> file = OutputFile::open(options.report, encoded.getLoc());
  if (failed(file))
    return failure();
  if (StringRef(options.report).ends_with(".html"))
    printReportPage(report, file->os());
  else
    file->os() << llvm::formatv("{0:2}\n", json::Value(std::move(report)));
  return file->commit();
}
