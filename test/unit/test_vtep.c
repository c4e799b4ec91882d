/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports that are the ends of tunnels: two VTEPs of one VNI and one of another over port 0, guests
 * at ports 1 to 3.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_hash_crc.h>
#include <rte_mbuf.h>

#include "eal.h"
#include "fakesw.h"
#include "frame.h"
#include "virtq/net.h"
#include "vxlan/demux.h"
#include "vxlan/vtep.h"
#include "switch/members.h"
#include "switch/modes.h"
#include "switch/publish.h"
#include "switch/sw_ports.h"
#include "switch/why.h"

#define DOMAIN 5 /* of ports 1, 2 and VNI 100; port 3 and VNI 200 are in the next */
#define VNI 100
#define MTU 1000
#define LEN 100
#define OUTER OUTER_LEN_V4
#define VTEPS 3
#define SEGMENT 400
#define SEGMENTS 4
#define CHOSEN 256
#define SEARCH_MAX 64 /* entries of CHOSEN; chance makes it more once in 10^14 times */

static struct rte_mempool *pool;
static struct vtep *vteps[VTEPS];
static struct demux *demux;
static struct evpn_ip local;

static const struct {
	const char *ip;
	uint32_t vni;
} config[VTEPS] = {{"192.0.2.2", VNI}, {"192.0.2.3", VNI}, {"192.0.2.2", 2 * VNI}};

static void
set_way(struct vtep *v)
{
	struct outer *o = aligned_alloc(__alignof__(*o), sizeof(*o));

	assert_non_null(o);
	outer_make(o, &(struct outer_config){.src_mac = fake_mac(9, 1),
					     .dst_mac = fake_mac(9, v->ip.addr[3]),
					     .src = local,
					     .dst = v->ip,
					     .vni = v->vni,
					     .port = OUTER_VXLAN_PORT,
					     .mtu = MTU});
	free((void *)(uintptr_t)vtep_set_outer(v, o, NULL));
}

static int
setup(void **state)
{
	int number;

	if (fake_setup(state) != 0)
		return -1;
	for (uint32_t i = 1; i < FAKE_PORTS; i++)
		fake_ports[i].p.domain = i < 3 ? DOMAIN : DOMAIN + 1;
	assert_true(evpn_ip_parse(&local, "192.0.2.1"));
	demux = demux_new(2 * VTEPS);
	assert_non_null(demux);
	number = demux_add_local(demux, &local, OUTER_VXLAN_PORT);
	for (uint32_t i = 0; i < VTEPS; i++) {
		char name[16];
		struct vtep_config c = {.vni = config[i].vni,
					.name = name,
					.below = "fake0",
					.domain = config[i].vni == VNI ? DOMAIN : DOMAIN + 1,
					.learns = true};

		snprintf(name, sizeof(name), "vtep%u", i);
		assert_true(evpn_ip_parse(&c.ip, config[i].ip));
		vteps[i] = vtep_new(&fake_sw, &c);
		assert_non_null(vteps[i]);
		set_way(vteps[i]);
		demux_add_vni(demux, number, c.vni);
		demux_add_vtep(demux, number, vteps[i]);
	}
	fake_ports[0].p.intercept = demux_intercept(demux);
	sw_publish(&fake_sw);
	return 0;
}

static int
teardown(void **state)
{
	int ret = fake_teardown(state);

	demux_free(demux);
	return ret;
}

/* --- frames --- */

static uint64_t
drops(const struct pktq_stats *s)
{
	uint64_t n = 0;

	for (uint32_t r = 0; r < DROP_NUM; r++)
		n += s->drop[r];
	return n;
}

