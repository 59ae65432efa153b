//===- Importer.h - Walks a graph and calls one handler a node -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_IMPORT_ONNX_IMPORTER_H
#define SETUN_LIB_IMPORT_ONNX_IMPORTER_H

#include "Node.h"

#include "setun/Import/ONNX.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"

#include <map>
#include <memory>

namespace setun::onnx {

/// Names of one graph or function body. A branch sees its surroundings, a function does not.
struct Scope {
  Scope *outer = nullptr;
  llvm::StringMap<std::unique_ptr<Tensor>> values;
  llvm::StringMap<setun_onnx::TensorProto *> initializers;
  llvm::StringMap<const setun_onnx::AttributeProto *> attributes;
  llvm::StringSet<> used;
  int64_t opset = 0;
  /// The module path of the call that brought this function body in.
  std::string path;
};

struct FoundState {
  int input, output;
  int64_t axis;
};

/// One run over the model. What it learns about sizes stays in `sizes`; when that changed, the run is repeated.
class Importer {
public:
  Importer(setun_onnx::ModelProto &model, llvm::StringRef file, const OnnxImportOptions &options, Sizes &sizes,
           llvm::DenseMap<const setun_onnx::TensorProto *, mlir::Attribute> &resources, mlir::MLIRContext *context);

  llvm::LogicalResult run();
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// Each text once: where it was said first, and how often.
  std::map<std::string, std::pair<std::string, int>> warnings;
  /// An error has been shown.
  bool reported = false;

  llvm::LogicalResult fail(const llvm::Twine &reason);
  void warn(const llvm::Twine &text);
  mlir::FailureOr<Tensor> readConstant(setun_onnx::TensorProto &proto, llvm::StringRef name);
  llvm::LogicalResult inlineBranch(Node &node, const setun_onnx::GraphProto &graph);

private:
  // Importer.cpp
  llvm::LogicalResult importNodes(const google::protobuf::RepeatedPtrField<setun_onnx::NodeProto> &nodes, Scope &scope);
  llvm::LogicalResult importNode(const setun_onnx::NodeProto &proto, Scope &scope);
  llvm::LogicalResult importOperator(const setun_onnx::NodeProto &proto, Scope &scope, const OpRow &row);
  llvm::LogicalResult importCall(const setun_onnx::FunctionProto &function, const setun_onnx::NodeProto &call,
                                 Scope &scope);
  llvm::LogicalResult inlineFunction(const setun_onnx::FunctionProto &function, const setun_onnx::NodeProto &call,
                                     Scope &scope);
  llvm::LogicalResult findUses(const google::protobuf::RepeatedPtrField<setun_onnx::NodeProto> &nodes, Scope &scope,
                               llvm::DenseSet<const setun_onnx::NodeProto *> &live);
  mlir::FailureOr<Tensor *> lookup(Scope &scope, llvm::StringRef name);
  llvm::LogicalResult checkOpset(const google::protobuf::RepeatedPtrField<setun_onnx::OperatorSetIdProto> &imports,
                                 Scope &scope);
  std::string describeNode() const;
  // Entry.cpp
  llvm::LogicalResult readInputs(Scope &scope);
  llvm::LogicalResult addInput(const setun_onnx::ValueInfoProto &info, Scope &scope);
  llvm::LogicalResult writeResults(Scope &scope);
  llvm::LogicalResult findStates(llvm::ArrayRef<Tensor *> outputs, llvm::SmallVectorImpl<FoundState> &states);
  mlir::Value symbolValue(unsigned symbol);
  mlir::AffineMapAttr shapeMap(llvm::ArrayRef<mlir::AffineExpr> shape);
  mlir::Location location(const setun_onnx::NodeProto &proto, Scope &scope);

  setun_onnx::ModelProto &model;
  std::string file, folder;
  const OnnxImportOptions &options;
  Sizes &sizes;
  llvm::DenseMap<const setun_onnx::TensorProto *, mlir::Attribute> &resources;
  mlir::MLIRContext *context;
  mlir::OpBuilder builder;
  std::unique_ptr<Emitter> emitter;
  mlir::func::FuncOp entry;
  llvm::StringSet<> globals;
  llvm::StringMap<const setun_onnx::FunctionProto *> functions;
  llvm::StringMap<const OpRow *> rows;
  const setun_onnx::NodeProto *current = nullptr;
  std::string currentPath;
  int depth = 0;
  int64_t importedNodes = 0;

  struct Input {
    std::string name;
    int32_t dtype;
    Shape declared; // bare symbols and numbers
    Tensor tensor;
  };
  std::vector<Input> inputs;
  /// Symbols that are arguments, in their order, and the argument of each.
  llvm::SmallVector<unsigned> symbols;
  llvm::DenseMap<unsigned, mlir::Value> symbolArguments;
};

/// The module path that exporters leave in a node's metadata; empty if there is none.
std::string modulePath(const setun_onnx::NodeProto &node);
/// Whether these names are the old and the new state of one cache, as torch, transformers and optimum name them.
bool isStatePair(llvm::StringRef input, llvm::StringRef output);

} // namespace setun::onnx

#endif // SETUN_LIB_IMPORT_ONNX_IMPORTER_H
