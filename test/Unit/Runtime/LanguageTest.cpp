//===- LanguageTest.cpp - Language models, tokens alone -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The fake model's likeliest next token is the sum of all tokens so far, modulo 16.
//
//===----------------------------------------------------------------------===//

#include "setun-rt/language.h"

#include "gtest/gtest.h"
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using Ids = std::vector<int64_t>;

struct Model {
  char error[512] = "";
  setun_program *program;
  setun_lm *lm = nullptr;
  setun_sampler *sampler;

  explicit Model(const char *name = "fake-lm", int64_t context = 0, int64_t chunk = 0) {
    std::string file = std::string(FAKE_FOLDER "/") + name + ".so";
    setun_options options{1, 0, nullptr, nullptr};
    program = setun_open(file.c_str(), &options, error, sizeof error);
    EXPECT_NE(program, nullptr) << error;
    setun_lm_options lmOptions{context, chunk};
    lm = setun_lm_open(program, &lmOptions, error, sizeof error);
    setun_sampling greedy{};
    sampler = setun_sampler_open(&greedy, error, sizeof error);
  }
  ~Model() {
    setun_sampler_close(sampler);
    setun_lm_close(lm);
    setun_close(program);
  }
  int extend(const Ids &ids) { return setun_lm_extend(lm, ids.data(), static_cast<int64_t>(ids.size())); }
  Ids tokens() const {
    const int64_t *ids = setun_lm_tokens(lm);
    return {ids, ids + setun_lm_length(lm)};
  }
  std::string message() const { return setun_lm_error(lm); }

  setun_finish finish = SETUN_FINISH_LENGTH;
  size_t most = SIZE_MAX; // tokens, after which the callback ends it
  Ids given;
  static int give(void *user, int64_t id, const char *, size_t size) {
    auto *self = static_cast<Model *>(user);
    EXPECT_EQ(size, 0u); // the fake has no tokenizer
    self->given.push_back(id);
    return self->given.size() >= self->most;
  }
  Ids generate(int64_t count, setun_generation options = {}) {
    given.clear();
    options.max_tokens = count;
    EXPECT_EQ(setun_lm_generate(lm, sampler, &options, give, this, &finish), 0) << message();
    return given;
  }
};

int64_t next(const Ids &tokens) { return std::accumulate(tokens.begin(), tokens.end(), int64_t(0)) % 16; }

TEST(Language, GeneratesInOneCallAsInTwo) {
  for (const char *name : {"fake-lm", "fake-kept", "fake-stateless"})
    for (int64_t chunk : {0, 1, 2}) {
      Model model(name, 0, chunk);
      ASSERT_EQ(model.extend({1, 2, 3}), 0) << model.message();
      EXPECT_EQ(setun_lm_vocabulary(model.lm), 16);
      EXPECT_EQ(model.generate(2), (Ids{6, 12}));
      EXPECT_EQ(model.finish, SETUN_FINISH_LENGTH);
      EXPECT_EQ(model.tokens(), (Ids{1, 2, 3, 6, 12}));
      EXPECT_EQ(model.generate(3), (Ids{8, 0, 0}));
      const float *logits = setun_lm_logits(model.lm); // of the last token, which was not taken yet
      ASSERT_NE(logits, nullptr);
      EXPECT_EQ(std::max_element(logits, logits + 16) - logits, 0);
    }
}

TEST(Language, GoesBack) {
  Model model;
  EXPECT_EQ(setun_lm_logits(model.lm), nullptr);
  ASSERT_EQ(model.extend({1, 2, 3}), 0);
  model.generate(4);
  ASSERT_EQ(setun_lm_truncate(model.lm, 2), 0);
  EXPECT_EQ(setun_lm_logits(model.lm), nullptr);
  ASSERT_EQ(model.extend({5}), 0);
  EXPECT_EQ(model.tokens(), (Ids{1, 2, 5}));
  EXPECT_EQ(model.generate(2), (Ids{8, 0}));
  EXPECT_EQ(setun_lm_truncate(model.lm, 9), -1);
  EXPECT_EQ(model.message(), "cannot go back to 9 tokens from 5");
}

TEST(Language, EndsAtEndTokensAndByTheCaller) {
  Model model;
  ASSERT_EQ(model.extend({1, 2, 3}), 0);
  const int64_t ends[] = {9, 8};
  setun_generation options{};
  options.end_tokens = ends;
  options.num_end_tokens = 2;
  EXPECT_EQ(model.generate(0, options), (Ids{6, 12, 8}));
  EXPECT_EQ(model.finish, SETUN_FINISH_END);
  EXPECT_EQ(model.tokens(), (Ids{1, 2, 3, 6, 12, 8}));
  model.most = 2;
  EXPECT_EQ(model.generate(9), (Ids{0, 0}));
  EXPECT_EQ(model.finish, SETUN_FINISH_CALLER);
  EXPECT_EQ(setun_lm_length(model.lm), 8);
}

