/* SPDX-License-Identifier: BSD-3-Clause */
/* Hosts and routers behind the ports of fakesw.h, domain 0 of which is snooped: what they say. */
#ifndef UNIT_FAKESNOOP_H
#define UNIT_FAKESNOOP_H

#include <string.h>

#include "fakesw.h"
#include "base/ev.h"
#include "switch/mcast_msg.h"
#include "switch/snoop_table.h"

#define LEN 60
#define SECOND (1000 * SNOOP_NS_PER_MS)

static const uint8_t group[4] = {239, 1, 2, 3}, other[4] = {239, 1, 2, 4}, third[4] = {239, 9};

static inline void
set(bool querier, bool flood, bool fast)
{
	struct snoop_config c = snoop_get(&fake_sw, 0);

	c.on = true;
	c.querier = querier;
	c.flood = flood;
	c.fast_leave = fast;
	assert_int_equal(snoop_set(&fake_sw, 0, &c), 0);
}

/* --- frames --- */

static inline uint16_t
sum(const uint8_t *b, uint32_t n)
{
	uint32_t s = 0;

	for (uint32_t i = 0; i < n; i += 2)
		s += (uint32_t)b[i] << 8 | b[i + 1];
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* A packet of 24 + 8 bytes with the router alert, of this protocol. */
static inline struct fake_frame *
put_packet(uint32_t port, const uint8_t to[4], uint8_t proto, const uint8_t msg[8])
{
	static const uint8_t head[] = {0x46, 0, 0, 32, 0, 0, 0, 0, 1, 0, 0, 0, 192, 0, 2, 1};
	static const uint8_t alert[] = {0x94, 4, 0, 0};
	struct mcast_ip ip = {.len = 4};
	struct rte_ether_addr dst, src = fake_mac(port, 1);
	struct fake_frame *f;
	uint8_t *b;
	uint16_t s;

	memcpy(ip.addr, to, 4);
	dst = mcast_mac(&ip);
	f = fake_put(port, &src, &dst, LEN);
	b = f->b + 14;
	f->b[12] = 8;
	f->b[13] = 0;
	memset(b, 0, LEN - 14);
	memcpy(b, head, sizeof(head));
	b[9] = proto;
	memcpy(b + 16, to, 4);
	memcpy(b + 20, alert, sizeof(alert));
	s = sum(b, 24);
	b[10] = (uint8_t)(s >> 8);
	b[11] = (uint8_t)s;
	memcpy(b + 24, msg, 8);
	if (proto == 2) {
		s = sum(b + 24, 8);
		b[26] = (uint8_t)(s >> 8);
		b[27] = (uint8_t)s;
	}
	return f;
}

/* Frames of control's own go out one in a poll. */
static inline void
settle(void)
{
	fake_poll();
	snoop_take_in(&fake_sw);
	for (int i = 0; i < 40; i++)
		fake_poll();
}

static inline void
tick(uint64_t at)
{
	snoop_tick(&fake_sw, at);
	settle();
}

static inline void
say(uint32_t port, uint8_t type, const uint8_t to[4], const uint8_t g[4])
{
	const uint8_t msg[8] = {type, 100, 0, 0, g[0], g[1], g[2], g[3]};

	fake_clear();
	put_packet(port, to, 2, msg);
	settle();
}

static inline void
join(uint32_t port, const uint8_t g[4])
{
	say(port, 0x16, g, g);
}

static inline void
leave(uint32_t port, const uint8_t g[4])
{
	say(port, 0x17, (const uint8_t[]){224, 0, 0, 2}, g);
}

static inline void
query(uint32_t port)
{
	static const uint8_t all[] = {224, 0, 0, 1}, none[4] = {0};

	say(port, 0x11, all, none);
}

/* Which ports got something, by bit. */
static inline uint32_t
got(void)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		mask |= (uint32_t)(fake_ports[i].nout != 0) << i;
	return mask;
}

/* The ports that are sent data for a group. */
static inline uint32_t
send_to_group(uint32_t port, const uint8_t g[4])
{
	static const uint8_t udp[8] = {0, 9, 0, 9, 0, 8, 0, 0};

	fake_clear();
	put_packet(port, g, 17, udp);
	fake_poll();
	fake_check_accounts();
	return got();
}

static inline struct snoop_stats
stats(void)
{
	struct snoop_stats st;

	snoop_get_stats(&fake_sw, &st);
	return st;
}

#endif
