// RUN: setun-opt %s --ternary-raise-bit-linear --split-input-file | FileCheck %s

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// Rank 3, 127 * (1 / c), divided by S before the product; two products share the quantizer.
// CHECK-LABEL: @reciprocal
// CHECK-SAME: %[[X:.*]]: tensor<?x?x8xf32>
// CHECK: %[[Q:.*]]:2 = ternary.quantize ins(%[[X]] : tensor<?x?x8xf32>)
// CHECK-SAME: {spelling = #ternary<spelling reciprocal>}
// CHECK-NOT: linalg.reduce
// CHECK: %[[C:.*]] = tensor.expand_shape %[[Q]]#1
// CHECK: %[[R:.*]] = arith.divf %{{.*}}, %[[C]]
// CHECK: %[[S:.*]] = arith.mulf %[[R]]
// CHECK: %[[Q2:.*]] = tensor.collapse_shape %[[Q]]#0 {{\[\[}}0, 1], [2]] : tensor<?x?x8xi8> into tensor<?x8xi8>
// CHECK: %[[ACC:.*]] = ternary.matmul ins(%[[Q2]], %{{.*}} : tensor<?x8xi8>, tensor<4x8x!ternary.trit>)
// CHECK: %[[F:.*]] = arith.sitofp %[[ACC]] : tensor<?x4xi32> to tensor<?x4xf32>
// CHECK: %[[WB:.*]] = linalg.broadcast ins(%{{.*}} : tensor<f32>)
// CHECK: %[[M:.*]] = arith.mulf %[[F]], %[[WB]]
// CHECK: tensor.collapse_shape %{{.*}} {{\[\[}}0, 1]] : tensor<?x?xf32> into tensor<?xf32>
// CHECK: %[[SB:.*]] = linalg.broadcast ins(%{{.*}} : tensor<?xf32>) outs(%{{.*}} : tensor<?x4xf32>) dimensions = [1]
// CHECK: arith.divf %[[M]], %[[SB]]
// CHECK-NOT: ternary.quantize
// CHECK: ternary.matmul
// CHECK-NOT: linalg.matmul
func.func @reciprocal(%x: tensor<?x?x8xf32>, %b: index, %s: index, %m: index, %t: tensor<4x8x!ternary.trit>,
                      %u: tensor<4x8x!ternary.trit>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %zero = arith.constant 0.0 : f32
  %ninf = arith.constant 0xFF800000 : f32
  %cst = arith.constant 1.0e-5 : f32
  %one = arith.constant 1.0 : f32
  %c127 = arith.constant 127.0 : f32
  %cm128 = arith.constant -128.0 : f32
  %ws = arith.constant dense<0.5> : tensor<1xf32>
  %e2 = tensor.empty(%b, %s) : tensor<?x?xf32>
  %e21 = tensor.empty(%b, %s) : tensor<?x?x1xf32>
  %e3 = tensor.empty(%b, %s) : tensor<?x?x8xf32>
  %a = math.absf %x : tensor<?x?x8xf32>
  %init = linalg.fill ins(%ninf : f32) outs(%e2 : tensor<?x?xf32>) -> tensor<?x?xf32>
  %mx = linalg.reduce { arith.maximumf } ins(%a : tensor<?x?x8xf32>) outs(%init : tensor<?x?xf32>) dimensions = [2]
  %mk = tensor.expand_shape %mx [[0], [1, 2]] output_shape [%b, %s, 1] : tensor<?x?xf32> into tensor<?x?x1xf32>
  %eps = linalg.fill ins(%cst : f32) outs(%e21 : tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %c = arith.maximumf %mk, %eps : tensor<?x?x1xf32>
  %ones = linalg.fill ins(%one : f32) outs(%e21 : tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %r = arith.divf %ones, %c : tensor<?x?x1xf32>
  %q127 = linalg.fill ins(%c127 : f32) outs(%e21 : tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %S = arith.mulf %r, %q127 : tensor<?x?x1xf32>
  %Sc = tensor.collapse_shape %S [[0], [1, 2]] : tensor<?x?x1xf32> into tensor<?x?xf32>
  %Sb = linalg.broadcast ins(%Sc : tensor<?x?xf32>) outs(%e3 : tensor<?x?x8xf32>) dimensions = [2]
  %v = arith.mulf %x, %Sb : tensor<?x?x8xf32>
  %o = math.roundeven %v : tensor<?x?x8xf32>
  %lo = linalg.fill ins(%cm128 : f32) outs(%e3 : tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %hi = linalg.fill ins(%c127 : f32) outs(%e3 : tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %i0 = arith.maximumf %o, %lo : tensor<?x?x8xf32>
  %i = arith.minimumf %i0, %hi : tensor<?x?x8xf32>
  %xq = arith.divf %i, %Sb : tensor<?x?x8xf32>
  %x2 = tensor.collapse_shape %xq [[0, 1], [2]] : tensor<?x?x8xf32> into tensor<?x8xf32>
  %ey = tensor.empty(%m) : tensor<?x4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%ey : tensor<?x4xf32>) -> tensor<?x4xf32>
  %w = ternary.dequantize %t, %ws : tensor<4x8x!ternary.trit>, tensor<1xf32> -> tensor<4x8xf32>
  %y = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x2, %w : tensor<?x8xf32>, tensor<4x8xf32>) outs(%z : tensor<?x4xf32>) -> tensor<?x4xf32>
  %w2 = ternary.dequantize %u, %ws : tensor<4x8x!ternary.trit>, tensor<1xf32> -> tensor<4x8xf32>
  %y2 = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x2, %w2 : tensor<?x8xf32>, tensor<4x8xf32>) outs(%z : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y, %y2 : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// Straight-through, (q - x) + x, on 127 / c with no clamp at all and a scale for each row of the weight.
// CHECK-LABEL: @straight_through
// CHECK: ternary.quantize ins(%arg0 : tensor<3x8xf32>)
// CHECK-SAME: {clamp = array<i64: -127, 127>}
// CHECK: ternary.matmul
// CHECK: linalg.broadcast ins(%arg2 : tensor<4xf32>) outs(%{{.*}} : tensor<3x4xf32>) dimensions = [0]
// CHECK: arith.mulf
// CHECK: arith.divf
// CHECK-NOT: math.roundeven
func.func @straight_through(%x: tensor<3x8xf32>, %t: tensor<4x8x!ternary.trit>, %ws: tensor<4xf32>) -> tensor<3x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<3x4xf32>
  %init = arith.constant dense<0xFF800000> : tensor<3xf32>
  %c127 = arith.constant dense<127.0> : tensor<3xf32>
  %eps = arith.constant dense<1.0e-5> : tensor<3xf32>
  %e = tensor.empty() : tensor<3x8xf32>
  %a = math.absf %x : tensor<3x8xf32>
  %mx = linalg.reduce { arith.maximumf } ins(%a : tensor<3x8xf32>) outs(%init : tensor<3xf32>) dimensions = [1]
  %c = arith.maximumf %eps, %mx : tensor<3xf32>
  %S = arith.divf %c127, %c : tensor<3xf32>
  %Sb = linalg.broadcast ins(%S : tensor<3xf32>) outs(%e : tensor<3x8xf32>) dimensions = [1]
  %v = arith.mulf %Sb, %x : tensor<3x8xf32>
  %o = math.roundeven %v : tensor<3x8xf32>
  %q = arith.divf %o, %Sb : tensor<3x8xf32>
  %d = arith.subf %q, %x : tensor<3x8xf32>
  %xq = arith.addf %x, %d : tensor<3x8xf32>
  %w = ternary.dequantize %t, %ws : tensor<4x8x!ternary.trit>, tensor<4xf32> -> tensor<4x8xf32>
  %y = linalg.matmul indexing_maps = [#x, #w, #y] ins(%xq, %w : tensor<3x8xf32>, tensor<4x8xf32>) outs(%zero : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// -----

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// One scale for the whole tensor, x * 128 / c, the scales deferred by the graph: nothing but sitofp follows the product.
// CHECK-LABEL: @per_tensor
// CHECK: %[[Q:.*]]:2 = ternary.quantize ins(%arg0 : tensor<3x8xf32>) outs(%{{.*}} : tensor<3x8xi8>, tensor<f32>)
// CHECK-SAME: {eps = 0.000000e+00 : f32, per_tensor, qmax = 1.280000e+02 : f32, spelling = #ternary<spelling scale_first>
// CHECK: %[[ACC:.*]] = ternary.matmul ins(%[[Q]]#0
// CHECK: %[[F:.*]] = arith.sitofp %[[ACC]]
// CHECK: %[[G:.*]] = arith.mulf %[[Q]]#1, %arg2
// CHECK: %[[B:.*]] = linalg.broadcast ins(%[[G]]
// CHECK: arith.mulf %[[F]], %[[B]]
func.func @per_tensor(%x: tensor<3x8xf32>, %t: tensor<4x8x!ternary.trit>, %beta: tensor<f32>) -> tensor<3x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<3x4xf32>
  %init = arith.constant dense<0xFF800000> : tensor<f32>
  %c128 = arith.constant dense<128.0> : tensor<3x8xf32>
  %lo = arith.constant dense<-128.0> : tensor<3x8xf32>
  %hi = arith.constant dense<127.0> : tensor<3x8xf32>
  %ws = arith.constant dense<1.0> : tensor<1xf32>
  %e = tensor.empty() : tensor<3x8xf32>
  %ey = tensor.empty() : tensor<3x4xf32>
  %a = math.absf %x : tensor<3x8xf32>
  %g = linalg.reduce { arith.maximumf } ins(%a : tensor<3x8xf32>) outs(%init : tensor<f32>) dimensions = [0, 1]
  %xs = arith.mulf %x, %c128 : tensor<3x8xf32>
  %gb = linalg.broadcast ins(%g : tensor<f32>) outs(%e : tensor<3x8xf32>) dimensions = [0, 1]
  %v = arith.divf %xs, %gb : tensor<3x8xf32>
  %o = math.roundeven %v : tensor<3x8xf32>
  %i0 = arith.minimumf %o, %hi : tensor<3x8xf32>
  %i = arith.maximumf %i0, %lo : tensor<3x8xf32>
  %w = ternary.dequantize %t, %ws : tensor<4x8x!ternary.trit>, tensor<1xf32> -> tensor<4x8xf32>
  %y = linalg.matmul indexing_maps = [#x, #w, #y] ins(%i, %w : tensor<3x8xf32>, tensor<4x8xf32>) outs(%zero : tensor<3x4xf32>) -> tensor<3x4xf32>
  %bg = arith.mulf %g, %beta : tensor<f32>
  %bgb = linalg.broadcast ins(%bg : tensor<f32>) outs(%ey : tensor<3x4xf32>) dimensions = [0, 1]
  %r = arith.mulf %y, %bgb : tensor<3x4xf32>
  return %r : tensor<3x4xf32>
}

// -----

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// x / (c / 127) to int8 for an integer product.
// CHECK-LABEL: @integers
// CHECK: %[[Q:.*]]:2 = ternary.quantize {{.*}} spelling = #ternary<spelling step>
// CHECK: %[[R:.*]] = tensor.collapse_shape %[[Q]]#0 {{\[\[}}0, 1], [2]] : tensor<1x3x8xi8> into tensor<3x8xi8>
// CHECK: %[[ACC:.*]] = ternary.matmul ins(%[[R]], %arg1 : tensor<3x8xi8>, tensor<4x8x!ternary.trit>) outs(%{{.*}} : tensor<3x4xi32>)
// CHECK: return %[[ACC]]
func.func @integers(%x: tensor<1x3x8xf32>, %t: tensor<4x8x!ternary.trit>) -> tensor<3x4xi32> {
  %zero = arith.constant dense<0> : tensor<3x4xi32>
  %init = arith.constant dense<0.0> : tensor<1x3xf32>
  %c127 = arith.constant dense<127.0> : tensor<1x3xf32>
  %lo = arith.constant dense<-128.0> : tensor<1x3x8xf32>
  %hi = arith.constant dense<127.0> : tensor<1x3x8xf32>
  %e = tensor.empty() : tensor<1x3x8xf32>
  %a = math.absf %x : tensor<1x3x8xf32>
  %c = linalg.reduce { arith.maximumf } ins(%a : tensor<1x3x8xf32>) outs(%init : tensor<1x3xf32>) dimensions = [2]
  %d = arith.divf %c, %c127 : tensor<1x3xf32>
  %db = linalg.broadcast ins(%d : tensor<1x3xf32>) outs(%e : tensor<1x3x8xf32>) dimensions = [2]
  %v = arith.divf %x, %db : tensor<1x3x8xf32>
  %o = math.roundeven %v : tensor<1x3x8xf32>
  %i0 = arith.maximumf %o, %lo : tensor<1x3x8xf32>
  %i = arith.minimumf %i0, %hi : tensor<1x3x8xf32>
  %i83 = arith.fptosi %i : tensor<1x3x8xf32> to tensor<1x3x8xi8>
  %i8 = tensor.collapse_shape %i83 [[0, 1], [2]] : tensor<1x3x8xi8> into tensor<3x8xi8>
  %wi = ternary.dequantize %t : tensor<4x8x!ternary.trit> -> tensor<4x8xi8>
  %y = linalg.matmul indexing_maps = [#x, #w, #y] ins(%i8, %wi : tensor<3x8xi8>, tensor<4x8xi8>) outs(%zero : tensor<3x4xi32>) -> tensor<3x4xi32>
  return %y : tensor<3x4xi32>
}

// -----

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// bf16: casts around abs, everything else rounds in bf16; (x / c) * 127 through int8; groups of scales; the scale of the
// activations goes onto the f32 result, which is rounded once.
// CHECK-LABEL: @bf16_groups
// CHECK: %[[Q:.*]]:2 = ternary.quantize ins(%arg0 : tensor<3x8xbf16>) outs(%{{.*}} : tensor<3x8xi8>, tensor<3xbf16>)
// CHECK-SAME: spelling = #ternary<spelling normalize>
// CHECK: %[[G:.*]] = arith.extf %arg2 : tensor<4x2xbf16> to tensor<4x2xf32>
// CHECK: %[[ACC:.*]] = ternary.matmul ins(%[[Q]]#0, %arg1, %[[G]] : tensor<3x8xi8>, tensor<4x8x!ternary.trit>, tensor<4x2xf32>) outs(%{{.*}} : tensor<3x4xf32>)
// CHECK: %[[S:.*]] = arith.extf %{{.*}} : tensor<3x4xbf16> to tensor<3x4xf32>
// CHECK: %[[M:.*]] = arith.mulf %[[ACC]], %[[S]]
// CHECK: arith.truncf %[[M]] : tensor<3x4xf32> to tensor<3x4xbf16>
func.func @bf16_groups(%x: tensor<3x8xbf16>, %t: tensor<4x8x!ternary.trit>, %ws: tensor<4x2xbf16>) -> tensor<3x4xbf16> {
  %zero = arith.constant dense<0.0> : tensor<3x4xbf16>
  %init = arith.constant dense<0xFF80> : tensor<3xbf16>
  %c127 = arith.constant dense<127.0> : tensor<3x8xbf16>
  %c127r = arith.constant dense<127.0> : tensor<3xbf16>
  %eps = arith.constant dense<1.001358e-05> : tensor<3xbf16>
  %e = tensor.empty() : tensor<3x8xbf16>
  %xf = arith.extf %x : tensor<3x8xbf16> to tensor<3x8xf32>
  %af = math.absf %xf : tensor<3x8xf32>
  %a = arith.truncf %af : tensor<3x8xf32> to tensor<3x8xbf16>
  %mx = linalg.reduce { arith.maximumf } ins(%a : tensor<3x8xbf16>) outs(%init : tensor<3xbf16>) dimensions = [1]
  %c = arith.maximumf %mx, %eps : tensor<3xbf16>
  %cb = linalg.broadcast ins(%c : tensor<3xbf16>) outs(%e : tensor<3x8xbf16>) dimensions = [1]
  %n = arith.divf %x, %cb : tensor<3x8xbf16>
  %v = arith.mulf %n, %c127 : tensor<3x8xbf16>
  %o = math.roundeven %v : tensor<3x8xbf16>
  %i8 = arith.fptosi %o : tensor<3x8xbf16> to tensor<3x8xi8>
  %i = arith.sitofp %i8 : tensor<3x8xi8> to tensor<3x8xbf16>
  %step = arith.divf %c, %c127r : tensor<3xbf16>
  %sb = linalg.broadcast ins(%step : tensor<3xbf16>) outs(%e : tensor<3x8xbf16>) dimensions = [1]
  %xq = arith.mulf %i, %sb : tensor<3x8xbf16>
  %w = ternary.dequantize %t, %ws : tensor<4x8x!ternary.trit>, tensor<4x2xbf16> -> tensor<4x8xbf16>
  %y = linalg.matmul indexing_maps = [#x, #w, #y] ins(%xq, %w : tensor<3x8xbf16>, tensor<4x8xbf16>) outs(%zero : tensor<3x4xbf16>) -> tensor<3x4xbf16>
  return %y : tensor<3x4xbf16>
}

// -----

// No quantized weight, nothing to do.
// CHECK-LABEL: @dense
// CHECK-NEXT: linalg.matmul
// CHECK-NEXT: return
func.func @dense(%x: tensor<3x8xf32>, %w: tensor<8x4xf32>, %z: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %y = linalg.matmul ins(%x, %w : tensor<3x8xf32>, tensor<8x4xf32>) outs(%z : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// -----

#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>

// A decode step: the size of 1 goes with the last dimension's group.
// CHECK-LABEL: @one_token
// CHECK: ternary.quantize
// CHECK: ternary.matmul
// CHECK: arith.divf
func.func @one_token(%x: tensor<1x1x8xf32>, %t: tensor<4x8x!ternary.trit>) -> tensor<1x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x4xf32>
  %init = arith.constant dense<0.0> : tensor<1x1xf32>
  %c127 = arith.constant dense<127.0> : tensor<1x1xf32>
  %e = tensor.empty() : tensor<1x1x8xf32>
  %a = math.absf %x : tensor<1x1x8xf32>
  %c = linalg.reduce { arith.maximumf } ins(%a : tensor<1x1x8xf32>) outs(%init : tensor<1x1xf32>) dimensions = [2]
  %S = arith.divf %c127, %c : tensor<1x1xf32>
  %Sb = linalg.broadcast ins(%S : tensor<1x1xf32>) outs(%e : tensor<1x1x8xf32>) dimensions = [2]
  %v = arith.mulf %x, %Sb : tensor<1x1x8xf32>
  %o = math.roundeven %v : tensor<1x1x8xf32>
  %q = arith.divf %o, %Sb : tensor<1x1x8xf32>
  %q2 = tensor.collapse_shape %q [[0], [1, 2]] : tensor<1x1x8xf32> into tensor<1x8xf32>
  %w = ternary.dequantize %t : tensor<4x8x!ternary.trit> -> tensor<4x8xf32>
  %y = linalg.matmul indexing_maps = [#x, #w, #y] ins(%q2, %w : tensor<1x8xf32>, tensor<4x8xf32>) outs(%zero : tensor<1x4xf32>) -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}
