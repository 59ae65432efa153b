//===- SessionTest.cpp - Inputs, outputs and states of a session -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeModel.h"

#include "gtest/gtest.h"

using Floats = std::vector<float>;
using Dims = std::vector<int64_t>;

namespace {

TEST(Session, RunsAndHandsOutAlignedOutputs) {
  fake::Session s;
  ASSERT_TRUE(s.session) << s.error;
  EXPECT_EQ(s.run({1, 2, 3}), (Floats{101, 203, 306}));
  setun_tensor y;
  ASSERT_EQ(setun_get_output(s.session, "y", &y), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(y.data) % SETUN_ALIGNMENT, 0u);
  EXPECT_EQ((Dims{y.dims[0], y.dims[1]}), (Dims{1, 3}));
  EXPECT_EQ(y.dtype, SETUN_F32);
}

TEST(Session, ReadsInputsThatAreNotAligned) {
  fake::Session s;
  alignas(64) float x[8] = {0, 1, 2, 3}, step = 1;
  ASSERT_EQ(s.set("x", {1, 3}, x + 1), 0);
  ASSERT_EQ(s.set("step", {1}, &step), 0);
  ASSERT_EQ(setun_run(s.session), 0) << s.message();
  EXPECT_EQ(s.get("y"), (Floats{2, 5, 9}));
  x[1] = 11; // inputs are borrowed: the next run sees what stands there now
  ASSERT_EQ(setun_run(s.session), 0) << s.message();
  EXPECT_EQ(s.get("y"), (Floats{28, 21, 25}));
}

TEST(Session, StatesGrow) {
  fake::Session s;
  EXPECT_EQ(setun_position(s.session), 0);
  EXPECT_EQ(setun_capacity(s.session), 8);
  Dims dims;
  EXPECT_TRUE(s.get("present").empty());
  EXPECT_EQ(s.message(), "state 'past' has no value before a run");
  s.run({1, 2, 3});
  EXPECT_EQ(setun_position(s.session), 3);
  EXPECT_EQ(s.run({4}), (Floats{410}));
  EXPECT_EQ(s.get("present", &dims), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(dims, (Dims{1, 4}));
  EXPECT_EQ(s.get("past2"), (Floats{1, 2, 3, 4})); // a state goes by its own name too
  EXPECT_EQ(s.get("count_out"), (Floats{2}));
}

TEST(Session, GrowsInEveryRowOfABatch) {
  fake::Session s(2);
  s.run({1, 2, 10, 20}, 2);
  EXPECT_EQ(s.run({3, 30}, 2), (Floats{306, 3060}));
  Dims dims;
  EXPECT_EQ(s.get("present", &dims), (Floats{1, 2, 3, 10, 20, 30}));
  EXPECT_EQ(dims, (Dims{2, 3}));
  EXPECT_TRUE(s.run({5}).empty());
  EXPECT_EQ(s.message(), "state 'past': dimension 0 is 2, expected 1 ('batch', as in 'x')");
  setun_reset(s.session); // an empty state takes any batch
  EXPECT_EQ(s.run({5, 6, 7}, 3), (Floats{505, 606, 707}));
}

TEST(Session, AFullContextFailsBeforeTheRun) {
  fake::Session s(1, 4);
  s.run({1, 2, 3});
  EXPECT_TRUE(s.run({4, 5}).empty());
  EXPECT_EQ(s.message(), "the context is full: state 'past' can hold 4 entries, holds 3, and this run makes it 5");
  EXPECT_EQ(setun_position(s.session), 3);
  EXPECT_EQ(s.get("count"), (Floats{1}));
  EXPECT_EQ(s.run({4}), (Floats{410}));
  EXPECT_EQ(s.get("present"), (Floats{1, 2, 3, 4})); // full: the buffer itself
}

TEST(Session, LoadsStates) {
  fake::Session s;
  float past[] = {1, 2, 3, 4};
  int8_t past2[] = {1, 2, 3, 4};
  int64_t count = 41, dims[] = {2, 2}, one = 1;
  ASSERT_EQ(s.set("past", {2, 2}, past), 0) << s.message();
  EXPECT_TRUE(s.run({5, 6}, 2).empty());
  EXPECT_EQ(s.message(), "state 'past2' holds 0 entries, but 'past', which shares its position, holds 2");
  ASSERT_EQ(setun_set_input(s.session, "past2", SETUN_I8, dims, 2, past2), 0);
  ASSERT_EQ(setun_set_input(s.session, "count", SETUN_I64, &one, 1, &count), 0);
  EXPECT_EQ(setun_position(s.session), 2);
  EXPECT_EQ(s.run({5, 6}, 2), (Floats{508, 613}));
  EXPECT_EQ(s.get("present"), (Floats{1, 2, 5, 3, 4, 6}));
  EXPECT_EQ(s.get("count_out"), (Floats{42}));
  // An empty one is as none.
  ASSERT_EQ(s.set("past", {1, 0}, nullptr), 0) << s.message();
  dims[0] = 1, dims[1] = 0;
  ASSERT_EQ(setun_set_input(s.session, "past2", SETUN_I8, dims, 2, nullptr), 0);
  EXPECT_EQ(s.run({7}), (Floats{707})) << s.message();
}

TEST(Session, RefusesStatesThatDoNotFit) {
  fake::Session s;
  float past[16] = {};
  EXPECT_NE(s.set("past", {1, 9}, past), 0);
  EXPECT_EQ(s.message(), "state 'past': dimension 1 is 9, but the session can hold 8 entries");
  int64_t two = 2, data[2] = {};
  EXPECT_NE(setun_set_input(s.session, "count", SETUN_I64, &two, 1, data), 0);
  EXPECT_EQ(s.message(), "state 'count': dimension 0 is 2, expected 1");
}

TEST(Session, GoesBack) {
  fake::Session s;
  s.run({1, 2, 3});
  EXPECT_NE(setun_truncate(s.session, 4), 0);
  EXPECT_EQ(s.message(), "cannot go back to position 4 from 3");
  EXPECT_NE(setun_truncate(s.session, 2), 0);
  EXPECT_EQ(s.message(), "state 'count' does not grow and cannot go back to position 2");
  ASSERT_EQ(setun_truncate(s.session, 0), 0);
  EXPECT_EQ(s.run({5}), (Floats{505}));
  EXPECT_EQ(s.get("count"), (Floats{1}));
}

// The same model without the state that cannot go back.
static void planWithoutCount(const int64_t *symbols, int64_t *values) {
  fake::plan(symbols, values);
  values[5] = values[6];
  values[6] = values[7];
}

TEST(Session, GoesBackByEntries) {
  setun_model_desc desc = fake::model();
  std::vector<setun_argument> arguments(fake::arguments, fake::arguments + 6);
  arguments[fake::Count].kind = SETUN_INPUT;
  desc.arguments = arguments.data();
  setun_level level{"generic", 0, fake::run, planWithoutCount};
  desc.levels = &level;
  desc.num_levels = 1;
  char error[256];
  setun_options options{1, 0, nullptr, nullptr};
  setun_program *program = setun_open_linked(&desc, &options, error, sizeof error);
  ASSERT_TRUE(program) << error;
  {
    fake::Session s(program, 0);
    alignas(64) int64_t count = 0, one = 1;
    ASSERT_EQ(setun_set_input(s.session, "count", SETUN_I64, &one, 1, &count), 0);
    s.run({1, 2, 3, 4});
    ASSERT_EQ(setun_truncate(s.session, 2), 0) << s.message();
    EXPECT_EQ(s.run({5}), (Floats{508}));
    EXPECT_EQ(s.get("present"), (Floats{1, 2, 5}));
  }
  setun_close(program);
}

TEST(Session, InputsMustFit) {
  fake::Session s;
  float x[4] = {1, 2, 3, 4}, step = 1;
  EXPECT_NE(s.set("z", {1}, x), 0);
  EXPECT_EQ(s.message(), "the model has no input 'z'");
  EXPECT_NE(s.set("y", {1}, x), 0); // an output is no input
  EXPECT_NE(s.set("x", {4}, x), 0);
  EXPECT_EQ(s.message(), "input 'x': it has 1 dimensions, expected 2");
  int64_t dims[] = {1, 4};
  EXPECT_NE(setun_set_input(s.session, "x", SETUN_F64, dims, 2, x), 0);
  EXPECT_EQ(s.message(), "input 'x': its type is f64, expected f32");
  EXPECT_NE(setun_set_input(s.session, "x", static_cast<setun_dtype>(99), dims, 2, x), 0);
  EXPECT_EQ(s.message(), "input 'x': its type is unknown, expected f32");
  EXPECT_NE(s.set("x", {1, -4}, x), 0);
  EXPECT_NE(s.set("x", {int64_t(1) << 32, int64_t(1) << 31}, x), 0);
  EXPECT_EQ(s.message(), "input 'x': a dimension is negative or the size is too large");
  EXPECT_NE(s.set("x", {1, 4}, nullptr), 0);
  EXPECT_EQ(s.message(), "input 'x': no data");
  ASSERT_EQ(s.set("x", {1, 4}, x), 0);
  EXPECT_NE(setun_run(s.session), 0);
  EXPECT_EQ(s.message(), "input 'step' is not given");
  float two[2] = {};
  ASSERT_EQ(s.set("step", {2}, two), 0);
  EXPECT_NE(setun_run(s.session), 0);
  EXPECT_EQ(s.message(), "input 'step': dimension 0 is 2, expected 1");
  ASSERT_EQ(s.set("step", {1}, &step), 0);
  EXPECT_EQ(setun_run(s.session), 0) << s.message();
}

TEST(Session, AFailureOfTheCodeIsTheRunsError) {
  fake::Session s(4);
  s.run({1, 2, 3});
  EXPECT_TRUE(s.run({4, 113}).empty());
  EXPECT_EQ(s.message(), "thirteen at the end");
  EXPECT_TRUE(s.get("y").empty());
  EXPECT_EQ(s.message(), "output 'y' has no value: no run has succeeded");
  EXPECT_EQ(s.run({4}), (Floats{410})); // the growing states are as before
}

TEST(Session, TakesEmptyInputs) {
  fake::Session s;
  float step = 1;
  ASSERT_EQ(s.set("x", {1, 0}, nullptr), 0);
  ASSERT_EQ(s.set("step", {1}, &step), 0);
  EXPECT_EQ(setun_run(s.session), 0) << s.message();
  Dims dims;
  EXPECT_TRUE(s.get("y", &dims).empty());
  EXPECT_EQ(dims, (Dims{1, 0}));
}

TEST(Session, SizesThatNoMachineHasAreErrors) {
  fake::Session s(1, int64_t(1) << 60);
  EXPECT_TRUE(s.run({1, 2}, 2).empty());
  EXPECT_EQ(s.message(), "state 'past' is too large");
  fake::Session t(1, int64_t(1) << 58);
  EXPECT_TRUE(t.run({1}).empty());
  EXPECT_NE(t.message().find("out of memory: state 'past' takes 1152921504606846976 bytes"), std::string::npos)
      << t.message();
  EXPECT_EQ(setun_session_open(t.program, -1, t.error, sizeof t.error), nullptr);
  EXPECT_STREQ(t.error, "a session cannot hold -1 entries");
}

TEST(Session, TellsWhatTheModelTakes) {
  fake::Session s;
  EXPECT_EQ(setun_count(s.program, SETUN_INPUT), 2u);
  EXPECT_EQ(setun_count(s.program, SETUN_STATE), 3u);
  EXPECT_EQ(setun_count(s.program, SETUN_OUTPUT), 1u);
  setun_info info;
  ASSERT_EQ(setun_get_info(s.program, SETUN_STATE, 1, &info), 0);
  EXPECT_STREQ(info.name, "past2");
  EXPECT_STREQ(info.output_name, "present2");
  EXPECT_EQ(info.dtype, SETUN_I8);
  EXPECT_EQ(info.axis, 1);
  EXPECT_STREQ(setun_dim_name(s.program, info.dims[1]), "capacity");
  EXPECT_EQ(setun_dim_name(s.program, 5), nullptr);
  EXPECT_EQ(setun_dim_name(s.program, -5), nullptr);
  EXPECT_NE(setun_get_info(s.program, SETUN_STATE, 3, &info), 0);
  EXPECT_STREQ(setun_dtype_name(SETUN_BF16), "bf16");
  EXPECT_EQ(setun_dtype_name(static_cast<setun_dtype>(11)), nullptr);
}

} // namespace
