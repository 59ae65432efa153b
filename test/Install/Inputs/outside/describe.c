/* Opens a compiled model and prints what it takes and gives. */
#include <setun-rt/setun.h>

#include <stdio.h>

int main(int argc, char **argv) {
  char error[256];
  setun_program *program = argc > 1 ? setun_open(argv[1], NULL, error, sizeof error) : NULL;
  if (!program) {
    fprintf(stderr, "%s\n", argc > 1 ? error : "usage: describe MODEL.so");
    return 1;
  }
  setun_info info;
  for (size_t i = 0; setun_get_info(program, SETUN_INPUT, i, &info) == 0; ++i)
    printf("input %s: %s, rank %u\n", info.name, setun_dtype_name(info.dtype), info.rank);
  for (size_t i = 0; setun_get_info(program, SETUN_OUTPUT, i, &info) == 0; ++i)
    printf("output %s: %s, rank %u\n", info.name, setun_dtype_name(info.dtype), info.rank);
  setun_close(program);
  return 0;
}
