//===- LineBuilder.h - Floats and strided buffers in kernels -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arithmetic on floats, and reads and writes of buffers of any rank and strides
// along their last dimension: in vectors where they are aligned, else one by one.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_LIB_TARGET_NVPTX_LINEBUILDER_H
#define SETUN_LIB_TARGET_NVPTX_LINEBUILDER_H

#include "setun/Target/NVPTX/DeviceBuilder.h"

#include "mlir/Dialect/Math/IR/Math.h"

namespace setun {
namespace nvptx {

class LineBuilder : public DeviceBuilder {
public:
  using DeviceBuilder::DeviceBuilder;

  Value addf(Value x, Value y) { return createOrFold<mlir::arith::AddFOp>(x, y); }
  Value subf(Value x, Value y) { return createOrFold<mlir::arith::SubFOp>(x, y); }
  Value mulf(Value x, Value y) { return createOrFold<mlir::arith::MulFOp>(x, y); }
  Value divf(Value x, Value y) { return createOrFold<mlir::arith::DivFOp>(x, y); }
  Value exp(Value x) { return mlir::math::ExpOp::create(*this, x); }
  /// The larger one; `y` where x is NaN.
  Value larger(Value x, Value y) { return select(cmpf(mlir::arith::CmpFPredicate::OGT, x, y), x, y); }
  Value cmpf(mlir::arith::CmpFPredicate predicate, Value x, Value y) {
    return createOrFold<mlir::arith::CmpFOp>(predicate, x, y);
  }
  Value real(mlir::Type type, double value);
  /// Between float types of equal lanes.
  Value convert(Value value, mlir::Type element);
  Value both(Value x, Value y) { return createOrFold<mlir::arith::AndIOp>(x, y); }
  Value lane(Value vector, int64_t i) { return mlir::vector::ExtractOp::create(*this, vector, i); }
  Value pack(ValueRange lanes);
  Value shuffleFrom(Value value, int64_t lane);
  /// Orders what this thread has written and what it will read, for all of the device.
  void fence();
  /// Counts in one of the device frame's tickets (index; fewer than SETUN_DEVICE_TICKETS): gives how many have been
  /// taken before, 0 to `last` (i32). After `last` there are none taken.
  Value takeTicket(Value ticket, Value last);
  using DeviceBuilder::barrier;

  Value sizeOf(Value buffer, int64_t dim);
  /// The indices of element `linear` of a row-major space of `sizes`.
  Values delinearize(Value linear, ValueRange sizes);
  Value product(ValueRange sizes);
  /// Runs `body` for from, from + step, ... below `to`.
  void rounds(Value from, Value to, Value step, llvm::function_ref<void(Value)> body);

  /// Elements, a power of two of at most 16 bytes, in which all lines of `buffer` along its last dimension can be taken
  /// if their alignment allows it.
  static int64_t vectorOf(Value buffer);
  /// Whether the first element and all strides of `buffer` but the last are multiples of `lanes` elements (i1).
  Value isAligned(Value buffer, int64_t lanes);
  /// `lanes` elements from `at`, as a vector; in one access if `aligned`.
  Value readLanes(Value buffer, ValueRange at, int64_t lanes, bool aligned);
  void writeLanes(Value vector, Value buffer, ValueRange at, bool aligned);
  Value read(Value buffer, ValueRange at) { return mlir::memref::LoadOp::create(*this, buffer, at); }
  void write(Value value, Value buffer, ValueRange at) { mlir::memref::StoreOp::create(*this, value, buffer, at); }
};

} // namespace nvptx
} // namespace setun

#endif // SETUN_LIB_TARGET_NVPTX_LINEBUILDER_H
