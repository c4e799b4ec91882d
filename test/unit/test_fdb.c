/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The forwarding database, with a clock the test moves and, at the end, a
 * reader that runs against a control thread which never stops changing things.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_hash_crc.h>
#include <rte_rcu_qsbr.h>

#include "eal.h"
#include "switch/dataplane.h"
#include "switch/fdb.h"
#include "switch/fdb_worker.h"

#define LIMIT 1000u /* entries of the table, unless a test says otherwise */
#define SECOND 1000000000ull
#define RING 2047              /* usable slots of a learn ring */
#define SHARE ((RING + 1) / 2) /* of them for one port while others are silent */

static struct rte_rcu_qsbr *qsbr;
static struct fdb *fdb;
static uint64_t now = 1000 * SECOND;

static fdb_key
key(uint32_t n)
{
	struct rte_ether_addr mac = {
		{2, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};

	return fdb_key_make(&mac, 0);
}

static struct rte_ether_addr
mac_of(uint32_t n)
{
	struct rte_ether_addr mac;
	fdb_key k = key(n);

	memcpy(&mac, &k, sizeof(mac));
	return mac;
}

static uint16_t
lookup(uint32_t n)
{
	fdb_key k = key(n);
	uint16_t port;

	fdb_lookup(fdb, &k, 1, &port);
	return port;
}

static void
seen(uint32_t n, uint16_t port)
{
	fdb_key k = key(n);

	fdb_seen(fdb, 0, &k, 1, port);
}

/* Until all is learned. */
static void
maintain(void)
{
	while (fdb_maintain(fdb, now) == FDB_PORTION)
		;
}

static void
learn(uint32_t n, uint16_t port)
{
	seen(n, port);
	fdb_maintain(fdb, now);
}

static struct fdb_stats
stats(void)
{
	struct fdb_stats s;

	fdb_get_stats(fdb, &s);
	return s;
}

static void
make(uint32_t limit, uint32_t port_limit, uint32_t ageing_s)
{
	const struct fdb_config cfg = {
		.limit = limit,
		.port_limit = port_limit,
		.ageing_s = ageing_s,
		.workers = 2,
		.qsbr = qsbr,
	};

	fdb = fdb_new(&cfg);
	assert_non_null(fdb);
	fdb_maintain(fdb, now);
}

static int
make_default(void **state)
{
	make(LIMIT, 0, 300);
	return 0;
}

static int
teardown(void **state)
{
	fdb_free(fdb);
	return 0;
}

static void
test_learn_and_look_up(void **state)
{
	fdb_key keys[FDB_BULK_MAX];
	uint16_t ports[FDB_BULK_MAX];

	assert_int_equal(lookup(1), FDB_PORT_NONE);
	for (uint32_t i = 0; i < FDB_BULK_MAX; i++) {
		keys[i] = key(i);
		seen(i, (uint16_t)(i % 7));
	}
	assert_int_equal(lookup(1), FDB_PORT_NONE); /* workers add nothing themselves */
	fdb_maintain(fdb, now);
	keys[5] = key(999);
	fdb_lookup(fdb, keys, FDB_BULK_MAX, ports);
	for (uint32_t i = 0; i < FDB_BULK_MAX; i++)
		assert_int_equal(ports[i], i == 5 ? FDB_PORT_NONE : i % 7);
	assert_int_equal(stats().entries, FDB_BULK_MAX);
	assert_int_equal(stats().learned, FDB_BULK_MAX);
	assert_int_equal(fdb_port_count(fdb, 6), 9);
}

static void
test_domains_are_separate(void **state)
{
	struct rte_ether_addr mac = mac_of(1);
	fdb_key k[2] = {fdb_key_make(&mac, 1), fdb_key_make(&mac, 2)};
	uint16_t ports[2];

	fdb_seen(fdb, 0, &k[0], 1, 10);
	fdb_seen(fdb, 1, &k[1], 1, 20);
	fdb_maintain(fdb, now);
	fdb_lookup(fdb, k, 2, ports);
	assert_int_equal(ports[0], 10);
	assert_int_equal(ports[1], 20);
	assert_int_equal(lookup(1), FDB_PORT_NONE);
}

static void
test_move(void **state)
{
	learn(1, 3);
	learn(1, 4);
	assert_int_equal(lookup(1), 4);
	assert_int_equal(stats().moved, 1);
	assert_int_equal(stats().entries, 1);
	assert_int_equal(fdb_port_count(fdb, 3), 0);
	assert_int_equal(fdb_port_count(fdb, 4), 1);
	learn(1, 4);
	assert_int_equal(stats().moved, 1);
}

static void
test_static(void **state)
{
	struct rte_ether_addr mac = mac_of(1), group = {{1, 0, 0x5e, 0, 0, 1}}, zero = {{0}};

	assert_int_equal(fdb_add_static(fdb, &group, 0, 1), -EINVAL);
	assert_int_equal(fdb_add_static(fdb, &zero, 0, 1), -EINVAL);
	assert_int_equal(fdb_add_static(fdb, &mac, 0, DP_PORTS_MAX), -EINVAL);
	assert_int_equal(fdb_add_static(fdb, &mac, 0, 5), 0);
	assert_int_equal(lookup(1), 5);
	learn(1, 6); /* no frame moves it */
	assert_int_equal(lookup(1), 5);
	assert_int_equal(stats().moved, 0);
	now += 10000 * SECOND; /* nor does time remove it */
	fdb_maintain(fdb, now);
	assert_int_equal(lookup(1), 5);
	assert_int_equal(fdb_flush_port(fdb, 5, false), 0);
	assert_int_equal(fdb_add_static(fdb, &mac, 0, 7), 0);
	assert_int_equal(lookup(1), 7);
	assert_int_equal(fdb_flush_port(fdb, 7, true), 1);
	assert_int_equal(lookup(1), FDB_PORT_NONE);
	/* a learned entry becomes static and leaves the port's count */
	learn(1, 8);
	assert_int_equal(fdb_add_static(fdb, &mac, 0, 8), 0);
	assert_int_equal(fdb_port_count(fdb, 8), 0);
	assert_int_equal(fdb_del(fdb, &mac, 0), 0);
	assert_int_equal(fdb_del(fdb, &mac, 0), -ENOENT);
	assert_int_equal(stats().entries, 0);
}

/* An address of a control plane stays until the address is seen here, unless the operator knows. */
static void
test_extern(void **state)
{
	struct rte_ether_addr mac = mac_of(1), group = {{1, 0, 0x5e, 0, 0, 1}};

	assert_int_equal(fdb_add_extern(fdb, &group, 0, 1), -EINVAL);
	assert_int_equal(fdb_add_extern(fdb, &mac, 0, DP_PORTS_MAX), -EINVAL);
	learn(1, 4);
	assert_int_equal(fdb_add_extern(fdb, &mac, 0, 5), 0);
	assert_int_equal(lookup(1), 5);
	assert_int_equal(fdb_port_count(fdb, 4), 0);
	assert_int_equal(fdb_port_count(fdb, 5), 0);
	now += 10000 * SECOND;
	maintain();
	assert_int_equal(lookup(1), 5);
	assert_int_equal(fdb_flush_port(fdb, 5, false), 0);
	learn(1, 6);
	assert_int_equal(lookup(1), 6);
	assert_int_equal(fdb_port_count(fdb, 6), 1);
	now += 10000 * SECOND; /* it is a learned one now */
	maintain();
	assert_int_equal(lookup(1), FDB_PORT_NONE);
	assert_int_equal(fdb_add_static(fdb, &mac, 0, 7), 0);
	assert_int_equal(fdb_add_extern(fdb, &mac, 0, 5), -EEXIST);
	assert_int_equal(lookup(1), 7);
}

/* Of half a table, a port that has more of a control plane's addresses than others loses some. */
static void
test_extern_shares(void **state)
{
	struct rte_ether_addr mac;
	uint32_t refused = 0;

	for (uint32_t i = 0; i < LIMIT; i++) {
		mac = mac_of(i);
		refused += fdb_add_extern(fdb, &mac, 0, 5) == -ENOSPC;
	}
	assert_int_equal(refused, LIMIT - LIMIT / 2);
	for (uint32_t i = 0; i < LIMIT / 4; i++) {
		mac = mac_of(LIMIT + i);
		assert_int_equal(fdb_add_extern(fdb, &mac, 0, 6), 0);
		assert_int_equal(lookup(LIMIT + i), 6);
	}
	mac = mac_of(2 * LIMIT);
	for (uint16_t port = 5; port <= 6; port++) { /* they have the same number: that stays so */
		assert_int_equal(fdb_add_extern(fdb, &mac, 0, port), -ENOSPC);
		assert_int_equal(fdb_extern_count(fdb, port), LIMIT / 4);
	}
	learn(2 * LIMIT, 4);
	assert_int_equal(fdb_add_extern(fdb, &mac, 0, 7), 0);
	assert_int_equal(lookup(2 * LIMIT), 7);
	assert_int_equal(fdb_extern_count(fdb, 5) + fdb_extern_count(fdb, 6), LIMIT / 2 - 1);
}

struct hearer {
	struct fdb_listener l;
	uint32_t there, gone;
	uint16_t port;
};

static void
on_entry(struct fdb_listener *l, const struct fdb_entry_info *e, bool there)
{
	struct hearer *h = (struct hearer *)l;
	struct rte_ether_addr mac = mac_of(1);

	assert_true(rte_is_same_ether_addr(&e->mac, &mac));
	assert_int_not_equal(e->origin, FDB_EXTERN);
	h->there += there;
	h->gone += !there;
	h->port = e->port;
}

/* A listener is told of each entry of this switch's own, where it is and that it goes. */
static void
test_listener(void **state)
{
	struct rte_ether_addr mac = mac_of(1);
	struct hearer h = {.l.fn = on_entry};

	fdb_listen(fdb, &h.l);
	learn(1, 4);
	assert_int_equal(h.port, 4);
	learn(1, 4);
	learn(1, 5);
	assert_int_equal(h.there, 2);
	assert_int_equal(h.port + h.gone, 5);
	assert_int_equal(fdb_add_extern(fdb, &mac, 0, 6), 0);
	assert_int_equal(h.gone, 1);
	assert_int_equal(fdb_del(fdb, &mac, 0), 0);
	now += SECOND;
	maintain();
	assert_int_equal(h.gone, 1);
	learn(1, 4);
	assert_int_equal(h.there, 3);
	now += 10000 * SECOND;
	maintain();
	assert_int_equal(h.gone, 2);
	assert_int_equal(fdb_add_static(fdb, &mac, 0, 1), 0);
	assert_int_equal(fdb_del(fdb, &mac, 0), 0); /* it was the operator's */
	assert_int_equal(h.gone, 3);
	fdb_unlisten(fdb, &h.l);
	learn(1, 7);
	assert_int_equal(h.there, 4);
}

static void
test_ageing(void **state)
{
	learn(1, 1);
	learn(2, 2);
	for (uint32_t i = 0; i < 10; i++) {
		now += 60 * SECOND;
		seen(2, 2);
		fdb_maintain(fdb, now);
		assert_int_equal(lookup(1), i < 4 ? 1 : FDB_PORT_NONE);
		assert_int_equal(lookup(2), 2);
	}
	assert_int_equal(stats().aged, 1);
	assert_int_equal(fdb_port_count(fdb, 1), 0);
	assert_int_equal(fdb_set_limits(fdb, 1000, 0, 0), 0); /* from now on nothing ages */
	now += 100000 * SECOND;
	fdb_maintain(fdb, now);
	assert_int_equal(lookup(2), 2);
	assert_int_equal(fdb_set_limits(fdb, 1000, 0, 1), 0);
	now += SECOND;
	fdb_maintain(fdb, now);
	assert_int_equal(lookup(2), FDB_PORT_NONE);
}

/* A port alone replaces its own addresses, those it has not used for longest first. */
static void
test_limit(void **state)
{
	for (uint32_t i = 0; i < 1000; i++)
		learn(i, 1);
	now += SECOND;
	maintain();
	for (uint32_t i = 0; i < 5; i++)
		learn(i, 1);
	for (uint32_t i = 1000; i < 1500; i++)
		learn(i, 1);
	assert_int_equal(stats().entries, 1000);
	assert_int_equal(stats().evicted, 500);
	assert_int_equal(stats().refused_limit, 0);
	assert_int_equal(lookup(4), 1);
	assert_int_equal(lookup(5), FDB_PORT_NONE);
	assert_int_equal(lookup(504), FDB_PORT_NONE);
	assert_int_equal(lookup(505), 1);
	assert_int_equal(lookup(1499), 1);
	learn(2, 2); /* a move needs no room */
	assert_int_equal(lookup(2), 2);
	assert_int_equal(stats().evicted, 500);
	assert_int_equal(fdb_set_limits(fdb, FDB_LIMIT_DEFAULT + 1, 0, 0), -ERANGE);
	assert_int_equal(fdb_set_limits(fdb, 1001, 0, 300), 0);
	learn(3000, 1);
	assert_int_equal(fdb_flush_port(fdb, FDB_PORT_NONE, false), 1001);
	assert_int_equal(stats().entries, 0);
}

/* Addresses without end behind one port: others keep theirs and can get new ones. */
static void
test_full_by_one(void **state)
{
	struct rte_ether_addr mac = mac_of(77);
	uint32_t forged = 100000;

	assert_int_equal(fdb_add_static(fdb, &mac, 0, 9), 0);
	for (uint32_t i = 0; i < 100; i++)
		learn(1000 + i, 2);
	for (uint32_t round = 0; round < 10; round++) {
		for (uint32_t i = 0; i < 1000; i++)
			learn(forged++, 1);
		for (uint32_t i = 0; i < 10; i++)
			learn(2000 + 10 * round + i, 3);
	}
	assert_int_equal(stats().entries, 1000);
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(lookup(1000 + i), 2);
		assert_int_equal(lookup(2000 + i), 3);
	}
	assert_int_equal(lookup(77), 9);
	assert_int_equal(fdb_port_count(fdb, 1), 1000 - 1 - 200);
	assert_int_equal(stats().refused_limit, 0);
}

