//===- ElementwiseToDevice.cpp - Elementwise work and copies to kernels ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Neighbouring threads take neighbours along the last dimension of the result, 16 bytes each where every operand that
// goes along lies so. A block has the threads that one row keeps busy, and as many rows as fill it. Which row a thread
// has is worked out once: no division stands in the loop.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/Passes.h"

#include "Steps.h"
#include "setun/Conversion/LinalgNest.h"

#include "mlir/Dialect/Linalg/Utils/Utils.h"

namespace setun::nvptx {
#define GEN_PASS_DEF_ELEMENTWISETODEVICE
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

constexpr int64_t kThreads = 128, kLoadBytes = 16, kMostBlocksY = 65535;

namespace {

struct DeviceNest {
  DeviceBuilder &b;
  LinalgNest nest;
  int64_t lane = -1; // the loop that threads go along
  int64_t width = 1; // elements of a thread

  bool isRead(unsigned operand) const { return !nest.body->getArgument(operand).use_empty(); }
  bool isOutput(unsigned operand) const { return operand >= nest.numInputs; }
  MemRefType typeOf(unsigned operand) const { return cast<MemRefType>(nest.operands[operand].value.getType()); }
  bool goesAlong(unsigned operand) const {
    return nest.operands[operand].isBuffer() && nest.operands[operand].uses(lane);
  }

  /// Picks the loop of the lanes; false if some step would write what another one does.
  bool pickLane() {
    for (unsigned i = nest.numInputs; i < nest.operands.size(); ++i)
      for (int64_t loop = 0, loops = nest.sizes.size(); loop < loops; ++loop)
        if (!nest.operands[i].uses(loop) && getConstant(nest.sizes[loop]) != 1)
          return false;
    for (int64_t loop : nest.operands[nest.numInputs].loops)
      lane = loop >= 0 ? loop : lane;
    return lane >= 0;
  }

  /// Whether elements along the lanes stand side by side in every operand that goes along.
  bool isContiguous() const {
    for (unsigned i = 0; i < nest.operands.size(); ++i)
      if (goesAlong(i) && (nest.operands[i].loops.back() != lane || !typeOf(i).isLastDimUnitStride() ||
                           typeOf(i).getElementType().isInteger(1) || !typeOf(i).getElementType().isIntOrFloat()))
        return false;
    return true;
  }

  void pickWidth() {
    if (!isContiguous() || !nest.hasLanes())
      return;
    int64_t widest = 1;
    for (unsigned i = 0; i < nest.operands.size(); ++i)
      if (goesAlong(i))
        widest = std::max<int64_t>(widest, typeOf(i).getElementTypeBitWidth() / 8);
    int64_t most = kLoadBytes / widest;
    std::optional<int64_t> size = getConstant(nest.sizes[lane]);
    if (llvm::isPowerOf2_64(most) && (!size || *size >= most))
      width = most;
    for (unsigned i = 0; i < nest.operands.size(); ++i)
      if (goesAlong(i) && !canAlign(typeOf(i)))
        width = 1;
  }

  /// Whether rows of such a buffer may be aligned to vectors, as far as its type knows.
  bool canAlign(MemRefType type) const {
    auto [strides, offset] = type.getStridesAndOffset();
    auto fits = [&](int64_t number) { return ShapedType::isDynamic(number) || number % width == 0; };
    for (int64_t dim = 0; dim + 1 < type.getRank(); ++dim)
      if (type.getDimSize(dim) != 1 && !fits(strides[dim]))
        return false;
    return fits(offset);
  }

