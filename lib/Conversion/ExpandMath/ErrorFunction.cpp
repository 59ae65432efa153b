//===- ErrorFunction.cpp - erf, in f64 for f32 -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MathEmitter.h"

using namespace mlir;
using namespace setun;
using arith::CmpFPredicate;

Value setun::expandErf(const MathEmitter &e, Value x) {
  Value magnitude = e.abs(x), wide = e.wide(magnitude);
  // erf(x) / x in x^2 on [0, 1], within 2e-14; erf in (x - 2.5) / 1.5 on [1, 4], within 1.2e-11; 1 beyond, to f32.
  Value square = e.mul(wide, wide);
  Value near =
      e.mul(wide, polynomial(e, square,
                             {1.1283791670954941, -0.3761263890281349, 0.11283791658684811, -0.026866169064806388,
                              0.005223967267032514, -0.0008547935859546819, 0.00012046297172953276,
                              -1.4795384476407352e-05, 1.5308242748633824e-06, -1.0473230893034186e-07}));
  Value shifted = e.mul(e.sub(wide, e.d(2.5)), e.d(1 / 1.5));
  Value far = polynomial(e, shifted,
                         {0.9995930479757184, 0.00326742629973166, -0.012252847422968498, 0.028181554643117383,
                          -0.043650819346560746, 0.046453578116522926, -0.03187596611882123, 0.00926778260555408,
                          0.00667685719873339, -0.009622182126418077, 0.004558520912396325, 0.0004434473967738522,
                          -0.0018600138598932143, 0.000918863547601809, 0.00010030663987211567, -0.0002938109429016482,
                          7.670245495058559e-05, 3.2936281125936384e-05, -1.5399673757418885e-05});
  Value result = e.select(e.cmp(CmpFPredicate::OLT, magnitude, e.f(1)), near, far);
  result = e.select(e.cmp(CmpFPredicate::OGT, magnitude, e.f(4)), e.d(1), result);
  return e.copySign(e.narrow(result), x);
}