/* The equations of drop.h hold for every port, and the pool has all of its mbufs. */
static void
check_accounts(void)
{
	for (uint16_t i = 0; i < fake_sw.nports; i++) {
		struct port_stats s;

		if (fake_sw.port[i] == NULL)
			continue;
		port_get_stats(fake_sw.port[i], &s);
		assert_int_equal(s.rx.frames, s.rx.offered - s.rx.replicated + drops(&s.rx));
		assert_int_equal(s.tx.offered, s.tx.frames + drops(&s.tx));
	}
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void
iterate(void)
{
	fake_poll();
	check_accounts();
}

/* A frame of VTEP @p vtep, or of none, as it arrives at port 0. */
static struct fake_frame *
put_outer(const char *vtep, uint32_t vni, const struct rte_ether_addr *src,
	  const struct rte_ether_addr *dst)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct fake_frame *f = fake_put(0, src, dst, LEN);
	struct outer_config c = {.src_mac = fake_mac(8, 1),
				 .dst = local,
				 .vni = vni,
				 .port = OUTER_VXLAN_PORT,
				 .mtu = MTU};
	struct outer o;

	assert_non_null(m);
	assert_true(evpn_ip_parse(&c.src, vtep));
	memcpy(rte_pktmbuf_append(m, LEN), f->b, LEN);
	outer_make(&o, &c);
	outer_put(&o, m, 7);
	f->len = m->pkt_len;
	memcpy(f->b, rte_pktmbuf_mtod(m, uint8_t *), f->len);
	rte_pktmbuf_free(m);
	return f;
}

/* Whether frame @p f that came out of port 0 is one of @p len bytes for that VTEP. */
static void
check_outer(const struct fake_frame *f, const struct vtep *v, uint32_t len)
{
	assert_int_equal(f->len, OUTER + len);
	assert_int_equal(f->b[5], v->ip.addr[3]);
	assert_memory_equal(f->b + 26, local.addr, 4);
	assert_memory_equal(f->b + 30, v->ip.addr, 4);
	assert_int_equal(frame_get16(f->b + 36), OUTER_VXLAN_PORT);
	assert_int_equal(frame_get32(f->b + 46) >> 8, v->vni);
}

static uint64_t
sent_drops(const struct vtep *v, enum drop_reason why)
{
	struct port_stats s;

	port_get_stats(&v->port, &s);
	return s.tx.drop[why];
}

/* --- to the VTEPs --- */

static void
test_flood(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1);

	fake_put(1, &a, &fake_broadcast, LEN);
	iterate();
	assert_int_equal(fake_ports[0].nout, 2);
	check_outer(&fake_ports[0].out[0], vteps[0], LEN);
	check_outer(&fake_ports[0].out[1], vteps[1], LEN);
	assert_int_equal(fake_ports[0].out[0].b[OUTER + 50], 50);
	assert_int_equal(fake_ports[2].nout, 1);
	assert_int_equal(fake_ports[3].nout, 0);
}

static void
test_unicast(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1), far = fake_mac(9, 9);

	assert_true(fdb_learn(fake_sw.fdb, &far, DOMAIN, vteps[1]->port.id));
	for (uint32_t i = 0; i < 40; i++)
		fake_put(1, &a, &far, LEN);
	iterate();
	assert_int_equal(fake_ports[0].nout, 40);
	for (uint32_t i = 0; i < 40; i++)
		check_outer(&fake_ports[0].out[i], vteps[1], LEN);
	assert_int_equal(fake_ports[2].nout, 0);
}

/* The longest frame that fits, and one byte more. */
static void
test_mtu(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1), far = fake_mac(9, 9);
	uint32_t most = MTU - (OUTER - 14);

	assert_true(fdb_learn(fake_sw.fdb, &far, DOMAIN, vteps[0]->port.id));
	fake_put(1, &a, &far, most);
	fake_put(1, &a, &far, most + 1);
	iterate();
	assert_int_equal(fake_ports[0].nout, 1);
	assert_int_equal(fake_ports[0].out[0].len, MTU + 14);
	assert_int_equal(sent_drops(vteps[0], DROP_TX_MTU), 1);
}

