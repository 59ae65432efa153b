//===- Control.cpp - Control flow -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Helpers.h"

using namespace mlir;
using namespace setun::onnx;
using setun_onnx::AttributeProto;

/// A choice that follows from shapes and constants is made here; the other branch is never looked at.
static LogicalResult importIf(Node &node) {
  std::optional<double> condition = node.constantNumber(0);
  if (!condition)
    return node.fail("a choice that depends on data is not supported");
  StringRef name = *condition ? "then_branch" : "else_branch";
  const AttributeProto *branch = node.attribute(name);
  if (!branch || branch->type() != AttributeProto::GRAPH)
    return node.fail("attribute '" + name + "' is missing or no graph");
  return node.inlineGraph(branch->g());
}

static LogicalResult refuseLoop(Node &node) {
  return node.fail("loops are not supported: export the model without data-dependent control flow");
}

static LogicalResult refuseDataShape(Node &node) {
  return node.fail("the result's shape depends on data, which is not supported");
}

static const OpRow rows[] = {
    {"If", 1, 1, importIf},
    {"Loop", 0, -1, refuseLoop},
    {"Scan", 0, -1, refuseLoop},
    {"NonZero", 0, -1, refuseDataShape},
    {"Unique", 0, -1, refuseDataShape},
    {"Compress", 0, -1, refuseDataShape},
};
ArrayRef<OpRow> setun::onnx::getControlOps() { return rows; }
