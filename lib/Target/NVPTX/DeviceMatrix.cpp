//===- DeviceMatrix.cpp - Words for tensor cores and asynchronous copies --===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/DeviceBuilder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

void DeviceBuilder::copyAsync(Value shared, Value to, Value source, Value from, Value count) {
  int64_t bytes = cast<MemRefType>(shared.getType()).getElementTypeBitWidth() / 8;
  nvgpu::DeviceAsyncCopyOp::create(*this, nvgpu::DeviceAsyncTokenType::get(getContext()), shared, ValueRange{to},
                                   source, ValueRange{from}, getIndexAttr(16 / bytes), count,
                                   /*bypassL1=*/getUnitAttr());
}

void DeviceBuilder::commitCopies() { NVVM::CpAsyncCommitGroupOp::create(*this); }

void DeviceBuilder::waitForCopies(int64_t groups) { NVVM::CpAsyncWaitGroupOp::create(*this, groups); }

Values DeviceBuilder::mmaBytes(ValueRange a, ValueRange b, ValueRange c) {
  Type i32 = getI32Type();
  auto result = LLVM::LLVMStructType::getLiteral(getContext(), {i32, i32, i32, i32});
  auto op = NVVM::MmaOp::create(*this, result, a, b, c, ArrayRef<int64_t>{16, 8, 32}, std::nullopt,
                                NVVM::MMAIntOverflow::wrapped, std::array{NVVM::MMATypes::s8, NVVM::MMATypes::s8},
                                std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
  Values parts;
  for (int64_t i = 0; i < 4; ++i)
    parts.push_back(LLVM::ExtractValueOp::create(*this, op.getRes(), i));
  return parts;
}
