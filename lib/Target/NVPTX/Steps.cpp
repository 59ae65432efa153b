//===- Steps.cpp - Which operations kernels are made of -------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A step is a whole operation on buffers without results; loops around operations and loads between them are what the
// host cannot run.
//
//===----------------------------------------------------------------------===//

#include "Steps.h"

#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace setun;

/// Adds those of a block; false if the block reads memory into a value.
static bool addSteps(Block &block, SmallVector<Operation *> &steps) {
  for (Operation &op : block) {
    if (isa<memref::CopyOp>(op) || (isa<DestinationStyleOpInterface>(op) && op.getNumResults() == 0)) {
      steps.push_back(&op);
    } else if (auto group = dyn_cast<scf::ExecuteRegionOp>(op); group && op.getNumResults() == 0) {
      if (!group.getRegion().hasOneBlock() || !addSteps(group.getRegion().front(), steps))
        return false;
    } else if (auto choice = dyn_cast<scf::IfOp>(op); choice && op.getNumResults() == 0) {
      // The host's choice between kernels: a product's, say, with its quantizer on one side.
      for (Region &side : choice->getRegions())
        for (Block &inner : side)
          if (!addSteps(inner, steps))
            return false;
    } else if (op.getNumResults() > 0 && !isMemoryEffectFree(&op)) {
      return false;
    }
  }
  return true;
}

SmallVector<Operation *> nvptx::getSteps(func::FuncOp function) {
  SmallVector<Operation *> steps;
  bool known = !function.isExternal() && function.getBody().hasOneBlock() && addSteps(function.front(), steps);
  return known ? steps : SmallVector<Operation *>();
}

bool nvptx::isFloat32OrNarrower(Type type) { return type.isF32() || type.isF16() || type.isBF16(); }
