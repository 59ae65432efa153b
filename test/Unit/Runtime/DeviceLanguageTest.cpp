//===- DeviceLanguageTest.cpp - Language models on a device -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The model of fake-lm.so as one kernel: the stub's device has the host's memory, so
// the processor's code is the kernel. What the model says must be what it says on the
// processor.
//
//===----------------------------------------------------------------------===//

#include "FakeDevice.h"
#include "setun-rt/language.h"

#include "gtest/gtest.h"

using Ids = std::vector<int64_t>;

namespace {

struct Whole {
  setun_device_frame *frame;
  const uint8_t *weights;
  setun_run_fn run;
  uint8_t *arena;
  void *buffers[8];
};

void wholeKernel(const void *data, uint32_t, uint32_t) {
  const auto &params = *static_cast<const Whole *>(data);
  setun_frame frame{params.weights, params.arena, params.buffers, reinterpret_cast<const int64_t *>(params.frame + 1)};
  setun_rt rt{};
  rt.parallel_for = [](setun_rt *, int64_t count, int64_t, setun_body_fn body, void *env) { body(env, 0, count); };
  params.run(&rt, &frame);
}

setun_run_fn onHost;
uint32_t numBuffers;
void runWhole(setun_rt *rt, const setun_frame *frame) {
  Whole whole{rt->device, frame->weights, onHost, frame->arena, {}};
  std::memcpy(whole.buffers, frame->buffers, numBuffers * sizeof(void *));
  fake::launch(rt, 0, 1, &whole, sizeof whole);
}

const stub::Image::Entry entries[] = {{"whole", wholeKernel}, {"setun_argmax", fake::argmaxKernel}};
const stub::Image image{entries, 2, nullptr};
const char *const kernels[] = {"whole", "setun_argmax"};

struct Model {
  char error[512] = "";
  setun_image images[1] = {{SETUN_IMAGE_PTX, 80, 0, 0, sizeof image, &image}};
  setun_device_code code{"cuda", 80, 1, 2, 0, images, kernels, nullptr};
  setun_level level{"sm_80", 0, runWhole, nullptr, &code};
  setun_model_desc desc;
  setun_program *program;
  setun_lm *lm;

  explicit Model(bool onDevice) {
    const char *path = FAKE_FOLDER "/fake-lm.so";
    desc = *static_cast<setun_model_desc *>(dlsym(dlopen(path, RTLD_NOW), SETUN_MODEL_SYMBOL));
    onHost = desc.levels[1].run;
    numBuffers = desc.num_arguments;
    level.plan = desc.levels[1].plan;
    if (onDevice)
      desc.levels = &level, desc.num_levels = 1;
    setun_options options{};
    options.threads = 1;
    program = setun_open_linked(&desc, &options, error, sizeof error);
    lm = program ? setun_lm_open(program, nullptr, error, sizeof error) : nullptr;
    EXPECT_NE(lm, nullptr) << error;
  }
  ~Model() {
    setun_lm_close(lm);
    setun_close(program);
  }
  int extend(const Ids &ids) { return setun_lm_extend(lm, ids.data(), static_cast<int64_t>(ids.size())); }
  Ids generate(int64_t count, double temperature = 0) {
    setun_sampling sampling{};
    sampling.temperature = temperature;
    setun_sampler *sampler = setun_sampler_open(&sampling, error, sizeof error);
    setun_generation options{};
    options.max_tokens = count;
    auto keep = [](void *user, int64_t id, const char *, size_t) { return static_cast<Ids *>(user)->push_back(id), 0; };
    Ids given;
    EXPECT_EQ(setun_lm_generate(lm, sampler, &options, keep, &given, nullptr), 0) << setun_lm_error(lm);
    setun_sampler_close(sampler);
    return given;
  }
};

TEST(DeviceLanguage, SaysWhatTheProcessorSays) {
  stub::State &stub = fake::useStub();
  {
    Model device(true), host(false);
    ASSERT_EQ(device.extend({1, 2, 3}) || host.extend({1, 2, 3}), 0) << setun_lm_error(device.lm);
    EXPECT_EQ(setun_lm_vocabulary(device.lm), 16);
    size_t before = stub.bytesToHost;
    EXPECT_EQ(device.generate(8), host.generate(8));
    EXPECT_EQ(fake::argmaxCalls, 8);
    EXPECT_LE(stub.bytesToHost - before, 8 * 160u); // tokens and faults alone
    EXPECT_EQ(device.generate(8, 1.5), host.generate(8, 1.5));
    EXPECT_EQ(device.generate(3), host.generate(3));
    const float *there = setun_lm_logits(device.lm), *here = setun_lm_logits(host.lm);
    EXPECT_EQ(std::vector<float>(there, there + 16), std::vector<float>(here, here + 16));
    std::string path = ::testing::TempDir() + "setun-device-state-" + std::to_string(getpid());
    ASSERT_EQ(setun_lm_save(device.lm, path.c_str()), 0) << setun_lm_error(device.lm);
    Model other(false), again(true);
    ASSERT_EQ(setun_lm_load(other.lm, path.c_str()), 0) << setun_lm_error(other.lm);
    ASSERT_EQ(setun_lm_load(again.lm, path.c_str()), 0) << setun_lm_error(again.lm);
    std::remove(path.c_str());
    Ids expected = host.generate(5);
    EXPECT_EQ(other.generate(5), expected);
    EXPECT_EQ(again.generate(5), expected);
    ASSERT_EQ(setun_lm_truncate(device.lm, 4) || setun_lm_truncate(host.lm, 4), 0);
    ASSERT_EQ(device.extend({5}) || host.extend({5}), 0);
    EXPECT_EQ(device.generate(4), host.generate(4));
  }
  EXPECT_EQ(stub.live, 0);
  EXPECT_EQ(stub.errors, 0);
  unsetenv("SETUN_CUDA_DRIVER");
}

TEST(DeviceLanguage, GivesAllLogitsToWhoWantsThem) {
  fake::useStub();
  Model device(true), host(false);
  std::vector<float> rows[2];
  auto take = [](void *user, const float *logits, int64_t count, int64_t vocabulary) {
    auto *all = static_cast<std::vector<float> *>(user);
    return all->insert(all->end(), logits, logits + count * vocabulary), 0;
  };
  setun_lm_on_logits(device.lm, take, &rows[0]);
  setun_lm_on_logits(host.lm, take, &rows[1]);
  ASSERT_EQ(device.extend({1, 2, 3}) || host.extend({1, 2, 3}), 0);
  EXPECT_EQ(device.generate(4), host.generate(4));
  EXPECT_EQ(rows[0].size(), 6u * 16);
  EXPECT_EQ(rows[0], rows[1]);
  unsetenv("SETUN_CUDA_DRIVER");
}

} // namespace
