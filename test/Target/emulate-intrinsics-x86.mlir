// RUN: setun-opt %s --split-input-file --verify-diagnostics --setun-emulate-intrinsics=target=x86-64 | FileCheck %s
// RUN: not setun-opt %s --split-input-file --setun-emulate-intrinsics=target=pdp11 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: unknown target 'pdp11'; known: generic,

// CHECK-LABEL: @bytes
func.func @bytes(%a: vector<32xi8>, %b: vector<32xi8>) -> vector<16xi16> {
  // CHECK: vector.shuffle {{.*}} [0, 2, 4, 6,
  // CHECK: arith.extui {{.*}} : vector<16xi8> to vector<16xi32>
  // CHECK: arith.extsi {{.*}} : vector<16xi8> to vector<16xi32>
  // CHECK: vector.shuffle {{.*}} [1, 3, 5, 7,
  // CHECK: arith.addi
  // CHECK: arith.maxsi
  // CHECK: arith.minsi
  // CHECK: arith.trunci {{.*}} to vector<16xi16>
  %0 = llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"(%a, %b) : (vector<32xi8>, vector<32xi8>) -> vector<16xi16>
  return %0 : vector<16xi16>
}

// CHECK-LABEL: @words
func.func @words(%a: vector<16xi16>, %b: vector<16xi16>) -> vector<8xi32> {
  // CHECK-NOT: arith.extui
  // CHECK: arith.extsi {{.*}} : vector<8xi16> to vector<8xi32>
  // CHECK: arith.addi
  // CHECK-NOT: arith.maxsi
  // CHECK: return
  %0 = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%a, %b) : (vector<16xi16>, vector<16xi16>) -> vector<8xi32>
  return %0 : vector<8xi32>
}

// Bytes 0, 4, 8, ... of each operand, then 1, 5, 9, ...
// CHECK-LABEL: @dot
func.func @dot(%acc: vector<8xi32>, %a: vector<32xi8>, %b: vector<32xi8>) -> vector<8xi32> {
  // CHECK: vector.shuffle %{{.*}}, %{{.*}} [0, 4, 8, 12, 16, 20, 24, 28]
  // CHECK: vector.shuffle %{{.*}}, %{{.*}} [0, 4, 8, 12, 16, 20, 24, 28]
  // CHECK: arith.extui {{.*}} : vector<8xi8> to vector<8xi32>
  // CHECK: arith.extsi {{.*}} : vector<8xi8> to vector<8xi32>
  // CHECK: vector.shuffle %{{.*}}, %{{.*}} [3, 7, 11, 15, 19, 23, 27, 31]
  // CHECK-NOT: arith.maxsi
  // CHECK: return
  %0 = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"(%acc, %a, %b) : (vector<8xi32>, vector<32xi8>, vector<32xi8>) -> vector<8xi32>
  return %0 : vector<8xi32>
}

// CHECK-LABEL: @dot512
func.func @dot512(%acc: vector<16xi32>, %a: vector<64xi8>, %b: vector<64xi8>) -> vector<16xi32> {
  // CHECK: arith.extui {{.*}} : vector<16xi8> to vector<16xi32>
  // CHECK-NOT: llvm.call_intrinsic
  // CHECK: return
  %0 = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%acc, %a, %b) : (vector<16xi32>, vector<64xi8>, vector<64xi8>) -> vector<16xi32>
  return %0 : vector<16xi32>
}

// CHECK-LABEL: @nothing_to_do
func.func @nothing_to_do(%a: vector<4xi32>) -> vector<4xi32> {
  // CHECK: %[[SUM:.*]] = arith.addi
  // CHECK-NEXT: return %[[SUM]]
  %0 = arith.addi %a, %a : vector<4xi32>
  return %0 : vector<4xi32>
}

// -----

// What cannot run elsewhere is not passed over.
func.func @other(%a: vector<4xf32>) -> vector<4xf32> {
  // expected-error @below {{the intrinsic llvm.x86.sse.rcp.ps has no emulation on target x86-64}}
  %0 = llvm.call_intrinsic "llvm.x86.sse.rcp.ps"(%a) : (vector<4xf32>) -> vector<4xf32>
  return %0 : vector<4xf32>
}
