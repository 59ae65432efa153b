//===- LaunchToRuntime.cpp - Kernels are launched by the runtime ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The kernels stay where they are: a target compiles the modules that hold them, in the same order.
//
//===----------------------------------------------------------------------===//

#include "setun/Conversion/Passes.h"
#include "setun/Conversion/RuntimeCalls.h"

#include "setun-rt/abi.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace setun {
#define GEN_PASS_DEF_LAUNCHTORUNTIME
#include "setun/Conversion/Passes.h.inc"
} // namespace setun

using namespace mlir;
using namespace setun;

namespace {

/// Bytes of parameters that a kernel can have.
constexpr uint64_t kMaxParameters = 4096;

struct LaunchToRuntime : setun::impl::LaunchToRuntimeBase<LaunchToRuntime> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    DenseMap<Attribute, uint32_t> numbers;
    for (auto container : module.getOps<gpu::GPUModuleOp>())
      for (auto kernel : container.getOps<gpu::GPUFuncOp>())
        if (kernel.isKernel())
          numbers.try_emplace(
              SymbolRefAttr::get(container.getNameAttr(), {FlatSymbolRefAttr::get(kernel.getNameAttr())}),
              numbers.size());
    if (numbers.empty())
      return;
    RuntimeArguments runtimes = giveRuntime(module, [](Operation *op) { return isa<gpu::LaunchFuncOp>(op); });
    SmallVector<gpu::LaunchFuncOp> launches;
    module.walk([&](gpu::LaunchFuncOp launch) { launches.push_back(launch); });
    for (gpu::LaunchFuncOp launch : launches) {
      Value rt = runtimes.lookup(launch->getParentOfType<func::FuncOp>());
      if (failed(lower(launch, numbers.lookup(launch.getKernel()), rt)))
        return signalPassFailure();
    }
    module->removeAttr(gpu::GPUDialect::getContainerModuleAttrName());
  }

  /// The kernel's parameters, as the conversion of functions to LLVM expands them.
  static FailureOr<SmallVector<Value>> expand(gpu::LaunchFuncOp launch, OpBuilder &builder) {
    LLVMTypeConverter converter(launch.getContext());
    Location loc = launch.getLoc();
    SmallVector<Value> fields;
    for (Value operand : launch.getKernelOperands()) {
      Type type = converter.convertType(operand.getType());
      if (!type)
        return launch.emitOpError("passes a value of type ") << operand.getType() << ", which has no form in LLVM";
      Value value = type == operand.getType()
                        ? operand
                        : UnrealizedConversionCastOp::create(builder, loc, TypeRange(type), operand).getResult(0);
      if (auto memref = dyn_cast<MemRefType>(operand.getType()))
        MemRefDescriptor::unpack(builder, loc, value, memref, fields);
      else
        fields.push_back(value);
    }
    return fields;
  }

  /// Bytes up to the end of the last parameter, each a scalar at its natural alignment: drivers refuse the padding that
  /// a struct has behind it. Here no data layout is known yet, and the default's i64 would stand at 4 bytes.
  static uint64_t sizeOf(const DataLayout &layout, ArrayRef<Type> fields) {
    uint64_t size = 0;
    for (Type field : fields) {
      uint64_t bytes = layout.getTypeSize(field).getFixedValue();
      size = llvm::alignTo(size, bytes) + bytes;
    }
    return size;
  }

  static LogicalResult lower(gpu::LaunchFuncOp launch, uint32_t number, Value rt) {
    OpBuilder builder(launch);
    Location loc = launch.getLoc();
    FailureOr<SmallVector<Value>> fields = expand(launch, builder);
    if (failed(fields))
      return failure();
    fields->insert(fields->begin(), loadDeviceFrame(builder, loc, rt));
    auto pointer = LLVM::LLVMPointerType::get(builder.getContext());
    Type i32 = builder.getI32Type(), i64 = builder.getI64Type();
    auto params =
        LLVM::LLVMStructType::getLiteral(builder.getContext(), llvm::to_vector(ValueRange(*fields).getTypes()));
    uint64_t size = sizeOf(DataLayout::closest(launch), params.getBody());
    if (size > kMaxParameters)
      return launch.emitOpError("passes ") << size << " bytes of parameters; a kernel takes " << kMaxParameters;

    // Stack slots stand in the entry block: a loop around must not grow the stack.
    OpBuilder start = OpBuilder::atBlockBegin(&launch->getParentOfType<func::FuncOp>().front());
    auto slot = [&](Type type) {
      Value one = LLVM::ConstantOp::create(start, loc, start.getI64IntegerAttr(1));
      return LLVM::AllocaOp::create(start, loc, pointer, type, one).getResult();
    };
    auto store = [&](Type type, Value base, ArrayRef<Value> values) {
      for (auto [i, value] : llvm::enumerate(values)) {
        Value at =
            LLVM::GEPOp::create(builder, loc, pointer, type, base, ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(i)});
        LLVM::StoreOp::create(builder, loc, value, at);
      }
    };
    auto constant = [&](Type type, int64_t value) {
      return LLVM::ConstantOp::create(builder, loc, type, builder.getIntegerAttr(type, value)).getResult();
    };
    auto size32 = [&](Value value) { return arith::IndexCastOp::create(builder, loc, i32, value).getResult(); };
    Value memory = slot(params);
    // Equal launches are equal bytes, by which the runtime knows them: what lies between the parameters is zero.
    uint64_t used = 0;
    for (Value field : *fields)
      used += DataLayout::closest(launch).getTypeSize(field.getType());
    if (used < size)
      LLVM::MemsetInlineOp::create(builder, loc, memory, constant(builder.getI8Type(), 0),
                                   builder.getI64IntegerAttr(static_cast<int64_t>(size)), /*isVolatile=*/false);
    store(params, memory, *fields);
    auto launchType =
        LLVM::LLVMStructType::getLiteral(builder.getContext(), {i32, i32, i32, i32, i32, i32, i32, i32, i64, pointer});
    static_assert(offsetof(setun_launch, params_size) == 32 && offsetof(setun_launch, params) == 40);
    gpu::KernelDim3 grid = launch.getGridSizeOperandValues(), block = launch.getBlockSizeOperandValues();
    Value shared = launch.getDynamicSharedMemorySize();
    Value what = slot(launchType);
    store(launchType, what,
          {constant(i32, number), size32(grid.x), size32(grid.y), size32(grid.z), size32(block.x), size32(block.y),
           size32(block.z), shared ? shared : constant(i32, 0), constant(i64, size), memory});
    emitLaunch(builder, loc, rt, what);
    launch.erase();
    return success();
  }
};

} // namespace
