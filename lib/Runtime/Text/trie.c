/*===- trie.c - Tries whose edges are a hash ----------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

#include "Tokenizer.h"
#include <stdlib.h>
#include <string.h>

uint32_t text_trie_step(const text_trie *trie, uint32_t node, uint8_t byte) {
  if (!trie->num_edges)
    return SETUN_TEXT_NONE;
  uint32_t key = node << 8 | byte;
  size_t place = setun_text_place(setun_text_mix(key), trie->num_edges);
  for (size_t tries = 0; tries < trie->num_edges; ++tries) {
    const setun_text_edge *edge = &trie->edges[place];
    if (edge->key == key)
      return edge->node < trie->num_nodes ? edge->node : SETUN_TEXT_NONE;
    if (edge->key == SETUN_TEXT_NONE)
      return SETUN_TEXT_NONE;
    place = place + 1 == trie->num_edges ? 0 : place + 1;
  }
  return SETUN_TEXT_NONE;
}

int text_added_trie_build(text_added_trie *result, const text_span *texts, size_t count) {
  size_t total = 0;
  for (size_t i = 0; i < count; ++i)
    total += texts[i].data ? texts[i].size : 0;
  if (total >= SETUN_TEXT_MAX_NODES - 1)
    return -1;
  size_t places = total * 2 + 1;
  setun_text_edge *edges = malloc(places * sizeof *edges);
  uint32_t *ends = malloc((total + 1) * sizeof *ends);
  result->trie = (text_trie){edges, places, ends, 1};
  if (!edges || !ends)
    return -1;
  memset(edges, 0xff, places * sizeof *edges);
  ends[0] = SETUN_TEXT_NONE;
  for (size_t i = 0; i < count; ++i) {
    if (!texts[i].data)
      continue;
    if (!texts[i].size)
      return -2;
    uint32_t node = 0;
    for (size_t j = 0; j < texts[i].size; ++j) {
      uint32_t next = text_trie_step(&result->trie, node, texts[i].data[j]);
      if (next == SETUN_TEXT_NONE) {
        uint32_t key = node << 8 | texts[i].data[j];
        size_t place = setun_text_place(setun_text_mix(key), places);
        while (edges[place].key != SETUN_TEXT_NONE)
          place = place + 1 == places ? 0 : place + 1;
        next = (uint32_t)result->trie.num_nodes++;
        edges[place] = (setun_text_edge){key, next};
        ends[next] = SETUN_TEXT_NONE;
      }
      node = next;
    }
    if (ends[node] != SETUN_TEXT_NONE)
      return -2;
    ends[node] = (uint32_t)i;
    result->first[texts[i].data[0]] = 1;
    result->used = true;
  }
  return 0;
}

ptrdiff_t text_added_trie_longest(const text_added_trie *added, const uint8_t *text, size_t size, size_t *length) {
  const text_trie *trie = &added->trie;
  ptrdiff_t found = -1;
  uint32_t node = 0;
  for (size_t i = 0; i < size && (node = text_trie_step(trie, node, text[i])) != SETUN_TEXT_NONE;)
    if (++i, trie->ends[node] != SETUN_TEXT_NONE) {
      found = trie->ends[node];
      *length = i;
    }
  return found;
}

void text_added_trie_free(text_added_trie *trie) {
  free((void *)trie->trie.edges);
  free((void *)trie->trie.ends);
}
