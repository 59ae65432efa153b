// RUN: setun-opt %s -split-input-file -allow-unregistered-dialect --setun-plan-memory -canonicalize -cse -verify-diagnostics | FileCheck %s

// Static sizes: %c takes the place of %a, which is dead; %b lives beside both, %d fills the rest (an alias keeps %b).
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[ARENA:.*]]: memref<?xi8> {setun.arena})
// CHECK-DAG:     %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG:     %[[C64:.*]] = arith.constant 64 : index
// CHECK-DAG:     %[[C128:.*]] = arith.constant 128 : index
// CHECK-NOT:     memref.alloc
// CHECK-DAG:     %[[A:.*]] = memref.view %[[ARENA]][%[[C0]]][] : memref<?xi8> to memref<32xf32>
// CHECK-DAG:     %[[B:.*]] = memref.view %[[ARENA]][%[[C128]]][] : memref<?xi8> to memref<3xf32>
// CHECK-DAG:     %[[C:.*]] = memref.view %[[ARENA]][%[[C0]]][] : memref<?xi8> to memref<8xf64>
// CHECK-DAG:     %[[D:.*]] = memref.view %[[ARENA]][%[[C64]]][] : memref<?xi8> to memref<i32>
// CHECK-NOT:     memref.dealloc
// CHECK-LABEL: func.func @main_arena_size() -> index {
// CHECK-NEXT:    %[[N:.*]] = arith.constant 192 : index
// CHECK-NEXT:    return %[[N]]
func.func @main() attributes {setun.entry} {
  %a = memref.alloc() {alignment = 64 : i64} : memref<32xf32>
  %b = memref.alloc() : memref<3xf32>
  "test.use"(%a, %b) : (memref<32xf32>, memref<3xf32>) -> ()
  memref.dealloc %a : memref<32xf32>
  %sub = memref.subview %b[1] [2] [1] : memref<3xf32> to memref<2xf32, strided<[1], offset: 1>>
  %c = memref.alloc() : memref<8xf64>
  "test.use"(%c) : (memref<8xf64>) -> ()
  %d = memref.alloc() : memref<i32>
  "test.use"(%c, %d) : (memref<8xf64>, memref<i32>) -> ()
  "test.use"(%sub) : (memref<2xf32, strided<[1], offset: 1>>) -> ()
  return
}

// -----

// Sizes by symbols, through dims of arguments: multiples of one unit share memory, 16 n and then 4 n rows of 64 bytes.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[X:.*]]: memref<?x16xf32> {{{.*}}}, %[[N:.*]]: index {setun.symbol = "n"}, %[[P:.*]]: index {setun.symbol = "p"}, %[[ARENA:.*]]: memref<?xi8>
// CHECK-DAG:     %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG:     memref.view %[[ARENA]][%[[C0]]][%{{.*}}] : memref<?xi8> to memref<?x64xf32>
// CHECK-DAG:     memref.view %[[ARENA]][%[[C0]]][%{{.*}}] : memref<?xi8> to memref<?x16xf32>
// CHECK-LABEL: func.func @main_arena_size(
// CHECK-SAME:    %[[N:.*]]: index, %[[P:.*]]: index) -> index
// CHECK-DAG:     %[[LIMIT:.*]] = arith.constant 4611686018427387904 : index
// CHECK-DAG:     %[[UNITS:.*]] = arith.constant 256 : index
// CHECK:         %[[CLAMPED:.*]] = arith.minui %[[N]], %[[LIMIT]]
// CHECK:         arith.muli %[[CLAMPED]], %[[UNITS]]
// CHECK:         arith.select
func.func @main(%x: memref<?x16xf32> {setun.shape = affine_map<()[n, p] -> (n, 16)>}, %n: index {setun.symbol = "n"},
                %p: index {setun.symbol = "p"}) attributes {setun.entry} {
  %c0 = arith.constant 0 : index
  %d = memref.dim %x, %c0 : memref<?x16xf32>
  %a = memref.alloc(%n) : memref<?x64xf32>
  "test.use"(%a) : (memref<?x64xf32>) -> ()
  %b = memref.alloc(%d) : memref<?x16xf32>
  "test.use"(%b) : (memref<?x16xf32>) -> ()
  return
}

// -----

// Units of other polynomials stand behind; small ones are rounded up as a whole: align(4 n p + 4 n n).
// CHECK-LABEL: func.func @main(
// CHECK:         memref.view %{{.*}}[%{{.*}}][%{{.*}}, %{{.*}}] : memref<?xi8> to memref<?x?xf32>
// CHECK-LABEL: func.func @main_arena_size(
// CHECK-DAG:     %[[MASK:.*]] = arith.constant -64 : index
// CHECK:         arith.divui
// CHECK:         arith.andi %{{.*}}, %[[MASK]]
func.func @main(%n: index {setun.symbol = "n"}, %p: index {setun.symbol = "p"}) attributes {setun.entry} {
  %t = affine.apply affine_map<()[a, b] -> (a + b)>()[%n, %p]
  %a = memref.alloc(%n, %t) : memref<?x?xf32>
  "test.use"(%a) : (memref<?x?xf32>) -> ()
  return
}

