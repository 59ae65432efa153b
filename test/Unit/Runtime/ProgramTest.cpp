//===- ProgramTest.cpp - Opening models -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeModel.h"
#include "Internal.h"

#include "gtest/gtest.h"
#include <cstdio>
#include <fstream>
#include <unistd.h>

namespace {

std::string openError(const setun_model_desc &desc, setun_options options = {}) {
  char error[512] = "";
  setun_program *program = setun_open_linked(&desc, &options, error, sizeof error);
  setun_close(program);
  return program ? "opened" : error;
}

TEST(Program, RefusesAnotherVersion) {
  setun_model_desc desc = fake::model();
  desc.abi_version = 7;
  EXPECT_EQ(openError(desc),
            std::string("the model was compiled for version 7 of the runtime's interface; this runtime has ") +
                std::to_string(SETUN_ABI_VERSION));
  EXPECT_EQ(setun_open_linked(nullptr, nullptr, nullptr, 0), nullptr); // no message wanted
}

TEST(Program, PicksTheFirstLevelThatRuns) {
  setun_model_desc desc = fake::model();
  char text[256];
  setun_message message{text, sizeof text};
  setun_choice choice;
  EXPECT_STREQ(setun_pick_level(&desc, nullptr, nullptr, 1ull << 63 | 1, &choice, message)->name, "best");
  EXPECT_STREQ(setun_pick_level(&desc, nullptr, nullptr, 1, &choice, message)->name, "generic");
  EXPECT_STREQ(setun_pick_level(&desc, "generic", nullptr, ~0ull, &choice, message)->name, "generic");
  EXPECT_EQ(setun_pick_level(&desc, "best", nullptr, 1, &choice, message), nullptr);
  EXPECT_STREQ(text, "target: this processor cannot run the level 'best'; of the model's it runs: generic");
  EXPECT_EQ(setun_pick_level(&desc, "generi", nullptr, 1, &choice, message), nullptr);
  EXPECT_STREQ(text, "target: the model has no level 'generi'; it has: best, generic");
  EXPECT_STREQ(setun_pick_level(&desc, "x86-64:generic", nullptr, ~0ull, &choice, message)->name, "generic");
  EXPECT_EQ(setun_pick_level(&desc, "x86-64:", nullptr, 1, &choice, message), nullptr);
  EXPECT_STREQ(text, "target: the model has no level 'x86-64:'; it has: best, generic");
  desc.num_levels = 1;
  EXPECT_EQ(setun_pick_level(&desc, nullptr, nullptr, 0, &choice, message), nullptr);
  EXPECT_STREQ(text, "this processor runs none of the model's levels: best");
  EXPECT_EQ(setun_pick_level(&desc, "best", nullptr, 0, &choice, message), nullptr);
  EXPECT_STREQ(text, "target: this processor cannot run the level 'best'; of the model's it runs: none");
}

TEST(Program, RefusesThreadsWithoutSense) {
  EXPECT_EQ(openError(fake::model(), {-1, 0, nullptr, nullptr}), "-1 threads: the number must be from 1 to 1024");
  EXPECT_EQ(openError(fake::model(), {2, 1, nullptr, nullptr}), "opened");
}

class Weights : public ::testing::Test {
protected:
  std::string path = ::testing::TempDir() + "setun-weights-" + std::to_string(getpid()) + ".safetensors";
  std::string bytes = std::string(64, 'h') + "data";
  setun_model_desc desc = fake::model();

  void SetUp() override {
    desc.weights_file = "beside.safetensors";
    desc.weights_size = bytes.size();
    desc.data_offset = 64;
    desc.header_hash = 0xcbf29ce484222325;
    for (int i = 0; i < 64; ++i)
      desc.header_hash = (desc.header_hash ^ 'h') * 0x100000001b3;
    write(bytes);
  }
  void TearDown() override { std::remove(path.c_str()); }
  void write(const std::string &content) { std::ofstream(path, std::ios::binary) << content; }
  std::string open() { return openError(desc, {1, 0, path.c_str(), nullptr}); }
};

TEST_F(Weights, MapsTheDataSection) {
  setun_weights weights{};
  char text[256] = "";
  ASSERT_EQ(setun_weights_map(&weights, &desc, nullptr, path.c_str(), {text, sizeof text}), 0) << text;
  EXPECT_EQ(std::memcmp(weights.data, "data", 4), 0);
  setun_weights_unmap(&weights);
  EXPECT_EQ(open(), "opened");
}

TEST_F(Weights, RefusesAnotherFile) {
  write(bytes.substr(0, 50));
  EXPECT_EQ(open(), "weights '" + path + "': truncated, or of another model: 50 bytes, expected 68");
  write(bytes + "x");
  EXPECT_EQ(open(), "weights '" + path + "': of another model: 69 bytes, expected 68");
  bytes[10] = 'x';
  write(bytes);
  EXPECT_EQ(open(), "weights '" + path + "': of another model, or damaged (the header's hash differs)");
  desc.data_offset = 60;
  EXPECT_EQ(open(), "weights '" + path + "': the data section is not where a model can have it");
  std::remove(path.c_str());
  EXPECT_EQ(open(), "cannot open weights '" + path + "': No such file or directory");
}

TEST_F(Weights, LooksBesideTheModelOrInIt) {
  std::string message = openError(desc, {1, 0, nullptr, nullptr});
  EXPECT_NE(message.find("/beside.safetensors': No such file or directory"), std::string::npos) << message;
  desc.weights_file = nullptr;
  message = openError(desc, {1, 0, nullptr, nullptr});
  EXPECT_NE(message.find("RuntimeTests': the weights that were appended to this file are missing"), std::string::npos)
      << message;
}

TEST(Library, OpensAModelFromASharedLibrary) {
  char error[512] = "";
  setun_program *program = setun_open(FAKE_FOLDER "/fake-lm.so", nullptr, error, sizeof error);
  ASSERT_TRUE(program) << error;
  EXPECT_STREQ(setun_describe(program)->name, "fake-lm");
  EXPECT_GE(setun_threads(program), 1);
  setun_close(program);
  EXPECT_EQ(setun_open(FAKE_FOLDER "/fake-arrays.so", nullptr, error, sizeof error), nullptr);
  EXPECT_NE(std::string(error).find(FAKE_FOLDER "/fake.safetensors': No such file"), std::string::npos) << error;
  EXPECT_EQ(setun_open("/no/such.so", nullptr, error, sizeof error), nullptr);
  EXPECT_STREQ(error, "cannot open model '/no/such.so': No such file or directory");
  EXPECT_EQ(setun_open("/proc/self/cmdline", nullptr, error, sizeof error), nullptr);
  EXPECT_EQ(std::string(error).find("cannot load model: "), 0u) << error;
  EXPECT_EQ(setun_open("/lib/x86_64-linux-gnu/libc.so.6", nullptr, error, 20), nullptr);
  EXPECT_EQ(std::strlen(error), 19u); // cut to fit
}

} // namespace
