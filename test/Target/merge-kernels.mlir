// One module for all kernels, each with a name of its own.
// RUN: setun-opt %s --setun-merge-kernels | FileCheck %s
// CHECK: gpu.module @setun_kernels {
// CHECK:   gpu.func @a() kernel
// CHECK:   gpu.func @a_0() kernel
// CHECK:   gpu.func @b_pdl() kernel
// CHECK:   gpu.func @b_0_pdl() kernel
// CHECK-NOT: gpu.module
// CHECK: gpu.launch_func @setun_kernels::@a blocks
// CHECK: gpu.launch_func @setun_kernels::@a_0 blocks
// CHECK: gpu.launch_func @setun_kernels::@b_pdl blocks
// CHECK: gpu.launch_func @setun_kernels::@b_0_pdl blocks
module attributes {gpu.container_module} {
  gpu.module @a_kernel {
    gpu.func @a_kernel() kernel { gpu.return }
  }
  gpu.module @a_kernel_1 {
    gpu.func @a_kernel() kernel { gpu.return }
  }
  gpu.module @b_kernel {
    gpu.func @b_kernel() kernel {
      nvvm.griddepcontrol wait
      gpu.return
    }
  }
  gpu.module @b_kernel_1 {
    gpu.func @b_kernel() kernel {
      nvvm.griddepcontrol wait
      gpu.return
    }
  }
  func.func @main(%n: index) {
    gpu.launch_func @a_kernel::@a_kernel blocks in (%n, %n, %n) threads in (%n, %n, %n)
    gpu.launch_func @a_kernel_1::@a_kernel blocks in (%n, %n, %n) threads in (%n, %n, %n)
    gpu.launch_func @b_kernel::@b_kernel blocks in (%n, %n, %n) threads in (%n, %n, %n)
    gpu.launch_func @b_kernel_1::@b_kernel blocks in (%n, %n, %n) threads in (%n, %n, %n)
    return
  }
}