/* Two that do it share what others do not need. */
static void
test_full_by_two(void **state)
{
	for (uint32_t i = 0; i < 50; i++)
		learn(i, 3);
	for (uint32_t i = 0; i < 3000; i++) {
		learn(10000 + i, 1);
		if (i >= 1500)
			learn(20000 + i, 2);
	}
	assert_int_equal(fdb_port_count(fdb, 3), 50);
	assert_int_equal(fdb_port_count(fdb, 1), 475);
	assert_int_equal(fdb_port_count(fdb, 2), 475);
}

/* Static entries are never in the way of each other, and no learned one displaces them. */
static void
test_full_of_statics(void **state)
{
	for (uint32_t i = 0; i < 999; i++)
		learn(10000 + i, 1);
	for (uint32_t i = 0; i < 1000; i++) {
		struct rte_ether_addr mac = mac_of(i);

		assert_int_equal(fdb_add_static(fdb, &mac, 0, 5), 0);
	}
	assert_int_equal(fdb_port_count(fdb, 1), 0);
	learn(5000, 1);
	assert_int_equal(lookup(5000), FDB_PORT_NONE);
	assert_int_equal(stats().refused_limit, 1);
	assert_int_equal(lookup(999), 5);
}

/* A lowered limit is reached as new addresses come. */
static void
test_lowered_limit(void **state)
{
	for (uint32_t i = 0; i < 100; i++)
		learn(i, 1);
	assert_int_equal(fdb_set_limits(fdb, 50, 0, 300), 0);
	for (uint32_t i = 1000; i < 1100; i++)
		learn(i, 1);
	assert_int_equal(stats().entries, 50);
}

