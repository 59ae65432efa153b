//===- DeviceTest.cpp - Sessions on a device, over a stub of its driver -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeDevice.h"
#include "Internal.h"

#include "gtest/gtest.h"
#include <fstream>
#include <unistd.h>

using Floats = std::vector<float>;
using Dims = std::vector<int64_t>;

namespace {

/// A session on the stub's device; at the end nothing may be left of it.
class Device : public ::testing::Test {
protected:
  stub::State &stub = fake::useStub();
  fake::DeviceModel model;
  setun_program *program = nullptr;
  std::unique_ptr<fake::Session> s;

  void TearDown() override {
    s.reset();
    setun_close(program);
    EXPECT_EQ(stub.live, 0);
    EXPECT_EQ(stub.contexts, 0);
    EXPECT_EQ(stub.errors, 0);
    for (const char *name : {"SETUN_CUDA_DRIVER", "SETUN_CUDA_GRAPH", "SETUN_CUDA_PDL", "SETUN_DEVICE"})
      unsetenv(name);
  }
  std::string open(setun_options options = {}, int64_t capacity = 32) {
    char error[1024] = "";
    s.reset();
    setun_close(program);
    options.threads = 1;
    program = setun_open_linked(&model.desc, &options, error, sizeof error);
    if (program)
      s = std::make_unique<fake::Session>(program, capacity);
    return program ? s->error : error;
  }
  std::string level() const { return setun_level_name(program); }
  int64_t argmax(int64_t row = -1) {
    int64_t token = -2;
    EXPECT_EQ(setun_argmax(s->session, "y", row, &token), 0) << s->message();
    return token;
  }
};

TEST_F(Device, RunsAsTheProcessorDoes) {
  ASSERT_EQ(open(), "");
  EXPECT_EQ(level(), "sm_80");
  setun_device_info info = setun_get_device(program);
  EXPECT_EQ(info.type, 2);
  EXPECT_STREQ(info.name, "Stub 0");
  fake::Session host(1, 32);
  for (const Floats &x : {Floats{1, 2, 3}, {4}, {5}, {6}, {7}, {8, 9}, {10}, {11}})
    EXPECT_EQ(s->run(x), host.run(x)) << s->message();
  Dims dims, hostDims;
  EXPECT_EQ(s->get("present", &dims), host.get("present", &hostDims));
  EXPECT_EQ(dims, hostDims);
  EXPECT_EQ(s->get("past2"), host.get("past2"));
  EXPECT_EQ(s->get("count_out"), host.get("count_out"));
  setun_tensor y;
  ASSERT_EQ(setun_get_output(s->session, "y", &y), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(y.data) % SETUN_ALIGNMENT, 0u);
}

TEST_F(Device, GoesBackAndLoadsStates) {
  ASSERT_EQ(open(), "");
  s->run({1, 2, 10, 20}, 2);
  EXPECT_EQ(s->run({3, 30}, 2), (Floats{306, 3060}));
  Dims dims;
  Floats past = s->get("present", &dims);
  EXPECT_EQ(past, (Floats{1, 2, 3, 10, 20, 30}));
  ASSERT_EQ(setun_truncate(s->session, 1), -1); // `count` cannot
  setun_reset(s->session);
  EXPECT_EQ(s->run({5}), (Floats{505}));
  EXPECT_EQ(s->get("count_out"), (Floats{1}));
  setun_reset(s->session);
  const int8_t small[] = {1, 2, 3, 10, 20, 30};
  ASSERT_EQ(s->set("past", dims, past.data()), 0) << s->message();
  ASSERT_EQ(setun_set_input(s->session, "past2", SETUN_I8, dims.data(), 2, small), 0) << s->message();
  EXPECT_EQ(s->get("present"), past);
  EXPECT_EQ(s->run({4, 40}, 2), (Floats{410, 4100}));
  EXPECT_EQ(setun_position(s->session), 4);
}

TEST_F(Device, AStepThatComesAgainIsOneGraph) {
  ASSERT_EQ(open(), "");
  s->run({1, 2, 3});
  EXPECT_EQ(stub.launches, 2); // the first of its kind
  EXPECT_EQ(stub.captures, 0);
  s->run({4});
  EXPECT_EQ(stub.captures, 1);
  EXPECT_EQ(stub.graphLaunches, 1);
  EXPECT_EQ(s->run({5}), (Floats{515}));
  EXPECT_EQ(s->run({6}), (Floats{621}));
  EXPECT_EQ(s->run({7}), (Floats{728}));
  EXPECT_EQ(stub.graphLaunches, 4);
  EXPECT_EQ(stub.captures, 1);
  EXPECT_EQ(stub.updates, 0);
  Floats more(20, 1); // the same launches, a larger input along with them
  EXPECT_EQ(s->run(more).back(), 100 + 28 + 20);
  EXPECT_EQ(stub.graphLaunches, 4);
  EXPECT_EQ(stub.launches, 4);
  EXPECT_EQ(s->get("count_out"), (Floats{6}));
}

TEST_F(Device, AFewOtherParametersChangeTheGraph) {
  ASSERT_EQ(open(), "");
  fake::knobs.counts = 3;
  s->run({1});
  s->run({1});
  ASSERT_EQ(stub.captures, 1);
  fake::knobs.base = 100; // two of the four launches
  EXPECT_EQ(s->run({1}), (Floats{103}));
  EXPECT_EQ(stub.updates, 2);
  EXPECT_EQ(s->get("count_out"), (Floats{4 + 4 + 204}));
  s->run({1});
  EXPECT_EQ(stub.updates, 2); // the graph has them now
  EXPECT_EQ(s->get("count_out"), (Floats{212 + 204}));
  EXPECT_EQ(stub.captures, 1);
  stub.refuseUpdate = true;
  fake::knobs.base = 7;
  s->run({1});
  EXPECT_EQ(s->get("count_out"), (Floats{416 + 18}));
}

TEST_F(Device, ListsThatDifferMuchAreGraphsOfTheirOwn) {
  ASSERT_EQ(open({}, 4000), "");
  fake::knobs.counts = 20;
  for (int round = 0; round < 4; ++round)
    for (int base : {0, 1000}) {
      fake::knobs.base = base;
      s->run({1});
    }
  EXPECT_EQ(stub.captures, 2);
  EXPECT_EQ(stub.updates, 0);
  EXPECT_EQ(stub.graphLaunches, 6);
  EXPECT_EQ(s->get("count_out"), (Floats{4 * (191 + 191 + 19000)}));
  for (int base = 0; base < 20; ++base) { // none comes twice
    fake::knobs.base = 5000 * base + 2000;
    s->run({1});
  }
  EXPECT_EQ(stub.captures, 2);
}

TEST_F(Device, GraphsAreForgottenByAge) {
  ASSERT_EQ(open({}, 4000), "");
  for (int counts = 1; counts <= 12; ++counts)
    for (int i = 0; i < 3; ++i) {
      fake::knobs.counts = counts;
      s->run({1});
    }
  EXPECT_EQ(stub.captures, 12);
  fake::knobs.counts = 1;
  s->run({1});
  s->run({1});
  EXPECT_EQ(stub.captures, 13);
}

TEST_F(Device, FeaturesCanBeSwitchedOff) {
  setenv("SETUN_CUDA_GRAPH", "0", 1);
  ASSERT_EQ(open(), "");
  for (int i = 0; i < 3; ++i)
    s->run({1});
  EXPECT_EQ(stub.captures, 0);
  EXPECT_EQ(stub.launches, 6);
  EXPECT_EQ(stub.dependents, 3); // of kernels named _pdl behind another
  setenv("SETUN_CUDA_PDL", "0", 1);
  ASSERT_EQ(open(), "");
  s->run({1});
  EXPECT_EQ(stub.dependents, 3);
  stub.version = 12020; // cannot in graphs
  unsetenv("SETUN_CUDA_PDL");
  ASSERT_EQ(open(), "");
  s->run({1});
  EXPECT_EQ(stub.dependents, 3);
  stub.version = 12030;
  stub.capability = 86; // cannot
  ASSERT_EQ(open(), "");
  s->run({1});
  EXPECT_EQ(stub.dependents, 3);
}

TEST_F(Device, GoesWithoutGraphsThatCannotBeCaptured) {
  stub.refuseCapture = true;
  ASSERT_EQ(open(), "");
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(s->run({1}), (Floats{101.f + i}));
  EXPECT_EQ(stub.launches, 6);
}

TEST_F(Device, ReadsInTheMiddleOfARun) {
  ASSERT_EQ(open(), "");
  fake::knobs.reads = true;
  fake::knobs.counts = 2;
  for (int i = 0; i < 3; ++i) {
    s->run({1});
    EXPECT_EQ(fake::knobs.read, 2 * i + 1);
  }
  EXPECT_EQ(stub.captures, 0);
  EXPECT_EQ(s->get("count_out"), (Floats{6}));
}

TEST_F(Device, TakesLargeInputs) {
  ASSERT_EQ(open({}, 40000), "");
  Floats x(30000, 1); // more than goes along with a run
  Floats y = s->run(x);
  ASSERT_EQ(y.size(), x.size()) << s->message();
  EXPECT_EQ(y.back(), 30100);
}

TEST_F(Device, TakesAndGivesMemoryOfTheDevice) {
  ASSERT_EQ(open(), "");
  alignas(64) float x[] = {1, 2, 3, 4}; // the stub's device has the host's memory
  float step = 100;
  Dims dims = {1, 4};
  s->set("step", {1}, &step);
  size_t before = stub.bytesToDevice;
  ASSERT_EQ(setun_set_input_device(s->session, "x", SETUN_F32, dims.data(), 2, x), 0);
  ASSERT_EQ(setun_run(s->session), 0) << s->message();
  EXPECT_LE(stub.bytesToDevice - before, sizeof(setun_device_frame) + 256);
  setun_tensor y, host;
  size_t read = stub.bytesToHost;
  ASSERT_EQ(setun_get_output_device(s->session, "y", &y), 0);
  EXPECT_EQ(static_cast<const float *>(y.data)[3], 410);
  EXPECT_EQ(stub.bytesToHost, read);
  ASSERT_EQ(setun_get_output(s->session, "y", &host), 0);
  EXPECT_NE(host.data, y.data);
  EXPECT_EQ(static_cast<const float *>(host.data)[3], 410);
  ASSERT_EQ(setun_get_output_device(s->session, "present", &y), 0);
  EXPECT_EQ((Dims{y.dims[0], y.dims[1]}), (Dims{1, 4}));
  EXPECT_EQ(static_cast<const float *>(y.data)[3], 4);
  EXPECT_NE(setun_get_stream(s->session), nullptr);
  dims = {1, 1};
  ASSERT_EQ(setun_set_input_device(s->session, "x", SETUN_F32, dims.data(), 2, x + 1), 0); // not aligned
  ASSERT_EQ(setun_run(s->session), 0) << s->message();
  EXPECT_EQ(s->get("y"), (Floats{212}));
}

TEST_F(Device, MovesOneTokenAStep) {
  ASSERT_EQ(open(), "");
  s->run({1, 9, 3});
  size_t before = stub.bytesToHost; // `run` has read the output
  EXPECT_EQ(argmax(), 1);
  EXPECT_EQ(fake::argmaxCalls, 1);
  EXPECT_EQ(argmax(), 1); // known
  EXPECT_EQ(fake::argmaxCalls, 1);
  EXPECT_LE(stub.bytesToHost - before, 200u);
  float x[] = {1, 2, 7, 4}, step = 100;
  for (int i = 0; i < 5; ++i) {
    int waits = stub.waits;
    before = stub.bytesToHost;
    ASSERT_EQ(s->set("x", {1, 4}, x) || s->set("step", {1}, &step) || setun_run(s->session), 0) << s->message();
    EXPECT_EQ(argmax(), 2);
    EXPECT_EQ(stub.waits - waits, i == 0 ? 2 : 1); // the first run needs more scratch
    EXPECT_LE(stub.bytesToHost - before, 100u);
  }
  EXPECT_GE(stub.graphLaunches, 3);
  int calls = fake::argmaxCalls;
  s->run({1});
  EXPECT_EQ(fake::argmaxCalls, calls + 1); // made, not asked for
  s->run({1});
  EXPECT_EQ(fake::argmaxCalls, calls + 1);
  EXPECT_EQ(argmax(0), 0);
  int64_t token;
  EXPECT_EQ(setun_argmax(s->session, "y", 1, &token), -1);
  EXPECT_EQ(s->message(), "output 'y' has no row 1");
  EXPECT_EQ(setun_argmax(s->session, "x", 0, &token), -1);
  EXPECT_EQ(s->message(), "the model has no output 'x'");
}

TEST_F(Device, MovesOneTokenARow) {
  ASSERT_EQ(open(), "");
  float x[36], step = 100;
  int64_t tokens[12];
  for (int i = 0; i < 6; ++i) {
    int waits = stub.waits;
    size_t before = stub.bytesToHost;
    for (int at = 0; at < 36; ++at)
      x[at] = at % 3 == (at / 3 + i) % 3 ? 7 : 1;
    ASSERT_EQ(s->set("x", {12, 3}, x) || s->set("step", {1}, &step) || setun_run(s->session), 0) << s->message();
    ASSERT_EQ(setun_argmax_rows(s->session, "y", 0, 12, tokens), 0) << s->message();
    for (int row = 0; row < 12; ++row)
      EXPECT_EQ(tokens[row], (row + i) % 3);
    if (i > 0) {
      EXPECT_EQ(stub.waits - waits, 1);
      EXPECT_LE(stub.bytesToHost - before, 200u);
    }
  }
  EXPECT_EQ(setun_argmax_rows(s->session, "y", 1, 12, tokens), -1);
  EXPECT_EQ(s->message(), "output 'y' has no row 12");
  EXPECT_EQ(setun_argmax_rows(s->session, "y", -1, 2, tokens), -1);
  EXPECT_EQ(s->message(), "output 'y' has no 2 rows from row -1 on");
  EXPECT_EQ(setun_argmax_rows(s->session, "y", -2, 2, tokens), 0);
  EXPECT_EQ(setun_argmax_rows(s->session, "y", 0, -2, tokens), -1);
}

TEST_F(Device, FindsTheLargestWithoutAKernelToo) {
  const char *const names[] = {"rows", "count_pdl"};
  model.code.num_kernels = 2;
  model.code.kernels = names;
  ASSERT_EQ(open(), "");
  s->run({1, 9, 3});
  EXPECT_EQ(argmax(), 1);
  s->run({7});
  EXPECT_EQ(argmax(), 0);
  EXPECT_EQ(fake::argmaxCalls, 0);
}

TEST_F(Device, GetsTheWeightsInPieces) {
  std::string path = ::testing::TempDir() + "setun-device-weights-" + std::to_string(getpid());
  std::string bytes(64 + (40 << 20) + 12345, 'h'); // a header, then two and a half of the buffers
  for (size_t i = 64; i < bytes.size(); ++i)
    bytes[i] = static_cast<char>(i * 7 + (i >> 20));
  std::ofstream(path, std::ios::binary) << bytes;
  model.desc.weights_size = bytes.size();
  model.desc.data_offset = 64;
  model.desc.header_hash = 0xcbf29ce484222325;
  for (int i = 0; i < 64; ++i)
    model.desc.header_hash = (model.desc.header_hash ^ 'h') * 0x100000001b3;
  std::vector<uint64_t> steps;
  setun_options options{};
  options.weights = path.c_str();
  options.progress_user = &steps;
  options.progress = [](void *user, uint64_t done, uint64_t) {
    static_cast<std::vector<uint64_t> *>(user)->push_back(done);
  };
  EXPECT_EQ(open(options), "");
  std::remove(path.c_str());
  ASSERT_TRUE(program);
  EXPECT_EQ(std::memcmp(program->driver->get_weights(program->device), bytes.data() + 64, bytes.size() - 64), 0);
  EXPECT_EQ(steps, (std::vector<uint64_t>{16 << 20, 32 << 20, bytes.size() - 64}));
  stub.memory = 1000;
  EXPECT_EQ(open(options).substr(0, 10), "cannot ope"); // the file is gone
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_EQ(open(options), "the weights do not fit: 41955385 bytes are needed, and 1000 of 1073741824 are free on "
                           "Stub 0");
  std::remove(path.c_str());
}

/*===-- What goes wrong ---------------------------------------------------===*/

TEST_F(Device, TellsTheModelsFaults) {
  ASSERT_EQ(open(), "");
  s->run({1, 2});
  for (int i = 0; i < 3; ++i) { // eagerly, and in a graph
    EXPECT_TRUE(s->run({113}).empty());
    EXPECT_EQ(s->message(), "thirteen at the end");
    EXPECT_EQ(setun_position(s->session), 2);
  }
  EXPECT_EQ(s->run({3}), (Floats{306}));
  fake::knobs.hostFails = true;
  EXPECT_TRUE(s->run({3}).empty());
  EXPECT_EQ(s->message(), "the host's code fails");
  fake::knobs.hostFails = false;
  EXPECT_EQ(s->run({4}), (Floats{410}));
}

TEST_F(Device, TellsWhichKernelCannotBeLaunched) {
  ASSERT_EQ(open(), "");
  fake::knobs.threads = 2048;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(s->run({1}).empty());
    EXPECT_EQ(s->message(), "kernel 'rows' (1 x 1 x 1 blocks of 2048 x 1 x 1 threads, 0 bytes shared) cannot be "
                            "launched: CUDA_ERROR_OTHER (something else)");
  }
  fake::knobs.threads = 32;
  fake::knobs.shared = 100000; // has to be asked for
  EXPECT_EQ(s->run({1}), (Floats{101}));
  fake::knobs.shared = 300000;
  EXPECT_TRUE(s->run({1}).empty());
  EXPECT_EQ(s->message(), "kernel 'rows' takes 300000 bytes of shared memory, and Stub 0 has 232448: CUDA_ERROR_OTHER "
                          "(something else)");
}

