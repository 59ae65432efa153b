/*===- chat.c - Talking to a model -------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* Each turn the whole conversation becomes a prompt by the model's chat template; what of it the model has already
 * taken is not taken again. On a terminal there is a line editor and there are a few commands; elsewhere each line is a
 * turn, and answers are all that is printed to standard output. */

#define _GNU_SOURCE
#include "Main.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A signal has no other way to tell. */
static volatile sig_atomic_t interrupted;
static void on_interrupt(int signal) {
  (void)signal;
  interrupted = 1;
}

typedef struct chat {
  const setun_command *command;
  setun_talk talk;
  setun_conversation conversation;
  bool terminal, templated;
  char last; /* character that was printed */
} chat;

static int print_token(void *user, int64_t id, const char *text, size_t size) {
  chat *c = user;
  (void)id;
  fwrite(text, 1, size, stdout);
  fflush(stdout);
  c->last = size ? text[size - 1] : c->last;
  return interrupted;
}

static int see_interrupt(void *user, int64_t id, const char *text, size_t size) {
  return (void)user, (void)id, (void)text, (void)size, interrupted;
}

/*===-- Prompts -----------------------------------------------------------===*/

static int render(chat *c, int64_t **ids, size_t *count, setun_text *error) {
  const setun_tokenizer *tokenizer = setun_lm_tokenizer(c->talk.lm);
  int64_t room = 256, needed = room;
  *ids = NULL;
  do {
    room = needed;
    free(*ids);
    *ids = malloc((size_t)room * sizeof **ids);
    needed = *ids ? setun_chat(tokenizer, c->conversation.messages, c->conversation.count, 1, *ids, (size_t)room,
                               error->text, sizeof error->text)
                  : -1;
  } while (needed > room);
  if (needed == -1)
    return setun_text_fail(error, "out of memory");
  *count = needed < 0 ? 0 : (size_t)needed;
  return needed < 0 ? -1 : 0;
}

/* The prompt for the conversation, which leaves room for an answer. When it is too long, its oldest turns are forgotten
 * if the command line says so. */
static int make_prompt(chat *c, int64_t **ids, size_t *count, setun_text *error) {
  setun_lm *lm = c->talk.lm;
  int64_t room = setun_lm_room(lm), context = room == INT64_MAX ? room : room + setun_lm_length(lm);
  int64_t answer = context == INT64_MAX ? 0 : context / 4 > 0 ? context / 4 : 1;
  for (;;) {
    if (render(c, ids, count, error))
      return -1;
    bool shifts = c->talk.generation.overflow == SETUN_SHIFT;
    if ((int64_t)*count <= context - (shifts ? answer : context == INT64_MAX ? 0 : 1))
      return 0;
    size_t first = c->conversation.count && strcmp(c->conversation.messages[0].role, "system") == 0;
    if (!shifts || c->conversation.count < first + 3)
      return setun_text_fail(error, "the context is full: the conversation has %zu tokens, the context %lld%s", *count,
                             (long long)context, c->terminal && !shifts ? " (/reset begins anew)" : "");
    setun_conversation_drop(&c->conversation, first, 2);
    free(*ids);
    *ids = NULL;
  }
}

/* Keeps the tokens that the model has taken and the prompt begins with; the rest is left to take. */
static int keep_common(setun_lm *lm, const int64_t *ids, size_t count, size_t *common, setun_text *error) {
  const int64_t *tokens = setun_lm_tokens(lm);
  size_t length = (size_t)setun_lm_length(lm), n = 0;
  while (n < length && n + 1 < count && tokens[n] == ids[n])
    ++n;
  if (setun_lm_truncate(lm, (int64_t)n)) {
    n = 0; /* a state that can go back to its beginning alone */
    if (setun_lm_truncate(lm, 0))
      return setun_text_fail(error, "%s", setun_lm_error(lm));
  }
  *common = n;
  return 0;
}

/*===-- A turn ------------------------------------------------------------===*/

