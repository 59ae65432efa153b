//===- Memory.cpp - Memory of the device and pinned memory -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The device's memory is a mapping of its own, closed to the host but inside of calls.
// Addresses are not given out twice, so that a stale one is noticed.
//
//===----------------------------------------------------------------------===//

#include "Fake.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>
#include <sys/mman.h>

using namespace llvm;

static constexpr uint64_t kPage = 65536; // of any host

static std::string hex(uint64_t value) { return "0x" + utohexstr(value, /*LowerCase=*/true); }

static void protect(int rights) {
  for (auto [begin, size] : fake().allocations)
    mprotect(reinterpret_cast<void *>(begin), alignTo(size, kPage), rights);
}

Open::Open() {
  if (fake().opened++ == 0)
    protect(PROT_READ | PROT_WRITE);
}

Open::~Open() {
  if (--fake().opened == 0)
    protect(PROT_NONE);
}

static void fillWithGarbage(void *memory, size_t size) {
  static constexpr uint8_t kPattern[] = {0xa5, 0xff}; // NaN as a float of any kind
  for (size_t i = 0; i < size; ++i)
    static_cast<uint8_t *>(memory)[i] = kPattern[i % 2];
}

CUresult checkDevice(const char *what, uint64_t address, size_t size) {
  auto &allocations = fake().allocations;
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin())
    return refuse(CUDA_ERROR_INVALID_VALUE, Twine(what) + " " + hex(address) + " is no address of the device");
  auto [begin, length] = *std::prev(after);
  if (address - begin > length || size > length - (address - begin))
    return refuse(CUDA_ERROR_INVALID_VALUE, Twine(what) + " " + hex(address) + ", " + Twine(size) +
                                                " bytes, is not within an allocation: the nearest one begins " +
                                                Twine(address - begin) + " bytes before and has " + Twine(length));
  return CUDA_SUCCESS;
}

static std::map<uint64_t, uint64_t>::iterator findPinned(uint64_t address) {
  auto after = fake().pinned.upper_bound(address);
  return after == fake().pinned.begin() ? fake().pinned.end() : std::prev(after);
}

bool isPinned(uint64_t address, size_t size) {
  auto found = findPinned(address);
  return found != fake().pinned.end() && address - found->first <= found->second &&
         size <= found->second - (address - found->first);
}

