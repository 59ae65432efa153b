// A kernel of which ptxas spills registers, to have more blocks side by side, is told to be content with one.
// RUN: rm -rf %t && mkdir -p %t && cp %S/Inputs/fake-ptxas %t/ptxas
// RUN: env "PATH=%t:$PATH" setun-opt %s --setun-embed-device-code="arch=sm_90 features=+ptx80" | FileCheck %s
// CHECK: @setun_device_cubin("cubin 0
// CHECK: @setun_device_ptx("
// CHECK-SAME: .visible .entry store(
// CHECK-SAME: .maxntid 64, 1, 1\0A.minnctapersm 1\0A{
// CHECK-SAME: .visible .entry other(
// CHECK-SAME: .maxntid 64, 1, 1\0A{
gpu.module @setun_kernels {
  llvm.func @store(%frame: !llvm.ptr, %x: !llvm.ptr, %f: f32) attributes {gpu.kernel, nvvm.kernel, nvvm.maxntid = array<i32: 64, 1, 1>} {
    llvm.store %f, %x : f32, !llvm.ptr
    llvm.return
  }
  llvm.func @other(%frame: !llvm.ptr, %x: !llvm.ptr, %f: f32) attributes {gpu.kernel, nvvm.kernel, nvvm.maxntid = array<i32: 64, 1, 1>} {
    llvm.store %f, %x : f32, !llvm.ptr
    llvm.return
  }
}
