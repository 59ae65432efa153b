// Kernels read the position from the device frame, where no caller computes anything from it for them.
// RUN: setun-opt %s --setun-read-positions --split-input-file --allow-unregistered-dialect | FileCheck %s

// A slot, an end and the position itself; two calls of one step; a grid of the host's that has nothing to do with it.
// CHECK-LABEL: gpu.func @step(
// CHECK-SAME:    %[[CACHE:.*]]: memref<4x?xf32>, %[[N:.*]]: index) kernel
// CHECK:         %[[FRAME:.*]] = llvm.call_intrinsic "llvm.setun.device_frame"
// CHECK:         %[[AT:.*]] = llvm.getelementptr %[[FRAME]][1032]
// CHECK:         %[[NUMBER:.*]] = llvm.load volatile %[[AT]] {alignment = 8 : i64} : !llvm.ptr -> i64
// CHECK:         %[[PAST:.*]] = arith.index_cast %[[NUMBER]]
// CHECK-DAG:     %[[SLOT:.*]] = memref.subview %[[CACHE]][0, %[[PAST]]] [4, %[[N]]]
// CHECK-DAG:     %[[END:.*]] = arith.addi %[[PAST]], %[[N]]
// CHECK:         "test.use"(%[[SLOT]], %[[END]], %[[PAST]])
// CHECK-LABEL: func.func @main
// CHECK-NEXT:    call @step(%arg2, %arg0) : (index, memref<4x?xf32>) -> ()
// CHECK-NEXT:    call @step(%arg2, %arg1) : (index, memref<4x?xf32>) -> ()
// CHECK-NEXT:    return
// CHECK-LABEL: func.func private @step(
// CHECK-SAME:    %[[M:.*]]: index, %[[C:.*]]: memref<4x?xf32>)
// CHECK-NEXT:    gpu.launch_func @setun_kernels::@step blocks in (%[[M]], %[[M]], %[[M]]) {{.*}} args(%[[C]] : memref<4x?xf32>, %[[M]] : index)
module attributes {gpu.container_module} {
  gpu.module @setun_kernels {
    gpu.func @step(%slot: memref<4x?xf32, strided<[?, 1], offset: ?>>, %end: index, %past: index) kernel {
      "test.use"(%slot, %end, %past) : (memref<4x?xf32, strided<[?, 1], offset: ?>>, index, index) -> ()
      gpu.return
    }
  }
  func.func @main(%k: memref<4x?xf32> {setun.position = "past"}, %v: memref<4x?xf32> {setun.position = "past"},
                  %n: index {setun.symbol = "n"}, %past: index {setun.symbol = "past"}) attributes {setun.entry} {
    %a = memref.subview %k[0, %past] [4, %n] [1, 1] : memref<4x?xf32> to memref<4x?xf32, strided<[?, 1], offset: ?>>
    call @step(%a, %n, %past) : (memref<4x?xf32, strided<[?, 1], offset: ?>>, index, index) -> ()
    %b = memref.subview %v[0, %past] [4, %n] [1, 1] : memref<4x?xf32> to memref<4x?xf32, strided<[?, 1], offset: ?>>
    call @step(%b, %n, %past) : (memref<4x?xf32, strided<[?, 1], offset: ?>>, index, index) -> ()
    return
  }
  func.func private @step(%slot: memref<4x?xf32, strided<[?, 1], offset: ?>>, %n: index, %past: index) {
    %end = arith.addi %past, %n : index
    gpu.launch_func @setun_kernels::@step blocks in (%n, %n, %n) threads in (%n, %n, %n)
      args(%slot : memref<4x?xf32, strided<[?, 1], offset: ?>>, %end : index, %past : index)
    return
  }
}

// -----

// What two callers compute in different ways stays a parameter of the step and of its kernel; a grid may depend on it.
// CHECK-LABEL: gpu.func @step(
// CHECK-SAME:    %{{.*}}: index) kernel
// CHECK-NEXT:    "test.use"
// CHECK-LABEL: func.func @main
// CHECK:         %[[A:.*]] = arith.addi %arg2, %arg1
// CHECK:         call @step(%[[A]])
// CHECK:         %[[B:.*]] = arith.muli %arg2, %arg1
// CHECK:         call @step(%[[B]])
module attributes {gpu.container_module} {
  gpu.module @setun_kernels {
    gpu.func @step(%end: index) kernel {
      "test.use"(%end) : (index) -> ()
      gpu.return
    }
  }
  func.func @main(%k: memref<4x?xf32> {setun.position = "past"}, %n: index {setun.symbol = "n"},
                  %past: index {setun.symbol = "past"}) attributes {setun.entry} {
    %a = arith.addi %past, %n : index
    call @step(%a) : (index) -> ()
    %b = arith.muli %past, %n : index
    call @step(%b) : (index) -> ()
    return
  }
  func.func private @step(%end: index) {
    gpu.launch_func @setun_kernels::@step blocks in (%end, %end, %end) threads in (%end, %end, %end) args(%end : index)
    return
  }
}

