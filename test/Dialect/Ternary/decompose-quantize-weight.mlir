// RUN: setun-opt %s --ternary-decompose-quantize-weight --canonicalize --cse | FileCheck %s

// CHECK: #[[$X:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK: #[[$W:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK: #[[$Y:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>

// CHECK-LABEL: @absmean
// CHECK-DAG: %[[COUNT:.*]] = arith.constant 3.200000e+01 : f32
// CHECK-DAG: %[[EPS:.*]] = arith.constant dense<9.99999974E-6> : tensor<f32>
// CHECK-DAG: %[[ONE:.*]] = arith.constant dense<1.000000e+00> : tensor<f32>
// CHECK: %[[A:.*]] = math.absf %arg0 : tensor<4x8xf32>
// CHECK: %[[SUM:.*]] = linalg.reduce ins(%[[A]] : tensor<4x8xf32>) outs(%{{.*}} : tensor<f32>) dimensions = [0, 1]
// CHECK: arith.addf
// CHECK: %[[N:.*]] = linalg.fill ins(%[[COUNT]] : f32)
// CHECK: %[[MEAN:.*]] = arith.divf %[[SUM]], %[[N]] : tensor<f32>
// CHECK: %[[S:.*]] = arith.maximumf %[[MEAN]], %[[EPS]] : tensor<f32>
// CHECK: %[[I:.*]] = arith.divf %[[ONE]], %[[S]] : tensor<f32>
// CHECK: %[[IB:.*]] = linalg.broadcast ins(%[[I]] : tensor<f32>) outs(%{{.*}} : tensor<4x8xf32>) dimensions = [0, 1]
// CHECK: %[[V:.*]] = arith.mulf %arg0, %[[IB]] : tensor<4x8xf32>
// CHECK: %[[R:.*]] = math.roundeven %[[V]] : tensor<4x8xf32>
// CHECK: %[[L:.*]] = arith.maximumf %[[R]], %{{.*}} : tensor<4x8xf32>
// CHECK: %[[H:.*]] = arith.minimumf %[[L]], %{{.*}} : tensor<4x8xf32>
// CHECK: %[[Q:.*]] = arith.fptosi %[[H]] : tensor<4x8xf32> to tensor<4x8xi8>
// CHECK: %[[T:.*]] = ternary.from_int %[[Q]] : tensor<4x8xi8> -> tensor<4x8x!ternary.trit>
// CHECK: %[[S1:.*]] = tensor.expand_shape %[[S]] [] output_shape [1] : tensor<f32> into tensor<1xf32>
// CHECK: return %[[T]], %[[S1]]
func.func @absmean(%w: tensor<4x8xf32>) -> (tensor<4x8x!ternary.trit>, tensor<1xf32>) {
  %t, %s = ternary.quantize_weight %w : tensor<4x8xf32> -> tensor<4x8x!ternary.trit>, tensor<1xf32>
  return %t, %s : tensor<4x8x!ternary.trit>, tensor<1xf32>
}

// Half floats are summed in f32, and the mean is theirs again.
// CHECK-LABEL: @half_rows
// CHECK: %[[A:.*]] = math.absf %arg0 : tensor<?x8xf16>
// CHECK: %[[F:.*]] = arith.extf %[[A]] : tensor<?x8xf16> to tensor<?x8xf32>
// CHECK: linalg.reduce ins(%[[F]] : tensor<?x8xf32>) outs(%{{.*}} : tensor<?xf32>) dimensions = [1]
// CHECK: %[[M:.*]] = arith.divf %{{.*}} : tensor<?xf32>
// CHECK: arith.truncf %[[M]] : tensor<?xf32> to tensor<?xf16>
// CHECK: linalg.broadcast ins(%{{.*}} : tensor<?xf16>) outs(%{{.*}} : tensor<?x8xf16>) dimensions = [1]
func.func @half_rows(%w: tensor<?x8xf16>) -> (tensor<?x8x!ternary.trit>, tensor<?xf16>) {
  %t, %s = ternary.quantize_weight %w {per_row} : tensor<?x8xf16> -> tensor<?x8x!ternary.trit>, tensor<?xf16>
  return %t, %s : tensor<?x8x!ternary.trit>, tensor<?xf16>
}

