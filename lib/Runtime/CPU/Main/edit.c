/*===- edit.c - A line editor ------------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* One row of the terminal, which shows the part of the text where the cursor is; a line break inside the text is shown
 * as a sign. Keys are those of a shell: arrows, Ctrl-A, E, B, F, P, N, D, H, K, U, W, L. Only the escape sequences that
 * every terminal of today knows are used, so that nothing must be known of the terminal. */

#define _GNU_SOURCE
#include "Main.h"
#include "Width.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { HISTORY = 200, COLUMNS = 80 };

struct setun_editor {
  struct termios cooked;
  char *text; /* UTF-8, ends with 0 */
  size_t size, cursor, reserved;
  char *history[HISTORY];
  size_t entries, entry; /* entry == entries: the line that is being written, */
  char *written;         /* kept while one of the past is shown */
  bool pasting;
};

enum key { UP = 256, DOWN, LEFT, RIGHT, HOME, END, DELETE, BREAK, PASTE, PASTED, NOTHING, GONE };

setun_editor *setun_editor_open(void) {
  setun_editor *e = calloc(1, sizeof *e);
  if (e && (!(e->text = calloc(1, e->reserved = 256)) || tcgetattr(STDIN_FILENO, &e->cooked))) {
    free(e->text);
    free(e);
    return NULL;
  }
  return e;
}

void setun_editor_close(setun_editor *e) {
  tcsetattr(STDIN_FILENO, TCSADRAIN, &e->cooked);
  for (size_t i = 0; i < e->entries; ++i)
    free(e->history[i]);
  free(e->written);
  free(e->text);
  free(e);
}

/*===-- The text ----------------------------------------------------------===*/

static size_t next_char(const setun_editor *e, size_t at) {
  if (at < e->size)
    ++at;
  while (at < e->size && ((e->text[at] & 0xc0) == 0x80 || setun_char_width(e->text + at, e->size - at) == 0))
    ++at;
  return at;
}

static size_t previous_char(const setun_editor *e, size_t at) {
  if (at)
    --at;
  while (at && ((e->text[at] & 0xc0) == 0x80 || setun_char_width(e->text + at, e->size - at) == 0))
    --at;
  return at;
}

static void insert(setun_editor *e, const char *text, size_t size) {
  if (e->size + size + 1 > e->reserved) {
    char *larger = realloc(e->text, (e->size + size + 1) * 2);
    if (!larger)
      return;
    e->text = larger;
    e->reserved = (e->size + size + 1) * 2;
  }
  memmove(e->text + e->cursor + size, e->text + e->cursor, e->size - e->cursor + 1);
  memcpy(e->text + e->cursor, text, size);
  e->size += size;
  e->cursor += size;
}

static void erase(setun_editor *e, size_t begin, size_t end) {
  memmove(e->text + begin, e->text + end, e->size - end + 1);
  e->size -= end - begin;
  e->cursor = begin;
}

static void replace(setun_editor *e, const char *text) {
  erase(e, 0, e->size);
  insert(e, text, strlen(text));
}

/* The last word before the cursor, as Ctrl-W has it. */
static size_t word_before(const setun_editor *e) {
  size_t at = e->cursor;
  while (at && strchr(" \t\n", e->text[at - 1]))
    --at;
  while (at && !strchr(" \t\n", e->text[at - 1]))
    --at;
  return at;
}

static void recall(setun_editor *e, size_t entry) {
  if (e->entry == e->entries) {
    free(e->written);
    e->written = strdup(e->text);
  }
  e->entry = entry;
  replace(e, entry < e->entries ? e->history[entry] : e->written ? e->written : "");
}

static void remember(setun_editor *e) {
  char *copy = e->size && (!e->entries || strcmp(e->history[e->entries - 1], e->text) != 0) ? strdup(e->text) : NULL;
  if (!copy)
    return;
  if (e->entries == HISTORY) {
    free(e->history[0]);
    memmove(e->history, e->history + 1, (HISTORY - 1) * sizeof *e->history);
    --e->entries;
  }
  e->history[e->entries++] = copy;
}

/*===-- The terminal ------------------------------------------------------===*/

static void put(const char *text, size_t size) {
  while (size) {
    ssize_t written = write(STDOUT_FILENO, text, size);
    if (written < 0 && errno != EINTR)
      return;
    if (written > 0) {
      text += written;
      size -= (size_t)written;
    }
  }
}

static int columns(void) {
  struct winsize size;
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_col < 8 ? COLUMNS : size.ws_col;
}

/* Columns of the character at `at`, and how it is shown. */
static int shown(const setun_editor *e, size_t at, const char **sign) {
  unsigned char c = (unsigned char)e->text[at];
  *sign = c == '\n' ? "\xe2\x86\xb5" : c < ' ' || c == 127 ? "?" : NULL;
  return *sign ? 1 : setun_char_width(e->text + at, e->size - at);
}

static void draw(const setun_editor *e, const char *prompt) {
  int room = columns() - (int)strlen(prompt) - 1, before = 0, width = 0;
  const char *sign;
  size_t begin = e->cursor;
  /* As much as fits before the cursor, and then behind it. */
  while (begin) {
    size_t at = previous_char(e, begin);
    int next = shown(e, at, &sign);
    if (before + next > room)
      break;
    before += next;
    begin = at;
  }
  char *row = NULL;
  size_t size;
  FILE *out = open_memstream(&row, &size);
  if (!out)
    return;
  fprintf(out, "\r%s", prompt);
  for (size_t at = begin, end; at < e->size; at = end) {
    int next = shown(e, at, &sign);
    end = next_char(e, at);
    if ((width += next) > room)
      break;
    if (sign)
      fputs(sign, out);
    else
      fwrite(e->text + at, 1, end - at, out);
  }
  fprintf(out, "\033[K\r");
  if (before + (int)strlen(prompt))
    fprintf(out, "\033[%dC", before + (int)strlen(prompt));
  if (fclose(out) == 0)
    put(row, size);
  free(row);
}

