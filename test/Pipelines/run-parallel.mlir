// A parallel loop with captured values, a check that fails, an inner parallel loop, an empty range; and the size of an
// arena that outgrows 64 bits.
// RUN: setun-opt %s --setun-plan-memory --setun-target-to-llvm \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O2 | llc -O2 --relocation-model=pic -filetype=obj -o %t.o
// RUN: clang -O1 -I%setun_source/include %S/Inputs/parallel.c %t.o -o %t.exe
// RUN: %t.exe | FileCheck %s

// Nothing but the two entry points is seen from outside.
// RUN: llvm-nm --extern-only %t.o | FileCheck %s --check-prefix=SYMBOLS
// SYMBOLS-NOT: {{ [UT] }}
// SYMBOLS:     T setun_plan
// SYMBOLS-NEXT: T setun_run
// SYMBOLS-NOT: {{ [UT] }}

// CHECK:      parallel_for 7 grain 2
// CHECK-NEXT: 13 26 39 52 65 78 91
// CHECK-NEXT: parallel_for 3 grain 2
// CHECK-NEXT: fail: x must be positive
// CHECK-NEXT: 13 -1 39 -1 -1 -1 -1
// CHECK-NEXT: parallel_for 0 grain 2
// CHECK-NEXT: -1 -1 -1 -1 -1 -1 -1
// CHECK-NEXT: n 100000 arena 1000000000000
// CHECK-NEXT: n 400000000 arena 4000000000000000
// CHECK-NEXT: n 1000000000000 arena 4000000000000000
func.func @main(%x: memref<?xf32> {setun.name = "x", setun.shape = affine_map<()[n] -> (n)>},
                %y: memref<?xf32> {setun.name = "y", setun.output, setun.shape = affine_map<()[n] -> (n)>},
                %n: index {setun.symbol = "n"}) attributes {setun.entry} {
  %c256 = arith.constant 256 : index
  %a = memref.alloc(%n, %n) : memref<?x?x64xf32>
  call @touch(%a, %n) : (memref<?x?x64xf32>, index) -> ()
  call @kernel(%x, %y, %n) : (memref<?xf32>, memref<?xf32>, index) -> ()
  return
}

func.func private @touch(%a: memref<?x?x64xf32>, %n: index) {
  return
}

// y = 13 x where x > 0, in ten steps of the inner loop and three more.
func.func private @kernel(%x: memref<?xf32>, %y: memref<?xf32>, %n: index) {
  %zero = arith.constant 0.0 : f32
  %three = arith.constant 3.0 : f32
  scf.forall (%i) in (%n) {
    %v = memref.load %x[%i] : memref<?xf32>
    %ok = arith.cmpf ogt, %v, %zero : f32
    cf.assert %ok, "x must be positive"
    scf.if %ok {
      %w = arith.mulf %v, %three : f32
      memref.store %w, %y[%i] : memref<?xf32>
      scf.forall (%j) in (10) {
        %o = memref.load %y[%i] : memref<?xf32>
        %p = arith.addf %o, %v : f32
        memref.store %p, %y[%i] : memref<?xf32>
      }
    }
  } {setun.grain = 2 : i64}
  return
}
