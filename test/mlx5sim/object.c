/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything that has a number, in one table for all cards. */
#include "card.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

static struct object *table[OBJECTS_MAX];

struct object *
object_new(struct card *c, enum kind kind)
{
	static uint32_t last;

	/* a number is not used again soon: what still has the old one is noticed */
	for (uint32_t i = 1; i < OBJECTS_MAX; i++) {
		uint32_t id = (last + i) % OBJECTS_MAX;

		if (id == 0 || table[id] != NULL)
			continue;
		table[id] = calloc(1, sizeof(*table[id]));
		if (table[id] == NULL)
			break;
		last = id;
		table[id]->kind = kind;
		table[id]->id = id;
		table[id]->card = c;
		return table[id];
	}
	errno = ENOMEM;
	return NULL;
}

struct object *
object_at(uint32_t id, enum kind kind)
{
	return id < OBJECTS_MAX && table[id] != NULL && table[id]->kind == kind ? table[id] : NULL;
}

struct object *
object_nth(const struct card *c, uint32_t i, enum kind kind)
{
	struct object *o = object_at(i, kind);

	return o != NULL && o->card == c ? o : NULL;
}

/** Firmware has the queue pairs of a virtqueue that ends in error. */
static void
end_events(const struct virtq *q)
{
	struct object *fw = object_at(q->event_qp, KIND_QP);
	struct object *sw = fw != NULL ? object_at(fw->qp.remote, KIND_QP) : NULL;

	if (fw != NULL)
		fw->qp.ready = false;
	if (sw != NULL)
		sw->qp.ready = false;
}

void
object_free(struct object *o)
{
	if (o->kind == KIND_MR && o->mr.pinned)
		munmap(o->mr.at, o->mr.len);
	else if (o->kind == KIND_KEY)
		free(o->key.klm);
	else if (o->kind == KIND_VIRTQ)
		end_events(&o->virtq);
	else if (o->kind == KIND_RULE)
		o->card->rules--;
	table[o->id] = NULL;
	free(o);
}
