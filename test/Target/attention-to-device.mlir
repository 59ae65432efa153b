// RUN: setun-opt %s --setun-attention-to-device | FileCheck %s
// RUN: setun-opt %s --setun-attention-to-device --setun-attention-to-device | FileCheck %s

// One query: parts of the context, one after the other in a warp; without scratch nothing is shared among blocks. Keys and values are
// read in 16 bytes a lane where they are aligned, once for all four heads.
// CHECK-LABEL: func @decode
// CHECK-NOT: scf.if
// CHECK: gpu.launch
// CHECK-SAME: workgroup({{.*}} : memref<16xf32, #gpu.address_space<workgroup>>, {{.*}} : memref<16xf32, #gpu.address_space<workgroup>>, {{.*}} : memref<2048xf32, #gpu.address_space<workgroup>>)
// CHECK: memref.extract_aligned_pointer_as_index
// CHECK: vector.load %{{.*}} {alignment = 16 : i64} : memref<1x20x1x128xf32>, vector<4xf32>
// CHECK: scf.for
// CHECK-COUNT-16: vector.load %{{.*}} {alignment = 16 : i64} : memref<1x5x?x128xf32, strided<[?, ?, 128, 1]>>, vector<4xf32>
// CHECK: gpu.shuffle xor
// CHECK: gpu.shuffle idx
// CHECK: gpu.barrier
// CHECK-NOT: llvm.atomicrmw
// CHECK-NOT: gpu.launch
func.func @decode(%q: memref<1x20x1x128xf32>, %k: memref<1x5x?x128xf32, strided<[?, ?, 128, 1]>>,
                  %v: memref<1x5x?x128xf32, strided<[?, ?, 128, 1]>>, %past: index, %y: memref<1x20x1x128xf32>) {
  nn.attention ins(%q, %k, %v : memref<1x20x1x128xf32>, memref<1x5x?x128xf32, strided<[?, ?, 128, 1]>>,
                   memref<1x5x?x128xf32, strided<[?, ?, 128, 1]>>) past(%past) outs(%y : memref<1x20x1x128xf32>)
    {causal, scale = 0.125 : f32}
  return
}

// Any number of queries: the host chooses. Where there are parts, each takes a ticket when what it has found is written;
// the last one combines them all, in order.
// CHECK-LABEL: func @any
// CHECK: scf.if
// CHECK: gpu.launch
// CHECK: } else {
// CHECK: gpu.launch
// CHECK: llvm.fence syncscope("device") acq_rel
// CHECK-NEXT: gpu.barrier
// CHECK: llvm.call_intrinsic "llvm.setun.device_frame"() : () -> !llvm.ptr
// CHECK: llvm.atomicrmw uinc_wrap %{{.*}}, %[[LAST:.*]] syncscope("device") monotonic
// CHECK-NEXT: arith.cmpi eq, %{{.*}}, %[[LAST]]
// CHECK: llvm.fence syncscope("device") acq_rel
// CHECK: gpu.barrier
// CHECK: vector.load %{{.*}} {alignment = 16 : i64} : memref<139392xf32>, vector<4xf32>
// CHECK-NOT: gpu.launch
// CHECK-NOT: nn.attention
func.func @any(%q: memref<1x20x?x128xf32>, %k: memref<1x5x?x128xf32>, %v: memref<1x5x?x128xf32>, %past: index,
               %y: memref<1x20x?x128xf32>, %s: memref<139392xf32>) {
  nn.attention ins(%q, %k, %v : memref<1x20x?x128xf32>, memref<1x5x?x128xf32>, memref<1x5x?x128xf32>) past(%past)
    outs(%y : memref<1x20x?x128xf32>) scratch(%s : memref<139392xf32>) {causal, scale = 0.125 : f32}
  return
}

// Less scratch than the parts need is not used. Lines that no vector divides are read one by one.
// CHECK-LABEL: func @odd
// CHECK: gpu.launch
// CHECK-NOT: vector.load
// CHECK-NOT: gpu.launch
func.func @odd(%q: memref<1x2x1x33xf32>, %k: memref<1x1x?x33xf32>, %v: memref<1x1x?x33xf32>, %y: memref<1x2x1x33xf32>,
               %s: memref<1000xf32>) {
  nn.attention ins(%q, %k, %v : memref<1x2x1x33xf32>, memref<1x1x?x33xf32>, memref<1x1x?x33xf32>)
    outs(%y : memref<1x2x1x33xf32>) scratch(%s : memref<1000xf32>) {scale = 0.125 : f32}
  return
}

