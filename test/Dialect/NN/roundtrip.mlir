// Every op of the dialect, on tensors and on buffers, survives printing and parsing, in the op's own form, in the generic
// one and in bytecode.
// RUN: setun-opt %s | FileCheck %s
// RUN: setun-opt %s > %t.mlir
// RUN: setun-opt %t.mlir | diff %t.mlir -
// RUN: setun-opt %s --mlir-print-op-generic | setun-opt | diff %t.mlir -
// RUN: setun-opt %s --emit-bytecode | setun-opt | diff %t.mlir -

// CHECK-LABEL: @norms
func.func @norms(%x: tensor<?x8xf16>, %g: tensor<8xf16>, %m: memref<2x?x8xf32>, %n: memref<8xf32>) {
  // CHECK: nn.rms_norm ins(%{{.*}}, %{{.*}} : tensor<?x8xf16>, tensor<8xf16>) outs(%{{.*}} : tensor<?x8xf16>) {epsilon = {{.*}} : f32} -> tensor<?x8xf16>
  %0 = nn.rms_norm ins(%x, %g : tensor<?x8xf16>, tensor<8xf16>) outs(%x : tensor<?x8xf16>) {epsilon = 1.0e-6 : f32} -> tensor<?x8xf16>
  // CHECK: nn.layer_norm ins(%{{.*}}, %{{.*}} : tensor<?x8xf16>, tensor<8xf16>) outs(%{{.*}} : tensor<?x8xf16>) {epsilon = 0.{{.*}} : f32} -> tensor<?x8xf16>
  %1 = nn.layer_norm ins(%x, %g : tensor<?x8xf16>, tensor<8xf16>) outs(%x : tensor<?x8xf16>) {epsilon = 0.0 : f32} -> tensor<?x8xf16>
  // CHECK: nn.rms_norm ins(%{{.*}}, %{{.*}} : memref<2x?x8xf32>, memref<8xf32>) outs(%{{.*}} : memref<2x?x8xf32>) {epsilon = {{.*}} : f32}{{$}}
  nn.rms_norm ins(%m, %n : memref<2x?x8xf32>, memref<8xf32>) outs(%m : memref<2x?x8xf32>) {epsilon = 1.0e-6 : f32}
  // CHECK: nn.layer_norm ins(%{{.*}}, %{{.*}}, %{{.*}} : memref<2x?x8xf32>, memref<8xf32>, memref<8xf32>) outs(%{{.*}} : memref<2x?x8xf32>) {epsilon = {{.*}} : f32}{{$}}
  nn.layer_norm ins(%m, %n, %n : memref<2x?x8xf32>, memref<8xf32>, memref<8xf32>) outs(%m : memref<2x?x8xf32>) {epsilon = 1.0e-6 : f32}
  return
}

// CHECK-LABEL: @rotary
func.func @rotary(%x: tensor<?x4x?x8xf32>, %c: tensor<1x?x3xf32>, %m: memref<2x4x?x8xf32>, %n: memref<2x?x4xf32>) {
  // CHECK: nn.rotary_embedding ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x4x?x8xf32>, tensor<1x?x3xf32>, tensor<1x?x3xf32>) outs(%{{.*}} : tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  %0 = nn.rotary_embedding ins(%x, %c, %c : tensor<?x4x?x8xf32>, tensor<1x?x3xf32>, tensor<1x?x3xf32>) outs(%x : tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  // CHECK: nn.rotary_embedding ins(%{{.*}}, %{{.*}}, %{{.*}} : memref<2x4x?x8xf32>, memref<2x?x4xf32>, memref<2x?x4xf32>) outs(%{{.*}} : memref<2x4x?x8xf32>) {interleaved}{{$}}
  nn.rotary_embedding ins(%m, %n, %n : memref<2x4x?x8xf32>, memref<2x?x4xf32>, memref<2x?x4xf32>) outs(%m : memref<2x4x?x8xf32>) {interleaved}
  return
}

