//===- Target.h - What a target is to the compiler -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A Target is one kind of machine, a TargetLevel what one generation of it can do.
// All levels of a compilation read one packed layout and stand in one object; the
// best that a processor has is taken when the model is loaded. Nothing outside
// lib/Target names a particular target: it asks the registry (Registry.h).
// docs/adding-a-target.md walks through one.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_TARGET_H
#define SETUN_TARGET_TARGET_H

#include "setun/Support/Packing.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/raw_ostream.h"
#include <memory>
#include <string>
#include <vector>

namespace setun {
namespace ternary {
class MatmulOp;
} // namespace ternary

class Target;

/// Which instructions a ternary product may use: additions, subtractions and what unpacks the weights, or anything the
/// target has.
enum class Products { AddSub, Best };

/// One product as cost models and reports see it: x[m, k] times the transposed weight[n, k]. `m` counts the tokens of
/// all batches; it is ShapedType::kDynamic where they are counted at run time. `groups` is 0 without scales.
struct ProductShape {
  int64_t m, n, k, groups;
  mlir::Type activation;

  static ProductShape of(ternary::MatmulOp op);
};

/// How a level does a product on one layout, and what its cost model expects of one call on one thread.
struct ProductPlan {
  std::string form;        // "table add, 32 tokens a block"
  bool multiplies = false; // whether its inner loops hold products
  double bytes = 0;        // of weights, read from memory
  double instructions = 0;
  double nanoseconds = 0;
  const char *bound = ""; // what sets the time: "memory" or "arithmetic"
};

/// The facts of one level. Sizes are those of a typical machine: they feed cost models and never decide a result.
struct LevelInfo {
  std::string name; // "avx2", as in --target x86-64:avx2 and SETUN_TARGET=avx2
  std::string summary;
  std::string cpu, features;         // of the code, as LLVM names them: "x86-64-v3", "+avxvnni"
  std::vector<std::string> needs;    // what the processor must have, as LLVM names features: {"avx2", "fma"}
  uint64_t runtimeFeatures = 0;      // the same for the runtime, as bits of setun-rt/abi.h; 0: nothing
  std::vector<std::string> products; // instructions that its products are made of, for `setun targets`
  unsigned vectorBits = 128;
  bool convertsHalf = false; // whether it has instructions between vectors of f16 and f32
  int64_t l1Bytes = 32 << 10, l2Bytes = 1 << 20;
  double memoryGBs = 20; // what one thread reads from memory
};

/// What a pipeline is run for.
struct LevelOptions {
  Products products = Products::Best;
  bool emulate = false; // the code is to run on this machine, whatever it is
};

/// Where a level can add passes of its own.
enum class PipelinePoint {
  BeforeBufferize, // tensors, weights packed
  AfterProducts,   // buffers, this level's products lowered; whatever it leaves goes to the common lowerings
  BeforeLLVM       // the target contract
};

class TargetLevel {
public:
  TargetLevel(const Target &target, LevelInfo info) : target(target), info(std::move(info)) {}
  virtual ~TargetLevel() = default;
  const LevelInfo &getInfo() const { return info; }
  const Target &getTarget() const { return target; }
  /// "x86-64:avx2"
  std::string getName() const;

  /// Layouts that lowerProduct can read for this product, the usual one first; none if the product is not supported.
  virtual std::vector<PackedLayout> getLayouts(const ProductShape &shape) const = 0;
  /// How lowerProduct would do it, for one of those layouts.
  virtual ProductPlan getPlan(const ProductShape &shape, const PackedLayout &layout, Products products) const = 0;
  /// Replaces a product on buffers, its weight packed, by this level's code for it: one kernel or several. Emits the
  /// error on failure.
  virtual mlir::LogicalResult lowerProduct(mlir::RewriterBase &rewriter, ternary::MatmulOp op,
                                           Products products) const = 0;
  /// Adds what this level needs at a point of the pipeline. Device code is compiled here and put into the module as
  /// data, the constant `setun_device_code` of include/setun-rt/abi.h, so that the host's object carries it.
  virtual void extendPipeline(PipelinePoint, mlir::OpPassManager &, const LevelOptions &) const {}

private:
  const Target &target;
  LevelInfo info;
};

class Target {
public:
  virtual ~Target() = default;
  llvm::StringRef getName() const { return name; }
  llvm::StringRef getSummary() const { return summary; }
  /// LLVM triple of the host code made for it; empty for a device, whose host can be any.
  llvm::StringRef getTriple() const { return triple; }
  /// Whether its kernels run beside a host, on memory of their own.
  bool isDevice() const { return triple.empty(); }
  /// Best first; at least one.
  llvm::ArrayRef<std::unique_ptr<TargetLevel>> getLevels() const { return levels; }
  /// The level of that name, or null.
  const TargetLevel *getLevel(llvm::StringRef name) const;

  /// Registers the passes of its own, for setun-opt and textual pipelines.
  virtual void registerPasses() const {}

  /// Patterns that replace every intrinsic the levels' products use by plain vector arithmetic with the same result.
  virtual void populateEmulation(mlir::RewritePatternSet &) const {}

  /// What it can write besides objects, as names for `setun compile --emit`: "ptx", "verilog".
  virtual llvm::ArrayRef<llvm::StringRef> getArtifacts() const { return {}; }
  /// Writes artifact `name` of a model whose weights are packed (after setun-encode), for one of its levels; the target
  /// runs what passes it needs on it. Emits the error on failure.
  virtual mlir::LogicalResult emitArtifact(llvm::StringRef name, const TargetLevel &level, mlir::ModuleOp module,
                                           Products products, llvm::raw_pwrite_stream &os) const;

protected:
  Target(std::string name, std::string summary, std::string triple)
      : name(std::move(name)), summary(std::move(summary)), triple(std::move(triple)) {}
  std::vector<std::unique_ptr<TargetLevel>> levels; // filled by the constructor

private:
  std::string name, summary, triple;
};

} // namespace setun

#endif // SETUN_TARGET_TARGET_H
