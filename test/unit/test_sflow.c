/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sFlow: datagrams hold what was put into them, word by word, and no more than
 * fits; of the frames that come in at ports as many are samples as were asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <rte_common.h>

#include "eal.h"
#include "fakesw.h"
#include "sflow/datagram.h"
#include "switch/flood.h"
#include "switch/sample.h"

/* --- datagrams --- */

static struct sflow_datagram d;
static size_t at;

static void
expect_words(const uint32_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++, at += 4) {
		uint32_t v;

		assert_true(at + 4 <= d.len);
		memcpy(&v, d.data + at, 4);
		assert_int_equal(ntohl(v), words[i]);
	}
}

#define EXPECT(...)                                   \
	expect_words((const uint32_t[]){__VA_ARGS__}, \
		     sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void
expect_bytes(const void *data, size_t len)
{
	assert_true(at + len <= d.len);
	assert_memory_equal(d.data + at, data, len);
	at += len;
}

static void
begin(void)
{
	struct sockaddr_in agent = {.sin_family = AF_INET, .sin_addr = {htonl(0xc0000201)}};

	sflow_begin(&d, &(struct sflow_head){.agent = (const struct sockaddr *)&agent,
					     .sequence = 7,
					     .uptime_ms = 1234});
	at = 0;
}

static void
a_frame(void **state)
{
	static const uint8_t header[19] = "0123456789abcdefgh";
	const struct sflow_flow f = {.sequence = 3,
				     .interface = 5,
				     .rate = 1000,
				     .pool = 77777,
				     .drops = 2,
				     .frame_len = 1514,
				     .header_len = sizeof(header),
				     .header = header};

	begin();
	assert_true(sflow_add_flow(&d, &f));
	EXPECT(5, 1, 0xc0000201, 0, 7, 1234, 1);
	/* flow_sample, with one record */
	EXPECT(1, 8 * 4 + 8 + 16 + 20, 3, 5, 1000, 77777, 2, 5, 0, 1);
	/* sampled_header: Ethernet, with an FCS that was taken away */
	EXPECT(1, 16 + 20, 1, 1518, 4, 19);
	expect_bytes(header, sizeof(header));
	expect_bytes("", 1); /* up to a multiple of four bytes */
	assert_int_equal(at, d.len);
}

static void
an_interface(void **state)
{
	const struct sflow_counters c = {.sequence = 4,
					 .interface = 2,
					 .speed = UINT64_C(25000000000),
					 .admin_up = true,
					 .in_bytes = UINT64_C(1) << 40,
					 .in_frames = 11,
					 .in_multicast = 12,
					 .in_broadcast = 13,
					 .in_discards = 14,
					 .in_errors = SFLOW_UNKNOWN,
					 .out_bytes = 20,
					 .out_frames = 21,
					 .out_multicast = 22,
					 .out_broadcast = 23,
					 .out_discards = 24,
					 .out_errors = 25,
					 .promiscuous = true,
					 .name = "net_vhost0"};

	begin();
	assert_true(sflow_add_counters(&d, &c));
	EXPECT(5, 1, 0xc0000201, 0, 7, 1234, 1);
	/* counters_sample, with two records */
	EXPECT(2, 3 * 4 + 8 + 88 + 8 + 16, 4, 2, 2);
	EXPECT(1, 88, 2, 6, 5, 25000000000 - 5 * (UINT64_C(1) << 32), 1, 1);
	EXPECT(256, 0, 11, 12, 13, 14, UINT32_MAX, UINT32_MAX);
	EXPECT(0, 20, 21, 22, 23, 24, 25, 1);
	EXPECT(1005, 16, 10);
	expect_bytes("net_vhost0\0", 12);
	assert_int_equal(at, d.len);
}

static void
agents(void **state)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
	sflow_begin(&d, &(struct sflow_head){.agent = (const struct sockaddr *)&v6});
	at = 0;
	EXPECT(5, 2, 0x20010db8, 0, 0, 1, 0, 0, 0, 0);
	assert_int_equal(at, d.len);
	sflow_begin(&d, &(struct sflow_head){0});
	at = 0;
	EXPECT(5, 0, 0, 0, 0, 0);
	assert_int_equal(at, d.len);
}

/* A sample that does not fit leaves no trace. */
static void
full(void **state)
{
	static const uint8_t header[SFLOW_HEADER_MAX];
	struct sflow_flow f = {.header_len = SFLOW_HEADER_MAX, .header = header};
	size_t len;

	begin();
	assert_true(sflow_add_flow(&d, &f));
	assert_true(sflow_add_flow(&d, &f));
	len = d.len;
	assert_false(sflow_add_flow(&d, &f));
	assert_int_equal(d.len, len);
	assert_int_equal(d.samples, 2);
	/* to the last word: its other 64 bytes are the sample's */
	f.header_len = (uint32_t)(SFLOW_DATAGRAM_MAX - len - 64) & ~3u;
	f.header_len += 4;
	assert_false(sflow_add_flow(&d, &f));
	assert_int_equal(d.len, len);
	f.header_len -= 4;
	assert_true(sflow_add_flow(&d, &f));
	assert_in_range(d.len, SFLOW_DATAGRAM_MAX - 3, SFLOW_DATAGRAM_MAX);
	at = 24;
	EXPECT(3);
}

/* --- samples --- */

static struct rte_ether_addr peer;

static void
put(uint32_t port, uint32_t n, uint32_t len)
{
	struct rte_ether_addr src = fake_mac(port, 1);

	for (uint32_t i = 0; i < n; i++)
		fake_put(port, &src, &peer, len);
	fake_poll();
	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		fake_ports[i].nout = 0;
}

