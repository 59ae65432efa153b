// RUN: setun-opt %s --setun-strict-floats | FileCheck %s
// RUN: setun-opt %s -arith-emulate-unsupported-floats="source-types=bf16 target-type=f32" --setun-strict-floats -canonicalize \
// RUN:   | FileCheck %s --check-prefix=EMULATE

// CHECK-LABEL: @flags
// CHECK-NOT:   fastmath
// CHECK:       arith.addf %{{.*}}, %{{.*}} : f32
// CHECK:       math.sqrt %{{.*}} : f32
// CHECK:       arith.truncf %{{.*}} : f32 to bf16
func.func @flags(%a: f32) -> bf16 {
  %0 = arith.addf %a, %a fastmath<reassoc> : f32
  %1 = math.sqrt %0 fastmath<fast> : f32
  %2 = arith.truncf %1 fastmath<contract> : f32 to bf16
  return %2 : bf16
}

// Each step of bf16 rounds.
// EMULATE-LABEL: @chain
// EMULATE:       arith.addf
// EMULATE-NEXT:  arith.truncf %{{.*}} : f32 to bf16
// EMULATE-NEXT:  arith.extf %{{.*}} : bf16 to f32
// EMULATE-NEXT:  arith.mulf
func.func @chain(%a: bf16, %b: bf16) -> bf16 {
  %0 = arith.addf %a, %b : bf16
  %1 = arith.mulf %0, %b : bf16
  return %1 : bf16
}
