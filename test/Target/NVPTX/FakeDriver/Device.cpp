//===- Device.cpp - Devices, contexts and errors -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//

//
//===----------------------------------------------------------------------===//

#include "Fake.h"

#include "llvm/ADT/StringExtras.h"

#include <cstring>

using namespace llvm;

SETUN_FAKE_API cuInit(unsigned int flags) {
  Fake &state = fake();
  {
    std::lock_guard<std::recursive_mutex> guard(state.lock);
    if (!state.retained)
      state.configure(); // a test may have changed the environment
  }
  return run("cuInit", kNothing, {{"flags", int64_t(flags)}}, [&]() -> CUresult {
    if (flags)
      return refuse(CUDA_ERROR_INVALID_VALUE, "flags must be 0");
    if (!state.devices)
      return refuse(CUDA_ERROR_NO_DEVICE, "SETUN_FAKE_CUDA_DEVICES=0");
    state.initialized = true;
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuDriverGetVersion(int *version) {
  return run("cuDriverGetVersion", kNothing, {}, [&] {
    *version = 13000;
    return CUDA_SUCCESS;
  });
}

static constexpr std::pair<CUresult, const char *> kErrors[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS\0no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE\0invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY\0out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED\0initialization error"},
    {CUDA_ERROR_DEINITIALIZED, "CUDA_ERROR_DEINITIALIZED\0driver shutting down"},
    {CUDA_ERROR_STUB_LIBRARY, "CUDA_ERROR_STUB_LIBRARY\0CUDA driver is a stub library"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE\0no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE\0invalid device ordinal"},
    {CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE\0device kernel image is invalid"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT\0invalid device context"},
    {CUDA_ERROR_NO_BINARY_FOR_GPU,
     "CUDA_ERROR_NO_BINARY_FOR_GPU\0no kernel image is available for execution on the device"},
    {CUDA_ERROR_INVALID_PTX, "CUDA_ERROR_INVALID_PTX\0a PTX JIT compilation failed"},
    {CUDA_ERROR_JIT_COMPILER_NOT_FOUND, "CUDA_ERROR_JIT_COMPILER_NOT_FOUND\0PTX JIT compiler library not found"},
    {CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
     "CUDA_ERROR_UNSUPPORTED_PTX_VERSION\0the provided PTX was compiled with an unsupported toolchain."},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE\0invalid resource handle"},
    {CUDA_ERROR_ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE\0the operation cannot be performed in the present state"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND\0named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY\0device not ready"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS\0an illegal memory access was encountered"},
    {CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES\0too many resources requested for launch"},
    {CUDA_ERROR_MISALIGNED_ADDRESS, "CUDA_ERROR_MISALIGNED_ADDRESS\0misaligned address"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED\0unspecified launch failure"},
    {CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
     "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE\0too many blocks in cooperative launch"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED\0operation not supported"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
     "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED\0operation not permitted when stream is capturing"},
    {CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
     "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED\0operation failed due to a previous error during capture"},
    {CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, "CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE\0the graph update was not performed "
                                           "because it included changes which violated "
                                           "constraints specific to instantiated graph update"},
    {CUDA_ERROR_UNKNOWN, "CUDA_ERROR_UNKNOWN\0unknown error"},
};

static CUresult nameError(CUresult error, const char **text, bool inWords) {
  *text = nullptr;
  for (auto [code, names] : kErrors)
    if (code == error)
      *text = inWords ? names + strlen(names) + 1 : names;
  return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

SETUN_FAKE_API cuGetErrorName(CUresult error, const char **text) { return nameError(error, text, false); }
SETUN_FAKE_API cuGetErrorString(CUresult error, const char **text) { return nameError(error, text, true); }

SETUN_FAKE_API cuDeviceGetCount(int *count) {
  return run("cuDeviceGetCount", kInit, {}, [&] {
    *count = fake().devices;
    return CUDA_SUCCESS;
  });
}

static CUresult checkDeviceNumber(int device) {
  return device >= 0 && device < fake().devices
             ? CUDA_SUCCESS
             : refuse(CUDA_ERROR_INVALID_DEVICE, "device " + Twine(device) + " of " + Twine(fake().devices));
}

SETUN_FAKE_API cuDeviceGet(CUdevice *device, int ordinal) {
  return run("cuDeviceGet", kInit, {{"ordinal", ordinal}}, [&] {
    *device = ordinal;
    return checkDeviceNumber(ordinal);
  });
}

SETUN_FAKE_API cuDeviceGetName(char *name, int length, CUdevice device) {
  return run("cuDeviceGetName", kInit, {{"device", device}}, [&] {
    if (length > 0)
      snprintf(name, length, "Fake GPU sm_%d", fake().arch);
    return checkDeviceNumber(device);
  });
}

SETUN_FAKE_API cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  return run("cuDeviceTotalMem_v2", kInit, {{"device", device}}, [&] {
    *bytes = fake().memory;
    return checkDeviceNumber(device);
  });
}

SETUN_FAKE_API cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  return run("cuDeviceGetAttribute", kInit, {{"attribute", int64_t(attribute)}, {"device", device}}, [&]() -> CUresult {
    const Fake &state = fake();
    switch (static_cast<int>(attribute)) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = 1024;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
      *value = 48 << 10;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
      *value = state.sharedLimit();
      break;
    case 81: // ... PER_MULTIPROCESSOR
      *value = state.sharedLimit() + 1024;
      break;
    case 10: // WARP_SIZE
      *value = 32;
      break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      *value = state.sms;
      break;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
      *value = 50 << 20;
      break;
    case 39: // MAX_THREADS_PER_MULTIPROCESSOR
      *value = 2048;
      break;
    case 36: // MEMORY_CLOCK_RATE, kHz
      *value = 2619000;
      break;
    case 37: // GLOBAL_MEMORY_BUS_WIDTH, bits
      *value = 5120;
      break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      *value = state.arch / 10;
      break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      *value = state.arch % 10;
      break;
    case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH:
      *value = 1;
      break;
    default:
      return refuse(CUDA_ERROR_INVALID_VALUE, "the fake does not know attribute " + Twine(int(attribute)));
    }
    return checkDeviceNumber(device);
  });
}

SETUN_FAKE_API cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  return run("cuDevicePrimaryCtxRetain", kInit, {{"device", device}}, [&]() -> CUresult {
    if (CUresult error = checkDeviceNumber(device))
      return error;
    ++fake().retained;
    *context = primary();
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  return run("cuDevicePrimaryCtxRelease_v2", kInit, {{"device", device}}, [&]() -> CUresult {
    if (!fake().retained)
      return refuse(CUDA_ERROR_INVALID_CONTEXT, "the context has been released before");
    if (--fake().retained == 0)
      fake().broken = CUDA_SUCCESS;
    return CUDA_SUCCESS;
  });
}

static CUresult checkContext(CUcontext context) {
  if (context == primary() && fake().retained)
    return CUDA_SUCCESS;
  return refuse(CUDA_ERROR_INVALID_CONTEXT, "not a context that is retained");
}

SETUN_FAKE_API cuCtxPushCurrent_v2(CUcontext context) {
  return run("cuCtxPushCurrent_v2", kInit, {}, [&]() -> CUresult {
    if (CUresult error = checkContext(context))
      return error;
    contexts().push_back(context);
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuCtxPopCurrent_v2(CUcontext *context) {
  return run("cuCtxPopCurrent_v2", kInit, {}, [&]() -> CUresult {
    if (contexts().empty())
      return refuse(CUDA_ERROR_INVALID_CONTEXT, "no context is current in this thread");
    if (context)
      *context = contexts().back();
    contexts().pop_back();
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuCtxSetCurrent(CUcontext context) {
  return run("cuCtxSetCurrent", kInit, {}, [&]() -> CUresult {
    if (!contexts().empty())
      contexts().pop_back();
    if (!context)
      return CUDA_SUCCESS;
    if (CUresult error = checkContext(context))
      return error;
    contexts().push_back(context);
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuCtxGetCurrent(CUcontext *context) {
  return run("cuCtxGetCurrent", kInit, {}, [&] {
    *context = contexts().empty() ? nullptr : contexts().back();
    return CUDA_SUCCESS;
  });
}
