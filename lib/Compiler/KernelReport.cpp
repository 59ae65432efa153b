//===- KernelReport.cpp - How each product is done, and why -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Compiler/Report.h"
#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Dialect/Utils/Locations.h"

using namespace mlir;
using namespace setun;
namespace json = llvm::json;

/// Names of the layers that a product does.
static json::Array getLayers(Location loc) {
  json::Array names;
  if (auto fused = dyn_cast<FusedLoc>(loc)) {
    for (Location part : fused.getLocations())
      if (StringRef name = getSourceName(part); !name.empty())
        names.push_back(name);
  } else if (StringRef name = getSourceName(loc); !name.empty()) {
    names.push_back(name);
  }
  return names;
}

static json::Object toJson(const TargetLevel &level, int64_t tokens, const ProductPlan &plan) {
  return json::Object{{"level", level.getInfo().name},
                      {"tokens", tokens},
                      {"form", plan.form},
                      {"multiplies", plan.multiplies},
                      {"predicted_bytes", plan.bytes},
                      {"predicted_instructions", plan.instructions},
                      {"predicted_nanoseconds", plan.nanoseconds},
                      {"bound", plan.bound}};
}

json::Array setun::makeKernelReport(ModuleOp encoded, const TargetSelection &selection, Products products) {
  json::Array kernels;
  encoded.walk([&](ternary::MatmulOp op) {
    if (!op.getEncoding())
      return;
    PackedLayout chosen = op.getEncoding()->getLayout();
    ProductShape shape = ProductShape::of(op);
    json::Array candidates, forms;
    const TargetLevel &best = *selection.levels.front();
    for (const PackedLayout &layout : best.getLayouts(shape))
      candidates.push_back(json::Object{{"encoding", layout.str()},
                                        {"predicted_nanoseconds", best.getPlan(shape, layout, products).nanoseconds}});
    for (const TargetLevel *level : selection.levels)
      for (int64_t tokens : {1, 8, 128}) {
        shape.m = tokens;
        forms.push_back(toJson(*level, tokens, level->getPlan(shape, chosen, products)));
      }
    kernels.push_back(json::Object{{"layers", getLayers(op.getLoc())},
                                   {"rows", shape.n},
                                   {"columns", shape.k},
                                   {"encoding", chosen.str()},
                                   {"candidates", std::move(candidates)},
                                   {"forms", std::move(forms)}});
  });
  return kernels;
}
