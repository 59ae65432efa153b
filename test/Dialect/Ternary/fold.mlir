// RUN: setun-opt %s --canonicalize | FileCheck %s

#canonical = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>
#tiled = #ternary.encoding<bits = 2, tile = [2, 4], interleave = 1>

// CHECK-LABEL: @pack_of_unpack
// CHECK-NEXT: return %arg0
func.func @pack_of_unpack(%b: tensor<8xi8>) -> tensor<8xi8> {
  %t = ternary.unpack %b {encoding = #canonical} : tensor<8xi8> -> tensor<4x8x!ternary.trit>
  %p = ternary.pack %t {encoding = #canonical} : tensor<4x8x!ternary.trit> -> tensor<8xi8>
  return %p : tensor<8xi8>
}

// CHECK-LABEL: @unpack_of_pack
// CHECK-NEXT: return %arg0
func.func @unpack_of_pack(%t: tensor<4x8x!ternary.trit>) -> tensor<4x8x!ternary.trit> {
  %p = ternary.pack %t {encoding = #tiled} : tensor<4x8x!ternary.trit> -> tensor<8xi8>
  %u = ternary.unpack %p {encoding = #tiled} : tensor<8xi8> -> tensor<4x8x!ternary.trit>
  return %u : tensor<4x8x!ternary.trit>
}

// Another layout is other bytes.
// CHECK-LABEL: @repack
// CHECK: ternary.unpack
// CHECK: ternary.pack
func.func @repack(%b: tensor<8xi8>) -> tensor<8xi8> {
  %t = ternary.unpack %b {encoding = #canonical} : tensor<8xi8> -> tensor<4x8x!ternary.trit>
  %p = ternary.pack %t {encoding = #tiled} : tensor<4x8x!ternary.trit> -> tensor<8xi8>
  return %p : tensor<8xi8>
}

// The same bytes can hold another shape.
// CHECK-LABEL: @reshape
// CHECK: ternary.pack
// CHECK: ternary.unpack
func.func @reshape(%t: tensor<4x8x!ternary.trit>) -> tensor<8x4x!ternary.trit> {
  %p = ternary.pack %t {encoding = #canonical} : tensor<4x8x!ternary.trit> -> tensor<8xi8>
  %u = ternary.unpack %p {encoding = #canonical} : tensor<8xi8> -> tensor<8x4x!ternary.trit>
  return %u : tensor<8x4x!ternary.trit>
}

// -1 0 1 1 | 0: codes 0 1 2 2 and 1, the rest zero trits.
// CHECK-LABEL: @pack_constant
// CHECK: %[[C:.*]] = arith.constant dense<[-92, 85]> : tensor<2xi8>
// CHECK-NEXT: return %[[C]]
func.func @pack_constant() -> tensor<2xi8> {
  %t = ternary.constant dense<[[-1, 0, 1, 1, 0]]> : tensor<1x5xi8> -> tensor<1x5x!ternary.trit>
  %p = ternary.pack %t {encoding = #canonical} : tensor<1x5x!ternary.trit> -> tensor<2xi8>
  return %p : tensor<2xi8>
}

// CHECK-LABEL: @unpack_constant
// CHECK: %[[C:.*]] = ternary.constant dense<{{\[\[}}-1, 0, 1, 1, 0]]> : tensor<1x5xi8> -> tensor<1x5x!ternary.trit>
// CHECK-NEXT: return %[[C]]
func.func @unpack_constant() -> tensor<1x5x!ternary.trit> {
  %b = arith.constant dense<[-92, 85]> : tensor<2xi8>
  %t = ternary.unpack %b {encoding = #canonical} : tensor<2xi8> -> tensor<1x5x!ternary.trit>
  return %t : tensor<1x5x!ternary.trit>
}

// The code 3 is no trit.
// CHECK-LABEL: @unpack_bad_code
// CHECK: ternary.unpack
func.func @unpack_bad_code() -> tensor<1x4x!ternary.trit> {
  %b = arith.constant dense<-1> : tensor<1xi8>
  %t = ternary.unpack %b {encoding = #canonical} : tensor<1xi8> -> tensor<1x4x!ternary.trit>
  return %t : tensor<1x4x!ternary.trit>
}

// CHECK-LABEL: @dequantize_constants
// CHECK-DAG: %[[I:.*]] = arith.constant dense<{{\[\[}}-1, 0, 1, 1], [0, 1, -1, 0]]> : tensor<2x4xi8>
// CHECK-DAG: %[[H:.*]] = arith.constant dense<{{\[\[}}-1.000000e+00, 0.000000e+00, 1.000000e+00, 1.000000e+00], [0.000000e+00, 1.000000e+00, -1.000000e+00, 0.000000e+00]]> : tensor<2x4xf16>
// CHECK-DAG: %[[T:.*]] = arith.constant dense<{{\[\[}}-2.500000e-01, 0.000000e+00, 2.500000e-01, 2.500000e-01], [0.000000e+00, 2.500000e-01, -2.500000e-01, 0.000000e+00]]> : tensor<2x4xf32>
// CHECK-DAG: %[[R:.*]] = arith.constant dense<{{\[\[}}-2.000000e+00, 0.000000e+00, 2.000000e+00, 2.000000e+00], [0.000000e+00, 3.000000e+00, -3.000000e+00, 0.000000e+00]]> : tensor<2x4xf32>
// CHECK-DAG: %[[G:.*]] = arith.constant dense<{{\[\[}}-1.000000e+00, 0.000000e+00, 2.000000e+00, 2.000000e+00], [0.000000e+00, 3.000000e+00, -4.000000e+00, 0.000000e+00]]> : tensor<2x4xf32>
// CHECK: return %[[I]], %[[H]], %[[T]], %[[R]], %[[G]]
func.func @dequantize_constants() -> (tensor<2x4xi8>, tensor<2x4xf16>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %t = ternary.constant dense<[[-1, 0, 1, 1], [0, 1, -1, 0]]> : tensor<2x4xi8> -> tensor<2x4x!ternary.trit>
  %tensor = arith.constant dense<0.25> : tensor<1xf32>
  %row = arith.constant dense<[2.0, 3.0]> : tensor<2xf32>
  %group = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %0 = ternary.dequantize %t : tensor<2x4x!ternary.trit> -> tensor<2x4xi8>
  %1 = ternary.dequantize %t : tensor<2x4x!ternary.trit> -> tensor<2x4xf16>
  %2 = ternary.dequantize %t, %tensor : tensor<2x4x!ternary.trit>, tensor<1xf32> -> tensor<2x4xf32>
  %3 = ternary.dequantize %t, %row : tensor<2x4x!ternary.trit>, tensor<2xf32> -> tensor<2x4xf32>
  %4 = ternary.dequantize %t, %group : tensor<2x4x!ternary.trit>, tensor<2x2xf32> -> tensor<2x4xf32>
  return %0, %1, %2, %3, %4 : tensor<2x4xi8>, tensor<2x4xf16>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}

// Weights stay where they are: one trit past the limit and nothing is copied into the IR.
// CHECK-LABEL: @large
// CHECK: ternary.constant dense<1>
// CHECK: ternary.pack
func.func @large() -> tensor<16640xi8> {
  %t = ternary.constant dense<1> : tensor<260x256xi8> -> tensor<260x256x!ternary.trit>
  %p = ternary.pack %t {encoding = #canonical} : tensor<260x256x!ternary.trit> -> tensor<16640xi8>
  return %p : tensor<16640xi8>
}

// CHECK-LABEL: @from_int
// CHECK-DAG: %[[C:.*]] = ternary.constant dense<{{\[\[}}-1, 0, 1]]> : tensor<1x3xi8>
// CHECK: return %[[C]], %arg0, %arg1
func.func @from_int(%t: tensor<1x3x!ternary.trit>, %i: tensor<1x3xi8>) -> (tensor<1x3x!ternary.trit>, tensor<1x3x!ternary.trit>, tensor<1x3xi8>) {
  %c = arith.constant dense<[[-1, 0, 1]]> : tensor<1x3xi8>
  %0 = ternary.from_int %c : tensor<1x3xi8> -> tensor<1x3x!ternary.trit>
  %d = ternary.dequantize %t : tensor<1x3x!ternary.trit> -> tensor<1x3xi8>
  %1 = ternary.from_int %d : tensor<1x3xi8> -> tensor<1x3x!ternary.trit>
  %f = ternary.from_int %i : tensor<1x3xi8> -> tensor<1x3x!ternary.trit>
  %2 = ternary.dequantize %f : tensor<1x3x!ternary.trit> -> tensor<1x3xi8>
  return %0, %1, %2 : tensor<1x3x!ternary.trit>, tensor<1x3x!ternary.trit>, tensor<1x3xi8>
}

// CHECK-LABEL: @from_other_int
// CHECK: ternary.from_int
func.func @from_other_int() -> tensor<2x!ternary.trit> {
  %c = arith.constant dense<[2, 0]> : tensor<2xi8>
  %0 = ternary.from_int %c : tensor<2xi8> -> tensor<2x!ternary.trit>
  return %0 : tensor<2x!ternary.trit>
}
