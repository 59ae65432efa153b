// RUN: setun-opt %s --split-input-file --verify-diagnostics --setun-convert-ternary-to-loops="target=generic" --canonicalize | FileCheck %s
// RUN: setun-opt %s --split-input-file --verify-diagnostics --setun-convert-ternary-to-loops="target=x86-64:avx2 products=addsub" --canonicalize | FileCheck %s
// RUN: setun-opt %s --split-input-file --verify-diagnostics --setun-convert-ternary-to-loops="target=x86-64:avx2 products=best" --canonicalize | FileCheck %s --check-prefix=BEST
// RUN: not setun-opt %s --split-input-file --setun-convert-ternary-to-loops="target=pdp11" 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not setun-opt %s --split-input-file --setun-convert-ternary-to-loops="products=fast" 2>&1 | FileCheck %s --check-prefix=PRODUCTS

// TARGET: unknown target 'pdp11'; known: generic,
// PRODUCTS: unknown products 'fast'; known: addsub, best

// One token of fixed size: one parallel loop over 80 blocks of 32 rows.
// CHECK-LABEL: @ternary_decode
// CHECK-NOT: ternary.matmul
// CHECK: scf.forall (%{{.*}}) in (80)
// CHECK-NOT: arith.muli {{.*}}vector
// CHECK: arith.select {{.*}} : vector<32xi1>, vector<32xi16>
// CHECK: arith.subi {{.*}} : vector<32xi16>
// CHECK-NOT: llvm.call_intrinsic
// CHECK: setun.grain = 1
// CHECK-NOT: scf.forall
// BEST-LABEL: @ternary_decode
// BEST: scf.forall (%{{.*}}) in (80)
// BEST: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
func.func @ternary_decode(%x: memref<1x2560xi8>, %w: memref<1638400xi8>, %acc: memref<1x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<1x2560xi8>, memref<1638400xi8>) outs(%acc : memref<1x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}

// -----

// Many tokens: tables on every target; the number of tasks is tokens / 32 times chunks of rows, longer where vectors are.
// CHECK-LABEL: @ternary_prefill
// CHECK: scf.forall (%{{.*}}) in ({{12|8}})
// CHECK: memref.prefetch
// CHECK-NOT: llvm.call_intrinsic
// CHECK-NOT: scf.forall
// CHECK: return
// BEST-LABEL: @ternary_prefill
// BEST-NOT: llvm.call_intrinsic
// BEST: return
func.func @ternary_prefill(%x: memref<128x2560xi8>, %w: memref<1638400xi8>, %acc: memref<128x2560xi32>) {
  ternary.matmul ins(%x, %w : memref<128x2560xi8>, memref<1638400xi8>) outs(%acc : memref<128x2560xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}

// -----

// Scales multiply outside the loop over columns.
// CHECK-LABEL: @ternary_scaled
// CHECK: scf.forall
// CHECK: scf.for
// CHECK: scf.for
// CHECK: scf.for
// CHECK-NOT: arith.mulf
// CHECK: scf.yield
// CHECK: arith.mulf
func.func @ternary_scaled(%x: memref<4x128xf16>, %w: memref<2048xi8>, %s: memref<64x2xf32>, %acc: memref<4x64xf32>) {
  ternary.matmul ins(%x, %w, %s : memref<4x128xf16>, memref<2048xi8>, memref<64x2xf32>) outs(%acc : memref<4x64xf32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}

// -----

func.func @ternary_unpacked(%x: memref<1x16xi8>, %w: memref<16x16x!ternary.trit>, %acc: memref<1x16xi32>) {
  // expected-error @+1 {{its weight is not packed; run --setun-materialize-encoding}}
  ternary.matmul ins(%x, %w : memref<1x16xi8>, memref<16x16x!ternary.trit>) outs(%acc : memref<1x16xi32>)
  return
}

// -----

func.func @ternary_other_layout(%x: memref<1x16xi8>, %w: memref<64xi8>, %acc: memref<1x16xi32>) {
  // expected-error @+1 {{this target does not read the encoding #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>}}
  ternary.matmul ins(%x, %w : memref<1x16xi8>, memref<64xi8>) outs(%acc : memref<1x16xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [1, 4], interleave = 1>}
  return
}

// -----

func.func @ternary_columns(%x: memref<8x16xi8, strided<[1, 8]>>, %w: memref<128xi8>, %acc: memref<8x16xi32>) {
  // expected-error @+1 {{the rows of 'x' are not contiguous}}
  ternary.matmul ins(%x, %w : memref<8x16xi8, strided<[1, 8]>>, memref<128xi8>) outs(%acc : memref<8x16xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>}
  return
}

// -----

func.func @ternary_tensors(%x: tensor<8x16xi8>, %w: tensor<128xi8>, %acc: tensor<8x16xi32>) -> tensor<8x16xi32> {
  // expected-error @+1 {{cannot be lowered on tensors: bufferize first}}
  %0 = ternary.matmul ins(%x, %w : tensor<8x16xi8>, tensor<128xi8>) outs(%acc : tensor<8x16xi32>)
    {encoding = #ternary.encoding<bits = 2, tile = [16, 16], interleave = 2>} -> tensor<8x16xi32>
  return %0 : tensor<8x16xi32>
}

// -----

// CHECK-LABEL: @no_product
// CHECK-NEXT: return
func.func @no_product() { return }
