/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of IGMP and MLD, as hosts and routers send them, and malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "switch/mcast_msg.h"

#define ALERT4 0x94, 4, 0, 0
#define GROUP4 239, 1, 2, 3
#define GROUP6 0xff, 0x15, [15] = 0x77

/** A packet, whose lengths and sums are filled in by finish(). */
struct packet {
	uint8_t b[2048];
	uint32_t at, len; /* of the message; of all */
	uint16_t type;
};

static uint16_t
sum(const uint8_t *b, uint32_t n, uint32_t s)
{
	for (uint32_t i = 0; i < n; i++)
		s += i % 2 == 0 ? (uint32_t)b[i] << 8 : b[i];
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static void
put16(uint8_t *b, uint32_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static void
finish4(struct packet *p)
{
	put16(p->b + 2, p->len);
	put16(p->b + 10, 0);
	put16(p->b + 10, sum(p->b, p->at, 0));
	put16(p->b + p->at + 2, 0);
	put16(p->b + p->at + 2, sum(p->b + p->at, p->len - p->at, 0));
}

static void
finish6(struct packet *p)
{
	uint32_t len = p->len - p->at, s = 58 + len;

	put16(p->b + 4, p->len - 40);
	for (uint32_t i = 8; i < 40; i += 2)
		s += (uint32_t)p->b[i] << 8 | p->b[i + 1];
	put16(p->b + p->at + 2, 0);
	put16(p->b + p->at + 2, sum(p->b + p->at, len, s));
}

static void
finish(struct packet *p)
{
	p->type == RTE_ETHER_TYPE_IPV4 ? finish4(p) : finish6(p);
}

/* From 192.0.2.1 with the router alert. */
static struct packet
igmp(const uint8_t to[4], const uint8_t *msg, uint32_t len)
{
	static const uint8_t head[] = {0x46, 0,   0, 0, 0, 0, 0, 0, 1, 2,     0,
				       0,    192, 0, 2, 1, 0, 0, 0, 0, ALERT4};
	struct packet p = {.at = 24, .len = 24 + len, .type = RTE_ETHER_TYPE_IPV4};

	memcpy(p.b, head, sizeof(head));
	memcpy(p.b + 16, to, 4);
	memcpy(p.b + 24, msg, len);
	finish(&p);
	return p;
}

/* From fe80::1 with the router alert. */
static struct packet
mld(const uint8_t to[16], const uint8_t *msg, uint32_t len)
{
	static const uint8_t head[24] = {0x60, [7] = 1, [8] = 0xfe, [9] = 0x80, [23] = 1};
	static const uint8_t hop[8] = {58, 0, 5, 2, 0, 0, 1, 0};
	struct packet p = {.at = 48, .len = 48 + len, .type = RTE_ETHER_TYPE_IPV6};

	memcpy(p.b, head, sizeof(head));
	memcpy(p.b + 24, to, 16);
	memcpy(p.b + 40, hop, sizeof(hop));
	memcpy(p.b + 48, msg, len);
	finish(&p);
	return p;
}

/* Read from memory that ends with the packet. */
static enum mcast_kind
kind_of(const struct packet *p)
{
	uint8_t *copy = malloc(p->len);
	struct mcast_msg m;

	memcpy(copy, p->b, p->len);
	mcast_read(copy, p->len, p->type, &m);
	free(copy);
	return m.kind;
}

static void
assert_group(struct mcast_msg *m, bool join, const uint8_t *addr, uint16_t len)
{
	struct mcast_change c;

	assert_true(mcast_next(m, &c));
	assert_int_equal(c.join, join);
	assert_int_equal(c.group.len, len);
	assert_memory_equal(c.group.addr, addr, len);
}

static void
assert_no_group(struct mcast_msg *m)
{
	struct mcast_change c;

	assert_false(mcast_next(m, &c));
}

/* --- good ones --- */

static const uint8_t group4[] = {GROUP4}, group6[16] = {GROUP6};
static const uint8_t routers4[] = {224, 0, 0, 2}, all4[] = {224, 0, 0, 1};
static const uint8_t igmp3[] = {224, 0, 0, 22}, all6[16] = {0xff, 2, [15] = 1};
static const uint8_t mld2[16] = {0xff, 2, [15] = 0x16};

static void
old_reports(void **state)
{
	const struct {
		uint8_t type;
		bool join;
	} table[] = {{0x12, true}, {0x16, true}, {0x17, false}};
	struct mcast_msg m;

	for (size_t i = 0; i < 3; i++) {
		uint8_t msg[] = {table[i].type, 0, 0, 0, GROUP4};
		struct packet p = igmp(table[i].join ? group4 : routers4, msg, sizeof(msg));

		mcast_read(p.b, p.len, p.type, &m);
		assert_int_equal(m.kind, MCAST_REPORT);
		assert_group(&m, table[i].join, group4, 4);
		assert_no_group(&m);
		p.len += 10; /* the frame's padding */
		mcast_read(p.b, p.len, p.type, &m);
		assert_int_equal(m.kind, MCAST_REPORT);
	}
	for (uint8_t type = 131; type <= 132; type++) {
		uint8_t msg[24] = {type};
		struct packet p;

		memcpy(msg + 8, group6, 16);
		p = mld(group6, msg, sizeof(msg));
		mcast_read(p.b, p.len, p.type, &m);
		assert_int_equal(m.kind, MCAST_REPORT);
		assert_group(&m, type == 131, group6, 16);
		assert_no_group(&m);
	}
}

/* All kinds of records: they join or leave by their sources. */
static void
records(void **state)
{
	static const uint8_t msg[] = {
		0x22, 0, 0, 0, 0,      9,  0, 10,    /* ten of them */
		1,    0, 0, 0, GROUP4,               /* include none: says nothing */
		1,    0, 0, 1, GROUP4, 10, 0, 0,  1, /* include one: join */
		2,    1, 0, 0, GROUP4, 9,  9, 9,  9, /* exclude none, auxiliary data: join */
		3,    0, 0, 0, GROUP4,               /* to include none: leave */
		3,    0, 0, 1, GROUP4, 10, 0, 0,  1, /* to include one: join */
		4,    0, 0, 0, GROUP4,               /* to exclude none: join */
		5,    0, 0, 1, GROUP4, 10, 0, 0,  1, /* one more: join */
		6,    0, 0, 1, GROUP4, 10, 0, 0,  1, /* one less: may leave */
		6,    0, 0, 0, GROUP4,               /* none less: says nothing */
		4,    0, 0, 0, 10,     1,  2, 3,     /* no group */
	};
	static const bool joins[] = {true, true, false, true, true, true, false};
	struct packet p = igmp(igmp3, msg, sizeof(msg));
	uint8_t msg6[8 + 2 * 20] = {143, [7] = 2, [8] = 4, [28] = 3};
	struct mcast_msg m;

	mcast_read(p.b, p.len, p.type, &m);
	assert_int_equal(m.kind, MCAST_REPORT);
	for (size_t i = 0; i < 7; i++)
		assert_group(&m, joins[i], group4, 4);
	assert_no_group(&m);
	memcpy(msg6 + 12, group6, 16);
	memcpy(msg6 + 32, group6, 16);
	p = mld(mld2, msg6, sizeof(msg6));
	memset(p.b + 8, 0, 16); /* an address is not needed to report (RFC 3590) */
	finish(&p);
	mcast_read(p.b, p.len, p.type, &m);
	assert_int_equal(m.kind, MCAST_REPORT);
	assert_group(&m, true, group6, 16);
	assert_group(&m, false, group6, 16);
	assert_no_group(&m);
}

static void
queries(void **state)
{
	static const struct {
		uint8_t msg[12];
		uint32_t len, ms;
		bool group;
	} table[] = {
		{{0x11}, 8, 10000, false},
		{{0x11, 100}, 8, 10000, false},
		{{0x11, 10, 0, 0, GROUP4}, 8, 1000, true},
		{{0x11, 10, 0, 0, GROUP4, 2, 125, 0, 0}, 12, 1000, true},
		{{0x11, 0x8f}, 12, (16 + 15) * 800, false},
	};
	uint8_t msg6[28] = {130, [4] = 0x8f, [5] = 0xff};
	struct mcast_msg m;
	struct packet p;

	for (size_t i = 0; i < 5; i++) {
		p = igmp(all4, table[i].msg, table[i].len);
		mcast_read(p.b, p.len, p.type, &m);
		assert_int_equal(m.kind, MCAST_QUERY);
		assert_int_equal(m.max_resp_ms, table[i].ms);
		assert_int_equal(m.group.len, table[i].group ? 4 : 0);
		assert_memory_equal(m.from.addr, ((uint8_t[]){192, 0, 2, 1}), 4);
	}
	p = mld(all6, msg6, 24);
	mcast_read(p.b, p.len, p.type, &m);
	assert_int_equal(m.kind, MCAST_QUERY);
	assert_int_equal(m.max_resp_ms, 0x8fff);
	p = mld(all6, msg6, 28);
	mcast_read(p.b, p.len, p.type, &m);
	assert_int_equal(m.max_resp_ms, (0x1000 | 0xfff) << 3);
	assert_int_equal(m.group.len, 0);
}

static bool
asks_last(struct packet p)
{
	struct mcast_msg m;

	mcast_read(p.b, p.len, p.type, &m);
	assert_int_equal(m.kind, MCAST_QUERY);
	return m.last;
}

/* Hosts that do not answer want the group no more, unless they were asked for sources only. */
static void
last_ones(void **state)
{
	static const uint8_t old[] = {0x11, 10, 0, 0, GROUP4}, all[12] = {0x11, 10};
	uint8_t q4[] = {0x11, 10, 0, 0, GROUP4, 2, 125, 0, 0, 10, 0, 0, 1};
	uint8_t q6[28 + 16] = {130};

	assert_true(asks_last(igmp(group4, old, sizeof(old))));
	assert_false(asks_last(igmp(all4, all, sizeof(all))));
	assert_true(asks_last(igmp(group4, q4, 12)));
	q4[8] |= 8; /* routers are to keep their timers */
	assert_false(asks_last(igmp(group4, q4, 12)));
	q4[8] &= 7;
	q4[11] = 1; /* a source */
	assert_false(asks_last(igmp(group4, q4, 16)));
	memcpy(q6 + 8, group6, 16);
	assert_true(asks_last(mld(group6, q6, 24)));
	assert_true(asks_last(mld(group6, q6, 28)));
	q6[24] = 8;
	assert_false(asks_last(mld(group6, q6, 28)));
	q6[24] = 0;
	q6[27] = 1;
	assert_false(asks_last(mld(group6, q6, 44)));
}

/*
 * One that is not sent to all, or to those who want the group it asks for, is not heard by the
 * hosts that are to answer (RFC 2236 3, RFC 3376 4.1.12, RFC 3810 5.1.15).
 */
static void
misdirected(void **state)
{
	static const uint8_t all[12] = {0x11, 10}, one[] = {0x11, 10, 0, 0, GROUP4};
	static const uint8_t stray6[16] = {0xff, 0x15, [15] = 0x78};
	uint8_t q6[28] = {130};
	struct packet p = igmp(group4, all, 8);

	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = igmp(group4, all, 12);
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = igmp((const uint8_t[]){239, 1, 2, 4}, one, sizeof(one));
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = mld(group6, q6, 24);
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = mld(group6, q6, 28);
	assert_int_equal(kind_of(&p), MCAST_BAD);
	memcpy(q6 + 8, group6, 16);
	p = mld(stray6, q6, 28);
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = mld(all6, q6, 28); /* those are more than have to be asked */
	assert_int_equal(kind_of(&p), MCAST_QUERY);
}

static void
hellos(void **state)
{
	static const uint8_t pim4[] = {224, 0, 0, 13}, adv[] = {0x30, 20, 0, 0, 0, 0, 0, 0};
	struct packet p = igmp(pim4, (const uint8_t[]){0x20, 0, 0, 0}, 4);

	p.b[9] = 103;
	finish(&p);
	assert_int_equal(kind_of(&p), MCAST_HELLO);
	p.b[p.at + 2] ^= 1;
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p.len = p.at; /* it could be one */
	put16(p.b + 2, p.len);
	put16(p.b + 10, 0);
	put16(p.b + 10, sum(p.b, p.at, 0));
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = igmp(pim4, (const uint8_t[]){0x23, 0, 0, 0}, 4); /* join and prune */
	p.b[9] = 103;
	finish(&p);
	assert_int_equal(kind_of(&p), MCAST_DATA);
	p = igmp((const uint8_t[]){224, 0, 0, 106}, adv, sizeof(adv));
	assert_int_equal(kind_of(&p), MCAST_HELLO);
}

/* Routers that end, and hosts that ask for routers (RFC 4286): both with four bytes. */
static void
terminations(void **state)
{
	static const uint8_t snoopers4[] = {224, 0, 0, 106}, bye[] = {0x32, 0, 0, 0};
	static const uint8_t snoopers6[16] = {0xff, 2, [15] = 0x6a}, bye6[] = {153, 0, 0, 0};
	struct packet p = igmp(snoopers4, bye, sizeof(bye));

	assert_int_equal(kind_of(&p), MCAST_BYE);
	p.b[p.at + 1] ^= 1;
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = igmp(routers4, bye, sizeof(bye));
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = igmp(snoopers4, bye, 3);
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = igmp(routers4, (const uint8_t[]){0x31, 0, 0, 0}, 4);
	assert_int_equal(kind_of(&p), MCAST_DATA);
	p = igmp(routers4, (const uint8_t[]){0x16, 0, 0, 0}, 4);
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = mld(snoopers6, bye6, sizeof(bye6));
	assert_int_equal(kind_of(&p), MCAST_BYE);
	p = mld(snoopers6, bye6, 3);
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = mld(all6, bye6, sizeof(bye6));
	assert_int_equal(kind_of(&p), MCAST_BAD);
}

/* --- bad ones --- */

static void
refuse(const struct packet *good, uint32_t at, uint8_t value)
{
	struct packet p = *good;

	p.b[at] = value;
	if (at != p.at + 2) /* but for the sum everything is right otherwise */
		finish(&p);
	assert_int_equal(kind_of(&p), MCAST_BAD);
}

static void
bad_igmp(void **state)
{
	static const uint8_t msg[] = {0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 1, GROUP4, 10, 0, 0, 1};
	static const uint8_t old[] = {0x16, 0, 0, 0, GROUP4};
	struct packet good = igmp(igmp3, msg, sizeof(msg)), p = good;

	assert_int_equal(kind_of(&good), MCAST_REPORT);
	refuse(&good, good.at + 2, (uint8_t)(good.b[good.at + 2] ^ 1));
	refuse(&good, 8, 2);              /* TTL */
	refuse(&good, 20, 1);             /* no router alert */
	refuse(&good, 21, 0);             /* an option without an end */
	refuse(&good, 6, 0x20);           /* more fragments */
	refuse(&good, 7, 1);              /* a later one */
	refuse(&good, 12, 224);           /* from a group */
	refuse(&good, 16, 10);            /* to a host */
	refuse(&good, good.at + 7, 2);    /* one record more than there is */
	refuse(&good, good.at + 11, 2);   /* one source more */
	refuse(&good, good.at + 9, 1);    /* auxiliary data that is not there */
	refuse(&good, good.at + 6, 0xff); /* 65281 records */
	p.b[10] ^= 1;                     /* the header's own sum */
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = good;
	p.len--; /* cut off */
	assert_int_equal(kind_of(&p), MCAST_BAD);
	for (uint32_t len = 0; len < 8; len++) {
		p = igmp(group4, old, len);
		assert_int_equal(kind_of(&p), MCAST_BAD);
	}
	p = igmp(all4, old, sizeof(old)); /* not to the group */
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = igmp(all4, (const uint8_t[12]){0x11, 1}, 10); /* a query of no version */
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = igmp(all4, (const uint8_t[12]){0x11, 1, 0, 0, 10, 0, 0, 1}, 8);
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = igmp(all4, (const uint8_t[12]){0x11, 1, [11] = 1}, 12); /* a source */
	assert_int_equal(kind_of(&p), MCAST_BAD);
}

static void
bad_mld(void **state)
{
	uint8_t msg[8 + 20] = {143, [7] = 1, [8] = 4}, query[28] = {130};
	struct packet good, p;

	memcpy(msg + 12, group6, 16);
	good = mld(mld2, msg, sizeof(msg));
	assert_int_equal(kind_of(&good), MCAST_REPORT);
	refuse(&good, good.at + 2, (uint8_t)(good.b[good.at + 2] ^ 1));
	refuse(&good, 7, 2);            /* hop limit */
	refuse(&good, 42, 1);           /* no router alert */
	refuse(&good, 43, 3);           /* of another length */
	refuse(&good, 45, 1);           /* of another protocol */
	refuse(&good, 8, 0x20);         /* not from this link */
	refuse(&good, good.at + 7, 2);  /* one record more than there is */
	refuse(&good, good.at + 11, 1); /* one source more */
	refuse(&good, 41, 0xff);        /* an extension that does not end */
	p = good;
	p.len--;
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = mld(all6, query, 26);
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = mld(all6, query, 24);
	assert_int_equal(kind_of(&p), MCAST_QUERY);
	memset(p.b + 8, 0, 16); /* no querier has that address */
	finish(&p);
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p = good; /* without the extension */
	p.b[6] = 58;
	memmove(p.b + 40, p.b + 48, sizeof(msg));
	p.at = 40;
	p.len -= 8;
	finish(&p);
	assert_int_equal(kind_of(&p), MCAST_BAD);
}

/* Data passes, with any contents; a packet whose protocol cannot be seen does not. */
static void
data(void **state)
{
	static const uint8_t udp[] = {0x22, 0x22, 0, 9, 0, 8, 0, 0};
	struct packet p = igmp(group4, udp, sizeof(udp));

	p.b[9] = 17;
	finish(&p);
	assert_int_equal(kind_of(&p), MCAST_DATA);
	p.b[7] = 1; /* a later fragment */
	assert_int_equal(kind_of(&p), MCAST_DATA);
	p.type = RTE_ETHER_TYPE_ARP;
	assert_int_equal(kind_of(&p), MCAST_DATA);
	p = mld(group6, (const uint8_t[8]){128}, 8); /* an echo request, however long */
	assert_int_equal(kind_of(&p), MCAST_DATA);
	put16(p.b + 4, 9000);
	assert_int_equal(kind_of(&p), MCAST_DATA);
	p.b[40] = 44; /* a fragment header behind the options */
	memset(p.b + 48, 0, 8);
	p.b[48] = 58;
	p.b[51] = 8;
	assert_int_equal(kind_of(&p), MCAST_DATA);
	p.b[51] = 1;
	p.b[p.len = 56] = 0; /* the first, whose message is not in it */
	assert_int_equal(kind_of(&p), MCAST_BAD);
	p.b[56] = 143;
	p.len = 64;
	assert_int_equal(kind_of(&p), MCAST_BAD);
}

/* --- frames --- */

static void
own_queries(void **state)
{
	struct mcast_query q = {.src = {{2, 0, 0, 0, 0, 1}},
				.from = {.len = 4},
				.max_resp_ms = 10000,
				.interval_s = 125};
	uint8_t frame[MCAST_QUERY_MAX];
	struct mcast_msg m;
	uint32_t len;

	for (int family = 0; family < 2; family++) {
		uint16_t type = family == 0 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;

		for (int general = 0; general < 2; general++) {
			len = mcast_query(&q, frame);
			assert_in_range(len, 14, MCAST_QUERY_MAX);
			if (mcast_is_group(&q.group)) {
				struct rte_ether_addr to = mcast_mac(&q.group);

				assert_memory_equal(frame, &to, sizeof(to));
			}
			mcast_read(frame + 14, len - 14, type, &m);
			assert_int_equal(m.kind, MCAST_QUERY);
			assert_int_equal(m.max_resp_ms, q.max_resp_ms);
			assert_int_equal(m.group.len, q.group.len);
			q.group = (struct mcast_ip){.len = q.from.len};
			memcpy(q.group.addr, family == 0 ? group4 : group6, q.from.len);
			q.max_resp_ms = 1000;
		}
		q.from = (struct mcast_ip){.len = 16, .addr = {0xfe, 0x80, [15] = 9}};
		q.group = (struct mcast_ip){0};
	}
}

static void
open_groups(void **state)
{
	static const struct {
		struct rte_ether_addr mac;
		bool open;
	} table[] = {
		{{{0x01, 0, 0x5e, 0, 0, 0xfb}}, true},
		{{{0x01, 0, 0x5e, 0, 1, 0}}, false},
		{{{0x01, 0, 0x5e, 0x80, 1, 0}}, true},
		{{{0x33, 0x33, 0, 0, 0, 1}}, true},
		{{{0x33, 0x33, 0, 0, 0, 2}}, false},
		{{{0x33, 0x33, 0xff, 0, 0, 1}}, false},
		{{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, true},
		{{{0x01, 0x1b, 0x19, 0, 0, 0}}, true},
	};

	for (size_t i = 0; i < 8; i++)
		assert_int_equal(mcast_mac_is_open(&table[i].mac), table[i].open);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_reports),  cmocka_unit_test(records),
		cmocka_unit_test(queries),      cmocka_unit_test(last_ones),
		cmocka_unit_test(misdirected),  cmocka_unit_test(hellos),
		cmocka_unit_test(terminations), cmocka_unit_test(bad_igmp),
		cmocka_unit_test(bad_mld),      cmocka_unit_test(data),
		cmocka_unit_test(own_queries),  cmocka_unit_test(open_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
