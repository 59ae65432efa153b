// RUN: setun-opt %s --split-input-file --verify-diagnostics

// One case for each constraint of ProductOps.td.

func.func @matmul_c0_results(%x: memref<2x8xi8>, %w: memref<4x8x!ternary.trit>, %a: memref<2x4xi32>) {
  // expected-error@+1 {{C0: has no results on memrefs}}
  %0 = ternary.matmul ins(%x, %w : memref<2x8xi8>, memref<4x8x!ternary.trit>)
    outs(%a : memref<2x4xi32>) -> tensor<2x4xi32>
  return
}

// -----

func.func @matmul_c0_type(%x: tensor<2x8xi8>, %w: tensor<4x8x!ternary.trit>, %a: tensor<2x4xi32>) {
  // expected-error@+1 {{C0: result type 'tensor<?x4xi32>' differs from its destination's 'tensor<2x4xi32>'}}
  %0 = ternary.matmul ins(%x, %w : tensor<2x8xi8>, tensor<4x8x!ternary.trit>)
    outs(%a : tensor<2x4xi32>) -> tensor<?x4xi32>
  return
}

// -----

func.func @matmul_c1_rank(%x: tensor<1x2x8xi8>, %w: tensor<4x8x!ternary.trit>, %a: tensor<2x4xi32>) {
  // expected-error@+1 {{C1: `x` must be a matrix of i8, f32, f16 or bf16}}
  %0 = ternary.matmul ins(%x, %w : tensor<1x2x8xi8>, tensor<4x8x!ternary.trit>)
    outs(%a : tensor<2x4xi32>) -> tensor<2x4xi32>
  return
}

// -----

func.func @matmul_c1_type(%x: memref<2x8xi16>, %w: memref<4x8x!ternary.trit>, %a: memref<2x4xi32>) {
  // expected-error@+1 {{C1: `x` must be a matrix of i8, f32, f16 or bf16}}
  ternary.matmul ins(%x, %w : memref<2x8xi16>, memref<4x8x!ternary.trit>)
    outs(%a : memref<2x4xi32>)
  return
}

// -----

func.func @matmul_c2_shape(%x: tensor<2x9xi8>, %w: tensor<4x8x!ternary.trit>, %a: tensor<2x4xi32>) {
  // expected-error@+1 {{C2: `weight` must be [N, K]}}
  %0 = ternary.matmul ins(%x, %w : tensor<2x9xi8>, tensor<4x8x!ternary.trit>)
    outs(%a : tensor<2x4xi32>) -> tensor<2x4xi32>
  return
}

// -----

func.func @matmul_c2_rows(%x: memref<?x8xi8>, %w: memref<4x8x!ternary.trit>, %a: memref<?x5xi32>) {
  // expected-error@+1 {{C2: `weight` must be [N, K]}}
  ternary.matmul ins(%x, %w : memref<?x8xi8>, memref<4x8x!ternary.trit>)
    outs(%a : memref<?x5xi32>)
  return
}

// -----

func.func @matmul_c2_encoded_trits(%x: tensor<2x8xi8>, %w: tensor<4x8x!ternary.trit>, %a: tensor<2x4xi32>) {
  // expected-error@+1 {{C2: a `weight` of trits must have no `encoding`}}
  %0 = ternary.matmul ins(%x, %w : tensor<2x8xi8>, tensor<4x8x!ternary.trit>)
    outs(%a : tensor<2x4xi32>) {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>} -> tensor<2x4xi32>
  return
}

// -----

func.func @matmul_c2_no_encoding(%x: tensor<2x8xi8>, %w: tensor<8xi8>, %a: tensor<2x4xi32>) {
  // expected-error@+1 {{C2: a `weight` of bytes needs an `encoding`}}
  %0 = ternary.matmul ins(%x, %w : tensor<2x8xi8>, tensor<8xi8>)
    outs(%a : tensor<2x4xi32>) -> tensor<2x4xi32>
  return
}

// -----

func.func @matmul_c2_bytes(%x: memref<2x9xi8>, %w: memref<8xi8>, %a: memref<2x4xi32>) {
  // expected-error@+1 {{C2: `weight` must hold 12 bytes, a 4 x 9 matrix}}
  ternary.matmul ins(%x, %w : memref<2x9xi8>, memref<8xi8>)
    outs(%a : memref<2x4xi32>) {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>}
  return
}

// -----

func.func @matmul_c2_bytes_rank(%x: tensor<2x8xi8>, %w: tensor<4x2xi8>, %a: tensor<2x4xi32>) {
  // expected-error@+1 {{C2: a `weight` of bytes must have rank 1}}
  %0 = ternary.matmul ins(%x, %w : tensor<2x8xi8>, tensor<4x2xi8>)
    outs(%a : tensor<2x4xi32>) {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>} -> tensor<2x4xi32>
  return
}

// -----

func.func @matmul_c3_tokens(%x: tensor<2x8xi8>, %w: tensor<4x8x!ternary.trit>, %a: tensor<3x4xi32>) {
  // expected-error@+1 {{C3: `acc` must be [M, N] of i32}}
  %0 = ternary.matmul ins(%x, %w : tensor<2x8xi8>, tensor<4x8x!ternary.trit>)
    outs(%a : tensor<3x4xi32>) -> tensor<3x4xi32>
  return
}

