/* Prints how many tokens and bytes a text gives, there and back, and a hash of both: text-hash TABLE TEXT. */
#include "setun-rt/text.h"
#include <stdio.h>

static uint64_t table[1 << 17];
static char text[1 << 16], back[1 << 17];
static int64_t ids[1 << 16];

static size_t read_file(const char *name, void *into, size_t room) {
  FILE *file = fopen(name, "rb");
  size_t size = file ? fread(into, 1, room, file) : 0;
  if (file)
    fclose(file);
  return size;
}

int main(int argc, char **argv) {
  char error[200];
  if (argc != 3)
    return 2;
  size_t table_size = read_file(argv[1], table, sizeof table), size = read_file(argv[2], text, sizeof text);
  setun_tokenizer *tokenizer = setun_tokenizer_open(table, table_size, error, sizeof error);
  if (!tokenizer) {
    puts(error);
    return 1;
  }
  uint64_t hash = 0;
  int64_t count = setun_encode(tokenizer, text, size, SETUN_ADD_SPECIAL | SETUN_PARSE_SPECIAL, ids, 1 << 16);
  for (int64_t i = 0; i < count; ++i)
    hash = hash * 1000003 + (uint64_t)ids[i];
  int64_t bytes = setun_decode(tokenizer, ids, count < 0 ? 0 : (size_t)count, 0, back, sizeof back);
  for (int64_t i = 0; i < bytes; ++i)
    hash = hash * 1000003 + (unsigned char)back[i];
  printf("%lld tokens, %lld bytes, %llx\n", (long long)count, (long long)bytes, (unsigned long long)hash);
  setun_tokenizer_close(tokenizer);
  return 0;
}
