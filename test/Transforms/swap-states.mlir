// RUN: setun-opt %s --setun-outputs-to-arguments --setun-one-shot-bufferize -canonicalize | FileCheck %s

// Two states that change places: both are read before either is written.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %[[A:.*]]: memref<4xf32> {{.*}}, %[[B:.*]]: memref<4xf32>
// CHECK:         %[[T:.*]] = memref.alloc
// CHECK-NEXT:    memref.copy %[[B]], %[[T]]
// CHECK-NEXT:    %[[U:.*]] = memref.alloc
// CHECK-NEXT:    memref.copy %[[A]], %[[U]]
// CHECK-NEXT:    memref.copy %[[T]], %[[A]]
// CHECK-NEXT:    memref.copy %[[U]], %[[B]]
// CHECK-NEXT:    return
func.func @main(%a: tensor<4xf32> {setun.state = "a1"}, %b: tensor<4xf32> {setun.state = "b1"})
    -> (tensor<4xf32> {setun.name = "a1"}, tensor<4xf32> {setun.name = "b1"}) attributes {setun.entry} {
  return %b, %a : tensor<4xf32>, tensor<4xf32>
}