// -----

// Callers share one value, which goes with the last of them (it was erased once for each).
// CHECK-LABEL: func.func @main
// CHECK-NEXT:    %[[ONE:.*]] = arith.constant 1
// CHECK-NEXT:    call @step(%[[ONE]])
// CHECK-NEXT:    call @step(%[[ONE]])
// CHECK-NEXT:    return
module attributes {gpu.container_module} {
  gpu.module @setun_kernels {
    gpu.func @step(%end: index) kernel {
      "test.use"(%end) : (index) -> ()
      gpu.return
    }
  }
  func.func @main(%k: memref<4x?xf32> {setun.position = "past"}, %past: index {setun.symbol = "past"}) attributes {setun.entry} {
    %c1 = arith.constant 1 : index
    %end = arith.addi %past, %c1 : index
    call @step(%end) : (index) -> ()
    call @step(%end) : (index) -> ()
    return
  }
  func.func private @step(%end: index) {
    %c1 = arith.constant 1 : index
    gpu.launch_func @setun_kernels::@step blocks in (%c1, %c1, %c1) threads in (%c1, %c1, %c1) args(%end : index)
    return
  }
}

// -----

// A kernel for many tokens reads the position where it needs it.
// CHECK-LABEL: gpu.func @many() kernel
// CHECK-NEXT:    "test.products"
// CHECK-NEXT:    gpu.barrier
// CHECK-NEXT:    llvm.call_intrinsic "llvm.setun.device_frame"
// CHECK:         llvm.load volatile
// CHECK:         "test.use"
module attributes {gpu.container_module} {
  gpu.module @setun_kernels {
    gpu.func @many(%past: index) kernel {
      "test.products"() : () -> ()
      gpu.barrier {setun.many_tokens}
      "test.use"(%past) : (index) -> ()
      gpu.return
    }
  }
  func.func @main(%k: memref<4x?xf32> {setun.position = "past"}, %past: index {setun.symbol = "past"}) attributes {setun.entry} {
    %c1 = arith.constant 1 : index
    gpu.launch_func @setun_kernels::@many blocks in (%c1, %c1, %c1) threads in (%c1, %c1, %c1) args(%past : index)
    return
  }
}

// -----

// Operands go by their places: one caller has the same twice, the other does not.
// CHECK-LABEL: gpu.func @step(
// CHECK-SAME:    %[[X:.*]]: index) kernel
// CHECK:         %[[PAST:.*]] = arith.index_cast
// CHECK:         %[[SUM:.*]] = arith.addi %[[PAST]], %[[X]] : index
// CHECK:         "test.use"(%[[SUM]])
// CHECK-LABEL: func.func @main
// CHECK:         call @step(%arg1) :
// CHECK:         call @step(%arg2) :
module attributes {gpu.container_module} {
  gpu.module @setun_kernels {
    gpu.func @step(%end: index) kernel {
      "test.use"(%end) : (index) -> ()
      gpu.return
    }
  }
  func.func @main(%k: memref<4x?xf32> {setun.position = "past"}, %past: index {setun.symbol = "past"},
                  %n: index {setun.symbol = "n"}) attributes {setun.entry} {
    %twice = arith.addi %past, %past : index
    call @step(%twice) : (index) -> ()
    %end = arith.addi %past, %n : index
    call @step(%end) : (index) -> ()
    return
  }
  func.func private @step(%end: index) {
    %c1 = arith.constant 1 : index
    gpu.launch_func @setun_kernels::@step blocks in (%c1, %c1, %c1) threads in (%c1, %c1, %c1) args(%end : index)
    return
  }
}

// -----

// A symbol that counts nothing of a state is a parameter.
// CHECK-LABEL: gpu.func @main(
// CHECK-SAME:    %{{.*}}: index) kernel
// CHECK-NOT:     device_frame
// CHECK:         gpu.launch_func {{.*}} args(%arg0 : index)
module attributes {gpu.container_module} {
  gpu.module @setun_kernels {
    gpu.func @main(%n: index) kernel {
      "test.use"(%n) : (index) -> ()
      gpu.return
    }
  }
  func.func @main(%n: index {setun.symbol = "n"}) attributes {setun.entry} {
    gpu.launch_func @setun_kernels::@main blocks in (%n, %n, %n) threads in (%n, %n, %n) args(%n : index)
    return
  }
}
