/*===- graph.c - Runs as graphs -----------------------------------*- C -*-===*\
 * Part of the Setun Project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for license information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
\*===----------------------------------------------------------------------===*/

/* A decode step launches the same kernels again and again with the same parameters (its position stands in the device
 * frame): one graph does them all at once. A list that differs in a few launches changes these in the graph; one that
 * was never seen (a prompt of some length, as a rule) is launched kernel by kernel, and becomes a graph when it comes
 * again. */

#include "Cuda.h"
#include <stdlib.h>
#include <string.h>

void setun_cuda_graph_free(setun_queue *queue, cuda_graph *graph) {
  const cuda_api *api = &queue->device->api;
  if (graph->exec)
    (void)api->cuGraphExecDestroy(graph->exec);
  if (graph->graph)
    (void)api->cuGraphDestroy(graph->graph);
  free(graph->nodes);
  setun_cuda_list_free(&graph->list);
  *graph = (cuda_graph){0};
}

static int enqueue(setun_queue *queue) {
  return setun_cuda_tell(queue, queue->list.upload) || setun_cuda_launch_all(queue, &queue->list, false) ||
         setun_cuda_hear(queue);
}

/* The graph's kernels in their order: as they were captured, which is looked at again. NULL if they are not. */
static CUgraphNode *find_nodes(const setun_queue *queue, CUgraph graph, const cuda_list *list) {
  const cuda_api *api = &queue->device->api;
  size_t count = 0, kernels = 0;
  if (api->cuGraphGetNodes(graph, NULL, &count) || count < list->count)
    return NULL;
  CUgraphNode *nodes = calloc(count + 1, sizeof *nodes);
  if (!nodes || api->cuGraphGetNodes(graph, nodes, &count))
    count = 0;
  for (size_t i = 0; i < count; ++i) {
    CUgraphNodeType type;
    CUDA_KERNEL_NODE_PARAMS_v2 params;
    if (api->cuGraphNodeGetType(nodes[i], &type) || type != CU_GRAPH_NODE_TYPE_KERNEL)
      continue;
    if (kernels == list->count || api->cuGraphKernelNodeGetParams(nodes[i], &params))
      break;
    const cuda_record *record = setun_cuda_record(list, kernels);
    if (params.func != queue->device->kernels[record->kernel].function || params.gridDimX != record->grid[0] ||
        params.gridDimY != record->grid[1] || params.blockDimX != record->block[0])
      break;
    nodes[kernels++] = nodes[i];
  }
  if (kernels == list->count)
    return nodes;
  free(nodes);
  return NULL;
}

/* Makes a graph of the run's list. Returns -1 when it cannot be made: the queue then goes without graphs. */
static int capture(setun_queue *queue, cuda_graph *graph) {
  const cuda_api *api = &queue->device->api;
  setun_cuda_graph_free(queue, graph);
  if (api->cuStreamBeginCapture(queue->stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL))
    return -1;
  queue->capturing = true;
  int failed = enqueue(queue);
  queue->capturing = false;
  if (api->cuStreamEndCapture(queue->stream, &graph->graph) || failed ||
      api->cuGraphInstantiate(&graph->exec, graph->graph, 0)) {
    setun_cuda_graph_free(queue, graph);
    queue->failed = false; /* it will show again if it was not the graph's */
    return -1;
  }
  graph->nodes = find_nodes(queue, graph->graph, &queue->list);
  return 0;
}

/* The same; where it cannot be one as it is, of kernels that do not start early. */
static int capture_somehow(setun_queue *queue, cuda_graph *graph) {
  int failed = capture(queue, graph);
  if (failed && queue->with_early_starts) {
    queue->with_early_starts = false;
    failed = capture(queue, graph);
    queue->with_early_starts = failed;
  }
  return failed;
}

