//===- FakeModel.h - A model by hand for unit tests -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// y[b, s] = x[b, s] * step[0] + (sum of all entries of the cache, the new ones included), where the new entry s of the
// cache is x[b, s]. The cache [batch, capacity] grows along dimension 1; `count`, of fixed size, counts runs.

#ifndef SETUN_TEST_FAKEMODEL_H
#define SETUN_TEST_FAKEMODEL_H

#include "setun-rt/setun.h"

#include <cstring>
#include <string>
#include <vector>

namespace fake {

enum Symbols { Batch, Seq, Past, Capacity };
inline const setun_symbol symbols[] = {
    {"batch", SETUN_DIM, 0}, {"seq", SETUN_DIM, 0}, {"past", SETUN_POSITION, 0}, {"capacity", SETUN_CAPACITY, 0}};
inline const int64_t xDims[] = {-1 - Batch, -1 - Seq}, one[] = {1}, cacheDims[] = {-1 - Batch, -1 - Capacity},
                     outDims[] = {-1, -1};
enum Arguments { X, Step, Cache, Other, Count, Y };
inline const setun_argument arguments[] = {
    {"x", nullptr, SETUN_INPUT, SETUN_F32, 2, -1, xDims, -1, 0},
    {"step", nullptr, SETUN_INPUT, SETUN_F32, 1, -1, one, -1, 0},
    {"past", "present", SETUN_STATE, SETUN_F32, 2, 1, cacheDims, Past, 0},
    {"past2", "present2", SETUN_STATE, SETUN_I8, 2, 1, cacheDims, Past, 0},
    {"count", "count_out", SETUN_STATE, SETUN_I64, 1, -1, one, -1, 0},
    {"y", nullptr, SETUN_OUTPUT, SETUN_F32, 2, -1, outDims, -1, 0},
};

struct Job {
  setun_rt *rt;
  const setun_frame *frame;
};

inline void row(void *env, int64_t begin, int64_t end) {
  const Job &job = *static_cast<Job *>(env);
  const int64_t *s = job.frame->symbols;
  auto *x = static_cast<const float *>(job.frame->buffers[X]);
  auto *cache = static_cast<float *>(job.frame->buffers[Cache]), *y = static_cast<float *>(job.frame->buffers[Y]);
  auto *other = static_cast<int8_t *>(job.frame->buffers[Other]);
  float step = *static_cast<const float *>(job.frame->buffers[Step]);
  for (int64_t b = begin; b < end; ++b) {
    float sum = 0;
    for (int64_t p = 0; p < s[Past]; ++p)
      sum += cache[b * s[Capacity] + p];
    for (int64_t i = 0; i < s[Seq]; ++i) {
      float value = x[b * s[Seq] + i];
      if (value == 113)
        job.rt->fail(job.rt, "thirteen at the end");
      cache[b * s[Capacity] + s[Past] + i] = value;
      other[b * s[Capacity] + s[Past] + i] = static_cast<int8_t>(value);
      y[b * s[Seq] + i] = value * step + (sum += value);
    }
  }
}

inline void run(setun_rt *rt, const setun_frame *frame) {
  Job job{rt, frame};
  std::memset(frame->arena, 7, 1000 * frame->symbols[Seq]);
  rt->parallel_for(rt, frame->symbols[Batch], 1, row, &job);
  ++*static_cast<int64_t *>(frame->buffers[Count]);
}

inline void plan(const int64_t *s, int64_t *values) {
  int64_t after = s[Past] + s[Seq];
  const int64_t sizes[] = {1000 * s[Seq], s[Batch], after, s[Batch], after, 1, s[Batch], s[Seq]};
  std::memcpy(values, sizes, sizeof sizes);
}

inline const setun_level levels[] = {{"best", 1ull << 63, run, plan}, {"generic", 0, run, plan}};
inline setun_model_desc model() {
  return {SETUN_ABI_VERSION, 4, 6, 2, "fake", symbols, arguments, levels, nullptr, 0, 0, 0, 8};
}

/// An open program and session, closed at the end.
struct Session {
  setun_model_desc desc = model();
  char error[256] = "";
  setun_program *program;
  setun_session *session;
  bool owner;

  explicit Session(int threads = 1, int64_t capacity = 0) : owner(true) {
    setun_options options{threads, 0, nullptr, nullptr};
    program = setun_open_linked(&desc, &options, error, sizeof error);
    session = program ? setun_session_open(program, capacity, error, sizeof error) : nullptr;
  }
  explicit Session(setun_program *shared, int64_t capacity) : program(shared), owner(false) {
    session = setun_session_open(program, capacity, error, sizeof error);
  }
  ~Session() {
    setun_session_close(session);
    if (owner)
      setun_close(program);
  }

  int set(const char *name, std::vector<int64_t> dims, const float *data) {
    return setun_set_input(session, name, SETUN_F32, dims.data(), static_cast<uint32_t>(dims.size()), data);
  }
  /// Runs on x of shape [1, n]; {} and setun_error on failure.
  std::vector<float> run(std::vector<float> x, int64_t batch = 1) {
    float step = 100;
    if (set("x", {batch, static_cast<int64_t>(x.size()) / batch}, x.data()) || set("step", {1}, &step) ||
        setun_run(session))
      return {};
    return get("y");
  }
  std::vector<float> get(const char *name, std::vector<int64_t> *dims = nullptr) {
    setun_tensor tensor;
    if (setun_get_output(session, name, &tensor))
      return {};
    size_t count = 1;
    for (uint32_t i = 0; i < tensor.rank; ++i)
      count *= static_cast<size_t>(tensor.dims[i]);
    if (dims)
      dims->assign(tensor.dims, tensor.dims + tensor.rank);
    std::vector<float> values;
    for (size_t i = 0; i < count; ++i)
      values.push_back(tensor.dtype == SETUN_F32  ? static_cast<const float *>(tensor.data)[i]
                       : tensor.dtype == SETUN_I8 ? static_cast<const int8_t *>(tensor.data)[i]
                                                  : static_cast<float>(static_cast<const int64_t *>(tensor.data)[i]));
    return values;
  }
  std::string message() const { return setun_error(session); }
};

} // namespace fake

#endif // SETUN_TEST_FAKEMODEL_H
