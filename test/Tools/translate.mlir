// Upstream's translations work, beside our own.
// RUN: setun-translate --mlir-to-llvmir %s | FileCheck %s
// RUN: setun-translate --help | FileCheck %s --check-prefix=HELP
// CHECK: define i32 @add(i32 %0, i32 %1)
// CHECK: add i32 %0, %1
// HELP-DAG: --mlir-to-llvmir
// HELP-DAG: --import-llvm
// HELP-DAG: onnx
llvm.func @add(%a: i32, %b: i32) -> i32 {
  %0 = llvm.add %a, %b : i32
  llvm.return %0 : i32
}
