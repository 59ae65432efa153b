//===- Node.cpp - Attributes and operands of a node -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Importer.h"

using namespace mlir;
using namespace setun::onnx;
using setun_onnx::AttributeProto;

bool Node::wants(int index) const {
  return index < proto.output_size() && !proto.output(index).empty() && scope.used.contains(proto.output(index));
}

LogicalResult Node::out(int index, Tensor tensor) {
  if (index >= proto.output_size() || proto.output(index).empty())
    return success();
  int64_t count = 1;
  for (AffineExpr size : tensor.shape)
    if (std::optional<int64_t> number = constantOf(size))
      if (*number < 0 || llvm::MulOverflow(count, *number, count) || count > (int64_t(1) << 48))
        return fail("the result's size is negative or too large");
  scope.values[proto.output(index)] = std::make_unique<Tensor>(std::move(tensor));
  return success();
}

const AttributeProto *Node::attribute(StringRef name) const {
  for (const AttributeProto &attribute : proto.attribute()) {
    if (attribute.name() != name)
      continue;
    if (attribute.ref_attr_name().empty())
      return &attribute;
    auto bound = scope.attributes.find(attribute.ref_attr_name());
    return bound == scope.attributes.end() ? nullptr : bound->second;
  }
  return nullptr;
}

static const AttributeProto *ofKind(Node &node, StringRef name, AttributeProto::AttributeType kind) {
  const AttributeProto *attribute = node.attribute(name);
  if (attribute && attribute->type() != kind) {
    node.badAttribute = name;
    return nullptr;
  }
  return attribute;
}

int64_t Node::intAttr(StringRef name, int64_t otherwise) {
  const AttributeProto *attribute = ofKind(*this, name, AttributeProto::INT);
  return attribute ? attribute->i() : otherwise;
}

float Node::floatAttr(StringRef name, float otherwise) {
  const AttributeProto *attribute = ofKind(*this, name, AttributeProto::FLOAT);
  return attribute ? attribute->f() : otherwise;
}

std::string Node::stringAttr(StringRef name, StringRef otherwise) {
  const AttributeProto *attribute = ofKind(*this, name, AttributeProto::STRING);
  return attribute ? attribute->s() : otherwise.str();
}

std::optional<SmallVector<int64_t>> Node::intsAttr(StringRef name) {
  const AttributeProto *attribute = ofKind(*this, name, AttributeProto::INTS);
  if (!attribute)
    return std::nullopt;
  return SmallVector<int64_t>(attribute->ints().begin(), attribute->ints().end());
}

FailureOr<Tensor> Node::tensorAttr(StringRef name) {
  const AttributeProto *attribute = ofKind(*this, name, AttributeProto::TENSOR);
  if (!attribute)
    return fail("attribute '" + name + "' is missing or no tensor");
  auto &tensor = const_cast<setun_onnx::TensorProto &>(attribute->t());
  return importer.readConstant(tensor, proto.output_size() ? proto.output(0) : "");
}

FailureOr<SmallVector<int64_t>> Node::constantInts(int index) {
  Tensor &t = in(index);
  SmallVector<int64_t> result;
  if (t.contents)
    for (AffineExpr element : *t.contents)
      if (std::optional<int64_t> number = constantOf(element))
        result.push_back(*number);
  if (!t.contents || result.size() != t.contents->size())
    return fail("operand " + Twine(index) + " ('" + proto.input(index) + "') must be known at compile time");
  return result;
}

std::optional<double> Node::constantNumber(int index) {
  if (!has(index))
    return std::nullopt;
  Tensor &t = in(index);
  if (t.contents && t.contents->size() == 1)
    if (std::optional<int64_t> number = constantOf(t.contents->front()))
      return double(*number);
  if (!t.constant || !t.constant.isSplat())
    return std::nullopt;
  if (isFloat(t.dtype))
    return t.constant.getSplatValue<APFloat>().convertToDouble();
  APInt number = t.constant.getSplatValue<APInt>();
  return isUnsigned(t.dtype) ? double(number.getZExtValue()) : double(number.getSExtValue());
}

FailureOr<int64_t> Node::normalizeAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return fail("axis " + Twine(axis) + " is outside a tensor of rank " + Twine(rank));
  return axis < 0 ? axis + rank : axis;
}

FailureOr<std::optional<SmallVector<int64_t>>> Node::axes(int index, int64_t rank) {
  std::optional<SmallVector<int64_t>> result = intsAttr("axes");
  if (!result && index >= 0 && has(index)) {
    FailureOr<SmallVector<int64_t>> known = constantInts(index);
    if (failed(known))
      return failure();
    result = *known;
  }
  if (!result)
    return std::optional<SmallVector<int64_t>>();
  for (int64_t &axis : *result) {
    FailureOr<int64_t> normal = normalizeAxis(axis, rank);
    if (failed(normal))
      return failure();
    axis = *normal;
  }
  llvm::sort(*result);
  if (std::adjacent_find(result->begin(), result->end()) != result->end())
    return fail("an axis is given twice");
  return result;
}

LogicalResult Node::inlineGraph(const setun_onnx::GraphProto &graph) { return importer.inlineBranch(*this, graph); }
void Node::warn(const Twine &text) { importer.warn(text); }
