// RUN: setun-opt %s --setun-emulate-intrinsics=target=aarch64 | FileCheck %s
// RUN: not setun-opt %s --setun-emulate-intrinsics=target=x86-64 2>&1 | FileCheck %s --check-prefix=OTHER

// OTHER: error: the intrinsic llvm.aarch64.neon.{{.*}} has no emulation on target x86-64

// Byte 4l + i of both goes to lane l, for i = 0..3.
// CHECK-LABEL: @sdot
// CHECK-SAME: %[[ACC:.*]]: vector<4xi32>, %[[X:.*]]: vector<16xi8>, %[[Y:.*]]: vector<16xi8>
// CHECK: %[[X0:.*]] = vector.shuffle %[[X]], %[[X]] [0, 4, 8, 12]
// CHECK: %[[WX0:.*]] = arith.extsi %[[X0]] : vector<4xi8> to vector<4xi32>
// CHECK: %[[Y0:.*]] = vector.shuffle %[[Y]], %[[Y]] [0, 4, 8, 12]
// CHECK: %[[WY0:.*]] = arith.extsi %[[Y0]] : vector<4xi8> to vector<4xi32>
// CHECK: %[[P:.*]] = arith.muli %[[WX0]], %[[WY0]] : vector<4xi32>
// CHECK: arith.addi %[[ACC]], %[[P]]
// CHECK-COUNT-2: [1, 5, 9, 13]
// CHECK-COUNT-2: [3, 7, 11, 15]
// CHECK-NOT: call_intrinsic
// CHECK: return
func.func @sdot(%acc: vector<4xi32>, %x: vector<16xi8>, %y: vector<16xi8>) -> vector<4xi32> {
  %0 = llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"(%acc, %x, %y) : (vector<4xi32>, vector<16xi8>, vector<16xi8>) -> vector<4xi32>
  return %0 : vector<4xi32>
}

// Lane 2i + j is row i of one times row j of the other, of eight bytes each.
// CHECK-LABEL: @smmla
// CHECK: vector.shuffle %{{.*}} [0, 0, 8, 8]
// CHECK: vector.shuffle %{{.*}} [0, 8, 0, 8]
// CHECK: arith.muli
// CHECK: vector.shuffle %{{.*}} [7, 7, 15, 15]
// CHECK: vector.shuffle %{{.*}} [7, 15, 7, 15]
// CHECK-NOT: call_intrinsic
// CHECK: return
func.func @smmla(%acc: vector<4xi32>, %x: vector<16xi8>, %y: vector<16xi8>) -> vector<4xi32> {
  %0 = llvm.call_intrinsic "llvm.aarch64.neon.smmla.v4i32.v16i8"(%acc, %x, %y) : (vector<4xi32>, vector<16xi8>, vector<16xi8>) -> vector<4xi32>
  return %0 : vector<4xi32>
}

// CHECK-LABEL: @smull
// CHECK-COUNT-2: arith.extsi %{{.*}} : vector<8xi8> to vector<8xi16>
// CHECK: arith.muli %{{.*}} : vector<8xi16>
// CHECK: return
func.func @smull(%x: vector<8xi8>, %y: vector<8xi8>) -> vector<8xi16> {
  %0 = llvm.call_intrinsic "llvm.aarch64.neon.smull.v8i16"(%x, %y) : (vector<8xi8>, vector<8xi8>) -> vector<8xi16>
  return %0 : vector<8xi16>
}

// An index of 16 or more finds nothing.
// CHECK-LABEL: @tbl
// CHECK-SAME: %[[TABLE:.*]]: vector<16xi8>, %[[INDEX:.*]]: vector<16xi8>
// CHECK: arith.cmpi eq, %[[INDEX]]
// CHECK: vector.shuffle %[[TABLE]], %[[TABLE]] [0, 0, 0,
// CHECK: arith.select
// CHECK: vector.shuffle %[[TABLE]], %[[TABLE]] [15, 15, 15,
// CHECK: arith.select
// CHECK-NOT: call_intrinsic
// CHECK: return
func.func @tbl(%table: vector<16xi8>, %index: vector<16xi8>) -> vector<16xi8> {
  %0 = llvm.call_intrinsic "llvm.aarch64.neon.tbl1.v16i8"(%table, %index) : (vector<16xi8>, vector<16xi8>) -> vector<16xi8>
  return %0 : vector<16xi8>
}

// CHECK-LABEL: @saddlp
// CHECK: vector.shuffle %{{.*}} [0, 2, 4, 6]
// CHECK: vector.shuffle %{{.*}} [1, 3, 5, 7]
// CHECK: arith.addi %{{.*}} : vector<4xi32>
// CHECK-NOT: call_intrinsic
// CHECK: return
func.func @saddlp(%words: vector<8xi16>) -> vector<4xi32> {
  %0 = llvm.call_intrinsic "llvm.aarch64.neon.saddlp.v4i32.v8i16"(%words) : (vector<8xi16>) -> vector<4xi32>
  return %0 : vector<4xi32>
}
