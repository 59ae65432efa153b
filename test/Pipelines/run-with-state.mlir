// A model with a growing state, a fixed state, a parameter and an output, from tensors to machine code, run twice.
// RUN: setun-opt %s --convert-elementwise-to-linalg --setun-bufferize --convert-linalg-to-loops --setun-target-to-llvm \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O2 | llc -O2 --relocation-model=pic -filetype=obj -o %t.o
// RUN: clang -O1 -I%setun_source/include %S/Inputs/harness.c %t.o -o %t.exe
// RUN: %t.exe | FileCheck %s

// CHECK:      arena 64 k 3x4 s 4 y 3x8
// CHECK-NEXT: y 2 4 5 1 8 2 4 5
// CHECK-NEXT: y 6 8 5 3 16 6 8 5
// CHECK-NEXT: y 14 12 5 7 24 14 12 5
// CHECK-NEXT: s 12 15 18 21
// CHECK-NEXT: arena 64 k 4x4 s 4 y 1x8
// CHECK-NEXT: y 18 14 5 9 28 18 14 5
// CHECK-NEXT: s 34 41 48 55
// CHECK-NEXT: k 0 1 2 3 4 5 6 7 8 9 10 11 10 11 12 13 1000 1000 1000 1000

#nk = affine_map<(m,n,k)->(n,k)>
#mk = affine_map<(m,n,k)->(m,k)>
#mn = affine_map<(m,n,k)->(m,n)>
ml_program.global private @w(#ml_program.extern : tensor<8x4xf32>) : tensor<8x4xf32>
func.func @main(%x: tensor<?x4xf32> {setun.name = "x", setun.shape = affine_map<()[s,p,c] -> (s, 4)>},
    %k: tensor<?x4xf32> {setun.name = "k", setun.state = "k1", setun.axis = 0 : i64, setun.shape = affine_map<()[s,p,c] -> (c, 4)>},
    %st: tensor<4xf32> {setun.name = "s", setun.state = "s1", setun.shape = affine_map<()[s,p,c] -> (4)>},
   %seq: index {setun.symbol = "seq"}, %past: index {setun.symbol = "past"}, %cap: index {setun.symbol = "cap"}) ->
     (tensor<?x8xf32> {setun.name = "y", setun.shape = affine_map<()[s,p,c] -> (s, 8)>}, tensor<4xf32> {setun.name = "s1", setun.shape = affine_map<()[s,p,c] -> (4)>}, tensor<?x4xf32> {setun.name = "k1", setun.shape = affine_map<()[s,p,c] -> (s+p, 4)>})
   attributes {setun.entry} {
  %w = ml_program.global_load_const @w : tensor<8x4xf32>
  %k1 = tensor.insert_slice %x into %k[%past, 0][%seq, 4][1, 1] : tensor<?x4xf32> into tensor<?x4xf32>
  %n = arith.addi %past, %seq : index
  %live = tensor.extract_slice %k1[0, 0][%n, 4][1, 1] : tensor<?x4xf32> to tensor<?x4xf32>
  %z = arith.constant 0.0 : f32
  %e4 = tensor.empty() : tensor<4xf32>
  %f4 = linalg.fill ins(%z : f32) outs(%e4 : tensor<4xf32>) -> tensor<4xf32>
  %sum = linalg.reduce { arith.addf } ins(%live : tensor<?x4xf32>) outs(%f4 : tensor<4xf32>) dimensions = [0]
  %e = tensor.empty(%seq) : tensor<?x8xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %mm = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>) outs(%f : tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = math.absf %mm : tensor<?x8xf32>
  %st1 = arith.addf %sum, %st : tensor<4xf32>
  return %y, %st1, %k1 : tensor<?x8xf32>, tensor<4xf32>, tensor<?x4xf32>
}
