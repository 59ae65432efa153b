// RUN: setun-opt %s -split-input-file -allow-unregistered-dialect --setun-hoist-scratch -verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @loop
// CHECK-NEXT:    %{{.*}} = memref.alloca() : memref<16xf32>
// CHECK:         scf.for
// CHECK-NOT:       memref.alloca
func.func @loop(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    %t = memref.alloca() : memref<16xf32>
    "test.use"(%t) : (memref<16xf32>) -> ()
  }
  return
}

// Each thread keeps its own; outside loops a dynamic size is fine.
// CHECK-LABEL: func.func @stays
// CHECK:         memref.alloca(%{{.*}}) : memref<?xf32>
// CHECK:         scf.forall
// CHECK-NEXT:      %{{.*}} = memref.alloca() : memref<16xf32>
func.func @stays(%n: index) {
  %d = memref.alloca(%n) : memref<?xf32>
  scf.forall (%i) in (%n) {
    %t = memref.alloca() : memref<16xf32>
    "test.use"(%t, %d) : (memref<16xf32>, memref<?xf32>) -> ()
  }
  return
}

// -----

func.func @dynamic(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    // expected-error @+1 {{scratch of dynamic size inside a loop would use up the stack}}
    %t = memref.alloca(%i) : memref<?xf32>
    "test.use"(%t) : (memref<?xf32>) -> ()
  }
  return
}