// -----

func.func @matmul_c3_integers(%x: tensor<2x8xi8>, %w: tensor<4x8x!ternary.trit>, %a: tensor<2x4xf32>) {
  // expected-error@+1 {{C3: `acc` must be [M, N] of i32 (i8 activations, no `scales`)}}
  %0 = ternary.matmul ins(%x, %w : tensor<2x8xi8>, tensor<4x8x!ternary.trit>)
    outs(%a : tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @matmul_c3_floats(%x: memref<2x8xf16>, %w: memref<4x8x!ternary.trit>, %a: memref<2x4xf16>) {
  // expected-error@+1 {{C3: `acc` must be [M, N] of f32 (float activations or `scales`)}}
  ternary.matmul ins(%x, %w : memref<2x8xf16>, memref<4x8x!ternary.trit>)
    outs(%a : memref<2x4xf16>)
  return
}

// -----

func.func @matmul_c3_scales(%x: tensor<2x8xi8>, %w: tensor<4x8x!ternary.trit>, %s: tensor<4x2xf32>, %a: tensor<2x4xi32>) {
  // expected-error@+1 {{C3: `acc` must be [M, N] of f32}}
  %0 = ternary.matmul ins(%x, %w, %s : tensor<2x8xi8>, tensor<4x8x!ternary.trit>, tensor<4x2xf32>)
    outs(%a : tensor<2x4xi32>) -> tensor<2x4xi32>
  return
}

// -----

func.func @matmul_c4_rows(%x: tensor<2x8xi8>, %w: tensor<4x8x!ternary.trit>, %s: tensor<3x2xf32>, %a: tensor<2x4xf32>) {
  // expected-error@+1 {{C4: `scales` must be [N, G] of f32}}
  %0 = ternary.matmul ins(%x, %w, %s : tensor<2x8xi8>, tensor<4x8x!ternary.trit>, tensor<3x2xf32>)
    outs(%a : tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @matmul_c4_groups(%x: memref<2x8xi8>, %w: memref<4x8x!ternary.trit>, %s: memref<4x3xf32>, %a: memref<2x4xf32>) {
  // expected-error@+1 {{C4: `scales` must be [N, G] of f32 with G dividing K}}
  ternary.matmul ins(%x, %w, %s : memref<2x8xi8>, memref<4x8x!ternary.trit>, memref<4x3xf32>)
    outs(%a : memref<2x4xf32>)
  return
}

// -----

func.func @matmul_c4_type(%x: tensor<2x8xi8>, %w: tensor<4x8x!ternary.trit>, %s: tensor<4x2xf16>, %a: tensor<2x4xf32>) {
  // expected-error@+1 {{C4: `scales` must be [N, G] of f32}}
  %0 = ternary.matmul ins(%x, %w, %s : tensor<2x8xi8>, tensor<4x8x!ternary.trit>, tensor<4x2xf16>)
    outs(%a : tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @matmul_c5(%x: tensor<2x16777216xi8>, %w: tensor<4x16777216x!ternary.trit>, %a: tensor<2x4xi32>) {
  // expected-error@+1 {{C5: K must be at most 16777215}}
  %0 = ternary.matmul ins(%x, %w : tensor<2x16777216xi8>, tensor<4x16777216x!ternary.trit>)
    outs(%a : tensor<2x4xi32>) -> tensor<2x4xi32>
  return
}

// -----

func.func @bit_linear_c1_rank(%x: tensor<8xf32>, %w: tensor<4x8x!ternary.trit>, %s: tensor<1xf32>, %y: tensor<2x4xf32>) {
  // expected-error@+1 {{C1: `x` must be [M, K] and `y` [M, N]}}
  %0 = ternary.bit_linear ins(%x, %w, %s : tensor<8xf32>, tensor<4x8x!ternary.trit>, tensor<1xf32>)
    outs(%y : tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @bit_linear_c1_type(%x: memref<2x8xf32>, %w: memref<4x8x!ternary.trit>, %s: memref<1xf32>, %y: memref<2x4xf16>) {
  // expected-error@+1 {{C1: `x` must be [M, K] and `y` [M, N]}}
  ternary.bit_linear ins(%x, %w, %s : memref<2x8xf32>, memref<4x8x!ternary.trit>, memref<1xf32>)
    outs(%y : memref<2x4xf16>)
  return
}

// -----

func.func @bit_linear_c1_tokens(%x: tensor<2x8xf32>, %w: tensor<4x8x!ternary.trit>, %s: tensor<1xf32>, %y: tensor<3x4xf32>) {
  // expected-error@+1 {{C1: `x` must be [M, K] and `y` [M, N]}}
  %0 = ternary.bit_linear ins(%x, %w, %s : tensor<2x8xf32>, tensor<4x8x!ternary.trit>, tensor<1xf32>)
    outs(%y : tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @bit_linear_c2_shape(%x: tensor<2x9xf32>, %w: tensor<4x8x!ternary.trit>, %s: tensor<1xf32>, %y: tensor<2x4xf32>) {
  // expected-error@+1 {{C2: `weight` must be [N, K] of trits}}
  %0 = ternary.bit_linear ins(%x, %w, %s : tensor<2x9xf32>, tensor<4x8x!ternary.trit>, tensor<1xf32>)
    outs(%y : tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @bit_linear_c2_bytes(%x: tensor<2x8xf32>, %w: tensor<8xi8>, %s: tensor<1xf32>, %y: tensor<2x4xf32>) {
  // expected-error@+1 {{C2: `weight` must be [N, K] of trits}}
  %0 = ternary.bit_linear ins(%x, %w, %s : tensor<2x8xf32>, tensor<8xi8>, tensor<1xf32>)
    outs(%y : tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @bit_linear_c3_size(%x: tensor<2x8xf32>, %w: tensor<4x8x!ternary.trit>, %s: tensor<8xf32>, %y: tensor<2x4xf32>) {
  // expected-error@+1 {{C3: `scale` must be [1], [N] or [N, G]}}
  %0 = ternary.bit_linear ins(%x, %w, %s : tensor<2x8xf32>, tensor<4x8x!ternary.trit>, tensor<8xf32>)
    outs(%y : tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @bit_linear_c3_type(%x: tensor<2x8xf32>, %w: tensor<4x8x!ternary.trit>, %s: tensor<4xf16>, %y: tensor<2x4xf32>) {
  // expected-error@+1 {{C3: `scale` must be [1], [N] or [N, G]}}
  %0 = ternary.bit_linear ins(%x, %w, %s : tensor<2x8xf32>, tensor<4x8x!ternary.trit>, tensor<4xf16>)
    outs(%y : tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @bit_linear_c3_groups(%x: memref<2x8xf32>, %w: memref<4x8x!ternary.trit>, %s: memref<4x3xf32>, %y: memref<2x4xf32>) {
  // expected-error@+1 {{C3: `scale` must be [1], [N] or [N, G] with G dividing K}}
  ternary.bit_linear ins(%x, %w, %s : memref<2x8xf32>, memref<4x8x!ternary.trit>, memref<4x3xf32>)
    outs(%y : memref<2x4xf32>)
  return
}

// -----

func.func @bit_linear_c4(%x: tensor<2x8xf32>, %w: tensor<4x8x!ternary.trit>, %s: tensor<1xf32>, %b: tensor<8xf32>, %y: tensor<2x4xf32>) {
  // expected-error@+1 {{C4: `bias` must be [N]}}
  %0 = ternary.bit_linear ins(%x, %w, %s, %b : tensor<2x8xf32>, tensor<4x8x!ternary.trit>, tensor<1xf32>, tensor<8xf32>)
    outs(%y : tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @bit_linear_c4_type(%x: tensor<2x8xf32>, %w: tensor<4x8x!ternary.trit>, %s: tensor<1xf32>, %b: tensor<4xf16>, %y: tensor<2x4xf32>) {
  // expected-error@+1 {{C4: `bias` must be [N] of the element type of `x`}}
  %0 = ternary.bit_linear ins(%x, %w, %s, %b : tensor<2x8xf32>, tensor<4x8x!ternary.trit>, tensor<1xf32>, tensor<4xf16>)
    outs(%y : tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @bit_linear_c5_clamp(%x: tensor<2x8xf32>, %w: tensor<4x8x!ternary.trit>, %s: tensor<1xf32>, %y: tensor<2x4xf32>) {
  // expected-error@+1 {{C5: `clamp` must be two bounds}}
  %0 = ternary.bit_linear ins(%x, %w, %s : tensor<2x8xf32>, tensor<4x8x!ternary.trit>, tensor<1xf32>)
    outs(%y : tensor<2x4xf32>) {clamp = array<i64: 0, 300>} -> tensor<2x4xf32>
  return
}

// -----

func.func @bit_linear_c5_qmax(%x: tensor<2x8xf32>, %w: tensor<4x8x!ternary.trit>, %s: tensor<1xf32>, %y: tensor<2x4xf32>) {
  // expected-error@+1 {{C5: `qmax` must be positive}}
  %0 = ternary.bit_linear ins(%x, %w, %s : tensor<2x8xf32>, tensor<4x8x!ternary.trit>, tensor<1xf32>)
    outs(%y : tensor<2x4xf32>) {qmax = -127.0 : f32} -> tensor<2x4xf32>
  return
}

// -----

func.func @bit_linear_c5_eps(%x: tensor<2x8xf32>, %w: tensor<4x8x!ternary.trit>, %s: tensor<1xf32>, %y: tensor<2x4xf32>) {
  // expected-error@+1 {{C5: `eps` must be finite and not negative}}
  %0 = ternary.bit_linear ins(%x, %w, %s : tensor<2x8xf32>, tensor<4x8x!ternary.trit>, tensor<1xf32>)
    outs(%y : tensor<2x4xf32>) {eps = -1.0 : f32} -> tensor<2x4xf32>
  return
}
