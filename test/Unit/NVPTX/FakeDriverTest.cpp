//===- FakeDriverTest.cpp - The stand-in for libcuda is as strict as it says -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Right programs run on it. Wrong ones, of the kinds that a card may let pass, do not.
//
//===----------------------------------------------------------------------===//

#include "Driver.h"
#include "Kernels.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>

namespace {

struct Api {
#define FIELD(NAME, SYMBOL, PARAMETERS) CUresult(*NAME) PARAMETERS;
  SETUN_CUDA_FUNCTIONS(FIELD)
  SETUN_CUDA_EMULATION(FIELD)
#undef FIELD
};

/// A library, a context that is current, and a stream; all given back at the end.
class FakeDriver : public ::testing::Test {
protected:
  Api api{};
  CUcontext context = nullptr;
  CUstream stream = nullptr;

  void load() {
    void *library = dlopen(CUDA_FAKE, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << dlerror();
#define FIELD(NAME, SYMBOL, PARAMETERS)                                                                                \
  api.NAME = reinterpret_cast<decltype(api.NAME)>(dlsym(library, #SYMBOL));                                            \
  ASSERT_NE(api.NAME, nullptr) << #SYMBOL;
    SETUN_CUDA_FUNCTIONS(FIELD)
    SETUN_CUDA_EMULATION(FIELD)
#undef FIELD
  }

  void open(const std::map<std::string, std::string> &environment = {}) {
    load();
    for (auto &[name, value] : environment)
      setenv(name.c_str(), value.c_str(), 1);
    CUresult started = api.cuInit(0);
    for (auto &[name, value] : environment)
      unsetenv(name.c_str());
    ASSERT_EQ(started, CUDA_SUCCESS);
    ASSERT_EQ(api.cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    ASSERT_EQ(api.cuCtxPushCurrent(context), CUDA_SUCCESS);
    ASSERT_EQ(api.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  }

  void TearDown() override {
    if (stream)
      (void)api.cuStreamDestroy(stream);
    if (context) {
      EXPECT_EQ(api.cuCtxPopCurrent(nullptr), CUDA_SUCCESS);
      EXPECT_EQ(api.cuDevicePrimaryCtxRelease(0), CUDA_SUCCESS);
    }
  }

  CUmodule module(llvm::StringRef text) {
    std::string bitcode = kernels::assemble(text);
    CUmodule loaded = nullptr;
    EXPECT_EQ(api.setunModuleLoadBitcode(&loaded, bitcode.data(), bitcode.size()), CUDA_SUCCESS);
    return loaded;
  }

  CUfunction function(CUmodule module, const char *name) {
    CUfunction found = nullptr;
    EXPECT_EQ(api.cuModuleGetFunction(&found, module, name), CUDA_SUCCESS);
    return found;
  }

  CUdeviceptr allocate(size_t size) {
    CUdeviceptr pointer = 0;
    EXPECT_EQ(api.cuMemAlloc(&pointer, size), CUDA_SUCCESS);
    return pointer;
  }

  template <class T> T *pin(size_t count) {
    void *pointer = nullptr;
    EXPECT_EQ(api.cuMemHostAlloc(&pointer, count * sizeof(T), 0), CUDA_SUCCESS);
    return static_cast<T *>(pointer);
  }

  CUresult launch(CUfunction function, unsigned threads, std::vector<CUdeviceptr> params, bool dependent = false,
                  unsigned shared = 0) {
    CUlaunchAttribute attribute{};
    attribute.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    attribute.value.programmaticStreamSerializationAllowed = 1;
    CUlaunchConfig config{1, 1, 1, threads, 1, 1, shared, stream, &attribute, dependent ? 1u : 0u};
    size_t size = params.size() * sizeof params[0];
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, params.data(), CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
                     CU_LAUNCH_PARAM_END};
    return api.cuLaunchKernelEx(&config, function, nullptr, extra);
  }
};

TEST_F(FakeDriver, DoesNothingBeforeSomebodyWaits) {
  open();
  CUmodule code = module(kernels::kReduce);
  int32_t *in = pin<int32_t>(256), *out = pin<int32_t>(1);
  for (int i = 0; i < 256; ++i)
    in[i] = i;
  CUdeviceptr from = allocate(1024), to = allocate(4);
  ASSERT_EQ(api.cuMemcpyHtoDAsync(from, in, 1024, stream), CUDA_SUCCESS);
  ASSERT_EQ(launch(function(code, "reduce"), 256, {from, to}), CUDA_SUCCESS);
  ASSERT_EQ(api.cuMemcpyDtoHAsync(out, to, 4, stream), CUDA_SUCCESS);
  EXPECT_NE(*out, 255 * 256 / 2);
  in[0] = 1000; // the copy has not taken place: pinned memory is the device's until then
  ASSERT_EQ(api.cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(*out, 255 * 256 / 2 + 1000);
  int32_t pageable = 0; // copies to memory that is not pinned wait by themselves
  ASSERT_EQ(api.cuMemcpyDtoHAsync(&pageable, to, 4, stream), CUDA_SUCCESS);
  EXPECT_EQ(pageable, *out);
  for (CUdeviceptr pointer : {from, to})
    EXPECT_EQ(api.cuMemFree(pointer), CUDA_SUCCESS);
  EXPECT_EQ(api.cuMemFreeHost(in), CUDA_SUCCESS);
  EXPECT_EQ(api.cuMemFreeHost(out), CUDA_SUCCESS);
  EXPECT_EQ(api.cuModuleUnload(code), CUDA_SUCCESS);
}

TEST_F(FakeDriver, RunsGraphsAndChangesThem) {
  open();
  CUmodule code = module(kernels::kDependent);
  CUfunction second = function(code, "second");
  CUdeviceptr a = allocate(32 * 4), b = allocate(32 * 4), c = allocate(32 * 4);
  std::vector<int32_t> numbers(32);
  for (int i = 0; i < 32; ++i)
    numbers[i] = 10 * i;
  ASSERT_EQ(api.cuMemcpyHtoDAsync(a, numbers.data(), 128, stream), CUDA_SUCCESS);
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  ASSERT_EQ(api.cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), CUDA_SUCCESS);
  ASSERT_EQ(api.cuMemsetD8Async(c, 0, 128, stream), CUDA_SUCCESS);
  ASSERT_EQ(launch(second, 32, {a, b}), CUDA_SUCCESS);
  ASSERT_EQ(launch(second, 32, {b, c}, /*dependent=*/true), CUDA_SUCCESS);
  EXPECT_EQ(api.cuStreamSynchronize(nullptr), CUDA_SUCCESS); // another stream
  ASSERT_EQ(api.cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
  ASSERT_EQ(api.cuGraphInstantiate(&exec, graph, 0), CUDA_SUCCESS);
  size_t count = 0;
  ASSERT_EQ(api.cuGraphGetNodes(graph, nullptr, &count), CUDA_SUCCESS);
  ASSERT_EQ(count, 3u);
  CUgraphNode nodes[3];
  ASSERT_EQ(api.cuGraphGetNodes(graph, nodes, &count), CUDA_SUCCESS);
  CUgraphNodeType type;
  ASSERT_EQ(api.cuGraphNodeGetType(nodes[0], &type), CUDA_SUCCESS);
  EXPECT_EQ(type, CU_GRAPH_NODE_TYPE_MEMSET);

  auto read = [&](CUdeviceptr from) {
    std::vector<int32_t> result(32);
    EXPECT_EQ(api.cuMemcpyDtoHAsync(result.data(), from, 128, stream), CUDA_SUCCESS);
    return result[3];
  };
  ASSERT_EQ(api.cuGraphLaunch(exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(read(c), 32);
  CUDA_KERNEL_NODE_PARAMS_v2 params;
  ASSERT_EQ(api.cuGraphKernelNodeGetParams(nodes[2], &params), CUDA_SUCCESS);
  EXPECT_EQ(params.func, second);
  EXPECT_EQ(params.blockDimX, 32u);
  CUdeviceptr other[] = {a, c};
  void *each[] = {&other[0], &other[1]};
  params.extra = nullptr;
  params.kernelParams = each;
  ASSERT_EQ(api.cuGraphExecKernelNodeSetParams(exec, nodes[2], &params), CUDA_SUCCESS);
  ASSERT_EQ(api.cuGraphLaunch(exec, stream), CUDA_SUCCESS);
  EXPECT_EQ(read(c), 31);
  EXPECT_EQ(api.cuGraphExecDestroy(exec), CUDA_SUCCESS);
  EXPECT_EQ(api.cuGraphLaunch(exec, stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(api.cuGraphDestroy(graph), CUDA_SUCCESS);
  for (CUdeviceptr pointer : {a, b, c})
    EXPECT_EQ(api.cuMemFree(pointer), CUDA_SUCCESS);
  EXPECT_EQ(api.cuModuleUnload(code), CUDA_SUCCESS);
}

/// Whether two dependent kernels did what they should.
static bool runDependent(Api &api, CUstream stream,
                         llvm::function_ref<CUresult(const char *, std::vector<CUdeviceptr>, bool)> launch) {
  CUdeviceptr buffers[3];
  for (CUdeviceptr &buffer : buffers)
    EXPECT_EQ(api.cuMemAlloc(&buffer, 128), CUDA_SUCCESS);
  EXPECT_EQ(api.cuMemsetD8Async(buffers[0], 0, 128, stream), CUDA_SUCCESS);
  EXPECT_EQ(launch("first", {buffers[0], buffers[1]}, false), CUDA_SUCCESS);
  EXPECT_EQ(launch("second", {buffers[1], buffers[2]}, true), CUDA_SUCCESS);
  int32_t result[32];
  EXPECT_EQ(api.cuMemcpyDtoHAsync(result, buffers[2], 128, stream), CUDA_SUCCESS);
  for (CUdeviceptr buffer : buffers)
    EXPECT_EQ(api.cuMemFree(buffer), CUDA_SUCCESS);
  return llvm::all_of(result, [](int32_t value) { return value == 2; });
}

TEST_F(FakeDriver, StartsDependentKernelsEarly) {
  open();
  std::string text = kernels::kDependent;
  for (bool waits : {true, false}) {
    if (!waits) // the mutant: `second` does not wait
      text.erase(text.rfind("  call void @llvm.nvvm.griddepcontrol.wait()\n"), 45);
    CUmodule code = module(text);
    bool right = runDependent(api, stream, [&](const char *name, std::vector<CUdeviceptr> params, bool dependent) {
      return launch(function(code, name), 32, params, dependent);
    });
    EXPECT_EQ(right, waits);
    EXPECT_EQ(api.cuModuleUnload(code), CUDA_SUCCESS);
  }
}

TEST_F(FakeDriver, RefusesWhatIsWrong) {
  open({{"SETUN_FAKE_CUDA_MEMORY", "1000000"}});
  CUdeviceptr pointer = allocate(1000), big;
  EXPECT_EQ(api.cuMemAlloc(&big, 999001), CUDA_ERROR_OUT_OF_MEMORY);
  size_t free = 0, total = 0;
  EXPECT_EQ(api.cuMemGetInfo(&free, &total), CUDA_SUCCESS);
  EXPECT_EQ(free, 999000u);
  char bytes[2000] = {};
  EXPECT_EQ(api.cuMemcpyHtoDAsync(pointer, bytes, 1001, stream), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(api.cuMemcpyHtoDAsync(pointer + 500, bytes, 500, stream), CUDA_SUCCESS);
  EXPECT_EQ(api.cuMemcpyDtoHAsync(bytes, pointer - 1, 4, stream), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(api.cuMemcpyDtoDAsync(pointer, pointer + 10, 11, stream), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(api.cuMemFree(pointer + 8), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(api.cuMemFree(pointer), CUDA_SUCCESS);
  EXPECT_EQ(api.cuMemFree(pointer), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(api.cuStreamSynchronize(reinterpret_cast<CUstream>(&free)), CUDA_ERROR_INVALID_HANDLE);

  char log[256] = "";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, reinterpret_cast<void *>(sizeof log)};
  CUmodule code = nullptr;
  EXPECT_EQ(api.cuModuleLoadDataEx(&code, ".version 8.0", 2, options, values), CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_STREQ(log, "the fake runs bitcode, and no PTX");
  EXPECT_EQ(api.setunModuleLoadBitcode(&code, "BC\xC0\xDE", 4), CUDA_ERROR_INVALID_IMAGE);

  std::string image = kernels::assemble(kernels::kReduce) + std::string(64, '\0'); // found by its blocks
  ASSERT_EQ(api.cuModuleLoadDataEx(&code, image.data(), 0, nullptr, nullptr), CUDA_SUCCESS);
  CUfunction reduce = function(code, "reduce");
  CUfunction none;
  EXPECT_EQ(api.cuModuleGetFunction(&none, code, "nothing"), CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(launch(reduce, 2048, {0, 0}), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(reduce, 256, {0}), CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
  EXPECT_EQ(launch(reduce, 256, {0, 0, 0}), CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);     // as of padding behind the last
  EXPECT_EQ(launch(reduce, 256, {0, 0}, false, 48 << 10), CUDA_ERROR_INVALID_VALUE); // 32 bytes are static
  EXPECT_EQ(api.cuFuncSetAttribute(reduce, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 227 << 10),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(api.cuFuncSetAttribute(reduce, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 48 << 10), CUDA_SUCCESS);
  int size = 0;
  EXPECT_EQ(api.cuFuncGetAttribute(&size, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, reduce), CUDA_SUCCESS);
  EXPECT_EQ(size, 32);
  EXPECT_EQ(api.cuModuleUnload(code), CUDA_SUCCESS);
  EXPECT_EQ(launch(reduce, 256, {0, 0}), CUDA_ERROR_INVALID_HANDLE);

  CUgraph graph;
  ASSERT_EQ(api.cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), CUDA_SUCCESS);
  EXPECT_EQ(api.cuMemAlloc(&big, 8), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(api.cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST_F(FakeDriver, LosesTheContextWithAKernel) {
  open();
  CUmodule code = module(kernels::kReduce);
  CUdeviceptr from = allocate(1023), to = allocate(4); // a byte too few
  ASSERT_EQ(api.cuMemsetD8Async(from, 0, 1023, stream), CUDA_SUCCESS);
  ASSERT_EQ(launch(function(code, "reduce"), 256, {from, to}), CUDA_SUCCESS);
  EXPECT_EQ(api.cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
  CUdeviceptr other;
  EXPECT_EQ(api.cuMemAlloc(&other, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(api.cuMemFree(from), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(api.cuMemFree(to), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(api.cuModuleUnload(code), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST_F(FakeDriver, KeepsItsMemoryFromTheHost) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  open();
  CUdeviceptr pointer = allocate(64);
  EXPECT_DEATH(std::printf("%d", *reinterpret_cast<volatile char *>(pointer)), "");
  EXPECT_EQ(api.cuMemFree(pointer), CUDA_SUCCESS);
}

TEST_F(FakeDriver, IsWhatTheEnvironmentSays) {
  load();
  setenv("SETUN_FAKE_CUDA_DEVICES", "0", 1);
  EXPECT_EQ(api.cuInit(0), CUDA_ERROR_NO_DEVICE);
  unsetenv("SETUN_FAKE_CUDA_DEVICES");
  const char *text = nullptr;
  EXPECT_EQ(api.cuGetErrorString(CUDA_ERROR_NO_DEVICE, &text), CUDA_SUCCESS);
  EXPECT_STREQ(text, "no CUDA-capable device is detected");

  std::string log = WORK_FOLDER "/fake-driver.log";
  (void)llvm::sys::fs::remove(log);
  open({{"SETUN_FAKE_CUDA_ARCH", "80"}, {"SETUN_FAKE_CUDA_LOG", log}, {"SETUN_FAKE_CUDA_FAIL", "cuMemAlloc:2"}});
  int major = 0;
  EXPECT_EQ(api.cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0), CUDA_SUCCESS);
  EXPECT_EQ(major, 8);
  CUdeviceptr first = allocate(16), second = 0;
  EXPECT_EQ(api.cuMemAlloc(&second, 16), CUDA_ERROR_OUT_OF_MEMORY);
  CUmodule code = module(kernels::kDependent);
  EXPECT_EQ(launch(function(code, "first"), 32, {first, first}, /*dependent=*/true), CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(api.cuModuleUnload(code), CUDA_SUCCESS);
  EXPECT_EQ(api.cuMemFree(first), CUDA_SUCCESS);

  auto file = llvm::MemoryBuffer::getFile(log);
  ASSERT_TRUE(bool(file));
  llvm::SmallVector<llvm::StringRef> lines;
  (*file)->getBuffer().split(lines, '\n', -1, /*KeepEmpty=*/false);
  std::map<std::string, int> failures;
  for (llvm::StringRef line : lines) {
    auto value = llvm::json::parse(line);
    ASSERT_TRUE(bool(value)) << line.str();
    const llvm::json::Object &call = *value->getAsObject();
    if (call.getInteger("result").value_or(0))
      failures[call.getString("call")->str()] = *call.getInteger("result");
  }
  EXPECT_EQ(failures, (std::map<std::string, int>{{"cuMemAlloc_v2", 2}, {"cuLaunchKernelEx", 801}}));
}

} // namespace
