/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gmem/file.h"
#include "gmem/gmem.h"
#include "gmem/present.h"

static struct gmem *
map_alloc(uint32_t n)
{
	struct gmem *m = malloc(sizeof(*m) + n * (sizeof(m->r[0]) + sizeof(m->by_uva[0])));

	if (m == NULL)
		return NULL;
	m->refs = 1;
	m->n = n;
	m->present = NULL;
	m->by_uva = (uint16_t *)&m->r[n];
	return m;
}

/* Number of the first @p n entries of by_uva whose regions start at or below @p uva. */
static uint32_t
uva_upper_bound(const struct gmem *m, uint32_t n, uint64_t uva)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (m->r[m->by_uva[mid]].uva <= uva)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* All regions are there: sort by_uva. */
static void
map_index(struct gmem *m)
{
	uint32_t i, at;

	for (i = 0; i < m->n; i++) {
		at = uva_upper_bound(m, i, m->r[i].uva);
		memmove(&m->by_uva[at + 1], &m->by_uva[at], (i - at) * sizeof(m->by_uva[0]));
		m->by_uva[at] = (uint16_t)i;
	}
}

/* Regions of @p old into @p m, leaving index @p hole of the larger of the two out. */
static void
map_copy(struct gmem *m, const struct gmem *old, uint32_t hole)
{
	uint32_t into = m->n > old->n, from = old->n > m->n;
	uint32_t i;

	memcpy(m->r, old->r, hole * sizeof(m->r[0]));
	memcpy(&m->r[hole + into], &old->r[hole + from],
	       (RTE_MIN(m->n, old->n) - hole) * sizeof(m->r[0]));
	for (i = 0; i < m->n; i++)
		if (into == 0 || i != hole)
			gmem_file_ref(m->r[i].file);
}

struct gmem *
gmem_new(void)
{
	return map_alloc(0);
}

struct gmem *
gmem_ref(struct gmem *m)
{
	m->refs++;
	return m;
}

void
gmem_put(struct gmem *m)
{
	uint32_t i;

	if (m == NULL || --m->refs > 0)
		return;
	for (i = 0; i < m->n; i++)
		gmem_file_put(m->r[i].file);
	present_free(m->present);
	free(m);
}

/* Index of the first region that starts above @p gpa. */
static uint32_t
upper_bound(const struct gmem *m, uint64_t gpa)
{
	uint32_t lo = 0, hi = m->n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (m->r[mid].gpa <= gpa)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct gmem_region *
gmem_find(const struct gmem *m, uint64_t gpa)
{
	uint32_t i = upper_bound(m, gpa);
	const struct gmem_region *r;

	if (i == 0)
		return NULL;
	r = &m->r[i - 1];
	return gpa - r->gpa < r->size ? r : NULL;
}

const struct gmem_region *
gmem_find_uva(const struct gmem *m, uint64_t uva)
{
	uint32_t i = uva_upper_bound(m, m->n, uva);
	const struct gmem_region *r;

	if (i == 0)
		return NULL;
	r = &m->r[m->by_uva[i - 1]];
	return uva - r->uva < r->size ? r : NULL;
}

/* Whether @p b continues @p a in all three address spaces. */
static bool
continues(const struct gmem_region *a, const struct gmem_region *b)
{
	return b != NULL && b->gpa == a->gpa + a->size && b->hva == a->hva + a->size;
}

void *
gmem_uva_to_hva(const struct gmem *m, uint64_t uva, uint64_t len, uint64_t *gpa)
{
	const struct gmem_region *first = gmem_find_uva(m, uva);
	const struct gmem_region *r, *next;
	uint64_t off, have;

	if (first == NULL || len == 0)
		return NULL;
	off = uva - first->uva;
	have = first->size - off;
	for (r = first; have < len; r = next) {
		next = gmem_find_uva(m, r->uva + r->size);
		if (!continues(r, next))
			return NULL;
		have += next->size;
	}
	if (gpa != NULL)
		*gpa = first->gpa + off;
	return first->hva + off;
}

static bool
overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a - b < b_size || b - a < a_size;
}