  /// Whether they are, at run time: true where the type says so.
  Value isAligned() {
    Value numbers = b.index(0); // all that must be multiples of the width
    for (unsigned i = 0; i < nest.operands.size(); ++i) {
      if (!goesAlong(i))
        continue;
      MemRefType type = typeOf(i);
      auto [strides, offset] = type.getStridesAndOffset();
      // With the identity layout, strides are products of sizes: the last size is in each of them.
      std::optional<int64_t> size = getConstant(nest.sizes[lane]);
      if (type.getLayout().isIdentity() && (type.getRank() == 1 || (size && *size % width == 0)))
        continue;
      memref::ExtractStridedMetadataOp metadata;
      auto check = [&](int64_t known, llvm::function_ref<Value()> get) {
        if (!ShapedType::isDynamic(known))
          return;
        if (!metadata)
          metadata = memref::ExtractStridedMetadataOp::create(b, nest.operands[i].value);
        numbers = b.createOrFold<arith::OrIOp>(numbers, get());
      };
      for (int64_t dim = 0; dim + 1 < type.getRank(); ++dim)
        if (type.getDimSize(dim) != 1)
          check(strides[dim], [&] { return metadata.getStrides()[dim]; });
      check(offset, [&] { return metadata.getOffset(); });
    }
    return b.equals(b.bitAnd(numbers, width - 1), 0);
  }

  SmallVector<Value> placeOf(unsigned operand, ArrayRef<Value> ivs) {
    SmallVector<Value> place;
    for (int64_t loop : nest.operands[operand].loops)
      place.push_back(loop < 0 ? b.index(0) : ivs[loop]);
    return place;
  }

  Value read(unsigned operand, ArrayRef<Value> ivs, int64_t lanes) {
    Value buffer = nest.operands[operand].value;
    Type element = typeOf(operand).getElementType();
    if (lanes == 1)
      return memref::LoadOp::create(b, buffer, placeOf(operand, ivs));
    llvm::MaybeAlign alignment(lanes * element.getIntOrFloatBitWidth() / 8);
    return vector::LoadOp::create(b, b.vec(lanes, element), buffer, placeOf(operand, ivs), /*nontemporal=*/false,
                                  alignment);
  }

  void write(unsigned operand, ArrayRef<Value> ivs, Value value, int64_t lanes) {
    Value buffer = nest.operands[operand].value;
    if (lanes == 1) {
      memref::StoreOp::create(b, value, buffer, placeOf(operand, ivs));
      return;
    }
    llvm::MaybeAlign alignment(lanes * typeOf(operand).getElementTypeBitWidth() / 8);
    vector::StoreOp::create(b, value, buffer, placeOf(operand, ivs), /*nontemporal=*/false, alignment);
  }

  /// One step of `lanes` elements at `ivs`; `shared` are the operands that do not go along.
  void emitStep(ArrayRef<Value> ivs, ArrayRef<Value> shared, int64_t lanes) {
    LoopEmitter e(b, b.getLoc());
    SmallVector<Value> arguments;
    for (unsigned i = 0; i < nest.operands.size(); ++i)
      arguments.push_back(shared[i] ? e.splat(shared[i], lanes) : isRead(i) ? read(i, ivs, lanes) : Value());
    SmallVector<Value> results = nest.emitBody(e, arguments, ivs, lane, lanes);
    for (auto [i, result] : llvm::enumerate(results))
      write(nest.numInputs + i, ivs, result, lanes);
  }

  /// Values of operands that are the same for all steps at `ivs` along the lanes.
  SmallVector<Value> readShared(ArrayRef<Value> ivs) {
    SmallVector<Value> shared(nest.operands.size());
    for (unsigned i = 0; i < nest.operands.size(); ++i)
      if (!nest.operands[i].isBuffer())
        shared[i] = nest.operands[i].value;
      else if (!goesAlong(i) && !isOutput(i) && isRead(i))
        shared[i] = read(i, ivs, 1);
    return shared;
  }

  /// The steps of a row that this thread has: every `stride`-th from `first` on.
  void emitRow(SmallVector<Value> ivs, Value first, Value stride, int64_t lanes) {
    SmallVector<Value> shared = readShared(ivs);
    Value size = nest.sizes[lane];
    auto sweep = [&](Value from, Value to, Value by, int64_t elements) {
      auto loop = scf::ForOp::create(b, from, to, by);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      ivs[lane] = loop.getInductionVar();
      emitStep(ivs, shared, elements);
    };
    if (lanes == 1)
      return sweep(first, size, stride, 1);
    int64_t log = llvm::Log2_64(lanes);
    Value whole = b.shl(b.shr(size, log), log);
    sweep(b.shl(first, log), whole, b.shl(stride, log), lanes);
    if (getConstant(b.sub(size, whole)) != 0)
      sweep(b.add(whole, first), size, stride, 1);
  }

