//===- ConstantsToParameters.cpp - Constants of the graph on the device ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A constant tensor would lie in the host's object, where no kernel can read it. The weights are brought to the device
// anyway. New parameters stand last, so that the others keep the places that a processor's code in the same file reads.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/Passes.h"

#include "setun/Transforms/Entry.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_CONSTANTSTOPARAMETERS
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;

namespace {

struct ConstantsToParameters : nvptx::impl::ConstantsToParametersBase<ConstantsToParameters> {
  void runOnOperation() override {
    func::FuncOp entry = entry::find(getOperation());
    if (!entry)
      return;
    SymbolTable symbols(getOperation());
    DenseMap<Attribute, ml_program::GlobalOp> globals;
    SmallVector<arith::ConstantOp> constants;
    entry.walk([&](arith::ConstantOp op) {
      auto type = dyn_cast<RankedTensorType>(op.getType());
      if (type && type.getElementType().isIntOrFloat() && type.getElementTypeBitWidth() >= 8)
        constants.push_back(op);
    });
    for (arith::ConstantOp constant : constants) {
      if (auto splat = dyn_cast<SplatElementsAttr>(constant.getValue())) {
        fill(constant, splat);
        continue;
      }
      ml_program::GlobalOp &global = globals[constant.getValue()];
      if (!global) {
        OpBuilder end = OpBuilder::atBlockEnd(getOperation().getBody());
        global = ml_program::GlobalOp::create(end, constant.getLoc(), "constant", constant.getType(),
                                              /*is_mutable=*/false, constant.getValue(), end.getStringAttr("private"));
        symbols.insert(global, getOperation().getBody()->end());
      }
      OpBuilder builder = OpBuilder::atBlockBegin(&entry.front());
      Value load = ml_program::GlobalLoadConstOp::create(builder, constant.getLoc(), constant.getType(),
                                                         SymbolRefAttr::get(global));
      constant.replaceAllUsesWith(load);
      constant.erase();
    }
  }

  /// One value everywhere is written where it is needed.
  static void fill(arith::ConstantOp constant, SplatElementsAttr splat) {
    OpBuilder builder(constant);
    Location loc = constant.getLoc();
    auto type = cast<RankedTensorType>(constant.getType());
    Value value = arith::ConstantOp::create(builder, loc, cast<TypedAttr>(splat.getSplatValue<Attribute>()));
    Value empty = tensor::EmptyOp::create(builder, loc, type.getShape(), type.getElementType());
    Value filled = linalg::FillOp::create(builder, loc, ValueRange(value), ValueRange(empty)).getResult(0);
    constant.replaceAllUsesWith(filled);
    constant.erase();
  }
};

} // namespace
