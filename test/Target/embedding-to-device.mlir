// RUN: setun-opt %s --setun-embedding-to-device | FileCheck %s

// 16 bytes a thread if both sides are aligned; an index outside fails and gives zeros.
// CHECK-LABEL: func @rows
// CHECK: gpu.launch
// CHECK: memref.extract_aligned_pointer_as_index
// CHECK: memref.load %{{.*}} : memref<1x?xi64>
// CHECK: cf.assert %[[EXISTS:.*]], "an index of an embedding is outside its table"
// CHECK: scf.if
// CHECK: scf.if %[[EXISTS]] -> (vector<8xbf16>)
// CHECK: vector.load %{{.*}} {alignment = 16 : i64} : memref<128256x2560xbf16>, vector<8xbf16>
// CHECK: vector.store %{{.*}} {alignment = 16 : i64} : memref<1x?x2560xbf16>, vector<8xbf16>
// CHECK-NOT: nn.embedding
func.func @rows(%i: memref<1x?xi64>, %t: memref<128256x2560xbf16>, %y: memref<1x?x2560xbf16>) {
  nn.embedding ins(%i, %t : memref<1x?xi64>, memref<128256x2560xbf16>) outs(%y : memref<1x?x2560xbf16>)
  return
}

// One by one: rows that no vector divides, elements that do not lie side by side, single elements.
// CHECK-LABEL: func @single
// CHECK-COUNT-3: gpu.launch
// CHECK-NOT: vector.load
// CHECK-NOT: nn.embedding
func.func @single(%i: memref<?xi32>, %t: memref<?x333xf32>, %y: memref<?x333xf32>, %ts: memref<8x4xf32, strided<[1, 8]>>,
                  %ys: memref<?x4xf32>, %line: memref<?xf32>, %yl: memref<?xf32>) {
  nn.embedding ins(%i, %t : memref<?xi32>, memref<?x333xf32>) outs(%y : memref<?x333xf32>)
  nn.embedding ins(%i, %ts : memref<?xi32>, memref<8x4xf32, strided<[1, 8]>>) outs(%ys : memref<?x4xf32>)
  nn.embedding ins(%i, %line : memref<?xi32>, memref<?xf32>) outs(%yl : memref<?xf32>)
  return
}

// CHECK-LABEL: func @tensors
// CHECK: nn.embedding
func.func @tensors(%i: tensor<?xi32>, %t: tensor<9x3xf32>, %y: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %r = nn.embedding ins(%i, %t : tensor<?xi32>, tensor<9x3xf32>) outs(%y : tensor<?x3xf32>) -> tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}
