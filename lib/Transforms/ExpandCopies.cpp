//===- ExpandCopies.cpp - Copies of strided buffers as linalg -------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Upstream lowers a copy between contiguous buffers to memcpy and any other to a call of a library function that the
// runtime does not have. Those become kernels as any other step does.
//
//===----------------------------------------------------------------------===//

#include "setun/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"

namespace setun {
#define GEN_PASS_DEF_EXPANDCOPIES
#include "setun/Transforms/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

struct ExpandCopies : setun::impl::ExpandCopiesBase<ExpandCopies> {
  void runOnOperation() override {
    getOperation()->walk([](memref::CopyOp copy) {
      auto from = dyn_cast<MemRefType>(copy.getSource().getType());
      auto to = dyn_cast<MemRefType>(copy.getTarget().getType());
      if (!from || !to || from.getRank() == 0 || (from.getLayout().isIdentity() && to.getLayout().isIdentity()))
        return;
      OpBuilder builder(copy);
      AffineMap identity = builder.getMultiDimIdentityMap(from.getRank());
      SmallVector<utils::IteratorType> loops(from.getRank(), utils::IteratorType::parallel);
      linalg::GenericOp::create(builder, copy.getLoc(), TypeRange(), copy.getSource(), copy.getTarget(),
                                ArrayRef<AffineMap>{identity, identity}, loops,
                                [](OpBuilder &inner, Location loc, ValueRange values) {
                                  linalg::YieldOp::create(inner, loc, values.front());
                                });
      copy.erase();
    });
  }
};

} // namespace
