//===- Passes.td - Passes of the CUDA target -*- tablegen -*- ---===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TARGET_NVPTX_PASSES_TD
#define SETUN_TARGET_NVPTX_PASSES_TD

include "mlir/Pass/PassBase.td"

def GroupSteps : Pass<"setun-group-steps", "::mlir::ModuleOp"> {
  let summary = "what one kernel can do becomes one step";
  let description = [{
    Puts each ternary product on tensors into a region together with what makes its activations (a quantizer, with a norm
    or without, of which nobody else takes the result) and with elementwise work on its sums. The region is planned and
    outlined as one step; --setun-convert-ternary-to-loops makes its kernels.

    ```mlir
    %q, %s = ternary.norm_quantize ins(%x, %g : ...) ...
    %a = ternary.matmul ins(%q, %w : ...) ...
    %y = linalg.generic ... ins(%a, %s, %r : ...) ...
    // becomes
    %y = scf.execute_region -> tensor<?x2560xf32> no_inline { ... scf.yield %y }
    ```
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect"];
}

def MapToDevice : Pass<"setun-map-to-device", "::mlir::ModuleOp"> {
  let summary = "what still works on memory becomes kernels";
  let description = [{
    In each function but kernels, an outermost `scf.forall` becomes a `gpu.launch` in which each thread takes every
    so-many-th iteration; loops inside it run serially. Other operations that read or write memory become kernels of one
    thread. Index arithmetic, views and control flow around parallel loops stay with the host. So every operation that
    has a lowering to loops runs on the device; what must be fast has a pass of its own, which runs before this one.

    ```mlir
    scf.forall (%i) in (%n) { ... }
    // becomes
    gpu.launch blocks(%bx, %by, %bz) in (...) threads(%tx, %ty, %tz) in (...) {
      scf.for %i = %thread to %n step %threads { ... }
      gpu.terminator
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::scf::SCFDialect"];
}

def MergeKernels : Pass<"setun-merge-kernels", "::mlir::ModuleOp"> {
  let summary = "one module for all kernels";
  let description = [{
    Moves the kernels of all modules, as outlining makes one for each launch, into one. A kernel is named after the
    function that launches it, with a number where that one launches several.

    ```mlir
    gpu.module @a_kernel { gpu.func @a_kernel() kernel { ... } }
    gpu.module @b_kernel { gpu.func @b_kernel() kernel { ... } }
    // becomes
    gpu.module @setun_kernels { gpu.func @a() kernel { ... } gpu.func @b() kernel { ... } }
    ```
  }];
}

def PrepareKernels : Pass<"setun-prepare-kernels", "::mlir::gpu::GPUModuleOp"> {
  let summary = "kernels get the device frame, faults, alignment and intrinsics";
  let description = [{
    Every kernel gets the device frame (include/setun-rt/abi.h) as its first parameter; `cf.assert` becomes a fault
    written there, its messages listed in `setun.messages` on the module of kernels; shared memory is aligned to 128
    bytes. Functions of `math` that the machine has instructions for become LLVM's intrinsics, so that nothing calls
    libdevice.

    ```mlir
    cf.assert %ok, "index out of range"
    // becomes
    scf.if %bad { llvm.cmpxchg %frame, %zero, %number acq_rel monotonic : !llvm.ptr, i32 }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::scf::SCFDialect"];
}

def EmbedDeviceCode : Pass<"setun-embed-device-code", "::mlir::ModuleOp"> {
  let summary = "compile kernels and keep them in the host's module as data";
  let description = [{
    Compiles the modules of kernels, in the LLVM dialect by now, for one architecture and replaces them by the constant
    `setun_device_code` of include/setun-rt/abi.h: PTX for the driver, or with `emulate` the very LLVM IR that PTX would
    be made of, for the emulator.

    ```mlir
    gpu.module @kernels { llvm.func @scale(...) attributes {gpu.kernel, nvvm.kernel} ... }
    // becomes
    llvm.mlir.global internal constant @setun_device_code() : !llvm.struct<(ptr, i32, ...)> { ... }
    ```
  }];
  let options = [
    Option<"arch", "arch", "std::string", "\"sm_80\"", "architecture, as LLVM names it">,
    Option<"features", "features", "std::string", "\"+ptx80\"", "features of LLVM's backend">,
    Option<"emulate", "emulate", "bool", "false", "embed LLVM IR for the emulator">
  ];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // SETUN_TARGET_NVPTX_PASSES_TD
