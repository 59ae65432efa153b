// RUN: setun-opt %s --split-input-file --verify-diagnostics

// One case for each constraint of ConstantOps.td.

func.func @constant_c1_range() {
  // expected-error@+1 {{C1: each element of `value` must be -1, 0 or 1}}
  %0 = ternary.constant dense<[0, 2]> : tensor<2xi8> -> tensor<2x!ternary.trit>
  return
}

// -----

func.func @constant_c1_splat() {
  // expected-error@+1 {{C1: each element of `value` must be -1, 0 or 1}}
  %0 = ternary.constant dense<-2> : tensor<2xi8> -> tensor<2x!ternary.trit>
  return
}

// -----

func.func @constant_c1_type() {
  // expected-error@+1 {{C1: `value` must be a dense constant of i8}}
  %0 = ternary.constant dense<1> : tensor<2xi32> -> tensor<2x!ternary.trit>
  return
}

// -----

func.func @constant_c2() {
  // expected-error@+1 {{C2: the result must have the shape of `value`}}
  %0 = ternary.constant dense<1> : tensor<2x3xi8> -> tensor<3x2x!ternary.trit>
  return
}

// -----

func.func @pack_c1_dynamic(%t: tensor<?x4x!ternary.trit>) {
  // expected-error@+1 {{C1: `trits` must be a static matrix}}
  %0 = ternary.pack %t {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>} : tensor<?x4x!ternary.trit> -> tensor<4xi8>
  return
}

// -----

func.func @pack_c1_rank(%t: tensor<16x!ternary.trit>) {
  // expected-error@+1 {{C1: `trits` must be a static matrix}}
  %0 = ternary.pack %t {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>} : tensor<16x!ternary.trit> -> tensor<4xi8>
  return
}

// -----

func.func @pack_c2(%t: tensor<3x5x!ternary.trit>) {
  // expected-error@+1 {{C2: `packed` must be a tensor<6xi8>}}
  %0 = ternary.pack %t {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>} : tensor<3x5x!ternary.trit> -> tensor<4xi8>
  return
}

// -----

func.func @pack_c2_dynamic(%t: tensor<3x5x!ternary.trit>) {
  // expected-error@+1 {{C2: `packed` must be a tensor<6xi8>}}
  %0 = ternary.pack %t {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>} : tensor<3x5x!ternary.trit> -> tensor<?xi8>
  return
}

// -----

func.func @pack_c2_huge(%t: tensor<4611686018427387904x4611686018427387904x!ternary.trit>) {
  // expected-error@+1 {{C2: `packed` must be a tensor<9223372036854775807xi8>}}
  %0 = ternary.pack %t {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>}
    : tensor<4611686018427387904x4611686018427387904x!ternary.trit> -> tensor<0xi8>
  return
}

// -----

func.func @unpack_c1(%b: tensor<4xi8>) {
  // expected-error@+1 {{C1: `trits` must be a static matrix}}
  %0 = ternary.unpack %b {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>} : tensor<4xi8> -> tensor<?x4x!ternary.trit>
  return
}

// -----

func.func @unpack_c2(%b: tensor<16xi8>) {
  // expected-error@+1 {{C2: `packed` must be a tensor<8xi8>}}
  %0 = ternary.unpack %b {encoding = #ternary.encoding<bits = 2, tile = [2, 4], interleave = 2>} : tensor<16xi8> -> tensor<3x5x!ternary.trit>
  return
}

// -----

func.func @from_int_c1(%i: tensor<2x3xi8>) {
  // expected-error@+1 {{C1: `trits` must have the shape of `values`}}
  %0 = ternary.from_int %i : tensor<2x3xi8> -> tensor<3x2x!ternary.trit>
  return
}
