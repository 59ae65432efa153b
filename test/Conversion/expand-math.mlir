// RUN: setun-opt %s --setun-expand-math --canonicalize --cse | FileCheck %s
// RUN: setun-opt %s --setun-expand-math=convert-half --canonicalize --cse | FileCheck %s --check-prefix=HALF

// Scalars and vectors get the same ops.
// CHECK-LABEL: @exp
// CHECK-NOT: math.exp
// CHECK-NOT: math.fma
// CHECK: arith.mulf {{.*}} : f32
// CHECK: arith.shli {{.*}} : i32
// CHECK: arith.mulf {{.*}} : vector<8xf32>
// CHECK: arith.shli {{.*}} : vector<8xi32>
// CHECK-NOT: math.
// CHECK: return
func.func @exp(%x: f32, %v: vector<8xf32>) -> (f32, vector<8xf32>) {
  %0 = math.exp %x : f32
  %1 = math.exp %v : vector<8xf32>
  return %0, %1 : f32, vector<8xf32>
}

// CHECK-LABEL: @widen
// CHECK-NEXT: %[[C:.*]] = arith.constant 16 : i32
// CHECK-NEXT: %[[B:.*]] = arith.bitcast %{{.*}} : bf16 to i16
// CHECK-NEXT: %[[I:.*]] = arith.extui %[[B]] : i16 to i32
// CHECK-NEXT: %[[S:.*]] = arith.shli %[[I]], %[[C]] : i32
// CHECK-NEXT: arith.bitcast %[[S]] : i32 to f32
func.func @widen(%x: bf16) -> f32 {
  %0 = arith.extf %x : bf16 to f32
  return %0 : f32
}

// Narrow arithmetic is done in f32 and rounded after every op, in place where the result is only widened again.
// CHECK-LABEL: @narrow
// CHECK-NOT: f16 to f32
// CHECK: arith.mulf {{.*}} : f32
// CHECK-NOT: arith.trunci
// CHECK: %[[SUM:.*]] = arith.addf %{{.*}}, %[[PLACE:.*]] : f32
// CHECK-NEXT: arith.subf %[[SUM]], %[[PLACE]] : f32
// CHECK-NOT: arith.trunci
// CHECK: %[[BITS:.*]] = arith.ori
// CHECK-NEXT: %[[PRODUCT:.*]] = arith.bitcast %[[BITS]] : i32 to f32
// CHECK-NEXT: arith.addf %[[PRODUCT]], %{{.*}} : f32
// CHECK: arith.trunci {{.*}} : i32 to i16
//
// HALF-LABEL: @narrow
// HALF:      %[[Y:.*]] = arith.extf %arg1 : f16 to f32
// HALF-NEXT: arith.mulf
// HALF-NEXT: arith.truncf {{.*}} : f32 to f16
// HALF-NEXT: arith.extf {{.*}} : f16 to f32
// HALF-NEXT: arith.addf
// HALF-NEXT: %[[R:.*]] = arith.truncf {{.*}} : f32 to f16
// HALF-NEXT: return %[[R]]
func.func @narrow(%x: f16, %y: f16) -> f16 {
  %0 = arith.mulf %x, %y : f16
  %1 = arith.addf %0, %y : f16
  return %1 : f16
}

// A value that only changes its sign is one of f16 already.
// CHECK-LABEL: @negate
// CHECK: %[[MINUS:.*]] = arith.negf %{{.*}} : f32
// CHECK-NEXT: arith.addf %{{.*}}, %[[MINUS]] : f32
// CHECK-NOT: arith.subf
// CHECK: arith.trunci {{.*}} : i32 to i16
func.func @negate(%x: f16) -> f16 {
  %0 = arith.negf %x : f16
  %1 = arith.addf %x, %0 : f16
  return %1 : f16
}

// CHECK-LABEL: @square
// CHECK-NEXT: arith.mulf %arg0, %arg0
func.func @square(%x: f32) -> f32 {
  %c = arith.constant 2.0 : f32
  %0 = math.powf %x, %c : f32
  return %0 : f32
}

// What the hardware has, and what has no expansion, stays.
// CHECK-LABEL: @others
// CHECK: math.sqrt
// CHECK: math.absf
// CHECK: math.exp {{.*}} : f64
// CHECK: arith.addf {{.*}} : f32
func.func @others(%x: f32, %d: f64) -> (f32, f64) {
  %0 = math.sqrt %x : f32
  %1 = math.absf %0 : f32
  %2 = math.exp %d : f64
  %3 = arith.addf %1, %x : f32
  return %3, %2 : f32, f64
}

// A float that does not fit an integer has a result all the same; narrow integers go through i32.
// CHECK-LABEL: @integers
// CHECK: %[[FITS:.*]] = arith.cmpf olt
// CHECK: %[[CUT:.*]] = arith.fptosi %{{.*}} : vector<8xf32> to vector<8xi32>
// CHECK: %[[WIDE:.*]] = arith.select %[[FITS]], %[[CUT]], %{{.*}}
// CHECK: arith.trunci %[[WIDE]] : vector<8xi32> to vector<8xi8>
// CHECK: arith.fptosi {{.*}} : f64 to i64
// CHECK: arith.trunci {{.*}} : i64 to i32
func.func @integers(%x: vector<8xf32>, %d: f64) -> (vector<8xi8>, i32) {
  %0 = arith.fptosi %x : vector<8xf32> to vector<8xi8>
  %1 = arith.fptoui %d : f64 to i32
  return %0, %1 : vector<8xi8>, i32
}