static void
test_port_limit(void **state)
{
	assert_int_equal(fdb_set_limits(fdb, 1000, 10, 300), 0);
	assert_int_equal(fdb_set_port_limit(fdb, 2, 20), 0);
	assert_int_equal(fdb_set_port_limit(fdb, DP_PORTS_MAX, 1), -EINVAL);
	for (uint32_t i = 0; i < 100; i++) {
		learn(i, 1);
		learn(1000 + i, 2);
	}
	assert_int_equal(fdb_port_count(fdb, 1), 10);
	assert_int_equal(fdb_port_count(fdb, 2), 20);
	assert_int_equal(stats().refused_port_limit, 170);
	/* a full port takes no address over from another one either */
	learn(1000, 1);
	assert_int_equal(lookup(1000), 2);
	assert_int_equal(fdb_flush_port(fdb, 1, false), 10);
	learn(1000, 1);
	assert_int_equal(lookup(1000), 1);
}

/* Addresses pushed by a port that is gone must not come back after the flush. */
static void
test_flush_takes_requests_in(void **state)
{
	seen(1, 9);
	assert_int_equal(fdb_flush_port(fdb, 9, true), 1);
	fdb_maintain(fdb, now);
	assert_int_equal(lookup(1), FDB_PORT_NONE);
	assert_int_equal(fdb_port_count(fdb, 9), 0);
}

