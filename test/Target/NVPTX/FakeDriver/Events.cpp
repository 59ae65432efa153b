//===- Events.cpp - Marks on streams -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An event keeps the stream that it still waits in.
//
//===----------------------------------------------------------------------===//

#include "Fake.h"

SETUN_FAKE_API cuEventCreate(CUevent *event, unsigned int flags) {
  return run("cuEventCreate", kContext, {{"flags", int64_t(flags)}}, [&] {
    *event = new CUevent_st;
    (*event)->timed = !(flags & CU_EVENT_DISABLE_TIMING);
    fake().events.insert(*event);
    return CUDA_SUCCESS;
  });
}

static CUresult checkEvent(CUevent event) {
  return fake().events.count(event) ? CUDA_SUCCESS : refuse(CUDA_ERROR_INVALID_HANDLE, "not an event");
}

SETUN_FAKE_API cuEventDestroy_v2(CUevent event) {
  return run("cuEventDestroy_v2", kContext | kRelease, {}, [&]() -> CUresult {
    if (CUresult error = checkEvent(event))
      return error;
    CUresult error = event->stream ? flush(event->stream) : CUDA_SUCCESS;
    fake().events.erase(event);
    delete event;
    return error;
  });
}

static CUresult record(const char *name, CUevent event, CUstream stream, unsigned int flags) {
  return run(name, kContext, {{"flags", int64_t(flags)}}, [&]() -> CUresult {
    if (CUresult error = checkEvent(event))
      return error;
    if (CUresult error = checkStream(stream))
      return error;
    Work work{Kind::Record};
    work.event = event;
    work.external = flags & CU_EVENT_RECORD_EXTERNAL;
    if (work.external && !stream->capture)
      return refuse(CUDA_ERROR_INVALID_VALUE, "an external record where nothing is captured");
    event->recorded |= !stream->capture;
    return enqueue(stream, std::move(work));
  });
}

SETUN_FAKE_API cuEventRecord(CUevent event, CUstream stream) { return record("cuEventRecord", event, stream, 0); }
SETUN_FAKE_API cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned int flags) {
  return record("cuEventRecordWithFlags", event, stream, flags);
}

SETUN_FAKE_API cuEventSynchronize(CUevent event) {
  return run("cuEventSynchronize", kContext, {}, [&]() -> CUresult {
    if (CUresult error = checkEvent(event))
      return error;
    while (event->stream) // recorded more than once: the last time counts
      if (CUresult error = flush(event->stream, event))
        return error;
      else if (event->stream && event->stream->queue.empty())
        event->stream = nullptr;
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuEventQuery(CUevent event) {
  return run("cuEventQuery", kContext, {}, [&]() -> CUresult {
    if (CUresult error = checkEvent(event))
      return error;
    if (!event->stream)
      return CUDA_SUCCESS;
    CUevent wanted = event; // not this time, but the next: a loop that asks must come to an end
    CUresult error = flush(event->stream, wanted);
    return error ? error : CUDA_ERROR_NOT_READY;
  });
}

static CUresult elapsed(const char *name, float *milliseconds, CUevent from, CUevent to) {
  return run(name, kContext, {}, [&]() -> CUresult {
    for (CUevent event : {from, to}) {
      if (CUresult error = checkEvent(event))
        return error;
      if (!event->recorded || !event->timed)
        return refuse(CUDA_ERROR_INVALID_HANDLE, "an event that was not recorded, or keeps no time");
      if (event->stream)
        return refuse(CUDA_ERROR_NOT_READY, "an event that nobody has waited for");
    }
    *milliseconds = static_cast<float>(to->time - from->time);
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to) {
  return elapsed("cuEventElapsedTime", milliseconds, from, to);
}
SETUN_FAKE_API cuEventElapsedTime_v2(float *milliseconds, CUevent from, CUevent to) {
  return elapsed("cuEventElapsedTime_v2", milliseconds, from, to);
}