/* Segment @p i of @p big as it left in the tunnel: whole, with its part of the payload. */
static void
check_segment(const struct fake_frame *out, const struct frame *big, uint32_t i)
{
	uint32_t hdr = big->l2 + big->l3 + big->l4, at = i * SEGMENT;
	uint32_t n = RTE_MIN(big->len - hdr - at, (uint32_t)SEGMENT);
	const uint8_t *b = out->b + OUTER;
	uint32_t l4_len = big->l4 + n, sum = frame_pseudo_sum(big, b, l4_len);

	check_outer(out, vteps[0], hdr + n);
	assert_memory_equal(b + hdr, big->b + hdr + at, n);
	assert_int_equal(frame_sum(b + big->l2 + big->l3, l4_len, sum), 0xffff);
	if (!big->ip6)
		assert_int_equal(frame_get16(b + big->l2 + 2), big->l3 + l4_len);
}

/* Frames that a guest leaves to be segmented are cut before they go into the tunnel. */
static void
test_segments(void **state)
{
	static const struct {
		bool ip6, tcp;
		uint8_t type;
		uint16_t need;
	} kinds[] = {
		{false, true, VIRTIO_NET_HDR_GSO_TCPV4, PKT_NEED_TSO4},
		{true, true, VIRTIO_NET_HDR_GSO_TCPV6, PKT_NEED_TSO6},
		{false, false, VIRTIO_NET_HDR_GSO_UDP_L4, PKT_NEED_USO4},
		{true, false, VIRTIO_NET_HDR_GSO_UDP_L4, PKT_NEED_USO6},
	};
	static struct frame big;
	struct rte_ether_addr a = fake_mac(1, 1), far = fake_mac(9, 9);
	struct fake_frame *f;

	assert_true(fdb_learn(fake_sw.fdb, &far, DOMAIN, vteps[0]->port.id));
	for (uint32_t k = 0; k < RTE_DIM(kinds); k++) {
		frame_build(&big, kinds[k].ip6, kinds[k].tcp, SEGMENTS * SEGMENT - 7);
		memcpy(big.b, &far, sizeof(far));
		memcpy(big.b + sizeof(far), &a, sizeof(a));
		f = fake_put(1, &a, &far, big.len);
		memcpy(f->b, big.b, big.len);
		f->vnet = big.vnet;
		f->vnet.gso_type = kinds[k].type;
		f->vnet.gso_size = SEGMENT;
		f->need = PKT_NEED_CSUM | kinds[k].need;
		fake_clear();
		iterate();
		assert_int_equal(fake_ports[0].nout, SEGMENTS);
		for (uint32_t i = 0; i < SEGMENTS; i++)
			check_segment(&fake_ports[0].out[i], &big, i);
	}
}

/* The frame as it leaves in the tunnel when a guest sends it in one fragment, or in two. */
static const struct fake_frame *
wrapped(const struct frame *inner, uint32_t split)
{
	struct rte_ether_addr a = fake_mac(1, 1), far = fake_mac(9, 9);
	struct fake_frame *f = fake_put(1, &a, &far, inner->len);

	memcpy(f->b + RTE_ETHER_ADDR_LEN * 2, inner->b + RTE_ETHER_ADDR_LEN * 2,
	       inner->len - RTE_ETHER_ADDR_LEN * 2);
	f->split = split;
	fake_clear();
	iterate();
	assert_int_equal(fake_ports[0].nout, 1);
	return &fake_ports[0].out[0];
}

/* Most frames go a shorter way than others; the header is the same. */
static void
test_short_way_out(void **state)
{
	struct rte_ether_addr far = fake_mac(9, 9);
	static struct fake_frame whole;
	static struct frame inner;

	assert_true(fdb_learn(fake_sw.fdb, &far, DOMAIN, vteps[0]->port.id));
	for (uint32_t i = 0; i < 400; i++) {
		uint32_t at = RTE_ETHER_HDR_LEN + frame_rnd(28);

		frame_build(&inner, frame_rnd(4) == 0, frame_rnd(2), frame_rnd(800));
		if (i % 2 != 0)
			inner.b[at] = (uint8_t)frame_rnd(256);
		whole = *wrapped(&inner, 0);
		assert_int_equal(whole.len, OUTER + inner.len);
		assert_int_equal(wrapped(&inner, RTE_ETHER_HDR_LEN + 1)->len, whole.len);
		assert_memory_equal(fake_ports[0].out[0].b, whole.b, whole.len);
	}
}

