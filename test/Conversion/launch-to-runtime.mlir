// Kernel launches become calls of the runtime: the kernel's number, the grid, the device frame and the operands.
// RUN: setun-opt %s --setun-launch-to-runtime --split-input-file | FileCheck %s

// CHECK-NOT: gpu.container_module
// CHECK-LABEL: func.func private @step
// CHECK-SAME: %[[N:.*]]: index, %[[M:.*]]: memref<?xf32>, %[[RT:arg[0-9]+]]: !llvm.ptr {setun.runtime}
// CHECK-DAG: %[[PARAMS:.*]] = llvm.alloca %{{.*}} x !llvm.struct<(ptr, ptr, ptr, i64, i64, i64)>
// CHECK-DAG: %[[WHAT:.*]] = llvm.alloca %{{.*}} x !llvm.struct<(i32, i32, i32, i32, i32, i32, i32, i32, i64, ptr)>
// The frame comes from the runtime, the first of 48 bytes of parameters; the kernel is the second.
// CHECK: llvm.getelementptr %[[RT]][32]
// CHECK: %[[FRAME:.*]] = llvm.load
// CHECK-NOT: memset
// CHECK: %[[FIRST:.*]] = llvm.getelementptr %[[PARAMS]][0, 0]
// CHECK: llvm.store %[[FRAME]], %[[FIRST]]
// CHECK-DAG: %[[NUMBER:.*]] = llvm.mlir.constant(1 : i32)
// CHECK-DAG: %[[SIZE:.*]] = llvm.mlir.constant(48 : i64)
// CHECK: %[[LAUNCH:.*]] = llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr
// CHECK: llvm.call %[[LAUNCH]](%[[RT]], %[[WHAT]])
// CHECK-NOT: gpu.launch_func
// CHECK: func.func @main
// CHECK-SAME: %[[MAIN:arg[0-9]+]]: !llvm.ptr {setun.runtime}
// CHECK: call @step(%{{.*}}, %{{.*}}, %[[MAIN]])
module attributes {gpu.container_module} {
  gpu.module @kernels {
    gpu.func @other() kernel { gpu.return }
    gpu.func @scale(%m: memref<?xf32>) kernel { gpu.return }
  }
  func.func private @step(%n: index, %m: memref<?xf32>) {
    %c1 = arith.constant 1 : index
    gpu.launch_func @kernels::@scale blocks in (%n, %c1, %c1) threads in (%c1, %c1, %c1) args(%m : memref<?xf32>)
    return
  }
  func.func @main(%n: index, %m: memref<?xf32>) attributes {setun.entry} {
    call @step(%n, %m) : (index, memref<?xf32>) -> ()
    return
  }
}

// -----

// The size ends with the last parameter: frame, byte, then a float at 12; the struct's own size would be 24 with the last.
// CHECK-LABEL: func.func @bytes
// CHECK: llvm.alloca %{{.*}} x !llvm.struct<(ptr, i8, f32, i8)>
// CHECK: llvm.mlir.constant(17 : i64)
module attributes {gpu.container_module} {
  gpu.module @kernels {
    gpu.func @scale(%a: i8, %b: f32, %c: i8) kernel { gpu.return }
  }
  func.func @bytes(%a: i8, %b: f32, %c: i8) attributes {setun.entry} {
    %c1 = arith.constant 1 : index
    gpu.launch_func @kernels::@scale blocks in (%c1, %c1, %c1) threads in (%c1, %c1, %c1) args(%a : i8, %b : f32, %c : i8)
    return
  }
}

// -----

// What lies between parameters is zero, so that equal launches are equal bytes.
// CHECK-LABEL: func.func @padded
// CHECK: %[[PARAMS:.*]] = llvm.alloca %{{.*}} x !llvm.struct<(ptr, f32, i64)>
// CHECK: "llvm.intr.memset.inline"(%[[PARAMS]], %{{.*}}) <{isVolatile = false, len = 24 : i64}>
// CHECK: llvm.getelementptr %[[PARAMS]][0, 0]
module attributes {gpu.container_module} {
  gpu.module @kernels {
    gpu.func @scale(%s: f32, %n: index) kernel { gpu.return }
  }
  func.func @padded(%s: f32, %n: index) attributes {setun.entry} {
    gpu.launch_func @kernels::@scale blocks in (%n, %n, %n) threads in (%n, %n, %n) args(%s : f32, %n : index)
    return
  }
}

// -----

// No kernels: nothing changes.
// CHECK-LABEL: func.func @plain
// CHECK-SAME: (%{{.*}}: index)
func.func @plain(%n: index) { return }