TEST_F(Device, TellsWhenKernelsCrash) {
  ASSERT_EQ(open(), "");
  s->run({1});
  stub.faultAtLaunch = 1;
  for (int i = 0; i < 2; ++i) { // the device does not come back
    EXPECT_TRUE(s->run({1, 2}).empty());
    EXPECT_EQ(s->message(),
              "the kernels failed on Stub 0: CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)");
  }
}

TEST_F(Device, TellsOfMemory) {
  ASSERT_EQ(open(), "");
  stub.memory = 100;
  EXPECT_TRUE(s->run({1, 2, 3}).empty());
  EXPECT_EQ(s->message(), "out of memory: state 'past' takes 128 bytes; 128 bytes are needed, and 100 of 1073741824 "
                          "are free on Stub 0");
  stub.memory = 2000;
  EXPECT_TRUE(s->run({1, 2, 3}).empty());
  EXPECT_EQ(s->message(), "out of memory: the run takes 3000 bytes of scratch; 3008 bytes are needed, and 2000 of "
                          "1073741824 are free on Stub 0");
  stub.memory = 1 << 20;
  EXPECT_EQ(s->run({1, 2, 3}), (Floats{101, 203, 306}));
}

/// Of the options, the level that is taken, or the error.
class Choice : public Device {
protected:
  std::string pick(const char *target, const char *device) {
    std::string error = open({0, 0, nullptr, target, device, nullptr, nullptr});
    return error.empty() ? level() + " " + setun_get_device(program).name : error;
  }
};

