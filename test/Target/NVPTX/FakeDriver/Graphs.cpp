//===- Graphs.cpp - Captures, and graphs made of them -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A capture notes what would have been enqueued. An executable graph holds a copy of
// its own, which may be changed launch by launch.
//
//===----------------------------------------------------------------------===//

#include "Fake.h"

#include "llvm/ADT/StringExtras.h"

#include <cstring>

using namespace llvm;
using namespace setun::nvptx;

CUresult checkNoCapture(const char *name) {
  for (const void *item : fake().streams) {
    auto *stream = const_cast<CUstream>(static_cast<const CUstream_st *>(item));
    if (stream->capture && !stream->captureBroken) {
      stream->captureBroken = true;
      return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, Twine(name) + " while a stream is being captured");
    }
  }
  return CUDA_SUCCESS;
}

SETUN_FAKE_API cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
  return run("cuStreamBeginCapture_v2", kContext, {{"mode", int64_t(mode)}}, [&]() -> CUresult {
    if (!stream)
      return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the default stream cannot be captured");
    if (CUresult error = checkStream(stream))
      return error;
    if (stream->capture)
      return refuse(CUDA_ERROR_ILLEGAL_STATE, "the stream is being captured already");
    stream->capture = new CUgraph_st;
    stream->captureBroken = false;
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  return run("cuStreamEndCapture", kContext, {}, [&]() -> CUresult {
    *graph = nullptr;
    if (CUresult error = checkStream(stream))
      return error;
    if (!stream->capture)
      return refuse(CUDA_ERROR_ILLEGAL_STATE, "the stream is not being captured");
    CUgraph captured = std::exchange(stream->capture, nullptr);
    if (stream->captureBroken) {
      delete captured;
      return refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture was broken before");
    }
    fake().graphs.insert(captured);
    *graph = captured;
    return CUDA_SUCCESS;
  });
}

static CUresult checkGraph(CUgraph graph) {
  return fake().graphs.count(graph) ? CUDA_SUCCESS : refuse(CUDA_ERROR_INVALID_HANDLE, "not a graph");
}
static CUresult checkExec(CUgraphExec exec) {
  return fake().execs.count(exec) ? CUDA_SUCCESS : refuse(CUDA_ERROR_INVALID_HANDLE, "not an executable graph");
}
static CUresult checkNode(CUgraphNode node) {
  for (const void *graph : fake().graphs)
    for (auto &other : static_cast<const CUgraph_st *>(graph)->nodes)
      if (other.get() == node)
        return CUDA_SUCCESS;
  return refuse(CUDA_ERROR_INVALID_VALUE, "not a node of a graph");
}

SETUN_FAKE_API cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count) {
  return run("cuGraphGetNodes", kContext, {}, [&]() -> CUresult {
    if (CUresult error = checkGraph(graph))
      return error;
    if (nodes)
      for (size_t i = 0; i < *count; ++i)
        nodes[i] = i < graph->nodes.size() ? graph->nodes[i].get() : nullptr;
    *count = nodes ? std::min(*count, graph->nodes.size()) : graph->nodes.size();
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType *type) {
  return run("cuGraphNodeGetType", kContext, {}, [&]() -> CUresult {
    if (CUresult error = checkNode(node))
      return error;
    *type = node->work.kind == Kind::Launch   ? CU_GRAPH_NODE_TYPE_KERNEL
            : node->work.kind == Kind::Set    ? CU_GRAPH_NODE_TYPE_MEMSET
            : node->work.kind == Kind::Record ? CU_GRAPH_NODE_TYPE_EVENT_RECORD
                                              : CU_GRAPH_NODE_TYPE_MEMCPY;
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuGraphKernelNodeGetParams_v2(CUgraphNode node, CUDA_KERNEL_NODE_PARAMS_v2 *params) {
  return run("cuGraphKernelNodeGetParams_v2", kContext, {}, [&]() -> CUresult {
    if (CUresult error = checkNode(node))
      return error;
    if (node->work.kind != Kind::Launch)
      return refuse(CUDA_ERROR_INVALID_VALUE, "not the node of a kernel");
    Work &work = node->work;
    memset(params, 0, sizeof *params);
    params->func = work.function;
    params->gridDimX = work.config.grid[0];
    params->gridDimY = work.config.grid[1];
    params->gridDimZ = work.config.grid[2];
    params->blockDimX = work.config.block[0];
    params->blockDimY = work.config.block[1];
    params->blockDimZ = work.config.block[2];
    params->sharedMemBytes = work.config.sharedBytes;
    node->paramsSize = work.params.size();
    node->extra = {CU_LAUNCH_PARAM_BUFFER_POINTER, work.params.data(), CU_LAUNCH_PARAM_BUFFER_SIZE, &node->paramsSize,
                   CU_LAUNCH_PARAM_END};
    params->extra = node->extra.data();
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long flags) {
  return run("cuGraphInstantiateWithFlags", kContext, {{"flags", uint64_t(flags)}}, [&]() -> CUresult {
    if (CUresult error = checkGraph(graph))
      return error;
    auto *made = new CUgraphExec_st;
    for (auto &node : graph->nodes) {
      made->work.push_back(node->work);
      made->nodes.push_back(node.get());
    }
    fake().execs.insert(made);
    *exec = made;
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuGraphExecKernelNodeSetParams_v2(CUgraphExec exec, CUgraphNode node,
                                                 const CUDA_KERNEL_NODE_PARAMS_v2 *params) {
  return run("cuGraphExecKernelNodeSetParams_v2", kContext, {}, [&]() -> CUresult {
    if (CUresult error = checkExec(exec))
      return error;
    for (size_t i = 0; i < exec->nodes.size(); ++i) {
      if (exec->nodes[i] != node)
        continue;
      Work work = exec->work[i];
      if (work.kind != Kind::Launch)
        return refuse(CUDA_ERROR_INVALID_VALUE, "not the node of a kernel");
      if (CUresult error = checkFunction(params->func))
        return error;
      work.function = params->func;
      work.config.grid = {params->gridDimX, params->gridDimY, params->gridDimZ};
      work.config.block = {params->blockDimX, params->blockDimY, params->blockDimZ};
      work.config.sharedBytes = params->sharedMemBytes;
      if (CUresult error = checkLaunch(params->func, work.config))
        return error;
      if (CUresult error = packParams(params->func, params->kernelParams, params->extra, work.params))
        return error;
      exec->work[i] = std::move(work);
      return CUDA_SUCCESS;
    }
    return refuse(CUDA_ERROR_INVALID_VALUE, "not a node of the graph that this one was made of");
  });
}

SETUN_FAKE_API cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  size_t size = fake().execs.count(exec) ? exec->work.size() : 0;
  return run("cuGraphLaunch", kContext, {{"nodes", uint64_t(size)}}, [&]() -> CUresult {
    if (CUresult error = checkExec(exec))
      return error;
    if (CUresult error = checkStream(stream))
      return error;
    if (stream->capture)
      return refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the fake captures no graphs in graphs");
    for (const Work &work : exec->work) {
      if (work.kind == Kind::Launch)
        if (CUresult error = checkFunction(work.function))
          return error;
      if (work.kind == Kind::Download && isPinned(work.to, work.size))
        memset(reinterpret_cast<void *>(work.to), 0xa5, work.size); // not to be looked at before it is done
    }
    for (const Work &work : exec->work)
      if (CUresult error = enqueue(stream, work))
        return error;
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuGraphExecDestroy(CUgraphExec exec) {
  return run("cuGraphExecDestroy", kContext | kRelease, {}, [&]() -> CUresult {
    if (CUresult error = checkExec(exec))
      return error;
    fake().execs.erase(exec);
    delete exec;
    return CUDA_SUCCESS;
  });
}

SETUN_FAKE_API cuGraphDestroy(CUgraph graph) {
  return run("cuGraphDestroy", kContext | kRelease, {}, [&]() -> CUresult {
    if (CUresult error = checkGraph(graph))
      return error;
    fake().graphs.erase(graph);
    delete graph;
    return CUDA_SUCCESS;
  });
}
