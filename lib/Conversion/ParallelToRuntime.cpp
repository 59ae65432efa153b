//===- ParallelToRuntime.cpp - Parallel loops on the runtime's threads ----===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A loop's body moves into a function of a range, and what it uses into a struct on the caller's stack. The struct
// holds converted types with casts around loads and stores, so that the conversion to LLVM that follows needs to know
// nothing.
//
//===----------------------------------------------------------------------===//

#include "setun/Conversion/Passes.h"
#include "setun/Conversion/RuntimeCalls.h"
#include "setun/Transforms/Entry.h"

#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

namespace setun {
#define GEN_PASS_DEF_PARALLELTORUNTIME
#include "setun/Conversion/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

struct ParallelToRuntime : setun::impl::ParallelToRuntimeBase<ParallelToRuntime> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    WalkResult walk = module.walk([](scf::ForallOp loop) {
      if (loop.getRank() == 1 && loop->getNumResults() == 0)
        return WalkResult::advance();
      loop.emitError("a parallel loop must have one dimension and no results to run on the runtime's threads");
      return WalkResult::interrupt();
    });
    if (walk.wasInterrupted() || failed(serializeInner(module)))
      return signalPassFailure();
    runtimes = giveRuntime(module, [](Operation *op) { return isa<scf::ForallOp, cf::AssertOp>(op); });
    SymbolTable symbols(module);
    SmallVector<cf::AssertOp> checks;
    SmallVector<scf::ForallOp> loops;
    for (auto &[function, rt] : runtimes)
      function->walk([&](Operation *op) {
        if (auto check = dyn_cast<cf::AssertOp>(op))
          checks.push_back(check);
        else if (auto loop = dyn_cast<scf::ForallOp>(op))
          loops.push_back(loop);
      });
    for (cf::AssertOp check : checks)
      lowerCheck(check);
    for (scf::ForallOp loop : loops)
      lowerLoop(loop, symbols);
  }

  /// A thread that runs a range has no threads of its own.
  LogicalResult serializeInner(ModuleOp module) {
    SmallVector<scf::ForallOp> inner;
    module.walk([&](scf::ForallOp loop) {
      if (loop->getParentOfType<scf::ForallOp>())
        inner.push_back(loop);
    });
    IRRewriter rewriter(module.getContext());
    for (scf::ForallOp loop : inner) {
      rewriter.setInsertionPoint(loop);
      if (failed(scf::forallToForLoop(rewriter, loop)))
        return loop.emitError("cannot run this inner parallel loop serially");
    }
    return success();
  }

  void lowerCheck(cf::AssertOp check) {
    OpBuilder builder(check);
    Location loc = check.getLoc();
    Value yes = arith::ConstantOp::create(builder, loc, builder.getBoolAttr(true));
    Value bad = arith::XOrIOp::create(builder, loc, check.getArg(), yes);
    auto guard = scf::IfOp::create(builder, loc, bad);
    OpBuilder inside = OpBuilder::atBlockBegin(guard.thenBlock());
    emitFail(inside, loc, runtimes[check->getParentOfType<func::FuncOp>()], check.getMsg());
    check.erase();
  }

  void lowerLoop(scf::ForallOp loop, SymbolTable &symbols) {
    auto parent = loop->getParentOfType<func::FuncOp>();
    Location loc = loop.getLoc();
    llvm::SetVector<Value> used;
    getUsedValuesDefinedAbove(loop.getRegion(), used);
    OpBuilder builder(loop);
    Value lower = getValueOrCreateConstantIndexOp(builder, loc, loop.getMixedLowerBound().front());
    Value upper = getValueOrCreateConstantIndexOp(builder, loc, loop.getMixedUpperBound().front());
    Value step = getValueOrCreateConstantIndexOp(builder, loc, loop.getMixedStep().front());
    used.insert(lower);
    used.insert(step);
    SmallVector<Value> captured, constants;
    for (Value value : used)
      (matchPattern(value, m_Constant()) ? constants : captured).push_back(value);

    LLVMTypeConverter converter(&getContext());
    SmallVector<Type> fields;
    for (Value value : captured) {
      fields.push_back(converter.convertType(value.getType()));
      if (!fields.back()) {
        loop.emitError("a parallel loop uses a value of type ") << value.getType() << ", which has no form in LLVM";
        return signalPassFailure();
      }
    }
    auto envType = LLVM::LLVMStructType::getLiteral(&getContext(), fields);
    func::FuncOp body = makeBody(loop, parent, envType, captured, constants, lower, step);
    symbols.insert(body);

    // The caller's side. The stack slot stands in the entry block: a loop around must not grow the stack.
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    OpBuilder start = OpBuilder::atBlockBegin(&parent.front());
    Value one = LLVM::ConstantOp::create(start, loc, start.getI64IntegerAttr(1));
    Value env = LLVM::AllocaOp::create(start, loc, pointer, envType, one);
    for (auto [i, value] : llvm::enumerate(captured)) {
      Value converted = UnrealizedConversionCastOp::create(builder, loc, TypeRange(fields[i]), value).getResult(0);
      LLVM::StoreOp::create(builder, loc, converted, field(builder, loc, envType, env, i));
    }
    Value span = arith::SubIOp::create(builder, loc, upper, lower);
    Value trips = arith::CeilDivSIOp::create(builder, loc, span, step);
    Value count = arith::IndexCastOp::create(builder, loc, builder.getI64Type(), trips);
    auto grainAttr = loop->getAttrOfType<IntegerAttr>("setun.grain");
    Value grain =
        arith::ConstantOp::create(builder, loc, builder.getI64IntegerAttr(grainAttr ? grainAttr.getInt() : 1));
    Value function = func::ConstantOp::create(builder, loc, body.getFunctionType(), SymbolRefAttr::get(body));
    Value address = UnrealizedConversionCastOp::create(builder, loc, TypeRange(pointer), function).getResult(0);
    emitParallelFor(builder, loc, runtimes[parent], count, grain, address, env);
    loop.erase();
  }

  static Value field(OpBuilder &builder, Location loc, Type envType, Value env, int32_t number) {
    return LLVM::GEPOp::create(builder, loc, env.getType(), envType, env, ArrayRef<LLVM::GEPArg>{0, number});
  }

  func::FuncOp makeBody(scf::ForallOp loop, func::FuncOp parent, LLVM::LLVMStructType envType, ArrayRef<Value> captured,
                        ArrayRef<Value> constants, Value lower, Value step) {
    Location loc = loop.getLoc();
    OpBuilder builder(&getContext());
    Type i64 = builder.getI64Type();
    auto body =
        func::FuncOp::create(loc, (parent.getName() + "_body").str(),
                             builder.getFunctionType({LLVM::LLVMPointerType::get(&getContext()), i64, i64}, {}));
    body.setPrivate();
    builder.setInsertionPointToStart(body.addEntryBlock());
    IRMapping mapping;
    for (Value constant : constants)
      builder.clone(*constant.getDefiningOp(), mapping);
    for (auto [i, value] : llvm::enumerate(captured)) {
      Value stored = LLVM::LoadOp::create(builder, loc, envType.getBody()[i],
                                          field(builder, loc, envType, body.getArgument(0), i));
      mapping.map(value,
                  UnrealizedConversionCastOp::create(builder, loc, TypeRange(value.getType()), stored).getResult(0));
    }
    Value begin = arith::IndexCastOp::create(builder, loc, builder.getIndexType(), body.getArgument(1));
    Value end = arith::IndexCastOp::create(builder, loc, builder.getIndexType(), body.getArgument(2));
    Value one = arith::ConstantIndexOp::create(builder, loc, 1);
    auto rounds = scf::ForOp::create(builder, loc, begin, end, one);
    func::ReturnOp::create(builder, loc);
    builder.setInsertionPointToStart(rounds.getBody());
    Value scaled = arith::MulIOp::create(builder, loc, rounds.getInductionVar(), mapping.lookup(step));
    mapping.map(loop.getInductionVars().front(),
                arith::AddIOp::create(builder, loc, scaled, mapping.lookup(lower)).getResult());
    for (Operation &op : loop.getBody()->without_terminator())
      builder.clone(op, mapping);
    return body;
  }

  /// Each function that has the runtime, with the argument that is it.
  RuntimeArguments runtimes;
};

} // namespace
