/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_net.h>

#include "station.h"
#include "switch/port_guard.h"

struct rte_ether_addr me, peer, other;
uint8_t none6[16];
uint8_t own6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 5};
uint8_t other6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 9};
/* of 02:00:00:00:00:01 */
uint8_t lla[16] = {0xfe, 0x80, [11] = 0xff, [12] = 0xfe, [15] = 1};
uint8_t nodes6[16] = {0xff, 2, [15] = 1};
struct fake_frame *f;
struct guard_config set;
enum drop_reason hides = DROP_RX_GUARD_HIDDEN;

/* --- frames, header by header --- */

uint8_t *
more(uint32_t n)
{
	uint8_t *b = f->b + f->len;

	memset(b, 0, n);
	f->len += n;
	return b;
}

void
put16(uint32_t v)
{
	frame_put16(more(2), v);
}

void
put32(uint32_t v)
{
	frame_put32(more(4), v);
}

void
put(const void *from, uint32_t n)
{
	memcpy(more(n), from, n);
}

void
eth_from(const struct rte_ether_addr *src, uint32_t type)
{
	f = fake_put(0, src, &peer, 14);
	f->len = 12;
	put16(type);
}

void
eth(uint32_t type)
{
	eth_from(&me, type);
}

/* With room for a payload of @p n bytes according to the header. */
void
ip4(uint32_t src, uint32_t dst, uint32_t proto, uint32_t frag, uint32_t n)
{
	put16(0x4500);
	put16(20 + n);
	put16(7);
	put16(frag);
	put16(0x4000 | proto);
	put16(0);
	put32(src);
	put32(dst);
}

void
ip6(const uint8_t *src, uint32_t next, uint32_t n)
{
	put32(0x60000000);
	put16(n);
	put16(next << 8 | 255);
	put(src, 16);
	put(nodes6, 16);
}

/* An extension header of @p n times 8 bytes. */
void
ext(uint32_t next, uint32_t n)
{
	uint8_t *b = more(8 * n);

	b[0] = (uint8_t)next;
	b[1] = (uint8_t)(n - 1);
}

void
frag6(uint32_t next, uint32_t offset, bool last)
{
	put16(next << 8);
	put16(offset | (last ? 0 : 1));
	put32(9);
}

void
udp(uint32_t from, uint32_t to)
{
	put16(from);
	put16(to);
	put16(12);
	put16(0);
	put32(0);
}

void
icmp(uint32_t type)
{
	put16(type << 8);
	put16(0);
	put32(0);
}

void
nd(uint32_t type, const uint8_t *target)
{
	icmp(type);
	put(target, 16);
}

void
nd_option(uint32_t type, const struct rte_ether_addr *mac)
{
	put16(type << 8 | 1);
	put(mac, 6);
}

void
arp(uint32_t op, const struct rte_ether_addr *sha, uint32_t spa, uint32_t tpa)
{
	put16(1);
	put16(IP4);
	put16(0x0604);
	put16(op);
	put(sha, 6);
	put32(spa);
	put(&none6, 6);
	put32(tpa);
}

/* --- verdicts --- */

void
becomes_once(enum drop_reason why)
{
	uint64_t before = fake_dropped(0, why == PASSES ? DROP_RX_GUARD : why);
	uint32_t len = f->len;
	uint8_t b[FAKE_LEN];

	memcpy(b, f->b, len);
	fake_clear();
	fake_poll();
	fake_check_accounts();
	if (why != PASSES) {
		assert_int_equal(fake_ports[1].nout, 0);
		assert_int_equal(fake_dropped(0, why), before + 1);
		return;
	}
	assert_int_equal(fake_ports[1].nout, 1);
	assert_int_equal(fake_ports[1].out[0].len, len);
	assert_memory_equal(fake_ports[1].out[0].b, b, len);
}

static void
again(const uint8_t *b, uint32_t len, uint32_t tags, uint32_t split)
{
	f = fake_put(0, &me, &peer, 14);
	f->len = 0;
	put(b, 12);
	for (uint32_t i = 0; i < tags; i++) {
		put16(i + 1 < tags ? STAG : TAG);
		put16(i + 5);
	}
	put(b + 12, len - 12);
	f->split = split;
	f->step = 5;
}

void
becomes(enum drop_reason why)
{
	uint32_t len = f->len;
	uint8_t b[FAKE_LEN];

	memcpy(b, f->b, len);
	becomes_once(why);
	for (uint32_t split = 14; split < len; split += 23) {
		again(b, len, 0, split);
		becomes_once(why);
	}
	again(b, len, 1, 0);
	becomes_once(why);
	again(b, len, 2, 0);
	becomes_once(why);
	again(b, len, 3, 0);
	becomes_once(hides);
}

void
becomes_with_sum(uint32_t to, enum drop_reason why)
{
	f->need = PKT_NEED_CSUM;
	f->vnet = (struct pkt_vnet){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				    .csum_start = 14,
				    .csum_offset = (uint16_t)(to - 14)};
	becomes_once(why);
}

/* --- the guard --- */

void
guard_allow(const char *text, const struct rte_ether_addr *mac)
{
	struct guard_pair *p = &set.pair[set.n++];

	p->any_mac = mac == NULL;
	if (mac != NULL)
		p->mac = *mac;
	assert_true(guard_parse(text, &p->ip));
}

void
guard_put(uint32_t checks)
{
	set.checks = checks;
	assert_int_equal(port_set_guard(&fake_ports[0].p, &set), 0);
}

int
station_setup(void **state)
{
	me = fake_mac(0, 1);
	other = fake_mac(0, 2);
	peer = fake_mac(1, 1);
	if (fake_setup(state) != 0)
		return -1;
	return fdb_add_static(fake_sw.fdb, &peer, 0, 1);
}

int
guard_setup(void **state)
{
	if (station_setup(state) != 0)
		return -1;
	memset(&set, 0, sizeof(set));
	guard_allow("10.0.0.5", NULL);
	guard_allow("10.0.0.6", &other);
	guard_allow("10.1.0.0/24", NULL);
	guard_allow("2001:db8::5", &me);
	guard_put(GUARD_ALL);
	return 0;
}