// -----

// A buffer in a loop has one place for all rounds, kept for the whole loop.
// CHECK-LABEL: func.func @main(
// CHECK-DAG:     %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG:     %[[C64:.*]] = arith.constant 64 : index
// CHECK:         scf.for
// CHECK:           memref.view %{{.*}}[%[[C0]]][] : memref<?xi8> to memref<4xf32>
// CHECK:           memref.view %{{.*}}[%[[C64]]][] : memref<?xi8> to memref<5xf32>
func.func @main(%n: index {setun.symbol = "n"}) attributes {setun.entry} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    %a = memref.alloc() : memref<4xf32>
    "test.use"(%a) : (memref<4xf32>) -> ()
    %b = memref.alloc() : memref<5xf32>
    "test.use"(%b) : (memref<5xf32>) -> ()
  }
  return
}

// -----

// What is subtracted is left out of the bound: n rows hold n - 1. A minimum is one, rounded sizes too.
// CHECK-LABEL: func.func @main_arena_size(
// CHECK-SAME:    %[[N:.*]]: index) -> index
// CHECK-DAG:     %[[C7:.*]] = arith.constant 7 : index
// CHECK-DAG:     %[[C8:.*]] = arith.constant 8 : index
// CHECK-DAG:     %[[C16:.*]] = arith.constant 16 : index
// CHECK-NOT:     arith.subi
// CHECK:         arith.minui %{{.*}}, %[[C16]]
// CHECK:         arith.addi %{{.*}}, %[[C7]]
// CHECK:         arith.divui %{{.*}}, %[[C8]]
func.func @main(%n: index {setun.symbol = "n"}) attributes {setun.entry} {
  %rows = affine.apply affine_map<()[n] -> (n - 1)>()[%n]
  %part = affine.min affine_map<()[n] -> (n, 16)>()[%n]
  %blocks = affine.apply affine_map<()[n] -> (n ceildiv 8)>()[%n]
  %a = memref.alloc(%rows) : memref<?x16xf32>
  %b = memref.alloc(%part) : memref<?x16xf32>
  %c = memref.alloc(%blocks) : memref<?x16xf32>
  "test.use"(%a, %b, %c) : (memref<?x16xf32>, memref<?x16xf32>, memref<?x16xf32>) -> ()
  return
}

// -----

// Nothing to place.
// CHECK-LABEL: func.func @main(%{{[a-z0-9]+}}: memref<?xi8> {setun.arena})
// CHECK-LABEL: func.func @main_arena_size() -> index {
// CHECK-NEXT:    %[[C0:.*]] = arith.constant 0 : index
// CHECK-NEXT:    return %[[C0]]
func.func @main() attributes {setun.entry} {
  return
}

// -----

func.func @main(%x: memref<1xindex>) attributes {setun.entry} {
  %c0 = arith.constant 0 : index
  %n = memref.load %x[%c0] : memref<1xindex>
  // expected-error @+1 {{the size of this buffer is not computed from the symbols alone}}
  %a = memref.alloc(%n) : memref<?xf32>
  "test.use"(%a) : (memref<?xf32>) -> ()
  return
}

// -----

// The sizes of both factors may be negative, and their product not.
func.func @main(%n: index {setun.symbol = "n"}, %p: index {setun.symbol = "p"}) attributes {setun.entry} {
  %c7 = arith.constant 7 : index
  %c2 = arith.constant 2 : index
  %a = arith.subi %n, %c7 : index
  %b = arith.floordivsi %a, %c2 : index
  // expected-error @+1 {{the size of this buffer is not computed from the symbols alone}}
  %0 = memref.alloc(%b, %b) : memref<?x?xf32>
  "test.use"(%0) : (memref<?x?xf32>) -> ()
  return
}

// -----

func.func @main(%n: index {setun.symbol = "n"}) attributes {setun.entry} {
  scf.forall (%i) in (%n) {
    // expected-error @+1 {{a buffer inside a parallel loop needs a place for each thread}}
    %a = memref.alloc() : memref<4xf32>
    "test.use"(%a) : (memref<4xf32>) -> ()
  }
  return
}

// -----

func.func @main(%n: index {setun.symbol = "n"}) attributes {setun.entry} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %init = memref.alloc() : memref<4xf32>
  %last = scf.for %i = %c0 to %n step %c1 iter_args(%old = %init) -> memref<4xf32> {
    // expected-error @+1 {{a buffer made in a loop must not outlive its round}}
    %new = memref.alloc() : memref<4xf32>
    "test.use"(%old, %new) : (memref<4xf32>, memref<4xf32>) -> ()
    scf.yield %new : memref<4xf32>
  }
  "test.use"(%last) : (memref<4xf32>) -> ()
  return
}

// -----

func.func @main() attributes {setun.entry} {
  // expected-error @+1 {{cannot place a buffer of type 'memref<4x4x!ternary.trit>' in the arena}}
  %a = memref.alloc() : memref<4x4x!ternary.trit>
  "test.use"(%a) : (memref<4x4x!ternary.trit>) -> ()
  return
}
