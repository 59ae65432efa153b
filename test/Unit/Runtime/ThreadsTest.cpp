//===- ThreadsTest.cpp - The pool, and sessions side by side -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeModel.h"
#include "Internal.h"

#include "gtest/gtest.h"
#include <algorithm>
#include <atomic>
#include <chrono>
#include <dirent.h>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

namespace {

using Body = std::function<void(int64_t, int64_t)>;
void callBody(void *env, int64_t begin, int64_t end) { (*static_cast<Body *>(env))(begin, end); }

struct Pool {
  setun_pool *pool;
  explicit Pool(int threads, bool pin = false) : pool(setun_pool_create(threads, pin, {nullptr, 0})) {}
  ~Pool() { setun_pool_destroy(pool); }
  void run(int64_t count, int64_t grain, Body body) { setun_pool_for(pool, count, grain, callBody, &body); }
};

TEST(Threads, CoverEveryIndexOnceInMultiplesOfTheGrain) {
  for (int threads : {1, 2, 3, 8})
    for (int64_t grain : {1, 3, 64})
      for (int64_t count : {0, 1, 2, 63, 64, 65, 1000}) {
        Pool pool(threads, threads == 3);
        std::vector<int> seen(static_cast<size_t>(count));
        for (int round = 0; round < 3; ++round)
          pool.run(count, grain, [&](int64_t begin, int64_t end) {
            EXPECT_LT(begin, end);
            EXPECT_EQ(begin % grain, 0);
            EXPECT_TRUE(end % grain == 0 || end == count);
            for (int64_t i = begin; i < end; ++i)
              ++seen[static_cast<size_t>(i)]; // a race if two threads had the same index
          });
        EXPECT_EQ(seen, std::vector<int>(static_cast<size_t>(count), 3));
      }
}

TEST(Threads, AJobIsDoneWhenTheCallReturns) {
  Pool pool(4);
  int64_t plain = 0;
  std::vector<int64_t> parts(64);
  for (int job = 0; job < 2000; ++job) {
    pool.run(64, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        parts[static_cast<size_t>(i)] = plain + i; // reads what the last round wrote
    });
    for (int64_t part : parts)
      plain = plain > part ? plain : part;
  }
  EXPECT_EQ(plain, 2000 * 63);
}

TEST(Threads, WakeAfterSleeping) {
  Pool pool(3);
  for (int i = 0; i < 5; ++i) {
    std::atomic<int> inside{0};
    std::mutex lock;
    std::set<std::thread::id> ids;
    // Returns only when two threads are in it at once: a worker must wake.
    pool.run(3, 1, [&](int64_t, int64_t) {
      ++inside;
      while (inside < 2)
        std::this_thread::yield();
      std::lock_guard<std::mutex> guard(lock);
      ids.insert(std::this_thread::get_id());
    });
    EXPECT_GE(ids.size(), 2u);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

TEST(Threads, NestedCallsRunInline) {
  Pool pool(4);
  std::atomic<int64_t> sum{0};
  pool.run(100, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::thread::id outer = std::this_thread::get_id();
      pool.run(10, 1, [&](int64_t b, int64_t e) {
        EXPECT_EQ(std::this_thread::get_id(), outer);
        sum += e - b;
      });
    }
  });
  EXPECT_EQ(sum, 1000);
}

TEST(Threads, SmallJobsAndOneThreadRunInline) {
  std::thread::id self = std::this_thread::get_id();
  Pool one(1), many(8);
  one.run(1000, 1, [&](int64_t begin, int64_t end) { EXPECT_EQ(end - begin, 1000); });
  many.run(64, 64, [&](int64_t, int64_t) { EXPECT_EQ(std::this_thread::get_id(), self); });
}

size_t countThreads() {
  size_t count = 0;
  if (DIR *folder = opendir("/proc/self/task")) {
    while (readdir(folder))
      ++count;
    closedir(folder);
  }
  return count;
}

TEST(Threads, StartWhenFirstNeeded) {
  std::thread([] {}).join(); // ThreadSanitizer starts a thread of its own with the first one
  size_t before = countThreads();
  Pool pool(4);
  pool.run(10, 10, [](int64_t, int64_t) {});
  EXPECT_EQ(countThreads(), before);
  pool.run(10, 1, [](int64_t, int64_t) {});
  EXPECT_EQ(countThreads(), before + 3);
}

std::vector<float> useSession(setun_program *program, int salt) {
  fake::Session s(program, 600);
  std::vector<float> all;
  for (int i = 0; i < 100; ++i) {
    std::vector<float> x;
    for (int j = 0; j < 8 * (i % 5 + 1); ++j)
      x.push_back(static_cast<float>((i * 31 + j * 17 + salt) % 97) * 0.37f);
    std::vector<float> y = s.run(x, 8);
    EXPECT_FALSE(y.empty()) << s.message();
    all.insert(all.end(), y.begin(), y.end());
  }
  return all;
}

TEST(Threads, SessionsSideBySideGiveTheSameAsOneAfterTheOther) {
  fake::Session first(1), shared(4);
  std::vector<std::vector<float>> expected, got(4);
  for (int salt = 0; salt < 4; ++salt)
    expected.push_back(useSession(first.program, salt));
  std::vector<std::thread> threads;
  for (int salt = 0; salt < 4; ++salt)
    threads.emplace_back([&, salt] { got[static_cast<size_t>(salt)] = useSession(shared.program, salt); });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(got, expected);
}

// Tells what a parallel loop costs beside its work: two chunks of a microsecond each, against one such chunk. On a
// machine that is not busy a pool of two takes about that; asserted is only what holds on any.
TEST(Threads, Cost) {
  auto spin = [](void *, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (auto start = std::chrono::steady_clock::now();
           std::chrono::steady_clock::now() - start < std::chrono::microseconds(1);)
        ;
  };
  auto median = [&](int threads, int64_t count, setun_body_fn body) {
    Pool pool(threads);
    std::vector<double> times;
    for (int i = 0; i < 20000; ++i) {
      auto start = std::chrono::steady_clock::now();
      setun_pool_for(pool.pool, count, 1, body, nullptr);
      times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    }
    std::nth_element(times.begin(), times.begin() + 10000, times.end());
    return times[10000];
  };
  auto nothing = [](void *, int64_t, int64_t) {};
  double empty = median(2, 2, nothing), one = median(1, 1, spin), two = median(2, 2, spin);
  printf("parallel_for on 2 threads: %.2f us empty; 2 chunks of 1 us: %.2f us, 1 chunk alone: %.2f us\n", empty, two,
         one);
  EXPECT_LT(empty, 100);
  EXPECT_LT(two, 100);
}

} // namespace
