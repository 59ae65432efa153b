//===- ReuseInputs.cpp - Elementwise work in place ------------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Names an input as the destination of elementwise work. It is only a proposal: bufferization takes it where nobody
// reads the old value later and makes a new buffer, without a copy, where somebody does.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace setun {
#define GEN_PASS_DEF_REUSEINPUTS
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

/// Whether the op reads `input` where it writes the result, and the value comes from work that has a buffer of its own.
bool canTake(linalg::GenericOp op, OpOperand &input) {
  return input.get().getType() == op.getOutputs().front().getType() &&
         isa_and_present<linalg::LinalgOp>(input.get().getDefiningOp()) &&
         op.getMatchingIndexingMap(&input) == op.getMatchingIndexingMap(op.getDpsInitOperand(0));
}

struct ReuseInputs : setun::impl::ReuseInputsBase<ReuseInputs> {
  void runOnOperation() override {
    getOperation()->walk([](linalg::GenericOp op) {
      if (!op.hasPureTensorSemantics() || op.getNumDpsInits() != 1 || op.getNumLoops() != op.getNumParallelLoops() ||
          !op.getOutputs().front().getDefiningOp<tensor::EmptyOp>() ||
          op.payloadUsesValueFromOperand(op.getDpsInitOperand(0)) || !op.getBody()->getOps<tensor::ExtractOp>().empty())
        return;
      for (OpOperand *input : op.getDpsInputOperands())
        if (canTake(op, *input)) {
          op.getDpsInitOperand(0)->set(input->get());
          return;
        }
    });
  }
};

} // namespace
