/*===- threads.c - The pool of threads -----------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* One job at a time, done by the caller and whichever workers come by. A worker enters a job only while its gate is
 * open and the caller waits only for those inside, so a worker that sleeps or was preempted before entering never
 * delays anyone.
 *
 * The gate is one word: the job's number (high), an open bit, and how many workers are inside (low). A job's fields are
 * written while the gate is shut and nobody is inside, and read only from inside. */

#define _GNU_SOURCE
#include "Internal.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SPINS 2000
#define MAX_THREADS 1024
#define GATE_OPEN ((uint64_t)1 << 32)
#define GATE_INSIDE (GATE_OPEN - 1)
#define GATE_JOB ((uint64_t)1 << 33)
#define LINE _Alignas(64) /* what is written by different threads stands on different cache lines */

struct setun_pool {
  LINE atomic_uint_fast64_t gate;
  LINE atomic_int_fast64_t next; /* first index that nobody has claimed */
  LINE atomic_bool busy;
  atomic_int sleepers;
  setun_body_fn body;
  void *env;
  int64_t count, step;
  /* Written before the first worker starts or under the lock. */
  LINE pthread_mutex_t lock;
  pthread_cond_t wake;
  atomic_bool stop;
  int32_t threads, started;
  bool pin;
  cpu_set_t usable;
  pthread_t *workers;
};

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb"); /* some ten nanoseconds, as pause; "yield" takes none on most cores */
#endif
}

static void work(setun_pool *pool) {
  for (;;) {
    int64_t begin = atomic_fetch_add_explicit(&pool->next, pool->step, memory_order_relaxed);
    if (begin >= pool->count)
      return;
    int64_t rest = pool->count - begin;
    pool->body(pool->env, begin, begin + (rest < pool->step ? rest : pool->step));
  }
}

static bool try_enter(setun_pool *pool, uint64_t gate) {
  return (gate & GATE_OPEN) && atomic_compare_exchange_strong_explicit(&pool->gate, &gate, gate + 1,
                                                                       memory_order_acquire, memory_order_relaxed);
}

/* Waits until the gate shows a job other than `seen`; false when the pool ends. */
static bool await_job(setun_pool *pool, uint64_t seen) {
  for (int i = 0; i < SPINS; ++i) {
    if (atomic_load_explicit(&pool->gate, memory_order_relaxed) / GATE_JOB != seen)
      return true;
    relax();
  }
  pthread_mutex_lock(&pool->lock);
  /* Both sides write, then read what the other wrote: either this sees the new job or the caller sees a sleeper. */
  atomic_fetch_add(&pool->sleepers, 1);
  while (atomic_load(&pool->gate) / GATE_JOB == seen && !atomic_load(&pool->stop))
    pthread_cond_wait(&pool->wake, &pool->lock);
  atomic_fetch_sub(&pool->sleepers, 1);
  pthread_mutex_unlock(&pool->lock);
  return !atomic_load(&pool->stop);
}

static void *worker(void *argument) {
  setun_pool *pool = argument;
  setun_float_state_enter();
  uint64_t seen = 0;
  while (await_job(pool, seen)) {
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_relaxed);
    if (try_enter(pool, gate)) {
      work(pool);
      atomic_fetch_sub_explicit(&pool->gate, 1, memory_order_release);
      seen = gate / GATE_JOB;
    } else if (!(gate & GATE_OPEN)) {
      seen = gate / GATE_JOB; /* too late for this one */
    }
  }
  return NULL;
}

static void pin_worker(pthread_attr_t *attributes, const cpu_set_t *usable, int32_t index) {
  int nth = index % CPU_COUNT(usable);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, usable) || nth-- > 0)
      continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    (void)pthread_attr_setaffinity_np(attributes, sizeof one, &one);
    return;
  }
}

/* Starts the workers; with fewer than asked for the pool still works. */
static void start(setun_pool *pool) {
  pool->workers = calloc((size_t)pool->threads, sizeof *pool->workers);
  sigset_t all, before; /* signals are the program's own threads' business */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (int32_t i = 0; pool->workers && i + 1 < pool->threads; ++i) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (pool->pin)
      pin_worker(&attributes, &pool->usable, i + 1);
    int failed = pthread_create(&pool->workers[i], &attributes, worker, pool);
    pthread_attr_destroy(&attributes);
    if (failed)
      break;
    pool->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void run_job(setun_pool *pool, int64_t count, int64_t grain, setun_body_fn body, void *env) {
  int64_t blocks = count / grain + (count % grain != 0);
  int64_t share = blocks / ((int64_t)pool->threads * 4);
  pool->body = body;
  pool->env = env;
  pool->count = count;
  pool->step = (share ? share : 1) * grain;
  atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
  uint64_t job = atomic_load_explicit(&pool->gate, memory_order_relaxed) / GATE_JOB + 1;
  atomic_store(&pool->gate, job * GATE_JOB | GATE_OPEN);
  if (atomic_load(&pool->sleepers) > 0) {
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
  }
  work(pool);
  uint64_t gate = atomic_fetch_and_explicit(&pool->gate, ~GATE_OPEN, memory_order_acquire);
  for (int spins = 0; gate & GATE_INSIDE; gate = atomic_load_explicit(&pool->gate, memory_order_acquire)) {
    if (++spins < SPINS)
      relax();
    else
      sched_yield(); /* a worker was preempted inside: give it the processor */
  }
}

void setun_pool_for(setun_pool *pool, int64_t count, int64_t grain, setun_body_fn body, void *env) {
  if (count <= 0)
    return;
  if (grain < 1)
    grain = 1;
  if (pool->threads == 1 || count <= grain || atomic_exchange_explicit(&pool->busy, true, memory_order_acquire)) {
    body(env, 0, count);
    return;
  }
  if (!pool->workers)
    start(pool);
  run_job(pool, count, grain, body, env);
  atomic_store_explicit(&pool->busy, false, memory_order_release);
}

setun_pool *setun_pool_create(int32_t threads, bool pin, setun_message message) {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof usable, &usable))
    CPU_SET(0, &usable);
  const char *text = getenv("SETUN_THREADS");
  if (threads == 0 && text && *text) {
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || value < 1 || value > MAX_THREADS) {
      setun_fail(message, "SETUN_THREADS: '%s' is not a number from 1 to %d", text, MAX_THREADS);
      return NULL;
    }
    threads = (int32_t)value;
  } else if (threads == 0) {
    threads = CPU_COUNT(&usable) < MAX_THREADS ? CPU_COUNT(&usable) : MAX_THREADS;
  }
  if (threads < 1 || threads > MAX_THREADS) {
    setun_fail(message, "%d threads: the number must be from 1 to %d", threads, MAX_THREADS);
    return NULL;
  }
  setun_pool *pool = aligned_alloc(64, sizeof *pool);
  if (!pool) {
    setun_fail(message, "out of memory");
    return NULL;
  }
  *pool = (setun_pool){.threads = threads, .pin = pin, .usable = usable};
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->wake, NULL);
  return pool;
}

void setun_pool_destroy(setun_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->stop, true);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  for (int32_t i = 0; i < pool->started; ++i)
    pthread_join(pool->workers[i], NULL);
  free(pool->workers);
  pthread_mutex_destroy(&pool->lock);
  pthread_cond_destroy(&pool->wake);
  free(pool);
}

int32_t setun_pool_threads(const setun_pool *pool) { return pool->threads; }
