// RUN: setun-opt %s --split-input-file --verify-diagnostics --ternary-prove-addsub | FileCheck %s
// RUN: setun-opt %S/Inputs/products.mlir --setun-convert-ternary-to-loops="target=generic" --ternary-prove-addsub -o /dev/null
// RUN: setun-opt %S/Inputs/dynamic-products.mlir --setun-convert-ternary-to-loops="target=generic" --ternary-prove-addsub -o /dev/null
// RUN: setun-opt %S/Inputs/products.mlir --setun-convert-ternary-to-loops="target=x86-64:avx2 products=addsub" --canonicalize --ternary-prove-addsub -o /dev/null
// RUN: not setun-opt %S/Inputs/products.mlir --setun-convert-ternary-to-loops="target=x86-64:avx2 products=best" --ternary-prove-addsub -o /dev/null 2>&1 | FileCheck %s --check-prefix=BEST

// BEST: 'llvm.call_intrinsic' inside a loop of the ternary product @ternary_bytes

// CHECK-LABEL: @ternary_good
func.func private @ternary_good(%a: memref<?xi32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.muli %n, %n : index
  scf.forall (%t) in (%n) {
    %start = arith.muli %t, %size : index
    scf.for %i = %c0 to %n step %c1 {
      %at = arith.addi %start, %i : index
      %v = memref.load %a[%at] : memref<?xi32>
      %s = arith.subi %v, %v : i32
      memref.store %s, %a[%at] : memref<?xi32>
    }
  }
  return
}

// -----

// Where nothing is ternary there is nothing to prove.
// CHECK-LABEL: @dense
func.func private @dense(%a: memref<?xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    %v = memref.load %a[%i] : memref<?xf32>
    %s = arith.mulf %v, %v : f32
    memref.store %s, %a[%i] : memref<?xf32>
  }
  return
}

// -----

func.func private @ternary_float(%a: memref<?xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    %v = memref.load %a[%i] : memref<?xf32>
    // expected-error @+1 {{'arith.mulf' inside a loop of the ternary product @ternary_float}}
    %s = arith.mulf %v, %v : f32
    memref.store %s, %a[%i] : memref<?xf32>
  }
  return
}

// -----

func.func private @ternary_address(%a: memref<?xi8>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    scf.for %j = %c0 to %n step %c1 {
      // expected-error @+1 {{'arith.muli' inside a loop of the ternary product @ternary_address}}
      %at = arith.muli %i, %n : index
      %v = memref.load %a[%at] : memref<?xi8>
      memref.store %v, %a[%j] : memref<?xi8>
    }
  }
  return
}

// -----

func.func private @ternary_hidden(%a: vector<8xi16>, %f: f32, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    // expected-error @+1 {{'llvm.call_intrinsic' inside a loop of the ternary product @ternary_hidden}}
    %p = llvm.call_intrinsic "llvm.x86.sse2.pmadd.wd"(%a, %a) : (vector<8xi16>, vector<8xi16>) -> vector<4xi32>
    // expected-error @+1 {{'math.fma' inside a loop}}
    %q = math.fma %f, %f, %f : f32
    // expected-error @+1 {{'func.call' inside a loop}}
    func.call @elsewhere() : () -> ()
  }
  return
}
func.func private @elsewhere()
