//===- stub-cuda.cpp - A CUDA driver that is none -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Device memory is the host's, kernels are functions of the test. What is enqueued is done when someone waits and not a
// moment before: a result that is read too early, or a buffer that is reused too early, shows.
//
//===----------------------------------------------------------------------===//

#include "StubCuda.h"

#include "Driver.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

static stub::State state;

struct CUmod_st {
  const stub::Image *image;
  std::vector<std::unique_ptr<CUfunc_st>> functions;
};
struct CUfunc_st {
  stub::Kernel kernel;
  int allowed = 48 << 10;
};

namespace {
struct Node {
  CUgraphNodeType type;
  CUfunction function = nullptr;
  unsigned grid[3] = {}, block[3] = {};
  unsigned shared = 0;
  std::string params;
  std::function<void()> copy;
};
} // namespace

struct CUgraphNode_st {
  size_t index;
  Node *node;
};
struct CUgraph_st {
  std::vector<Node> nodes;
  std::vector<CUgraphNode_st> handles;
};
struct CUgraphExec_st {
  std::vector<Node> nodes;
};
struct CUstream_st {
  std::vector<Node> pending;
  CUgraph_st *capture = nullptr;
  bool broken = false;
};
struct CUevent_st {
  CUstream stream = nullptr;
};
struct CUctx_st {};
static CUctx_st context;
static std::set<void *> allocations;

static CUresult wrong() {
  ++state.errors;
  return CUDA_ERROR_INVALID_VALUE;
}

static void run(const Node &node) {
  if (node.type != CU_GRAPH_NODE_TYPE_KERNEL)
    return node.copy();
  for (unsigned b = 0; b < node.grid[0] * node.grid[1] * node.grid[2]; ++b)
    node.function->kernel(node.params.data(), b, node.block[0]);
}

static CUresult wait(CUstream stream) {
  ++state.waits;
  std::vector<Node> pending;
  pending.swap(stream->pending);
  for (const Node &node : pending)
    if (!stream->broken)
      run(node);
  return stream->broken ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS;
}

static CUresult enqueue(CUstream stream, Node node) {
  if (state.contexts == 0)
    return wrong();
  (stream->capture ? stream->capture->nodes : stream->pending).push_back(std::move(node));
  return CUDA_SUCCESS;
}

static CUresult enqueueCopy(CUstream stream, void *to, const void *from, size_t size) {
  return enqueue(stream, {CU_GRAPH_NODE_TYPE_MEMCPY, nullptr, {}, {}, 0, "", [=] { std::memcpy(to, from, size); }});
}

static std::string readParams(void **extra) {
  if (!extra || extra[0] != CU_LAUNCH_PARAM_BUFFER_POINTER || extra[2] != CU_LAUNCH_PARAM_BUFFER_SIZE)
    return wrong(), "";
  return {static_cast<const char *>(extra[1]), *static_cast<size_t *>(extra[3])};
}

static void *address(CUdeviceptr pointer) { return reinterpret_cast<void *>(pointer); }

extern "C" {
#define EXPORT __attribute__((visibility("default"))) CUresult

__attribute__((visibility("default"))) stub::State *stubState() { return &state; }

EXPORT cuInit(unsigned) { return state.devices ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE; }
EXPORT cuDriverGetVersion(int *version) { return *version = state.version, CUDA_SUCCESS; }
EXPORT cuGetErrorName(CUresult error, const char **text) {
  *text = error == CUDA_ERROR_ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR_OTHER";
  return CUDA_SUCCESS;
}
EXPORT cuGetErrorString(CUresult error, const char **text) {
  *text = error == CUDA_ERROR_ILLEGAL_ADDRESS ? "an illegal memory access was encountered" : "something else";
  return CUDA_SUCCESS;
}
EXPORT cuDeviceGetCount(int *count) { return *count = state.devices, CUDA_SUCCESS; }
EXPORT cuDeviceGet(CUdevice *device, int ordinal) { return *device = ordinal, CUDA_SUCCESS; }
EXPORT cuDeviceGetName(char *name, int length, CUdevice device) {
  std::snprintf(name, length, "Stub %d", device);
  return CUDA_SUCCESS;
}
EXPORT cuDeviceTotalMem_v2(size_t *bytes, CUdevice) { return *bytes = size_t(1) << 30, CUDA_SUCCESS; }
EXPORT cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  int capability = device == 0 ? state.capability : 100; // further devices are newer
  *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR   ? capability / 10
           : attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR ? capability % 10
                                                                       : 232448;
  return CUDA_SUCCESS;
}
EXPORT cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice) { return ++state.live, *out = &context, CUDA_SUCCESS; }
EXPORT cuDevicePrimaryCtxRelease_v2(CUdevice) { return --state.live, CUDA_SUCCESS; }
EXPORT cuCtxPushCurrent_v2(CUcontext) { return ++state.contexts, CUDA_SUCCESS; }
EXPORT cuCtxPopCurrent_v2(CUcontext *out) { return --state.contexts, *out = &context, CUDA_SUCCESS; }

