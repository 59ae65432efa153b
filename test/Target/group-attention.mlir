// RUN: setun-opt %s --setun-group-attention | FileCheck %s

// What turns the queries before and what transposes the result behind go with attention; other buffers' makers stay.
// CHECK-LABEL: func @whole
// CHECK: nn.rotary_embedding ins(%arg1
// CHECK: %[[OUT:[0-9]+]] = tensor.empty(%{{.*}}) : tensor<1x?x8x64xf32>
// CHECK-NEXT: %[[Y:.*]] = scf.execute_region -> tensor<1x?x8x64xf32> no_inline {
// CHECK: nn.rotary_embedding ins(%arg0
// CHECK: nn.attention
// CHECK: %[[T:.*]] = linalg.transpose {{.*}} outs(%[[OUT]] :
// CHECK: scf.yield %[[T]]
// CHECK: return %[[Y]]
func.func @whole(%q: tensor<1x8x?x64xf32>, %k: tensor<1x2x?x64xf32>, %c: tensor<1x?x32xf32>, %past: index, %s: index)
    -> tensor<1x?x8x64xf32> {
  %0 = tensor.empty(%s) : tensor<1x8x?x64xf32>
  %4 = tensor.empty(%s) : tensor<1x?x8x64xf32>
  %1 = nn.rotary_embedding ins(%q, %c, %c : tensor<1x8x?x64xf32>, tensor<1x?x32xf32>, tensor<1x?x32xf32>)
    outs(%0 : tensor<1x8x?x64xf32>) -> tensor<1x8x?x64xf32>
  %2 = nn.rotary_embedding ins(%k, %c, %c : tensor<1x2x?x64xf32>, tensor<1x?x32xf32>, tensor<1x?x32xf32>)
    outs(%k : tensor<1x2x?x64xf32>) -> tensor<1x2x?x64xf32>
  %3 = nn.attention ins(%1, %2, %k : tensor<1x8x?x64xf32>, tensor<1x2x?x64xf32>, tensor<1x2x?x64xf32>) past(%past)
    outs(%0 : tensor<1x8x?x64xf32>) {causal, scale = 0.125 : f32} -> tensor<1x8x?x64xf32>
  %5 = linalg.transpose ins(%3 : tensor<1x8x?x64xf32>) outs(%4 : tensor<1x?x8x64xf32>) permutation = [0, 2, 1, 3]
  return %5 : tensor<1x?x8x64xf32>
}

// Others need what stands between: nothing to group.
// CHECK-LABEL: func @shared
// CHECK-NOT: scf.execute_region
func.func @shared(%q: tensor<1x8x4x64xf32>, %c: tensor<1x4x32xf32>) -> (tensor<1x8x4x64xf32>, tensor<1x8x4x64xf32>, tensor<1x4x8x64xf32>) {
  %1 = nn.rotary_embedding ins(%q, %c, %c : tensor<1x8x4x64xf32>, tensor<1x4x32xf32>, tensor<1x4x32xf32>)
    outs(%q : tensor<1x8x4x64xf32>) -> tensor<1x8x4x64xf32>
  %3 = nn.attention ins(%1, %q, %q : tensor<1x8x4x64xf32>, tensor<1x8x4x64xf32>, tensor<1x8x4x64xf32>)
    outs(%q : tensor<1x8x4x64xf32>) {scale = 0.125 : f32} -> tensor<1x8x4x64xf32>
  %4 = tensor.empty() : tensor<1x4x8x64xf32>
  %5 = linalg.transpose ins(%3 : tensor<1x8x4x64xf32>) outs(%4 : tensor<1x4x8x64xf32>) permutation = [0, 2, 1, 3]
  return %1, %3, %5 : tensor<1x8x4x64xf32>, tensor<1x8x4x64xf32>, tensor<1x4x8x64xf32>
}

