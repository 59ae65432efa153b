// RUN: setun-opt %s --split-input-file --verify-diagnostics

// One case for each constraint of QuantizeOps.td.

func.func @quantize_weight_c1_rank(%w: tensor<8xf32>) {
  // expected-error@+1 {{C1: `weight` must be a matrix}}
  %t, %s = ternary.quantize_weight %w : tensor<8xf32> -> tensor<8x!ternary.trit>, tensor<1xf32>
  return
}

// -----

func.func @quantize_weight_c1_shape(%w: tensor<4x8xf32>) {
  // expected-error@+1 {{C1: `weight` must be a matrix and `trits` must have its shape}}
  %t, %s = ternary.quantize_weight %w : tensor<4x8xf32> -> tensor<8x4x!ternary.trit>, tensor<1xf32>
  return
}

// -----

func.func @quantize_weight_c2_type(%w: tensor<4x8xf32>) {
  // expected-error@+1 {{C2: `scale` must be a vector of 'f32', one for the whole matrix}}
  %t, %s = ternary.quantize_weight %w : tensor<4x8xf32> -> tensor<4x8x!ternary.trit>, tensor<1xf16>
  return
}

// -----

func.func @quantize_weight_c2_size(%w: tensor<4x8xf32>) {
  // expected-error@+1 {{C2: `scale` must be a vector of 'f32', one for the whole matrix}}
  %t, %s = ternary.quantize_weight %w : tensor<4x8xf32> -> tensor<4x8x!ternary.trit>, tensor<4xf32>
  return
}

// -----

func.func @quantize_weight_c2_rows(%w: tensor<4x8xf32>) {
  // expected-error@+1 {{C2: `scale` must be a vector of 'f32', one for each row}}
  %t, %s = ternary.quantize_weight %w {per_row} : tensor<4x8xf32> -> tensor<4x8x!ternary.trit>, tensor<8xf32>
  return
}

// -----

func.func @quantize_weight_c3(%w: tensor<4x8xf32>) {
  // expected-error@+1 {{C3: `eps` must be positive and finite}}
  %t, %s = ternary.quantize_weight %w {eps = 0.0 : f32} : tensor<4x8xf32> -> tensor<4x8x!ternary.trit>, tensor<1xf32>
  return
}

// -----

func.func @dequantize_c1_dynamic(%t: tensor<?x8x!ternary.trit>, %s: tensor<1xf32>) {
  // expected-error@+1 {{C1: `trits` must be a static matrix}}
  %0 = ternary.dequantize %t, %s : tensor<?x8x!ternary.trit>, tensor<1xf32> -> tensor<?x8xf32>
  return
}

// -----

func.func @dequantize_c1_shape(%t: tensor<4x8x!ternary.trit>, %s: tensor<1xf32>) {
  // expected-error@+1 {{C1: `trits` must be a static matrix and the result must have its shape}}
  %0 = ternary.dequantize %t, %s : tensor<4x8x!ternary.trit>, tensor<1xf32> -> tensor<8x4xf32>
  return
}

// -----