/* Ten frames that go the longer way, and so many mbufs; the number that is sent. */
static uint32_t
sent_with(uint32_t left)
{
	struct rte_ether_addr a = fake_mac(1, 1), far = fake_mac(9, 9);
	struct rte_mbuf *taken[255];
	uint32_t n = rte_mempool_avail_count(pool) - left;

	assert_true(fdb_learn(fake_sw.fdb, &far, DOMAIN, vteps[0]->port.id));
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, taken, n), 0);
	for (uint32_t i = 0; i < 10; i++)
		fake_put(1, &a, &far, LEN);
	fake_poll();
	rte_pktmbuf_free_bulk(taken, n);
	check_accounts();
	return fake_ports[0].nout;
}

/* There are mbufs for some of the frames: those are sent. */
static void
test_few_mbufs(void **state)
{
	assert_int_equal(sent_with(3), 3);
	assert_int_equal(sent_drops(vteps[0], DROP_TX_NO_MEMORY), 7);
}

/* There are as many as frames: those that are taken for a burst are not kept from it. */
static void
test_enough_mbufs(void **state)
{
	assert_int_equal(sent_with(10), 10);
	assert_int_equal(sent_drops(vteps[0], DROP_TX_NO_MEMORY), 0);
}

static void
test_no_way(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1), far = fake_mac(9, 9);
	char buf[128];

	assert_true(fdb_learn(fake_sw.fdb, &far, DOMAIN, vteps[0]->port.id));
	assert_null(sw_why(&fake_sw, &vteps[0]->port, buf, sizeof(buf)));
	free((void *)(uintptr_t)vtep_set_outer(vteps[0], NULL, "the way is blocked"));
	fake_put(1, &a, &far, LEN);
	iterate();
	assert_int_equal(fake_ports[0].nout, 0);
	assert_int_equal(sent_drops(vteps[0], DROP_TX_NO_HOP), 1);
	assert_non_null(strstr(sw_why(&fake_sw, &vteps[0]->port, buf, sizeof(buf)), "blocked"));
}

/* --- from the VTEPs --- */

static void
test_learn_and_answer(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1), far = fake_mac(9, 9);
	struct port_stats s;

	put_outer(config[1].ip, VNI, &far, &fake_broadcast);
	iterate();
	for (uint32_t i = 1; i < 3; i++) {
		assert_int_equal(fake_ports[i].nout, 1);
		assert_int_equal(fake_ports[i].out[0].len, LEN);
		assert_memory_equal(fake_ports[i].out[0].b + 6, far.addr_bytes, 6);
		assert_int_equal(fake_ports[i].out[0].b[50], 50);
	}
	assert_int_equal(fake_ports[0].nout, 0); /* never to another VTEP */
	assert_int_equal(fake_ports[3].nout, 0);
	port_get_stats(&vteps[1]->port, &s);
	assert_int_equal(s.rx.frames, 1);
	assert_int_equal(s.rx.bytes, LEN);
	fake_put(1, &a, &far, LEN);
	iterate();
	assert_int_equal(fake_ports[0].nout, 1);
	check_outer(&fake_ports[0].out[0], vteps[1], LEN);
}

/* An address of another VTEP of the VNI: nothing goes from tunnel to tunnel. */
static void
test_split_horizon(void **state)
{
	struct rte_ether_addr far = fake_mac(9, 9), other = fake_mac(9, 8);

	assert_true(fdb_learn(fake_sw.fdb, &far, DOMAIN, vteps[1]->port.id));
	put_outer(config[0].ip, VNI, &other, &far);
	iterate();
	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		assert_int_equal(fake_ports[i].nout, 0);
	assert_int_equal(vteps[0]->rx[0]->stats.drop[DROP_RX_NO_EGRESS], 1);
}