EXPORT cuMemAlloc_v2(CUdeviceptr *pointer, size_t size) {
  if (size > state.memory)
    return CUDA_ERROR_OUT_OF_MEMORY;
  void *memory = std::aligned_alloc(256, (size + 255) / 256 * 256);
  std::memset(memory, 0xee, size);
  allocations.insert(memory);
  ++state.live;
  return *pointer = reinterpret_cast<CUdeviceptr>(memory), CUDA_SUCCESS;
}
EXPORT cuMemFree_v2(CUdeviceptr pointer) {
  if (!allocations.erase(address(pointer)))
    return wrong();
  --state.live;
  std::free(address(pointer));
  return CUDA_SUCCESS;
}
EXPORT cuMemGetInfo_v2(size_t *free, size_t *total) {
  return *free = state.memory, *total = size_t(1) << 30, CUDA_SUCCESS;
}
EXPORT cuMemHostAlloc(void **pointer, size_t size, unsigned) {
  ++state.live;
  return *pointer = std::aligned_alloc(256, (size + 255) / 256 * 256), CUDA_SUCCESS;
}
EXPORT cuMemFreeHost(void *pointer) { return --state.live, std::free(pointer), CUDA_SUCCESS; }
EXPORT cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t size, CUstream stream) {
  state.bytesToDevice += size;
  return enqueueCopy(stream, address(to), from, size);
}
EXPORT cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t size, CUstream stream) {
  ++state.copiesToHost;
  state.bytesToHost += size;
  return enqueueCopy(stream, to, address(from), size);
}
EXPORT cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) {
  return enqueueCopy(stream, address(to), address(from), size);
}
EXPORT cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t size, CUstream stream) {
  return enqueue(stream,
                 {CU_GRAPH_NODE_TYPE_MEMSET, nullptr, {}, {}, 0, "", [=] { std::memset(address(to), value, size); }});
}

EXPORT cuModuleLoadDataEx(CUmodule *module, const void *data, unsigned count, CUjit_option *, void **values) {
  auto *image = static_cast<const stub::Image *>(data);
  if (image->log) {
    if (count == 2)
      std::strcpy(static_cast<char *>(values[0]), image->log);
    return CUDA_ERROR_INVALID_PTX;
  }
  ++state.live;
  return *module = new CUmod_st{image, {}}, CUDA_SUCCESS;
}
EXPORT cuModuleUnload(CUmodule module) { return --state.live, delete module, CUDA_SUCCESS; }
EXPORT cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  for (size_t i = 0; i < module->image->count; ++i)
    if (std::strcmp(module->image->entries[i].name, name) == 0) {
      module->functions.push_back(std::make_unique<CUfunc_st>(CUfunc_st{module->image->entries[i].kernel}));
      return *function = module->functions.back().get(), CUDA_SUCCESS;
    }
  return CUDA_ERROR_NOT_FOUND;
}
EXPORT cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction) {
  return *value = attribute == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? 1024 : 0, CUDA_SUCCESS;
}
EXPORT cuFuncSetAttribute(CUfunction function, CUfunction_attribute, int value) {
  return value > 232448 ? CUDA_ERROR_INVALID_VALUE : (function->allowed = value, CUDA_SUCCESS);
}
EXPORT cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction, int, size_t) {
  return *blocks = 1, CUDA_SUCCESS;
}
EXPORT cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction function, void **, void **extra) {
  Node node{CU_GRAPH_NODE_TYPE_KERNEL,
            function,
            {config->gridDimX, config->gridDimY, config->gridDimZ},
            {config->blockDimX, config->blockDimY, config->blockDimZ},
            config->sharedMemBytes,
            readParams(extra),
            {}};
  if (int(node.shared) > function->allowed || node.block[0] > 1024)
    return CUDA_ERROR_INVALID_VALUE;
  auto &before = config->hStream->capture ? config->hStream->capture->nodes : config->hStream->pending;
  for (unsigned i = 0; i < config->numAttrs; ++i)
    if (config->attrs[i].id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION) {
      ++state.dependents;
      if (before.empty() || before.back().type != CU_GRAPH_NODE_TYPE_KERNEL)
        return wrong();
    }
  state.launches += !config->hStream->capture;
  if (state.faultAtLaunch && --state.faultAtLaunch == 0)
    config->hStream->broken = true;
  return enqueue(config->hStream, std::move(node));
}

