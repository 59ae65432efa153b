//===- VerifyContract.cpp - What may stand in each stage ------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// docs/contracts.md as a check: a stage that breaks its contract fails here, by
// name, and not three passes later.
//
//===----------------------------------------------------------------------===//

#include "setun/Dialect/NN/IR/NN.h"
#include "setun/Dialect/Ternary/IR/Ternary.h"
#include "setun/Transforms/Passes.h"

namespace setun {
#define GEN_PASS_DEF_VERIFYCONTRACT
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

/// docs/contracts.md: larger constants are parameters.
static constexpr int64_t kMaxConstant = 64;

static LogicalResult verifyDialects(ModuleOp module, StringRef stage, ArrayRef<StringRef> dialects,
                                    ArrayRef<StringRef> ops) {
  // What stands in a kernel is the business of the target whose pass wrote it.
  constexpr StringRef kernel = "gpu.launch";
  WalkResult result = module.walk<WalkOrder::PreOrder>([&](Operation *op) -> WalkResult {
    if (op->getName().getStringRef() == kernel && llvm::is_contained(ops, kernel))
      return WalkResult::skip();
    if (isa<ModuleOp>(op) || llvm::is_contained(dialects, op->getName().getDialectNamespace()) ||
        llvm::is_contained(ops, op->getName().getStringRef()))
      return WalkResult::advance();
    return op->emitOpError() << "may not stand in the " << stage << " contract";
  });
  return failure(result.wasInterrupted());
}

/// The one public function, whatever its stage.
static FailureOr<func::FuncOp> findEntry(ModuleOp module) {
  func::FuncOp entry;
  for (auto func : module.getOps<func::FuncOp>()) {
    if (!func->hasAttr("setun.entry"))
      continue;
    if (entry)
      return func.emitError() << "a second entry function; the first is @" << entry.getName();
    entry = func;
  }
  if (!entry)
    return emitError(module.getLoc()) << "no function has setun.entry";
  if (entry.getName() != "main" || entry.isPrivate() || entry.isExternal())
    return entry.emitError() << "the entry function must be public, defined and named @main";
  return entry;
}

namespace {
/// The entry function's interface on tensors.
struct Interface {
  func::FuncOp entry;
  SmallVector<StringRef> symbols;

  LogicalResult verify(bool stateIsLowered);
  LogicalResult verifyShape(AffineMapAttr attr, Type type, bool isInput, const Twine &what);
  LogicalResult verifyState(unsigned number, bool isLowered);
};
} // namespace

LogicalResult Interface::verifyShape(AffineMapAttr attr, Type type, bool isInput, const Twine &what) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return entry.emitError() << what << " is not a tensor with a rank";
  if (!attr)
    return tensor.hasStaticShape() ? success() : entry.emitError() << what << " has dynamic sizes but no setun.shape";
  AffineMap map = attr.getValue();
  if (map.getNumDims() != 0 || map.getNumSymbols() != symbols.size() || map.getNumResults() != tensor.getRank())
    return entry.emitError() << "setun.shape of " << what << " must map " << symbols.size() << " symbols to "
                             << tensor.getRank() << " sizes";
  for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
    auto constant = dyn_cast<AffineConstantExpr>(expr);
    if (tensor.isDynamicDim(dim) ? isInput && !isa<AffineSymbolExpr>(expr)
                                 : !constant || constant.getValue() != tensor.getDimSize(dim))
      return entry.emitError() << "setun.shape of " << what << ": size " << dim
                               << (tensor.isDynamicDim(dim) ? " must be a symbol" : " differs from the type's");
  }
  return success();
}

LogicalResult Interface::verifyState(unsigned number, bool isLowered) {
  auto state = entry.getArgAttrOfType<StringAttr>(number, "setun.state");
  bool found = false;
  for (unsigned i = 0; i < entry.getNumResults(); ++i)
    found |= entry.getResultAttrOfType<StringAttr>(i, "setun.name") == state;
  if (!found)
    return entry.emitError() << "argument " << number << " is a state, but no result is named " << state;
  auto axis = entry.getArgAttrOfType<IntegerAttr>(number, "setun.axis");
  auto type = cast<RankedTensorType>(entry.getArgumentTypes()[number]);
  if (axis && (axis.getInt() < 0 || axis.getInt() >= type.getRank() || !type.isDynamicDim(axis.getInt())))
    return entry.emitError() << "argument " << number << ": setun.axis must name a dynamic dimension";
  if (!isLowered)
    return success();
  auto position = entry.getArgAttrOfType<StringAttr>(number, "setun.position");
  if (axis && (!position || !llvm::is_contained(symbols, position.getValue())))
    return entry.emitError() << "argument " << number << " grows: setun.position must name a symbol after lower-state";
  if (!entry.getArgAttr(number, "bufferization.writable"))
    return entry.emitError() << "argument " << number << " is a state: it must be writable after lower-state";
  return success();
}

