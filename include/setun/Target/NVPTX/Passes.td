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
    or without, of which nobody else takes the result) and with elementwise work on its sums. What such work makes to be
    put into a slice, as values on their way into a cache, it writes there. The region is planned and outlined as one step; --setun-convert-ternary-to-loops makes its kernels.

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

def QuantizeToDevice : Pass<"setun-quantize-to-device", "::mlir::func::FuncOp"> {
  let summary = "activation quantizers become kernels";
  let description = [{
    `ternary.quantize` and `ternary.norm_quantize` on buffers: a block a row, or a warp where rows are short, which reads
    it once and keeps it in registers. The integers and scales are those of the processors' lowering bit for bit, where
    no norm's sum, which has another order, comes before.

    ```mlir
    ternary.quantize ins(%x : memref<?x2560xf32>) outs(%q, %c : memref<?x2560xi8>, memref<?xf32>)
    // becomes
    gpu.launch blocks(%row, ...) in (%rows, ...) threads(%thread, ...) in (256, ...) { ... }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def NormToDevice : Pass<"setun-norm-to-device", "::mlir::func::FuncOp"> {
  let summary = "norms become kernels";
  let description = [{
    `nn.rms_norm` and `nn.layer_norm` on buffers of f32, f16 and bf16: a block a row, or a warp where rows are short,
    which reads it once and keeps it in registers. Sums have a fixed order, which is that of the team of threads.

    ```mlir
    nn.rms_norm ins(%x, %gamma : memref<?x2560xf32>, memref<2560xf32>) outs(%y : memref<?x2560xf32>) {epsilon = 1.0e-5 : f32}
    // becomes
    gpu.launch blocks(%row, ...) in (%rows, ...) threads(%thread, ...) in (256, ...) { ... }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def ElementwiseToDevice : Pass<"setun-elementwise-to-device", "::mlir::func::FuncOp"> {
  let summary = "elementwise work and copies become kernels";
  let description = [{
    Linalg operations with parallel loops alone, and `memref.copy`: neighbouring threads take neighbours along the
    result's last dimension, 16 bytes each where all operands that go along are contiguous and aligned; where only run
    time tells, the kernel asks.

    ```mlir
    linalg.generic {iterator_types = ["parallel", "parallel"], ...} ins(%a : memref<?x64xi32>) outs(%b : memref<?x64xf32>) { ... }
    // becomes
    gpu.launch blocks(%rows, ...) in (...) threads(%thread, ...) in (128, ...) { vector.load ... vector.store ... }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def DenseToDevice : Pass<"setun-dense-to-device", "::mlir::func::FuncOp"> {
  let summary = "dense products become kernels";
  let description = [{
    Products of floats and of integers on buffers, as `setun-convert-dense-to-loops` finds them. One row of the left
    operand, or up to 32 in groups of eight, with a right operand that is [N, K]: warps read its rows at the memory's pace,
    each lane 16 bytes at a time, sums along k in one order; i8 by dp4a. Everything else: tiles of 64 x 64 through shared
    memory. Floats narrower than f32 are widened, never activations narrowed.

    ```mlir
    linalg.matmul indexing_maps = [...] ins(%x, %w : memref<?x2560xf32>, memref<32000x2560xbf16>) outs(%y : memref<?x32000xf32>)
    // becomes
    scf.if %one_row { gpu.launch ... } else { scf.if %few_rows { gpu.launch ... } else { gpu.launch ... } }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def ReductionsToDevice : Pass<"setun-reductions-to-device", "::mlir::func::FuncOp"> {
  let summary = "reductions become kernels";
  let description = [{
    Linalg operations on buffers that fold into one destination by one operation. Along an input's last dimension: a
    warp or a block a result; else a lane a result, the outermost of the summed loops shared by the warps of a block. The
    order depends on sizes alone.

    ```mlir
    linalg.reduce { arith.addf } ins(%x : memref<?x512xf32>) outs(%sum : memref<?xf32>) dimensions = [1]
    // becomes
    gpu.launch blocks(%rows, ...) in (...) threads(%thread, ...) in (256, ...) { ... gpu.shuffle xor ... }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ConstantsToParameters : Pass<"setun-constants-to-parameters", "::mlir::ModuleOp"> {
  let summary = "constant tensors of the entry become parameters";
  let description = [{
    A constant tensor would lie in the host's object, where no kernel can read it; parameters are brought to the device.
    Equal constants become one parameter. New parameters stand last in the module and so in the weights file. A constant
    of one value becomes a `linalg.fill`.

    ```mlir
    %0 = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
    // becomes
    ml_program.global private @constant(dense<[1.0, 2.0]> : tensor<2xf32>) : tensor<2xf32>
    %0 = ml_program.global_load_const @constant : tensor<2xf32>
    ```
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::ml_program::MLProgramDialect",
                           "::mlir::tensor::TensorDialect"];
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

class KernelsOf<string flag> : Pass<flag, "::mlir::func::FuncOp"> {
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect", "::mlir::gpu::GPUDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::NVVM::NVVMDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def EmbeddingToDevice : KernelsOf<"setun-embedding-to-device"> {
  let summary = "kernels of nn.embedding";
  let description = [{
    A row is copied by one block or several, 16 bytes a thread where table and destination are aligned. An index outside
    of the table is a `cf.assert`, and zeros.

    ```mlir
    nn.embedding ins(%ids, %table : memref<1x?xi64>, memref<128256x2560xbf16>) outs(%y : memref<1x?x2560xbf16>)
    // becomes
    gpu.launch blocks(...) in (%x = %tokens, ...) threads(...) in (%t = %c128, ...) {
      %row = memref.load %ids[...]
      vector.store (vector.load %table[%row, %at]), %y[..., %at]
    }
    ```
  }];
}

def RotaryToDevice : KernelsOf<"setun-rotary-to-device"> {
  let summary = "kernels of nn.rotary_embedding";
  let description = [{
    One thread for each pair and for each component that is not turned.

    ```mlir
    nn.rotary_embedding ins(%x, %cos, %sin : ...) outs(%y : memref<1x20x?x128xf32>)
    // becomes
    gpu.launch blocks(...) in (...) threads(...) in (%t = %c128, ...) { ... }
    ```
  }];
}

def AttentionScratch : Pass<"setun-attention-scratch", "::mlir::func::FuncOp"> {
  let summary = "give nn.attention the memory in which parts of a context are combined";
  let description = [{
    Where few queries meet many keys, several blocks share the keys of a query (`--setun-attention-to-device`). What
    each found rests in this destination, which is planned with all other memory.

    ```mlir
    nn.attention ins(%q, %k, %v : ...) outs(%y : ...)
    // becomes
    %scratch = tensor.empty() : tensor<278784xf32>
    nn.attention ins(%q, %k, %v : ...) outs(%y : ...) scratch(%scratch : tensor<278784xf32>)
    ```
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def GroupAttention : Pass<"setun-group-attention", "::mlir::func::FuncOp"> {
  let summary = "attention and what its kernels do besides become one step";
  let description = [{
    Puts `nn.attention` on tensors into a region together with the rotary embedding of its queries and the transposition
    of its result, where nobody else needs what they pass on; and with the rotary embedding of the keys that are put into
    the cache from `past` on. `--setun-attention-to-device` turns queries while it reads them, and writes the result
    transposed.

    ```mlir
    %r = nn.rotary_embedding ins(%q, %cos, %sin : ...) ...
    %a = nn.attention ins(%r, %k, %v : ...) ...
    %y = linalg.transpose ins(%a : ...) ... permutation = [0, 2, 1, 3]
    // becomes
    %y = scf.execute_region -> tensor<1x?x20x128xf32> no_inline { ... scf.yield %y }
    ```
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect"];
}

def AttentionToDevice : KernelsOf<"setun-attention-to-device"> {
  let summary = "kernels of nn.attention";
  let description = [{
    Two forms, between which the host chooses by the number of queries. Few queries: a warp takes a slice of the keys
    for all query heads that share them, several blocks share a context if there is scratch, and the one that ends last
    combines what they found in a fixed order. Many queries: a block takes 32 rows of queries and walks over tiles of
    keys in shared memory. The rotary embedding of new keys (`setun.new_keys`) goes along for one query. Heads whose size is not known, very long ones and f64 are left to the common lowering.

    ```mlir
    nn.attention ins(%q, %k, %v : ...) past(%past) outs(%y : ...) scratch(%s : ...) {causal, scale = 1.0 : f32}
    // becomes
    scf.if %many { gpu.launch ... } else { gpu.launch ... }
    ```
  }];
  let options = [
    Option<"dependent", "dependent", "bool", "false", "kernels of few queries may start before the one in front ends">
  ];
}

def MergeKernels : Pass<"setun-merge-kernels", "::mlir::ModuleOp"> {
  let summary = "one module for all kernels";
  let description = [{
    Moves the kernels of all modules, as outlining makes one for each launch, into one. A kernel is named after the
    function that launches it, with a number where that one launches several; one that waits for the kernel in front of
    it by itself (`nvvm.griddepcontrol`) gets the ending `_pdl`, by which the runtime knows that it may start early.

    ```mlir
    gpu.module @a_kernel { gpu.func @a_kernel() kernel { ... } }
    gpu.module @b_kernel { gpu.func @b_kernel() kernel { ... } }
    // becomes
    gpu.module @setun_kernels { gpu.func @a() kernel { ... } gpu.func @b() kernel { ... } }
    ```
  }];
}

def ReadPositions : Pass<"setun-read-positions", "::mlir::ModuleOp"> {
  let summary = "kernels read the position from the device frame";
  let description = [{
    A symbol that counts what a state holds (`setun.position` of the entry function) changes with every step of a
    generation. What is computed from it and passed to a step's function or to a kernel, an offset, a size or a view,
    is computed there, and the position itself is read where the runtime puts it, behind the device frame. The
    launches of a step are then the same at each position, and one CUDA graph does them unchanged. What callers compute
    in different ways stays a parameter. Kernels for many tokens read the position where they need it, others at once.

    ```mlir
    %slot = memref.subview %cache[0, %past, 0] [4, %n, 32] [1, 1, 1] : ...
    gpu.launch_func @setun_kernels::@k blocks in (...) threads in (...) args(%slot : ...)
    // becomes
    gpu.launch_func @setun_kernels::@k blocks in (...) threads in (...) args(%cache : ..., %n : index)
    // and in the kernel
    %frame = llvm.call_intrinsic "llvm.setun.device_frame"() : () -> !llvm.ptr
    %at = llvm.getelementptr %frame[1024] : (!llvm.ptr) -> !llvm.ptr, i8
    %number = llvm.load %at : !llvm.ptr -> i64
    %past = arith.index_cast %number : i64 to index
    %slot = memref.subview %cache[0, %past, 0] [4, %n, 32] [1, 1, 1] : ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect"];
}

def AddSamplingKernels : Pass<"setun-add-sampling-kernels", "::mlir::ModuleOp"> {
  let summary = "a kernel that finds the likeliest token";
  let description = [{
    Where the entry function has a result that may be logits (floats, at least two dimensions) and there is a module of
    kernels, adds the kernel `setun_argmax(logits, size, tokens)`, for each row of `size` logits a block of 1024 threads: the
    number, i64, of the largest as the runtime's sampler finds it. For f16 and bf16 its name ends in `_f16` and `_bf16`.

    ```mlir
    gpu.module @setun_kernels { ... }
    // becomes
    gpu.module @setun_kernels { ... gpu.func @setun_argmax(%logits: !llvm.ptr, %size: i64, %tokens: !llvm.ptr) kernel { ... } }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect"];
}

def AddDrawingKernels : Pass<"setun-add-drawing-kernels", "::mlir::ModuleOp"> {
  let summary = "kernels that draw a token";
  let description = [{
    Where the entry function has a result that may be logits (floats, at least two dimensions) and there is a module of
    kernels, adds those that draw the token that the runtime's sampler draws (include/setun-rt/sample.h), with blocks of
    256 threads: `setun_draw_largest` (`_f16`, `_bf16`), `_weigh`, `_rank` for top-k, `_share` for top-p, `_sum` for
    either, and `setun_draw_pick`, one block. Options and memory are as include/setun-rt/abi.h has them.

    ```mlir
    gpu.module @setun_kernels { ... }
    // becomes
    gpu.module @setun_kernels { ...
      gpu.func @setun_draw_largest(%options: !llvm.ptr, %logits: !llvm.ptr, %size: i64, %memory: !llvm.ptr, %token: !llvm.ptr) kernel { ... }
      ... }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
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
    `setun_device_code` of include/setun-rt/abi.h: PTX for the driver, with what `ptxas` makes of it where there is one;
    or with `emulate` the very LLVM IR that PTX would be made of, for the emulator.

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