// One step a bit of the type, from the highest: no sort.
// CHECK-LABEL: @absmedian
// CHECK-DAG: %[[BITS:.*]] = arith.constant 31 : index
// CHECK-DAG: %[[RANK:.*]] = arith.constant 15 : i64
// CHECK: arith.bitcast %{{.*}} : tensor<4x8xf32> to tensor<4x8xi32>
// CHECK: %[[P:.*]] = scf.for %{{.*}} = %c0 to %[[BITS]] step %c1
// CHECK: arith.cmpi ult, %{{.*}} : tensor<4x8xi32>
// CHECK: linalg.reduce
// CHECK: arith.cmpi sle
// CHECK: arith.select
// CHECK: arith.bitcast %[[P]] : tensor<i32> to tensor<f32>
func.func @absmedian(%w: tensor<4x8xf32>) -> (tensor<4x8x!ternary.trit>, tensor<1xf32>) {
  %t, %s = ternary.quantize_weight %w {method = #ternary<weight_method absmedian>} : tensor<4x8xf32> -> tensor<4x8x!ternary.trit>, tensor<1xf32>
  return %t, %s : tensor<4x8x!ternary.trit>, tensor<1xf32>
}

// A product with computed trits is a product with their integers.
// CHECK-LABEL: @products
// CHECK: %[[I:.*]] = arith.fptosi %{{.*}} : tensor<4x8xf32> to tensor<4x8xi8>
// CHECK-NOT: ternary.matmul
// CHECK: linalg.matmul indexing_maps = [#[[$X]], #[[$W]], #[[$Y]]] ins(%arg1, %[[I]] : tensor<?x8xi8>, tensor<4x8xi8>) outs(%{{.*}} : tensor<?x4xi32>)
// CHECK: %[[F:.*]] = arith.sitofp %[[I]] : tensor<4x8xi8> to tensor<4x8xf16>
// CHECK: linalg.matmul indexing_maps = [#[[$X]], #[[$W]], #[[$Y]]] ins(%arg2, %[[F]] : tensor<?x8xf16>, tensor<4x8xf16>) outs(%{{.*}} : tensor<?x4xf32>)
func.func @products(%w: tensor<4x8xf32>, %q: tensor<?x8xi8>, %x: tensor<?x8xf16>, %a: tensor<?x4xi32>, %f: tensor<?x4xf32>) -> (tensor<?x4xi32>, tensor<?x4xf32>) {
  %t, %s = ternary.quantize_weight %w : tensor<4x8xf32> -> tensor<4x8x!ternary.trit>, tensor<1xf32>
  %0 = ternary.matmul ins(%q, %t : tensor<?x8xi8>, tensor<4x8x!ternary.trit>) outs(%a : tensor<?x4xi32>) -> tensor<?x4xi32>
  %1 = ternary.matmul ins(%x, %t : tensor<?x8xf16>, tensor<4x8x!ternary.trit>) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0, %1 : tensor<?x4xi32>, tensor<?x4xf32>
}

// Other products keep their trits.
// CHECK-LABEL: @other_products
// CHECK: ternary.matmul ins(%arg0, %arg1
func.func @other_products(%q: tensor<?x8xi8>, %t: tensor<4x8x!ternary.trit>, %a: tensor<?x4xi32>) -> tensor<?x4xi32> {
  %0 = ternary.matmul ins(%q, %t : tensor<?x8xi8>, tensor<4x8x!ternary.trit>) outs(%a : tensor<?x4xi32>) -> tensor<?x4xi32>
  return %0 : tensor<?x4xi32>
}