TEST_F(Choice, TakesTheDeviceWhenThereIsOne) {
  EXPECT_EQ(pick(nullptr, nullptr), "sm_80 Stub 0");
  EXPECT_EQ(pick(nullptr, "cpu"), "generic cpu");
  EXPECT_EQ(pick("generic", nullptr), "generic cpu");
  EXPECT_EQ(pick(nullptr, "cuda:0"), "sm_80 Stub 0");
  EXPECT_EQ(pick(nullptr, "cuda:1"), "device: cannot run the level 'sm_80': there is no CUDA device 1: there is 1, "
                                     "counted from 0");
  EXPECT_EQ(pick("generic", "cuda"), "device: 'cuda' does not run the level 'generic'");
  EXPECT_EQ(pick("sm_80", "cpu"), "device: 'cpu' does not run the level 'sm_80'");
  EXPECT_EQ(pick(nullptr, "rocm"), "device: the model has no level that runs on 'rocm'; it has: sm_80, generic");
  for (const char *wrong : {"cuda:", "cuda:x", "cpu:1", "cuda:-1", "cuda:1x"})
    EXPECT_EQ(pick(nullptr, wrong), std::string("device: '") + wrong +
                                        "' is no device: give cpu, or a device with or "
                                        "without its number (cuda:0)");
  setenv("SETUN_DEVICE", "cpu", 1);
  EXPECT_EQ(pick(nullptr, nullptr), "generic cpu");
  EXPECT_EQ(pick(nullptr, "cuda"), "sm_80 Stub 0");
}

