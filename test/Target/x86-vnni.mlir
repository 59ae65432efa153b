// The intermediate code that docs/targets/x86-64.md shows.
// RUN: setun-opt %S/Inputs/x86-products.mlir --setun-convert-ternary-to-loops="target=x86-64:avx512-vnni" --canonicalize --cse | FileCheck %s
// RUN: setun-opt %S/Inputs/x86-products.mlir --setun-convert-ternary-to-loops="target=x86-64:avx-vnni" --canonicalize --cse | FileCheck %s --check-prefix=YMM
// RUN: setun-opt %S/Inputs/x86-products.mlir --setun-convert-ternary-to-loops="target=x86-64:avx512-vnni products=addsub" --canonicalize | FileCheck %s --check-prefix=ADDSUB
// RUN: setun-opt %S/Inputs/x86-products.mlir --setun-convert-ternary-to-loops="target=x86-64:avx512-vnni" --setun-emulate-intrinsics=target=x86-64 | FileCheck %s --check-prefix=ADDSUB

// One token: a sum for each of four planes; nothing but masks and dot products.
// CHECK-LABEL: @ternary_one
// CHECK-DAG: %[[FOURS:.*]] = arith.constant dense<12> : vector<64xi8>
// CHECK-DAG: %[[SIXTEENS:.*]] = arith.constant dense<48> : vector<64xi8>
// CHECK-DAG: %[[SIXTYFOURS:.*]] = arith.constant dense<-64> : vector<64xi8>
// CHECK-DAG: %[[ONES:.*]] = arith.constant dense<3> : vector<64xi8>
// CHECK: scf.forall (%{{.*}}) in (160)
// CHECK: %[[SUMS:.*]]:6 = scf.for
// CHECK-COUNT-2: memref.prefetch {{.*}}, read, locality<{{[23]}}>, data
// CHECK: %[[X:.*]] = vector.load %{{.*}} vector<4xi8>
// CHECK-NEXT: %[[DWORD:.*]] = vector.bitcast %[[X]] : vector<4xi8> to vector<1xi32>
// CHECK-NEXT: %[[SCALAR:.*]] = vector.extract %[[DWORD]][0] : i32 from vector<1xi32>
// CHECK-NEXT: %[[ALL:.*]] = vector.broadcast %[[SCALAR]] : i32 to vector<16xi32>
// CHECK-NEXT: %[[COLUMNS:.*]] = vector.bitcast %[[ALL]] : vector<16xi32> to vector<64xi8>
// CHECK: %[[CODES:.*]] = vector.load %{{.*}} : memref<1638400xi8>, vector<64xi8>
// CHECK: %[[PLANE:.*]] = arith.andi %[[CODES]], %[[ONES]] : vector<64xi8>
// CHECK-NEXT: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[PLANE]], %[[COLUMNS]])
// CHECK-NEXT: %[[PLANE:.*]] = arith.andi %[[CODES]], %[[FOURS]] : vector<64xi8>
// CHECK-NEXT: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[PLANE]],
// CHECK-NEXT: %[[PLANE:.*]] = arith.andi %[[CODES]], %[[SIXTEENS]] : vector<64xi8>
// CHECK-NEXT: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[PLANE]],
// CHECK-NEXT: %[[PLANE:.*]] = arith.andi %[[CODES]], %[[SIXTYFOURS]] : vector<64xi8>
// CHECK-NEXT: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[PLANE]],
// CHECK-NOT: arith.shrui
// CHECK: scf.yield
// CHECK: arith.shrsi %[[SUMS]]#1
// CHECK: arith.shrsi %[[SUMS]]#2
// CHECK: arith.shrsi %[[SUMS]]#3

