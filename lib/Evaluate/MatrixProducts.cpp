//===- MatrixProducts.cpp - Products with constant weights as products of matrices -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Evaluate/MatrixProducts.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace setun;

/// Merges the first two dimensions.
static Value collapseFirst(OpBuilder &builder, Location loc, Value value) {
  SmallVector<ReassociationIndices> groups = {{0, 1}};
  for (int64_t dim = 2; dim < cast<RankedTensorType>(value.getType()).getRank(); ++dim)
    groups.push_back({dim});
  return tensor::CollapseShapeOp::create(builder, loc, value, groups);
}

/// Puts a dimension of 1 before a vector.
static Value expandVector(OpBuilder &builder, Location loc, Value vector) {
  auto type = cast<RankedTensorType>(vector.getType());
  auto matrix = RankedTensorType::get({1, type.getDimSize(0)}, type.getElementType());
  SmallVector<OpFoldResult> sizes = {builder.getIndexAttr(1), tensor::getMixedSize(builder, loc, vector, 0)};
  return tensor::ExpandShapeOp::create(builder, loc, matrix, vector, {{0, 1}}, sizes);
}

static Value makeMatmul(OpBuilder &builder, Location loc, Value x, Value weight, Value init, bool isNK) {
  MLIRContext *context = builder.getContext();
  AffineExpr m, n, k;
  bindDims(context, m, n, k);
  SmallVector<AffineMap> maps = {AffineMap::get(3, 0, {m, k}, context),
                                 AffineMap::get(3, 0, isNK ? ArrayRef{n, k} : ArrayRef{k, n}, context),
                                 AffineMap::get(3, 0, {m, n}, context)};
  auto attribute = builder.getNamedAttr("indexing_maps", builder.getAffineMapArrayAttr(maps));
  return linalg::MatmulOp::create(builder, loc, init.getType(), ValueRange{x, weight}, ValueRange{init}, {attribute})
      ->getResult(0);
}

static void rewriteBatch(linalg::BatchMatmulOp op, const ConstantValues &constants) {
  Value x = op.getInputs()[0], weight = op.getInputs()[1], init = op.getOutputs()[0];
  bool isOne = cast<RankedTensorType>(weight.getType()).getDimSize(0) == 1;
  if (!constants.contains(weight) || constants.contains(x) || !isOne || op.hasUserDefinedMaps())
    return;
  OpBuilder builder(op);
  Location loc = op.getLoc();
  Value product = makeMatmul(builder, loc, collapseFirst(builder, loc, x), collapseFirst(builder, loc, weight),
                             collapseFirst(builder, loc, init), /*isNK=*/false);
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  SmallVector<OpFoldResult> sizes = {builder.getIndexAttr(1), tensor::getMixedSize(builder, loc, product, 0),
                                     tensor::getMixedSize(builder, loc, product, 1)};
  auto wide = type.clone({1, type.getDimSize(1), type.getDimSize(2)});
  Value result = tensor::ExpandShapeOp::create(builder, loc, wide, product, {{0, 1}, {2}}, sizes);
  op.getResult(0).replaceAllUsesWith(tensor::CastOp::create(builder, loc, type, result));
  op.erase();
}

/// `vector` times a matrix, or the other way round.
static void rewriteVector(linalg::LinalgOp op, unsigned matrix, const ConstantValues &constants) {
  Value weight = op->getOperand(matrix), vector = op->getOperand(1 - matrix), init = op->getOperand(2);
  if (!constants.contains(weight) || constants.contains(vector))
    return;
  OpBuilder builder(op);
  Location loc = op.getLoc();
  Value product = makeMatmul(builder, loc, expandVector(builder, loc, vector), weight, expandVector(builder, loc, init),
                             /*isNK=*/matrix == 0);
  op->getResult(0).replaceAllUsesWith(collapseFirst(builder, loc, product));
  op->erase();
}

void setun::makeMatrixProducts(func::FuncOp function, const ConstantValues &constants) {
  for (Block &block : function.getBody())
    for (auto op : llvm::make_early_inc_range(block.getOps<linalg::LinalgOp>())) {
      if (!op.hasPureTensorSemantics())
        continue;
      if (auto batch = dyn_cast<linalg::BatchMatmulOp>(op.getOperation()))
        rewriteBatch(batch, constants);
      else if (isa<linalg::VecmatOp>(op))
        rewriteVector(op, 1, constants);
      else if (isa<linalg::MatvecOp>(op))
        rewriteVector(op, 0, constants);
    }
}