TEST(Language, StopsWhenTheContextIsFull) {
  Model model("fake-lm", 6);
  ASSERT_EQ(model.extend({1, 2, 3}), 0);
  EXPECT_EQ(setun_lm_room(model.lm), 3);
  EXPECT_EQ(model.generate(0), (Ids{6, 12, 8}));
  EXPECT_EQ(model.finish, SETUN_FINISH_CONTEXT);
  EXPECT_EQ(setun_lm_room(model.lm), 0);
  EXPECT_EQ(model.generate(0), Ids());
  EXPECT_EQ(model.finish, SETUN_FINISH_CONTEXT);
}

TEST(Language, ShiftsWhenTheContextIsFull) {
  Model model("fake-lm", 7);
  Ids expected = {1, 2, 3}, all;
  ASSERT_EQ(model.extend(expected), 0);
  setun_generation options{};
  options.overflow = SETUN_SHIFT;
  options.keep = 2;
  for (int i = 0; i < 40; ++i) {
    if (expected.size() == 7) // 5 follow the first two: the last 2 of them stay
      expected.erase(expected.begin() + 2, expected.begin() + 5);
    all.push_back(next(expected));
    expected.push_back(all.back());
  }
  EXPECT_EQ(model.generate(40, options), all);
  EXPECT_EQ(model.finish, SETUN_FINISH_LENGTH);
  EXPECT_EQ(model.tokens(), expected);
  options.keep = 7;
  EXPECT_EQ(setun_lm_generate(model.lm, model.sampler, &options, nullptr, nullptr, nullptr), -1);
  EXPECT_EQ(model.message(), "the context cannot shift: the first 7 tokens are to be kept, and there are 7");
}

TEST(Language, GivesLogitsOfAllTokens) {
  struct Rows {
    std::vector<int64_t> best;
    static int add(void *user, const float *rows, int64_t count, int64_t vocabulary) {
      for (int64_t i = 0; i < count; ++i)
        static_cast<Rows *>(user)->best.push_back(std::max_element(rows + i * vocabulary, rows + (i + 1) * vocabulary) -
                                                  (rows + i * vocabulary));
      return static_cast<Rows *>(user)->best.size() > 5;
    }
  };
  for (const char *name : {"fake-lm", "fake-kept", "fake-stateless"}) {
    Model model(name, 0, 2);
    Rows rows;
    setun_lm_on_logits(model.lm, Rows::add, &rows);
    ASSERT_EQ(model.extend({1, 2, 3}), 0);
    ASSERT_EQ(model.extend({4}), 0);
    EXPECT_EQ(rows.best, (Ids{1, 3, 6, 10})) << name;
    EXPECT_EQ(model.extend({4, 1}), -1);
    EXPECT_EQ(model.message(), "ended by the function that gets the logits");
  }
}

TEST(Language, RefusesWhatItCannotTake) {
  Model model("fake-lm", 4);
  EXPECT_EQ(model.extend({1, 16}), -1);
  EXPECT_EQ(model.message(), "token 16 is not in the vocabulary of 16");
  EXPECT_EQ(model.extend({1, 2, 3, 4, 5}), -1);
  EXPECT_EQ(model.message(), "5 tokens do not fit into the context, which has room for 4 more");
  EXPECT_EQ(setun_lm_length(model.lm), 0);
  EXPECT_EQ(setun_lm_generate(model.lm, model.sampler, nullptr, nullptr, nullptr, nullptr), -1);
  EXPECT_EQ(model.message(), "a generation needs a token to begin from");
  const char *stop = "x";
  setun_generation options{};
  options.stop = &stop;
  options.num_stops = 1;
  EXPECT_EQ(setun_lm_generate(model.lm, model.sampler, &options, nullptr, nullptr, nullptr), -1);
  EXPECT_EQ(model.message(), "stop texts need a tokenizer, and the model was compiled without one");
}

/*===-- State files -------------------------------------------------------===*/

struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("setun-state-" + std::to_string(getpid()));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const char *name) const { return path / name; }
  size_t count() const { return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path), {})); }
};