static void print_end(chat *c, const setun_answer *answer) {
  static const char *const ends[] = {"", ", as many as -n allows", "", "", ", the context is full", ", interrupted"};
  setun_lm *lm = c->talk.lm;
  int64_t room = setun_lm_room(lm);
  if (c->command->json) {
    setun_answer_print(answer, lm, setun_lm_length(lm));
    fflush(stdout);
  } else if (c->last != '\n') {
    printf("\n");
    fflush(stdout);
  }
  fprintf(stderr, "[%zu tokens, %.1f tokens/s%s; prompt %zu tokens, %.1f tokens/s; context %lld", answer->count,
          answer->seconds > 0 ? (double)answer->count / answer->seconds : 0, ends[answer->finish], answer->prompt,
          answer->prompt_seconds > 0 ? (double)answer->prompt / answer->prompt_seconds : 0,
          (long long)setun_lm_length(lm));
  if (room != INT64_MAX)
    fprintf(stderr, " of %lld", (long long)(setun_lm_length(lm) + room));
  fprintf(stderr, "]\n");
}

/* One message and the answer to it. A message that was not answered is forgotten. */
static int take_turn(chat *c, const char *text, setun_text *error) {
  size_t count = 0, common = 0;
  int64_t *ids = NULL;
  setun_answer answer = {.on_token = c->command->json ? see_interrupt : print_token, .user = c};
  interrupted = 0;
  c->last = '\n';
  bool added = c->templated && !setun_conversation_add(&c->conversation, "user", text, error);
  int failed = 0;
  if (c->templated)
    failed = !added || make_prompt(c, &ids, &count, error) || keep_common(c->talk.lm, ids, count, &common, error);
  else
    failed = setun_talk_encode(&c->talk, c->command, text, strlen(text), setun_lm_length(c->talk.lm) == 0, &ids, &count,
                               error);
  if (!failed)
    failed = setun_talk_answer(&c->talk, c->command, ids + common, count - common, c->terminal ? &interrupted : NULL,
                               &answer, error);
  if (!failed)
    print_end(c, &answer);
  if (!failed && c->templated && answer.count)
    failed = setun_conversation_add(&c->conversation, "assistant", answer.text, error);
  if (added && (failed || !answer.count))
    setun_conversation_drop(&c->conversation, c->conversation.count - 1, 1);
  setun_answer_free(&answer);
  free(ids);
  return failed ? -1 : 0;
}

static int save(chat *c, const char *path, setun_text *error) {
  char *note;
  size_t size;
  if (setun_conversation_write(&c->conversation, &note, &size, error))
    return -1;
  int failed = setun_lm_set_note(c->talk.lm, note, size) || setun_lm_save(c->talk.lm, path);
  free(note);
  return failed ? setun_text_fail(error, "%s", setun_lm_error(c->talk.lm)) : 0;
}

static int take_note(chat *c, setun_text *error) {
  size_t size;
  const char *note = setun_lm_note(c->talk.lm, &size);
  return setun_conversation_read(&c->conversation, note, size, error);
}

static int begin_anew(chat *c, setun_text *error) {
  setun_conversation_drop(&c->conversation, 0, c->conversation.count);
  if (setun_lm_truncate(c->talk.lm, 0))
    return setun_text_fail(error, "%s", setun_lm_error(c->talk.lm));
  return c->command->system ? setun_conversation_add(&c->conversation, "system", c->command->system, error) : 0;
}

/*===-- The loops ---------------------------------------------------------===*/

static const char help[] =
    "/help        this\n"
    "/reset       forget the conversation\n"
    "/save FILE   keep the conversation in a file\n"
    "/load FILE   go on with the conversation of a file\n"
    "/exit        end, as Ctrl-D does\n"
    "Ctrl-C stops an answer, and ends at an empty prompt when it is pressed twice. A pasted text "
    "of several lines is\none message; Alt-Enter begins a line.\n";

/* The file's name of a command that has one, or NULL. */
static const char *operand(const char *line, const char *name) {
  size_t length = strlen(name);
  if (strncmp(line, name, length) != 0 || line[length] != ' ')
    return NULL;
  line += length + strspn(line + length, " ");
  return *line ? line : NULL;
}

