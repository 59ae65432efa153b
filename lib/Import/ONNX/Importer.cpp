//===- Importer.cpp - Walks a graph and calls one handler a node -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Importer.h"
#include "SetunFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace setun::onnx;
using namespace setun_onnx;
using google::protobuf::RepeatedPtrField;

static constexpr int64_t maxNodes = 10'000'000, maxDepth = 64;

static std::string key(StringRef domain, StringRef op) {
  return ((domain == "ai.onnx" ? "" : domain) + ":" + op).str();
}

Importer::Importer(ModelProto &model, StringRef file, const OnnxImportOptions &options, Sizes &sizes,
                   DenseMap<const TensorProto *, Attribute> &resources, MLIRContext *context)
    : model(model), file(file), folder(llvm::sys::path::parent_path(file)), options(options), sizes(sizes),
      resources(resources), context(context), builder(context) {
  if (folder.empty())
    folder = ".";
#define FAMILY(family)                                                                                                 \
  for (const OpRow &row : get##family##Ops())                                                                          \
    rows[key(row.domain, row.name)] = &row;
#include "Families.def"
#undef FAMILY
  for (const FunctionProto &function : model.functions())
    functions[key(function.domain(), function.name()) + ":" + function.overload()] = &function;
  emitter = std::make_unique<Emitter>(builder, sizes);
  emitter->fail = [this](const Twine &reason) { return fail(reason); };
  emitter->symbolValue = [this](unsigned symbol) { return symbolValue(symbol); };
}

std::string Importer::describeNode() const {
  std::string text = file + ": ";
  if (!current)
    return text;
  StringRef name = current->name();
  if (name.empty() && current->output_size())
    name = current->output(0);
  text += "node '" + name.str() + "' (" + current->op_type();
  if (!currentPath.empty())
    text += ", " + currentPath;
  return text + "): ";
}

LogicalResult Importer::fail(const Twine &reason) {
  // A failure that only follows from another one stays silent.
  if (!reported)
    emitError(UnknownLoc::get(context)) << describeNode() << reason;
  reported = true;
  return failure();
}

void Importer::warn(const Twine &text) {
  auto &[where, count] = warnings[text.str()];
  if (count++ == 0)
    where = describeNode();
}

LogicalResult Importer::checkOpset(const RepeatedPtrField<OperatorSetIdProto> &imports, Scope &scope) {
  for (const OperatorSetIdProto &import : imports)
    if (import.domain().empty() || import.domain() == "ai.onnx")
      scope.opset = import.version();
  if (scope.opset && (scope.opset < 17 || scope.opset > 26))
    return fail("opset " + Twine(scope.opset) + " is not supported (17 to 26 are)");
  return success();
}

LogicalResult Importer::run() {
  module = ModuleOp::create(UnknownLoc::get(context));
  if (!model.has_graph() || (model.graph().node_size() == 0 && model.graph().output_size() == 0))
    return fail("holds no graph");
  Scope scope;
  if (failed(checkOpset(model.opset_import(), scope)))
    return failure();
  for (TensorProto &tensor : *model.mutable_graph()->mutable_initializer())
    if (!scope.initializers.try_emplace(tensor.name(), &tensor).second)
      return fail("initializer '" + tensor.name() + "' is defined twice");
  if (model.graph().sparse_initializer_size())
    return fail("sparse initializers are not supported");
  for (const ValueInfoProto &output : model.graph().output())
    scope.used.insert(output.name());
  if (failed(readInputs(scope)) || failed(importNodes(model.graph().node(), scope)))
    return failure();
  current = nullptr;
  return writeResults(scope);
}

static void addInnerUses(const GraphProto &graph, llvm::StringSet<> &used) {
  for (const NodeProto &node : graph.node()) {
    for (const std::string &name : node.input())
      used.insert(name);
    for (const AttributeProto &attribute : node.attribute())
      if (attribute.has_g())
        addInnerUses(attribute.g(), used);
  }
  for (const ValueInfoProto &output : graph.output())
    used.insert(output.name());
}

/// Nodes that nothing reads are not imported: exporters leave operators there that have no meaning at run time.
LogicalResult Importer::findUses(const RepeatedPtrField<NodeProto> &nodes, Scope &scope,
                                 DenseSet<const NodeProto *> &live) {
  llvm::StringSet<> defined;
  for (const NodeProto &node : nodes)
    for (const std::string &name : node.output())
      if (!name.empty() &&
          (!defined.insert(name).second || scope.values.count(name) || scope.initializers.count(name))) {
        current = &node;
        return fail("'" + name + "' is defined twice");
      }
  for (const NodeProto &node : llvm::reverse(nodes)) {
    if (llvm::none_of(node.output(), [&](const std::string &name) { return scope.used.contains(name); }))
      continue;
    live.insert(&node);
    for (const std::string &name : node.input())
      scope.used.insert(name);
    for (const AttributeProto &attribute : node.attribute())
      if (attribute.has_g())
        addInnerUses(attribute.g(), scope.used);
  }
  return success();
}

LogicalResult Importer::importNodes(const RepeatedPtrField<NodeProto> &nodes, Scope &scope) {
  DenseSet<const NodeProto *> live;
  if (failed(findUses(nodes, scope, live)))
    return failure();
  for (const NodeProto &node : nodes)
    if (live.contains(&node) && failed(importNode(node, scope)))
      return failure();
  return success();
}

FailureOr<Tensor *> Importer::lookup(Scope &scope, StringRef name) {
  for (Scope *s = &scope; s; s = s->outer) {
    if (auto found = s->values.find(name); found != s->values.end())
      return found->second.get();
    if (auto found = s->initializers.find(name); found != s->initializers.end()) {
      FailureOr<Tensor> constant = readConstant(*found->second, name);
      if (failed(constant))
        return failure();
      auto &slot = s->values[name] = std::make_unique<Tensor>(*constant);
      return slot.get();
    }
  }
  return fail("'" + name + "' is not defined before it is used");
}

LogicalResult Importer::importNode(const NodeProto &proto, Scope &scope) {
  llvm::SaveAndRestore<const NodeProto *> keep(current, &proto);
  llvm::SaveAndRestore<std::string> keepPath(currentPath, modulePath(proto));
  if (currentPath.empty())
    currentPath = scope.path;
  if (++importedNodes > maxNodes)
    return fail("the model unfolds to more than " + Twine(maxNodes) + " nodes");
  StringRef domain = proto.domain();
  emitter->b.setLoc(location(proto, scope));

  auto function = functions.find(key(domain, proto.op_type()) + ":" + proto.overload());
  if (function != functions.end())
    return importCall(*function->second, proto, scope);

  auto found = rows.find(key(domain, proto.op_type()));
  if (found == rows.end())
    return fail("operator '" + proto.op_type() + "' of domain '" + (domain.empty() ? "ai.onnx" : domain) +
                "' is not supported");
  return importOperator(proto, scope, *found->second);
}

LogicalResult Importer::importOperator(const NodeProto &proto, Scope &scope, const OpRow &row) {
  if (!scope.opset && StringRef(row.domain).empty())
    return fail("the model names no opset of the default domain");
  if (proto.input_size() > row.maxInputs && row.maxInputs >= 0)
    return fail("has " + Twine(proto.input_size()) + " operands, at most " + Twine(row.maxInputs) + " are known");
  Node node(*this, *emitter, scope, proto, scope.opset);
  for (int i = 0; i < std::max(proto.input_size(), row.minInputs); ++i) {
    if (!node.has(i)) {
      if (i < row.minInputs)
        return fail("operand " + Twine(i) + " is missing");
      node.operands.push_back(nullptr);
      continue;
    }
    FailureOr<Tensor *> operand = lookup(scope, proto.input(i));
    if (failed(operand))
      return failure();
    node.operands.push_back(*operand);
  }
  if (failed(row.handler(node)))
    return failure();
  if (!node.badAttribute.empty())
    return fail("attribute '" + node.badAttribute + "' has the wrong type");
  for (const std::string &name : proto.output())
    if (!name.empty() && scope.used.contains(name) && !scope.values.count(name))
      return fail("result '" + name + "' is not supported");
  return success();
}

/// A function of setun's own exporter is the operator that it names, if its body says so too; others are inlined.
LogicalResult Importer::importCall(const FunctionProto &function, const NodeProto &call, Scope &scope) {
  if (!isSetunFunction(function))
    return inlineFunction(function, call, scope);
  if (!hasStandardBody(function)) {
    warn("function '" + function.domain() + ":" + function.name() +
         "' has not the body that its name stands for: it is taken as it is written");
    return inlineFunction(function, call, scope);
  }
  SmallVector<Tensor *> operands;
  for (const std::string &name : call.input()) {
    FailureOr<Tensor *> operand = name.empty() ? FailureOr<Tensor *>(nullptr) : lookup(scope, name);
    if (failed(operand))
      return failure();
    operands.push_back(*operand);
  }
  std::optional<NodeProto> meant = getOperator(call, operands);
  if (!meant)
    return inlineFunction(function, call, scope);
  return importOperator(*meant, scope, meant->domain().empty() ? *rows[key("", meant->op_type())] : getBitLinearRow());
}

LogicalResult Importer::inlineFunction(const FunctionProto &function, const NodeProto &call, Scope &scope) {
  llvm::SaveAndRestore<int> deeper(depth, depth + 1);
  if (depth > maxDepth)
    return fail("functions call each other more than " + Twine(maxDepth) + " deep");
  if (call.input_size() > function.input_size() || call.output_size() > function.output_size())
    return fail("has more operands or results than function '" + function.name() + "'");
  Scope inner;
  inner.path = currentPath;
  inner.opset = 0;
  if (failed(checkOpset(function.opset_import(), inner)))
    return failure();
  for (int i = 0; i < call.input_size(); ++i) {
    if (call.input(i).empty())
      continue;
    FailureOr<Tensor *> operand = lookup(scope, call.input(i));
    if (failed(operand))
      return failure();
    inner.values[function.input(i)] = std::make_unique<Tensor>(**operand);
  }
  for (const AttributeProto &otherwise : function.attribute_proto())
    inner.attributes[otherwise.name()] = &otherwise;
  for (const AttributeProto &attribute : call.attribute()) {
    const AttributeProto *actual = &attribute;
    if (!attribute.ref_attr_name().empty()) {
      auto bound = scope.attributes.find(attribute.ref_attr_name());
      if (bound == scope.attributes.end())
        continue;
      actual = bound->second;
    }
    inner.attributes[attribute.name()] = actual;
  }
  for (int i = 0; i < call.output_size(); ++i)
    if (!call.output(i).empty() && scope.used.contains(call.output(i)))
      inner.used.insert(function.output(i));
  if (failed(importNodes(function.node(), inner)))
    return failure();
  for (int i = 0; i < call.output_size(); ++i) {
    if (call.output(i).empty() || !scope.used.contains(call.output(i)))
      continue;
    FailureOr<Tensor *> result = lookup(inner, function.output(i));
    if (failed(result))
      return failure();
    scope.values[call.output(i)] = std::make_unique<Tensor>(**result);
  }
  return success();
}

LogicalResult Importer::inlineBranch(Node &node, const GraphProto &graph) {
  llvm::SaveAndRestore<int> deeper(depth, depth + 1);
  if (depth > maxDepth)
    return fail("branches nest more than " + Twine(maxDepth) + " deep");
  if (graph.output_size() < node.proto.output_size())
    return fail("the branch gives fewer results than the node");
  Scope inner;
  inner.outer = &node.scope;
  inner.opset = node.scope.opset;
  inner.path = currentPath;
  for (const auto &bound : node.scope.attributes)
    inner.attributes[bound.getKey()] = bound.getValue();
  for (const TensorProto &tensor : graph.initializer())
    inner.initializers[tensor.name()] = const_cast<TensorProto *>(&tensor);
  for (const ValueInfoProto &output : graph.output())
    inner.used.insert(output.name());
  if (failed(importNodes(graph.node(), inner)))
    return failure();
  for (int i = 0; i < node.proto.output_size(); ++i) {
    FailureOr<Tensor *> result = lookup(inner, graph.output(i).name());
    if (failed(result) || failed(node.out(i, **result)))
      return failure();
  }
  return success();
}
