// RUN: setun-opt %s --split-input-file --verify-diagnostics

// One case for each constraint of AttentionOps.td.

func.func @rotary_c1_rank(%a: tensor<2x3x8xf32>, %b: tensor<2x3x4xf32>, %c: tensor<2x3x4xf32>, %y: tensor<2x3x8xf32>) {
  // expected-error@+1 {{C1: `x` and `y` must have one shape [B, H, S, D] and one float element type}}
  %0 = nn.rotary_embedding ins(%a, %b, %c : tensor<2x3x8xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>)
    outs(%y : tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  return
}

// -----

func.func @rotary_c1_shape(%a: tensor<2x4x3x8xf32>, %b: tensor<2x3x4xf32>, %c: tensor<2x3x4xf32>, %y: tensor<2x4x3x9xf32>) {
  // expected-error@+1 {{C1: `x` and `y` must have one shape [B, H, S, D] and one float element type}}
  %0 = nn.rotary_embedding ins(%a, %b, %c : tensor<2x4x3x8xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>)
    outs(%y : tensor<2x4x3x9xf32>) -> tensor<2x4x3x9xf32>
  return
}

// -----

func.func @rotary_c1_type(%a: memref<2x4x3x8xf32>, %b: memref<2x3x4xf32>, %c: memref<2x3x4xf32>, %y: memref<2x4x3x8xf16>) {
  // expected-error@+1 {{C1: `x` and `y` must have one shape [B, H, S, D] and one float element type}}
  nn.rotary_embedding ins(%a, %b, %c : memref<2x4x3x8xf32>, memref<2x3x4xf32>, memref<2x3x4xf32>)
    outs(%y : memref<2x4x3x8xf16>)
  return
}

// -----

func.func @rotary_c2_batch(%a: tensor<2x4x3x8xf32>, %b: tensor<3x3x4xf32>, %c: tensor<2x3x4xf32>, %y: tensor<2x4x3x8xf32>) {
  // expected-error@+1 {{C2: `cos` and `sin` must be [B, S, h] or [1, S, h]}}
  %0 = nn.rotary_embedding ins(%a, %b, %c : tensor<2x4x3x8xf32>, tensor<3x3x4xf32>, tensor<2x3x4xf32>)
    outs(%y : tensor<2x4x3x8xf32>) -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @rotary_c2_tokens(%a: memref<2x4x3x8xf32>, %b: memref<2x3x4xf32>, %c: memref<2x4x4xf32>, %y: memref<2x4x3x8xf32>) {
  // expected-error@+1 {{C2: `cos` and `sin` must be [B, S, h] or [1, S, h]}}
  nn.rotary_embedding ins(%a, %b, %c : memref<2x4x3x8xf32>, memref<2x3x4xf32>, memref<2x4x4xf32>)
    outs(%y : memref<2x4x3x8xf32>)
  return
}

// -----

func.func @rotary_c2_type(%a: tensor<2x4x3x8xf32>, %b: tensor<2x3x4xf32>, %c: tensor<2x3x4xf16>, %y: tensor<2x4x3x8xf32>) {
  // expected-error@+1 {{C2: `cos` and `sin` must be [B, S, h] or [1, S, h]}}
  %0 = nn.rotary_embedding ins(%a, %b, %c : tensor<2x4x3x8xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf16>)
    outs(%y : tensor<2x4x3x8xf32>) -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @rotary_c2_half(%a: tensor<2x4x3x8xf32>, %b: tensor<2x3x4xf32>, %c: tensor<2x3x3xf32>, %y: tensor<2x4x3x8xf32>) {
  // expected-error@+1 {{C2: `cos` and `sin` must have one last dimension}}
  %0 = nn.rotary_embedding ins(%a, %b, %c : tensor<2x4x3x8xf32>, tensor<2x3x4xf32>, tensor<2x3x3xf32>)
    outs(%y : tensor<2x4x3x8xf32>) -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @rotary_c2_width(%a: tensor<2x4x3x8xf32>, %b: tensor<2x3x5xf32>, %c: tensor<2x3x5xf32>, %y: tensor<2x4x3x8xf32>) {
  // expected-error@+1 {{C2: twice the last dimension of `cos`, 5, must be at most D, 8}}
  %0 = nn.rotary_embedding ins(%a, %b, %c : tensor<2x4x3x8xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32>)
    outs(%y : tensor<2x4x3x8xf32>) -> tensor<2x4x3x8xf32>
  return
}

// -----

func.func @attention_c1_type(%q: tensor<1x4x3x8xf32>, %k: tensor<1x2x5x8xf32>, %v: tensor<1x2x5x6xf16>, %y: tensor<1x4x3x6xf32>) {
  // expected-error@+1 {{C1: `q`, `k`, `v` and `y` must have rank 4 and one float element type}}
  %0 = nn.attention ins(%q, %k, %v : tensor<1x4x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x6xf16>)
    outs(%y : tensor<1x4x3x6xf32>) {scale = 1.0 : f32} -> tensor<1x4x3x6xf32>
  return
}

// -----

func.func @attention_c1_rank(%q: tensor<4x3x8xf32>, %k: tensor<1x2x5x8xf32>, %v: tensor<1x2x5x6xf32>, %y: tensor<1x4x3x6xf32>) {
  // expected-error@+1 {{C1: `q`, `k`, `v` and `y` must have rank 4 and one float element type}}
  %0 = nn.attention ins(%q, %k, %v : tensor<4x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x6xf32>)
    outs(%y : tensor<1x4x3x6xf32>) {scale = 1.0 : f32} -> tensor<1x4x3x6xf32>
  return
}

// -----

func.func @attention_c1_k(%q: tensor<1x4x3x8xf32>, %k: tensor<1x2x5x9xf32>, %v: tensor<1x2x5x6xf32>, %y: tensor<1x4x3x6xf32>) {
  // expected-error@+1 {{C1: `k` must be [B, G, T, D] with B and D of `q`}}
  %0 = nn.attention ins(%q, %k, %v : tensor<1x4x3x8xf32>, tensor<1x2x5x9xf32>, tensor<1x2x5x6xf32>)
    outs(%y : tensor<1x4x3x6xf32>) {scale = 1.0 : f32} -> tensor<1x4x3x6xf32>
  return
}

// -----

func.func @attention_c1_v(%q: memref<1x4x3x8xf32>, %k: memref<1x2x5x8xf32>, %v: memref<1x2x4x6xf32>, %y: memref<1x4x3x6xf32>) {
  // expected-error@+1 {{C1: `v` must be [B, G, T, E] with B, G and T of `k`}}
  nn.attention ins(%q, %k, %v : memref<1x4x3x8xf32>, memref<1x2x5x8xf32>, memref<1x2x4x6xf32>)
    outs(%y : memref<1x4x3x6xf32>) {scale = 1.0 : f32}
  return
}

// -----

func.func @attention_c1_y(%q: tensor<1x4x3x8xf32>, %k: tensor<1x2x5x8xf32>, %v: tensor<1x2x5x6xf32>, %y: tensor<1x4x3x8xf32>) {
  // expected-error@+1 {{C1: `y` must be [B, H, S, E] with B, H and S of `q` and E of `v`}}
  %0 = nn.attention ins(%q, %k, %v : tensor<1x4x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x6xf32>)
    outs(%y : tensor<1x4x3x8xf32>) {scale = 1.0 : f32} -> tensor<1x4x3x8xf32>
  return
}

// -----

func.func @attention_c1_heads(%q: tensor<1x4x3x8xf32>, %k: tensor<1x3x5x8xf32>, %v: tensor<1x3x5x6xf32>, %y: tensor<1x4x3x6xf32>) {
  // expected-error@+1 {{C1: the heads of `k`, 3, must divide those of `q`, 4}}
  %0 = nn.attention ins(%q, %k, %v : tensor<1x4x3x8xf32>, tensor<1x3x5x8xf32>, tensor<1x3x5x6xf32>)
    outs(%y : tensor<1x4x3x6xf32>) {scale = 1.0 : f32} -> tensor<1x4x3x6xf32>
  return
}

// -----

func.func @attention_c1_no_heads(%q: tensor<1x4x3x8xf32>, %k: tensor<1x0x5x8xf32>, %v: tensor<1x0x5x6xf32>, %y: tensor<1x4x3x6xf32>) {
  // expected-error@+1 {{C1: the heads of `k`, 0, must divide those of `q`, 4}}
  %0 = nn.attention ins(%q, %k, %v : tensor<1x4x3x8xf32>, tensor<1x0x5x8xf32>, tensor<1x0x5x6xf32>)
    outs(%y : tensor<1x4x3x6xf32>) {scale = 1.0 : f32} -> tensor<1x4x3x6xf32>
  return
}

// -----

func.func @attention_c2_type(%q: tensor<1x4x3x8xf32>, %k: tensor<1x2x5x8xf32>, %v: tensor<1x2x5x6xf32>, %m: tensor<1x1x3x5xi8>, %y: tensor<1x4x3x6xf32>) {
  // expected-error@+1 {{C2: `mask` must be of i1 or of the element type of `q`}}
  %0 = nn.attention ins(%q, %k, %v : tensor<1x4x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x6xf32>) mask(%m : tensor<1x1x3x5xi8>)
    outs(%y : tensor<1x4x3x6xf32>) {scale = 1.0 : f32} -> tensor<1x4x3x6xf32>
  return
}

// -----

func.func @attention_c2_keys(%q: tensor<1x4x3x8xf32>, %k: tensor<1x2x5x8xf32>, %v: tensor<1x2x5x6xf32>, %m: tensor<1x1x3x1xf32>, %y: tensor<1x4x3x6xf32>) {
  // expected-error@+1 {{C2: `mask` must be [B, H, S, T]}}
  %0 = nn.attention ins(%q, %k, %v : tensor<1x4x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x6xf32>) mask(%m : tensor<1x1x3x1xf32>)
    outs(%y : tensor<1x4x3x6xf32>) {scale = 1.0 : f32} -> tensor<1x4x3x6xf32>
  return
}

// -----

func.func @attention_c2_heads(%q: memref<1x4x3x8xf32>, %k: memref<1x2x5x8xf32>, %v: memref<1x2x5x6xf32>, %m: memref<1x2x3x5xi1>, %y: memref<1x4x3x6xf32>) {
  // expected-error@+1 {{C2: `mask` must be [B, H, S, T]}}
  nn.attention ins(%q, %k, %v : memref<1x4x3x8xf32>, memref<1x2x5x8xf32>, memref<1x2x5x6xf32>) mask(%m : memref<1x2x3x5xi1>)
    outs(%y : memref<1x4x3x6xf32>) {scale = 1.0 : f32}
  return
}

// -----

func.func @attention_c2_rank(%q: tensor<1x4x3x8xf32>, %k: tensor<1x2x5x8xf32>, %v: tensor<1x2x5x6xf32>, %m: tensor<3x5xf32>, %y: tensor<1x4x3x6xf32>) {
  // expected-error@+1 {{C2: `mask` must be [B, H, S, T]}}
  %0 = nn.attention ins(%q, %k, %v : tensor<1x4x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x6xf32>) mask(%m : tensor<3x5xf32>)
    outs(%y : tensor<1x4x3x6xf32>) {scale = 1.0 : f32} -> tensor<1x4x3x6xf32>
  return
}

// -----

func.func @attention_c3_causal(%q: tensor<1x4x3x8xf32>, %k: tensor<1x2x5x8xf32>, %v: tensor<1x2x5x6xf32>, %y: tensor<1x4x3x6xf32>) {
  // expected-error@+1 {{C3: `causal` and `window` need `past`}}
  %0 = nn.attention ins(%q, %k, %v : tensor<1x4x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x6xf32>)
    outs(%y : tensor<1x4x3x6xf32>) {scale = 1.0 : f32, causal} -> tensor<1x4x3x6xf32>
  return
}

// -----

func.func @attention_c3_window(%q: memref<1x4x3x8xf32>, %k: memref<1x2x5x8xf32>, %v: memref<1x2x5x6xf32>, %y: memref<1x4x3x6xf32>) {
  // expected-error@+1 {{C3: `causal` and `window` need `past`}}
  nn.attention ins(%q, %k, %v : memref<1x4x3x8xf32>, memref<1x2x5x8xf32>, memref<1x2x5x6xf32>)
    outs(%y : memref<1x4x3x6xf32>) {scale = 1.0 : f32, window = 4 : i64}
  return
}

// -----

func.func @attention_c4_window(%q: tensor<1x4x3x8xf32>, %k: tensor<1x2x5x8xf32>, %v: tensor<1x2x5x6xf32>, %p: index, %y: tensor<1x4x3x6xf32>) {
  // expected-error@+1 {{C4: `window` and `softcap` must be finite and not negative}}
  %0 = nn.attention ins(%q, %k, %v : tensor<1x4x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x6xf32>) past(%p)
    outs(%y : tensor<1x4x3x6xf32>) {scale = 1.0 : f32, causal, window = -4 : i64} -> tensor<1x4x3x6xf32>
  return
}

// -----

func.func @attention_c4_softcap(%q: tensor<1x4x3x8xf32>, %k: tensor<1x2x5x8xf32>, %v: tensor<1x2x5x6xf32>, %y: tensor<1x4x3x6xf32>) {
  // expected-error@+1 {{C4: `window` and `softcap` must be finite and not negative}}
  %0 = nn.attention ins(%q, %k, %v : tensor<1x4x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x6xf32>)
    outs(%y : tensor<1x4x3x6xf32>) {scale = 1.0 : f32, softcap = -1.0 : f32} -> tensor<1x4x3x6xf32>
  return
}

// -----

func.func @attention_c4_scale(%q: tensor<1x4x3x8xf32>, %k: tensor<1x2x5x8xf32>, %v: tensor<1x2x5x6xf32>, %y: tensor<1x4x3x6xf32>) {
  // expected-error@+1 {{C4: `scale` must be finite}}
  %0 = nn.attention ins(%q, %k, %v : tensor<1x4x3x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x6xf32>)
    outs(%y : tensor<1x4x3x6xf32>) {scale = 0x7F800000 : f32} -> tensor<1x4x3x6xf32>
  return
}