static void
test_refused(void **state)
{
	struct rte_ether_addr far = fake_mac(9, 9);
	struct fake_frame *f;

	put_outer("192.0.2.77", VNI, &far, &fake_broadcast);
	put_outer(config[1].ip, 2 * VNI, &far, &fake_broadcast); /* a VTEP, but not of that VNI */
	put_outer(config[0].ip, 3 * VNI, &far, &fake_broadcast);
	f = put_outer(config[0].ip, VNI, &far, &fake_broadcast);
	f->b[42] = 0; /* no VNI */
	iterate();
	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		assert_int_equal(fake_ports[i].nout, 0);
	assert_int_equal(fake_dropped(0, DROP_RX_VTEP), 2);
	assert_int_equal(fake_dropped(0, DROP_RX_VNI), 1);
	assert_int_equal(fake_dropped(0, DROP_RX_OUTER), 1);
}

/* Frames of several VTEPs and of others, in one batch: each goes its way, in order. */
static void
test_mixed(void **state)
{
	struct rte_ether_addr far = fake_mac(9, 9), near = fake_mac(8, 8), a = fake_mac(1, 1);

	fake_ports[3].p.domain = 0;
	sw_publish(&fake_sw);
	assert_true(fdb_learn(fake_sw.fdb, &a, DOMAIN, fake_ports[1].p.id));
	for (uint32_t i = 0; i < 12; i++) {
		struct fake_frame *f;

		if (i % 3 == 2) {
			f = fake_put(0, &near, &fake_broadcast, LEN);
			f->b[60] = (uint8_t)i;
			continue;
		}
		f = put_outer(config[i % 3].ip, VNI, &far, &a);
		f->b[OUTER + 60] = (uint8_t)i;
	}
	put_outer("192.0.2.77", VNI, &far, &fake_broadcast);
	iterate();
	assert_int_equal(fake_ports[1].nout, 8);
	assert_int_equal(fake_ports[3].nout, 4);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(fake_ports[1].out[i].b[60], 3 * i);
		assert_int_equal(fake_ports[1].out[i + 4].b[60], 3 * i + 1);
		assert_int_equal(fake_ports[3].out[i].b[60], 3 * i + 2);
	}
	assert_int_equal(fake_dropped(0, DROP_RX_VTEP), 1);
}

/** The end of a tunnel frame: where it came out, how long, or why it did not. */
struct outcome {
	uint32_t nout[FAKE_PORTS], len;
	uint64_t drop[DROP_NUM];
	uint8_t b[FAKE_LEN];
};

/* Behind a good one, by whose header it could be known. */
static void
outcome_of(const uint8_t *bytes, uint32_t len, uint32_t split, struct outcome *out)
{
	struct rte_ether_addr far = fake_mac(9, 9);
	struct fake_frame *f;

	put_outer(config[1].ip, VNI, &far, &fake_broadcast);
	f = fake_put(0, &far, &fake_broadcast, len);

	memcpy(f->b, bytes, len);
	f->split = split;
	fake_clear();
	memset(fake_ports[0].rx.stats.drop, 0, sizeof(fake_ports[0].rx.stats.drop));
	fake_poll();
	memset(out, 0, sizeof(*out));
	memcpy(out->drop, fake_ports[0].rx.stats.drop, sizeof(out->drop));
	for (uint32_t i = 0; i < FAKE_PORTS; i++) {
		out->nout[i] = fake_ports[i].nout;
		if (fake_ports[i].nout != 0) {
			const struct fake_frame *last = &fake_ports[i].out[out->nout[i] - 1];

			out->len = last->len;
			memcpy(out->b, last->b, out->len);
		}
	}
}

