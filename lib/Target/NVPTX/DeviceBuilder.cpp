//===- DeviceBuilder.cpp - Writing CUDA kernels ---------------------------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/DeviceBuilder.h"

#include "setun/Target/NVPTX/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

void DeviceBuilder::launch(ValueRange grid, int64_t threads, llvm::function_ref<void(const Threads &)> body) {
  Value one = index(1);
  Value y = grid.size() > 1 ? grid[1] : one, z = grid.size() > 2 ? grid[2] : one;
  auto op = gpu::LaunchOp::create(*this, grid[0], y, z, index(threads), one, one);
  InsertionGuard guard(*this);
  setInsertionPointToEnd(&op.getBody().front());
  gpu::TerminatorOp::create(*this);
  setInsertionPointToStart(&op.getBody().front());
  Value thread = op.getThreadIds().x;
  Threads t{op.getBlockIds().x,
            op.getBlockIds().y,
            op.getBlockIds().z,
            op.getGridSize().x,
            op.getGridSize().y,
            op.getGridSize().z,
            thread,
            bitAnd(thread, kWarp - 1),
            shr(thread, 5)};
  body(t);
}

gpu::LaunchOp DeviceBuilder::getLaunch() {
  Operation *op = getInsertionBlock()->getParentOp();
  while (!isa<gpu::LaunchOp>(op))
    op = op->getParentOp();
  return cast<gpu::LaunchOp>(op);
}

Value DeviceBuilder::shared(int64_t count, Type element) {
  auto space = gpu::AddressSpaceAttr::get(getContext(), gpu::AddressSpace::Workgroup);
  auto type = MemRefType::get({count}, element, MemRefLayoutAttrInterface(), space);
  return getLaunch().addWorkgroupAttribution(type, getLoc());
}

void DeviceBuilder::forManyTokens() { getLaunch()->setAttr(kManyTokensAttr, getUnitAttr()); }

/// NVPTX's backend sinks loads to where they are used, past what has side effects but writes no memory, as the wait is
/// for it. A line of assembly that may write holds them.
void DeviceBuilder::waitForKernelInFront() {
  LLVM::InlineAsmOp::create(*this, getLoc(), TypeRange(), ValueRange(), "", "~{memory}", /*has_side_effects=*/true,
                            /*is_align_stack=*/false, LLVM::TailCallKind::None,
                            LLVM::AsmDialectAttr::get(getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr());
  NVVM::GriddepcontrolOp::create(*this, NVVM::GridDepActionKind::launch_dependents);
  NVVM::GriddepcontrolOp::create(*this, NVVM::GridDepActionKind::wait);
}

void DeviceBuilder::holdBlocks(int64_t count) { getLaunch()->setAttr(kMinBlocksAttr, getI32IntegerAttr(count)); }

/// A launch's own attributes do not outlive its outlining: barriers carry these.
void DeviceBuilder::barrier() {
  Operation *barrier = gpu::BarrierOp::create(*this);
  auto launch = barrier->getParentOfType<gpu::LaunchOp>();
  for (StringRef name : {kManyTokensAttr, kMinBlocksAttr})
    if (Attribute value = launch ? launch->getAttr(name) : Attribute())
      barrier->setAttr(name, value);
}

Value DeviceBuilder::shuffleXor(Value value, int64_t mask) {
  Type i32 = getI32Type(), type = value.getType();
  if (type.isInteger() && type.getIntOrFloatBitWidth() < 32) {
    Value wide = arith::ExtUIOp::create(*this, i32, value);
    return arith::TruncIOp::create(*this, type, shuffleXor(wide, mask));
  }
  return gpu::ShuffleOp::create(*this, value, constant(i32, mask), constant(i32, kWarp), gpu::ShuffleMode::XOR)
      .getShuffleResult();
}

Value DeviceBuilder::reduceLanes(Value value, int64_t width, llvm::function_ref<Value(Value, Value)> combine) {
  for (int64_t mask = width / 2; mask > 0; mask /= 2)
    value = combine(value, shuffleXor(value, mask));
  return value;
}

Value DeviceBuilder::loadAligned(Value buffer, Value at, VectorType type) {
  int64_t bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
  return vector::LoadOp::create(*this, type, buffer, ValueRange{at}, /*nontemporal=*/false, llvm::MaybeAlign(bytes));
}

void DeviceBuilder::storeAligned(Value value, Value buffer, Value at) {
  auto type = cast<VectorType>(value.getType());
  int64_t bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
  vector::StoreOp::create(*this, value, buffer, ValueRange{at}, /*nontemporal=*/false, llvm::MaybeAlign(bytes));
}

Value DeviceBuilder::dp4a(Value a, bool signedA, Value b, bool signedB, Value sum) {
  auto bytes = [&](Value word) { return bitcast(broadcast(word, i32s(1)), i8s(4)); };
  auto kind = [](bool isSigned) {
    return isSigned ? NVVM::DotAccumulateType::SIGNED : NVVM::DotAccumulateType::UNSIGNED;
  };
  return NVVM::DotAccumulate4WayOp::create(*this, getI32Type(), bytes(a), kind(signedA), bytes(b), kind(signedB), sum);
}

Value DeviceBuilder::fma(Value a, Value b, Value c) { return math::FmaOp::create(*this, a, b, c); }
