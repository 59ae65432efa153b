// Every op of the dialect, on tensors and on buffers, survives printing and parsing, in the op's own form, in the generic
// one and in bytecode.
// RUN: setun-opt %s | FileCheck %s
// RUN: setun-opt %s > %t.mlir
// RUN: setun-opt %t.mlir | diff %t.mlir -
// RUN: setun-opt %s --mlir-print-op-generic | setun-opt | diff %t.mlir -
// RUN: setun-opt %s --emit-bytecode | setun-opt | diff %t.mlir -

#canonical = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>
#tiled = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>

// CHECK: ml_program.global private @w(#ternary.trits<<bits = 2, tile = [1, 4], interleave = 1>, dense<85> : tensor<2xi8>>) : tensor<2x3x!ternary.trit>
ml_program.global private @w(#ternary.trits<<bits = 2, tile = [1, 4], interleave = 1>, dense<85> : tensor<2xi8>>) : tensor<2x3x!ternary.trit>

// CHECK-LABEL: @trits
func.func @trits(%b: tensor<32xi8>) -> (tensor<2x2x!ternary.trit>, tensor<128xi8>) {
  // CHECK: ternary.constant dense<{{\[\[}}1, 0], [-1, 1]]> : tensor<2x2xi8> -> tensor<2x2x!ternary.trit>
  %c = ternary.constant dense<[[1, 0], [-1, 1]]> : tensor<2x2xi8> -> tensor<2x2x!ternary.trit>
  // CHECK: ternary.unpack %{{.*}} {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>} : tensor<32xi8> -> tensor<8x16x!ternary.trit>
  %t = ternary.unpack %b {encoding = #canonical} : tensor<32xi8> -> tensor<8x16x!ternary.trit>
  // CHECK: ternary.pack %{{.*}} {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>} : tensor<8x16x!ternary.trit> -> tensor<128xi8>
  %p = ternary.pack %t {encoding = #tiled} : tensor<8x16x!ternary.trit> -> tensor<128xi8>
  return %c, %p : tensor<2x2x!ternary.trit>, tensor<128xi8>
}

// CHECK-LABEL: @from_int
func.func @from_int(%i: tensor<?x4xi8>) -> tensor<?x4x!ternary.trit> {
  // CHECK: ternary.from_int %{{.*}} : tensor<?x4xi8> -> tensor<?x4x!ternary.trit>
  %t = ternary.from_int %i : tensor<?x4xi8> -> tensor<?x4x!ternary.trit>
  return %t : tensor<?x4x!ternary.trit>
}

// CHECK-LABEL: @dequantize
func.func @dequantize(%t: tensor<4x8x!ternary.trit>, %s: tensor<4x2xf32>) -> (tensor<4x8xf32>, tensor<4x8xi8>, tensor<4x8xf16>) {
  // CHECK: ternary.dequantize %{{.*}}, %{{.*}} : tensor<4x8x!ternary.trit>, tensor<4x2xf32> -> tensor<4x8xf32>
  %0 = ternary.dequantize %t, %s : tensor<4x8x!ternary.trit>, tensor<4x2xf32> -> tensor<4x8xf32>
  // CHECK: ternary.dequantize %{{.*}} : tensor<4x8x!ternary.trit> -> tensor<4x8xi8>
  %1 = ternary.dequantize %t : tensor<4x8x!ternary.trit> -> tensor<4x8xi8>
  // CHECK: ternary.dequantize %{{.*}} : tensor<4x8x!ternary.trit> -> tensor<4x8xf16>
  %2 = ternary.dequantize %t : tensor<4x8x!ternary.trit> -> tensor<4x8xf16>
  return %0, %1, %2 : tensor<4x8xf32>, tensor<4x8xi8>, tensor<4x8xf16>
}

// CHECK-LABEL: @quantize_weight
func.func @quantize_weight(%w: tensor<?x8xf32>) -> (tensor<?x8x!ternary.trit>, tensor<1xf32>, tensor<?x8x!ternary.trit>, tensor<?xf32>) {
  // CHECK: ternary.quantize_weight %{{.*}} : tensor<?x8xf32> -> tensor<?x8x!ternary.trit>, tensor<1xf32>
  %t, %s = ternary.quantize_weight %w : tensor<?x8xf32> -> tensor<?x8x!ternary.trit>, tensor<1xf32>
  // CHECK: ternary.quantize_weight %{{.*}} {eps = {{.*}}, method = #ternary<weight_method absmax>, per_row} : tensor<?x8xf32> -> tensor<?x8x!ternary.trit>, tensor<?xf32>
  %u, %v = ternary.quantize_weight %w {method = #ternary<weight_method absmax>, per_row, eps = 1.0e-6 : f32} : tensor<?x8xf32> -> tensor<?x8x!ternary.trit>, tensor<?xf32>
  return %t, %s, %u, %v : tensor<?x8x!ternary.trit>, tensor<1xf32>, tensor<?x8x!ternary.trit>, tensor<?xf32>
}

// CHECK-LABEL: @layer
func.func @layer(%x: tensor<?x128xf32>, %g: tensor<128xf32>, %q0: tensor<?x128xi8>, %c0: tensor<?xf32>, %t0: tensor<f32>,
                 %w: tensor<64x128x!ternary.trit>, %packed: tensor<2048xi8>, %s: tensor<64x4xf32>, %one: tensor<1xf32>,
                 %bias: tensor<64xf32>, %i: tensor<?x64xi32>, %f: tensor<?x64xf32>) {
  // CHECK: ternary.quantize ins(%{{.*}} : tensor<?x128xf32>) outs(%{{.*}}, %{{.*}} : tensor<?x128xi8>, tensor<?xf32>) {spelling = #ternary<spelling reciprocal>} -> tensor<?x128xi8>, tensor<?xf32>
  %q, %c = ternary.quantize ins(%x : tensor<?x128xf32>) outs(%q0, %c0 : tensor<?x128xi8>, tensor<?xf32>)
    {spelling = #ternary<spelling reciprocal>} -> tensor<?x128xi8>, tensor<?xf32>
  // CHECK: ternary.quantize {{.*}} {clamp = array<i64: -127, 127>, per_tensor, qmax = 1.280000e+02 : f32}
  %q1, %c1 = ternary.quantize ins(%x : tensor<?x128xf32>) outs(%q0, %t0 : tensor<?x128xi8>, tensor<f32>)
    {per_tensor, qmax = 128.0 : f32, clamp = array<i64: -127, 127>} -> tensor<?x128xi8>, tensor<f32>
  // CHECK: ternary.norm_quantize ins(%{{.*}}, %{{.*}} : tensor<?x128xf32>, tensor<128xf32>) outs(%{{.*}}, %{{.*}} : tensor<?x128xi8>, tensor<?xf32>) {norm_eps = {{.*}} : f32}
  %q2, %c2 = ternary.norm_quantize ins(%x, %g : tensor<?x128xf32>, tensor<128xf32>) outs(%q0, %c0 : tensor<?x128xi8>, tensor<?xf32>)
    {norm_eps = 1.0e-6 : f32} -> tensor<?x128xi8>, tensor<?xf32>
  // CHECK: ternary.matmul ins(%{{.*}}, %{{.*}} : tensor<?x128xi8>, tensor<64x128x!ternary.trit>) outs(%{{.*}} : tensor<?x64xi32>) -> tensor<?x64xi32>
  %acc = ternary.matmul ins(%q, %w : tensor<?x128xi8>, tensor<64x128x!ternary.trit>) outs(%i : tensor<?x64xi32>) -> tensor<?x64xi32>
  // CHECK: ternary.matmul ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x128xi8>, tensor<64x128x!ternary.trit>, tensor<64x4xf32>) outs(%{{.*}} : tensor<?x64xf32>) -> tensor<?x64xf32>
  %grouped = ternary.matmul ins(%q, %w, %s : tensor<?x128xi8>, tensor<64x128x!ternary.trit>, tensor<64x4xf32>) outs(%f : tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: ternary.matmul ins(%{{.*}}, %{{.*}} : tensor<?x128xf32>, tensor<2048xi8>) outs(%{{.*}} : tensor<?x64xf32>) {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  %float = ternary.matmul ins(%x, %packed : tensor<?x128xf32>, tensor<2048xi8>) outs(%f : tensor<?x64xf32>) {encoding = #tiled} -> tensor<?x64xf32>
  // CHECK: ternary.bit_linear ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x128xf32>, tensor<64x128x!ternary.trit>, tensor<1xf32>) outs(%{{.*}} : tensor<?x64xf32>) -> tensor<?x64xf32>
  %y0 = ternary.bit_linear ins(%x, %w, %one : tensor<?x128xf32>, tensor<64x128x!ternary.trit>, tensor<1xf32>) outs(%f : tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: ternary.bit_linear ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x128xf32>, tensor<64x128x!ternary.trit>, tensor<64x4xf32>, tensor<64xf32>) outs(%{{.*}} : tensor<?x64xf32>) {eps = {{.*}} : f32} -> tensor<?x64xf32>
  %y1 = ternary.bit_linear ins(%x, %w, %s, %bias : tensor<?x128xf32>, tensor<64x128x!ternary.trit>, tensor<64x4xf32>, tensor<64xf32>)
    outs(%f : tensor<?x64xf32>) {eps = 1.0e-6 : f32} -> tensor<?x64xf32>
  return
}

// CHECK-LABEL: @buffers
func.func @buffers(%x: memref<?x128xbf16>, %g: memref<128xbf16>, %q: memref<?x128xi8>, %c: memref<?xbf16>, %w: memref<64x128x!ternary.trit>,
                   %packed: memref<2048xi8, strided<[1], offset: ?>>, %s: memref<64x4xf32>, %sb: memref<64xbf16>, %i: memref<?x64xi32>, %f: memref<?x64xf32>,
                   %y: memref<?x64xbf16>) {
  // CHECK: ternary.quantize ins(%{{.*}} : memref<?x128xbf16>) outs(%{{.*}}, %{{.*}} : memref<?x128xi8>, memref<?xbf16>){{$}}
  ternary.quantize ins(%x : memref<?x128xbf16>) outs(%q, %c : memref<?x128xi8>, memref<?xbf16>)
  // CHECK: ternary.norm_quantize ins(%{{.*}}, %{{.*}} : memref<?x128xbf16>, memref<128xbf16>) outs(%{{.*}}, %{{.*}} : memref<?x128xi8>, memref<?xbf16>) {norm_eps = {{.*}} : f32}
  ternary.norm_quantize ins(%x, %g : memref<?x128xbf16>, memref<128xbf16>) outs(%q, %c : memref<?x128xi8>, memref<?xbf16>) {norm_eps = 1.0e-6 : f32}
  // CHECK: ternary.matmul ins(%{{.*}}, %{{.*}} : memref<?x128xi8>, memref<2048xi8, strided<[1], offset: ?>>) outs(%{{.*}} : memref<?x64xi32>) {encoding = #ternary.encoding<{{.*}}>}
  ternary.matmul ins(%q, %packed : memref<?x128xi8>, memref<2048xi8, strided<[1], offset: ?>>) outs(%i : memref<?x64xi32>) {encoding = #canonical}
  // CHECK: ternary.matmul ins(%{{.*}}, %{{.*}}, %{{.*}} : memref<?x128xi8>, memref<64x128x!ternary.trit>, memref<64x4xf32>) outs(%{{.*}} : memref<?x64xf32>){{$}}
  ternary.matmul ins(%q, %w, %s : memref<?x128xi8>, memref<64x128x!ternary.trit>, memref<64x4xf32>) outs(%f : memref<?x64xf32>)
  // CHECK: ternary.bit_linear ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : memref<?x128xbf16>, memref<64x128x!ternary.trit>, memref<64xbf16>, memref<64xbf16>) outs(%{{.*}} : memref<?x64xbf16>){{$}}
  ternary.bit_linear ins(%x, %w, %sb, %sb : memref<?x128xbf16>, memref<64x128x!ternary.trit>, memref<64xbf16>, memref<64xbf16>) outs(%y : memref<?x64xbf16>)
  return
}

// CHECK-LABEL: @vectors(%{{.*}}: vector<4x!ternary.trit>)
func.func @vectors(%v: vector<4x!ternary.trit>) {
  return
}
