// RUN: setun-opt %s --split-input-file --verify-diagnostics

// One case for each constraint of EmbeddingOps.td.

func.func @embedding_c1(%a: tensor<1x?xf32>, %b: tensor<9x8xf32>, %y: tensor<1x?x8xf32>) {
  // expected-error@+1 {{C1: `ids` must be of i32 or i64}}
  %0 = nn.embedding ins(%a, %b : tensor<1x?xf32>, tensor<9x8xf32>)
    outs(%y : tensor<1x?x8xf32>) -> tensor<1x?x8xf32>
  return
}

// -----

func.func @embedding_c1_width(%a: memref<3xi16>, %b: memref<9x8xf32>, %y: memref<3x8xf32>) {
  // expected-error@+1 {{C1: `ids` must be of i32 or i64}}
  nn.embedding ins(%a, %b : memref<3xi16>, memref<9x8xf32>)
    outs(%y : memref<3x8xf32>)
  return
}

// -----

func.func @embedding_c2_table(%a: tensor<3xi64>, %b: tensor<f32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{C2: `table` must have a rank of at least 1}}
  %0 = nn.embedding ins(%a, %b : tensor<3xi64>, tensor<f32>)
    outs(%y : tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @embedding_c2_type(%a: tensor<3xi64>, %b: tensor<9x8xf16>, %y: tensor<3x8xf32>) {
  // expected-error@+1 {{C2: `table` must have a rank of at least 1 and the element type of `y`}}
  %0 = nn.embedding ins(%a, %b : tensor<3xi64>, tensor<9x8xf16>)
    outs(%y : tensor<3x8xf32>) -> tensor<3x8xf32>
  return
}

// -----

func.func @embedding_c2_row(%a: memref<3xi64>, %b: memref<9x8xf32>, %y: memref<3x9xf32>) {
  // expected-error@+1 {{C2: `y` must have the shape of `ids` followed by that of a row of `table`}}
  nn.embedding ins(%a, %b : memref<3xi64>, memref<9x8xf32>)
    outs(%y : memref<3x9xf32>)
  return
}

// -----

func.func @embedding_c2_rank(%a: tensor<3xi64>, %b: tensor<9x8xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{C2: `y` must have the shape of `ids`}}
  %0 = nn.embedding ins(%a, %b : tensor<3xi64>, tensor<9x8xf32>)
    outs(%y : tensor<3xf32>) -> tensor<3xf32>
  return
}
