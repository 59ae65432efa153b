/*===- draw.c - Kernels that draw a token -------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Cuda.h"

static const char *largest_for(setun_dtype dtype) {
  return dtype == SETUN_F32    ? "setun_draw_largest"
         : dtype == SETUN_F16  ? "setun_draw_largest_f16"
         : dtype == SETUN_BF16 ? "setun_draw_largest_bf16"
                               : "";
}

int setun_cuda_draw(setun_queue *queue, const setun_device_draw *draw) {
  const setun_device_code *code = queue->device->code;
  bool cuts = draw->draws && (draw->ranks || draw->shares);
  const struct {
    const char *name;
    bool wanted, spans; /* a block for each span of the vocabulary, or one */
  } kernels[] = {{largest_for(draw->dtype), true, true},
                 {"setun_draw_weigh", draw->draws, true},
                 {"setun_draw_rank", draw->draws && draw->ranks, true},
                 {"setun_draw_share", draw->draws && draw->shares, true},
                 {"setun_draw_sum", cuts, true},
                 {"setun_draw_pick", true, false}};
  enum { COUNT = sizeof kernels / sizeof *kernels };
  int64_t found[COUNT], chunks = (draw->vocabulary + SETUN_DRAW_CHUNK - 1) / SETUN_DRAW_CHUNK;
  int64_t span = (chunks + SETUN_DRAW_CHUNK - 1) / SETUN_DRAW_CHUNK; /* in chunks */
  for (int i = 0; i < COUNT; ++i)
    if ((found[i] = setun_cuda_find_kernel(code, kernels[i].name)) < 0)
      return -1;
  size_t tokens = ((size_t)draw->places * sizeof(int64_t) + SETUN_ALIGNMENT - 1) / SETUN_ALIGNMENT * SETUN_ALIGNMENT;
  queue->tokens = tokens > queue->tokens ? tokens : queue->tokens;
  struct {
    CUdeviceptr frame, options, logits;
    int64_t vocabulary;
    CUdeviceptr memory, token;
  } params = {queue->mailbox_on_device + CUDA_FRAME,
              (CUdeviceptr)(uintptr_t)draw->options,
              (CUdeviceptr)(uintptr_t)draw->logits,
              draw->vocabulary,
              (CUdeviceptr)(uintptr_t)draw->memory,
              queue->mailbox_on_device + CUDA_FRAME - queue->tokens + (size_t)draw->place * sizeof(int64_t)};
  for (int i = 0; i < COUNT; ++i) {
    setun_launch launch = {.kernel = (uint32_t)found[i],
                           .grid = {kernels[i].spans ? (uint32_t)((chunks + span - 1) / span) : 1, 1, 1},
                           .block = {SETUN_DRAW_THREADS, 1, 1},
                           .params_size = sizeof params,
                           .params = &params};
    if (kernels[i].wanted)
      setun_cuda_launch(queue, &launch);
  }
  return 0;
}
