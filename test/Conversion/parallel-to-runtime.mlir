// RUN: setun-opt %s -split-input-file --setun-parallel-to-runtime -canonicalize -verify-diagnostics | FileCheck %s

// A kernel that has a parallel loop gets the runtime, and so does its caller.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %[[M:.*]]: memref<?xf32>, %[[N:.*]]: index {setun.symbol = "n"}, %[[RT:.*]]: !llvm.ptr {setun.runtime})
// CHECK:         call @k(%[[M]], %[[N]], %[[RT]])
// CHECK-NEXT:    call @serial(%[[M]]) : (memref<?xf32>) -> ()
func.func @main(%m: memref<?xf32>, %n: index {setun.symbol = "n"}) attributes {setun.entry} {
  call @k(%m, %n) : (memref<?xf32>, index) -> ()
  call @serial(%m) : (memref<?xf32>) -> ()
  return
}

// CHECK-LABEL: func.func private @k
// CHECK-SAME:    %[[M:.*]]: memref<?xf32>, %[[N:.*]]: index, %[[RT:.*]]: !llvm.ptr {setun.runtime})
// CHECK-DAG:     %[[GRAIN:.*]] = arith.constant 8 : i64
// CHECK-DAG:     %[[ENV:.*]] = llvm.alloca %{{.*}} x !llvm.struct<(struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>)>
// CHECK:         llvm.store
// CHECK:         %[[COUNT:.*]] = arith.index_cast %[[N]] : index to i64
// CHECK:         %[[F:.*]] = llvm.load %[[RT]] : !llvm.ptr -> !llvm.ptr
// CHECK:         llvm.call %[[F]](%[[RT]], %[[COUNT]], %[[GRAIN]], %{{.*}}, %[[ENV]])
func.func private @k(%m: memref<?xf32>, %n: index) {
  %one = arith.constant 1.0 : f32
  scf.forall (%i) in (%n) {
    %v = memref.load %m[%i] : memref<?xf32>
    %w = arith.addf %v, %one : f32
    memref.store %w, %m[%i] : memref<?xf32>
  } {setun.grain = 8 : i64}
  return
}

// CHECK-LABEL: func.func private @serial(%{{.*}}: memref<?xf32>) {
func.func private @serial(%m: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1.0 : f32
  memref.store %one, %m[%c0] : memref<?xf32>
  return
}

// The body runs a range and makes its constants itself.
// CHECK-LABEL: func.func private @k_body
// CHECK-SAME:    %[[ENV:.*]]: !llvm.ptr, %[[B:.*]]: i64, %[[E:.*]]: i64)
// CHECK-DAG:     %[[ONE:.*]] = arith.constant 1.0
// CHECK-DAG:     %[[BEGIN:.*]] = arith.index_cast %[[B]]
// CHECK-DAG:     %[[END:.*]] = arith.index_cast %[[E]]
// CHECK:         scf.for %[[I:.*]] = %[[BEGIN]] to %[[END]]
// CHECK:           memref.load %{{.*}}[%[[I]]]

// -----

// Bounds and step; a parallel loop inside runs serially; a check in it calls `fail` and goes on.
// CHECK-LABEL: llvm.mlir.global private constant @setun_message_0("bad value\00")
// CHECK-LABEL: func.func private @k
// CHECK:         arith.ceildivsi
// CHECK-LABEL: func.func private @k_body
// CHECK:         scf.for
// CHECK:           arith.muli
// CHECK:           arith.addi
// CHECK:           scf.for
// CHECK:             scf.if
// CHECK:               %[[AT:.*]] = llvm.getelementptr %[[RT:.*]][8]
// CHECK:               %[[FAIL:.*]] = llvm.load %[[AT]]
// CHECK:               llvm.call %[[FAIL]](%[[RT]], %{{.*}}) : !llvm.ptr, (!llvm.ptr, !llvm.ptr) -> ()
// CHECK-NOT:     scf.forall
// CHECK-NOT:     cf.assert
func.func private @k(%m: memref<?x8xf32>, %a: index, %b: index, %s: index) {
  scf.forall (%i) = (%a) to (%b) step (%s) {
    scf.forall (%j) in (8) {
      %v = memref.load %m[%i, %j] : memref<?x8xf32>
      %ok = arith.cmpf ord, %v, %v : f32
      cf.assert %ok, "bad value"
    }
  }
  return
}

// -----

// No parallel loop: the entry alone gets the runtime.
// CHECK-LABEL: func.func @main(%{{.*}}: !llvm.ptr {setun.runtime})
// CHECK-NEXT:    return
func.func @main() attributes {setun.entry} {
  return
}

// -----

func.func private @k(%m: memref<?x?xf32>, %n: index) {
  // expected-error @+1 {{a parallel loop must have one dimension and no results}}
  scf.forall (%i, %j) in (%n, %n) {
  }
  return
}
