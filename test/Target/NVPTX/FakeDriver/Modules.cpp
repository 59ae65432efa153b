//===- Modules.cpp - Device code and its kernels -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Of images, only LLVM's bitcode: what would run on a card is refused.
//
//===----------------------------------------------------------------------===//

#include "Fake.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"

#include <cstring>

using namespace llvm;
using namespace setun::nvptx;

/// The size of bitcode that does not tell it: its outermost blocks, one after the other. The first word of each holds
/// 2 bits that say "a block", 8 of its kind; the second its size in words.
static size_t measureBitcode(const char *image) {
  size_t size = 4;
  for (;;) {
    uint32_t word = support::endian::read32le(image + size), kind = word >> 2 & 255;
    if ((word & 3) != 1 || (kind != 8 && kind != 13 && kind != 23 && kind != 25)) // module, producer, strings, symbols
      return size;
    size += 8 + 4 * size_t(support::endian::read32le(image + size + 4));
  }
}

static CUresult load(CUmodule *module, StringRef bitcode) {
  Fake &state = fake();
  auto loaded = std::make_unique<CUmod_st>();
  loaded->image = bitcode.str();
  auto emulator = DeviceEmulator::load(loaded->image, {state.seed, state.checks, state.races});
  if (!emulator)
    return refuse(CUDA_ERROR_INVALID_IMAGE, toString(emulator.takeError()));
  loaded->emulator = std::move(*emulator);
  for (const KernelInfo &info : loaded->emulator->getKernels()) {
    CUfunc_st &function = loaded->functions[info.name];
    int room = (48 << 10) - int(std::min<uint64_t>(info.sharedBytes, 48 << 10));
    function = {loaded.get(), &info, room};
    state.functions[&function] = loaded.get();
  }
  *module = loaded.release();
  state.modules.insert(*module);
  return CUDA_SUCCESS;
}

SETUN_FAKE_API setunModuleLoadBitcode(CUmodule *module, const void *bitcode, size_t size) {
  return run("setunModuleLoadBitcode", kContext | kNoCapture, {{"size", uint64_t(size)}},
             [&] { return load(module, StringRef(static_cast<const char *>(bitcode), size)); });
}

SETUN_FAKE_API cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int count, CUjit_option *options,
                                  void **values) {
  return run("cuModuleLoadDataEx", kContext | kNoCapture, {{"options", int64_t(count)}}, [&]() -> CUresult {
    auto *text = static_cast<const char *>(image);
    CUresult result;
    if (!text)
      result = refuse(CUDA_ERROR_INVALID_VALUE, "no image");
    else if (memcmp(text, "BC\xC0\xDE", 4) == 0)
      result = load(module, StringRef(text, measureBitcode(text)));
    else if (memcmp(text, "\177ELF", 4) == 0)
      result = refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, "the fake runs no machine code");
    else
      result = refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, "the fake runs bitcode, and no PTX");
    char *log = nullptr;
    size_t size = 0;
    for (unsigned i = 0; i < count; ++i) {
      if (options[i] == CU_JIT_ERROR_LOG_BUFFER)
        log = static_cast<char *>(values[i]);
      else if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
        size = reinterpret_cast<uintptr_t>(values[i]);
    }
    if (log && size)
      snprintf(log, size, "%s", fake().why.c_str());
    return result;
  });
}

SETUN_FAKE_API cuModuleUnload(CUmodule module) {
  return run("cuModuleUnload", kContext | kNoCapture | kRelease, {}, [&]() -> CUresult {
    Fake &state = fake();
    if (!state.modules.count(module))
      return refuse(CUDA_ERROR_INVALID_HANDLE, "not a module");
    CUresult error = flushAll();
    for (auto &entry : module->functions)
      state.functions.erase(&entry.second);
    state.modules.erase(module);
    delete module;
    return error;
  });
}

SETUN_FAKE_API cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  return run("cuModuleGetFunction", kContext, {{"name", name}}, [&]() -> CUresult {
    if (!fake().modules.count(module))
      return refuse(CUDA_ERROR_INVALID_HANDLE, "not a module");
    auto found = module->functions.find(name);
    if (found == module->functions.end())
      return refuse(CUDA_ERROR_NOT_FOUND, "the module has no kernel of that name");
    *function = &found->second;
    return CUDA_SUCCESS;
  });
}

CUresult checkFunction(CUfunction function) {
  return fake().functions.count(function) ? CUDA_SUCCESS
                                          : refuse(CUDA_ERROR_INVALID_HANDLE, "not a function of a loaded module");
}

SETUN_FAKE_API cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function) {
  return run("cuFuncGetAttribute", kContext, {{"attribute", int64_t(attribute)}}, [&]() -> CUresult {
    if (CUresult error = checkFunction(function))
      return error;
    switch (static_cast<int>(attribute)) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = function->info->maxThreads;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      *value = function->info->sharedBytes;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      *value = 0;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      *value = 32;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      *value = function->dynamicShared;
      return CUDA_SUCCESS;
    default:
      return refuse(CUDA_ERROR_INVALID_VALUE, "the fake does not know attribute " + Twine(int(attribute)));
    }
  });
}

SETUN_FAKE_API cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  return run("cuFuncSetAttribute", kContext, {{"attribute", int64_t(attribute)}, {"value", value}}, [&]() -> CUresult {
    if (CUresult error = checkFunction(function))
      return error;
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
      return refuse(CUDA_ERROR_INVALID_VALUE, "attribute " + Twine(int(attribute)) + " cannot be set");
    int most = fake().sharedLimit() - int(function->info->sharedBytes);
    if (value < 0 || value > most)
      return refuse(CUDA_ERROR_INVALID_VALUE, Twine(value) + " bytes of dynamic shared memory beside " +
                                                  Twine(function->info->sharedBytes) + ": up to " + Twine(most));
    function->dynamicShared = value;
    return CUDA_SUCCESS;
  });
}
