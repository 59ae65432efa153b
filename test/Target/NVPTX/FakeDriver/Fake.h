//===- Fake.h - What the stand-in for libcuda keeps -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Strict where the driver is lenient: every handle, size and state is checked. Work on
// a stream waits until somebody waits for it. Memory of the device can be read by the
// host through copies only.
//
//   SETUN_FAKE_CUDA_DEVICES=0         no device
//   SETUN_FAKE_CUDA_ARCH=90           its architecture
//   SETUN_FAKE_CUDA_SMS=132           its multiprocessors
//   SETUN_FAKE_CUDA_MEMORY=BYTES      its memory, 2 GiB if not said
//   SETUN_FAKE_CUDA_SEED=N            schedules of threads, see EmulatorOptions
//   SETUN_FAKE_CUDA_CHECK=0           no checks of addresses in kernels
//   SETUN_FAKE_CUDA_RACES=0           no search for races of shared memory
//   SETUN_FAKE_CUDA_LOG=FILE          all calls, one JSON object a line
//   SETUN_FAKE_CUDA_FAIL=CALL:N[:E],  the Nth call of a function fails, with error E
//
//===----------------------------------------------------------------------===//

#ifndef SETUN_TEST_TARGET_NVPTX_FAKEDRIVER_FAKE_H
#define SETUN_TEST_TARGET_NVPTX_FAKEDRIVER_FAKE_H

#include "Driver.h"

#include "setun/Target/NVPTX/Emulator.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/JSON.h"

#include <deque>
#include <map>
#include <mutex>
#include <set>

struct CUfunc_st {
  CUmodule module;
  const setun::nvptx::KernelInfo *info;
  int dynamicShared; // how much a launch may ask for
};

struct CUmod_st {
  std::string image;
  std::unique_ptr<setun::nvptx::DeviceEmulator> emulator;
  uint64_t memoryVersion = 0;
  std::map<std::string, CUfunc_st> functions;
};

enum class Kind { Launch, Upload, Download, Copy, Set, Record };

/// One piece of work on a stream, or a node of a graph.
struct Work {
  Kind kind;
  // Launch
  CUfunction function = nullptr;
  setun::nvptx::LaunchConfig config{};
  std::vector<uint8_t> params{};
  bool dependent = false; // may start before the end of the work in front of it
  // Copies and Set; addresses of host or device
  uint64_t to = 0, from = 0;
  size_t size = 0;
  uint8_t value = 0;
  std::vector<uint8_t> bytes{}; // what was in pageable memory when the copy was asked for
  bool snapshot = false;
  CUevent event = nullptr;
  bool external = false; // Record: a node of the graph that it is captured to
};

struct CUgraphNode_st {
  Work work;
  std::vector<void *> extra; // what cuGraphKernelNodeGetParams gives
  size_t paramsSize = 0;
};

struct CUgraph_st {
  std::vector<std::unique_ptr<CUgraphNode_st>> nodes;
};

struct CUgraphExec_st {
  std::vector<Work> work;
  std::vector<CUgraphNode> nodes; // of the graph it was made of
};

struct CUstream_st {
  std::deque<Work> queue;
  CUgraph capture = nullptr;
  bool captureBroken = false;
  uint64_t done = 0; // pieces of work
};

struct CUevent_st {
  CUstream stream = nullptr; // where it was last recorded and is still to come
  bool recorded = false, timed = true;
  double time = 0;
};

/// What fails when: calls of `function` so far, and the number of the one that fails.
struct Sabotage {
  std::string function;
  uint64_t number;
  int error;
};

struct Fake {
  std::recursive_mutex lock;
  // Of the environment.
  int devices = 1, arch = 90, sms = 132;
  uint64_t memory = 2ull << 30, seed = 0;
  bool checks = true, races = true;
  FILE *log = nullptr;
  std::vector<Sabotage> sabotage;
  llvm::StringMap<uint64_t> calls;
  uint64_t numCalls = 0;

  bool initialized = false;
  int retained = 0;
  CUresult broken = CUDA_SUCCESS; // a kernel has failed: the context is lost
  std::string why;                // the last refusal

  uint64_t used = 0, memoryVersion = 1;
  std::map<uint64_t, uint64_t> allocations, pinned; // begin, size
  int opened = 0;                                   // how often the device's memory is open to the host
  std::set<const void *> modules, streams, events, graphs, execs;
  std::map<const void *, CUmodule> functions;
  std::unique_ptr<CUstream_st> defaultStream;
  uint64_t rng = 1;

  ~Fake();
  void configure();
  int sharedLimit() const; // per block, with leave
};

Fake &fake();
/// The contexts of this thread, the current one last.
std::vector<CUcontext> &contexts();
/// The handle of the only context.
CUcontext primary();

/// What a call needs before it does anything.
enum Needs : unsigned { kNothing = 0, kInit = 1, kContext = 3, kNoCapture = 4, kRelease = 8 };

using Arguments = std::initializer_list<std::pair<const char *, llvm::json::Value>>;
/// Runs a call: checks what it needs, lets it fail if it is to fail, and logs it.
CUresult run(const char *name, unsigned needs, Arguments arguments, llvm::function_ref<CUresult()> body);
/// The error and why.
CUresult refuse(CUresult error, const llvm::Twine &why);
void note(llvm::json::Object line);

/// Opens the device's memory to the host for as long as it lives.
struct Open {
  Open();
  ~Open();
};

/// Whether [address, address + size) is of one allocation; the refusal says what it is instead.
CUresult checkDevice(const char *what, uint64_t address, size_t size);
bool isPinned(uint64_t address, size_t size);
CUresult checkStream(CUstream &stream);
/// Puts work on a stream, or into the graph that it is being captured to.
CUresult enqueue(CUstream stream, Work work);
/// Does the work of a stream, up to the event if there is one.
CUresult flush(CUstream stream, CUevent until = nullptr);
CUresult flushAll();
/// Breaks the captures of this thread: one must not do that now.
CUresult checkNoCapture(const char *name);
/// The parameters of a launch as one buffer.
CUresult packParams(CUfunction function, void **params, void **extra, std::vector<uint8_t> &packed);
CUresult checkFunction(CUfunction function);
CUresult checkLaunch(CUfunction function, const setun::nvptx::LaunchConfig &config);

#define SETUN_FAKE_API extern "C" __attribute__((visibility("default"))) CUresult

#endif // SETUN_TEST_TARGET_NVPTX_FAKEDRIVER_FAKE_H
