//===- Target.h - What a target is to the compiler -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One Target is one level of one machine: what it can do, which packed layouts
// suit it and at what cost, and how one ternary product becomes code. Nothing
// outside lib/Target names a particular target: it asks lookupTarget by name.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_TARGET_H
#define SETUN_TARGET_TARGET_H

#include "setun/Support/Packing.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/PassManager.h"
#include <memory>
#include <string>
#include <vector>

namespace setun {
namespace ternary {
class MatmulOp;
} // namespace ternary

/// Which instructions a ternary product may use: additions, subtractions and what unpacks the weights, or anything the
/// target has.
enum class Products { AddSub, Best };

/// One product as cost models and reports see it. `m` is ShapedType::kDynamic where tokens are counted at run time;
/// `groups` is 0 without scales.
struct ProductShape {
  int64_t m, n, k, groups;
  mlir::Type activation;

  static ProductShape of(ternary::MatmulOp op);
};

/// A packed layout that the target's products can read, with the predicted time of one call.
struct EncodingCandidate {
  PackedLayout layout;
  double nanoseconds;
};

/// How a target's product is done for one shape, for reports.
struct ProductPlan {
  std::string form;        // "table add, 32 tokens a block"
  bool multiplies = false; // whether its inner loops hold products
  double nanoseconds = 0;  // predicted, one thread
  const char *bound = "";  // "memory" or "arithmetic"
};

/// The facts of one level. Sizes are those of a typical machine: they feed cost models and never decide a result.
struct TargetInfo {
  std::string name;   // "x86-64-avx2"
  std::string family; // "x86-64": levels of one family share a packed layout and stand in one object
  std::string summary;
  std::string triple; // LLVM triple, CPU and features of the code made for this level
  std::string cpu, features;
  uint64_t runtimeFeatures = 0; // what the processor must have, as the bits of setun-rt/abi.h; 0: nothing
  unsigned vectorBits = 128;
  int64_t l1Bytes = 32 << 10, l2Bytes = 1 << 20;
  double memoryGBs = 20; // what one thread reads from memory
};

class Target {
public:
  virtual ~Target() = default;
  virtual const TargetInfo &getInfo() const = 0;

  /// Layouts that lowerProduct can read for this product, any order; none if the product is not supported.
  virtual std::vector<EncodingCandidate> getEncodings(const ProductShape &shape) const = 0;
  /// How lowerProduct would do it.
  virtual ProductPlan getPlan(const ProductShape &shape, Products products) const = 0;
  /// Replaces a product on buffers, its weight packed, by this target's code for it. Emits the error on failure.
  virtual mlir::LogicalResult lowerProduct(mlir::RewriterBase &rewriter, ternary::MatmulOp op,
                                           Products products) const = 0;
  /// Adds what this target needs between product lowering and LLVM.
  virtual void extendPipeline(mlir::OpPassManager &) const {}
};

/// The target of that name, or null.
const Target *lookupTarget(llvm::StringRef name);
/// All targets, in the order of their registration.
llvm::ArrayRef<std::unique_ptr<Target>> getTargets();
/// The levels of one family, best first; one entry if `name` is a level itself, none if it is neither.
std::vector<const Target *> getTargetLevels(llvm::StringRef name);
/// "a, b, c" for diagnostics.
std::string getTargetNames();

} // namespace setun

#endif // SETUN_TARGET_TARGET_H
