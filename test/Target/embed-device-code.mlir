// Kernels become data of the host: PTX, what ptxas makes of it where there is one, or the IR that PTX would be made of.
// RUN: setun-opt %s --setun-embed-device-code="arch=sm_90 features=+ptx80" --split-input-file --verify-diagnostics | FileCheck %s
// RUN: setun-opt %s --setun-embed-device-code="arch=sm_90 features=+ptx80 emulate=true" --split-input-file --verify-diagnostics | FileCheck %s --check-prefix=EMULATED
// RUN: setun-opt %s --setun-embed-device-code="arch=sm_90a features=+ptx80 emulate=true" --split-input-file --verify-diagnostics | FileCheck %s --check-prefix=ALONE

// CHECK-LABEL: llvm.mlir.global internal constant @setun_device_ptx("
// CHECK-SAME: .version 8.0
// CHECK-SAME: .target sm_90
// CHECK-SAME: .visible .entry store(
// CHECK: @setun_device_kernels_0("store\00")
// CHECK: @setun_device_messages_0("index out of range\00")
// CHECK: llvm.mlir.global external constant @setun_device_code()
// CHECK-NOT: gpu.module
// EMULATED: @setun_device_bitcode("BC
// EMULATED-NOT: @setun_device_ptx
// Kind, architecture, and whether it is for that one alone.
// EMULATED: @setun_device_images
// EMULATED: llvm.mlir.constant(3 : i32)
// EMULATED-NEXT: llvm.mlir.constant(90 : i32)
// EMULATED-NEXT: llvm.mlir.constant(0 : i32)
// ALONE: @setun_device_images
// ALONE: llvm.mlir.constant(3 : i32)
// ALONE-NEXT: llvm.mlir.constant(90 : i32)
// ALONE-NEXT: llvm.mlir.constant(1 : i32)
gpu.module @setun_kernels attributes {setun.messages = ["index out of range"]} {
  llvm.func @store(%frame: !llvm.ptr, %x: !llvm.ptr, %f: f32) attributes {gpu.kernel, nvvm.kernel} {
    llvm.store %f, %x : f32, !llvm.ptr
    llvm.return
  }
}

// -----

// Nothing to compile, nothing to embed.
// CHECK-LABEL: func.func @host
// CHECK-NOT: setun_device
func.func @host() { return }

// -----

gpu.module @first {
  llvm.func @a(%frame: !llvm.ptr) attributes {gpu.kernel, nvvm.kernel} { llvm.return }
}
// expected-error @+1 {{a second module of kernels; run --setun-merge-kernels first}}
gpu.module @second {
  llvm.func @b(%frame: !llvm.ptr) attributes {gpu.kernel, nvvm.kernel} { llvm.return }
}