SETUN_FAKE_API cuMemAlloc_v2(CUdeviceptr *pointer, size_t size) {
  return run("cuMemAlloc_v2", kContext | kNoCapture, {{"size", uint64_t(size)}}, [&]() -> CUresult {
    Fake &state = fake();
    if (!size)
      return refuse(CUDA_ERROR_INVALID_VALUE, "0 bytes");
    if (size > state.memory || state.used > state.memory - size)
      return refuse(CUDA_ERROR_OUT_OF_MEMORY,
                    Twine(size) + " bytes, and " + Twine(state.memory - state.used) + " are free");
    // Never unmapped, so that the address is not given out again; the page behind it stays closed.
    void *memory =
        mmap(nullptr, alignTo(size, kPage) + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
      return refuse(CUDA_ERROR_OUT_OF_MEMORY, "the fake cannot reserve addresses");
    auto *begin = static_cast<char *>(memory);
    state.used += size;
    mprotect(begin, alignTo(size, kPage), PROT_READ | PROT_WRITE);
    fillWithGarbage(begin, size);
    mprotect(begin, alignTo(size, kPage), PROT_NONE);
    *pointer = reinterpret_cast<uint64_t>(begin);
    state.allocations[*pointer] = size;
    ++state.memoryVersion;
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuMemFree_v2(CUdeviceptr pointer) {
  return run("cuMemFree_v2", kContext | kNoCapture | kRelease, {{"pointer", hex(pointer)}}, [&]() -> CUresult {
    Fake &state = fake();
    auto found = state.allocations.find(pointer);
    if (!pointer)
      return CUDA_SUCCESS;
    if (found == state.allocations.end())
      return refuse(CUDA_ERROR_INVALID_VALUE, hex(pointer) + " is not the start of an allocation");
    CUresult error = flushAll();
    mmap(reinterpret_cast<void *>(pointer), alignTo(found->second, kPage), PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    state.used -= found->second;
    state.allocations.erase(found);
    ++state.memoryVersion;
    return error;
  });
}

SETUN_FAKE_API cuMemGetInfo_v2(size_t *free, size_t *total) {
  return run("cuMemGetInfo_v2", kContext, {}, [&] {
    *free = fake().memory - fake().used;
    *total = fake().memory;
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuMemHostAlloc(void **pointer, size_t size, unsigned int flags) {
  return run("cuMemHostAlloc", kContext | kNoCapture, {{"size", uint64_t(size)}, {"flags", int64_t(flags)}},
             [&]() -> CUresult {
               if (!size)
                 return refuse(CUDA_ERROR_INVALID_VALUE, "0 bytes");
               *pointer = aligned_alloc(4096, alignTo(size, 4096));
               fillWithGarbage(*pointer, size);
               fake().pinned[reinterpret_cast<uint64_t>(*pointer)] = size;
               return CUDA_SUCCESS;
             });
}

SETUN_FAKE_API cuMemFreeHost(void *pointer) {
  return run("cuMemFreeHost", kContext | kNoCapture | kRelease, {}, [&]() -> CUresult {
    auto found = fake().pinned.find(reinterpret_cast<uint64_t>(pointer));
    if (found == fake().pinned.end())
      return refuse(CUDA_ERROR_INVALID_VALUE, "not the start of pinned memory");
    CUresult error = flushAll();
    fake().pinned.erase(found);
    free(pointer);
    return error;
  });
}

SETUN_FAKE_API cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t size, CUstream stream) {
  return run("cuMemcpyHtoDAsync_v2", kContext, {{"to", hex(to)}, {"size", uint64_t(size)}}, [&]() -> CUresult {
    if (CUresult error = checkDevice("the destination", to, size))
      return error;
    if (!from || !checkDevice("", reinterpret_cast<uint64_t>(from), 1))
      return refuse(CUDA_ERROR_INVALID_VALUE, "the source is no memory of the host");
    fake().why.clear();
    Work work{Kind::Upload};
    work.to = to;
    work.from = reinterpret_cast<uint64_t>(from);
    work.size = size;
    if (CUresult error = checkStream(stream))
      return error;
    if (!stream->capture && !isPinned(work.from, size)) { // the driver takes a copy of pageable memory at once
      work.snapshot = true;
      work.bytes.assign(static_cast<const uint8_t *>(from), static_cast<const uint8_t *>(from) + size);
    }
    return enqueue(stream, std::move(work));
  });
}

SETUN_FAKE_API cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t size, CUstream stream) {
  return run("cuMemcpyDtoHAsync_v2", kContext, {{"from", hex(from)}, {"size", uint64_t(size)}}, [&]() -> CUresult {
    if (CUresult error = checkDevice("the source", from, size))
      return error;
    if (!to || !checkDevice("", reinterpret_cast<uint64_t>(to), 1))
      return refuse(CUDA_ERROR_INVALID_VALUE, "the destination is no memory of the host");
    fake().why.clear();
    if (CUresult error = checkStream(stream))
      return error;
    Work work{Kind::Download};
    work.to = reinterpret_cast<uint64_t>(to);
    work.from = from;
    work.size = size;
    bool pageable = !isPinned(work.to, size);
    if (!pageable && !stream->capture)
      fillWithGarbage(to, size); // nobody may look at it before the copy is done
    bool captured = stream->capture != nullptr;
    if (CUresult error = enqueue(stream, std::move(work)))
      return error;
    return pageable && !captured ? flush(stream) : CUDA_SUCCESS; // as the driver does
  });
}

SETUN_FAKE_API cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) {
  return run("cuMemcpyDtoDAsync_v2", kContext, {{"to", hex(to)}, {"from", hex(from)}, {"size", uint64_t(size)}},
             [&]() -> CUresult {
               if (CUresult error = checkDevice("the destination", to, size))
                 return error;
               if (CUresult error = checkDevice("the source", from, size))
                 return error;
               if (to < from + size && from < to + size && size)
                 return refuse(CUDA_ERROR_INVALID_VALUE, "source and destination overlap");
               Work work{Kind::Copy};
               work.to = to;
               work.from = from;
               work.size = size;
               CUresult error = checkStream(stream);
               return error ? error : enqueue(stream, std::move(work));
             });
}

SETUN_FAKE_API cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t size, CUstream stream) {
  return run("cuMemsetD8Async", kContext, {{"to", hex(to)}, {"value", value}, {"size", uint64_t(size)}},
             [&]() -> CUresult {
               if (CUresult error = checkDevice("the destination", to, size))
                 return error;
               Work work{Kind::Set};
               work.to = to;
               work.value = value;
               work.size = size;
               CUresult error = checkStream(stream);
               return error ? error : enqueue(stream, std::move(work));
             });
}

SETUN_FAKE_API cuPointerGetAttribute(void *data, int attribute, CUdeviceptr pointer) {
  return run("cuPointerGetAttribute", kInit, {{"attribute", attribute}, {"pointer", hex(pointer)}}, [&]() -> CUresult {
    bool device = checkDevice("the pointer", pointer, 1) == CUDA_SUCCESS, host = isPinned(pointer, 1);
    if (!device && !host)
      return CUDA_ERROR_INVALID_VALUE;
    fake().why.clear();
    switch (attribute) {
    case 2: // MEMORY_TYPE: 1 host, 2 device
      *static_cast<unsigned *>(data) = device ? 2 : 1;
      return CUDA_SUCCESS;
    case 9: // DEVICE_ORDINAL
      *static_cast<int *>(data) = 0;
      return CUDA_SUCCESS;
    default:
      return refuse(CUDA_ERROR_INVALID_VALUE, "the fake does not know attribute " + Twine(attribute));
    }
  });
}
