// RUN: setun-opt %s --setun-verify-contract=stage=target --split-input-file --verify-diagnostics | FileCheck %s
// RUN: not setun-opt %s --setun-verify-contract=stage=final --split-input-file 2>&1 | FileCheck %s --check-prefix=STAGE
// STAGE: unknown stage 'final': stages are input, ternary and target

// CHECK-LABEL: @main
func.func @main(%x: memref<4xf32>, %s: index, %w: memref<?xi8>, %a: memref<?xi8>, %rt: !llvm.ptr) attributes {setun.entry} {
  %c0 = arith.constant 0 : index
  %v = memref.view %a[%c0][] : memref<?xi8> to memref<4xf32>
  return
}
func.func @main_arena_size(%s: index) -> index {
  return %s : index
}

// -----

// expected-error @below {{the entry function must end with weights and arena (memref<?xi8>), and perhaps the runtime's pointer, and return nothing}}
func.func @main(%x: memref<4xf32>) attributes {setun.entry} {
  return
}

// -----

// expected-error @below {{the target contract needs @main_arena_size(symbols...) -> index}}
func.func @main(%w: memref<?xi8>, %a: memref<?xi8>, %rt: !llvm.ptr) attributes {setun.entry} {
  return
}

// -----

func.func @main(%w: memref<?xi8>, %a: memref<?xi8>) attributes {setun.entry} {
  // expected-error @below {{'memref.alloc' op may not stand in the target contract: every buffer is a view of the arena}}
  %m = memref.alloc() : memref<4xf32>
  return
}
func.func @main_arena_size() -> index {
  %c0 = arith.constant 0 : index
  return %c0 : index
}

// -----

func.func @main(%w: memref<?xi8>, %a: memref<?xi8>, %rt: !llvm.ptr) attributes {setun.entry} {
  %c = arith.constant 1.0 : f32
  // expected-error @below {{'arith.addf' op has fast-math flags, which change bits}}
  %d = arith.addf %c, %c fastmath<reassoc> : f32
  return
}
func.func @main_arena_size() -> index {
  %c0 = arith.constant 0 : index
  return %c0 : index
}

// -----

func.func @main(%w: memref<?xi8>, %a: memref<?xi8>, %rt: !llvm.ptr) attributes {setun.entry} {
  // expected-error @below {{'arith.constant' op is on tensors, which the target contract does not have}}
  %c = arith.constant dense<1.0> : tensor<4xf32>
  return
}
func.func @main_arena_size() -> index {
  %c0 = arith.constant 0 : index
  return %c0 : index
}

// -----

func.func @main(%w: memref<?xi8>, %a: memref<?xi8>, %rt: !llvm.ptr) attributes {setun.entry} {
  // expected-error @below {{'scf.forall' op must be over one dimension and on buffers in the target contract}}
  scf.forall (%i, %j) in (4, 4) {
  }
  return
}
func.func @main_arena_size() -> index {
  %c0 = arith.constant 0 : index
  return %c0 : index
}
