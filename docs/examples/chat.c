/* Talks to a compiled language model: `./chat model.so` reads a line, streams the answer, and so on until there is no
 * more. Compile: cc chat.c -lsetun_rt_text -lsetun_rt */

#define _POSIX_C_SOURCE 200809L
#include <setun-rt/language.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 200, TOKENS = 8192, ANSWER = 65536 };
static char answer[ANSWER];

static int fail(const char *message) { return fprintf(stderr, "chat: %s\n", message), 1; }

static int show(void *user, int64_t id, const char *text, size_t size) {
  (void)user, (void)id;
  if (strlen(answer) + size < ANSWER)
    strncat(answer, text, size);
  fwrite(text, 1, size, stdout);
  return fflush(stdout); /* other than 0 would end the answer */
}

int main(int argc, char **argv) {
  char error[512], line[4096];
  setun_chat_message messages[MESSAGES];
  static int64_t ids[TOKENS];
  size_t count = 0;
  setun_sampling sampling = {.temperature = 0.7, .top_p = 0.9, .seed = 1};
  setun_program *program = setun_open(argc > 1 ? argv[1] : "./model.so", NULL, error, sizeof error);
  setun_lm *lm = program ? setun_lm_open(program, NULL, error, sizeof error) : NULL;
  setun_sampler *sampler = lm ? setun_sampler_open(&sampling, error, sizeof error) : NULL;
  if (!sampler)
    return fail(error);
  const setun_tokenizer *tokenizer = setun_lm_tokenizer(lm);
  if (!tokenizer || !setun_has_chat(tokenizer))
    return fail("the model was compiled without a chat template");
  while (count + 2 <= MESSAGES && fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    messages[count++] = (setun_chat_message){"user", strdup(line)};
    int64_t size = setun_chat(tokenizer, messages, count, 1, ids, TOKENS, error, sizeof error), same = 0;
    if (size < 0 || size > TOKENS)
      return fail(size == -2 ? error : "the conversation is too long");
    while (same < setun_lm_length(lm) && same + 1 < size && setun_lm_tokens(lm)[same] == ids[same])
      ++same; /* what the model has taken before is not taken again */
    answer[0] = 0;
    if (setun_lm_truncate(lm, same) || setun_lm_extend(lm, ids + same, size - same) ||
        setun_lm_generate(lm, sampler, NULL, show, NULL, NULL))
      return fail(setun_lm_error(lm));
    printf("\n");
    messages[count++] = (setun_chat_message){"assistant", strdup(answer)};
  }
  while (count)
    free((char *)messages[--count].content);
  setun_sampler_close(sampler);
  setun_lm_close(lm);
  setun_close(program);
  return 0;
}
