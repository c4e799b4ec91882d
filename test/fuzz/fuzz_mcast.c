/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IGMP and MLD of guests: {family, packet}. A message that is taken for a good one says something
 * that makes sense, and reading it comes to an end. The query for each group it names is good.
 */
#include <string.h>

#include "switch/mcast_msg.h"
#include "fuzz/fuzz.h"

static void
check_group(const struct mcast_ip *g, uint16_t ether_type)
{
	struct mcast_query q = {.src = {{2, 0, 0, 0, 0, 1}},
				.from = {.len = g->len},
				.group = *g,
				.max_resp_ms = 1000,
				.interval_s = 125};
	uint8_t frame[MCAST_QUERY_MAX];
	struct mcast_msg m;
	uint32_t len;

	CHECK(g->len == (ether_type == RTE_ETHER_TYPE_IPV4 ? 4 : 16));
	CHECK(g->len == 4 ? g->addr[0] >> 4 == 14 : g->addr[0] == 0xff);
	if (g->len == 16)
		memcpy(q.from.addr, (const uint8_t[]){0xfe, 0x80}, 2);
	len = mcast_query(&q, frame);
	mcast_read(frame + RTE_ETHER_HDR_LEN, len - RTE_ETHER_HDR_LEN, ether_type, &m);
	CHECK(m.kind == MCAST_QUERY && m.max_resp_ms == 1000);
	CHECK(m.group.len == g->len && memcmp(m.group.addr, g->addr, g->len) == 0);
}

static void
receive(const uint8_t *ip, uint32_t len, uint16_t ether_type)
{
	struct mcast_change c;
	struct mcast_msg m;
	uint32_t n = 0;

	mcast_read(ip, len, ether_type, &m);
	if (m.kind == MCAST_QUERY && m.group.len != 0)
		check_group(&m.group, ether_type);
	while (mcast_next(&m, &c)) {
		CHECK(n++ < len);
		check_group(&c.group, ether_type);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size < 2)
		return 0;
	copy = malloc(size - 1);
	CHECK(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	receive(copy, (uint32_t)size - 1,
		(data[0] & 1) != 0 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	free(copy);
	return 0;
}