/* Returns 1 when the line is no command, 0 when it was done, -1 when it failed, 2 to end. */
static int do_command(chat *c, const char *line, setun_text *error) {
  const char *path;
  if (line[0] != '/')
    return 1;
  if (strcmp(line, "/exit") == 0)
    return 2;
  if (strcmp(line, "/help") == 0)
    return fputs(help, stderr), 0;
  if (strcmp(line, "/reset") == 0)
    return begin_anew(c, error);
  if ((path = operand(line, "/save")))
    return save(c, path, error);
  if ((path = operand(line, "/load"))) {
    if (setun_lm_load(c->talk.lm, path))
      return setun_text_fail(error, "%s", setun_lm_error(c->talk.lm));
    setun_talk_resume(&c->talk, c->command);
    return take_note(c, error);
  }
  return setun_text_fail(error, "unknown command (see /help)");
}

static int talk_on_terminal(chat *c, setun_text *error) {
  struct sigaction action = {.sa_handler = on_interrupt}, old;
  setun_editor *editor = setun_editor_open();
  if (!editor)
    return setun_text_fail(error, "cannot use the terminal: %m");
  sigaction(SIGINT, &action, &old);
  bool once = false; /* Ctrl-C was pressed at the prompt */
  for (;;) {
    const char *line;
    setun_edited edited = setun_editor_read(editor, "> ", &line);
    if (edited == SETUN_EDITED_END || (edited == SETUN_EDITED_INTERRUPT && once))
      break;
    once = edited == SETUN_EDITED_INTERRUPT;
    if (once)
      fprintf(stderr, "(Ctrl-C again, or Ctrl-D, ends)\n");
    if (once || !line[strspn(line, " \t\n")])
      continue;
    setun_text problem = {""};
    int result = do_command(c, line, &problem);
    if (result == 1)
      result = take_turn(c, line, &problem);
    if (result < 0)
      fprintf(stderr, "%s: error: %s\n", c->command->program, problem.text);
    if (result == 2)
      break;
  }
  sigaction(SIGINT, &old, NULL);
  setun_editor_close(editor);
  return 0;
}

static int talk_on_pipe(chat *c, setun_text *error) {
  char *line = NULL;
  size_t reserved = 0;
  int failed = 0;
  for (ssize_t size; !failed && (size = getline(&line, &reserved, stdin)) >= 0;) {
    while (size && (line[size - 1] == '\n' || line[size - 1] == '\r'))
      line[--size] = 0;
    if (line[strspn(line, " \t")])
      failed = take_turn(c, line, error);
  }
  if (!failed && ferror(stdin))
    failed = setun_text_fail(error, "cannot read standard input: %m");
  free(line);
  return failed;
}

static int talk(chat *c, setun_text *error) {
  const setun_command *command = c->command;
  const setun_tokenizer *tokenizer = setun_lm_tokenizer(c->talk.lm);
  if (setun_lm_batch(c->talk.lm) > 1)
    return setun_text_fail(error,
                           "a chat is one conversation, and the model takes %lld sequences at a time: compile it "
                           "without --batch",
                           (long long)setun_lm_batch(c->talk.lm));
  if (!tokenizer)
    return setun_text_fail(error, "%s", setun_lm_no_tokenizer(c->talk.lm));
  c->templated = setun_has_chat(tokenizer) != 0;
  if (!c->templated && command->system)
    return setun_text_fail(error, "--system: the model has no chat template");
  if (!c->templated)
    fprintf(stderr, "%s: note: the model has no chat template: it continues what it is given\n", command->program);
  if (command->load_state ? take_note(c, error) : begin_anew(c, error))
    return -1;
  c->talk.generation.continues = !c->templated;
  if (!command->prompt.size && !command->prompt_file.size)
    return c->terminal ? talk_on_terminal(c, error) : talk_on_pipe(c, error);
  char *text = NULL;
  size_t size;
  c->terminal = false;
  if (command->prompt_file.size && setun_read_text(command->prompt_file.items[0], &text, &size, error))
    return -1;
  int failed = take_turn(c, text ? text : command->prompt.items[0], error);
  free(text);
  return failed;
}

int setun_command_chat(const setun_command *command, setun_program *program, setun_text *error) {
  chat c = {.command = command, .terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !command->json};
  int failed = setun_talk_open(&c.talk, command, program, error) || talk(&c, error);
  if (!failed && command->save_state)
    failed = save(&c, command->save_state, error);
  setun_conversation_drop(&c.conversation, 0, c.conversation.count);
  free(c.conversation.messages);
  setun_talk_close(&c.talk);
  return failed ? -1 : 0;
}
