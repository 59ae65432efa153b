// RUN: setun-opt %s --setun-convert-nn-to-loops --canonicalize --cse | FileCheck %s

// CHECK-LABEL: @rms
// CHECK: scf.forall
// CHECK: scf.for {{.*}} -> (vector<16xf32>)
// CHECK: math.sqrt
// CHECK: arith.divf {{.*}} : vector<8xf32>
// CHECK: vector.store
// CHECK: {setun.grain = 64 : i64}
func.func @rms(%x: memref<?x64xf32>, %g: memref<64xf32>, %y: memref<?x64xf32>) {
  nn.rms_norm ins(%x, %g : memref<?x64xf32>, memref<64xf32>) outs(%y : memref<?x64xf32>) {epsilon = 1.0e-5 : f32}
  return
}

// A negative index counts from the end; one out of range fails, and nothing is read for it.
// CHECK-LABEL: @embedding
// CHECK: arith.cmpi slt
// CHECK: %[[ROW:.*]] = arith.select
// CHECK: %[[OK:.*]] = arith.cmpi ult, %[[ROW]]
// CHECK: cf.assert %[[OK]], "an index of an embedding is outside its table"
// CHECK: scf.if %[[OK]]
// CHECK:   vector.load %{{.*}}[%[[ROW]],
// CHECK: } else {
// CHECK-NOT: vector.load
// CHECK:   vector.store
func.func @embedding(%i: memref<?xi64>, %t: memref<100x64xf32>, %y: memref<?x64xf32>) {
  nn.embedding ins(%i, %t : memref<?xi64>, memref<100x64xf32>) outs(%y : memref<?x64xf32>)
  return
}

// CHECK-LABEL: @rotary
// CHECK: scf.forall
// CHECK: arith.subf {{.*}} : vector<8xf32>
// CHECK: arith.addf {{.*}} : vector<8xf32>
// CHECK-NOT: memref.load
// CHECK: return
func.func @rotary(%x: memref<1x8x?x32xf32>, %c: memref<1x?x16xf32>, %y: memref<1x8x?x32xf32>) {
  nn.rotary_embedding ins(%x, %c, %c : memref<1x8x?x32xf32>, memref<1x?x16xf32>, memref<1x?x16xf32>) outs(%y : memref<1x8x?x32xf32>)
  return
}

// Scratch stands first in the parallel loop; four keys at once; the largest score is found before any exp.
// CHECK-LABEL: @attention
// CHECK: scf.forall
// CHECK-NEXT: memref.alloca
// CHECK-NEXT: memref.alloca
// CHECK-NEXT: memref.alloca
// CHECK-NEXT: memref.alloca
// CHECK-NOT: memref.alloca
// CHECK: -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK: arith.maximumf
// CHECK: math.exp {{.*}} : vector<16xf32>
// CHECK: {setun.grain = 1 : i64}
func.func @attention(%q: memref<1x8x?x64xf32>, %k: memref<1x2x?x64xf32>, %v: memref<1x2x?x64xf32>, %past: index, %y: memref<1x8x?x64xf32>) {
  nn.attention ins(%q, %k, %v : memref<1x8x?x64xf32>, memref<1x2x?x64xf32>, memref<1x2x?x64xf32>) past(%past)
    outs(%y : memref<1x8x?x64xf32>) {causal, scale = 0.125 : f32}
  return
}

// CHECK-LABEL: @tensors
// CHECK: nn.rms_norm
func.func @tensors(%x: tensor<?x64xf32>, %g: tensor<64xf32>) -> tensor<?x64xf32> {
  %0 = nn.rms_norm ins(%x, %g : tensor<?x64xf32>, tensor<64xf32>) outs(%x : tensor<?x64xf32>) {epsilon = 1.0e-5 : f32} -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}
