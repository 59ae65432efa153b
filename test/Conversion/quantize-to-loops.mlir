// RUN: setun-opt %s --setun-convert-quantize-to-loops --canonicalize --cse | FileCheck %s

// CHECK-LABEL: @quantize
// CHECK: scf.forall (%[[ROW:.*]]) in
// The largest magnitude, on the bits of |x|.
// CHECK:   scf.for
// CHECK:     arith.andi
// CHECK:     arith.maxsi {{.*}} : vector<16xi32>
// CHECK:   %[[C:.*]] = arith.maximumf
// CHECK:   memref.store %[[C]], %{{.*}}[%[[ROW]]]
// Two roundings, as the spelling says.
// CHECK:   %[[INV:.*]] = arith.divf %{{.*}}, %[[C]]
// CHECK:   arith.mulf %[[INV]]
// CHECK:   scf.for
// CHECK:     arith.mulf {{.*}} : vector<16xf32>
// CHECK:     arith.cmpf ogt
// CHECK:     arith.cmpf olt
// CHECK:     arith.trunci {{.*}} : vector<16xi32> to vector<16xi8>
func.func @quantize(%x: memref<?x64xf32>, %q: memref<?x64xi8>, %c: memref<?xf32>) {
  ternary.quantize ins(%x : memref<?x64xf32>) outs(%q, %c : memref<?x64xi8>, memref<?xf32>)
    {spelling = #ternary<spelling reciprocal>}
  return
}

// bf16 rounds after every step.
// CHECK-LABEL: @narrow
// CHECK: arith.truncf {{.*}} : f32 to bf16
// CHECK: arith.truncf {{.*}} : vector<16xf32> to vector<16xbf16>
func.func @narrow(%x: memref<?x64xbf16>, %q: memref<?x64xi8>, %c: memref<?xbf16>) {
  ternary.quantize ins(%x : memref<?x64xbf16>) outs(%q, %c : memref<?x64xi8>, memref<?xbf16>)
  return
}

// A row of known length is normalized once.
// CHECK-LABEL: @norm
// CHECK: scf.forall
// CHECK-NEXT: memref.alloca() {{.*}} : memref<64xf32>
// CHECK: math.sqrt
// CHECK: arith.divf {{.*}} : vector<16xf32>
// CHECK-NOT: arith.divf {{.*}} : vector<
// CHECK: return
func.func @norm(%x: memref<?x64xf32>, %g: memref<64xf32>, %q: memref<?x64xi8>, %c: memref<?xf32>) {
  ternary.norm_quantize ins(%x, %g : memref<?x64xf32>, memref<64xf32>) outs(%q, %c : memref<?x64xi8>, memref<?xf32>)
    {norm_eps = 1.0e-5 : f32}
  return
}

// CHECK-LABEL: @tensors
// CHECK: ternary.quantize
func.func @tensors(%x: tensor<?x64xf32>, %q: tensor<?x64xi8>, %c: tensor<?xf32>) -> tensor<?x64xi8> {
  %0, %1 = ternary.quantize ins(%x : tensor<?x64xf32>) outs(%q, %c : tensor<?x64xi8>, tensor<?xf32>) -> tensor<?x64xi8>, tensor<?xf32>
  return %0 : tensor<?x64xi8>
}