func.func @dequantize_c2_size(%t: tensor<4x8x!ternary.trit>, %s: tensor<8xf32>) {
  // expected-error@+1 {{C2: `scale` must be [1], [N] or [N, G]}}
  %0 = ternary.dequantize %t, %s : tensor<4x8x!ternary.trit>, tensor<8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize_c2_groups(%t: tensor<4x8x!ternary.trit>, %s: tensor<4x3xf32>) {
  // expected-error@+1 {{C2: `scale` must be [1], [N] or [N, G] with G dividing K}}
  %0 = ternary.dequantize %t, %s : tensor<4x8x!ternary.trit>, tensor<4x3xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize_c2_type(%t: tensor<4x8x!ternary.trit>, %s: tensor<1xf16>) {
  // expected-error@+1 {{of the result's element type}}
  %0 = ternary.dequantize %t, %s : tensor<4x8x!ternary.trit>, tensor<1xf16> -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize_c2b(%t: tensor<4x8x!ternary.trit>, %s: tensor<1xf32>) {
  // expected-error@+1 {{C2b: an i8 result takes no `scale`}}
  %0 = ternary.dequantize %t, %s : tensor<4x8x!ternary.trit>, tensor<1xf32> -> tensor<4x8xi8>
  return
}

// -----

func.func @quantize_c0_mixed(%x: memref<2x8xf32>, %q: tensor<2x8xi8>, %c: tensor<2xf32>) {
  // expected-error@+1 {{C0: operands must be all tensors or all memrefs}}
  ternary.quantize ins(%x : memref<2x8xf32>) outs(%q, %c : tensor<2x8xi8>, tensor<2xf32>)
  return
}

// -----

func.func @quantize_c1_type(%x: tensor<2x8xf64>, %q: tensor<2x8xi8>, %c: tensor<2xf64>) {
  // expected-error@+1 {{C1: `x` must be of f32, f16 or bf16}}
  %0:2 = ternary.quantize ins(%x : tensor<2x8xf64>) outs(%q, %c : tensor<2x8xi8>, tensor<2xf64>) -> tensor<2x8xi8>, tensor<2xf64>
  return
}

// -----

func.func @quantize_c1_rank(%x: tensor<f32>, %q: tensor<i8>, %c: tensor<f32>) {
  // expected-error@+1 {{C1: `x` must be of f32, f16 or bf16 and have a rank of at least 1}}
  %0:2 = ternary.quantize ins(%x : tensor<f32>) outs(%q, %c : tensor<i8>, tensor<f32>) -> tensor<i8>, tensor<f32>
  return
}

// -----

func.func @quantize_c1_q_type(%x: tensor<2x8xf32>, %q: tensor<2x8xi32>, %c: tensor<2xf32>) {
  // expected-error@+1 {{C1: `q` must be of i8}}
  %0:2 = ternary.quantize ins(%x : tensor<2x8xf32>) outs(%q, %c : tensor<2x8xi32>, tensor<2xf32>) -> tensor<2x8xi32>, tensor<2xf32>
  return
}

// -----

func.func @quantize_c1_q_shape(%x: memref<?x8xf32>, %q: memref<?x9xi8>, %c: memref<?xf32>) {
  // expected-error@+1 {{C1: `q` must be of i8 and have the shape of `x`}}
  ternary.quantize ins(%x : memref<?x8xf32>) outs(%q, %c : memref<?x9xi8>, memref<?xf32>)
  return
}

// -----

func.func @quantize_c2_shape(%x: memref<2x8xf32>, %q: memref<2x8xi8>, %c: memref<3xf32>) {
  // expected-error@+1 {{C2: `absmax` must have the element type of `x` and its leading shape}}
  ternary.quantize ins(%x : memref<2x8xf32>) outs(%q, %c : memref<2x8xi8>, memref<3xf32>)
  return
}

// -----

func.func @quantize_c2_type(%x: tensor<2x8xf32>, %q: tensor<2x8xi8>, %c: tensor<2xf16>) {
  // expected-error@+1 {{C2: `absmax` must have the element type of `x`}}
  %0:2 = ternary.quantize ins(%x : tensor<2x8xf32>) outs(%q, %c : tensor<2x8xi8>, tensor<2xf16>) -> tensor<2x8xi8>, tensor<2xf16>
  return
}

// -----

func.func @quantize_c2_per_tensor(%x: tensor<2x8xf32>, %q: tensor<2x8xi8>, %c: tensor<2xf32>) {
  // expected-error@+1 {{C2: `absmax` must have the element type of `x` and rank 0}}
  %0:2 = ternary.quantize ins(%x : tensor<2x8xf32>) outs(%q, %c : tensor<2x8xi8>, tensor<2xf32>) {per_tensor} -> tensor<2x8xi8>, tensor<2xf32>
  return
}

// -----

func.func @quantize_c3_low(%x: tensor<8xf32>, %q: tensor<8xi8>, %c: tensor<f32>) {
  // expected-error@+1 {{C3: `clamp` must be two bounds}}
  %0:2 = ternary.quantize ins(%x : tensor<8xf32>) outs(%q, %c : tensor<8xi8>, tensor<f32>) {clamp = array<i64: -129, 127>} -> tensor<8xi8>, tensor<f32>
  return
}

// -----

func.func @quantize_c3_high(%x: tensor<8xf32>, %q: tensor<8xi8>, %c: tensor<f32>) {
  // expected-error@+1 {{C3: `clamp` must be two bounds}}
  %0:2 = ternary.quantize ins(%x : tensor<8xf32>) outs(%q, %c : tensor<8xi8>, tensor<f32>) {clamp = array<i64: -128, 128>} -> tensor<8xi8>, tensor<f32>
  return
}

// -----

func.func @quantize_c3_order(%x: tensor<8xf32>, %q: tensor<8xi8>, %c: tensor<f32>) {
  // expected-error@+1 {{C3: `clamp` must be two bounds}}
  %0:2 = ternary.quantize ins(%x : tensor<8xf32>) outs(%q, %c : tensor<8xi8>, tensor<f32>) {clamp = array<i64: 1, 1>} -> tensor<8xi8>, tensor<f32>
  return
}

// -----

func.func @quantize_c3_count(%x: tensor<8xf32>, %q: tensor<8xi8>, %c: tensor<f32>) {
  // expected-error@+1 {{C3: `clamp` must be two bounds}}
  %0:2 = ternary.quantize ins(%x : tensor<8xf32>) outs(%q, %c : tensor<8xi8>, tensor<f32>) {clamp = array<i64: 1>} -> tensor<8xi8>, tensor<f32>
  return
}

// -----

func.func @quantize_c4_qmax(%x: tensor<8xf32>, %q: tensor<8xi8>, %c: tensor<f32>) {
  // expected-error@+1 {{C4: `qmax` must be positive and finite}}
  %0:2 = ternary.quantize ins(%x : tensor<8xf32>) outs(%q, %c : tensor<8xi8>, tensor<f32>) {qmax = 0.0 : f32} -> tensor<8xi8>, tensor<f32>
  return
}

// -----

func.func @quantize_c4_eps(%x: tensor<8xf32>, %q: tensor<8xi8>, %c: tensor<f32>) {
  // expected-error@+1 {{C4: `eps` must be finite and not negative}}
  %0:2 = ternary.quantize ins(%x : tensor<8xf32>) outs(%q, %c : tensor<8xi8>, tensor<f32>) {eps = -1.0 : f32} -> tensor<8xi8>, tensor<f32>
  return
}

// -----

func.func @quantize_c4_nan(%x: memref<8xf32>, %q: memref<8xi8>, %c: memref<f32>) {
  // expected-error@+1 {{C4: `eps` must be finite and not negative}}
  ternary.quantize ins(%x : memref<8xf32>) outs(%q, %c : memref<8xi8>, memref<f32>) {eps = 0x7FC00000 : f32}
  return
}

// -----

func.func @norm_quantize_c1(%x: tensor<2x8xf32>, %g: tensor<8xf32>, %q: tensor<8x2xi8>, %c: tensor<2xf32>) {
  // expected-error@+1 {{C1: `q` must be of i8 and have the shape of `x`}}
  %0:2 = ternary.norm_quantize ins(%x, %g : tensor<2x8xf32>, tensor<8xf32>)
    outs(%q, %c : tensor<8x2xi8>, tensor<2xf32>) {norm_eps = 1.0e-6 : f32} -> tensor<8x2xi8>, tensor<2xf32>
  return
}

// -----

func.func @norm_quantize_c2(%x: tensor<2x8xf32>, %g: tensor<8xf32>, %q: tensor<2x8xi8>, %c: tensor<8xf32>) {
  // expected-error@+1 {{C2: `absmax` must have the element type of `x` and its leading shape}}
  %0:2 = ternary.norm_quantize ins(%x, %g : tensor<2x8xf32>, tensor<8xf32>)
    outs(%q, %c : tensor<2x8xi8>, tensor<8xf32>) {norm_eps = 1.0e-6 : f32} -> tensor<2x8xi8>, tensor<8xf32>
  return
}

// -----

func.func @norm_quantize_c3(%x: tensor<2x8xf32>, %g: tensor<8xf32>, %q: tensor<2x8xi8>, %c: tensor<2xf32>) {
  // expected-error@+1 {{C3: `clamp` must be two bounds}}
  %0:2 = ternary.norm_quantize ins(%x, %g : tensor<2x8xf32>, tensor<8xf32>)
    outs(%q, %c : tensor<2x8xi8>, tensor<2xf32>) {norm_eps = 1.0e-6 : f32, clamp = array<i64: 3, 2>} -> tensor<2x8xi8>, tensor<2xf32>
  return
}

// -----

func.func @norm_quantize_c4(%x: tensor<2x8xf32>, %g: tensor<8xf32>, %q: tensor<2x8xi8>, %c: tensor<2xf32>) {
  // expected-error@+1 {{C4: `qmax` must be positive and finite}}
  %0:2 = ternary.norm_quantize ins(%x, %g : tensor<2x8xf32>, tensor<8xf32>)
    outs(%q, %c : tensor<2x8xi8>, tensor<2xf32>) {norm_eps = 1.0e-6 : f32, qmax = -1.0 : f32} -> tensor<2x8xi8>, tensor<2xf32>
  return
}

// -----

func.func @norm_quantize_c5_size(%x: memref<2x8xf32>, %g: memref<2xf32>, %q: memref<2x8xi8>, %c: memref<2xf32>) {
  // expected-error@+1 {{C5: `gamma` must be a vector}}
  ternary.norm_quantize ins(%x, %g : memref<2x8xf32>, memref<2xf32>)
    outs(%q, %c : memref<2x8xi8>, memref<2xf32>) {norm_eps = 1.0e-6 : f32}
  return
}

// -----

func.func @norm_quantize_c5_type(%x: tensor<2x8xf32>, %g: tensor<8xf16>, %q: tensor<2x8xi8>, %c: tensor<2xf32>) {
  // expected-error@+1 {{C5: `gamma` must be a vector of the element type of `x`}}
  %0:2 = ternary.norm_quantize ins(%x, %g : tensor<2x8xf32>, tensor<8xf16>)
    outs(%q, %c : tensor<2x8xi8>, tensor<2xf32>) {norm_eps = 1.0e-6 : f32} -> tensor<2x8xi8>, tensor<2xf32>
  return
}

// -----

func.func @norm_quantize_c6(%x: tensor<2x8xf32>, %g: tensor<8xf32>, %q: tensor<2x8xi8>, %c: tensor<f32>) {
  // expected-error@+1 {{C6: must not be `per_tensor`}}
  %0:2 = ternary.norm_quantize ins(%x, %g : tensor<2x8xf32>, tensor<8xf32>)
    outs(%q, %c : tensor<2x8xi8>, tensor<f32>) {norm_eps = 1.0e-6 : f32, per_tensor} -> tensor<2x8xi8>, tensor<f32>
  return
}

// -----

func.func @norm_quantize_c7(%x: tensor<2x8xf32>, %g: tensor<8xf32>, %q: tensor<2x8xi8>, %c: tensor<2xf32>) {
  // expected-error@+1 {{C7: `norm_eps` must be finite and not negative}}
  %0:2 = ternary.norm_quantize ins(%x, %g : tensor<2x8xf32>, tensor<8xf32>)
    outs(%q, %c : tensor<2x8xi8>, tensor<2xf32>) {norm_eps = -1.0 : f32} -> tensor<2x8xi8>, tensor<2xf32>
  return
}
