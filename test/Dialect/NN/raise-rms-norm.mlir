// RUN: setun-opt %s --nn-raise-rms-norm --split-input-file | FileCheck %s
// RUN: setun-opt %s --nn-raise-rms-norm=keep-proofs --split-input-file | FileCheck %s --check-prefix=PROOF

// As torch exports it: gamma first, 1 / sqrt, sizes of 1 kept.
// CHECK-LABEL: @exported
// CHECK-SAME: %[[X:.*]]: tensor<?x?x8xf32>, %[[G:.*]]: tensor<8xf32>, %[[B:.*]]: index, %[[S:.*]]: index
// CHECK: %[[E:.*]] = tensor.empty(%{{.*}}) : tensor<?x?x8xf32>
// CHECK: %[[Y:.*]] = nn.rms_norm ins(%[[X]], %[[G]] : tensor<?x?x8xf32>, tensor<8xf32>) outs(%[[E]] : tensor<?x?x8xf32>) {epsilon = 9.99999974E-6 : f32}
// CHECK-NOT: linalg.reduce
// CHECK: return %[[Y]]
// PROOF-LABEL: func.func private @proof_0(
// PROOF: linalg.reduce
// PROOF: func.func private @proof_0_raised(
// PROOF-SAME: setun.raise = "rms_norm", setun.raised_from = @proof_0
// PROOF: nn.rms_norm
func.func @exported(%x: tensor<?x?x8xf32>, %g: tensor<8xf32>, %b: index, %s: index) -> tensor<?x?x8xf32> {
  %zero = arith.constant 0.0 : f32
  %c8 = arith.constant 8.0 : f32
  %ceps = arith.constant 1.0e-5 : f32
  %one = arith.constant 1.0 : f32
  %e2 = tensor.empty(%b, %s) : tensor<?x?xf32>
  %e21 = tensor.empty(%b, %s) : tensor<?x?x1xf32>
  %e3 = tensor.empty(%b, %s) : tensor<?x?x8xf32>
  %sq = arith.mulf %x, %x : tensor<?x?x8xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x?xf32>) -> tensor<?x?xf32>
  %sum = linalg.reduce { arith.addf } ins(%sq : tensor<?x?x8xf32>) outs(%z : tensor<?x?xf32>) dimensions = [2]
  %n = linalg.fill ins(%c8 : f32) outs(%e2 : tensor<?x?xf32>) -> tensor<?x?xf32>
  %mean = arith.divf %sum, %n : tensor<?x?xf32>
  %mk = tensor.expand_shape %mean [[0], [1, 2]] output_shape [%b, %s, 1] : tensor<?x?xf32> into tensor<?x?x1xf32>
  %eps = linalg.fill ins(%ceps : f32) outs(%e21 : tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %v = arith.addf %mk, %eps : tensor<?x?x1xf32>
  %r = math.sqrt %v : tensor<?x?x1xf32>
  %ones = linalg.fill ins(%one : f32) outs(%e21 : tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %i = arith.divf %ones, %r : tensor<?x?x1xf32>
  %ic = tensor.collapse_shape %i [[0], [1, 2]] : tensor<?x?x1xf32> into tensor<?x?xf32>
  %ib = linalg.broadcast ins(%ic : tensor<?x?xf32>) outs(%e3 : tensor<?x?x8xf32>) dimensions = [2]
  %h = arith.mulf %x, %ib : tensor<?x?x8xf32>
  %gb = linalg.broadcast ins(%g : tensor<8xf32>) outs(%e3 : tensor<?x?x8xf32>) dimensions = [0, 1]
  %y = arith.mulf %gb, %h : tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

// bf16: f32 inside, rounded before gamma; a power, rsqrt, gamma second.
// CHECK-LABEL: @bf16
// CHECK: nn.rms_norm ins(%arg0, %arg1 : tensor<4x8xbf16>, tensor<8xbf16>) outs(%{{.*}} : tensor<4x8xbf16>) {epsilon = 1.000000e-01 : f32}
func.func @bf16(%x: tensor<4x8xbf16>, %g: tensor<8xbf16>) -> tensor<4x8xbf16> {
  %z = arith.constant dense<0.0> : tensor<4xf32>
  %two = arith.constant dense<2.0> : tensor<4x8xf32>
  %inv = arith.constant dense<0.125> : tensor<4xf32>
  %eps = arith.constant dense<0.1> : tensor<4xf32>
  %e = tensor.empty() : tensor<4x8xf32>
  %eb = tensor.empty() : tensor<4x8xbf16>
  %f = arith.extf %x : tensor<4x8xbf16> to tensor<4x8xf32>
  %sq = math.powf %f, %two : tensor<4x8xf32>
  %sum = linalg.reduce { arith.addf } ins(%sq : tensor<4x8xf32>) outs(%z : tensor<4xf32>) dimensions = [1]
  %mean = arith.mulf %sum, %inv : tensor<4xf32>
  %v = arith.addf %eps, %mean : tensor<4xf32>
  %r = math.rsqrt %v : tensor<4xf32>
  %rb = linalg.broadcast ins(%r : tensor<4xf32>) outs(%e : tensor<4x8xf32>) dimensions = [1]
  %h = arith.mulf %f, %rb : tensor<4x8xf32>
  %t = arith.truncf %h : tensor<4x8xf32> to tensor<4x8xbf16>
  %gb = linalg.broadcast ins(%g : tensor<8xbf16>) outs(%eb : tensor<4x8xbf16>) dimensions = [0]
  %y = arith.mulf %t, %gb : tensor<4x8xbf16>
  return %y : tensor<4x8xbf16>
}

// -----

// The normalized value is read elsewhere, in another function there is no gamma, in the last the mean has a wrong count
// and the sum runs down the columns.
// CHECK-LABEL: @other_use
// CHECK-NOT: nn.rms_norm
func.func @other_use(%x: tensor<4x8xf32>, %g: tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %z = arith.constant dense<0.0> : tensor<4xf32>
  %n = arith.constant dense<8.0> : tensor<4xf32>
  %eps = arith.constant dense<0.1> : tensor<4xf32>
  %e = tensor.empty() : tensor<4x8xf32>
  %sq = arith.mulf %x, %x : tensor<4x8xf32>
  %sum = linalg.reduce { arith.addf } ins(%sq : tensor<4x8xf32>) outs(%z : tensor<4xf32>) dimensions = [1]
  %mean = arith.divf %sum, %n : tensor<4xf32>
  %v = arith.addf %mean, %eps : tensor<4xf32>
  %r = math.rsqrt %v : tensor<4xf32>
  %rb = linalg.broadcast ins(%r : tensor<4xf32>) outs(%e : tensor<4x8xf32>) dimensions = [1]
  %h = arith.mulf %x, %rb : tensor<4x8xf32>
  %gb = linalg.broadcast ins(%g : tensor<8xf32>) outs(%e : tensor<4x8xf32>) dimensions = [0]
  %y = arith.mulf %h, %gb : tensor<4x8xf32>
  return %y, %h : tensor<4x8xf32>, tensor<4x8xf32>
}

// CHECK-LABEL: @no_gamma
// CHECK-NOT: nn.rms_norm
func.func @no_gamma(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %z = arith.constant dense<0.0> : tensor<4xf32>
  %n = arith.constant dense<8.0> : tensor<4xf32>
  %eps = arith.constant dense<0.1> : tensor<4xf32>
  %e = tensor.empty() : tensor<4x8xf32>
  %sq = arith.mulf %x, %x : tensor<4x8xf32>
  %sum = linalg.reduce { arith.addf } ins(%sq : tensor<4x8xf32>) outs(%z : tensor<4xf32>) dimensions = [1]
  %mean = arith.divf %sum, %n : tensor<4xf32>
  %v = arith.addf %mean, %eps : tensor<4xf32>
  %r = math.rsqrt %v : tensor<4xf32>
  %rb = linalg.broadcast ins(%r : tensor<4xf32>) outs(%e : tensor<4x8xf32>) dimensions = [1]
  %h = arith.mulf %x, %rb : tensor<4x8xf32>
  return %h : tensor<4x8xf32>
}

// CHECK-LABEL: @wrong
// CHECK-NOT: nn.rms_norm
func.func @wrong(%x: tensor<8x8xf32>, %g: tensor<8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  %z = arith.constant dense<0.0> : tensor<8xf32>
  %n = arith.constant dense<8.0> : tensor<8xf32>
  %n7 = arith.constant dense<7.0> : tensor<8xf32>
  %eps = arith.constant dense<0.1> : tensor<8xf32>
  %e = tensor.empty() : tensor<8x8xf32>
  %sq = arith.mulf %x, %x : tensor<8x8xf32>
  %gb = linalg.broadcast ins(%g : tensor<8xf32>) outs(%e : tensor<8x8xf32>) dimensions = [0]
  %sum = linalg.reduce { arith.addf } ins(%sq : tensor<8x8xf32>) outs(%z : tensor<8xf32>) dimensions = [1]
  %mean = arith.divf %sum, %n7 : tensor<8xf32>
  %v = arith.addf %mean, %eps : tensor<8xf32>
  %r = math.rsqrt %v : tensor<8xf32>
  %rb = linalg.broadcast ins(%r : tensor<8xf32>) outs(%e : tensor<8x8xf32>) dimensions = [1]
  %h = arith.mulf %x, %rb : tensor<8x8xf32>
  %y = arith.mulf %h, %gb : tensor<8x8xf32>
  %sum1 = linalg.reduce { arith.addf } ins(%sq : tensor<8x8xf32>) outs(%z : tensor<8xf32>) dimensions = [0]
  %mean1 = arith.divf %sum1, %n : tensor<8xf32>
  %v1 = arith.addf %mean1, %eps : tensor<8xf32>
  %r1 = math.rsqrt %v1 : tensor<8xf32>
  %rb1 = linalg.broadcast ins(%r1 : tensor<8xf32>) outs(%e : tensor<8x8xf32>) dimensions = [0]
  %h1 = arith.mulf %x, %rb1 : tensor<8x8xf32>
  %y1 = arith.mulf %h1, %gb : tensor<8x8xf32>
  return %y, %y1 : tensor<8x8xf32>, tensor<8x8xf32>
}
