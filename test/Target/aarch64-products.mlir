// The forms of AArch64, as docs/targets/aarch64.md shows them, in intermediate code and in assembly.

// RUN: setun-opt %S/Inputs/aarch64-products.mlir --setun-convert-ternary-to-loops=target=aarch64:dotprod --canonicalize --cse | FileCheck %s --check-prefix=DOT
// RUN: setun-opt %S/Inputs/aarch64-products.mlir --setun-convert-ternary-to-loops=target=aarch64:i8mm --canonicalize --cse | FileCheck %s --check-prefix=I8MM
// RUN: setun-opt %S/Inputs/aarch64-products.mlir --setun-convert-ternary-to-loops=target=aarch64:neon --canonicalize --cse | FileCheck %s --check-prefix=NEON
// RUN: setun-opt %S/Inputs/aarch64-products.mlir --setun-convert-ternary-to-loops="target=aarch64:i8mm products=addsub" --canonicalize --cse | FileCheck %s --check-prefix=ADD

// RUN: setun-opt %S/Inputs/aarch64-products.mlir --pass-pipeline="builtin.module(setun-convert-ternary-to-loops{target=aarch64:dotprod},canonicalize,cse,setun-target-to-llvm)" \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=aarch64-unknown-linux-gnu -mattr=+dotprod \
// RUN:   | llc -O3 -mtriple=aarch64-unknown-linux-gnu -mattr=+dotprod | FileCheck %s --check-prefix=ASM

// 160 blocks of 16 rows; two tiles of columns an iteration.
// DOT-LABEL: @ternary_decode
// DOT: scf.forall (%{{.*}}) in (160)
// DOT: scf.for %{{.*}} = %c0 to %c160 step %c2
// DOT: %[[X:.*]] = vector.load %{{.*}} : memref<?xi8, strided<[1], offset: ?>>, vector<16xi8>
// DOT: %[[COLUMNS:.*]] = vector.bitcast %[[X]] : vector<16xi8> to vector<4xi32>
// DOT: %[[CODES:.*]] = vector.load %{{.*}} : memref<1638400xi8>, vector<16xi8>
// DOT: %[[PLANE0:.*]] = arith.andi %[[CODES]], %{{.*}} : vector<16xi8>
// DOT: %[[FOUR0:.*]] = vector.shuffle %[[COLUMNS]], %[[COLUMNS]] [0, 0, 0, 0] : vector<4xi32>, vector<4xi32>
// DOT: %[[BYTES0:.*]] = vector.bitcast %[[FOUR0]] : vector<4xi32> to vector<16xi8>
// DOT: %[[SUM:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"(%{{.*}}, %[[PLANE0]], %[[BYTES0]])
// DOT: %[[PLANE3:.*]] = arith.shrui %[[CODES]], %{{.*}} : vector<16xi8>
// DOT: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"(%[[SUM]], %[[PLANE3]], %{{.*}})
// Nothing asks for lines ahead of one stream in order.
// DOT-NOT: memref.prefetch
// The sums that are 4 and 16 times too large.
// DOT-COUNT-8: arith.shrsi
// DOT-NOT: arith.shrsi
// DOT: return
// DOT-LABEL: @ternary_prefill
// DOT: scf.forall (%{{.*}}) in (40)
// DOT-COUNT-64: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"
// DOT-NOT: llvm.call_intrinsic
// DOT: return

// ASM-LABEL: ternary_decode_body:
// ASM: ldp [[CODES:q[0-9]+]], q{{[0-9]+}}, [x{{[0-9]+}}
// ASM: and v[[P0:[0-9]+]].16b, v{{[0-9]+}}.16b, v{{[0-9]+}}.16b
// ASM: ushr v{{[0-9]+}}.16b, v{{[0-9]+}}.16b, #6
// ASM: sdot v{{[0-9]+}}.4s, v{{[0-9]+}}.16b, v[[X:[0-9]+]].4b[0]
// ASM: sdot v{{[0-9]+}}.4s, v{{[0-9]+}}.16b, v[[X]].4b[3]
// ASM: ssra v{{[0-9]+}}.4s, v{{[0-9]+}}.4s, #2
// ASM: ssra v{{[0-9]+}}.4s, v{{[0-9]+}}.4s, #4

// I8MM-LABEL: @ternary_decode
// I8MM: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"
// I8MM-LABEL: @ternary_two
// I8MM-NOT: sdot
// I8MM: %[[HIGH:.*]] = arith.shrui
// I8MM: vector.shuffle %{{.*}} [0, 4, 1, 5] : vector<4xi32>, vector<4xi32>
// I8MM: llvm.call_intrinsic "llvm.aarch64.neon.smmla.v4i32.v16i8"
// I8MM-LABEL: @ternary_prefill
// I8MM: vector.shuffle %{{.*}} [0, 2, 4, 6] : vector<4xi32>, vector<4xi32>
// I8MM-COUNT-32: llvm.call_intrinsic "llvm.aarch64.neon.smmla.v4i32.v16i8"
// I8MM-NOT: llvm.call_intrinsic
// I8MM: return

// Sums of eight products are widened after 16 tiles, before int16 overflows.
// NEON-LABEL: @ternary_decode
// NEON: scf.for %{{.*}} = %c0 to %c160 step %c16
// NEON: arith.shrui %{{.*}} : vector<16xi8>
// NEON-COUNT-64: llvm.call_intrinsic "llvm.aarch64.neon.smull.v8i16"
// NEON-NOT: smull
// NEON: arith.shrsi %{{.*}} : vector<8xi16>
// NEON: llvm.call_intrinsic "llvm.aarch64.neon.saddlp.v4i32.v8i16"
// NEON-LABEL: @ternary_two
// NEON: llvm.call_intrinsic "llvm.aarch64.neon.tbl1.v16i8"
// NEON-LABEL: @ternary_prefill
// NEON-NOT: llvm.call_intrinsic
// NEON: return

// ADD-LABEL: @ternary_decode
// ADD: vector.shuffle %{{.*}} [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60] : vector<64xi8>, vector<64xi8>
// ADD: llvm.call_intrinsic "llvm.aarch64.neon.tbl1.v16i8"(%{{.*}}, %{{.*}}) {setun.plain}
// ADD-NOT: {{sdot|smmla|smull}}
// ADD: arith.extui %{{.*}} : vector<8xi8> to vector<8xi16>
// ADD-LABEL: @ternary_prefill
// ADD-NOT: llvm.call_intrinsic
// ADD: return