static void
test_ring(void **state)
{
	/* the same address again and again takes one slot */
	for (uint32_t i = 0; i < 10 * RING; i++)
		seen(1, 1);
	assert_int_equal(stats().ring_full, 0);
	maintain();
	assert_int_equal(fdb_set_limits(fdb, 10000, 0, 300), 0);
	for (uint32_t i = 10; i < 10 + SHARE + 100; i++)
		seen(i, 1);
	assert_int_equal(stats().ring_full, 100);
	maintain();
	assert_int_equal(stats().entries, 1 + SHARE);
	/* what did not fit is tried again, not remembered as pushed */
	for (uint32_t i = 10; i < 10 + SHARE + 100; i++)
		seen(i, 1);
	maintain();
	assert_int_equal(stats().entries, 1 + SHARE + 100);
}

/* Addresses from ports that flood the ring leave room for others, time and again. */
static void
test_ring_is_shared(void **state)
{
	uint32_t forged = 100000;

	assert_int_equal(fdb_set_limits(fdb, 100000, 0, 300), 0);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 2 * RING; i++)
			for (uint16_t port = 1; port < 4; port++)
				seen(forged++, port);
		for (uint32_t i = 0; i < 16; i++)
			seen(100 * round + i, 7);
		maintain();
		for (uint32_t i = 0; i < 16; i++)
			assert_int_equal(lookup(100 * round + i), 7);
	}
}

