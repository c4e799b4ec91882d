/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The NUMA node that guest memory is on. The kernel is asked about a sample of its pages by
 * move_pages(2), which moves none, and touches none: a page of a guest that is on its way may be
 * absent.
 */
#ifndef GMEM_NODE_H
#define GMEM_NODE_H

#include <stdint.h>

struct gmem;

#define GMEM_NODE_NONE (-1)
#define GMEM_NODE_PAGES 64 /* of a sample */

/**
 * The node of at least three quarters of the pages whose node is known, by the kernel's @p answer
 * for each of @p n <= GMEM_NODE_PAGES: a node, or -errno. GMEM_NODE_NONE: none is known, or they
 * are spread.
 */
int gmem_node_of(const int *answer, uint32_t n);

/**
 * Pages of @p m, all over it, to @p page, after @p n that are there. Returns how many there are
 * then: GMEM_NODE_PAGES, unless @p m is empty.
 */
uint32_t gmem_node_sample(const struct gmem *m, const void **page, uint32_t n);

/**
 * The node that @p m is on, and @p n more addresses that are in use, such as those of its rings:
 * a small page of @p m that this process has not used so far is on no node it knows.
 */
int gmem_node(const struct gmem *m, const void *const *used, uint32_t n);

#endif
