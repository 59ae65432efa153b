// RUN: setun-opt %s --setun-lower-state --split-input-file --verify-diagnostics

// expected-error @below {{state 'past' grows along axis 0, but its next value is not its value with new entries after it}}
func.func @main(%x: tensor<?xf32>, %k: tensor<?xf32> {setun.name = "past", setun.shape = affine_map<()[s0] -> (s0)>, setun.state = "present", setun.axis = 0 : i64},
                %past: index {setun.symbol = "past"}) -> (tensor<?xf32> {setun.name = "present"}) attributes {setun.entry} {
  %c = tensor.concat dim(0) %x, %k : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %c : tensor<?xf32>
}

// -----

// expected-error @below {{state 'past': no result is named "present"}}
func.func @main(%k: tensor<4xf32> {setun.name = "past", setun.state = "present"}) -> (tensor<4xf32> {setun.name = "y"}) attributes {setun.entry} {
  return %k : tensor<4xf32>
}

// -----

// expected-error @below {{state 'past': its size along axis 0 is not a symbol}}
func.func @main(%k: tensor<4xf32> {setun.name = "past", setun.shape = affine_map<()[] -> (4)>, setun.state = "present", setun.axis = 0 : i64}) -> (tensor<4xf32> {setun.name = "present"}) attributes {setun.entry} {
  return %k : tensor<4xf32>
}

// -----

// expected-error @below {{state 'past': its next value is a 'tensor<8xf32>', but it is a 'tensor<4xf32>'}}
func.func @main(%x: tensor<8xf32>, %k: tensor<4xf32> {setun.name = "past", setun.state = "present"}) -> (tensor<8xf32> {setun.name = "present"}) attributes {setun.entry} {
  return %x : tensor<8xf32>
}

// -----

// expected-error @below {{a symbol of the graph is named 'capacity', which growing states need}}
func.func @main(%k: tensor<?xf32> {setun.name = "past", setun.shape = affine_map<()[s0] -> (s0)>, setun.state = "present", setun.axis = 0 : i64},
                %c: index {setun.symbol = "capacity"}) -> (tensor<?xf32> {setun.name = "present"}) attributes {setun.entry} {
  return %k : tensor<?xf32>
}