/* Most tunnel frames go a shorter way than others, too: with any byte of the header changed. */
static void
test_short_way_in(void **state)
{
	static struct outcome one, two;
	struct rte_ether_addr far = fake_mac(9, 9);
	uint8_t b[FAKE_LEN], was;
	uint32_t len, taken = 0;

	put_outer(config[1].ip, VNI, &far, &fake_broadcast);
	len = fake_ports[0].in[0].len;
	memcpy(b, fake_ports[0].in[0].b, len);
	memcpy(b + OUTER + 12, "\x08\x00\x45", 4); /* its sender knows no ECN */
	fake_ports[0].nin = 0;
	fake_ports[3].p.domain = 0;
	sw_publish(&fake_sw);
	for (uint32_t i = 0; i < OUTER * 256; i++) {
		uint32_t at = i / 256, sum;

		was = b[at];
		b[at] = (uint8_t)i;
		sum = frame_get16(b + 24);
		if (at != 24 && at != 25 &&
		    i % 3 != 0) { /* or its checksum alone would refuse it */
			frame_put16(b + 24, 0);
			frame_put16(b + 24, ~frame_sum(b + 14, 20, 0) & 0xffff);
		}
		outcome_of(b, len, 0, &one);
		outcome_of(b, len, 3, &two);
		assert_memory_equal(&one, &two, sizeof(one));
		taken += one.nout[1] - 1;
		if (at != 24 && at != 25)
			frame_put16(b + 24, sum);
		b[at] = was;
	}
	assert_in_range(taken, OUTER * 20, OUTER * 250);
}

/* Datagrams to other ports and hosts are none of ours. */
static void
test_others(void **state)
{
	struct rte_ether_addr far = fake_mac(9, 9);
	struct fake_frame *f;

	fake_ports[3].p.domain = 0;
	sw_publish(&fake_sw);
	f = put_outer(config[0].ip, VNI, &far, &fake_broadcast);
	f->b[33] = 99; /* another destination */
	f = put_outer(config[0].ip, VNI, &far, &fake_broadcast);
	frame_put16(f->b + 36, OUTER_VXLAN_PORT + 1);
	iterate();
	assert_int_equal(fake_ports[3].nout, 2);
	assert_int_equal(fake_ports[3].out[0].len, OUTER + LEN);
}

/* --- ports come and go --- */

static void
test_vtep_stopped(void **state)
{
	struct rte_ether_addr far = fake_mac(9, 9);

	vteps[0]->port.started = false;
	sw_publish(&fake_sw);
	put_outer(config[0].ip, VNI, &far, &fake_broadcast);
	iterate();
	assert_int_equal(fake_dropped(0, DROP_RX_NO_EGRESS), 1);
	assert_int_equal(fake_ports[1].nout, 0);
}

static void
test_below_leaves(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1);
	char buf[128];

	fake_ports[0].p.started = false;
	sw_publish(&fake_sw);
	fake_put(1, &a, &fake_broadcast, LEN);
	iterate();
	assert_int_equal(fake_ports[0].nout, 0);
	assert_int_equal(fake_ports[2].nout, 1);
	assert_non_null(strstr(sw_why(&fake_sw, &vteps[0]->port, buf, sizeof(buf)), "stopped"));
	fake_ports[0].p.started = true;
	sw_publish(&fake_sw);
	fake_put(1, &a, &fake_broadcast, LEN);
	iterate();
	assert_int_equal(fake_ports[0].nout, 2);
	sw_port_remove(&fake_sw, &fake_ports[0].p);
	fake_put(1, &a, &fake_broadcast, LEN);
	fake_poll();
	assert_int_equal(fake_ports[0].nout, 2);
	assert_non_null(strstr(sw_why(&fake_sw, &vteps[0]->port, buf, sizeof(buf)), "not there"));
}

/* Other modes are wires: they know no tunnels. */
static void
test_wire_mode(void **state)
{
	struct rte_ether_addr far = fake_mac(9, 9);

	fake_sw.mode = fwd_mode_by_name("io");
	sw_publish(&fake_sw);
	put_outer(config[0].ip, VNI, &far, &fake_broadcast);
	iterate();
	assert_int_equal(fake_ports[1].nout, 1);
	assert_int_equal(fake_ports[1].out[0].len, OUTER + LEN);
}

