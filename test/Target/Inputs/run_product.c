/* run_product TOKENS TIMES: runs @ternary_product of 2560 x 2560 on that many tokens, so many times. TIMES = 0 shows
 * what the program itself takes. With -DPLAIN the product is a loop over bytes as a C programmer writes it. */

#include <stdint.h>
#include <stdlib.h>

enum { N = 2560, K = 2560 };

#ifdef PLAIN
__attribute__((noinline)) static void product(const int8_t *restrict x, const int8_t *restrict w, int32_t *restrict acc,
                                              int64_t tokens) {
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t row = 0; row < N; ++row) {
      int32_t sum = 0;
      for (int64_t i = 0; i < K; ++i)
        sum += w[row * K + i] * x[t * K + i];
      acc[t * N + row] = sum;
    }
}
#else
struct vector {
  void *allocated, *aligned;
  int64_t offset, size, stride;
};
struct matrix {
  void *allocated, *aligned;
  int64_t offset, sizes[2], strides[2];
};
void _mlir_ciface_ternary_product(struct matrix *x, struct vector *w, struct matrix *acc);

static void product(int8_t *x, int8_t *w, int32_t *acc, int64_t tokens) {
  struct matrix xs = {x, x, 0, {tokens, K}, {K, 1}}, out = {acc, acc, 0, {tokens, N}, {N, 1}};
  struct vector weight = {w, w, 0, N * K / 4, 1};
  _mlir_ciface_ternary_product(&xs, &weight, &out);
}
#endif

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  int64_t tokens = atoi(argv[1]);
  int8_t *x = aligned_alloc(64, tokens * K), *w = aligned_alloc(64, N * K);
  int32_t *acc = aligned_alloc(64, tokens * N * sizeof *acc);
  for (int64_t i = 0; i < tokens * K; ++i)
    x[i] = (int8_t)i;
  for (int64_t i = 0; i < N * K; ++i)
    w[i] = 0x55;
  for (int times = atoi(argv[2]); times > 0; --times) {
    product(x, w, acc, tokens);
    __asm__ volatile("" ::: "memory"); /* every time anew */
  }
  return 0;
}
