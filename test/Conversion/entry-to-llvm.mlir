// RUN: setun-opt %s -split-input-file --setun-entry-to-llvm -verify-diagnostics | FileCheck %s

// CHECK:       func.func private @main
// CHECK-SAME:    llvm.linkage = #llvm.linkage<internal>
// CHECK-NOT:     noinline
// CHECK:       func.func private @k{{.*}} attributes {llvm.linkage = #llvm.linkage<internal>, passthrough = ["noinline"]}
func.func @main(%x: memref<?x4xf32> {setun.name = "x", setun.shape = affine_map<()[s, p] -> (s, 4)>},
                %k: memref<8xf32> {setun.name = "k", setun.state = "k1", setun.shape = affine_map<()[s, p] -> (8)>,
                                   setun.next_shape = affine_map<()[s, p] -> (s + p)>},
                %y: memref<i32> {setun.name = "y", setun.output, setun.shape = affine_map<()[s, p] -> ()>},
                %s: index {setun.symbol = "s"}, %p: index {setun.symbol = "p"},
                %w: memref<?xi8> {setun.weights}, %a: memref<?xi8> {setun.arena}, %rt: !llvm.ptr {setun.runtime})
    attributes {setun.entry} {
  call @k(%k) : (memref<8xf32>) -> ()
  return
}
func.func @k(%k: memref<8xf32>) {
  return
}
func.func @main_arena_size(%s: index, %p: index) -> index {
  return %s : index
}

// CHECK-LABEL: func.func @setun_run
// CHECK-SAME:    %[[RT:.*]]: !llvm.ptr, %[[FRAME:.*]]: !llvm.ptr)
// CHECK:         llvm.getelementptr %[[FRAME]][2]
// CHECK-NEXT:    %[[BUFFERS:.*]] = llvm.load
// CHECK:         llvm.getelementptr %[[FRAME]][3]
// CHECK-NEXT:    %[[SYMBOLS:.*]] = llvm.load
// CHECK-NEXT:    llvm.getelementptr %[[SYMBOLS]][0]
// CHECK-NEXT:    %[[S64:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK-NEXT:    %[[S:.*]] = arith.index_cast %[[S64]] : i64 to index
// CHECK:         %[[P:.*]] = arith.index_cast
// CHECK:         llvm.getelementptr %[[BUFFERS]][0]
// CHECK:         %[[X:.*]] = builtin.unrealized_conversion_cast %{{.*}} to memref<?x4xf32>
// CHECK:         llvm.getelementptr %[[BUFFERS]][1]
// CHECK:         %[[K:.*]] = builtin.unrealized_conversion_cast %{{.*}} to memref<8xf32>
// CHECK:         llvm.getelementptr %[[BUFFERS]][2]
// CHECK:         %[[Y:.*]] = builtin.unrealized_conversion_cast %{{.*}} to memref<i32>
// CHECK:         call @main(%[[X]], %[[K]], %[[Y]], %[[S]], %[[P]], %{{.*}}, %{{.*}}, %[[RT]])

// One number for the arena, one for the state (after the run), none for the output of rank 0.
// CHECK-LABEL: func.func @setun_plan
// CHECK-SAME:    %{{.*}}: !llvm.ptr, %[[VALUES:.*]]: !llvm.ptr)
// CHECK:         call @main_arena_size
// CHECK:         affine.apply #{{.*}}()[%{{.*}}, %{{.*}}]
// CHECK:         llvm.getelementptr %[[VALUES]][0]
// CHECK:         llvm.store
// CHECK:         llvm.getelementptr %[[VALUES]][1]
// CHECK:         llvm.store
// CHECK-NOT:     llvm.store
// CHECK:         return

// -----

// No entry: nothing to do.
// CHECK-LABEL: func.func @other()
// CHECK-NOT:   setun_run
func.func @other() {
  return
}

// -----

// expected-error @+1 {{the entry function has no size function; run --setun-plan-memory first}}
func.func @main() attributes {setun.entry} {
  return
}

// -----

func.func @main_arena_size() -> index {
  %0 = arith.constant 0 : index
  return %0 : index
}
// expected-error @+1 {{argument 0 needs a setun.shape of rank 1 over 0 symbols}}
func.func @main(%x: memref<?xf32>) attributes {setun.entry} {
  return
}

// -----

func.func @main_arena_size() -> index {
  %0 = arith.constant 0 : index
  return %0 : index
}
// expected-error @+1 {{argument 0 is not a contiguous buffer}}
func.func @main(%x: tensor<4xf32>) attributes {setun.entry} {
  return
}
