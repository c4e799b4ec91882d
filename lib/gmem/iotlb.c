/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gmem/iotlb.h"

static struct iotlb *
table_alloc(uint32_t max)
{
	struct iotlb *t = malloc(sizeof(*t) + max * sizeof(t->e[0]));

	if (t != NULL)
		t->n = 0;
	return t;
}

struct iotlb *
iotlb_new(void)
{
	return table_alloc(0);
}

void
iotlb_free(struct iotlb *t)
{
	free(t);
}

static inline uint64_t
entry_last(const struct iotlb_entry *e)
{
	return e->iova + (e->size - 1);
}

/* Index of the first entry that ends at or above @p iova. */
static uint32_t
first_not_below(const struct iotlb *t, uint64_t iova)
{
	uint32_t lo = 0, hi = t->n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (entry_last(&t->e[mid]) < iova)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
append(struct iotlb *t, const struct iotlb_entry *e, uint32_t n)
{
	memcpy(&t->e[t->n], e, n * sizeof(*e));
	t->n += n;
}

/*
 * A new table: @p old with [iova, last] cut out and @p put, if not NULL, in its
 * place. A translation in the way leaves at most a head below and a tail above.
 */
static struct iotlb *
table_replace(const struct iotlb *old, uint64_t iova, uint64_t last, const struct iotlb_entry *put)
{
	struct iotlb *t = table_alloc(old->n + 2);
	uint32_t i = first_not_below(old, iova);
	struct iotlb_entry part;

	if (t == NULL)
		return NULL;
	append(t, old->e, i);
	if (i < old->n && old->e[i].iova < iova) {
		part = old->e[i];
		part.size = iova - part.iova;
		append(t, &part, 1);
	}
	if (put != NULL)
		append(t, put, 1);
	while (i < old->n && entry_last(&old->e[i]) <= last)
		i++;
	if (i < old->n && old->e[i].iova <= last) {
		uint64_t cut = last + 1 - old->e[i].iova;

		part = old->e[i++];
		part.iova += cut;
		part.uva += cut;
		part.size -= cut;
		append(t, &part, 1);
	}
	append(t, &old->e[i], old->n - i);
	return t;
}

/*
 * Too many translations: forget one, but not the new one. The place does not depend on the order in
 * which the front-end adds them; both ends of the table have the addresses a guest uses most.
 */
static void
evict(struct iotlb *t, uint64_t keep_iova)
{
	uint32_t victim = (uint32_t)(keep_iova * UINT64_C(0x9e3779b97f4a7c15) >> 32) % t->n;

	if (t->e[victim].iova == keep_iova)
		victim = (victim + 1) % t->n;
	t->n--;
	memmove(&t->e[victim], &t->e[victim + 1], (t->n - victim) * sizeof(t->e[0]));
}

/** A translation that is there already, in an answer to a request made later. */
static uint64_t
serial_known(const struct iotlb *t, const struct iotlb_entry *e)
{
	uint32_t i = first_not_below(t, e->iova);
	const struct iotlb_entry *have = &t->e[i];

	if (i == t->n || have->iova != e->iova || have->size != e->size || have->uva != e->uva ||
	    have->perm != e->perm)
		return 0;
	return have->serial;
}

struct iotlb *
iotlb_update(const struct iotlb *old, const struct iotlb_entry *e)
{
	uint64_t known;
	struct iotlb *t;

	if (e->size == 0 || entry_last(e) < e->iova || e->uva + (e->size - 1) < e->uva ||
	    e->perm == 0 || (e->perm & ~IOTLB_RW) != 0) {
		errno = EINVAL;
		return NULL;
	}
	known = serial_known(old, e);
	t = table_replace(old, e->iova, entry_last(e), e);
	if (t != NULL)
		t->e[first_not_below(t, e->iova)].serial = known > e->serial ? known : e->serial;
	while (t != NULL && t->n > IOTLB_ENTRIES_MAX)
		evict(t, e->iova);
	return t;
}

bool
iotlb_contradicts(const struct iotlb *t, const struct iotlb_entry *e)
{
	uint32_t i;

	for (i = first_not_below(t, e->iova); i < t->n && t->e[i].iova <= entry_last(e); i++)
		if (t->e[i].uva - t->e[i].iova != e->uva - e->iova || (t->e[i].perm & ~e->perm))
			return true;
	return false;
}

struct iotlb *
iotlb_invalidate(const struct iotlb *old, uint64_t iova, uint64_t size)
{
	return table_replace(old, iova, iotlb_last(iova, size), NULL);
}

bool
iotlb_find(const struct iotlb *t, const struct iotlb_query *q, uint64_t *uva, uint64_t *got)
{
	uint32_t i = first_not_below(t, q->iova);
	const struct iotlb_entry *e = &t->e[i];
	uint64_t off;

	if (i == t->n || e->iova > q->iova || (e->perm & q->perm) != q->perm ||
	    e->serial < q->since)
		return false;
	off = q->iova - e->iova;
	*uva = e->uva + off;
	*got = q->len < e->size - off ? q->len : e->size - off;
	return true;
}

bool
iotlb_translate(const struct iotlb *t, uint64_t iova, uint64_t len, uint32_t perm, uint64_t *uva,
		uint64_t *got)
{
	const struct iotlb_query q = {iova, len, 0, perm};

	return iotlb_find(t, &q, uva, got);
}