// Fourteen tokens: activations are packed, and added up by the way; then plane after plane under a mask that moves, sums
// shifted down between planes.
// CHECK-LABEL: @ternary_fourteen
// CHECK: memref.alloca() {{.*}} : memref<43520xi8>
// CHECK: scf.for
// CHECK: scf.for
// CHECK-COUNT-8: vector.shuffle
// CHECK-COUNT-4: vpdpbusd.128
// CHECK: scf.forall (%{{.*}}) in (80)
// CHECK: scf.for {{.*}} = %c0 to %c4 step %c1
// CHECK-COUNT-28: arith.shrsi
// CHECK: scf.for {{.*}} = %c0 to %c160 step %c2
// CHECK-COUNT-2: arith.andi
// CHECK-NOT: vector.store
// CHECK-COUNT-28: vpdpbusd.512
// CHECK-COUNT-2: arith.andi
// CHECK-NOT: vector.store
// CHECK-COUNT-28: vpdpbusd.512
// CHECK-NOT: vpdpbusd
// CHECK: arith.shrui %{{.*}} : vector<32xi16>
// CHECK-COUNT-28: vector.store %{{.*}}, %reinterpret_cast
// CHECK: return

// Sixteen: one vector of rows, one mask for all of them, four steps at a time; 68 bytes
// of activations from one to the next, not 64.
// CHECK-LABEL: @ternary_sixteen
// CHECK: memref.alloca() {{.*}} : memref<48640xi8>
// CHECK: scf.forall (%{{.*}}) in (160)
// CHECK: scf.for {{.*}} = %c0 to %c4 step %c1
// CHECK-COUNT-16: arith.shrsi
// CHECK: scf.for {{.*}} = %c0 to %c160 step %c4
// CHECK-COUNT-1: arith.andi
// CHECK-NOT: arith.andi
// CHECK-COUNT-16: vpdpbusd.512
// CHECK-COUNT-1: arith.andi
// CHECK-NOT: arith.andi
// CHECK-COUNT-16: vpdpbusd.512
// CHECK-COUNT-1: arith.andi
// CHECK-NOT: arith.andi
// CHECK-COUNT-16: vpdpbusd.512
// CHECK-COUNT-1: arith.andi
// CHECK-NOT: arith.andi
// CHECK-COUNT-16: vpdpbusd.512
// CHECK: arith.addi %{{.*}}, %c272 : index
// CHECK-NOT: vpdpbusd
// CHECK: return

// Many: the first thirteen leave what they masked for the others, which mask nothing. They do so two steps at a time,
// as do groups of twelve, but not those of thirteen.
// CHECK-LABEL: @ternary_prefill
// CHECK: scf.forall (%{{.*}}) in (80)
// CHECK: scf.for
// CHECK: scf.for
// CHECK: arith.andi
// CHECK-NEXT: vector.store
// CHECK-COUNT-26: vpdpbusd.512
// CHECK: arith.andi
// CHECK-NEXT: vector.store
// CHECK-COUNT-26: vpdpbusd.512
// CHECK-NOT: vpdpbusd
// CHECK: scf.for
// CHECK: scf.for
// CHECK-NOT: arith.andi
// CHECK-COUNT-74: vpdpbusd.512
// CHECK-NOT: vpdpbusd
// CHECK: return

// Many columns: weights and activations of a part are near at hand for all planes. Sums are shifted up between parts.
// CHECK-LABEL: @ternary_long
// CHECK: scf.forall (%{{.*}}) in (80)
// CHECK: scf.for {{.*}} = %c0 to %c3 step %c1
// CHECK-COUNT-28: arith.shli %{{.*}} : vector<16xi32>
// CHECK: scf.for {{.*}} = %c0 to %c4 step %c1
// CHECK-COUNT-28: arith.shrsi
// CHECK: scf.for {{.*}} = %c0 to %c144 step %c2
// CHECK: return

// Sixteen registers: two vectors of rows leave two sums a row, so that a shift brings two planes to the others' places.
// YMM-LABEL: @ternary_one
// YMM: %{{.*}}:6 = scf.for
// YMM: arith.shrui %{{.*}} : vector<16xi16>
// YMM: "llvm.x86.avx512.vpdpbusd.256"
// YMM-NOT: vector<64xi8>

// ADDSUB-LABEL: @ternary_one
// ADDSUB-NOT: vpdpbusd
