//===- DeviceGroupMatrix.cpp - Products of matrices by four warps ---------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// wgmma as inline PTX: NVVM's operation takes A from shared memory alone. Registers pass through the fence in front and
// through the wait behind as operands of both, so that nothing can move them to the other side.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/DeviceBuilder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

/// Assembly with `count` results, which are words.
static Values emitAssembly(OpBuilder &b, Location loc, StringRef text, StringRef constraints, ValueRange operands,
                           int64_t count) {
  llvm::SmallVector<Type> words(count, b.getI32Type());
  Type type = LLVM::LLVMStructType::getLiteral(b.getContext(), words);
  auto op = LLVM::InlineAsmOp::create(b, loc, type, operands, text, constraints, /*has_side_effects=*/true,
                                      /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                      LLVM::AsmDialectAttr::get(b.getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr());
  Values parts;
  for (int64_t i = 0; i < count; ++i)
    parts.push_back(LLVM::ExtractValueOp::create(b, loc, op.getRes(), i));
  return parts;
}

/// "=r,=r,...", then `inputs`, then as many operands that share registers with the results.
static std::string constrain(int64_t count, StringRef inputs) {
  std::string text;
  for (int64_t i = 0; i < count; ++i)
    text += "=r,";
  text += inputs;
  for (int64_t i = 0; i < count; ++i)
    text += (i ? "," : "") + std::to_string(i);
  return text + ",~{memory}";
}

static Values passThrough(OpBuilder &b, Location loc, StringRef text, ValueRange registers) {
  int64_t count = registers.size();
  return emitAssembly(b, loc, text, constrain(count, ""), registers, count);
}

Values DeviceBuilder::groupMmaBytes(ValueRange a, Value tokens, ValueRange sums) {
  int64_t count = sums.size();
  std::string text = "wgmma.mma_async.sync.aligned.m64n" + std::to_string(2 * count) + "k32.s32.s8.s8 {";
  for (int64_t i = 0; i < count; ++i)
    text += (i ? ", $" : "$") + std::to_string(i);
  text += "}, {";
  for (int64_t i = 0; i < 4; ++i)
    text += (i ? ", $" : "$") + std::to_string(count + i);
  text += "}, $" + std::to_string(count + 4) + ", 1;";
  Values operands(a);
  operands.push_back(tokens);
  llvm::append_range(operands, sums);
  return emitAssembly(*this, getLoc(), text, constrain(count, "r,r,r,r,l,"), operands, count);
}

Values DeviceBuilder::groupOperands(ValueRange registers) {
  return passThrough(*this, getLoc(), "wgmma.fence.sync.aligned;", registers);
}

void DeviceBuilder::commitProducts() { NVVM::WgmmaGroupSyncAlignedOp::create(*this); }

void DeviceBuilder::waitForProducts(int64_t groups) { NVVM::WgmmaWaitGroupSyncOp::create(*this, groups); }

Values DeviceBuilder::waitForProducts(ValueRange sums) {
  return passThrough(*this, getLoc(), "wgmma.wait_group.sync.aligned 0;", sums);
}

Value DeviceBuilder::sharedMatrix(Value shared, Value at) {
  Type i64 = getI64Type();
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(*this, shared);
  // Sixteens of bytes, from the start of shared memory; eight rows are 1024 bytes; their pieces exchanged as in rows of
  // 128 bytes. The distance of columns is not used then, and is 1.
  Value first = bitAnd(shr(base, 4), 0x3fff);
  Value start = createOrFold<arith::IndexCastUIOp>(i64, add(first, shr(at, 4)));
  constexpr int64_t kRows = int64_t(1024 >> 4) << 32, kColumns = int64_t(1) << 16, kExchange = int64_t(1) << 62;
  return createOrFold<arith::OrIOp>(start, constant(i64, kExchange | kRows | kColumns));
}

void DeviceBuilder::releaseToProducts() {
  NVVM::FenceProxyOp::create(*this, NVVM::ProxyKindAttr::get(getContext(), NVVM::ProxyKind::async_shared),
                             NVVM::SharedSpaceAttr::get(getContext(), NVVM::SharedSpace::shared_cta));
}