std::string read(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write(const std::string &path, const std::string &bytes) { std::ofstream(path, std::ios::binary) << bytes; }

TEST(LanguageState, ContinuesAsIfItNeverStopped) {
  Folder folder;
  for (const char *name : {"fake-lm", "fake-kept", "fake-stateless"}) {
    Model one(name), other(name);
    ASSERT_EQ(one.extend({1, 2, 3}), 0);
    one.generate(2); // its last token waits
    ASSERT_EQ(setun_lm_set_note(one.lm, "note", 4), 0);
    ASSERT_EQ(setun_lm_save(one.lm, folder.file("state").c_str()), 0) << one.message();
    ASSERT_EQ(other.extend({7, 7}), 0); // forgotten
    ASSERT_EQ(setun_lm_load(other.lm, folder.file("state").c_str()), 0) << other.message();
    EXPECT_EQ(other.tokens(), one.tokens());
    size_t size;
    const void *note = setun_lm_note(other.lm, &size);
    EXPECT_EQ(std::string(static_cast<const char *>(note), size), "note");
    const float *a = setun_lm_logits(one.lm), *b = setun_lm_logits(other.lm);
    EXPECT_TRUE(a && b && std::equal(a, a + 16, b));
    EXPECT_EQ(other.generate(6), one.generate(6));
    EXPECT_EQ(folder.count(), 1u) << "a temporary file stays";
  }
}

/// A model whose sampler draws, with penalties that look back.
struct Drawn : Model {
  explicit Drawn(uint64_t seed) {
    setun_sampler_close(sampler);
    setun_sampling sampling{};
    sampling.temperature = 6;
    sampling.repetition_penalty = 1.2;
    sampling.frequency_penalty = 2;
    sampling.presence_penalty = 1;
    sampling.seed = seed;
    sampler = setun_sampler_open(&sampling, error, sizeof error);
  }
};

TEST(LanguageState, DrawsGoOn) {
  Folder folder;
  std::string path = folder.file("state");
  for (bool between : {false, true}) { // a token between the two: penalties count anew, draws go on
    Drawn whole(9), first(9), second(1), other(1), fresh(9);
    EXPECT_EQ(setun_lm_resume(fresh.lm, fresh.sampler), 0) << "nothing was drawn yet";
    Ids expected, prompt = {1, 2, 3};
    for (Drawn *model : {&whole, &first})
      ASSERT_EQ(model->extend(prompt), 0);
    if (between) {
      expected = whole.generate(6);
      ASSERT_EQ(whole.extend({3}), 0);
      Ids rest = whole.generate(12);
      expected.insert(expected.end(), rest.begin(), rest.end());
    } else {
      expected = whole.generate(18);
    }
    Ids mine = first.generate(6), otherwise = mine;
    ASSERT_EQ(setun_lm_save(first.lm, path.c_str()), 0) << first.message();
    for (Drawn *model : {&second, &other})
      ASSERT_EQ(setun_lm_load(model->lm, path.c_str()), 0) << model->message();
    EXPECT_EQ(setun_lm_resume(second.lm, second.sampler), 1);
    if (between)
      for (Drawn *model : {&second, &other})
        ASSERT_EQ(model->extend({3}), 0);
    for (auto [model, into] : {std::pair(&second, &mine), std::pair(&other, &otherwise)}) {
      Ids rest = model->generate(12);
      into->insert(into->end(), rest.begin(), rest.end());
    }
    EXPECT_EQ(mine, expected);
    EXPECT_NE(otherwise, expected) << "its seed is another";
    // A state that was saved once more, by the one that went on.
    ASSERT_EQ(setun_lm_save(second.lm, path.c_str()), 0);
    Drawn third(2);
    ASSERT_EQ(setun_lm_load(third.lm, path.c_str()), 0);
    EXPECT_EQ(setun_lm_resume(third.lm, third.sampler), 1);
    EXPECT_EQ(setun_lm_resume(whole.lm, whole.sampler), 1);
    EXPECT_EQ(third.generate(5), whole.generate(5));
  }
  Drawn back(9);
  ASSERT_EQ(back.extend({1, 2, 3}), 0);
  back.generate(6);
  ASSERT_EQ(setun_lm_truncate(back.lm, 2), 0);
  ASSERT_EQ(setun_lm_save(back.lm, path.c_str()), 0) << back.message();
  EXPECT_EQ(setun_lm_load(back.lm, path.c_str()), 0) << back.message();
}

TEST(LanguageState, KeepsAnEmptyOne) {
  Folder folder;
  Model one, other;
  ASSERT_EQ(setun_lm_save(one.lm, folder.file("state").c_str()), 0) << one.message();
  ASSERT_EQ(other.extend({7, 7}), 0);
  ASSERT_EQ(setun_lm_load(other.lm, folder.file("state").c_str()), 0) << other.message();
  EXPECT_EQ(setun_lm_length(other.lm), 0);
  ASSERT_EQ(other.extend({5}), 0);
  EXPECT_EQ(other.generate(1), Ids{5});
}

TEST(LanguageState, RefusesEveryDamage) {
  Folder folder;
  Model one, other;
  ASSERT_EQ(one.extend({1, 2, 3}), 0);
  ASSERT_EQ(setun_lm_set_note(one.lm, "abc", 3), 0);
  ASSERT_EQ(setun_lm_save(one.lm, folder.file("state").c_str()), 0);
  ASSERT_EQ(other.extend({4, 5}), 0);
  std::string whole = read(folder.file("state"));
  auto refused = [&](const std::string &bytes) {
    write(folder.file("damaged"), bytes);
    return setun_lm_load(other.lm, folder.file("damaged").c_str()) == -1 && setun_lm_length(other.lm) == 2;
  };
  ASSERT_GT(whole.size(), 100u);
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string bytes = whole;
    bytes[i] ^= 1 << i % 8;
    EXPECT_TRUE(refused(bytes)) << "byte " << i;
    EXPECT_TRUE(refused(whole.substr(0, i))) << "cut at " << i;
  }
  EXPECT_TRUE(refused(whole + '\0'));
  EXPECT_TRUE(refused(whole + whole));
  EXPECT_EQ(other.generate(2), (Ids{9, 2})) << "it went on as it was";
}