/* Changes the graph's launches to those of the run. Returns -1 when one cannot be changed. */
static int update(setun_queue *queue, cuda_graph *graph) {
  const setun_device *device = queue->device;
  for (size_t i = 0; i < queue->list.count; ++i) {
    const cuda_record *now = setun_cuda_record(&queue->list, i);
    if (setun_cuda_record_equals(now, setun_cuda_record(&graph->list, i)))
      continue;
    size_t size = (size_t)now->params_size;
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, (void *)(uintptr_t)(now + 1), CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
                     CU_LAUNCH_PARAM_END};
    CUDA_KERNEL_NODE_PARAMS_v2 params = {.func = device->kernels[now->kernel].function,
                                         .gridDimX = now->grid[0],
                                         .gridDimY = now->grid[1],
                                         .gridDimZ = now->grid[2],
                                         .blockDimX = now->block[0],
                                         .blockDimY = now->block[1],
                                         .blockDimZ = now->block[2],
                                         .sharedMemBytes = now->shared,
                                         .extra = extra};
    if (device->api.cuGraphExecKernelNodeSetParams(graph->exec, graph->nodes[i], &params))
      return -1;
  }
  return 0;
}

static void swap(cuda_list *a, cuda_list *b) {
  cuda_list other = *a;
  *a = *b;
  *b = other;
}

static int launch(setun_queue *queue, cuda_graph *graph) {
  const cuda_api *api = &queue->device->api;
  graph->used = ++queue->clock;
  CUresult result = api->cuGraphLaunch(graph->exec, queue->stream);
  return result ? setun_cuda_fail(api, result, setun_cuda_failure(queue), "the run cannot be launched") : 0;
}

/* The graph that is nearest to the run's list, if it is near enough. */
static cuda_graph *find_graph(setun_queue *queue, size_t most, size_t *differences) {
  cuda_graph *best = NULL;
  *differences = most + 1;
  for (size_t i = 0; i < CUDA_GRAPHS && *differences; ++i) {
    cuda_graph *graph = &queue->graphs[i];
    size_t differs = graph->exec ? setun_cuda_list_differences(&graph->list, &queue->list, most) : SIZE_MAX;
    if (differs < *differences && (differs == 0 || graph->nodes)) {
      best = graph;
      *differences = differs;
    }
  }
  return best;
}

static cuda_graph *oldest(setun_queue *queue) {
  cuda_graph *graph = &queue->graphs[0];
  for (size_t i = 1; i < CUDA_GRAPHS; ++i)
    if (queue->graphs[i].used < graph->used)
      graph = &queue->graphs[i];
  return graph;
}

int setun_cuda_submit(setun_queue *queue) {
  /* To change a launch costs about as much as to launch; half of them is where one might as well. */
  size_t most = queue->list.count / 2 > 4 ? queue->list.count / 2 : 4, differences;
  if (setun_cuda_can_persist(queue))
    return setun_cuda_persist(queue);
  setun_cuda_profile_list(queue);
  if (!queue->with_graphs || queue->list.count == 0)
    return enqueue(queue);
  cuda_graph *graph = find_graph(queue, most, &differences);
  if (graph && differences == 0)
    return launch(queue, graph);
  if (graph && update(queue, graph) == 0) {
    swap(&graph->list, &queue->list);
    return launch(queue, graph);
  }
  if (graph) /* half changed: of no use */
    setun_cuda_graph_free(queue, graph);
  for (size_t i = 0; i < CUDA_SEEN; ++i)
    if (queue->seen[i].count && setun_cuda_list_differences(&queue->seen[i], &queue->list, most) <= most) {
      graph = oldest(queue);
      if (capture_somehow(queue, graph)) {
        queue->with_graphs = false;
        return enqueue(queue);
      }
      setun_cuda_list_clear(&queue->seen[i]);
      swap(&graph->list, &queue->list);
      return launch(queue, graph);
    }
  int failed = enqueue(queue);
  swap(&queue->seen[queue->next_seen++ % CUDA_SEEN], &queue->list);
  return failed;
}
