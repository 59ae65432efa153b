// RUN: setun-opt %s -split-input-file -allow-unregistered-dialect --setun-resolve-parameters=large=1024 -verify-diagnostics | FileCheck %s

// Offsets in the order of the globals: aligned, large ones on pages; what nothing reads goes.
// CHECK:       ml_program.global private @a{{.*}} {setun.offset = 0 : i64}
// CHECK-NOT:   @unused
// CHECK:       ml_program.global private @large{{.*}} {setun.offset = 4096 : i64}
// CHECK:       ml_program.global private @b{{.*}} {setun.offset = 5248 : i64}
// CHECK:       ml_program.global private @c{{.*}} {setun.offset = 5248 : i64}
ml_program.global private @a(#ml_program.extern : tensor<3x5xf32>) : tensor<3x5xf32>
ml_program.global private @unused(#ml_program.extern : tensor<3x5xf32>) : tensor<3x5xf32>
ml_program.global private @large(#ml_program.extern : tensor<1100xi8>) : tensor<1100xi8>
ml_program.global private @b(#ml_program.extern : tensor<0xbf16>) : tensor<0xbf16>
ml_program.global private @c(#ml_program.extern : tensor<2xbf16>) : tensor<2xbf16>
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %[[N:.*]]: index {setun.symbol = "n"}, %[[W:.*]]: memref<?xi8> {setun.weights})
// CHECK:         %[[O:.*]] = arith.constant 4096 : index
// CHECK-NEXT:    %[[V:.*]] = memref.view %[[W]][%[[O]]][] : memref<?xi8> to memref<1100xi8>
// CHECK-NEXT:    %[[T:.*]] = bufferization.to_tensor %[[V]] restrict : memref<1100xi8>
// CHECK-NOT:     global_load_const
// CHECK:         "test.use"(%{{.*}}, %[[T]], %[[T]]
func.func @main(%n: index {setun.symbol = "n"}) attributes {setun.entry} {
  %a = ml_program.global_load_const @a : tensor<3x5xf32>
  %l = ml_program.global_load_const @large : tensor<1100xi8>
  %l2 = ml_program.global_load_const @large : tensor<1100xi8>
  %b = ml_program.global_load_const @b : tensor<0xbf16>
  %c = ml_program.global_load_const @c : tensor<2xbf16>
  "test.use"(%a, %l, %l2, %b, %c) : (tensor<3x5xf32>, tensor<1100xi8>, tensor<1100xi8>, tensor<0xbf16>, tensor<2xbf16>) -> ()
  return
}

// -----

// No parameter: the argument is there all the same.
// CHECK-LABEL: func.func @main(%{{[a-z0-9]+}}: memref<?xi8> {setun.weights})
func.func @main() attributes {setun.entry} {
  return
}

// -----

// expected-error @+1 {{parameter has type 'tensor<4x4x!ternary.trit>', which cannot stand in the weights file}}
ml_program.global private @w(#ml_program.extern : tensor<4x4x!ternary.trit>) : tensor<4x4x!ternary.trit>
func.func @main() attributes {setun.entry} {
  %w = ml_program.global_load_const @w : tensor<4x4x!ternary.trit>
  return
}

// -----

// expected-error @+1 {{parameter has type}}
ml_program.global private @w(#ml_program.extern : tensor<4611686018427387904x4xf32>) : tensor<4611686018427387904x4xf32>
func.func @main() attributes {setun.entry} {
  %w = ml_program.global_load_const @w : tensor<4611686018427387904x4xf32>
  return
}

// -----

ml_program.global private @w(#ml_program.extern : tensor<4xf32>) : tensor<4xf32>
func.func @main() attributes {setun.entry} {
  return
}
func.func private @other() {
  // expected-error @+1 {{a parameter is read outside the entry function}}
  %w = ml_program.global_load_const @w : tensor<4xf32>
  return
}
