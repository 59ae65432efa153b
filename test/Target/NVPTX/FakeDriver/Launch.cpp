//===- Launch.cpp - Launches of kernels -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checked as strictly as the strictest driver would.
//
//===----------------------------------------------------------------------===//

#include "Fake.h"

#include "llvm/ADT/StringExtras.h"

#include <cstring>

using namespace llvm;
using namespace setun::nvptx;

CUresult packParams(CUfunction function, void **params, void **extra, std::vector<uint8_t> &packed) {
  const KernelInfo &info = *function->info;
  if (params && extra)
    return refuse(CUDA_ERROR_INVALID_VALUE, "parameters given twice");
  packed.assign(info.paramsSize, 0);
  if (params) {
    for (size_t i = 0; i < info.paramSizes.size(); ++i)
      memcpy(packed.data() + info.paramOffsets[i], params[i], info.paramSizes[i]);
    return CUDA_SUCCESS;
  }
  const void *buffer = nullptr;
  size_t size = 0;
  for (void **item = extra; item && *item != CU_LAUNCH_PARAM_END; item += 2) {
    if (*item == CU_LAUNCH_PARAM_BUFFER_POINTER)
      buffer = item[1];
    else if (*item == CU_LAUNCH_PARAM_BUFFER_SIZE)
      size = *static_cast<const size_t *>(item[1]);
    else
      return refuse(CUDA_ERROR_INVALID_VALUE, "an unknown entry of `extra`");
  }
  if (size != info.paramsSize) // the driver wants it without padding behind the last, and has this to say
    return refuse(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "'" + info.name + "' takes " + Twine(info.paramsSize) +
                                                          " bytes of parameters, and gets " + Twine(size));
  if (size)
    packed.assign(static_cast<const uint8_t *>(buffer), static_cast<const uint8_t *>(buffer) + size);
  return CUDA_SUCCESS;
}

CUresult checkLaunch(CUfunction function, const LaunchConfig &config) {
  const KernelInfo &info = *function->info;
  auto wrong = [&](const Twine &message) {
    return refuse(CUDA_ERROR_INVALID_VALUE, "kernel '" + info.name + "': " + message);
  };
  uint64_t threads = uint64_t(config.block[0]) * config.block[1] * config.block[2];
  if (!threads || threads > 1024 || config.block[2] > 64 || !config.grid[0] || !config.grid[1] || !config.grid[2] ||
      config.grid[0] > INT32_MAX || config.grid[1] > 65535 || config.grid[2] > 65535)
    return wrong("a grid or block that no device has");
  if (threads > info.maxThreads || (info.exactThreads && threads != info.maxThreads))
    return wrong(Twine(threads) + " threads a block, compiled for " + Twine(info.maxThreads));
  if (int64_t(config.sharedBytes) > function->dynamicShared)
    return wrong(Twine(config.sharedBytes) + " bytes of dynamic shared memory beside " + Twine(info.sharedBytes) +
                 ": " + Twine(function->dynamicShared) + " are allowed (cuFuncSetAttribute)");
  if (int64_t(config.sharedBytes + info.sharedBytes) > fake().sharedLimit())
    return wrong("more shared memory than the device has");
  return CUDA_SUCCESS;
}

/// Blocks that a multiprocessor holds at once, as far as threads and shared memory tell.
static uint64_t countResident(CUfunction function, uint64_t threads, uint64_t dynamicShared) {
  uint64_t shared = dynamicShared + function->info->sharedBytes + 1024;
  uint64_t warps = (threads + 31) / 32;
  return std::min<uint64_t>({64 / warps, 32, (fake().sharedLimit() + 1024) / shared});
}

SETUN_FAKE_API cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function, int threads,
                                                           size_t shared) {
  return run("cuOccupancyMaxActiveBlocksPerMultiprocessor", kContext, {{"threads", threads}}, [&]() -> CUresult {
    if (CUresult error = checkFunction(function))
      return error;
    if (threads < 1 || threads > 1024)
      return refuse(CUDA_ERROR_INVALID_VALUE, "blocks of " + Twine(threads) + " threads");
    *blocks = countResident(function, threads, shared);
    return CUDA_SUCCESS;
  });
}

/// All blocks of a cooperative launch must be there at once.
static CUresult checkCooperative(CUfunction function, const LaunchConfig &config) {
  uint64_t threads = uint64_t(config.block[0]) * config.block[1] * config.block[2];
  uint64_t blocks = uint64_t(config.grid[0]) * config.grid[1] * config.grid[2];
  uint64_t fit = countResident(function, threads, config.sharedBytes);
  if (blocks > fit * fake().sms)
    return refuse(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
                  Twine(blocks) + " blocks, " + Twine(fit * fake().sms) + " fit on the device");
  return CUDA_SUCCESS;
}

SETUN_FAKE_API cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction function, void **params, void **extra) {
  std::string name = fake().functions.count(function) ? function->info->name : "?";
  bool dependent = false;
  for (unsigned i = 0; i < c->numAttrs; ++i)
    dependent |= c->attrs[i].id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION &&
                 c->attrs[i].value.programmaticStreamSerializationAllowed;
  return run("cuLaunchKernelEx", kContext,
             {{"kernel", name},
              {"grid", json::Array{c->gridDimX, c->gridDimY, c->gridDimZ}},
              {"block", json::Array{c->blockDimX, c->blockDimY, c->blockDimZ}},
              {"shared", c->sharedMemBytes},
              {"dependent", dependent}},
             [&]() -> CUresult {
               if (CUresult error = checkFunction(function))
                 return error;
               CUstream stream = c->hStream;
               if (CUresult error = checkStream(stream))
                 return error;
               Work work{Kind::Launch};
               work.function = function;
               work.dependent = dependent;
               work.config.grid = {c->gridDimX, c->gridDimY, c->gridDimZ};
               work.config.block = {c->blockDimX, c->blockDimY, c->blockDimZ};
               work.config.sharedBytes = c->sharedMemBytes;
               if (CUresult error = checkLaunch(function, work.config))
                 return error;
               for (unsigned i = 0; i < c->numAttrs; ++i)
                 switch (static_cast<int>(c->attrs[i].id)) {
                 case CU_LAUNCH_ATTRIBUTE_IGNORE:
                   break;
                 case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
                   if (CUresult error =
                           c->attrs[i].value.cooperative ? checkCooperative(function, work.config) : CUDA_SUCCESS)
                     return error;
                   break;
                 case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
                   if (dependent && fake().arch < 90)
                     return refuse(CUDA_ERROR_NOT_SUPPORTED, "dependent launch: from sm_90 on");
                   break;
                 default:
                   return refuse(CUDA_ERROR_INVALID_VALUE, "an unknown attribute of the launch");
                 }
               if (CUresult error = packParams(function, params, extra, work.params))
                 return error;
               return enqueue(stream, std::move(work));
             });
}

SETUN_FAKE_API cuLaunchKernel(CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                              unsigned blockY, unsigned blockZ, unsigned shared, CUstream stream, void **params,
                              void **extra) {
  CUlaunchConfig config = {gridX, gridY, gridZ, blockX, blockY, blockZ, shared, stream, nullptr, 0};
  return cuLaunchKernelEx(&config, function, params, extra);
}
