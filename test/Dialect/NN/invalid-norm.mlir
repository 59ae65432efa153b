// RUN: setun-opt %s --split-input-file --verify-diagnostics

// One case for each constraint of NormOps.td.

func.func @rms_norm_c0(%a: tensor<2x8xf32>, %b: memref<8xf32>, %y: tensor<2x8xf32>) {
  // expected-error@+1 {{C0: operands must be all tensors or all memrefs}}
  %0 = nn.rms_norm ins(%a, %b : tensor<2x8xf32>, memref<8xf32>)
    outs(%y : tensor<2x8xf32>) {epsilon = 1.0e-6 : f32} -> tensor<2x8xf32>
  return
}

// -----

func.func @rms_norm_c1_shape(%a: tensor<2x8xf32>, %b: tensor<8xf32>, %y: tensor<8x2xf32>) {
  // expected-error@+1 {{C1: `x` and `y` must have one shape of rank 1 or more and one float element type}}
  %0 = nn.rms_norm ins(%a, %b : tensor<2x8xf32>, tensor<8xf32>)
    outs(%y : tensor<8x2xf32>) {epsilon = 1.0e-6 : f32} -> tensor<8x2xf32>
  return
}

// -----

func.func @rms_norm_c1_type(%a: memref<2x8xf32>, %b: memref<8xf32>, %y: memref<2x8xf16>) {
  // expected-error@+1 {{C1: `x` and `y` must have one shape of rank 1 or more and one float element type}}
  nn.rms_norm ins(%a, %b : memref<2x8xf32>, memref<8xf32>)
    outs(%y : memref<2x8xf16>) {epsilon = 1.0e-6 : f32}
  return
}

// -----

func.func @rms_norm_c1_rank(%a: tensor<f32>, %b: tensor<1xf32>, %y: tensor<f32>) {
  // expected-error@+1 {{C1: `x` and `y` must have one shape of rank 1 or more and one float element type}}
  %0 = nn.rms_norm ins(%a, %b : tensor<f32>, tensor<1xf32>)
    outs(%y : tensor<f32>) {epsilon = 1.0e-6 : f32} -> tensor<f32>
  return
}

// -----

func.func @rms_norm_c1_integer(%a: tensor<2x8xi8>, %b: tensor<8xi8>, %y: tensor<2x8xi8>) {
  // expected-error@+1 {{C1: `x` and `y` must have one shape of rank 1 or more and one float element type}}
  %0 = nn.rms_norm ins(%a, %b : tensor<2x8xi8>, tensor<8xi8>)
    outs(%y : tensor<2x8xi8>) {epsilon = 1.0e-6 : f32} -> tensor<2x8xi8>
  return
}

// -----

func.func @rms_norm_c2_size(%a: memref<?x8xf32>, %b: memref<2xf32>, %y: memref<?x8xf32>) {
  // expected-error@+1 {{C2: `gamma` must be a vector of the element type of `x`}}
  nn.rms_norm ins(%a, %b : memref<?x8xf32>, memref<2xf32>)
    outs(%y : memref<?x8xf32>) {epsilon = 1.0e-6 : f32}
  return
}

// -----

func.func @rms_norm_c2_type(%a: tensor<2x8xf32>, %b: tensor<8xf16>, %y: tensor<2x8xf32>) {
  // expected-error@+1 {{C2: `gamma` must be a vector of the element type of `x`}}
  %0 = nn.rms_norm ins(%a, %b : tensor<2x8xf32>, tensor<8xf16>)
    outs(%y : tensor<2x8xf32>) {epsilon = 1.0e-6 : f32} -> tensor<2x8xf32>
  return
}

// -----

func.func @rms_norm_c2_rank(%a: tensor<2x8xf32>, %b: tensor<2x8xf32>, %y: tensor<2x8xf32>) {
  // expected-error@+1 {{C2: `gamma` must be a vector of the element type of `x`}}
  %0 = nn.rms_norm ins(%a, %b : tensor<2x8xf32>, tensor<2x8xf32>)
    outs(%y : tensor<2x8xf32>) {epsilon = 1.0e-6 : f32} -> tensor<2x8xf32>
  return
}

// -----

func.func @rms_norm_c3(%a: tensor<2x8xf32>, %b: tensor<8xf32>, %y: tensor<2x8xf32>) {
  // expected-error@+1 {{C3: `epsilon` must be finite and not negative}}
  %0 = nn.rms_norm ins(%a, %b : tensor<2x8xf32>, tensor<8xf32>)
    outs(%y : tensor<2x8xf32>) {epsilon = -1.0 : f32} -> tensor<2x8xf32>
  return
}

// -----

func.func @layer_norm_c1(%a: tensor<2x8xf32>, %b: tensor<8xf32>, %y: tensor<2x9xf32>) {
  // expected-error@+1 {{C1: `x` and `y` must have one shape of rank 1 or more and one float element type}}
  %0 = nn.layer_norm ins(%a, %b : tensor<2x8xf32>, tensor<8xf32>)
    outs(%y : tensor<2x9xf32>) {epsilon = 1.0e-6 : f32} -> tensor<2x9xf32>
  return
}

// -----

func.func @layer_norm_c2(%a: memref<2x8xf32>, %b: memref<9xf32>, %y: memref<2x8xf32>) {
  // expected-error@+1 {{C2: `gamma` must be a vector of the element type of `x`}}
  nn.layer_norm ins(%a, %b : memref<2x8xf32>, memref<9xf32>)
    outs(%y : memref<2x8xf32>) {epsilon = 1.0e-6 : f32}
  return
}

// -----

func.func @layer_norm_c3(%a: tensor<2x8xf32>, %b: tensor<8xf32>, %y: tensor<2x8xf32>) {
  // expected-error@+1 {{C3: `epsilon` must be finite and not negative}}
  %0 = nn.layer_norm ins(%a, %b : tensor<2x8xf32>, tensor<8xf32>)
    outs(%y : tensor<2x8xf32>) {epsilon = 0x7F800000 : f32} -> tensor<2x8xf32>
  return
}

// -----

func.func @layer_norm_c4_size(%a: tensor<2x8xf32>, %b: tensor<8xf32>, %c: tensor<2xf32>, %y: tensor<2x8xf32>) {
  // expected-error@+1 {{C4: `beta` must have the shape and element type of `gamma`}}
  %0 = nn.layer_norm ins(%a, %b, %c : tensor<2x8xf32>, tensor<8xf32>, tensor<2xf32>)
    outs(%y : tensor<2x8xf32>) {epsilon = 1.0e-6 : f32} -> tensor<2x8xf32>
  return
}

// -----

func.func @layer_norm_c4_type(%a: tensor<2x8xf32>, %b: tensor<8xf32>, %c: tensor<8xf16>, %y: tensor<2x8xf32>) {
  // expected-error@+1 {{C4: `beta` must have the shape and element type of `gamma`}}
  %0 = nn.layer_norm ins(%a, %b, %c : tensor<2x8xf32>, tensor<8xf32>, tensor<8xf16>)
    outs(%y : tensor<2x8xf32>) {epsilon = 1.0e-6 : f32} -> tensor<2x8xf32>
  return
}
