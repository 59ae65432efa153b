// RUN: setun-opt %s --setun-verify-raise --split-input-file --verify-diagnostics | FileCheck %s

// A quantizer of each token, and the operation: the same integers, also where the sizes are dynamic. Both go.

#flat = affine_map<()[s0, s1] -> (s0 * s1)>
// CHECK-LABEL: func @main
// CHECK-NOT: func{{.*}}@proof
func.func @main() { return }
func.func private @proof_0(%x: tensor<?x24xf32>, %b: index, %s: index) -> tensor<?x24xi8> attributes {setun.proof} {
  %m = affine.apply #flat()[%b, %s]
  %a = math.absf %x : tensor<?x24xf32>
  %inf = arith.constant 0xFF800000 : f32
  %e = tensor.empty(%m) : tensor<?xf32>
  %f = linalg.fill ins(%inf : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %max = linalg.reduce { arith.maximumf } ins(%a : tensor<?x24xf32>) outs(%f : tensor<?xf32>) dimensions = [1]
  %eps = arith.constant 1.0e-5 : f32
  %epss = linalg.fill ins(%eps : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %c = arith.maximumf %max, %epss : tensor<?xf32>
  %q = arith.constant 127.0 : f32
  %qs = linalg.fill ins(%q : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %d = arith.divf %qs, %c : tensor<?xf32>
  %e2 = tensor.empty(%m) : tensor<?x24xf32>
  %db = linalg.broadcast ins(%d : tensor<?xf32>) outs(%e2 : tensor<?x24xf32>) dimensions = [1]
  %v = arith.mulf %x, %db : tensor<?x24xf32>
  %r = math.roundeven %v : tensor<?x24xf32>
  %hi = linalg.fill ins(%q : f32) outs(%e2 : tensor<?x24xf32>) -> tensor<?x24xf32>
  %l = arith.constant -128.0 : f32
  %lo = linalg.fill ins(%l : f32) outs(%e2 : tensor<?x24xf32>) -> tensor<?x24xf32>
  %r1 = arith.maximumf %r, %lo : tensor<?x24xf32>
  %r2 = arith.minimumf %r1, %hi : tensor<?x24xf32>
  %i = arith.fptosi %r2 : tensor<?x24xf32> to tensor<?x24xi8>
  return %i : tensor<?x24xi8>
}
func.func private @proof_0_raised(%x: tensor<?x24xf32>, %b: index, %s: index) -> tensor<?x24xi8> attributes {setun.raise = "quantize", setun.raised_from = @proof_0} {
  %c0 = arith.constant 0 : index
  %m = tensor.dim %x, %c0 : tensor<?x24xf32>
  %e = tensor.empty(%m) : tensor<?x24xi8>
  %e1 = tensor.empty(%m) : tensor<?xf32>
  %q, %c = ternary.quantize ins(%x : tensor<?x24xf32>) outs(%e, %e1 : tensor<?x24xi8>, tensor<?xf32>) {spelling = #ternary<spelling divide>} -> tensor<?x24xi8>, tensor<?xf32>
  return %q : tensor<?x24xi8>
}

// -----

// Half away from zero is not half to even: random values do not tell, ties do.

func.func private @proof_0(%x: tensor<?x24xf32>) -> tensor<?x24xf32> attributes {setun.proof} {
  %r = math.round %x : tensor<?x24xf32>
  return %r : tensor<?x24xf32>
}
// expected-error @+1 {{this raise to rounding changes the result: on ties at .5, element}}
func.func private @proof_0_raised(%x: tensor<?x24xf32>) -> tensor<?x24xf32> attributes {setun.raise = "rounding", setun.raised_from = @proof_0} {
  %r = math.roundeven %x : tensor<?x24xf32>
  return %r : tensor<?x24xf32>
}

// -----

// The largest magnitude of a row is not that of the tensor; a weight of trits is read on both sides, dense and packed.

ml_program.global private @w(#ternary.trits<<bits = 2, tile = [1, 4], interleave = 1>, dense<[-122, 97]> : tensor<2xi8>>) : tensor<2x4x!ternary.trit>
func.func private @proof_0(%x: tensor<3x4xf32>) -> tensor<3x2xf32> attributes {setun.proof} {
  %s = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %t = ml_program.global_load_const @w : tensor<2x4x!ternary.trit>
  %w = ternary.dequantize %t, %s : tensor<2x4x!ternary.trit>, tensor<2xf32> -> tensor<2x4xf32>
  %z = arith.constant dense<0.0> : tensor<3x2xf32>
  %y = linalg.matmul indexing_maps = [affine_map<(m,n,k)->(m,k)>, affine_map<(m,n,k)->(n,k)>, affine_map<(m,n,k)->(m,n)>]
    ins(%x, %w : tensor<3x4xf32>, tensor<2x4xf32>) outs(%z : tensor<3x2xf32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
func.func private @right(%x: tensor<3x4xf32>) -> tensor<3x2xf32> attributes {setun.raise = "product", setun.raised_from = @proof_0} {
  %t = ml_program.global_load_const @w : tensor<2x4x!ternary.trit>
  %e = tensor.empty() : tensor<3x2xf32>
  %y = ternary.matmul ins(%x, %t : tensor<3x4xf32>, tensor<2x4x!ternary.trit>) outs(%e : tensor<3x2xf32>) -> tensor<3x2xf32>
  %s = arith.constant dense<[[0.5, 0.25], [0.5, 0.25], [0.5, 0.25]]> : tensor<3x2xf32>
  %r = arith.mulf %y, %s : tensor<3x2xf32>
  return %r : tensor<3x2xf32>
}
// expected-error @+1 {{this raise to product changes the result: on random values, element [0,1] is}}
func.func private @wrong(%x: tensor<3x4xf32>) -> tensor<3x2xf32> attributes {setun.raise = "product", setun.raised_from = @proof_0} {
  %t = ml_program.global_load_const @w : tensor<2x4x!ternary.trit>
  %e = tensor.empty() : tensor<3x2xf32>
  %y = ternary.matmul ins(%x, %t : tensor<3x4xf32>, tensor<2x4x!ternary.trit>) outs(%e : tensor<3x2xf32>) -> tensor<3x2xf32>
  %s = arith.constant dense<0.5> : tensor<3x2xf32>
  %r = arith.mulf %y, %s : tensor<3x2xf32>
  return %r : tensor<3x2xf32>
}

// -----

// What cannot be run is told, and removed all the same.

// CHECK-LABEL: func private @unknown
// CHECK-NOT: func{{.*}}@proof
func.func private @unknown(tensor<2xf32>) -> tensor<2xf32>
func.func private @proof_0(%x: tensor<2xf32>) -> tensor<2xf32> attributes {setun.proof} {
  return %x : tensor<2xf32>
}
// expected-warning @+1 {{this raise to nothing is not verified: }}
func.func private @proof_0_raised(%x: tensor<2xf32>) -> tensor<2xf32> attributes {setun.raise = "nothing", setun.raised_from = @proof_0} {
  %y = func.call @unknown(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

// expected-error @+1 {{is raised from @gone, which is not there}}
func.func private @raised(%x: tensor<2xf32>) -> tensor<2xf32> attributes {setun.raise = "nothing", setun.raised_from = @gone} {
  return %x : tensor<2xf32>
}

// -----

// Nothing to do.

// CHECK-LABEL: func private @helper
func.func private @helper(%x: tensor<2xf32>) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}
