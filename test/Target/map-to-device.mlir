// What still works on memory becomes kernels; index arithmetic and control flow around parallel loops stay on the host.
// RUN: setun-opt %s --setun-map-to-device --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @parallel
// CHECK-SAME: %[[M:.*]]: memref<?xf32>, %[[N:.*]]: index
// CHECK: %[[BLOCKS:.*]] = arith.maxsi
// CHECK: gpu.launch blocks(%[[B:.*]], %{{.*}}, %{{.*}}) in (%{{.*}} = %[[BLOCKS]], {{.*}}) threads(%[[T:.*]], %{{.*}}, %{{.*}}) in (%[[SIZE:.*]] = %c128
// CHECK:   scf.for
// CHECK:     memref.store
// CHECK:   gpu.terminator
func.func @parallel(%m: memref<?xf32>, %n: index, %f: f32) {
  scf.forall (%i) in (%n) {
    memref.store %f, %m[%i] : memref<?xf32>
  }
  return
}

// -----

// One thread does what is not parallel; the choice between kernels is the host's.
// CHECK-LABEL: func.func @choice
// CHECK: scf.if
// CHECK:   gpu.launch
// CHECK: } else {
// CHECK:   gpu.launch blocks({{.*}}) in (%{{.*}} = %[[ONE:.*]], {{.*}} threads
// CHECK:     memref.store
func.func @choice(%m: memref<?xf32>, %n: index, %f: f32, %few: i1) {
  %c0 = arith.constant 0 : index
  scf.if %few {
    scf.forall (%i) in (%n) {
      memref.store %f, %m[%i] : memref<?xf32>
    }
  } else {
    memref.store %f, %m[%c0] : memref<?xf32>
  }
  return
}

// -----

// A loop whose end is read from memory: all of it in one thread.
// CHECK-LABEL: func.func @reads_back
// CHECK: gpu.launch
// CHECK-NOT: gpu.launch
// CHECK:   memref.load
// CHECK:   scf.for
func.func @reads_back(%m: memref<?xf32>, %ends: memref<1xindex>, %f: f32) {
  %c0 = arith.constant 0 : index
  %n = memref.load %ends[%c0] : memref<1xindex>
  scf.forall (%i) in (%n) {
    memref.store %f, %m[%i] : memref<?xf32>
  }
  return
}

// -----

// CHECK-LABEL: func.func @nothing
// CHECK-NOT: gpu.launch
func.func @nothing(%m: memref<?xf32>, %n: index) -> index {
  %c2 = arith.constant 2 : index
  %0 = arith.muli %n, %c2 : index
  return %0 : index
}

// -----

func.func @returns_loaded(%m: memref<1xf32>) -> f32 {
  %c0 = arith.constant 0 : index
  // expected-error @+1 {{reads a value that the host needs: not possible on a device}}
  %0 = memref.load %m[%c0] : memref<1xf32>
  return %0 : f32
}
