/*===- abi.h - Between generated code and the runtime ------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* The only header that generated code and the runtime share. A compiled model is one symbol, `setun_model`, of type
 * setun_model_desc; it calls nothing of the runtime by name: services come in through setun_rt. So a model can be
 * linked into a program, loaded from a shared library or run by the compiler's tests alike. */

#ifndef SETUN_RT_ABI_H
#define SETUN_RT_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SETUN_ABI_VERSION 5
#define SETUN_MODEL_SYMBOL "setun_model"
/* Alignment in bytes of the arena, of every buffer and of every tensor in the weights. */
#define SETUN_ALIGNMENT 64

typedef enum setun_dtype {
  SETUN_F32 = 1,
  SETUN_F64,
  SETUN_F16,
  SETUN_BF16,
  SETUN_I8,
  SETUN_U8,
  SETUN_I16,
  SETUN_I32,
  SETUN_I64,
  SETUN_BOOL
} setun_dtype;

typedef struct setun_rt setun_rt;
typedef void (*setun_body_fn)(void *env, int64_t begin, int64_t end);

/* One launch of a kernel of the level's device code. */
typedef struct setun_launch {
  uint32_t kernel; /* index among setun_device_code's kernels */
  uint32_t grid[3], block[3];
  uint32_t shared_bytes; /* of dynamic shared memory */
  uint64_t params_size;  /* up to the end of the last one: without the padding that a C struct has behind it */
  const void *params;    /* the kernel's parameters, each at its natural alignment, as in a C struct; the first is
                            setun_rt's `device` */
} setun_launch;

/* What a run tells its kernels, in the device's memory: followed by the symbols, one int64_t each. A kernel that finds
 * the model's checks violated writes 1 + the index of its message (setun_device_code) into an empty `fault`. */
#define SETUN_DEVICE_TICKETS 254
typedef struct setun_device_frame {
  uint32_t fault, reserved;
  uint32_t tickets[SETUN_DEVICE_TICKETS]; /* with which the blocks of a kernel count; zeros before it and after it */
} setun_device_frame;

/* Host services, the first fields of whatever the runtime passes as setun_rt. */
struct setun_rt {
  /* Calls body on disjoint ranges that cover [0, count), each a multiple of `grain` long but the last, on any thread,
   * and returns when all are done. */
  void (*parallel_for)(setun_rt *rt, int64_t count, int64_t grain, setun_body_fn body, void *env);
  /* Records that this run has failed; the first message stays. The code goes on to its end without reading past a
   * buffer; the run then returns the message as its error. `message` outlives the model. */
  void (*fail)(setun_rt *rt, const char *message);
  /* The next two are for levels with device code. Their weights, arena and buffers are addresses of the device, which
   * the host's code counts with and never reads. */
  /* Enqueues a kernel behind all that were launched before. */
  void (*launch)(setun_rt *rt, const setun_launch *launch);
  /* Waits for what was launched and copies `size` bytes to the host. */
  void (*read)(setun_rt *rt, void *host, const void *device, uint64_t size);
  /* The first parameter of every kernel. The host's code takes it from here at each launch. */
  setun_device_frame *device;
};

/*===-- Drawing a token on a device (sample.h) ---------------------------===*/

/* Kernels `setun_draw_...` find what to do in setun_draw_options, in the device's memory, and beside it memory that is
 * theirs: setun_draw_memory, and behind it for each token of the vocabulary an f64 (its logit), an i64 (its weight) and
 * three i32 (two lists of tokens; how often each token came, which is kept from draw to draw and at first 0). A block
 * takes a span of the vocabulary: as many whole chunks as it takes for at most SETUN_DRAW_CHUNK blocks. */
