//===- RowMajorTarget.cpp - A target in a shared library -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The smallest honest target: rows packed one after another, four trits a byte,
// and one scalar loop for every kind of product. It runs on this machine's
// architecture and can also write what a hardware flow would start from: a list
// of the products. docs/adding-a-target.md walks through it.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/Kernels/KernelBuilder.h"
#include "setun/Target/Registry.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace setun;

namespace {

class RowMajorLevel final : public TargetLevel {
public:
  explicit RowMajorLevel(const Target &target) : TargetLevel(target, makeInfo()) {}

  std::vector<PackedLayout> getLayouts(const ProductShape &) const override { return {kLayout}; }

  ProductPlan getPlan(const ProductShape &shape, const PackedLayout &layout, Products) const override {
    ProductPlan plan;
    plan.form = "one trit after another";
    plan.bytes = layout.byteSize(shape.n, shape.k);
    double trits = double(shape.n) * shape.k * (ShapedType::isDynamic(shape.m) ? 1 : shape.m);
    plan.instructions = 10 * trits;
    plan.nanoseconds = trits;
    plan.bound = "arithmetic";
    return plan;
  }

  LogicalResult lowerProduct(RewriterBase &rewriter, ternary::MatmulOp op, Products) const override {
    if (!op.getEncoding() || !(op.getEncoding()->getLayout() == kLayout))
      return op.emitOpError("cannot be lowered: its weight is not packed in rows");
    KernelBuilder b(op.getLoc(), rewriter);
    Value x = op.getX(), acc = op.getAcc(), scales = op.getScales();
    Value m = b.createOrFold<memref::DimOp>(x, 0), k = b.createOrFold<memref::DimOp>(x, 1);
    Value n = b.createOrFold<memref::DimOp>(acc, 1);
    Value groups = scales ? b.createOrFold<memref::DimOp>(scales, 1) : b.index(1);
    Value columns = b.div(k, groups), rowBytes = b.ceilDiv(k, 4);
    b.forall(n, /*grain=*/1, [&](Value row) {
      Value bytes = b.mul(row, rowBytes);
      b.loop(b.index(0), m, 1, [&](Value token) {
        Type total = getElementTypeOrSelf(acc.getType());
        // Groups in order, columns in order: the order of docs/numerics.md.
        Values sums = b.loop(b.index(0), groups, 1, {b.constant(total, 0), b.index(0)}, [&](Value g, ValueRange now) {
          Value end = b.add(now[1], columns);
          Value sum = sumColumns(b, op, token, bytes, now[1], end);
          if (!scales)
            return Values{sum, end};
          if (sum.getType() != total)
            sum = arith::SIToFPOp::create(b, total, sum);
          sum = arith::MulFOp::create(b, sum, memref::LoadOp::create(b, scales, ValueRange{row, g}));
          return Values{arith::AddFOp::create(b, now[0], sum), end};
        });
        memref::StoreOp::create(b, sums[0], acc, ValueRange{token, row});
      });
    });
    rewriter.eraseOp(op);
    return success();
  }

private:
  static constexpr PackedLayout kLayout{/*bits=*/2, /*tileRows=*/1, /*tileCols=*/4, /*interleave=*/1};

  static LevelInfo makeInfo() {
    LevelInfo info;
    info.name = "scalar";
    info.summary = "one trit after another";
    return info;
  }

  /// The sum of trit times activation over columns [from, to), in int32 or float32.
  static Value sumColumns(KernelBuilder &b, ternary::MatmulOp op, Value token, Value bytes, Value from, Value to) {
    Type activation = getElementTypeOrSelf(op.getX().getType());
    bool isFloat = isa<FloatType>(activation);
    Type type = isFloat ? Type(b.getF32Type()) : b.getI32Type();
    Value zero = b.constant(type, 0);
    return b.loop(from, to, 1, {zero}, [&](Value column, ValueRange sum) {
      Value x = memref::LoadOp::create(b, op.getX(), ValueRange{token, column});
      if (!isFloat)
        x = arith::ExtSIOp::create(b, type, x);
      else if (activation != type)
        x = arith::ExtFOp::create(b, type, x);
      Value minus = isFloat ? Value(arith::NegFOp::create(b, x)) : b.sub(zero, x);
      Value byte = b.load(op.getWeight(), b.add(bytes, b.shr(column, 2)));
      Value shift = arith::IndexCastUIOp::create(b, b.getI8Type(), b.shl(b.bitAnd(column, 3), 1));
      Value code = b.bitAnd(arith::ShRUIOp::create(b, byte, shift), 3);
      Value term = b.select(b.equals(code, 2), x, b.select(b.equals(code, 0), minus, zero));
      return Values{isFloat ? Value(arith::AddFOp::create(b, sum[0], term)) : b.add(sum[0], term)};
    })[0];
  }
};

constexpr PackedLayout RowMajorLevel::kLayout;

struct RowMajorTarget final : Target {
  RowMajorTarget()
      : Target("row-major", "an example: rows of trits, one after another", llvm::sys::getProcessTriple()) {
    levels.push_back(std::make_unique<RowMajorLevel>(*this));
  }
  llvm::ArrayRef<llvm::StringRef> getArtifacts() const override {
    static constexpr llvm::StringRef names[] = {"listing"};
    return names;
  }
  LogicalResult emitArtifact(llvm::StringRef, const TargetLevel &, ModuleOp module, Products,
                             llvm::raw_pwrite_stream &os) const override {
    module.walk([&](ternary::MatmulOp op) {
      ProductShape shape = ProductShape::of(op);
      os << "product rows " << shape.n << " columns " << shape.k << " bytes "
         << op.getEncoding()->getLayout().byteSize(shape.n, shape.k) << " activations " << shape.activation << "\n";
    });
    return success();
  }
};

std::vector<std::unique_ptr<Target>> createTargets() {
  std::vector<std::unique_ptr<Target>> targets;
  targets.push_back(std::make_unique<RowMajorTarget>());
  return targets;
}

} // namespace

extern "C" TargetPlugin setunGetTargetPlugin() { return {TargetPlugin::kVersion, SETUN_VERSION_STRING, createTargets}; }