TEST_F(Choice, PassesOverWhatIsNotThere) {
  stub.devices = 0;
  EXPECT_EQ(pick(nullptr, nullptr), "generic cpu");
  EXPECT_EQ(pick("sm_80", nullptr), "target: cannot run the level 'sm_80': there is no CUDA device");
  EXPECT_EQ(pick(nullptr, "cuda"), "device: cannot run the level 'sm_80': there is no CUDA device");
  model.desc.num_levels = 1;
  EXPECT_EQ(pick(nullptr, nullptr), "cannot run the level 'sm_80': there is no CUDA device");
  setenv("SETUN_CUDA_DRIVER", "/nowhere/libcuda.so.1", 1);
  EXPECT_EQ(pick(nullptr, nullptr), "cannot run the level 'sm_80': there is no CUDA driver: /nowhere/libcuda.so.1: "
                                    "cannot open shared object file: No such file or directory");
  setenv("SETUN_CUDA_DRIVER", FAKE_FOLDER "/fake-lm.so", 1);
  EXPECT_EQ(pick(nullptr, nullptr), "cannot run the level 'sm_80': " FAKE_FOLDER
                                    "/fake-lm.so is no CUDA driver of version 12.0 or later: it has no function "
                                    "cuInit");
}

TEST_F(Choice, KnowsWhatTheDeviceRuns) {
  stub.version = 11080;
  model.desc.num_levels = 1;
  EXPECT_EQ(
      pick(nullptr, nullptr),
      "cannot run the level 'sm_80': the CUDA driver is too old: it is for CUDA 11.8, and 12.0 or later is needed");
  stub.version = 12000;
  stub.capability = 75;
  EXPECT_EQ(pick(nullptr, nullptr), "cannot run the level 'sm_80': CUDA device 0 (Stub 0) is too old: its compute "
                                    "capability is 7.5, and 8.0 is needed");
  stub.devices = 2; // the second has 10.0
  EXPECT_EQ(pick(nullptr, nullptr), "sm_80 Stub 1");
  model.images[0].kind = SETUN_IMAGE_CUBIN;
  stub.devices = 1;
  for (auto [capability, exact, runs] :
       {std::tuple(80, 0, true), {86, 0, true}, {90, 0, false}, {86, 1, false}, {80, 1, true}}) {
    stub.capability = capability;
    model.images[0].exact = exact;
    EXPECT_EQ(pick(nullptr, nullptr) == "sm_80 Stub 0", runs) << capability << exact;
  }
  stub.capability = 90;
  EXPECT_EQ(pick(nullptr, nullptr), "cannot run the level 'sm_80': the model has no code for CUDA device 0 (Stub 0, "
                                    "compute capability 9.0); it has: sm_80 alone");
  model.images[0].kind = SETUN_IMAGE_BITCODE; // for an emulator
  EXPECT_NE(pick(nullptr, nullptr), "sm_80 Stub 0");
}

TEST_F(Choice, TellsWhyCodeIsRefused) {
  fake::image.log = "ptxas: line 7: syntax error\nptxas: fatal\n";
  EXPECT_EQ(pick(nullptr, nullptr), "Stub 0 does not take the model's PTX for sm_80: ptxas: line 7: syntax "
                                    "error;ptxas: fatal: CUDA_ERROR_OTHER (something else)");
  fake::image.log = nullptr;
  const char *const names[] = {"rows", "columns", "setun_argmax"};
  model.code.kernels = names;
  EXPECT_EQ(pick(nullptr, nullptr),
            "the model's device code has no kernel 'columns': CUDA_ERROR_OTHER (something else)");
}

TEST_F(Choice, ListsDevices) {
  char text[256];
  stub.devices = 2;
  EXPECT_EQ(setun_list_devices(text, sizeof text), 0);
  EXPECT_STREQ(text,
               "cuda:0 Stub 0, compute capability 9.0, 1.0 GiB\ncuda:1 Stub 1, compute capability 10.0, 1.0 GiB\n");
  stub.devices = 0;
  EXPECT_EQ(setun_list_devices(text, sizeof text), -1);
  EXPECT_STREQ(text, "there is no CUDA device");
}

} // namespace
