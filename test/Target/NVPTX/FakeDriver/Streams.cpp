//===- Streams.cpp - Work that waits, and its end -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A stream's work is done when somebody waits for it, not before: what a program reads
// without waiting is not there. Streams know nothing of each other.
//
//===----------------------------------------------------------------------===//

#include "Fake.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <cstring>

using namespace llvm;
using namespace setun::nvptx;

static double now() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

CUresult checkStream(CUstream &stream) {
  Fake &state = fake();
  if (!stream) {
    if (!state.defaultStream)
      state.defaultStream = std::make_unique<CUstream_st>();
    stream = state.defaultStream.get();
    return flushAll(); // it waits for all others
  }
  return state.streams.count(stream) || stream == state.defaultStream.get()
             ? CUDA_SUCCESS
             : refuse(CUDA_ERROR_INVALID_HANDLE, "not a stream");
}

CUresult enqueue(CUstream stream, Work work) {
  if (stream->capture) {
    if (stream->captureBroken)
      return refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture was broken before");
    if (work.kind == Kind::Record && !work.external)
      return CUDA_SUCCESS; // a dependency inside of the graph, which is one line anyway
    auto node = std::make_unique<CUgraphNode_st>();
    node->work = std::move(work);
    stream->capture->nodes.push_back(std::move(node));
    return CUDA_SUCCESS;
  }
  if (work.kind == Kind::Record)
    work.event->stream = stream;
  stream->queue.push_back(std::move(work));
  return CUDA_SUCCESS;
}

static std::vector<MemoryRange> liveMemory() {
  std::vector<MemoryRange> ranges;
  for (auto [begin, size] : fake().allocations)
    ranges.push_back({begin, size});
  return ranges;
}

static CUresult breakContext(Error error) {
  std::string message = toString(std::move(error));
  StringRef text = message;
  fake().broken = text.contains("outside of every allocation") || text.contains("bytes of shared memory")
                      ? CUDA_ERROR_ILLEGAL_ADDRESS
                  : text.contains("not a multiple of") ? CUDA_ERROR_MISALIGNED_ADDRESS
                                                       : CUDA_ERROR_LAUNCH_FAILED;
  return refuse(fake().broken, message);
}

/// Starts a kernel; `early`: in front of work that it depends on.
static Expected<std::unique_ptr<EmulatedLaunch>> begin(const Work &work, uint32_t early) {
  CUmodule module = work.function->module;
  if (module->memoryVersion != fake().memoryVersion) {
    module->emulator->setMemory(liveMemory());
    module->memoryVersion = fake().memoryVersion;
  }
  LaunchConfig config = work.config;
  config.params = work.params.data();
  config.paramsSize = work.params.size();
  return module->emulator->begin(work.function->info->name, config, early);
}

/// How many blocks of the next kernel start while this one runs: with dependent launch, and if this one lets them.
static uint32_t countEarly(const Work &work, const std::deque<Work> &queue) {
  if (queue.empty() || queue.front().kind != Kind::Launch || !queue.front().dependent ||
      !work.function->info->signalsDependents)
    return 0;
  Fake &state = fake();
  if (!state.seed)
    return 1;
  state.rng = state.rng * 6364136223846793005ull + 1442695040888963407ull;
  return state.rng >> 33 & 3;
}

/// A kernel, and all that start before their predecessor's end.
static CUresult launch(CUstream stream, Work work) {
  auto running = begin(work, 0);
  for (;;) {
    if (!running)
      return breakContext(running.takeError());
    uint32_t early = countEarly(work, stream->queue);
    if (!early) {
      if (Error error = (*running)->finish())
        return breakContext(std::move(error));
      return CUDA_SUCCESS;
    }
    Work next = std::move(stream->queue.front());
    stream->queue.pop_front();
    auto following = begin(next, early);
    if (!following)
      return breakContext(following.takeError());
    if (Error error = (*running)->finish())
      return breakContext(std::move(error));
    ++stream->done;
    running = std::move(following);
    work = std::move(next);
  }
}

static CUresult perform(CUstream stream, Work work) {
  auto *to = reinterpret_cast<void *>(work.to);
  auto *from = reinterpret_cast<const void *>(work.from);
  switch (work.kind) {
  case Kind::Launch:
    return launch(stream, std::move(work));
  case Kind::Upload:
  case Kind::Download:
  case Kind::Copy:
    memcpy(to, work.snapshot ? work.bytes.data() : from, work.size);
    return CUDA_SUCCESS;
  case Kind::Set:
    memset(to, work.value, work.size);
    return CUDA_SUCCESS;
  case Kind::Record:
    work.event->time = now();
    work.event->recorded = true;
    if (work.event->stream == stream)
      work.event->stream = nullptr;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_UNKNOWN;
}

CUresult flush(CUstream stream, CUevent until) {
  if (fake().broken) {
    stream->queue.clear();
    return refuse(fake().broken, "a kernel has failed before; the context is lost");
  }
  if (stream->queue.empty())
    return CUDA_SUCCESS;
  double start = now();
  uint64_t before = stream->done;
  CUresult result = CUDA_SUCCESS;
  Open open;
  while (!result && !stream->queue.empty()) {
    Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    CUevent event = work.event;
    result = perform(stream, std::move(work));
    ++stream->done;
    if (event && event == until)
      break;
  }
  if (result)
    stream->queue.clear();
  note(json::Object{{"done", int64_t(stream->done - before)}, {"ms", now() - start}});
  return result;
}

CUresult flushAll() {
  CUresult result = CUDA_SUCCESS;
  for (const void *stream : fake().streams)
    if (CUresult error = flush(const_cast<CUstream>(static_cast<const CUstream_st *>(stream))))
      result = error;
  if (CUstream stream = fake().defaultStream.get())
    if (CUresult error = flush(stream))
      result = error;
  return result;
}

SETUN_FAKE_API cuStreamCreate(CUstream *stream, unsigned int flags) {
  return run("cuStreamCreate", kContext, {{"flags", int64_t(flags)}}, [&]() -> CUresult {
    if (flags & ~CU_STREAM_NON_BLOCKING)
      return refuse(CUDA_ERROR_INVALID_VALUE, "unknown flags");
    *stream = new CUstream_st;
    fake().streams.insert(*stream);
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuStreamDestroy_v2(CUstream stream) {
  return run("cuStreamDestroy_v2", kContext | kRelease, {}, [&]() -> CUresult {
    Fake &state = fake();
    if (!state.streams.count(stream))
      return refuse(CUDA_ERROR_INVALID_HANDLE, "not a stream");
    CUresult error = flush(stream);
    for (const void *event : state.events)
      if (auto *e = const_cast<CUevent>(static_cast<const CUevent_st *>(event)); e->stream == stream)
        e->stream = nullptr;
    state.streams.erase(stream);
    delete stream->capture;
    delete stream;
    return error;
  });
}

SETUN_FAKE_API cuStreamSynchronize(CUstream stream) {
  return run("cuStreamSynchronize", kContext, {}, [&]() -> CUresult {
    if (CUresult error = checkStream(stream))
      return error;
    if (stream->capture) {
      stream->captureBroken = true;
      return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the stream is being captured");
    }
    return flush(stream);
  });
}
