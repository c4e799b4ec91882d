/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory by key: direct ones, indirect ones over them, and the driver's own. */
#include "card.h"

static uint8_t *
direct_at(uint32_t id, uint64_t addr, uint64_t *room)
{
	const struct object *o = object_at(id, KIND_MR);

	if (o == NULL || addr < o->mr.iova || addr - o->mr.iova >= o->mr.len)
		return NULL;
	*room = o->mr.len - (addr - o->mr.iova);
	return o->mr.at + (addr - o->mr.iova);
}

/** The entry that @p at is in, and how far into it. */
static const struct klm *
entry_at(const struct key *k, uint64_t at, uint64_t *into)
{
	uint32_t i = 0;

	if (k->log != 0) {
		*into = at & ((UINT64_C(1) << k->log) - 1);
		return at >> k->log < k->n ? &k->klm[at >> k->log] : NULL;
	}
	for (; i < k->n && at >= k->klm[i].len; i++)
		at -= k->klm[i].len;
	*into = at;
	return i < k->n ? &k->klm[i] : NULL;
}

uint8_t *
key_at(uint32_t key, uint64_t addr, uint64_t *room)
{
	const struct object *o = object_at(key >> 8, KIND_KEY);
	const struct klm *e;
	uint64_t into, left;
	uint8_t *at;

	if (o == NULL)
		return direct_at(key >> 8, addr, room);
	if (addr < o->key.start || addr - o->key.start >= o->key.len)
		return NULL;
	e = entry_at(&o->key, addr - o->key.start, &into);
	if (e == NULL)
		return NULL;
	at = direct_at(e->key >> 8, e->address + into, room);
	left = (o->key.log != 0 ? UINT64_C(1) << o->key.log : e->len) - into;
	/* an entry ends in the middle of a region: the next one may go on in the same memory */
	if (at != NULL && left < *room) {
		uint64_t more;
		const uint8_t *next = key_at(key, addr + left, &more);

		*room = left + (next == at + left ? more : 0);
	}
	return at;
}

void *
umem_at(const struct record *r, size_t len)
{
	const struct object *o = object_at(r->umem, KIND_UMEM);

	if (o == NULL || r->offset > o->umem.len || o->umem.len - r->offset < len)
		return NULL;
	return o->umem.at + r->offset;
}
