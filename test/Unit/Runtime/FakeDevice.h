//===- FakeDevice.h - The fake model's code for a device -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The model of FakeModel.h as host code that launches two kernels, and a third by
// which the largest of a row is found. Kernels run on the stub of the driver.
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_FAKEDEVICE_H
#define SETUN_TEST_FAKEDEVICE_H

#include "FakeModel.h"
#include "StubCuda.h"

#include <cstdlib>
#include <dlfcn.h>
#include <unistd.h>

namespace fake {

/// Positions are read in the frame: the parameters of one step are those of the next.
struct RowParams {
  setun_device_frame *frame;
  void *buffers[6];
};

inline void rowKernel(const void *data, uint32_t block, uint32_t) {
  const auto &params = *static_cast<const RowParams *>(data);
  setun_frame frame{nullptr, nullptr, params.buffers, reinterpret_cast<const int64_t *>(params.frame + 1)};
  static thread_local setun_device_frame *current;
  current = params.frame;
  setun_rt rt{};
  rt.fail = [](setun_rt *, const char *) { current->fault = current->fault ? current->fault : 2; };
  Job job{&rt, &frame};
  row(&job, block, block + 1);
}

struct CountParams {
  setun_device_frame *frame;
  int64_t *count;
  int32_t more, reserved;
};
inline void countKernel(const void *data, uint32_t, uint32_t) {
  const auto &params = *static_cast<const CountParams *>(data);
  *params.count += params.more;
}

struct ArgmaxParams {
  setun_device_frame *frame;
  const float *logits;
  int64_t vocabulary, *token;
};
inline int argmaxCalls;
inline void argmaxKernel(const void *data, uint32_t block, uint32_t) {
  const auto &params = *static_cast<const ArgmaxParams *>(data);
  const float *row = params.logits + block * params.vocabulary;
  int64_t *token = params.token + block;
  ++argmaxCalls;
  *token = -1;
  float most = -__builtin_inff();
  for (int64_t i = 0; i < params.vocabulary; ++i)
    if (row[i] > most)
      most = row[ *token = i];
}

/// What the host's code does differently in a test.
struct Knobs {
  int counts = 1;        // launches of the second kernel, with parameters of their own from the second on
  int32_t base = 0;      // added to these parameters
  uint32_t shared = 0;   // of the first kernel
  uint32_t threads = 32; // of the first kernel
  bool reads = false;    // reads the count in the middle
  int64_t read = -1;
  bool hostFails = false;
};
inline Knobs knobs;

inline void launch(setun_rt *rt, uint32_t kernel, int64_t grid, const void *params, size_t size, uint32_t shared = 0,
                   uint32_t threads = 32) {
  setun_launch what{kernel, {static_cast<uint32_t>(grid), 1, 1}, {threads, 1, 1}, shared, size, params};
  rt->launch(rt, &what);
}

inline void runOnDevice(setun_rt *rt, const setun_frame *frame) {
  RowParams rows{rt->device, {}};
  std::memcpy(rows.buffers, frame->buffers, sizeof rows.buffers);
  launch(rt, 0, frame->symbols[Batch], &rows, sizeof rows, knobs.shared, knobs.threads);
  CountParams count{rt->device, static_cast<int64_t *>(frame->buffers[Count]), 1, 0};
  launch(rt, 1, 1, &count, sizeof count);
  if (knobs.reads) {
    int64_t now;
    rt->read(rt, &now, count.count, sizeof now);
    knobs.read = now; // as the host's code sees it
  }
  for (int i = 1; i < knobs.counts; ++i) {
    count.more = knobs.base + i;
    launch(rt, 1, 1, &count, sizeof count);
  }
  if (knobs.hostFails)
    rt->fail(rt, "the host's code fails");
}

inline const stub::Image::Entry entries[] = {
    {"rows", rowKernel}, {"count_pdl", countKernel}, {"setun_argmax", argmaxKernel}};
inline stub::Image image{entries, 3, nullptr};
inline const char *const kernels[] = {"rows", "count_pdl", "setun_argmax"};
inline const char *const messages[] = {"one", "thirteen at the end"};

/// The model with a level for a device before those for the processor.
struct DeviceModel {
  setun_image images[1] = {{SETUN_IMAGE_PTX, 80, 0, 0, sizeof image, &image}};
  setun_device_code code{"cuda", 80, 1, 3, 2, images, kernels, messages};
  setun_level levels[2] = {{"sm_80", 0, runOnDevice, plan, &code}, {"generic", 0, run, plan, nullptr}};
  setun_model_desc desc = model();

  DeviceModel() { desc.levels = levels; }
};

/// The stub of the driver, as new.
inline stub::State &useStub() {
  const char *path = FAKE_FOLDER "/stub-cuda.so";
  setenv("SETUN_CUDA_DRIVER", path, 1);
  static auto find = reinterpret_cast<stub::State *(*)()>(dlsym(dlopen(path, RTLD_NOW), "stubState"));
  knobs = {};
  image.log = nullptr;
  argmaxCalls = 0;
  return *find() = {};
}

} // namespace fake

#endif // SETUN_TEST_FAKEDEVICE_H
