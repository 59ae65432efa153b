//===- Node.h - One node of a graph, as its handler sees it -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// An operator is one function that takes a Node. Each family of operators is
// one file with one table of rows; Families.def lists the families.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_ONNX_NODE_H
#define SETUN_LIB_IMPORT_ONNX_NODE_H

#include "Emitter.h"

namespace setun::onnx {

class Importer;
struct Scope;

class Node {
public:
  Node(Importer &importer, Emitter &emitter, Scope &scope, const setun_onnx::NodeProto &proto, int64_t opset)
      : e(emitter), opset(opset), importer(importer), scope(scope), proto(proto) {}

  Emitter &e;
  /// Of the default domain.
  const int64_t opset;

  llvm::StringRef op() const { return proto.op_type(); }
  llvm::StringRef overload() const { return proto.overload(); }
  /// An operand may be left out at the end or by an empty name. The importer has checked those that a row demands.
  bool has(int index) const { return index < proto.input_size() && !proto.input(index).empty(); }
  int numInputs() const { return proto.input_size(); }
  Tensor &in(int index) { return *operands[index]; }
  /// True if the result has a name and somebody reads it.
  bool wants(int index) const;
  int numOutputs() const { return proto.output_size(); }
  llvm::LogicalResult out(int index, Tensor tensor);
  llvm::LogicalResult out(Tensor tensor) { return out(0, std::move(tensor)); }
  llvm::LogicalResult fail(const llvm::Twine &reason) { return e.fail(reason); }

  // Attributes; a reference to an attribute of the calling function's node is followed.
  const setun_onnx::AttributeProto *attribute(llvm::StringRef name) const;
  int64_t intAttr(llvm::StringRef name, int64_t otherwise);
  float floatAttr(llvm::StringRef name, float otherwise);
  std::string stringAttr(llvm::StringRef name, llvm::StringRef otherwise);
  std::optional<llvm::SmallVector<int64_t>> intsAttr(llvm::StringRef name);
  /// A tensor attribute as a constant or a parameter named after the result.
  mlir::FailureOr<Tensor> tensorAttr(llvm::StringRef name);

  // Operands that must be known here.
  mlir::FailureOr<llvm::SmallVector<int64_t>> constantInts(int index);
  std::optional<double> constantNumber(int index);
  mlir::FailureOr<int64_t> normalizeAxis(int64_t axis, int64_t rank);
  /// Axes from an attribute or from operand `index`; nothing if there are none.
  mlir::FailureOr<std::optional<llvm::SmallVector<int64_t>>> axes(int index, int64_t rank);

  /// Imports a graph attribute in place (the branch of an If that is known).
  llvm::LogicalResult inlineGraph(const setun_onnx::GraphProto &graph);
  /// A warning that is shown once the whole import has succeeded.
  void warn(const llvm::Twine &text);
  /// Set by an attribute of the wrong kind.
  std::string badAttribute;

private:
  friend class Importer;
  Importer &importer;
  Scope &scope;
  const setun_onnx::NodeProto &proto;
  llvm::SmallVector<Tensor *> operands;
};

using Handler = llvm::LogicalResult (*)(Node &);

struct OpRow {
  const char *name;
  int minInputs;
  int maxInputs; // -1: any number
  Handler handler;
  const char *domain = "";
};

#define FAMILY(family) llvm::ArrayRef<OpRow> get##family##Ops();
#include "Families.def"
#undef FAMILY

} // namespace setun::onnx

#endif // SETUN_LIB_IMPORT_ONNX_NODE_H
