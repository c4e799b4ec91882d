/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/blob.h"

#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#define ROOM_FIRST 4096
#define ALIGN 8

void
blob_free(struct blob *b)
{
	free(b->data);
	*b = (struct blob){0};
}

static bool
make_room(struct blob *b, size_t len)
{
	size_t room = b->room == 0 ? ROOM_FIRST : b->room;
	uint8_t *data;

	while (room - b->len < len)
		room *= 2;
	if (room == b->room)
		return true;
	data = realloc(b->data, room);
	if (data == NULL) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->room = room;
	return true;
}

void
blob_put(struct blob *b, const void *data, size_t len)
{
	if (b->failed || len == 0 || !make_room(b, len))
		return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void
blob_put_record(struct blob *b, const struct blob_record *r, const void *data)
{
	static const uint8_t padding[ALIGN];
	const struct blob_record le = {rte_cpu_to_le_16(r->type), rte_cpu_to_le_16(r->flags),
				       rte_cpu_to_le_32(r->len)};

	blob_put(b, &le, sizeof(le));
	blob_put(b, data, r->len);
	blob_put(b, padding, RTE_ALIGN_CEIL((size_t)r->len, ALIGN) - r->len);
}

const uint8_t *
blob_next(const uint8_t *p, size_t len, size_t *pos, struct blob_record *r)
{
	const uint8_t *data;

	if (len - *pos < sizeof(*r))
		return NULL;
	memcpy(r, p + *pos, sizeof(*r));
	r->type = rte_le_to_cpu_16(r->type);
	r->flags = rte_le_to_cpu_16(r->flags);
	r->len = rte_le_to_cpu_32(r->len);
	*pos += sizeof(*r);
	data = p + *pos;
	if (RTE_ALIGN_CEIL((size_t)r->len, ALIGN) > len - *pos)
		return NULL;
	*pos += RTE_ALIGN_CEIL((size_t)r->len, ALIGN);
	return data;
}
