//===- ImportONNX.cpp - ONNX files to the input contract -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Importer.h"

#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/Ternary/IR/Ternary.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

using namespace mlir;
using namespace setun;
using namespace setun::onnx;

bool setun::parseOnnxState(StringRef text, OnnxImportOptions &options) {
  auto [in, out] = text.split(':');
  if (in.empty() || out.empty())
    return false;
  options.states.emplace_back(in.str(), out.str());
  return true;
}

void setun::registerOnnxImportDialects(DialectRegistry &registry) {
  registry.insert<affine::AffineDialect, arith::ArithDialect, func::FuncDialect, linalg::LinalgDialect,
                  math::MathDialect, ml_program::MLProgramDialect, nn::NNDialect, scf::SCFDialect,
                  tensor::TensorDialect, ternary::TernaryDialect>();
}

static LogicalResult readModel(StringRef path, setun_onnx::ModelProto &model, MLIRContext *context) {
  auto fail = [&](const Twine &reason) -> LogicalResult {
    return emitError(UnknownLoc::get(context)) << path << ": " << reason;
  };
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fail("can't be read: " + buffer.getError().message());
  size_t size = (*buffer)->getBufferSize();
  if (size == 0)
    return fail("is empty");
  if (size > size_t(INT_MAX))
    return fail("is larger than 2 GiB: a model of that size keeps its data in external files");
  google::protobuf::io::ArrayInputStream array((*buffer)->getBufferStart(), int(size));
  google::protobuf::io::CodedInputStream stream(&array);
  stream.SetTotalBytesLimit(INT_MAX);
  // The nesting limit stays protobuf's own, 100 messages: a hostile file can't exhaust the stack.
  if (!model.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage())
    return fail("is no ONNX model, is damaged, or nests too deeply");
  return success();
}

/// What no result needs goes: constants that were only looked at, transposes that became part of a product.
static void eraseDead(ModuleOp module) {
  for (auto function : module.getOps<func::FuncOp>())
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  llvm::StringSet<> loaded;
  module.walk([&](ml_program::GlobalLoadConstOp load) { loaded.insert(load.getGlobal().getLeafReference()); });
  for (auto global : llvm::make_early_inc_range(module.getOps<ml_program::GlobalOp>()))
    if (!loaded.contains(global.getSymName()))
      global.erase();
}

OwningOpRef<ModuleOp> setun::importOnnx(StringRef path, const OnnxImportOptions &options, MLIRContext *context) {
  context->loadDialect<affine::AffineDialect, arith::ArithDialect, func::FuncDialect, linalg::LinalgDialect,
                       math::MathDialect, ml_program::MLProgramDialect, nn::NNDialect, scf::SCFDialect,
                       tensor::TensorDialect, ternary::TernaryDialect>();

  setun_onnx::ModelProto model;
  if (failed(readModel(path, model, context)))
    return nullptr;
  Sizes sizes(context);
  DenseMap<const setun_onnx::TensorProto *, Attribute> resources;
  // Each repetition has replaced at least one symbol for good, so their number bounds the repetitions.
  for (int64_t run = 0;; ++run) {
    sizes.changed = sizes.becameConstant = false;
    Importer importer(model, path, options, sizes, resources, context);
    bool complete = succeeded(importer.run());
    if (importer.reported)
      return nullptr;
    if (sizes.changed && run <= int64_t(sizes.numSymbols()))
      continue;
    if (!complete) {
      (void)importer.fail("can't be imported");
      return nullptr;
    }
    eraseDead(*importer.module);
    std::string complaint;
    {
      ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
        if (complaint.empty())
          complaint = diagnostic.str();
        return success();
      });
      if (failed(verify(*importer.module)) && complaint.empty())
        complaint = "unknown";
    }
    if (!complaint.empty()) {
      emitError(UnknownLoc::get(context)) << path << ": can't be written in the input contract: " << complaint;
      return nullptr;
    }
    for (const auto &[text, place] : importer.warnings) {
      InFlightDiagnostic warning = emitWarning(UnknownLoc::get(context)) << place.first << text;
      if (place.second > 1)
        warning << " (and " << place.second - 1 << " more)";
    }
    return std::move(importer.module);
  }
}

void setun::registerOnnxImport() {
  static TranslateToMLIRRegistration registration(
      "import-onnx", "ONNX model to the input contract",
      [](llvm::SourceMgr &sources, MLIRContext *context) -> OwningOpRef<Operation *> {
        StringRef path = sources.getMemoryBuffer(sources.getMainFileID())->getBufferIdentifier();
        return importOnnx(path, {}, context);
      },
      [](DialectRegistry &registry) { registerOnnxImportDialects(registry); });
}
