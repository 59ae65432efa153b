//===- driver-header.cpp - The runtime's cuda.h, and NVIDIA's -*- C++ -*-===//
//
// Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// lib/Runtime/CUDA/Driver.h against the real header: sizes, fields, numbers and the
// signature of each symbol that is looked up. With -D__CUDA_API_VERSION_INTERNAL, by
// which cuda.h shows symbols under their own names; without it, a program that tells
// which symbols the real header would take instead.
//
//===----------------------------------------------------------------------===//

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <type_traits>

namespace own {
#include "Driver.h"
inline void *const endOfParams = CU_LAUNCH_PARAM_END, *const paramsPointer = CU_LAUNCH_PARAM_BUFFER_POINTER,
                   *const paramsSize = CU_LAUNCH_PARAM_BUFFER_SIZE;
} // namespace own
#undef CU_LAUNCH_PARAM_END
#undef CU_LAUNCH_PARAM_BUFFER_POINTER
#undef CU_LAUNCH_PARAM_BUFFER_SIZE

#include "cuda.h"

#ifdef __CUDA_API_VERSION_INTERNAL

// The same types by their real names.
template <class T> struct Real {
  using type = T;
};
template <class T> struct Real<T *> {
  using type = typename Real<T>::type *;
};
template <class T> struct Real<const T> {
  using type = const typename Real<T>::type;
};
template <class R, class... A> struct Real<R(A...)> {
  using type = typename Real<R>::type(typename Real<A>::type...);
};
#define SAME_TYPE(name)                                                                                                \
  template <> struct Real<own::name> {                                                                                 \
    using type = ::name;                                                                                               \
  };
#define SAME_SIZE(name)                                                                                                \
  SAME_TYPE(name)                                                                                                      \
  static_assert(sizeof(own::name) == sizeof(::name) && alignof(own::name) == alignof(::name), #name);
SAME_TYPE(CUctx_st)
SAME_TYPE(CUmod_st)
SAME_TYPE(CUfunc_st)
SAME_TYPE(CUkern_st)
SAME_TYPE(CUstream_st)
SAME_TYPE(CUevent_st)
SAME_TYPE(CUgraph_st)
SAME_TYPE(CUgraphNode_st)
SAME_TYPE(CUgraphExec_st)
SAME_SIZE(CUresult)
SAME_SIZE(CUdevice_attribute)
SAME_SIZE(CUfunction_attribute)
SAME_SIZE(CUjit_option)
SAME_SIZE(CUgraphNodeType)
SAME_SIZE(CUstreamCaptureMode)
SAME_SIZE(CUlaunchAttributeID)
SAME_SIZE(CUlaunchAttributeValue)
SAME_SIZE(CUlaunchAttribute)
SAME_SIZE(CUlaunchConfig)
SAME_SIZE(CUDA_KERNEL_NODE_PARAMS_v2)
static_assert(std::is_same_v<own::CUdeviceptr, ::CUdeviceptr> && std::is_same_v<own::CUdevice, ::CUdevice>);

#define SAME_FIELD(name, field)                                                                                        \
  static_assert(offsetof(own::name, field) == offsetof(::name, field) &&                                               \
                    std::is_same_v<Real<decltype(own::name::field)>::type, decltype(::name::field)>,                   \
                #name "::" #field);
#define SAME_SHAPE(name)                                                                                               \
  SAME_FIELD(name, gridDimX)                                                                                           \
  SAME_FIELD(name, gridDimY)                                                                                           \
  SAME_FIELD(name, gridDimZ)                                                                                           \
  SAME_FIELD(name, blockDimX)                                                                                          \
  SAME_FIELD(name, blockDimY)                                                                                          \
  SAME_FIELD(name, blockDimZ)                                                                                          \
  SAME_FIELD(name, sharedMemBytes)
SAME_FIELD(CUlaunchAttributeValue, cooperative)
SAME_FIELD(CUlaunchAttributeValue, programmaticStreamSerializationAllowed)
SAME_FIELD(CUlaunchAttribute, id)
static_assert(offsetof(own::CUlaunchAttribute, value) == offsetof(::CUlaunchAttribute, value));
SAME_SHAPE(CUlaunchConfig)
SAME_FIELD(CUlaunchConfig, hStream)
SAME_FIELD(CUlaunchConfig, attrs)
SAME_FIELD(CUlaunchConfig, numAttrs)
SAME_SHAPE(CUDA_KERNEL_NODE_PARAMS_v2)
SAME_FIELD(CUDA_KERNEL_NODE_PARAMS_v2, func)
SAME_FIELD(CUDA_KERNEL_NODE_PARAMS_v2, kernelParams)
SAME_FIELD(CUDA_KERNEL_NODE_PARAMS_v2, extra)
SAME_FIELD(CUDA_KERNEL_NODE_PARAMS_v2, kern)
SAME_FIELD(CUDA_KERNEL_NODE_PARAMS_v2, ctx)

// All that Driver.h numbers, as SAME_VALUE(name, number).
#define SAME_VALUE(name, number) static_assert(int(name) == number, #name);
#include "values.inc"

// Of `own`, where types are Driver.h's.
namespace own {
#define FUNCTION(name, symbol, parameters) using type_of_##symbol = CUresult parameters;
SETUN_CUDA_FUNCTIONS(FUNCTION)
#undef FUNCTION
} // namespace own
#define FUNCTION(name, symbol, parameters)                                                                             \
  static_assert(std::is_same_v<Real<own::type_of_##symbol>::type, decltype(::symbol)>, #symbol);
SETUN_CUDA_FUNCTIONS(FUNCTION)
#undef FUNCTION

int main() {
  bool same = own::endOfParams == CU_LAUNCH_PARAM_END && own::paramsPointer == CU_LAUNCH_PARAM_BUFFER_POINTER &&
              own::paramsSize == CU_LAUNCH_PARAM_BUFFER_SIZE;
  printf("CUDA %d: %s\n", CUDA_VERSION, same ? "the same" : "launches' `extra` differs");
  return !same;
}

#else

#define TEXT(x) #x
#define NOW(x) TEXT(x)

int main() {
  int differences = 0;
  // Of the same parameters; it tells of errors in other contexts as well.
  const char *newer[][2] = {{"cuEventElapsedTime", "cuEventElapsedTime_v2"}};
  auto compare = [&](const char *name, const char *asked, const char *now) {
    bool same = strcmp(asked, now) == 0;
    for (auto &pair : newer)
      same = same || (strcmp(asked, pair[0]) == 0 && strcmp(now, pair[1]) == 0);
    if (!same)
      printf("CUDA %d: %s is %s, and %s is asked for\n", CUDA_VERSION, name, now, asked);
    differences += !same;
  };
#define FUNCTION(name, symbol, parameters) compare(#name, #symbol, NOW(name));
  SETUN_CUDA_FUNCTIONS(FUNCTION)
  return differences != 0;
}

#endif
