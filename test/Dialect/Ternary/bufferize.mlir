// RUN: setun-opt %s --one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map" --canonicalize | FileCheck %s

// The chain works in the destinations that it was given: nothing is allocated or copied.
// CHECK-LABEL: @in_place
// CHECK-NOT: memref.alloc
// CHECK-NOT: memref.copy
// CHECK: ternary.norm_quantize ins(%arg0, %arg1 : memref<?x128xf32>, memref<128xf32>) outs(%arg2, %arg3 : memref<?x128xi8>, memref<?xf32>)
// CHECK: ternary.matmul ins(%arg2, %arg4 : memref<?x128xi8>, memref<64x128x!ternary.trit>) outs(%arg5 : memref<?x64xi32>){{$}}
// CHECK: return %arg5, %arg3 : memref<?x64xi32>, memref<?xf32>
func.func @in_place(%x: tensor<?x128xf32> {bufferization.writable = false}, %g: tensor<128xf32> {bufferization.writable = false},
                    %q0: tensor<?x128xi8>, %c0: tensor<?xf32>, %w: tensor<64x128x!ternary.trit> {bufferization.writable = false},
                    %a: tensor<?x64xi32>) -> (tensor<?x64xi32>, tensor<?xf32>) {
  %q, %c = ternary.norm_quantize ins(%x, %g : tensor<?x128xf32>, tensor<128xf32>) outs(%q0, %c0 : tensor<?x128xi8>, tensor<?xf32>)
    {norm_eps = 1.0e-6 : f32} -> tensor<?x128xi8>, tensor<?xf32>
  %r = ternary.matmul ins(%q, %w : tensor<?x128xi8>, tensor<64x128x!ternary.trit>) outs(%a : tensor<?x64xi32>) -> tensor<?x64xi32>
  return %r, %c : tensor<?x64xi32>, tensor<?xf32>
}

// Destinations are written, never read: an argument that may not be written is replaced, not copied.
// CHECK-LABEL: @read_only
// CHECK: %[[A:.*]] = memref.alloc() {{.*}} : memref<4x8xf32>
// CHECK-NOT: memref.copy
// CHECK: nn.rms_norm ins(%arg0, %arg1 : {{.*}}) outs(%[[A]] : memref<4x8xf32>)
// CHECK: return %[[A]]
func.func @read_only(%x: tensor<4x8xf32> {bufferization.writable = false}, %g: tensor<8xf32>, %y: tensor<4x8xf32> {bufferization.writable = false}) -> tensor<4x8xf32> {
  %r = nn.rms_norm ins(%x, %g : tensor<4x8xf32>, tensor<8xf32>) outs(%y : tensor<4x8xf32>) {epsilon = 1.0e-6 : f32} -> tensor<4x8xf32>
  return %r : tensor<4x8xf32>
}

// A source that is read later is not overwritten.
// CHECK-LABEL: @conflict
// CHECK: %[[A:.*]] = memref.alloc()
// CHECK: ternary.quantize ins(%{{.*}} : {{.*}}) outs(%[[A]],
// CHECK: return %[[A]], %{{.*}}, %arg1
func.func @conflict(%x: tensor<4x8xf32>, %q0: tensor<4x8xi8>, %c0: tensor<4xf32>) -> (tensor<4x8xi8>, tensor<4xf32>, tensor<4x8xi8>) {
  %q, %c = ternary.quantize ins(%x : tensor<4x8xf32>) outs(%q0, %c0 : tensor<4x8xi8>, tensor<4xf32>) -> tensor<4x8xi8>, tensor<4xf32>
  return %q, %c, %q0 : tensor<4x8xi8>, tensor<4xf32>, tensor<4x8xi8>
}

// CHECK-LABEL: @rest
// CHECK: nn.embedding ins(%arg0, %arg1 : memref<?xi64>, memref<99x8xf32>) outs(%arg2 : memref<?x8xf32>)
// CHECK: nn.rotary_embedding ins(%arg3, %arg4, %arg4 : {{.*}}) outs(%arg5 : memref<1x2x?x8xf32>)
// CHECK: nn.attention ins(%arg5, %arg6, %arg6 : {{.*}}) past(%arg8) outs(%arg7 : memref<1x2x?x8xf32>) {causal, scale = 1.000000e+00 : f32}
func.func @rest(%ids: tensor<?xi64>, %table: tensor<99x8xf32>, %e: tensor<?x8xf32>, %x: tensor<1x2x?x8xf32>, %cos: tensor<1x?x4xf32>, %r0: tensor<1x2x?x8xf32>,
                %k: tensor<1x1x?x8xf32>, %y: tensor<1x2x?x8xf32>, %past: index) -> (tensor<?x8xf32>, tensor<1x2x?x8xf32>) {
  %0 = nn.embedding ins(%ids, %table : tensor<?xi64>, tensor<99x8xf32>) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %1 = nn.rotary_embedding ins(%x, %cos, %cos : tensor<1x2x?x8xf32>, tensor<1x?x4xf32>, tensor<1x?x4xf32>) outs(%r0 : tensor<1x2x?x8xf32>) -> tensor<1x2x?x8xf32>
  %2 = nn.attention ins(%1, %k, %k : tensor<1x2x?x8xf32>, tensor<1x1x?x8xf32>, tensor<1x1x?x8xf32>) past(%past)
    outs(%y : tensor<1x2x?x8xf32>) {scale = 1.0 : f32, causal} -> tensor<1x2x?x8xf32>
  return %0, %2 : tensor<?x8xf32>, tensor<1x2x?x8xf32>
}
