/* Runs test/Pipelines/run-parallel.mlir with a parallel_for that goes backwards, in ranges of one grain. */
#include "setun-rt/abi.h"

#include <stdio.h>

void setun_run(setun_rt *, const setun_frame *);
void setun_plan(const int64_t *, int64_t *);

static void parallel_for(setun_rt *rt, int64_t count, int64_t grain, setun_body_fn body, void *env) {
  printf("parallel_for %ld grain %ld\n", (long)count, (long)grain);
  if (count > 0)
    for (int64_t begin = (count - 1) / grain * grain; begin >= 0; begin -= grain)
      body(env, begin, begin + grain < count ? begin + grain : count);
}
static void fail(setun_rt *rt, const char *message) { printf("fail: %s\n", message); }

static void run(int64_t n, const float *x) {
  setun_rt rt = {parallel_for, fail};
  float y[7] = {-1, -1, -1, -1, -1, -1, -1};
  void *buffers[] = {(void *)x, y};
  uint8_t arena[64] = {0};
  setun_frame frame = {0, arena, buffers, &n};
  setun_run(&rt, &frame);
  for (int i = 0; i < 7; ++i)
    printf("%g ", y[i]);
  printf("\n");
}

int main(void) {
  run(7, (const float[]){1, 2, 3, 4, 5, 6, 7});
  run(3, (const float[]){1, -2, 3});
  run(0, (const float[]){0});
  for (int64_t n = (int64_t)1 << 20; n > 0; n <<= 14) {
    int64_t values[2];
    setun_plan(&n, values);
    printf("n %lx arena %lx\n", (long)n, (long)values[0]);
  }
  return 0;
}
