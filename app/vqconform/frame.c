/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <unistd.h>

#include "frame.h"

#define ADDRESSES 12
#define TYPE_HIGH 0x88 /* IEEE 802: local experimental EtherType 1 */
#define TYPE_LOW 0xb5

/* After the addresses. */
struct tag {
	uint8_t type[2];
	uint8_t len[2];
	uint32_t nonce; /* of this process */
	uint32_t seq;
} __attribute__((packed));

static struct tag
tag_of(uint32_t len, uint32_t seq)
{
	return (struct tag){
		.type = {TYPE_HIGH, TYPE_LOW},
		.len = {(uint8_t)(len >> 8), (uint8_t)len},
		.nonce = (uint32_t)getpid() ^ UINT32_C(0x76710000),
		.seq = seq,
	};
}

static uint8_t
filling(uint32_t at, uint32_t seq)
{
	return (uint8_t)(at * 7 + seq * 31 + (at >> 8));
}

void
frame_make(uint8_t *to, uint32_t len, unsigned int from, uint32_t seq)
{
	const struct tag t = tag_of(len, seq);
	uint8_t addresses[ADDRESSES] = {2, 'v', 'q', 'c', 0, 1, 2, 'v', 'q', 'c', 0, 1};
	uint32_t i;

	/* the destination is the other one's */
	addresses[from == 0 ? 5 : 11] = 2;
	memcpy(to, addresses, ADDRESSES);
	memcpy(to + ADDRESSES, &t, sizeof(t));
	for (i = ADDRESSES + sizeof(t); i < len; i++)
		to[i] = filling(i, seq);
}

bool
frame_is_ours(const uint8_t *frame, uint32_t len, uint32_t *seq)
{
	const struct tag want = tag_of(0, 0);
	struct tag t;

	if (len < ADDRESSES + sizeof(t))
		return false;
	memcpy(&t, frame + ADDRESSES, sizeof(t));
	*seq = t.seq;
	return memcmp(t.type, want.type, sizeof(t.type)) == 0 && t.nonce == want.nonce;
}

uint32_t
frame_damage(const uint8_t *frame, uint32_t len, uint32_t seq)
{
	const struct tag t = tag_of(len, seq);
	uint32_t i;

	if (memcmp(frame + ADDRESSES, &t, sizeof(t)) != 0)
		return ADDRESSES;
	for (i = ADDRESSES + sizeof(t); i < len; i++)
		if (frame[i] != filling(i, seq))
			return i;
	return len;
}