enum {
  SETUN_DRAW_THREADS = 256, /* of each block */
  SETUN_DRAW_CHUNK = 1024,
  SETUN_DRAW_BYTES_A_TOKEN = 28,
  SETUN_DRAW_TERMS = 12 /* of the exponential's series */
};
#define SETUN_DRAW_LOG2E 1.4426950408889634
#define SETUN_DRAW_LN2 0x1.62e42fefa39efp-1
#define SETUN_DRAW_LN2_HIGH 0x1.62e42feep-1
#define SETUN_DRAW_LN2_LOW 0x1.a39ef35793c76p-33
/* The result is the token, -1 for none; with this bit where the random number was used. */
#define SETUN_DRAW_DREW ((int64_t)1 << 62)

typedef struct setun_draw_options {
  double inverse; /* of the temperature */
  double top_p, least, repetition, frequency, presence;
  double cut, one, step; /* distance from which on nothing weighs; the likeliest's weight; 1024 / cut */
  uint64_t random;       /* in the upper 53 bits */
  int64_t top_k;         /* at least 1 */
  int64_t draws;         /* 0: the likeliest is taken */
  int64_t has_history;   /* 0: there are no penalties */
  int64_t counted;       /* new tokens before this one do not count for frequency and presence */
  int64_t num_biases, num_tokens;
  uint64_t biases; /* address of pairs of i64 token and f64 bias, sorted by token */
  uint64_t tokens; /* address of i64: what is new in the history */
} setun_draw_options;

typedef struct setun_draw_memory {
  double largest[SETUN_DRAW_CHUNK]; /* of each block, */
  int64_t token[SETUN_DRAW_CHUNK];  /* and whose it is */
  uint64_t sums[SETUN_DRAW_CHUNK];  /* of each block: weights of what may be drawn */
  /* Of each step of the distance: tokens and their weights. */
  uint64_t counts[SETUN_DRAW_CHUNK], weights[SETUN_DRAW_CHUNK];
  uint64_t listed[2];           /* tokens in each list */
  int64_t step[2];              /* of the distance that each list is of; SETUN_DRAW_CHUNK: of none */
  uint64_t before[2];           /* how many tokens, and what weight, stand before the list */
  double target;                /* the weight that top-p keeps */
  double last;                  /* The last in order that may be drawn: logit, */
  int64_t last_token, reserved; /* and token */
} setun_draw_memory;

/* What one run of the model works on. */
typedef struct setun_frame {
  const uint8_t *weights; /* the first byte of the weights file's data section */
  uint8_t *arena;         /* scratch, at least as large as plan said */
  void *const *buffers;   /* one a setun_argument, in its order; row-major */
  const int64_t *symbols; /* one a setun_symbol, in its order */
} setun_frame;

typedef void (*setun_run_fn)(setun_rt *rt, const setun_frame *frame);
/* values[0] = bytes of arena; then, for each output and each state in argument order, its sizes after the run. */
typedef void (*setun_plan_fn)(const int64_t *symbols, int64_t *values);

typedef enum setun_argument_kind { SETUN_INPUT = 0, SETUN_STATE = 1, SETUN_OUTPUT = 2 } setun_argument_kind;

typedef struct setun_argument {
  const char *name;        /* of the input or output in the source graph; of a state, its input's name */
  const char *output_name; /* of a state: the graph output that carries it out; else NULL */
  uint32_t kind;           /* setun_argument_kind */
  uint32_t dtype;          /* setun_dtype */
  uint32_t rank;
  int32_t axis;        /* of a state that grows: the dimension along which it does; else -1 */
  const int64_t *dims; /* `rank` sizes; -1 - s stands for symbol s. Of an output: -1 where plan must tell.
                          Of a growing state: the buffer's sizes, capacity included. */
  int32_t position;    /* of a growing state: the symbol that counts its live entries; else -1 */
  int32_t reserved;
} setun_argument;

typedef enum setun_symbol_kind {
  SETUN_DIM = 0,      /* a dynamic size of some input, bound when the inputs are given */
  SETUN_POSITION = 1, /* live entries of the states: kept by the session */
  SETUN_CAPACITY = 2  /* entries that the states' buffers hold: chosen when the session is opened */
} setun_symbol_kind;

typedef struct setun_symbol {
  const char *name;
  uint32_t kind; /* setun_symbol_kind */
  uint32_t reserved;
} setun_symbol;

