// RUN: setun-opt %s --setun-fold-constants --split-input-file --verify-diagnostics | FileCheck %s

// A table of 65 cosines becomes a parameter; a small scale becomes a constant; what both come from is gone. The
// broadcasts stay.

// CHECK-LABEL: ml_program.global private @rotary.folded(dense_resource<{{.*}}> : tensor<65xf32>)
// CHECK-NOT: ml_program.global
// CHECK: func @tables(
// CHECK-DAG: %[[SCALE:.*]] = arith.constant dense<4.000000e+00> : tensor<1xf32>
// CHECK-DAG: %[[TABLE:.*]] = ml_program.global_load_const @rotary.folded
// CHECK-NOT: math.cos
// CHECK: %[[B:.*]] = linalg.broadcast ins(%[[TABLE]]
// CHECK: arith.mulf %{{.*}}, %[[B]]
// CHECK: tensor.collapse_shape %[[SCALE]]
ml_program.global private @scale(dense<0.25> : tensor<1xf32>) : tensor<1xf32>
func.func @tables(%x: tensor<2x65xf32>) -> (tensor<2x65xf32>, tensor<2x65xf32>) {
  %e = tensor.empty() : tensor<65xf32>
  %p = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]} outs(%e : tensor<65xf32>) {
  ^bb0(%o: f32):
    %i = linalg.index 0 : index
    %j = arith.index_cast %i : index to i64
    %f = arith.sitofp %j : i64 to f32
    linalg.yield %f : f32
  } -> tensor<65xf32>
  %c = math.cos %p : tensor<65xf32> loc("rotary")
  %e2 = tensor.empty() : tensor<2x65xf32>
  %b = linalg.broadcast ins(%c : tensor<65xf32>) outs(%e2 : tensor<2x65xf32>) dimensions = [0]
  %y = arith.mulf %x, %b : tensor<2x65xf32>
  %s = ml_program.global_load_const @scale : tensor<1xf32>
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %r = arith.divf %one, %s : tensor<1xf32>
  %r0 = tensor.collapse_shape %r [] : tensor<1xf32> into tensor<f32>
  %rb = linalg.broadcast ins(%r0 : tensor<f32>) outs(%e2 : tensor<2x65xf32>) dimensions = [0, 1]
  %y2 = arith.mulf %x, %rb : tensor<2x65xf32>
  return %y, %y2 : tensor<2x65xf32>, tensor<2x65xf32>
}

// -----

// Nothing to do: a parameter, a reshape and a slice of it, a filled tensor.

// CHECK-LABEL: func @plain(
// CHECK: ml_program.global_load_const @gamma
// CHECK: tensor.expand_shape
// CHECK: linalg.broadcast
// CHECK: tensor.extract_slice
// CHECK: linalg.fill
ml_program.global private @gamma(dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>) : tensor<4xf32>
func.func @plain(%x: tensor<3x1x4xf32>, %v: tensor<2xf32>) -> (tensor<3x1x4xf32>, tensor<2xf32>) {
  %g = ml_program.global_load_const @gamma : tensor<4xf32>
  %g2 = tensor.expand_shape %g [[0, 1]] output_shape [1, 4] : tensor<4xf32> into tensor<1x4xf32>
  %e = tensor.empty() : tensor<3x1x4xf32>
  %b = linalg.broadcast ins(%g2 : tensor<1x4xf32>) outs(%e : tensor<3x1x4xf32>) dimensions = [0]
  %y = arith.mulf %x, %b : tensor<3x1x4xf32>
  %h = tensor.extract_slice %g[2] [2] [1] : tensor<4xf32> to tensor<2xf32>
  %zero = arith.constant 0.0 : f32
  %e2 = tensor.empty() : tensor<2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e2 : tensor<2xf32>) -> tensor<2xf32>
  %h2 = arith.maximumf %v, %f : tensor<2xf32>
  %h3 = arith.addf %h2, %h : tensor<2xf32>
  return %y, %h3 : tensor<3x1x4xf32>, tensor<2xf32>
}

// -----

// No lowering: the operation stays and the remark says why.

ml_program.global private @x(dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>) : tensor<2x2xf32>
// CHECK-LABEL: func @unknown(
// CHECK: tensor.gather
func.func @unknown(%y: tensor<1x2xf32>) -> tensor<1x2xf32> {
  %x = ml_program.global_load_const @x : tensor<2x2xf32>
  %i = arith.constant dense<1> : tensor<1x1xindex>
  // expected-remark @+1 {{computed at run time: op was not bufferized}}
  %n = tensor.gather %x[%i] gather_dims([0]) : (tensor<2x2xf32>, tensor<1x1xindex>) -> tensor<1x2xf32>
  %r = arith.addf %n, %y : tensor<1x2xf32>
  return %r : tensor<1x2xf32>
}

// -----

// An operation of our own is computed as it would be in the model.

ml_program.global private @x(dense<2.0> : tensor<2x8xf32>) : tensor<2x8xf32>
// CHECK-LABEL: func @norm(
// CHECK: arith.constant dense<0.99999{{87|88}}{{.*}}> : tensor<2x8xf32>
func.func @norm(%y: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %x = ml_program.global_load_const @x : tensor<2x8xf32>
  %g = arith.constant dense<1.0> : tensor<8xf32>
  %e = tensor.empty() : tensor<2x8xf32>
  %n = nn.rms_norm ins(%x, %g : tensor<2x8xf32>, tensor<8xf32>) outs(%e : tensor<2x8xf32>) {epsilon = 1.0e-5 : f32} -> tensor<2x8xf32>
  %r = arith.addf %n, %y : tensor<2x8xf32>
  return %r : tensor<2x8xf32>
}
