//===- KernelLevel.h - Levels that use the shared kernels -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A level of a target whose products read the shared layout (Product in
// KernelBuilder.h). It says which form a product takes and builds it; layouts,
// predicted times and the lowering's frame are the same for all.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_KERNELS_KERNELLEVEL_H
#define SETUN_TARGET_KERNELS_KERNELLEVEL_H

#include "setun/Target/Kernels/KernelBuilder.h"
#include "setun/Target/Target.h"

namespace setun {

/// One way to do a product: what its inner loops take for each of its multiply-adds, on a typical machine.
struct ProductForm {
  std::string name; // "table add, 32 tokens a block"
  bool multiplies;
  double instructions; // a multiply-add
  double perNs;        // multiply-adds a nanosecond of one thread, from the first-level cache
  int64_t tokens = 1;  // that it takes at once: counts are rounded up to them
};

class KernelLevel : public TargetLevel {
public:
  using TargetLevel::TargetLevel;

  /// 16 x 16 tiles, one stream of lines first: memory is read fastest so; 2 and 4 interleaved as well.
  std::vector<PackedLayout> getLayouts(const ProductShape &shape) const override;
  /// The larger of two times: reading the weights, padding included, at memoryGBs, and all multiply-adds, padding
  /// included, at the form's rate.
  ProductPlan getPlan(const ProductShape &shape, const PackedLayout &layout, Products products) const override;
  mlir::LogicalResult lowerProduct(mlir::RewriterBase &rewriter, ternary::MatmulOp op,
                                   Products products) const override;

protected:
  /// What emitProduct does for `tokens` tokens, at least one.
  virtual ProductForm getForm(const ProductShape &shape, int64_t tokens, const PackedLayout &layout,
                              Products products) const = 0;
  virtual void emitProduct(KernelBuilder &b, const Product &p, Products products) const = 0;
};

/// What a level's additions reach, in multiply-adds a nanosecond of one thread.
struct AddSubRates {
  double selectAdd, tableAdd8, tableAdd16, tableAdd32, columnAdd;
};

/// What emitAddSubProduct does for `tokens` tokens.
ProductForm getAddSubForm(const LevelInfo &info, const ProductShape &shape, int64_t tokens, const AddSubRates &rates);

/// A level that adds and subtracts, and nothing else.
class AddSubLevel final : public KernelLevel {
public:
  AddSubLevel(const Target &target, LevelInfo info, AddSubRates rates)
      : KernelLevel(target, std::move(info)), rates(rates) {}

protected:
  ProductForm getForm(const ProductShape &shape, int64_t tokens, const PackedLayout &layout,
                      Products products) const override;
  void emitProduct(KernelBuilder &b, const Product &p, Products products) const override;

private:
  AddSubRates rates;
};

/// Whether a product must be done column by column: float activations, or scales of groups.
bool isColumnProduct(const ProductShape &shape);

} // namespace setun

#endif // SETUN_TARGET_KERNELS_KERNELLEVEL_H