static uint32_t
take_all(void)
{
	struct sample s;
	uint32_t n = 0;

	for (; sw_take_sample(&fake_sw, &s); n++)
		sample_free(&s);
	return n;
}

/* Every frame is sampled: its port, its length, its first bytes. */
static void
every_frame(void **state)
{
	struct sample s;

	assert_int_equal(sw_set_sampling(&fake_sw, 1, 64), 0);
	put(0, 3, 100);
	put(2, 2, 60);
	for (uint32_t i = 0; i < 5; i++) {
		struct rte_ether_addr src = fake_mac(i < 3 ? 0 : 2, 1);

		assert_true(sw_take_sample(&fake_sw, &s));
		assert_int_equal(s.port, i < 3 ? 0 : 2);
		assert_int_equal(s.len, i < 3 ? 100 : 60);
		assert_int_equal(s.header_len, i < 3 ? 64 : 60);
		assert_memory_equal(s.header, &peer, 6);
		assert_memory_equal(s.header + 6, &src, 6);
		sample_free(&s);
	}
	assert_false(sw_take_sample(&fake_sw, &s));
	fake_check_accounts();
}

/* One of so many: no fewer and no more than chance would have it. */
static void
one_of_many(void **state)
{
	const uint32_t frames = 64000;
	uint32_t n = 0;

	assert_int_equal(sw_set_sampling(&fake_sw, 10, 64), 0);
	for (uint32_t i = 0; i < frames; i += 64) {
		put(0, 64, 60);
		n += take_all();
	}
	/* draws between 1 and 19 have a variance of 30: this is eight standard deviations */
	assert_in_range(n, 6400 - 350, 6400 + 350);
	assert_int_equal(sw_samples_lost(&fake_sw), 0);
}

/* Frames that flooding leaves in their ring come once more, but are samples once. */
static void
left_in_ring(void **state)
{
	struct rte_ether_addr src = fake_mac(0, 1);
	uint32_t polls = 0;
	struct sample s;

	fake_worker->flood_budget = 1; /* a copy in an iteration */
	assert_int_equal(sw_set_sampling(&fake_sw, 1, 64), 0);
	for (uint32_t i = 0; i < 3; i++)
		fake_put(0, &src, &fake_broadcast, 60 + i);
	for (; fake_ports[0].nin > 0; polls++)
		fake_poll();
	assert_int_equal(polls, 3 * (FAKE_PORTS - 1));
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(sw_take_sample(&fake_sw, &s));
		assert_int_equal(s.len, 60 + i);
		sample_free(&s);
	}
	assert_false(sw_take_sample(&fake_sw, &s));
	fake_check_accounts();
}

/* Nor do they change how many frames are one. */
static void
one_of_many_left(void **state)
{
	const uint32_t frames = 32000;
	struct rte_ether_addr src = fake_mac(0, 1);
	uint32_t n = 0;

	fake_worker->flood_budget = 5 * (FAKE_PORTS - 1) * (60 + FLOOD_COPY);
	assert_int_equal(sw_set_sampling(&fake_sw, 10, 64), 0);
	for (uint32_t i = 0; i < frames; i += 32) {
		for (uint32_t k = 0; k < 32; k++)
			fake_put(0, &src, &fake_broadcast, 60);
		while (fake_ports[0].nin > 0)
			fake_poll();
		fake_clear();
		n += take_all();
	}
	/* eight standard deviations, as above */
	assert_in_range(n, 3200 - 250, 3200 + 250);
	assert_int_equal(sw_samples_lost(&fake_sw), 0);
}

static void
ports_left_out(void **state)
{
	assert_int_equal(sw_set_sampling(&fake_sw, 1, 64), 0);
	sw_set_port_sampled(&fake_ports[0].p, false);
	put(0, 3, 60);
	assert_int_equal(take_all(), 0);
	put(1, 3, 60);
	assert_int_equal(take_all(), 3);
	sw_set_port_sampled(&fake_ports[0].p, true);
	put(0, 3, 60);
	assert_int_equal(take_all(), 3);
	assert_int_equal(sw_set_sampling(&fake_sw, 0, 0), 0);
	put(0, 3, 60);
	assert_int_equal(take_all(), 0);
}

/* More than control takes: what is lost is counted, and another setting begins anew. */
static void
lost(void **state)
{
	assert_int_equal(sw_set_sampling(&fake_sw, 1, 64), 0);
	for (uint32_t i = 0; i < 64; i++)
		put(0, 64, 60);
	assert_int_equal(take_all() + sw_samples_lost(&fake_sw), 64 * 64);
	assert_true(sw_samples_lost(&fake_sw) > 0);
	put(0, 64, 60);
	assert_int_equal(sw_set_sampling(&fake_sw, 2, 64), 0);
	assert_int_equal(sw_samples_lost(&fake_sw), 0);
	assert_int_equal(take_all(), 0);
	fake_check_accounts();
}

static int
setup(void **state)
{
	peer = fake_mac(1, 1);
	return fake_setup(state);
}

static int
group_setup(void **state)
{
	return eal_start("0", 64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame),
		cmocka_unit_test(an_interface),
		cmocka_unit_test(agents),
		cmocka_unit_test(full),
		cmocka_unit_test_setup_teardown(every_frame, setup, fake_teardown),
		cmocka_unit_test_setup_teardown(one_of_many, setup, fake_teardown),
		cmocka_unit_test_setup_teardown(left_in_ring, setup, fake_teardown),
		cmocka_unit_test_setup_teardown(one_of_many_left, setup, fake_teardown),
		cmocka_unit_test_setup_teardown(ports_left_out, setup, fake_teardown),
		cmocka_unit_test_setup_teardown(lost, setup, fake_teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