/* Code for one level of the architecture. Levels stand best first; the runtime takes the first whose features the
 * processor has. `features` is a mask of SETUN_X86_* or of SETUN_ARM_*. */
#define SETUN_X86_AVX2 1u              /* AVX2, FMA, BMI2, F16C: x86-64-v3 */
#define SETUN_X86_AVXVNNI 2u           /* vpdpbusd in 256-bit registers, VEX-encoded */
#define SETUN_X86_AVX512VNNI 4u        /* x86-64-v4 (F, BW, CD, DQ, VL) and VNNI */
#define SETUN_ARM_DOTPROD (1ull << 32) /* sdot */
#define SETUN_ARM_I8MM (1ull << 33)    /* smmla, usdot */

/* Code for a device beside the host. */
typedef enum setun_image_kind {
  SETUN_IMAGE_PTX = 1, /* text that ends with a NUL byte, counted in size */
  SETUN_IMAGE_CUBIN,
  SETUN_IMAGE_BITCODE /* LLVM's, for the emulator */
} setun_image_kind;
typedef struct setun_image {
  uint32_t kind;            /* setun_image_kind */
  uint32_t arch;            /* what it was made for: 90 for sm_90 */
  uint32_t exact, reserved; /* not 0: it runs on that very architecture alone, as sm_90a does */
  uint64_t size;
  const void *data;
} setun_image;
/* Most kernels of a list, and most bytes of one with its parameters, that a persistent kernel takes. */
#define SETUN_DEVICE_STEPS 1024
#define SETUN_DEVICE_STEP_BYTES 1024
/* One of such a list: the kernel's parameters follow, then bytes up to a multiple of 16. */
typedef struct setun_device_step {
  uint32_t kernel;         /* index among setun_device_code's kernels */
  uint32_t following;      /* size of the next one, parameters and all; 0: there is none */
  uint32_t threads, teams; /* as setun_device_code's `persistent` says */
  uint32_t grid[3], reserved;
} setun_device_step;
typedef struct setun_device_code {
  const char *driver; /* "cuda": which of the runtime's drivers runs it */
  uint32_t arch;      /* the least it needs: 80 for sm_80 */
  uint32_t num_images, num_kernels, num_messages;
  const setun_image *images;   /* each holds all kernels; the first that fits the device is taken */
  const char *const *kernels;  /* their names in the images */
  const char *const *messages; /* of faults */
  /* NULL, or the last kernel is `setun_persistent_coop`, which does what launches of others would do, one after the
   * other. Of each kernel: threads of a block + (65536 x how many blocks one of its own can do at once); 0: it cannot.
   * Its parameters: the device frame; the list; 2 x SETUN_DEVICE_STEPS counters; u32 bytes of the first step; u32 which
   * half of the counters is to be used: zeros before, while the other half is made zeros. */
  const uint32_t *persistent;
} setun_device_code;

typedef struct setun_level {
  const char *name;
  uint64_t features;
  setun_run_fn run;
  setun_plan_fn plan;
  const setun_device_code *device; /* NULL: run works on the host's memory */
} setun_level;

typedef struct setun_model_desc {
  uint32_t abi_version;
  uint32_t num_symbols, num_arguments, num_levels;
  const char *name;
  const setun_symbol *symbols;
  const setun_argument *arguments;
  const setun_level *levels;
  /* The weights: a .safetensors file beside the model, or the same bytes appended to it (weights_file NULL). The
   * compiler bakes what opening checks: sizes and the FNV-1a 64 hash of the header (the first data_offset bytes). */
  const char *weights_file;
  uint64_t weights_size; /* of the whole safetensors file; 0 for a model without weights */
  uint64_t data_offset;
  uint64_t header_hash;
  int64_t default_capacity;
  /* The text table (text_table.h) in the data section; size 0 for a model without text. */
  uint64_t text_offset, text_size;
  uint64_t parameters; /* numbers that the model learned, however they are packed: told by benchmarks */
} setun_model_desc;

#ifdef __cplusplus
}
#endif

#endif /* SETUN_RT_ABI_H */
