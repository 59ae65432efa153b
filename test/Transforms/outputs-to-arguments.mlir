// RUN: setun-opt %s -split-input-file --setun-outputs-to-arguments -verify-diagnostics | FileCheck %s

// An output becomes an argument before the symbols, a state is updated where it is.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %[[X:.*]]: tensor<?x4xf32> {bufferization.writable = false, setun.name = "x"}
// CHECK-SAME:    %[[K:.*]]: memref<8x4xf32> {setun.name = "k", setun.next_shape = affine_map<()[s0] -> (s0, 4)>, setun.state = "k1"}
// CHECK-SAME:    %[[Y:.*]]: memref<?x4xf32> {setun.name = "y", setun.output, setun.shape = affine_map<()[s0] -> (s0, 4)>}
// CHECK-SAME:    %[[N:.*]]: index {setun.symbol = "n"}) attributes
// CHECK:         %[[OLD:.*]] = bufferization.to_tensor %[[K]] restrict writable
// CHECK:         %[[K1:.*]] = tensor.insert_slice %[[X]] into %[[OLD]]
// CHECK:         %[[Y1:.*]] = arith.negf
// CHECK-NEXT:    bufferization.materialize_in_destination %[[Y1]] in restrict writable %[[Y]]
// CHECK-NEXT:    bufferization.materialize_in_destination %[[K1]] in restrict writable %[[K]]
// CHECK-NEXT:    return
func.func @main(%x: tensor<?x4xf32> {setun.name = "x"}, %k: tensor<8x4xf32> {setun.name = "k", setun.state = "k1"},
                %n: index {setun.symbol = "n"})
    -> (tensor<8x4xf32> {setun.name = "k1", setun.shape = affine_map<()[s] -> (s, 4)>},
        tensor<?x4xf32> {setun.name = "y", setun.shape = affine_map<()[s] -> (s, 4)>}) attributes {setun.entry} {
  %k1 = tensor.insert_slice %x into %k[0, 0] [%n, 4] [1, 1] : tensor<?x4xf32> into tensor<8x4xf32>
  %y = arith.negf %x : tensor<?x4xf32>
  return %k1, %y : tensor<8x4xf32>, tensor<?x4xf32>
}

// -----

// Two states that change places: both new values are made before either buffer is written.
// CHECK-LABEL: func.func @main
// CHECK:         %[[A:.*]] = bufferization.to_tensor %[[MA:.*]] restrict
// CHECK:         %[[B:.*]] = bufferization.to_tensor %[[MB:.*]] restrict
// CHECK:         %[[A1:.*]] = bufferization.alloc_tensor() copy(%[[B]])
// CHECK-NEXT:    %[[B1:.*]] = bufferization.alloc_tensor() copy(%[[A]])
// CHECK-NEXT:    bufferization.materialize_in_destination %[[A1]] in restrict writable %[[MA]]
// CHECK-NEXT:    bufferization.materialize_in_destination %[[B1]] in restrict writable %[[MB]]
func.func @main(%a: tensor<4xf32> {setun.state = "a1"}, %b: tensor<4xf32> {setun.state = "b1"})
    -> (tensor<4xf32> {setun.name = "a1"}, tensor<4xf32> {setun.name = "b1"}) attributes {setun.entry} {
  return %b, %a : tensor<4xf32>, tensor<4xf32>
}

// -----

// A state of fixed shape that is computed anew.
// CHECK-LABEL: func.func @main
// CHECK:         %[[A:.*]] = bufferization.to_tensor
// CHECK:         %[[N:.*]] = arith.negf %[[A]]
// CHECK-NEXT:    %[[A1:.*]] = bufferization.materialize_in_destination %[[N]] in %[[A]] : (tensor<4xf32>, tensor<4xf32>)
// CHECK-NEXT:    bufferization.materialize_in_destination %[[A1]] in restrict writable
func.func @main(%a: tensor<4xf32> {setun.state = "a1"}) -> (tensor<4xf32> {setun.name = "a1"}) attributes {setun.entry} {
  %0 = arith.negf %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// The same out of --setun-lower-state, which copies each into the other's buffer.
// CHECK-LABEL: func.func @main
// CHECK:         %[[A:.*]] = bufferization.to_tensor
// CHECK:         %[[B:.*]] = bufferization.to_tensor
// CHECK-NEXT:    bufferization.alloc_tensor() copy(%[[B]])
// CHECK-NEXT:    bufferization.alloc_tensor() copy(%[[A]])
// CHECK-NEXT:    bufferization.materialize_in_destination
// CHECK-NEXT:    bufferization.materialize_in_destination
// CHECK-NEXT:    return
func.func @main(%a: tensor<4xf32> {setun.state = "a1"}, %b: tensor<4xf32> {setun.state = "b1"})
    -> (tensor<4xf32> {setun.name = "a1"}, tensor<4xf32> {setun.name = "b1"}) attributes {setun.entry} {
  %0 = bufferization.materialize_in_destination %b in %a : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = bufferization.materialize_in_destination %a in %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// -----

// An expanded result is written as it was before.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %[[X:.*]]: tensor<?x4xf32> {bufferization.writable = false}, %[[Y:.*]]: memref<1x?x4xf32>
// CHECK:         %[[V:.*]] = memref.collapse_shape %[[Y]] {{\[}}[0, 1], [2]] : memref<1x?x4xf32> into memref<?x4xf32>
// CHECK:         %[[N:.*]] = arith.negf %[[X]]
// CHECK:         bufferization.materialize_in_destination %[[N]] in restrict writable %[[V]]
func.func @main(%x: tensor<?x4xf32>, %n: index {setun.symbol = "n"}) -> (tensor<1x?x4xf32>) attributes {setun.entry} {
  %0 = arith.negf %x : tensor<?x4xf32>
  %1 = tensor.expand_shape %0 [[0, 1], [2]] output_shape [1, %n, 4] : tensor<?x4xf32> into tensor<1x?x4xf32>
  return %1 : tensor<1x?x4xf32>
}

// -----

// No entry, no change.
// CHECK-LABEL: func.func @other(%{{.*}}: tensor<4xf32>) -> tensor<4xf32>
func.func @other(%a: tensor<4xf32>) -> tensor<4xf32> {
  return %a : tensor<4xf32>
}

// -----

// expected-error @+1 {{state "a1" of argument 0 is not among the results}}
func.func @main(%a: tensor<4xf32> {setun.state = "a1"}) -> (tensor<4xf32> {setun.name = "b"}) attributes {setun.entry} {
  return %a : tensor<4xf32>
}

// -----

// expected-error @+1 {{state "a1" comes in as 'tensor<4xf32>' and goes out as 'tensor<5xf32>'; --setun-lower-state}}
func.func @main(%a: tensor<4xf32> {setun.state = "a1"}, %b: tensor<5xf32>) -> (tensor<5xf32> {setun.name = "a1"}) attributes {setun.entry} {
  return %b : tensor<5xf32>
}

// -----

// expected-error @+1 {{state "a1" belongs to two arguments}}
func.func @main(%a: tensor<4xf32> {setun.state = "a1"}, %b: tensor<4xf32> {setun.state = "a1"}) -> (tensor<4xf32> {setun.name = "a1"}) attributes {setun.entry} {
  return %b : tensor<4xf32>
}

// -----

// expected-error @+1 {{result 0 of the entry function is not a tensor: 'index'}}
func.func @main(%n: index {setun.symbol = "n"}) -> index attributes {setun.entry} {
  return %n : index
}