LogicalResult Interface::verify(bool stateIsLowered) {
  unsigned numInputs = 0;
  for (BlockArgument argument : entry.getArguments()) {
    unsigned number = argument.getArgNumber();
    auto symbol = entry.getArgAttrOfType<StringAttr>(number, "setun.symbol");
    if (!symbol) {
      numInputs = number + 1;
      if (!symbols.empty())
        return entry.emitError() << "argument " << number << " follows a symbol: symbols come last";
      continue;
    }
    if (!argument.getType().isIndex())
      return entry.emitError() << "symbol '" << symbol.getValue() << "' must be an index";
    if (llvm::is_contained(symbols, symbol.getValue()))
      return entry.emitError() << "two symbols are named '" << symbol.getValue() << "'";
    symbols.push_back(symbol);
  }
  for (unsigned i = 0; i < numInputs; ++i) {
    if (!entry.getArgAttrOfType<StringAttr>(i, "setun.name"))
      return entry.emitError() << "argument " << i << " has no setun.name";
    auto shape = entry.getArgAttrOfType<AffineMapAttr>(i, "setun.shape");
    if (failed(verifyShape(shape, entry.getArgumentTypes()[i], true, "argument " + Twine(i))) ||
        (entry.getArgAttr(i, "setun.state") && failed(verifyState(i, stateIsLowered))))
      return failure();
  }
  for (unsigned i = 0; i < entry.getNumResults(); ++i) {
    if (!entry.getResultAttrOfType<StringAttr>(i, "setun.name"))
      return entry.emitError() << "result " << i << " has no setun.name";
    auto shape = entry.getResultAttrOfType<AffineMapAttr>(i, "setun.shape");
    if (failed(verifyShape(shape, entry.getResultTypes()[i], false, "result " + Twine(i))))
      return failure();
  }
  return success();
}

static LogicalResult verifyParameters(ModuleOp module) {
  for (auto global : module.getOps<ml_program::GlobalOp>()) {
    if (!global.isPrivate() || global.getIsMutable() || !global.getValue())
      return global.emitError() << "a parameter must be private, immutable and have a value";
    if (!isa<ml_program::ExternAttr>(*global.getValue()))
      continue;
    auto data = global->getAttrOfType<DictionaryAttr>("setun.data");
    auto length = data ? data.getAs<IntegerAttr>("length") : IntegerAttr();
    if (!data || !data.getAs<StringAttr>("file") || !data.getAs<IntegerAttr>("offset") || !length)
      return global.emitError() << "an external parameter needs setun.data with file, offset and length";
    auto type = dyn_cast<RankedTensorType>(global.getType());
    if (!type || !type.hasStaticShape() || !type.getElementType().isIntOrFloat())
      return global.emitError() << "an external parameter must be a static tensor of numbers";
    int64_t bytes = type.getNumElements() * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
    if (length.getInt() != bytes)
      return global.emitError() << "its data has " << length.getInt() << " bytes, its type " << bytes;
  }
  WalkResult result = module.walk([](arith::ConstantOp op) -> WalkResult {
    auto elements = dyn_cast<ElementsAttr>(op.getValue());
    if (!elements || elements.isSplat() || elements.getNumElements() <= kMaxConstant)
      return WalkResult::advance();
    return op.emitOpError() << "has " << elements.getNumElements() << " elements: more than " << kMaxConstant
                            << " are a parameter";
  });
  return failure(result.wasInterrupted());
}

static LogicalResult verifyInput(ModuleOp module) {
  FailureOr<func::FuncOp> entry = findEntry(module);
  if (failed(entry) ||
      failed(verifyDialects(
          module, "input",
          {"func", "tensor", "linalg", "arith", "math", "scf", "affine", "ml_program", "ternary", "nn"}, {})) ||
      failed(Interface{*entry, {}}.verify(/*stateIsLowered=*/false)))
    return failure();
  return verifyParameters(module);
}