// Left to the common lowering: heads of unknown size, f64; and what is on tensors.
// CHECK-LABEL: func @unknown
// CHECK: nn.attention
func.func @unknown(%q: memref<?x?x?x?xf32>, %y: memref<?x?x?x?xf32>) {
  nn.attention ins(%q, %q, %q : memref<?x?x?x?xf32>, memref<?x?x?x?xf32>, memref<?x?x?x?xf32>) outs(%y : memref<?x?x?x?xf32>)
    {scale = 1.0 : f32}
  return
}
// CHECK-LABEL: func @double
// CHECK: nn.attention
func.func @double(%q: memref<1x1x1x8xf64>, %y: memref<1x1x1x8xf64>) {
  nn.attention ins(%q, %q, %q : memref<1x1x1x8xf64>, memref<1x1x1x8xf64>, memref<1x1x1x8xf64>) outs(%y : memref<1x1x1x8xf64>)
    {scale = 1.0 : f32}
  return
}
// CHECK-LABEL: func @tensors
// CHECK: nn.attention
func.func @tensors(%q: tensor<1x1x1x8xf32>, %y: tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xf32> {
  %r = nn.attention ins(%q, %q, %q : tensor<1x1x1x8xf32>, tensor<1x1x1x8xf32>, tensor<1x1x1x8xf32>)
    outs(%y : tensor<1x1x1x8xf32>) {scale = 1.0 : f32} -> tensor<1x1x1x8xf32>
  return %r : tensor<1x1x1x8xf32>
}

// Queries are turned while they are read, and the result is written transposed.
// CHECK-LABEL: func @neighbours
// CHECK-NOT: memref.alloc
// CHECK: gpu.launch
// CHECK: memref.store %{{.*}}, %arg4[%{{.*}}] : memref<1x1x8x64xf32>
// CHECK-NOT: nn.
// CHECK-NOT: linalg.transpose
// CHECK: return
func.func @neighbours(%x: memref<1x8x1x64xf32>, %k: memref<1x2x?x64xf32>, %c: memref<1x1x32xf32>, %past: index, %y: memref<1x1x8x64xf32>) {
  %q = memref.alloc() : memref<1x8x1x64xf32>
  %a = memref.alloc() : memref<1x8x1x64xf32>
  nn.rotary_embedding ins(%x, %c, %c : memref<1x8x1x64xf32>, memref<1x1x32xf32>, memref<1x1x32xf32>) outs(%q : memref<1x8x1x64xf32>)
  nn.attention ins(%q, %k, %k : memref<1x8x1x64xf32>, memref<1x2x?x64xf32>, memref<1x2x?x64xf32>) past(%past)
    outs(%a : memref<1x8x1x64xf32>) {causal, scale = 0.125 : f32}
  linalg.transpose ins(%a : memref<1x8x1x64xf32>) outs(%y : memref<1x1x8x64xf32>) permutation = [0, 2, 1, 3]
  return
}

// What others write or read in between stays.
// CHECK-LABEL: func @apart
// CHECK: nn.rotary_embedding
// CHECK: gpu.launch
// CHECK: linalg.transpose
func.func @apart(%x: memref<1x8x1x64xf32>, %k: memref<1x2x?x64xf32>, %c: memref<1x1x32xf32>, %y: memref<1x1x8x64xf32>, %z: f32) {
  %q = memref.alloc() : memref<1x8x1x64xf32>
  %a = memref.alloc() : memref<1x8x1x64xf32>
  nn.rotary_embedding ins(%x, %c, %c : memref<1x8x1x64xf32>, memref<1x1x32xf32>, memref<1x1x32xf32>) outs(%q : memref<1x8x1x64xf32>)
  linalg.fill ins(%z : f32) outs(%x : memref<1x8x1x64xf32>)
  nn.attention ins(%q, %k, %k : memref<1x8x1x64xf32>, memref<1x2x?x64xf32>, memref<1x2x?x64xf32>)
    outs(%a : memref<1x8x1x64xf32>) {scale = 0.125 : f32}
  linalg.fill ins(%z : f32) outs(%y : memref<1x1x8x64xf32>)
  linalg.transpose ins(%a : memref<1x8x1x64xf32>) outs(%y : memref<1x1x8x64xf32>) permutation = [0, 2, 1, 3]
  return
}

// The key of the only query: the part that reads it makes it first. Of several queries, a kernel of its own makes them.
// CHECK-LABEL: func @new_keys
// CHECK: scf.if
// CHECK: memref.store %{{.*}}, %arg5[%{{.*}}] : memref<1x2x?x64xf32
// CHECK: gpu.launch
// CHECK: } else {
// CHECK: scf.if
// CHECK: gpu.launch
// CHECK: memref.store %{{.*}}, %arg5[%{{.*}}] : memref<1x2x?x64xf32
// CHECK: gpu.barrier
// CHECK: } else {
// CHECK: gpu.launch
// CHECK: memref.store %{{.*}}, %arg5[%{{.*}}] : memref<1x2x?x64xf32
// CHECK: gpu.launch
// CHECK: gpu.barrier {setun.many_tokens, setun.min_blocks = {{[0-9]+}} : i32}
// CHECK-NOT: nn.
func.func @new_keys(%q: memref<1x8x?x64xf32>, %k: memref<1x2x?x64xf32, strided<[?, ?, 64, 1]>>, %v: memref<1x2x?x64xf32, strided<[?, ?, 64, 1]>>,
                    %x: memref<1x2x?x64xf32>, %c: memref<1x?x32xf32>, %new: memref<1x2x?x64xf32, strided<[?, ?, 64, 1], offset: ?>>,
                    %past: index, %y: memref<1x8x?x64xf32>) {
  nn.rotary_embedding ins(%x, %c, %c : memref<1x2x?x64xf32>, memref<1x?x32xf32>, memref<1x?x32xf32>)
    outs(%new : memref<1x2x?x64xf32, strided<[?, ?, 64, 1], offset: ?>>) {setun.new_keys}
  nn.attention ins(%q, %k, %v : memref<1x8x?x64xf32>, memref<1x2x?x64xf32, strided<[?, ?, 64, 1]>>, memref<1x2x?x64xf32, strided<[?, ?, 64, 1]>>) past(%past)
    outs(%y : memref<1x8x?x64xf32>) {causal, scale = 0.125 : f32}
  return
}