EXPORT cuStreamCreate(CUstream *stream, unsigned) { return ++state.live, *stream = new CUstream_st, CUDA_SUCCESS; }
EXPORT cuStreamDestroy_v2(CUstream stream) {
  if (!stream->pending.empty())
    wrong();
  return --state.live, delete stream, CUDA_SUCCESS;
}
EXPORT cuStreamSynchronize(CUstream stream) { return stream->capture ? wrong() : wait(stream); }
EXPORT cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode) {
  if (state.refuseCapture)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  ++state.live;
  return stream->capture = new CUgraph_st, CUDA_SUCCESS;
}
EXPORT cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  ++state.captures;
  *graph = stream->capture;
  stream->capture = nullptr;
  for (size_t i = 0; i < (*graph)->nodes.size(); ++i)
    (*graph)->handles.push_back({i, &(*graph)->nodes[i]});
  return CUDA_SUCCESS;
}
EXPORT cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count) {
  for (size_t i = 0; nodes && i < *count; ++i)
    nodes[i] = &graph->handles[i];
  return *count = graph->handles.size(), CUDA_SUCCESS;
}
EXPORT cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType *type) { return *type = node->node->type, CUDA_SUCCESS; }
EXPORT cuGraphKernelNodeGetParams_v2(CUgraphNode handle, CUDA_KERNEL_NODE_PARAMS_v2 *params) {
  const Node &node = *handle->node;
  *params = {node.function, node.grid[0], node.grid[1], node.grid[2], node.block[0], node.block[1],
             node.block[2], node.shared,  nullptr,      nullptr,      nullptr,       nullptr};
  return CUDA_SUCCESS;
}
EXPORT cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long) {
  ++state.live;
  return *exec = new CUgraphExec_st{graph->nodes}, CUDA_SUCCESS;
}
EXPORT cuGraphExecKernelNodeSetParams_v2(CUgraphExec exec, CUgraphNode handle,
                                         const CUDA_KERNEL_NODE_PARAMS_v2 *params) {
  if (state.refuseUpdate)
    return CUDA_ERROR_INVALID_VALUE;
  ++state.updates;
  Node &node = exec->nodes[handle->index];
  node.function = params->func;
  unsigned grid[] = {params->gridDimX, params->gridDimY, params->gridDimZ};
  std::memcpy(node.grid, grid, sizeof grid);
  node.block[0] = params->blockDimX;
  node.params = readParams(params->extra);
  return CUDA_SUCCESS;
}
EXPORT cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  ++state.graphLaunches;
  for (const Node &node : exec->nodes)
    enqueue(stream, node);
  return CUDA_SUCCESS;
}
EXPORT cuGraphExecDestroy(CUgraphExec exec) { return --state.live, delete exec, CUDA_SUCCESS; }
EXPORT cuGraphDestroy(CUgraph graph) { return --state.live, delete graph, CUDA_SUCCESS; }
EXPORT cuEventCreate(CUevent *event, unsigned) { return ++state.live, *event = new CUevent_st, CUDA_SUCCESS; }
EXPORT cuEventDestroy_v2(CUevent event) { return --state.live, delete event, CUDA_SUCCESS; }
EXPORT cuEventRecord(CUevent event, CUstream stream) { return event->stream = stream, CUDA_SUCCESS; }
EXPORT cuEventRecordWithFlags(CUevent, CUstream, unsigned) { return CUDA_SUCCESS; }
EXPORT cuEventSynchronize(CUevent event) { return event->stream ? wait(event->stream) : CUDA_SUCCESS; }
EXPORT cuEventElapsedTime(float *milliseconds, CUevent, CUevent) { return *milliseconds = 1, CUDA_SUCCESS; }
}