/* The fault of a region by itself, or NULL. */
static const char *
desc_fault(const struct gmem_desc *d)
{
	uint64_t in_page = (uint64_t)getpagesize() - 1;

	if (d->size == 0)
		return "region of size 0";
	if (d->gpa + (d->size - 1) < d->gpa || d->uva + (d->size - 1) < d->uva ||
	    d->mmap_offset + d->size < d->mmap_offset)
		return "region wraps around the address space";
	if (((d->gpa ^ d->mmap_offset) & in_page) != 0 ||
	    ((d->uva ^ d->mmap_offset) & in_page) != 0)
		return "region addresses and offset differ in page alignment";
	return NULL;
}

/* The fault of a region in view of those of @p m, or NULL. */
static const char *
neighbour_fault(const struct gmem *m, const struct gmem_desc *d)
{
	uint64_t total = d->size;
	uint32_t i;

	if (m->n >= GMEM_SLOTS_MAX)
		return "more memory regions than slots";
	for (i = 0; i < m->n; i++) {
		const struct gmem_region *r = &m->r[i];

		if (overlaps(d->gpa, d->size, r->gpa, r->size))
			return "regions overlap in guest-physical addresses";
		if (overlaps(d->uva, d->size, r->uva, r->size))
			return "regions overlap in front-end addresses";
		total += r->size;
	}
	return d->size > GMEM_BYTES_MAX || total > GMEM_BYTES_MAX ? "too much memory" : NULL;
}

struct gmem *
gmem_add(const struct gmem *old, const struct gmem_desc *d, int fd, struct gmem_fault *fault,
	 const char **why)
{
	struct gmem_region r = {.gpa = d->gpa, .size = d->size, .uva = d->uva, .adds = 1};
	struct gmem *m;
	uint32_t at;

	*why = desc_fault(d);
	if (*why == NULL)
		*why = neighbour_fault(old, d);
	if (*why != NULL)
		return NULL;
	r.file = (d->voucher == GMEM_KERNEL
			  ? gmem_file_map_kernel
			  : gmem_file_map)(fd, d->mmap_offset, d->size, fault, &r.hva, why);
	if (r.file == NULL)
		return NULL;
	m = map_alloc(old->n + 1);
	if (m == NULL) {
		*why = "out of memory";
		gmem_file_put(r.file);
		return NULL;
	}
	at = upper_bound(old, d->gpa);
	map_copy(m, old, at);
	m->r[at] = r;
	map_index(m);
	return m;
}

/* The region described by @p d, or NULL. */
static const struct gmem_region *
find_exact(const struct gmem *m, const struct gmem_desc *d)
{
	const struct gmem_region *r = gmem_find(m, d->gpa);

	if (r == NULL || r->gpa != d->gpa || r->uva != d->uva || r->size != d->size)
		return NULL;
	return r;
}

bool
gmem_add_again(struct gmem *m, const struct gmem_desc *d, int fd)
{
	const struct gmem_region *r = find_exact(m, d);

	if (r == NULL || !gmem_file_is(r->file, r->hva, fd, d->mmap_offset))
		return false;
	m->r[r - m->r].adds++;
	return true;
}

bool
gmem_remove_again(struct gmem *m, const struct gmem_desc *d)
{
	const struct gmem_region *r = find_exact(m, d);

	if (r == NULL || r->adds == 1)
		return false;
	m->r[r - m->r].adds--;
	return true;
}

struct gmem *
gmem_remove(const struct gmem *old, const struct gmem_desc *d)
{
	const struct gmem_region *r = find_exact(old, d);
	struct gmem *m;

	if (r == NULL)
		return NULL;
	m = map_alloc(old->n - 1);
	if (m == NULL)
		return NULL;
	map_copy(m, old, (uint32_t)(r - old->r));
	map_index(m);
	return m;
}
