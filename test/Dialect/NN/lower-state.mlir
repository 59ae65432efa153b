// RUN: setun-opt %s --setun-lower-state --split-input-file | FileCheck %s

// One cache of a decode step: other arguments and results get the new symbol, the cache becomes a buffer.
// CHECK: #[[$SHAPE:.*]] = affine_map<()[s0, s1, s2] -> (1, s0 + s1, 8)>
// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[X:.*]]: tensor<1x?x8xf32> {setun.name = "x", setun.shape = affine_map<()[s0, s1, s2] -> (1, s0, 8)>}
// CHECK-SAME: %[[K:.*]]: tensor<1x?x8xf32> {bufferization.writable = true, setun.axis = 1 : i64, setun.name = "past", setun.position = "past", setun.shape = affine_map<()[s0, s1, s2] -> (1, s2, 8)>, setun.state = "present"}
// CHECK-SAME: %[[SEQ:.*]]: index {setun.symbol = "seq"}, %[[PAST:.*]]: index {setun.symbol = "past"}, %[[CAP:.*]]: index {setun.symbol = "capacity"})
// CHECK-SAME: -> (tensor<1x?x8xf32> {setun.name = "y", setun.shape = #[[$SHAPE]]}, tensor<1x?x8xf32> {setun.name = "present", setun.shape = #[[$SHAPE]]}
// CHECK: %[[OLD:.*]] = tensor.extract_slice %[[K]][0, 0, 0] [1, %[[PAST]], 8] [1, 1, 1]
// CHECK: %[[EARLY:.*]] = math.absf %[[OLD]]
// CHECK: %[[B:.*]] = tensor.insert_slice %[[X]] into %[[K]][0, %[[PAST]], 0] [1, %[[D:.*]], 8] [1, 1, 1]
// CHECK: %[[N:.*]] = affine.apply {{.*}}()[%[[PAST]], %[[D]]]
// CHECK: %[[LIVE:.*]] = tensor.extract_slice %[[B]][0, 0, 0] [1, %[[N]], 8] [1, 1, 1]
// CHECK: %[[OLD2:.*]] = tensor.extract_slice %[[B]][0, 0, 0] [1, %[[PAST]], 8] [1, 1, 1]
// CHECK: %[[Y:.*]] = math.exp %[[LIVE]]
// CHECK: %[[Z:.*]] = math.exp %[[OLD2]]
// CHECK: return %[[Y]], %[[B]], %[[EARLY]], %[[Z]]
func.func @main(%x: tensor<1x?x8xf32> {setun.name = "x", setun.shape = affine_map<()[s0, s1] -> (1, s0, 8)>},
                %k: tensor<1x?x8xf32> {setun.name = "past", setun.shape = affine_map<()[s0, s1] -> (1, s1, 8)>, setun.state = "present", setun.axis = 1 : i64},
                %seq: index {setun.symbol = "seq"}, %past: index {setun.symbol = "past"})
    -> (tensor<1x?x8xf32> {setun.name = "y", setun.shape = affine_map<()[s0, s1] -> (1, s0 + s1, 8)>},
        tensor<1x?x8xf32> {setun.name = "present", setun.shape = affine_map<()[s0, s1] -> (1, s0 + s1, 8)>},
        tensor<1x?x8xf32>, tensor<1x?x8xf32>) attributes {setun.entry} {
  %early = math.absf %k : tensor<1x?x8xf32>
  %c = tensor.concat dim(1) %k, %x : (tensor<1x?x8xf32>, tensor<1x?x8xf32>) -> tensor<1x?x8xf32>
  %y = math.exp %c : tensor<1x?x8xf32>
  %z = math.exp %k : tensor<1x?x8xf32>
  return %y, %c, %early, %z : tensor<1x?x8xf32>, tensor<1x?x8xf32>, tensor<1x?x8xf32>, tensor<1x?x8xf32>
}

// -----

// States of one shape: an insertion is in place, another value is copied at the end. No capacity.
// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[A:[a-z0-9]*]]: tensor<4x8xf32> {bufferization.writable = true,
// CHECK-SAME: %[[C:[a-z0-9]*]]: tensor<8xf32> {bufferization.writable = true,
// CHECK-NOT: capacity
// CHECK: %[[I:.*]] = tensor.insert_slice %{{.*}} into %[[A]]
// CHECK: %[[S:.*]] = arith.mulf %[[C]]
// CHECK: %[[M:.*]] = bufferization.materialize_in_destination %[[S]] in %[[C]]
// CHECK: return %[[I]], %[[M]]
func.func @main(%x: tensor<1x8xf32>, %a: tensor<4x8xf32> {setun.name = "a", setun.state = "a1"},
                %c: tensor<8xf32> {setun.name = "c", setun.state = "c1"}, %at: index)
    -> (tensor<4x8xf32> {setun.name = "a1"}, tensor<8xf32> {setun.name = "c1"}) attributes {setun.entry} {
  %i = tensor.insert_slice %x into %a[%at, 0] [1, 8] [1, 1] : tensor<1x8xf32> into tensor<4x8xf32>
  %s = arith.mulf %c, %c : tensor<8xf32>
  return %i, %s : tensor<4x8xf32>, tensor<8xf32>
}

// -----

// Without state nothing changes.
// CHECK-LABEL: func.func @main(%arg0: tensor<4xf32> {setun.name = "x"}) -> tensor<4xf32>
// CHECK-NEXT: return %arg0
func.func @main(%x: tensor<4xf32> {setun.name = "x"}) -> tensor<4xf32> attributes {setun.entry} {
  return %x : tensor<4xf32>
}
