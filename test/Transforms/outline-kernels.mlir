// RUN: setun-opt %s -split-input-file -allow-unregistered-dialect --setun-outline-kernels -verify-diagnostics | FileCheck %s

// Equal steps are one function, whatever their location, weights and offsets. Where only a constant tells them apart, it
// is an argument; where all have the same, it is inside.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %[[A:.*]]: memref<?x8xf32>, %[[B:.*]]: memref<?x8xf32>, %[[M:.*]]: memref<2x8xf32>, %[[N:.*]]: index
// CHECK-DAG:     %[[ZERO:.*]] = arith.constant 0.0
// CHECK-DAG:     %[[ONE:.*]] = arith.constant 1.0
// CHECK:         call @linalg_fill_0(%[[A]], %[[ZERO]]) : (memref<?x8xf32>, f32) -> ()
// CHECK-NEXT:    call @linalg_fill_0(%[[B]], %[[ZERO]]) : (memref<?x8xf32>, f32) -> ()
// CHECK-NEXT:    call @linalg_fill_0(%[[B]], %[[ONE]]) : (memref<?x8xf32>, f32) -> ()
// CHECK:         %[[CAST0:.*]] = memref.cast %{{.*}} to memref<8xf32, strided<[1], offset: ?>>
// CHECK-NEXT:    call @linalg_fill_1(%[[CAST0]])
// CHECK:         %[[CAST1:.*]] = memref.cast %{{.*}} to memref<8xf32, strided<[1], offset: ?>>
// CHECK-NEXT:    call @linalg_fill_1(%[[CAST1]])
// CHECK-NEXT:    memref.copy
// CHECK-NEXT:    call @scf_for_0(%[[N]], %[[A]]) : (index, memref<?x8xf32>) -> ()
// CHECK-NEXT:    call @ternary_matmul_0(
// CHECK-NEXT:    return
func.func @main(%a: memref<?x8xf32>, %b: memref<?x8xf32>, %m: memref<2x8xf32>, %n: index {setun.symbol = "n"},
                %q: memref<?x16xi8>, %w: memref<32xi8>, %acc: memref<?x8xi32>) attributes {setun.entry} {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  linalg.fill ins(%zero : f32) outs(%a : memref<?x8xf32>) loc("layers.0")
  linalg.fill ins(%zero : f32) outs(%b : memref<?x8xf32>) loc("layers.1")
  linalg.fill ins(%one : f32) outs(%b : memref<?x8xf32>)
  %row = memref.subview %m[1, 0] [1, 8] [1, 1] : memref<2x8xf32> to memref<8xf32, strided<[1], offset: 8>>
  linalg.fill ins(%one : f32) outs(%row : memref<8xf32, strided<[1], offset: 8>>)
  %part = memref.subview %m[1, 0] [1, 8] [1, 1] : memref<2x8xf32> to memref<8xf32, strided<[1], offset: 8>>
  linalg.fill ins(%one : f32) outs(%part : memref<8xf32, strided<[1], offset: 8>>)
  memref.copy %a, %b : memref<?x8xf32> to memref<?x8xf32>
  scf.for %i = %c0 to %n step %c1 {
    memref.store %one, %a[%i, %c0] : memref<?x8xf32>
  }
  ternary.matmul ins(%q, %w : memref<?x16xi8>, memref<32xi8>) outs(%acc : memref<?x8xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>}
  return
}
// CHECK-LABEL: func.func private @linalg_fill_0(
// CHECK-SAME:    %[[M:.*]]: memref<?x8xf32>, %[[V:.*]]: f32)
// CHECK-NEXT:    linalg.fill ins(%[[V]] : f32) outs(%[[M]]
// CHECK-LABEL: func.func private @linalg_fill_1(
// CHECK-SAME:    %[[M:.*]]: memref<8xf32, strided<[1], offset: ?>>)
// CHECK-NEXT:    %[[ONE:.*]] = arith.constant 1.0
// CHECK-NEXT:    linalg.fill ins(%[[ONE]] : f32) outs(%[[M]]
// CHECK-LABEL: func.func private @scf_for_0
// CHECK-LABEL: func.func private @ternary_matmul_0

// -----

// Numbers that a step computes come back; index arithmetic, loads and stores stay.
// CHECK-LABEL: func.func @main
// CHECK:         %[[R:.*]] = call @scf_for_0(%{{.*}}, %{{.*}}) : (index, memref<?xf32>) -> f32
// CHECK-NEXT:    memref.store %[[R]]
// CHECK-NEXT:    call @linalg_fill_0(%[[R]], %{{.*}})
// CHECK-NOT:     call
func.func @main(%a: memref<?xf32>, %n: index {setun.symbol = "n"}) attributes {setun.entry} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %s = scf.for %i = %c0 to %n step %c1 iter_args(%t = %zero) -> f32 {
    %v = memref.load %a[%i] : memref<?xf32>
    %u = arith.addf %t, %v : f32
    scf.yield %u : f32
  }
  memref.store %s, %a[%c0] : memref<?xf32>
  linalg.fill ins(%s : f32) outs(%a : memref<?xf32>)
  return
}

// -----

// No entry: nothing is a step.
// CHECK-LABEL: func.func @other
// CHECK-NEXT:    linalg.fill
func.func @other(%a: memref<?xf32>, %v: f32) {
  linalg.fill ins(%v : f32) outs(%a : memref<?xf32>)
  return
}

// -----

// expected-error @+1 {{the entry function must be one block}}
func.func @main() attributes {setun.entry} {
  cf.br ^next
^next:
  return
}
