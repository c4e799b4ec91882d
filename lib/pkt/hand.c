/* SPDX-License-Identifier: BSD-3-Clause */
#include "pkt/hand.h"

#include <string.h>

bool
hand_get(const struct hand_record *h, void *out, uint32_t len)
{
	if (h->r.len < len)
		return false;
	memcpy(out, h->data, len);
	return true;
}

void
hand_put(struct blob *b, uint16_t type, const void *data, size_t len)
{
	blob_put_record(b, &(struct blob_record){type, BLOB_MUST_KNOW, (uint32_t)len, 0}, data);
}
