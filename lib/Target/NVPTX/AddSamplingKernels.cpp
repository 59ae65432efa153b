//===- AddSamplingKernels.cpp - From logits to a token on the device ------===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The likeliest token as the runtime's sampler finds it (lib/Runtime/CPU/sample.c): the first of equals, NaN never, -1
// where nothing is above minus infinity. So a decode step gives back one number and not a row of logits; a block for
// each of several rows.
//
//===----------------------------------------------------------------------===//

#include "setun/Target/NVPTX/Passes.h"

#include "SamplingKernels.h"

#include "setun/Conversion/LoopEmitter.h"
#include "setun/Target/NVPTX/DeviceBuilder.h"

#include <limits>

namespace setun::nvptx {
#define GEN_PASS_DEF_ADDSAMPLINGKERNELS
#include "setun/Target/NVPTX/Passes.h.inc"
} // namespace setun::nvptx

using namespace mlir;
using namespace setun;
using namespace setun::nvptx;

/// One block; loads of a thread that are under way together.
constexpr int64_t kThreads = 1024, kLoads = 8;

namespace {

/// A logit (f32) and its token (i32).
struct Candidate {
  Value logit, token;
};

struct ArgmaxKernel {
  DeviceBuilder &b;
  Type element;

  Candidate better(Candidate x, Candidate y) {
    Value above = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, y.logit, x.logit);
    Value equal = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, y.logit, x.logit);
    Value first = b.cmp(arith::CmpIPredicate::slt, y.token, x.token);
    Value takes = arith::OrIOp::create(b, above, arith::AndIOp::create(b, equal, first));
    return {b.select(takes, y.logit, x.logit), b.select(takes, y.token, x.token)};
  }

  Candidate foldLanes(Candidate mine) {
    for (int64_t mask = kWarp / 2; mask > 0; mask /= 2)
      mine = better(mine, {b.shuffleXor(mine.logit, mask), b.shuffleXor(mine.token, mask)});
    return mine;
  }

  Value load(Value logits, Value at) {
    Value offset = arith::IndexCastOp::create(b, b.getI64Type(), at);
    Value address = LLVM::GEPOp::create(b, logits.getType(), element, logits, ValueRange{offset});
    return LoopEmitter(b, b.getLoc()).convert(LLVM::LoadOp::create(b, element, address), b.getF32Type());
  }

  /// Tokens in ascending order, so that a later one must be above to be better.
  Candidate walk(Value logits, Value size, Value thread, Candidate none) {
    Value last = b.sub(size, b.index(1));
    Values best = b.loop(thread, size, kThreads * kLoads, {none.logit, none.token}, [&](Value from, ValueRange so) {
      Values places, values, next(so);
      for (int64_t i = 0; i < kLoads; ++i) {
        places.push_back(b.add(from, i * kThreads));
        values.push_back(load(logits, b.min(places[i], last)));
      }
      for (int64_t i = 0; i < kLoads; ++i) {
        Value exists = b.cmp(arith::CmpIPredicate::slt, places[i], size);
        Value above = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, values[i], next[0]);
        Value takes = arith::AndIOp::create(b, exists, above);
        next = {b.select(takes, values[i], next[0]),
                b.select(takes, arith::IndexCastOp::create(b, b.getI32Type(), places[i]), next[1])};
      }
      return next;
    });
    return {best[0], best[1]};
  }

  void emit(gpu::GPUFuncOp kernel) {
    Value row = arith::IndexCastOp::create(b, b.getI64Type(), gpu::BlockIdOp::create(b, gpu::Dimension::x));
    auto from = [&](unsigned argument, Type type, Value at) -> Value {
      Value base = kernel.getArgument(argument);
      return LLVM::GEPOp::create(b, base.getType(), type, base, ValueRange{at});
    };
    Value logits = from(0, element, arith::MulIOp::create(b, row, kernel.getArgument(1)));
    Value result = from(2, b.getI64Type(), row);
    Value size = arith::IndexCastOp::create(b, b.getIndexType(), kernel.getArgument(1));
    Value thread = gpu::ThreadIdOp::create(b, gpu::Dimension::x);
    Value lane = b.bitAnd(thread, kWarp - 1), warp = b.shr(thread, 5);
    auto shared = [&](Type type) -> Value {
      auto space = gpu::AddressSpaceAttr::get(b.getContext(), gpu::AddressSpace::Workgroup);
      auto array = MemRefType::get({kThreads / kWarp}, type, MemRefLayoutAttrInterface(), space);
      return kernel.addWorkgroupAttribution(array, b.getLoc());
    };
    Value bestLogits = shared(b.getF32Type()), bestTokens = shared(b.getI32Type());
    Value lowest = arith::ConstantOp::create(b, b.getF32FloatAttr(-std::numeric_limits<float>::infinity()));
    Candidate none{lowest, b.constant(b.getI32Type(), std::numeric_limits<int32_t>::max())};
    Candidate ofWarp = foldLanes(walk(logits, size, thread, none));
    b.branch(b.equals(lane, 0), [&] {
      b.store(ofWarp.logit, bestLogits, warp);
      b.store(ofWarp.token, bestTokens, warp);
    });
    b.barrier();
    b.branch(b.equals(warp, 0), [&] {
      Candidate best = foldLanes({b.load(bestLogits, lane), b.load(bestTokens, lane)});
      Value found = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, best.logit, lowest);
      Value token = b.select(found, best.token, b.constant(b.getI32Type(), -1));
      token = arith::ExtSIOp::create(b, b.getI64Type(), token);
      b.branch(b.equals(lane, 0), [&] { LLVM::StoreOp::create(b, token, result); });
    });
  }
};

struct AddSamplingKernels : nvptx::impl::AddSamplingKernelsBase<AddSamplingKernels> {
  void runOnOperation() override {
    auto containers = getOperation().getOps<gpu::GPUModuleOp>();
    if (containers.empty())
      return;
    Builder types(&getContext());
    const std::pair<Type, StringRef> kernels[] = {{types.getF32Type(), "setun_argmax"},
                                                  {types.getF16Type(), "setun_argmax_f16"},
                                                  {types.getBF16Type(), "setun_argmax_bf16"}};
    for (auto [element, name] : kernels)
      if (hasLogits(getOperation(), element))
        addArgmax(*containers.begin(), name, element);
  }

  static void addArgmax(gpu::GPUModuleOp container, StringRef name, Type element) {
    DeviceBuilder b(container.getLoc(), container.getContext());
    Type pointer = LLVM::LLVMPointerType::get(b.getContext());
    ArgmaxKernel{b, element}.emit(addKernel(b, container, name, {pointer, b.getI64Type(), pointer}, kThreads));
  }
};

} // namespace