/// The checksum as state.c documents it, made right again.
std::string sealed(std::string bytes) {
  uint64_t hash = 0xcbf29ce484222325u, word;
  for (size_t i = 0; i + 8 < bytes.size(); i += 8) {
    std::memcpy(&word, &bytes[i], 8);
    hash = (hash ^ word) * 0x100000001b3u;
    hash ^= hash >> 29;
  }
  std::memcpy(&bytes[bytes.size() - 8], &hash, 8);
  return bytes;
}

TEST(LanguageState, SurvivesHostileOnes) {
  Folder folder;
  std::string path = folder.file("state");
  Model one;
  ASSERT_EQ(one.extend({1, 2, 3}), 0);
  ASSERT_EQ(setun_lm_set_note(one.lm, "abc", 3), 0);
  ASSERT_EQ(setun_lm_save(one.lm, path.c_str()), 0);
  std::string whole = read(path);
  ASSERT_EQ(sealed(whole), whole);
  int refused = 0;
  for (size_t i = 8; i + 8 < whole.size(); i += 8)
    for (uint64_t value :
         {uint64_t(0), uint64_t(1), uint64_t(1) << 32, uint64_t(1) << 60, uint64_t(1) << 63, ~uint64_t(0)}) {
      std::string bytes = whole;
      std::memcpy(&bytes[i], &value, 8);
      write(path, sealed(bytes));
      Model other;
      ASSERT_EQ(other.extend({4, 5}), 0);
      if (setun_lm_load(other.lm, path.c_str()) == 0)
        continue; // a token, a logit or a state's number is another: nobody can tell
      ++refused;
      EXPECT_EQ(other.generate(2), (Ids{9, 2})) << "word " << i / 8;
    }
  EXPECT_GT(refused, 6 * 6); // all but the right one of each count in the header, and the state's type and sizes
}

TEST(LanguageState, SaysWhy) {
  Folder folder;
  std::string path = folder.file("state"), prefix = "cannot load the state '" + path + "': ";
  Model one, small("fake-lm", 2), kept("fake-kept");
  ASSERT_EQ(one.extend({1, 2, 3}), 0);
  ASSERT_EQ(setun_lm_save(one.lm, path.c_str()), 0);
  EXPECT_EQ(setun_lm_load(small.lm, path.c_str()), -1);
  EXPECT_EQ(small.message(), prefix + "its 3 tokens do not fit into the context of 2");
  EXPECT_EQ(setun_lm_load(kept.lm, path.c_str()), -1);
  EXPECT_EQ(kept.message(), prefix + "it is of another model");
  std::string bytes = read(path);
  write(path, "hello");
  EXPECT_EQ(setun_lm_load(one.lm, path.c_str()), -1);
  EXPECT_EQ(one.message(), prefix + "it is no state file");
  std::string old = bytes;
  old[7] = '1';
  write(path, old);
  EXPECT_EQ(setun_lm_load(one.lm, path.c_str()), -1);
  EXPECT_EQ(one.message(), prefix + "its format has version 1, and this program reads version 2");
  bytes[70] ^= 1;
  write(path, bytes);
  EXPECT_EQ(setun_lm_load(one.lm, path.c_str()), -1);
  EXPECT_EQ(one.message(), prefix + "it is damaged: its checksum differs");
  std::filesystem::remove(path);
  EXPECT_EQ(setun_lm_load(one.lm, path.c_str()), -1);
  EXPECT_EQ(one.message(), prefix + "No such file or directory");
  EXPECT_EQ(setun_lm_load(one.lm, folder.path.c_str()), -1);
  EXPECT_EQ(setun_lm_save(one.lm, folder.file("no/state").c_str()), -1);
  EXPECT_EQ(one.message(), "cannot write '" + folder.file("no/state") + "': No such file or directory");
}

} // namespace