// CHECK-LABEL: @attention
func.func @attention(%q: tensor<1x4x?x8xf32>, %k: tensor<1x2x?x8xf32>, %v: tensor<1x2x?x6xf32>, %y: tensor<1x4x?x6xf32>, %past: index,
                     %mask: tensor<1x1x?x?xi1>, %mq: memref<1x4x?x8xf32>, %mk: memref<1x2x?x8xf32>, %mm: memref<1x1x1x?xf32>) {
  // CHECK: nn.attention ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<1x4x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x6xf32>) outs(%{{.*}} : tensor<1x4x?x6xf32>) {scale = {{.*}} : f32} -> tensor<1x4x?x6xf32>
  %0 = nn.attention ins(%q, %k, %v : tensor<1x4x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x6xf32>) outs(%y : tensor<1x4x?x6xf32>) {scale = 0.5 : f32} -> tensor<1x4x?x6xf32>
  // CHECK: nn.attention ins({{.*}}) mask(%{{.*}} : tensor<1x1x?x?xi1>) outs(%{{.*}} : tensor<1x4x?x6xf32>) {scale = {{.*}} : f32, softcap = {{.*}} : f32} -> tensor<1x4x?x6xf32>
  %1 = nn.attention ins(%q, %k, %v : tensor<1x4x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x6xf32>) mask(%mask : tensor<1x1x?x?xi1>)
    outs(%y : tensor<1x4x?x6xf32>) {scale = 0.5 : f32, softcap = 30.0 : f32} -> tensor<1x4x?x6xf32>
  // CHECK: nn.attention ins({{.*}}) past(%{{.*}}) outs(%{{.*}} : tensor<1x4x?x6xf32>) {causal, scale = {{.*}} : f32, window = 16 : i64} -> tensor<1x4x?x6xf32>
  %2 = nn.attention ins(%q, %k, %v : tensor<1x4x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x6xf32>) past(%past)
    outs(%y : tensor<1x4x?x6xf32>) {scale = 0.5 : f32, causal, window = 16 : i64} -> tensor<1x4x?x6xf32>
  // CHECK: nn.attention ins(%{{.*}}, %{{.*}}, %{{.*}} : memref<1x4x?x8xf32>, memref<1x2x?x8xf32>, memref<1x2x?x8xf32>) mask(%{{.*}} : memref<1x1x1x?xf32>) past(%{{.*}}) outs(%{{.*}} : memref<1x4x?x8xf32>) {causal, scale = {{.*}} : f32}{{$}}
  nn.attention ins(%mq, %mk, %mk : memref<1x4x?x8xf32>, memref<1x2x?x8xf32>, memref<1x2x?x8xf32>) mask(%mm : memref<1x1x1x?xf32>) past(%past)
    outs(%mq : memref<1x4x?x8xf32>) {scale = 0.5 : f32, causal}
  return
}

// CHECK-LABEL: @embedding
func.func @embedding(%ids: tensor<1x?xi64>, %table: tensor<99x2x4xf16>, %y: tensor<1x?x2x4xf16>, %mids: memref<?xi32>, %mtable: memref<99x8xf32>, %my: memref<?x8xf32>) {
  // CHECK: nn.embedding ins(%{{.*}}, %{{.*}} : tensor<1x?xi64>, tensor<99x2x4xf16>) outs(%{{.*}} : tensor<1x?x2x4xf16>) -> tensor<1x?x2x4xf16>
  %0 = nn.embedding ins(%ids, %table : tensor<1x?xi64>, tensor<99x2x4xf16>) outs(%y : tensor<1x?x2x4xf16>) -> tensor<1x?x2x4xf16>
  // CHECK: nn.embedding ins(%{{.*}}, %{{.*}} : memref<?xi32>, memref<99x8xf32>) outs(%{{.*}} : memref<?x8xf32>){{$}}
  nn.embedding ins(%mids, %mtable : memref<?xi32>, memref<99x8xf32>) outs(%my : memref<?x8xf32>)
  return
}
