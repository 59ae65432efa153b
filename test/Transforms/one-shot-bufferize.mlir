// RUN: setun-opt %s --setun-outputs-to-arguments --setun-one-shot-bufferize -canonicalize | FileCheck %s

// Globals stay as they are, with data outside or inside.
// CHECK: ml_program.global private @w(#{{.*}}) : tensor<8x4xf32>
ml_program.global private @w(#ml_program.extern : tensor<8x4xf32>) : tensor<8x4xf32>

// The new token goes into the cache; nothing else moves.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %[[X:.*]]: memref<1x4x?x32xf32>, %[[K:.*]]: memref<1x4x?x32xf32>
// CHECK-NEXT:    %[[S:.*]] = memref.subview %[[K]]
// CHECK-NEXT:    memref.copy %[[X]], %[[S]]
// CHECK-NEXT:    return
func.func @main(%x: tensor<1x4x?x32xf32>, %k: tensor<1x4x?x32xf32> {setun.state = "k1", setun.axis = 2 : i64},
                %n: index {setun.symbol = "n"}, %past: index {setun.symbol = "past"})
    -> (tensor<1x4x?x32xf32> {setun.name = "k1"}) attributes {setun.entry} {
  %k1 = tensor.insert_slice %x into %k[0, 0, %past, 0] [1, 4, %n, 32] [1, 1, 1, 1]
    : tensor<1x4x?x32xf32> into tensor<1x4x?x32xf32>
  return %k1 : tensor<1x4x?x32xf32>
}