  void emitLoops() {
    LoopEmitter e(b, b.getLoc());
    SmallVector<Value> outer;
    for (int64_t loop = 0, loops = nest.sizes.size(); loop < loops; ++loop)
      if (loop != lane)
        outer.push_back(nest.sizes[loop]);
    Value rows = e.product(outer), steps = b.ceilDiv(nest.sizes[lane], width);
    std::optional<int64_t> known = getConstant(steps);
    // Threads of a row, a power of two.
    int64_t threads = getConstant(rows) == 1 ? kThreads : kWarp;
    if (known)
      threads = std::min<int64_t>(kThreads, llvm::PowerOf2Ceil(std::max<int64_t>(*known, 1)));
    int64_t rowsOfBlock = kThreads / threads;
    Value alongX = b.max(b.ceilDiv(rows, rowsOfBlock), b.index(1));
    Value alongY = b.max(b.min(b.ceilDiv(steps, threads), b.index(kMostBlocksY)), b.index(1));
    b.launch({alongX, alongY}, kThreads, [&](const Threads &t) {
      int64_t log = llvm::Log2_64(threads);
      Value row = b.add(b.shl(t.block, llvm::Log2_64(rowsOfBlock)), b.shr(t.thread, log));
      Value first = b.add(b.shl(t.blockY, log), b.bitAnd(t.thread, threads - 1));
      Value stride = b.shl(t.blocksY, log);
      b.branch(b.cmp(arith::CmpIPredicate::slt, row, rows), [&] {
        SmallVector<Value> ivs = LoopEmitter(b, b.getLoc()).delinearize(row, outer);
        ivs.insert(ivs.begin() + lane, Value());
        auto emit = [&](int64_t lanes) { emitRow(ivs, first, stride, lanes); };
        if (width == 1)
          return emit(1);
        b.branch(isAligned(), [&] { emit(width); }, [&] { emit(1); });
      });
    });
  }

  /// A body without loops: one thread.
  void emitOnce() {
    b.launch(b.index(1), kWarp, [&](const Threads &t) {
      b.branch(b.equals(t.thread, 0), [&] { emitStep({}, readShared({}), 1); });
    });
  }
};

struct ElementwiseToDevice : nvptx::impl::ElementwiseToDeviceBase<ElementwiseToDevice> {
  void runOnOperation() override {
    for (Operation *op : getSteps(getOperation())) {
      if (auto copy = dyn_cast<memref::CopyOp>(op)) {
        OpBuilder builder(op);
        Value from = copy.getSource(), to = copy.getTarget();
        if (!isa<MemRefType>(from.getType()) || !isa<MemRefType>(to.getType()))
          continue;
        op = linalg::makeMemRefCopyOp(builder, op->getLoc(), from, to);
        copy.erase();
      }
      auto nested = dyn_cast<linalg::LinalgOp>(op);
      if (nested && nested.hasPureBufferSemantics() && nested.getNumParallelLoops() == nested.getNumLoops())
        convert(nested);
    }
  }

  static void convert(linalg::LinalgOp op) {
    DeviceBuilder b(op.getLoc(), op);
    LoopEmitter e(b, op.getLoc());
    std::optional<LinalgNest> nest = LinalgNest::match(e, op);
    if (!nest)
      return;
    nest->collapse(e);
    DeviceNest device{b, std::move(*nest)};
    if (device.nest.sizes.empty()) {
      device.emitOnce();
    } else {
      if (!device.pickLane())
        return;
      device.pickWidth();
      device.emitLoops();
    }
    op.erase();
  }
};

} // namespace
