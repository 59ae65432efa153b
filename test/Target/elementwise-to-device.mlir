// RUN: setun-opt %s --setun-elementwise-to-device --canonicalize --cse | FileCheck %s

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// The scale is read once a row; sums of known place go by 16 bytes without a question.
// CHECK-LABEL: @epilogue
// CHECK: gpu.launch
// CHECK: memref.load %arg1
// CHECK-NOT: extract_strided_metadata
// CHECK: scf.for
// CHECK: vector.load %arg0{{.*}} {alignment = 16 : i64} : {{.*}}, vector<4xi32>
// CHECK: vector.store {{.*}} {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CHECK-NOT: memref.load
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @epilogue(%a: memref<?x64xi32>, %s: memref<?xf32>, %y: memref<?x64xf32>) {
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%a, %s : memref<?x64xi32>, memref<?xf32>) outs(%y : memref<?x64xf32>) {
  ^bb0(%p: i32, %q: f32, %o: f32):
    %0 = arith.sitofp %p : i32 to f32
    %1 = arith.divf %0, %q : f32
    linalg.yield %1 : f32
  }
  return
}

// Where rows begin is known at run time: the kernel asks.
// CHECK-LABEL: @view
// CHECK: gpu.launch
// CHECK: memref.extract_strided_metadata
// CHECK: scf.if
// CHECK: vector.load
// CHECK: else
// CHECK: memref.load
// CHECK: return
func.func @view(%a: memref<?x64xf32, strided<[?, 1], offset: ?>>, %y: memref<?x64xf32>) {
  memref.copy %a, %y : memref<?x64xf32, strided<[?, 1], offset: ?>> to memref<?x64xf32>
  return
}

// Equal layouts: one dimension, 16 bytes of the widest type, and the elements behind the last whole load.
// CHECK-LABEL: @widen
// CHECK: gpu.launch
// CHECK: scf.for
// CHECK: vector.load {{.*}} {alignment = 8 : i64} : memref<?xbf16, {{.*}}>, vector<4xbf16>
// CHECK: scf.for
// CHECK: memref.load
// CHECK: return
func.func @widen(%a: memref<?x3xbf16, strided<[3, 1]>>, %y: memref<?x3xf32>) {
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%a : memref<?x3xbf16, strided<[3, 1]>>) outs(%y : memref<?x3xf32>) {
  ^bb0(%p: bf16, %o: f32):
    %0 = arith.extf %p : bf16 to f32
    linalg.yield %0 : f32
  }
  return
}

// Neighbouring threads write neighbours.
// CHECK-LABEL: @turn
// CHECK: gpu.launch
// CHECK: scf.for %[[J:.*]] =
// CHECK: memref.load %arg0[%[[J]], %{{.*}}]
// CHECK: memref.store {{.*}}, %arg1[%{{.*}}, %[[J]]]
// CHECK: return
func.func @turn(%a: memref<?x?xf32>, %y: memref<?x?xf32>) {
  linalg.transpose ins(%a : memref<?x?xf32>) outs(%y : memref<?x?xf32>) permutation = [1, 0]
  return
}

// CHECK-LABEL: @sum
// CHECK: linalg.reduce
func.func @sum(%a: memref<?x?xf32>, %y: memref<?xf32>) {
  linalg.reduce { arith.addf } ins(%a : memref<?x?xf32>) outs(%y : memref<?xf32>) dimensions = [1]
  return
}

// Every step would write the same place.
// CHECK-LABEL: @clash
// CHECK: linalg.generic
func.func @clash(%a: memref<?xf32>, %y: memref<1xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (0)>], iterator_types = ["parallel"]}
      ins(%a : memref<?xf32>) outs(%y : memref<1xf32>) {
  ^bb0(%p: f32, %o: f32):
    linalg.yield %p : f32
  }
  return
}
