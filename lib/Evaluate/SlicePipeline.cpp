//===- SlicePipeline.cpp - From the input contract to the LLVM dialect on the host -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// Upstream passes, the one that widens sums, and the lowerings of our own operations. Speed matters little here; that
// every operation of the input contract goes through matters.

#include "setun/Evaluate/SlicePipeline.h"

#include "setun/Conversion/Passes.h"
#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Target/Passes.h"
#include "setun/Transforms/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/ControlFlow/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/AllInterfaces.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/BufferDeallocationOpInterfaceImpl.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace setun;

void setun::registerSliceDialects(DialectRegistry &registry) {
  registry
      .insert<affine::AffineDialect, arith::ArithDialect, bufferization::BufferizationDialect, cf::ControlFlowDialect,
              func::FuncDialect, linalg::LinalgDialect, LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect,
              scf::SCFDialect, tensor::TensorDialect, vector::VectorDialect, nn::NNDialect, ternary::TernaryDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(registry);
  cf::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerAllDialectInterfaceImplementations(registry);
  scf::registerBufferDeallocationOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerInferTypeOpInterfaceExternalModels(registry);
  nn::registerBufferization(registry);
  ternary::registerBufferization(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

namespace {

/// The caller of the slice gives room for its results; functions that it calls may return what they allocate, whose
/// size need not be known.
struct ResultsToArguments : PassWrapper<ResultsToArguments, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ResultsToArguments)
  void runOnOperation() override {
    bufferization::BufferResultsToOutParamsOpts options;
    options.filterFn = [](func::FuncOp *function) { return function->isPublic(); };
    options.hoistStaticAllocs = true;
    options.modifyPublicFunctions = true;
    if (failed(bufferization::promoteBufferResultsToOutParams(getOperation(), options)))
      signalPassFailure();
  }
};

/// Nothing that the data of a model does may end this process. A check is dropped: what it guards reads inside its
/// buffer anyway. A division by zero, or of the least integer by -1, becomes one by 1.
struct KeepAlive : PassWrapper<KeepAlive, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(KeepAlive)
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<arith::ArithDialect>(); }

  void runOnOperation() override {
    getOperation().walk([](cf::AssertOp op) { op.erase(); });
    getOperation().walk([](Operation *op) {
      if (isa<arith::DivSIOp, arith::RemSIOp, arith::DivUIOp, arith::RemUIOp>(op))
        guard(op, isa<arith::DivSIOp, arith::RemSIOp>(op));
    });
  }

  static void guard(Operation *op, bool isSigned) {
    ImplicitLocOpBuilder builder(op->getLoc(), op);
    Value dividend = op->getOperand(0), divisor = op->getOperand(1);
    Type type = divisor.getType();
    unsigned width = getElementTypeOrSelf(type).isIndex() ? 64 : getElementTypeOrSelf(type).getIntOrFloatBitWidth();
    auto is = [&](Value value, const APInt &number) {
      Attribute scalar = builder.getIntegerAttr(getElementTypeOrSelf(type), number);
      auto attribute = isa<ShapedType>(type) ? TypedAttr(DenseElementsAttr::get(cast<ShapedType>(type), scalar))
                                             : cast<TypedAttr>(scalar);
      Value constant = arith::ConstantOp::create(builder, attribute);
      return std::pair(constant, Value(arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, value, constant)));
    };
    Value traps = is(divisor, APInt::getZero(width)).second;
    if (isSigned) {
      Value least = is(dividend, APInt::getSignedMinValue(width)).second;
      Value overflows = arith::AndIOp::create(builder, least, is(divisor, APInt::getAllOnes(width)).second);
      traps = arith::OrIOp::create(builder, traps, overflows);
    }
    Value one = is(divisor, APInt(width, 1)).first;
    op->setOperand(1, arith::SelectOp::create(builder, traps, one, divisor));
  }
};

} // namespace

static void bufferize(OpPassManager &pm) {
  bufferization::OneShotBufferizePassOptions oneShot;
  oneShot.bufferizeFunctionBoundaries = true;
  oneShot.allowReturnAllocsFromLoops = true; // a sort swaps two buffers
  oneShot.functionBoundaryTypeConversion = bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(oneShot));
  pm.addPass(std::make_unique<ResultsToArguments>());
  bufferization::buildBufferDeallocationPipeline(pm, {});
  pm.addPass(createExpandCopies());
}

/// Our own operations, whose loops stand in vectors.
static void lowerOwnOps(OpPassManager &pm) {
  pm.addNestedPass<func::FuncOp>(createConvertNNToLoops());
  pm.addNestedPass<func::FuncOp>(createConvertQuantizeToLoops());
  pm.addPass(createConvertTernaryToLoops());
  pm.addNestedPass<func::FuncOp>(createForallToForLoopPass());
  pm.addPass(createHoistScratch());
}

/// The rounding to a small float must not be folded away: a slice rounds where its graph rounds. libgcc before 13 has
/// no conversion from float to bfloat, and the math intrinsics have no bf16 form.
static void emulateSmallFloats(OpPassManager &pm) {
  math::MathExtendToSupportedTypesOptions extend;
  extend.targetTypeStr = "f32";
  pm.addPass(math::createMathExtendToSupportedTypes(extend));
  pm.addPass(createStrictFloats());
  arith::ArithEmulateUnsupportedFloatsOptions emulate;
  emulate.sourceTypeStrs = {"bf16"};
  emulate.targetTypeStr = "f32";
  pm.addPass(arith::createArithEmulateUnsupportedFloats(emulate));
  pm.addPass(createStrictFloats());
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  pm.addPass(arith::createArithExpandOpsPass(expand));
}

void setun::buildSlicePipeline(OpPassManager &pm) {
  pm.addPass(createWidenReductions());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createConvertElementwiseToLinalgPass());
  pm.addNestedPass<func::FuncOp>(createLinalgGeneralizeNamedOpsPass());
  pm.addPass(createLinalgElementwiseOpFusionPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  bufferize(pm);
  lowerOwnOps(pm);
  pm.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());
  pm.addPass(std::make_unique<KeepAlive>());
  pm.addPass(createConvertVectorToSCFPass());
  pm.addPass(createLowerExpandShapes());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());
  emulateSmallFloats(pm);
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}
