// RUN: setun-opt %s --setun-verify-contract=stage=input --split-input-file --verify-diagnostics | FileCheck %s

ml_program.global private @w(#ml_program.extern<tensor<2x8xbf16>>) : tensor<2x8xbf16> {setun.data = {file = "/f", offset = 8 : i64, length = 32 : i64}}
// CHECK-LABEL: @main
func.func @main(%x: tensor<?x8xf32> {setun.name = "x", setun.shape = affine_map<()[s0, s1] -> (s0, 8)>},
                %k: tensor<?x8xf32> {setun.name = "k", setun.shape = affine_map<()[s0, s1] -> (s1, 8)>, setun.state = "k1", setun.axis = 0 : i64},
                %s: index {setun.symbol = "seq"}, %p: index {setun.symbol = "past"})
    -> (tensor<?x8xf32> {setun.name = "k1", setun.shape = affine_map<()[s0, s1] -> (s0 + s1, 8)>}) attributes {setun.entry} {
  %w = ml_program.global_load_const @w : tensor<2x8xbf16>
  %c = tensor.concat dim(0) %k, %x : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %c : tensor<?x8xf32>
}

// -----

// expected-error @below {{no function has setun.entry}}
module {
  func.func @main() {
    return
  }
}

// -----

// expected-error @below {{the entry function must be public, defined and named @main}}
func.func @start() attributes {setun.entry} {
  return
}

// -----

func.func @main(%x: tensor<4xf32> {setun.name = "x"}) -> (tensor<4xf32> {setun.name = "y"}) attributes {setun.entry} {
  // expected-error @below {{'memref.alloca' op may not stand in the input contract}}
  %m = memref.alloca() : memref<4xf32>
  return %x : tensor<4xf32>
}

// -----

// expected-error @below {{argument 0 has no setun.name}}
func.func @main(%x: tensor<4xf32>) attributes {setun.entry} {
  return
}

// -----

// expected-error @below {{argument 0 has dynamic sizes but no setun.shape}}
func.func @main(%x: tensor<?xf32> {setun.name = "x"}) attributes {setun.entry} {
  return
}

// -----

// expected-error @below {{setun.shape of argument 0: size 0 must be a symbol}}
func.func @main(%x: tensor<?xf32> {setun.name = "x", setun.shape = affine_map<()[s0] -> (s0 + 1)>}, %s: index {setun.symbol = "s"}) attributes {setun.entry} {
  return
}

// -----

// expected-error @below {{setun.shape of argument 0 must map 1 symbols to 1 sizes}}
func.func @main(%x: tensor<?xf32> {setun.name = "x", setun.shape = affine_map<()[s0, s1] -> (s0)>}, %s: index {setun.symbol = "s"}) attributes {setun.entry} {
  return
}

// -----

// expected-error @below {{argument 1 follows a symbol: symbols come last}}
func.func @main(%s: index {setun.symbol = "s"}, %x: tensor<4xf32> {setun.name = "x"}) attributes {setun.entry} {
  return
}

// -----

// expected-error @below {{argument 0 is a state, but no result is named "y"}}
func.func @main(%x: tensor<4xf32> {setun.name = "x", setun.state = "y"}) attributes {setun.entry} {
  return
}

// -----

// expected-error @below {{its data has 31 bytes, its type 32}}
ml_program.global private @w(#ml_program.extern<tensor<2x8xbf16>>) : tensor<2x8xbf16> {setun.data = {file = "/f", offset = 8 : i64, length = 31 : i64}}
func.func @main() attributes {setun.entry} {
  return
}

// -----

func.func @main() attributes {setun.entry} {
  // expected-error @below {{has 65 elements: more than 64 are a parameter}}
  %c = arith.constant dense<"0x0102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F4041"> : tensor<65xi8>
  return
}