// The new keys, which are put into the cache from `past` on, go along; those of another place do not.
// CHECK-LABEL: func @cached
// CHECK: %[[BOTH:.*]]:2 = scf.execute_region -> (tensor<1x8x?x64xf32>, tensor<1x2x?x64xf32>) no_inline {
// CHECK: nn.rotary_embedding ins(%arg1{{.*}} {setun.new_keys}
// CHECK: tensor.insert_slice
// CHECK: tensor.extract_slice
// CHECK: nn.attention
// CHECK: scf.yield
// CHECK: return %[[BOTH]]#0, %[[BOTH]]#1
func.func @cached(%q: tensor<1x8x?x64xf32>, %k: tensor<1x2x?x64xf32>, %v: tensor<1x2x?x64xf32>, %c: tensor<1x?x32xf32>,
                  %cache: tensor<1x2x?x64xf32>, %past: index, %s: index, %all: index) -> (tensor<1x8x?x64xf32>, tensor<1x2x?x64xf32>) {
  %0 = tensor.empty(%s) : tensor<1x2x?x64xf32>
  %1 = nn.rotary_embedding ins(%k, %c, %c : tensor<1x2x?x64xf32>, tensor<1x?x32xf32>, tensor<1x?x32xf32>)
    outs(%0 : tensor<1x2x?x64xf32>) -> tensor<1x2x?x64xf32>
  %2 = tensor.insert_slice %1 into %cache[0, 0, %past, 0] [1, 2, %s, 64] [1, 1, 1, 1] : tensor<1x2x?x64xf32> into tensor<1x2x?x64xf32>
  %3 = tensor.extract_slice %2[0, 0, 0, 0] [1, 2, %all, 64] [1, 1, 1, 1] : tensor<1x2x?x64xf32> to tensor<1x2x?x64xf32>
  %4 = tensor.empty(%s) : tensor<1x8x?x64xf32>
  %5 = nn.attention ins(%q, %3, %v : tensor<1x8x?x64xf32>, tensor<1x2x?x64xf32>, tensor<1x2x?x64xf32>) past(%past)
    outs(%4 : tensor<1x8x?x64xf32>) {causal, scale = 0.125 : f32} -> tensor<1x8x?x64xf32>
  return %5, %2 : tensor<1x8x?x64xf32>, tensor<1x2x?x64xf32>
}
// CHECK-LABEL: func @elsewhere
// CHECK-NOT: setun.new_keys
// CHECK: return
func.func @elsewhere(%q: tensor<1x8x?x64xf32>, %k: tensor<1x2x?x64xf32>, %v: tensor<1x2x?x64xf32>, %c: tensor<1x?x32xf32>,
                     %cache: tensor<1x2x?x64xf32>, %past: index, %s: index, %all: index) -> (tensor<1x8x?x64xf32>, tensor<1x2x?x64xf32>) {
  %0 = tensor.empty(%s) : tensor<1x2x?x64xf32>
  %1 = nn.rotary_embedding ins(%k, %c, %c : tensor<1x2x?x64xf32>, tensor<1x?x32xf32>, tensor<1x?x32xf32>)
    outs(%0 : tensor<1x2x?x64xf32>) -> tensor<1x2x?x64xf32>
  %2 = tensor.insert_slice %1 into %cache[0, 0, %all, 0] [1, 2, %s, 64] [1, 1, 1, 1] : tensor<1x2x?x64xf32> into tensor<1x2x?x64xf32>
  %3 = tensor.extract_slice %2[0, 0, 0, 0] [1, 2, %all, 64] [1, 1, 1, 1] : tensor<1x2x?x64xf32> to tensor<1x2x?x64xf32>
  %4 = tensor.empty(%s) : tensor<1x8x?x64xf32>
  %5 = nn.attention ins(%q, %3, %v : tensor<1x8x?x64xf32>, tensor<1x2x?x64xf32>, tensor<1x2x?x64xf32>) past(%past)
    outs(%4 : tensor<1x8x?x64xf32>) {causal, scale = 0.125 : f32} -> tensor<1x8x?x64xf32>
  return %5, %2 : tensor<1x8x?x64xf32>, tensor<1x2x?x64xf32>
}