/* Control learns in portions, and what has waited in another worker's ring is not left behind. */
static void
test_portions(void **state)
{
	fdb_key other = key(50000);

	for (uint32_t i = 0; i < SHARE; i++)
		seen(1000 + i, 1);
	fdb_seen(fdb, 1, &other, 1, 2);
	assert_int_equal(fdb_maintain(fdb, now), FDB_PORTION);
	assert_int_equal(lookup(50000), 2);
	assert_true(stats().learned <= FDB_PORTION);
	maintain();
	assert_int_equal(stats().learned, SHARE + 1);
}

static bool
is_told(void)
{
	struct pollfd p = {.fd = fdb_event_fd(fdb), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* The first new address wakes control, more do not until it has seen to all of them. */
static void
test_tells_control(void **state)
{
	uint64_t count;

	assert_true(fdb_await(fdb));
	assert_false(is_told());
	seen(1, 1);
	assert_true(is_told());
	assert_int_equal(read(fdb_event_fd(fdb), &count, sizeof(count)), sizeof(count));
	seen(2, 1);
	assert_false(is_told());
	assert_false(fdb_await(fdb));
	seen(3, 1);
	assert_false(is_told());
	assert_int_equal(fdb_maintain(fdb, now), 3);
	assert_int_equal(fdb_maintain(fdb, now), 0);
	assert_true(fdb_await(fdb));
	seen(1, 1); /* nothing new */
	assert_false(is_told());
	seen(1, 2);
	assert_true(is_told());
	maintain();
	assert_true(fdb_await(fdb));
	assert_false(is_told());
}

#define KERNEL 16 /* dimensions: keys of 48 bits, hashes of 32 */

/* Keys whose CRC is 0, by elimination. It is linear, so the sum of any of them is one more. */
static void
crc_kernel(fdb_key kernel[KERNEL])
{
	uint64_t row[48], from[48];
	uint32_t i, j, n = 0;

	for (i = 0; i < 48; i++) {
		from[i] = UINT64_C(1) << i;
		row[i] = rte_hash_crc_8byte(from[i], 0);
		for (j = 0; j < i; j++)
			if (row[j] != 0 && (row[i] & -row[i] & row[j] & -row[j]) != 0) {
				row[i] ^= row[j];
				from[i] ^= from[j];
				j = UINT32_MAX; /* another lowest bit: from the beginning */
			}
		if (row[i] == 0)
			kernel[n++] = from[i];
	}
	assert_int_equal(n, KERNEL);
}

/*
 * Addresses chosen to have one and the same CRC with any seed: they find room, and a
 * lookup does not take longer.
 */
static void
test_chosen_addresses(void **state)
{
	fdb_key kernel[KERNEL], chosen[1000];
	uint64_t start, cycles[2];
	uint16_t port;
	uint32_t n = 0;

	crc_kernel(kernel);
	for (uint32_t i = 1; n < RTE_DIM(chosen); i++) {
		fdb_key k = 0;

		for (uint32_t bit = 0; bit < KERNEL; bit++)
			k ^= (i >> bit & 1) != 0 ? kernel[bit] : 0;
		if ((k & 1) == 0) /* not a group */
			chosen[n++] = k;
	}
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(rte_hash_crc_8byte(chosen[i], 7),
				 rte_hash_crc_8byte(chosen[0], 7));
		fdb_seen(fdb, 0, &chosen[i], 1, 1);
		maintain();
	}
	assert_int_equal(stats().entries, n);
	assert_int_equal(stats().refused_limit, 0);
	for (uint32_t round = 0; round < 2; round++) {
		start = rte_rdtsc();
		for (uint32_t i = 0; i < n; i++) {
			fdb_lookup(fdb, &chosen[i], 1, &port);
			assert_int_equal(port, 1);
		}
		cycles[round] = rte_rdtsc() - start;
	}
	print_message("%u chosen addresses: %" PRIu64 " cycles a lookup\n", n, cycles[1] / n);
}

struct walk {
	uint32_t n, statics, age;
	uint32_t stop_after;
};

static bool
count_entry(const struct fdb_entry_info *e, void *arg)
{
	struct walk *w = arg;

	w->n++;
	w->statics += e->origin == FDB_STATIC;
	w->age = RTE_MAX(w->age, e->age_s);
	if (e->origin == FDB_STATIC) {
		struct rte_ether_addr mac = mac_of(77);

		assert_true(rte_is_same_ether_addr(&e->mac, &mac));
		assert_int_equal(e->fid, 42);
		assert_int_equal(e->port, 3);
	} else {
		assert_int_equal(e->moves, 1);
	}
	return w->n != w->stop_after;
}

static void
test_walk(void **state)
{
	struct rte_ether_addr mac = mac_of(77);
	struct walk w = {0};

	fdb_walk(fdb, count_entry, &w);
	assert_int_equal(w.n, 0);
	for (uint32_t i = 0; i < 10; i++) {
		learn(i, 1);
		learn(i, 2);
	}
	fdb_add_static(fdb, &mac, 42, 3);
	now += 5 * SECOND;
	fdb_maintain(fdb, now);
	fdb_walk(fdb, count_entry, &w);
	assert_int_equal(w.n, 11);
	assert_int_equal(w.statics, 1);
	assert_int_equal(w.age, 5);
	w = (struct walk){.stop_after = 4};
	fdb_walk(fdb, count_entry, &w);
	assert_int_equal(w.n, 4);
}

/* --- a reader that never stops --- */

#define STABLE 32 /* keys that stay where they are */
#define MOVING 32 /* keys on port 1 or 2 */
#define ROUNDS 300

static atomic_bool stop;
static atomic_uint bad, batches;

static void
read_once(void)
{
	fdb_key keys[STABLE + MOVING];
	uint16_t ports[STABLE + MOVING];

	for (uint32_t i = 0; i < STABLE + MOVING; i++)
		keys[i] = key(i);
	fdb_lookup(fdb, keys, STABLE + MOVING, ports);
	for (uint32_t i = 0; i < STABLE; i++)
		if (ports[i] != 7)
			atomic_fetch_add(&bad, 1);
	for (uint32_t i = STABLE; i < STABLE + MOVING; i++)
		if (ports[i] != 1 && ports[i] != 2)
			atomic_fetch_add(&bad, 1);
	fdb_seen(fdb, 1, keys, STABLE, 7);
	atomic_fetch_add(&batches, 1);
}

static void *
reader(void *arg)
{
	rte_rcu_qsbr_thread_online(qsbr, 0);
	while (!atomic_load(&stop)) {
		read_once();
		rte_rcu_qsbr_quiescent(qsbr, 0);
	}
	rte_rcu_qsbr_thread_offline(qsbr, 0);
	return NULL;
}

/* Fill the table to its limit and empty it again, while the moving keys move. */
static void
churn(uint32_t round)
{
	for (uint32_t i = 0; i < 936; i++)
		seen(1000 + round * 1000 + i, 5);
	maintain();
	for (uint32_t i = STABLE; i < STABLE + MOVING; i++)
		seen(i, (uint16_t)(1 + round % 2));
	maintain();
	assert_int_equal(fdb_port_count(fdb, (uint16_t)(1 + round % 2)), MOVING);
	assert_int_equal(fdb_flush_port(fdb, 5, false), 936);
}

static void
test_concurrent_reader(void **state)
{
	pthread_t t;

	for (uint32_t i = 0; i < STABLE + MOVING; i++)
		learn(i, i < STABLE ? 7 : 1);
	assert_int_equal(pthread_create(&t, NULL, reader, NULL), 0);
	for (uint32_t i = 1; i <= ROUNDS; i++)
		churn(i);
	atomic_store(&stop, true);
	pthread_join(t, NULL);
	assert_int_equal(bad, 0);
	assert_true(batches > 10);
	assert_int_equal(stats().entries, STABLE + MOVING);
	assert_int_equal(stats().refused_limit, 0);
}

static int
setup(void **state)
{
	size_t size;

	if (eal_start("0", 256) != 0)
		return -1;
	size = rte_rcu_qsbr_get_memsize(2);
	qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(size, RTE_CACHE_LINE_SIZE));
	rte_rcu_qsbr_init(qsbr, 2);
	return rte_rcu_qsbr_thread_register(qsbr, 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, make_default, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_learn_and_look_up),
		TEST(test_domains_are_separate),
		TEST(test_move),
		TEST(test_static),
		TEST(test_extern),
		TEST(test_extern_shares),
		TEST(test_listener),
		TEST(test_ageing),
		TEST(test_limit),
		TEST(test_full_by_one),
		TEST(test_full_by_two),
		TEST(test_full_of_statics),
		TEST(test_lowered_limit),
		TEST(test_port_limit),
		TEST(test_flush_takes_requests_in),
		TEST(test_ring),
		TEST(test_ring_is_shared),
		TEST(test_portions),
		TEST(test_tells_control),
		TEST(test_chosen_addresses),
		TEST(test_walk),
		TEST(test_concurrent_reader),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
