/* Runs a model of this folder twice by the bare ABI, the second time on a grown state, and prints what it gives.
 * The expected numbers stand in the test. */
#include "setun-rt/abi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void setun_run(setun_rt *, const setun_frame *);
void setun_plan(const int64_t *, int64_t *);

static int fails;
static void parallel_for(setun_rt *rt, int64_t count, int64_t grain, setun_body_fn body, void *env) {
  /* Backwards and in small ranges: a body must not lean on order. */
  printf("parallel_for %ld grain %ld\n", (long)count, (long)grain);
  for (int64_t begin = (count - 1) / grain * grain; begin >= 0; begin -= grain)
    body(env, begin, begin + grain < count ? begin + grain : count);
}
static void fail(setun_rt *rt, const char *message) {
  if (!fails++)
    printf("fail: %s\n", message);
}

int main(void) {
  setun_rt rt = {parallel_for, fail};
  enum { CAP = 8 };
  float weights[32 + 4], k[CAP * 4], state[4] = {0}, x[3 * 4], y[3 * 8];
  for (int i = 0; i < 36; ++i)
    weights[i] = (float)(i % 5) - 2;
  for (int i = 0; i < CAP * 4; ++i)
    k[i] = 1000; /* entries past the position must not be read */
  int64_t past = 0;
  for (int run = 0; run < 2; ++run) {
    int64_t symbols[3] = {run ? 1 : 3, past, CAP}, values[6];
    setun_plan(symbols, values);
    printf("arena %ld k %ldx%ld s %ld y %ldx%ld\n", (long)values[0], (long)values[1], (long)values[2], (long)values[3],
           (long)values[4], (long)values[5]);
    for (int i = 0; i < symbols[0] * 4; ++i)
      x[i] = (float)(i + 10 * run);
    uint8_t *arena = aligned_alloc(64, (values[0] + 63) / 64 * 64 + 64);
    memset(arena, 0xAA, values[0]);
    memset(arena + values[0], 0x55, 64);
    void *buffers[] = {x, k, state, y};
    setun_frame frame = {(const uint8_t *)weights, arena, buffers, symbols};
    setun_run(&rt, &frame);
    for (int i = 0; i < 64; ++i)
      if (arena[values[0] + i] != 0x55)
        printf("arena overrun\n");
    free(arena);
    past = values[1];
    for (int i = 0; i < symbols[0]; ++i) {
      printf("y");
      for (int j = 0; j < 8; ++j)
        printf(" %g", y[i * 8 + j]);
      printf("\n");
    }
    printf("s %g %g %g %g\n", state[0], state[1], state[2], state[3]);
  }
  printf("k");
  for (int i = 0; i < 5 * 4; ++i)
    printf(" %g", k[i]);
  printf("\n");
  return 0;
}