/* Nor are they a guest's other end there: it would send to another host unseen. */
static void
test_wire_pairs(void **state)
{
	struct rte_ether_addr a = fake_mac(2, 1);

	fake_ports[3].p.started = false;
	fake_sw.mode = fwd_mode_by_name("io");
	sw_publish(&fake_sw);
	fake_put(2, &a, &fake_broadcast, LEN);
	iterate();
	assert_int_equal(fake_ports[0].nout, 0);
}

/* The port below in the domain of the VNI would be a way around the tunnel: it is one network. */
static void
test_same_domain(void **state)
{
	struct rte_ether_addr a = fake_mac(1, 1), far = fake_mac(9, 9);
	char buf[128];

	fake_ports[0].p.domain = DOMAIN;
	sw_publish(&fake_sw);
	fake_put(1, &a, &fake_broadcast, LEN);
	iterate();
	assert_int_equal(fake_ports[0].nout, 1);
	assert_int_equal(fake_ports[0].out[0].len, LEN);
	assert_non_null(strstr(sw_why(&fake_sw, &vteps[0]->port, buf, sizeof(buf)), "domain"));
	fake_clear();
	fake_put(0, &far, &fake_broadcast, LEN);
	iterate();
	assert_int_equal(fake_ports[0].nout, 0);
	assert_int_equal(fake_ports[1].nout, 1);
}

static uint32_t
receivers_of(const struct dataplane *dp, uint16_t id)
{
	const struct dp_port *in = dp->by_id[id];

	return dp_receivers(dp_members_of(dp, in->domain), in);
}

/* The cost of a flooded frame of a tunnel is that of the ports it can go to: none is a tunnel. */
static void
test_receivers(void **state)
{
	const struct dataplane *dp = atomic_load(&fake_sw.dp.live);

	assert_int_equal(receivers_of(dp, vteps[0]->port.id), 2);
	assert_int_equal(receivers_of(dp, fake_ports[1].p.id), 3);
}

/* Addresses of VTEPs that have one CRC, as any speaker of EVPN can choose them. */
static void
test_chosen_addresses(void **state)
{
	static struct vtep v[CHOSEN];
	struct demux *d = demux_new(CHOSEN);
	int number = demux_add_local(d, &local, OUTER_VXLAN_PORT);

	for (uint32_t i = 0; i < CHOSEN; i++) {
		uint64_t a = i * UINT64_C(0x9e3779b97f4a7c15);
		uint64_t b = rte_hash_crc_8byte(a, rte_hash_crc_4byte(VNI + 1, (uint32_t)number));

		v[i].vni = VNI;
		assert_true(evpn_ip_parse(&v[i].ip, "2001:db8::"));
		memcpy(v[i].ip.addr, &a, sizeof(a));
		memcpy(v[i].ip.addr + sizeof(a), &b, sizeof(b));
		demux_add_vtep(d, number, &v[i]);
	}
	assert_in_range(demux_longest(d), 1, SEARCH_MAX);
	demux_free(d);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static int
start_eal(void **state)
{
	if (eal_start("0", 64) != 0)
		return -1;
	pool = fake_pool(255);
	return pool != NULL ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_short_way_out),
		EACH(test_short_way_in),
		EACH(test_few_mbufs),
		EACH(test_enough_mbufs),
		EACH(test_flood),
		EACH(test_unicast),
		EACH(test_mtu),
		EACH(test_segments),
		EACH(test_no_way),
		EACH(test_learn_and_answer),
		EACH(test_split_horizon),
		EACH(test_refused),
		EACH(test_mixed),
		EACH(test_others),
		EACH(test_vtep_stopped),
		EACH(test_below_leaves),
		EACH(test_wire_mode),
		EACH(test_wire_pairs),
		EACH(test_same_domain),
		EACH(test_receivers),
		EACH(test_chosen_addresses),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
