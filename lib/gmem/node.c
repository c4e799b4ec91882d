/* SPDX-License-Identifier: BSD-3-Clause */
#include "gmem/node.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <rte_common.h>

#include "gmem/gmem.h"

int
gmem_node_of(const int *answer, uint32_t n)
{
	uint32_t known = 0, most = 0, same;
	int node = GMEM_NODE_NONE;

	for (uint32_t i = 0; i < n; i++) {
		if (answer[i] < 0)
			continue;
		known++;
		same = 0;
		for (uint32_t k = 0; k < n; k++)
			same += answer[k] == answer[i];
		if (same > most) {
			most = same;
			node = answer[i];
		}
	}
	return most * 4 >= known * 3 ? node : GMEM_NODE_NONE;
}

/* The byte of that number, counted over all regions. */
static const void *
byte_at(const struct gmem *m, uint64_t at)
{
	uint32_t i = 0;

	while (at >= m->r[i].size)
		at -= m->r[i++].size;
	return m->r[i].hva + at;
}

uint32_t
gmem_node_sample(const struct gmem *m, const void **page, uint32_t n)
{
	uint64_t all = 0, step;

	for (uint32_t i = 0; i < m->n; i++)
		all += m->r[i].size;
	if (all == 0)
		return n;
	step = all / GMEM_NODE_PAGES;
	for (uint64_t at = 0; n < GMEM_NODE_PAGES; at += step)
		page[n++] = byte_at(m, at);
	return n;
}

int
gmem_node(const struct gmem *m, const void *const *used, uint32_t n)
{
	const void *page[GMEM_NODE_PAGES];
	int answer[GMEM_NODE_PAGES];

	n = RTE_MIN(n, (uint32_t)GMEM_NODE_PAGES);
	for (uint32_t i = 0; i < n; i++)
		page[i] = used[i];
	n = gmem_node_sample(m, page, n);
	if (n == 0 || syscall(SYS_move_pages, 0, (unsigned long)n, page, NULL, answer, 0) < 0)
		return GMEM_NODE_NONE;
	return gmem_node_of(answer, n);
}