/*===-- Keys --------------------------------------------------------------===*/

static int read_byte(void) {
  unsigned char byte;
  ssize_t got;
  while ((got = read(STDIN_FILENO, &byte, 1)) < 0 && errno == EINTR)
    ;
  return got == 1 ? byte : GONE;
}

/* What follows an escape: "[A", "OA", "[3~", "[200~", a line break. */
static int read_escape(void) {
  int byte = read_byte();
  if (byte == '\r' || byte == '\n')
    return BREAK;
  if (byte != '[' && byte != 'O')
    return byte == GONE ? GONE : NOTHING;
  int number = 0;
  while ((byte = read_byte()) != GONE && ((byte >= '0' && byte <= '9') || byte == ';'))
    number = byte == ';' ? 0 : number * 10 + byte - '0';
  static const struct {
    char letter;
    int number, key;
  } known[] = {{'A', -1, UP},    {'B', -1, DOWN},   {'C', -1, RIGHT},  {'D', -1, LEFT}, {'H', -1, HOME},
               {'F', -1, END},   {'~', 1, HOME},    {'~', 7, HOME},    {'~', 4, END},   {'~', 8, END},
               {'~', 3, DELETE}, {'~', 200, PASTE}, {'~', 201, PASTED}};
  for (size_t i = 0; i < sizeof known / sizeof *known; ++i)
    if (byte == known[i].letter && (known[i].number < 0 || known[i].number == number))
      return known[i].key;
  return byte == GONE ? GONE : NOTHING;
}

/* Does one key. Returns 1 when the line is whole, 2 on Ctrl-C, 3 at the end. */
static int do_key(setun_editor *e, int key) {
  char byte = (char)key;
  if (e->pasting && key < 256) {
    byte = byte == '\r' ? '\n' : byte;
    return byte ? insert(e, &byte, 1) : (void)0, 0;
  }
  switch (key) {
  case PASTE:
  case PASTED:
    e->pasting = key == PASTE;
    return 0;
  case '\r':
  case '\n':
    return 1;
  case BREAK:
    return insert(e, "\n", 1), 0;
  case 3: /* Ctrl-C */
    return 2;
  case 4: /* Ctrl-D */
    if (e->size == 0)
      return 3;
    /* fall through */
  case DELETE:
    return erase(e, e->cursor, next_char(e, e->cursor)), 0;
  case 8: /* Ctrl-H */
  case 127: {
    size_t begin = previous_char(e, e->cursor);
    return erase(e, begin, e->cursor), 0;
  }
  case 1: /* Ctrl-A */
  case HOME:
    return e->cursor = 0, 0;
  case 5: /* Ctrl-E */
  case END:
    return e->cursor = e->size, 0;
  case 2: /* Ctrl-B */
  case LEFT:
    return e->cursor = previous_char(e, e->cursor), 0;
  case 6: /* Ctrl-F */
  case RIGHT:
    return e->cursor = next_char(e, e->cursor), 0;
  case 16: /* Ctrl-P */
  case UP:
    return e->entry ? recall(e, e->entry - 1) : (void)0, 0;
  case 14: /* Ctrl-N */
  case DOWN:
    return e->entry < e->entries ? recall(e, e->entry + 1) : (void)0, 0;
  case 11: /* Ctrl-K */
    return erase(e, e->cursor, e->size), 0;
  case 21: /* Ctrl-U */
    return erase(e, 0, e->cursor), 0;
  case 23: /* Ctrl-W */
    return erase(e, word_before(e), e->cursor), 0;
  case 12: /* Ctrl-L */
    return put("\033[H\033[2J", 7), 0;
  case GONE:
    return 3;
  default:
    if (key >= ' ' && key < 256)
      insert(e, &byte, 1);
    else if (key == '\t')
      insert(e, " ", 1);
    return 0;
  }
}

setun_edited setun_editor_read(setun_editor *e, const char *prompt, const char **line) {
  struct termios raw = e->cooked;
  raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
  raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN | ISIG);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  erase(e, 0, e->size);
  e->entry = e->entries;
  e->pasting = false;
  fflush(stdout);
  /* TCSADRAIN: what was typed while an answer came is kept. */
  if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw))
    return SETUN_EDITED_END;
  static const char paste_on[] = "\033[?2004h", paste_off[] = "\033[?2004l\r\n";
  put(paste_on, sizeof paste_on - 1);
  int done = 0;
  while (!done) {
    int waiting = 0;
    if (!e->pasting && (ioctl(STDIN_FILENO, FIONREAD, &waiting) || !waiting))
      draw(e, prompt); /* once for all that has been typed */
    int key = read_byte();
    done = do_key(e, key == 27 ? read_escape() : key);
  }
  e->cursor = e->size;
  draw(e, prompt);
  put(paste_off, sizeof paste_off - 1);
  /* Between lines Ctrl-C is a signal, and what is typed waits unseen for the next line. */
  raw.c_lflag |= ISIG;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  if (done == 1)
    remember(e);
  *line = e->text;
  return done == 1 ? SETUN_EDITED_LINE : done == 2 ? SETUN_EDITED_INTERRUPT : SETUN_EDITED_END;
}