static LogicalResult verifyTernary(ModuleOp module) {
  FailureOr<func::FuncOp> entry = findEntry(module);
  if (failed(entry) ||
      failed(
          verifyDialects(module, "ternary",
                         {"func", "tensor", "linalg", "arith", "math", "scf", "affine", "ml_program", "ternary", "nn"},
                         {bufferization::MaterializeInDestinationOp::getOperationName()})) ||
      failed(Interface{*entry, {}}.verify(/*stateIsLowered=*/true)) || failed(verifyParameters(module)))
    return failure();
  WalkResult result = module.walk([](Operation *op) -> WalkResult {
    if (isa<ternary::DequantizeOp, ternary::BitLinearOp, ternary::QuantizeWeightOp>(op))
      return op->emitOpError()
             << "may not stand in the ternary contract: raise-bit-linear or a decomposition replaces it";
    auto product = dyn_cast<ternary::MatmulOp>(op);
    if (!product ||
        isa_and_nonnull<ml_program::GlobalLoadConstOp, ternary::ConstantOp>(product.getWeight().getDefiningOp()))
      return WalkResult::advance();
    return op->emitOpError() << "must read its weight from a parameter";
  });
  return failure(result.wasInterrupted());
}

/// main(memrefs..., symbols..., weights, arena), and the runtime once parallel loops are its calls.
static LogicalResult verifyTargetEntry(ModuleOp module) {
  FailureOr<func::FuncOp> entry = findEntry(module);
  if (failed(entry))
    return failure();
  auto bytes = MemRefType::get({ShapedType::kDynamic}, IntegerType::get(module.getContext(), 8));
  ArrayRef<Type> types = entry->getArgumentTypes();
  if (!types.empty() && isa<LLVM::LLVMPointerType>(types.back()))
    types = types.drop_back();
  if (types.size() < 2 || entry->getNumResults() != 0 || types.back() != bytes || types.drop_back().back() != bytes)
    return entry->emitError() << "the entry function must end with weights and arena (memref<?xi8>), and perhaps the "
                                 "runtime's pointer, and return nothing";
  bool pastBuffers = false;
  for (Type type : types.drop_back(2)) {
    pastBuffers |= type.isIndex();
    auto buffer = dyn_cast<MemRefType>(type);
    if (pastBuffers ? !type.isIndex() : !buffer || !buffer.getLayout().isIdentity())
      return entry->emitError() << "the entry function's arguments must be memrefs of identity layout, then symbols";
  }
  auto size = module.lookupSymbol<func::FuncOp>("main_arena_size");
  if (!size || size.getNumResults() != 1 || !size.getResultTypes()[0].isIndex() ||
      !llvm::all_of(size.getArgumentTypes(), [](Type type) { return type.isIndex(); }))
    return entry->emitError() << "the target contract needs @main_arena_size(symbols...) -> index";
  return success();
}

static LogicalResult verifyTarget(ModuleOp module) {
  if (failed(verifyTargetEntry(module)) ||
      failed(verifyDialects(module, "target", {"func", "memref", "vector", "scf", "arith", "math", "affine", "llvm"},
                            {"ml_program.global", "cf.assert", "ub.poison", "gpu.launch"})))
    return failure();
  WalkResult result = module.walk([](Operation *op) -> WalkResult {
    if (isa<memref::AllocOp, memref::DeallocOp, memref::ReallocOp>(op))
      return op->emitOpError() << "may not stand in the target contract: every buffer is a view of the arena";
    auto isTensor = [](Type type) { return isa<TensorType>(type); };
    if (llvm::any_of(op->getOperandTypes(), isTensor) || llvm::any_of(op->getResultTypes(), isTensor))
      return op->emitOpError() << "is on tensors, which the target contract does not have";
    if (auto loop = dyn_cast<scf::ForallOp>(op); loop && (loop.getRank() != 1 || loop->getNumResults() != 0))
      return op->emitOpError() << "must be over one dimension and on buffers in the target contract";
    auto math = dyn_cast<arith::ArithFastMathInterface>(op);
    if (math && math.getFastMathFlagsAttr() && math.getFastMathFlagsAttr().getValue() != arith::FastMathFlags::none)
      return op->emitOpError() << "has fast-math flags, which change bits";
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

namespace {
struct VerifyContract : setun::impl::VerifyContractBase<VerifyContract> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    LogicalResult result = failure();
    if (stage == "input")
      result = verifyInput(module);
    else if (stage == "ternary")
      result = verifyTernary(module);
    else if (stage == "target")
      result = verifyTarget(module);
    else
      emitError(module.getLoc()) << "unknown stage '" << stage << "': stages are input, ternary and target";
    if (failed(result))
      signalPassFailure();
    markAllAnalysesPreserved();
  }
};
} // namespace
