// Stock mlir-opt loads both dialects, their interfaces and their passes; the plugin brings no second LLVM or MLIR.
// REQUIRES: plain-build
// RUN: %mlir-opt %s --load-dialect-plugin=%setun_build/lib/SetunDialects.so | FileCheck %s --check-prefix=LOADED
// RUN: %mlir-opt %s --load-dialect-plugin=%setun_build/lib/SetunDialects.so --load-pass-plugin=%setun_build/lib/SetunDialects.so \
// RUN:   --pass-pipeline="builtin.module(ternary-decompose-bit-linear,func.func(convert-elementwise-to-linalg),one-shot-bufferize{bufferize-function-boundaries=1})" | FileCheck %s --check-prefix=RAN
// RUN: not %mlir-opt %s 2>&1 | FileCheck %s --check-prefix=STOCK
// RUN: llvm-readelf -d %setun_build/lib/SetunDialects.so | FileCheck %s --check-prefix=NEEDED
// RUN: llvm-nm -DC --defined-only %setun_build/lib/SetunDialects.so | FileCheck %s --check-prefix=DEFINED

// NEEDED-DAG: NEEDED{{.*}}libMLIR.so
// DEFINED-NOT: mlir::
// DEFINED-NOT: llvm::
// DEFINED-DAG: mlirGetDialectPluginInfo
// DEFINED-DAG: mlirGetPassPluginInfo

// LOADED-LABEL: @layer
// LOADED: ternary.bit_linear
// LOADED: nn.rms_norm
// RAN-LABEL: @layer
// RAN: ternary.quantize ins(%{{.*}} : memref<2x8xf32
// RAN: ternary.matmul ins(%{{.*}} : memref<2x8xi8
// RAN: nn.rms_norm ins(%{{.*}} : memref<2x4xf32
// STOCK: error: {{.*}}ternary
func.func @layer(%x: tensor<2x8xf32>, %w: tensor<4x8x!ternary.trit>, %s: tensor<4xf32>, %g: tensor<4xf32>, %y: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %0 = ternary.bit_linear ins(%x, %w, %s : tensor<2x8xf32>, tensor<4x8x!ternary.trit>, tensor<4xf32>) outs(%y : tensor<2x4xf32>) -> tensor<2x4xf32>
  %1 = nn.rms_norm ins(%0, %g : tensor<2x4xf32>, tensor<4xf32>) outs(%y : tensor<2x4xf32>) {epsilon = 1.0e-6 : f32} -> tensor<2x4xf32>
  return %1 : tensor<2x4xf32>
}
