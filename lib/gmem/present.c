/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "gmem/file.h"
#include "gmem/gmem.h"
#include "gmem/present.h"

static bool
region_init(struct present_region *r, const struct gmem_region *g)
{
	const struct gmem_file_range at = gmem_file_range(g->file);

	r->in_page = (uint64_t)(g->hva - (uint8_t *)at.base);
	r->shift = (uint32_t)__builtin_ctzll(at.page);
	r->pages = ((r->in_page + g->size - 1) >> r->shift) + 1;
	r->bits = calloc((r->pages + 63) / 64, sizeof(*r->bits));
	return r->bits != NULL;
}

struct present *
present_new(const struct gmem *m)
{
	struct present *p = calloc(1, sizeof(*p) + m->n * sizeof(p->r[0]));
	uint32_t i;

	if (p == NULL)
		return NULL;
	p->n = m->n;
	for (i = 0; i < m->n; i++) {
		if (!region_init(&p->r[i], &m->r[i])) {
			present_free(p);
			return NULL;
		}
	}
	return p;
}

void
present_free(struct present *p)
{
	uint32_t i;

	if (p == NULL)
		return;
	for (i = 0; i < p->n; i++)
		free(p->r[i].bits);
	free(p);
}

uint64_t
present_set(struct present_region *r, uint64_t first, uint64_t count)
{
	uint64_t page, fresh = 0;

	for (page = first; page < r->pages && page - first < count; page++) {
		const uint64_t bit = UINT64_C(1) << (page % 64);

		fresh += (atomic_fetch_or_explicit(&r->bits[page / 64], bit, memory_order_release) &
			  bit) == 0;
	}
	return fresh;
}
