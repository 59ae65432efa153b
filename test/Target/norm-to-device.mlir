// RUN: setun-opt %s --setun-norm-to-device --canonicalize --cse | FileCheck %s

// CHECK-LABEL: @rms
// CHECK: gpu.launch blocks(%[[ROW:[a-z0-9]*]], {{.*}} threads({{.*}} = %c512,
// CHECK-COUNT-4: vector.load %arg0[%[[ROW]], {{.*}}] {alignment = 16 : i64}
// CHECK: gpu.shuffle xor
// CHECK: math.sqrt
// CHECK: vector.store {{.*}} %arg2[%[[ROW]], {{.*}}] {alignment = 16 : i64}
// CHECK-NOT: nn.
func.func @rms(%x: memref<?x6912xf32>, %g: memref<6912xf32>, %y: memref<?x6912xf32>) {
  nn.rms_norm ins(%x, %g : memref<?x6912xf32>, memref<6912xf32>) outs(%y : memref<?x6912xf32>) {epsilon = 1.0e-5 : f32}
  return
}

// A length that is known at run time alone: a loop over what each thread has, three times.
// CHECK-LABEL: @open
// CHECK: gpu.launch
// CHECK-COUNT-3: scf.for
// CHECK-NOT: nn.
func.func @open(%x: memref<2x?x?xf16>, %g: memref<?xf16>, %b: memref<?xf16>, %y: memref<2x?x?xf16>) {
  nn.layer_norm ins(%x, %g, %b : memref<2x?x?xf16>, memref<?xf16>, memref<?xf16>) outs(%y : memref<2x?x?xf16>) {epsilon = 1.0e-5 : f32}
  return
}

// Kernels compute in f32: f64 goes the common way.
// CHECK-LABEL: @double
// CHECK: nn.rms_norm
func.func @double(%x: memref<?x8xf64>, %g: memref<8xf64>, %y: memref<?x8xf64>) {
  nn.rms_norm ins(%x, %g : memref<?x8xf64>, memref<8xf64>) outs(%y : memref<?x8xf64>) {epsilon = 1.0e-5 : f32}
  return
}
