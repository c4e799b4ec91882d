/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ethdev queues make of checksum and segmentation: mbuf flags to a
 * virtio-net header and back. The device is a ring, which hands on the mbufs
 * as the queue left them; its offloads are claimed by the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/virtio_net.h>

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "eal.h"
#include "ethdev/queue.h"
#include "frame.h"
#include "pkt/offload.h"

#define ROUNDS 400
#define ALL_OFFLOADS                                                    \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | \
	 RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO |    \
	 RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

static struct rte_mempool *mp;
static struct rte_ring *in, *out;
static uint16_t dev;
static unsigned int avail;
static struct ethdev_rxq rxq;
static struct ethdev_txq txq;
static struct pkt_batch batch;
static struct frame frame;

static int
group_setup(void **state)
{
	const struct rte_eth_conf conf = {0};

	if (eal_start("0", 64) < 0)
		return -1;
	mp = rte_pktmbuf_pool_create("mbufs", 1023, 32, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	in = rte_ring_create("in", 128, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	out = rte_ring_create("out", 128, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (mp == NULL || in == NULL || out == NULL)
		return -1;
	dev = (uint16_t)rte_eth_from_rings("wire", &in, 1, &out, 1, 0);
	if (rte_eth_dev_configure(dev, 1, 1, &conf) != 0 ||
	    rte_eth_rx_queue_setup(dev, 0, 0, 0, NULL, mp) != 0 ||
	    rte_eth_tx_queue_setup(dev, 0, 0, 0, NULL) != 0)
		return -1;
	return rte_eth_dev_start(dev);
}

static int
setup(void **state)
{
	avail = rte_mempool_avail_count(mp);
	memset(&rxq, 0, sizeof(rxq));
	rxq.dev = dev;
	rxq.q.event_fd = -1;
	atomic_store(&rxq.q.ops, &ethdev_rx_ops);
	memset(&txq, 0, sizeof(txq));
	txq.dev = dev;
	txq.mp = mp;
	txq.room = (uint16_t)(rte_pktmbuf_data_room_size(mp) - RTE_PKTMBUF_HEADROOM);
	txq.offloads = ALL_OFFLOADS;
	atomic_store(&txq.q.ops, &ethdev_tx_ops);
	batch.max = PKT_BATCH_MAX;
	return 0;
}

static int
teardown(void **state)
{
	assert_int_equal(rte_mempool_avail_count(mp), avail);
	return 0;
}

static uint16_t
send_one(struct pkt *p)
{
	return ethdev_tx_ops.tx(&txq.q, &p, 1);
}

static struct rte_mbuf *
sent(void)
{
	void *m = NULL;

	return rte_ring_dequeue(out, &m) == 0 ? m : NULL;
}

/** The mbuf a driver would hand up for @p f. */
static struct rte_mbuf *
received(const struct frame *f, uint64_t flags)
{
	struct rte_mbuf *head = NULL, *m;
	uint32_t off = 0, n;

	do {
		m = rte_pktmbuf_alloc(mp);
		n = RTE_MIN(f->len - off, (uint32_t)rte_pktmbuf_tailroom(m));
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), f->b + off, n);
		off += n;
		if (head == NULL)
			head = m;
		else
			rte_pktmbuf_chain(head, m);
	} while (off < f->len);
	head->ol_flags = flags;
	assert_int_equal(rte_ring_enqueue(in, head), 0);
	return head;
}

static void
rx(uint16_t expect)
{
	batch.n = UINT16_MAX;
	ethdev_rx_ops.rx(&rxq.q, &batch);
	assert_int_equal(batch.n, expect);
}

static void
rx_done(void)
{
	ethdev_rx_ops.rx_done(&rxq.q, &batch);
}

static uint32_t
l4_offset(const struct frame *f)
{
	return f->l2 + f->l3;
}

static uint32_t
csum_at(const struct frame *f)
{
	return l4_offset(f) + (f->tcp ? 16 : 6);
}

static void
assert_headers(const struct rte_mbuf *m, const struct frame *f)
{
	assert_int_equal(m->l2_len, f->l2);
	assert_int_equal(m->l3_len, f->l3);
	assert_int_equal(m->l4_len, f->l4);
	assert_int_equal((m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0, f->ip6);
	assert_int_equal((m->ol_flags & RTE_MBUF_F_TX_IPV4) != 0, !f->ip6);
	assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_L4_MASK,
			 f->tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM);
}

/* --- tx --- */

static void
accepted_offloads_follow_the_device(void **state)
{
	const uint64_t csum = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;

	assert_int_equal(ethdev_tx_accepts(0, UINT32_MAX), 0);
	assert_int_equal(ethdev_tx_accepts(RTE_ETH_TX_OFFLOAD_TCP_CKSUM, UINT32_MAX), 0);
	assert_int_equal(ethdev_tx_accepts(csum, UINT32_MAX), PKT_NEED_CSUM);
	/* segmentation without chains or header checksum is of no use */
	assert_int_equal(ethdev_tx_accepts(ALL_OFFLOADS & ~RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
					   UINT32_MAX),
			 PKT_NEED_CSUM);
	assert_int_equal(ethdev_tx_accepts(ALL_OFFLOADS & ~RTE_ETH_TX_OFFLOAD_IPV4_CKSUM,
					   UINT32_MAX),
			 PKT_NEED_CSUM);
	assert_int_equal(ethdev_tx_accepts(ALL_OFFLOADS, UINT32_MAX),
			 PKT_NEED_CSUM | PKT_NEED_TSO4 | PKT_NEED_TSO6);
	/* a frame of 64 KiB needs 33 mbufs, and one driver takes 24, another 40 */
	assert_int_equal(ethdev_tx_accepts(ALL_OFFLOADS, 24 * 2048), PKT_NEED_CSUM);
	assert_int_equal(ethdev_tx_accepts(ALL_OFFLOADS, 40 * 2048),
			 PKT_NEED_CSUM | PKT_NEED_TSO4 | PKT_NEED_TSO6);
}

static struct rte_mbuf *
mbuf_of(uint32_t len, uint32_t segments)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(mp);

	assert_non_null(m);
	rte_pktmbuf_append(m, (uint16_t)(len / segments));
	for (uint32_t i = 1; i < segments; i++) {
		struct rte_mbuf *next = rte_pktmbuf_alloc(mp);

		assert_non_null(next);
		rte_pktmbuf_append(next, (uint16_t)(len / segments));
		assert_int_equal(rte_pktmbuf_chain(m, next), 0);
	}
	return m;
}

/* A frame that does not fit the device is freed and counted; the others keep their order. */
static void
mbufs_are_sent_or_freed(void **state)
{
	static const struct {
		uint32_t len, segments;
		bool fits;
	} rows[] = {{100, 1, true}, {1501, 1, false}, {200, 2, false}, {1500, 1, true}};
	struct rte_mbuf *m[RTE_DIM(rows)];

	txq.frame_max = 1500;
	txq.offloads = 0;
	for (uint32_t i = 0; i < RTE_DIM(rows); i++)
		m[i] = mbuf_of(rows[i].len, rows[i].segments);
	assert_int_equal(ethdev_tx_ops.tx_mbufs(&txq.q, m, RTE_DIM(rows)), 2);
	for (uint32_t i = 0; i < RTE_DIM(rows); i++) {
		struct rte_mbuf *got = rows[i].fits ? sent() : NULL;

		assert_int_equal(got != NULL ? got->pkt_len : 0, rows[i].fits ? rows[i].len : 0);
		rte_pktmbuf_free(got);
	}
	assert_null(sent());
	assert_int_equal(txq.q.stats.offered, RTE_DIM(rows));
	assert_int_equal(txq.q.stats.frames, 2);
	assert_int_equal(txq.q.stats.bytes, 1600);
	assert_int_equal(txq.q.stats.drop[DROP_TX_TOO_BIG], 2);
	txq.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	m[0] = mbuf_of(200, 2);
	assert_int_equal(ethdev_tx_ops.tx_mbufs(&txq.q, m, 1), 1);
	rte_pktmbuf_free(sent());
}

/* More than a burst, and more than the device takes. */
static void
mbufs_beyond_the_ring_are_freed(void **state)
{
	struct rte_mbuf *m[150];

	for (uint32_t i = 0; i < RTE_DIM(m); i++)
		m[i] = mbuf_of(64 + i, 1);
	assert_int_equal(ethdev_tx_ops.tx_mbufs(&txq.q, m, RTE_DIM(m)), 127);
	for (uint32_t i = 0; i < 127; i++) {
		struct rte_mbuf *got = sent();

		assert_int_equal(got->pkt_len, 64 + i);
		rte_pktmbuf_free(got);
	}
	assert_null(sent());
	assert_int_equal(txq.q.stats.frames, 127);
	assert_int_equal(txq.q.stats.drop[DROP_TX_NO_BUFFER], 150 - 127);
}

/* Whether a device knows where the ends' addresses and L4 are. */
static bool
is_plain(const struct frame *f)
{
	return f->ip6 ? f->l3 == 40 : !f->hops;
}

static void
build_some(struct frame *f, bool ip6, bool tcp, uint32_t payload, bool plain)
{
	do {
		if (plain || frame_rnd(2) != 0)
			frame_build(f, ip6, tcp, payload);
		else
			frame_build_routed(f, ip6, tcp, payload);
	} while (is_plain(f) != plain);
}

static void
checksum_is_asked_of_the_device(void **state)
{
	uint8_t flat[PKT_LEN_MAX];
	struct rte_mbuf *m;
	struct view v;

	for (int i = 0; i < ROUNDS; i++) {
		build_some(&frame, i & 1, i & 2, frame_rnd(1400), true);
		view_make(&v, &frame);
		v.p.need = PKT_NEED_CSUM;
		assert_int_equal(send_one(&v.p), 1);
		m = sent();
		assert_headers(m, &frame);
		/* the pseudo header's sum stays where the guest put it */
		assert_memory_equal(rte_pktmbuf_read(m, 0, frame.len, flat), frame.b, frame.len);
		rte_pktmbuf_free(m);
		view_free(&v);
	}
	assert_int_equal(txq.q.stats.frames, ROUNDS);
}

/* Devices take what they sum from the fixed header; so extensions and routes are finished here. */
static void
checksum_behind_extensions_is_finished(void **state)
{
	uint8_t flat[PKT_LEN_MAX];
	struct rte_mbuf *m;
	struct view v;

	for (int i = 0; i < ROUNDS; i++) {
		uint32_t l4, sum;

		build_some(&frame, i & 1, i & 2, frame_rnd(1400), false);
		view_make(&v, &frame);
		v.p.need = PKT_NEED_CSUM;
		assert_int_equal(send_one(&v.p), 1);
		m = sent();
		assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK, 0);
		l4 = frame.l2 + frame.l3;
		sum = frame_sum(frame.b + l4, frame.len - l4, 0);
		frame_put16(frame.b + csum_at(&frame), sum == 0xffff ? sum : ~sum);
		assert_memory_equal(rte_pktmbuf_read(m, 0, frame.len, flat), frame.b, frame.len);
		rte_pktmbuf_free(m);
		view_free(&v);
	}
}

/* The switch cuts those frames itself; one that becomes like that behind its back is dropped. */
static void
segmentation_behind_extensions_is_not_asked(void **state)
{
	struct view v;

	assert_int_equal(ethdev_tx_accepts(UINT64_MAX, UINT32_MAX) & PKT_NEED_EXT, 0);
	for (int i = 0; i < ROUNDS; i++) {
		build_some(&frame, i & 1, true, 3000, false);
		frame.vnet.gso_type =
			frame.ip6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		frame.vnet.gso_size = 1000;
		view_make(&v, &frame);
		assert_true(offload_check(&v.p));
		assert_true((v.p.need & PKT_NEED_EXT) != 0);
		assert_int_equal(send_one(&v.p), 0);
		assert_null(sent());
		view_free(&v);
	}
	assert_int_equal(txq.q.stats.drop[DROP_TX_OFFLOAD], ROUNDS);
}

/* A checksum no device knows of is finished in the copy. */
static void
odd_checksum_is_finished(void **state)
{
	uint8_t flat[PKT_LEN_MAX];
	uint32_t start, sum;
	struct rte_mbuf *m;
	struct view v;
	const uint8_t *b;

	for (int i = 0; i < ROUNDS; i++) {
		frame_build(&frame, i & 1, i & 2, 100 + frame_rnd(6000));
		start = 14 + frame_rnd(60);
		sum = frame_sum(frame.b + start, frame.len - start, 0);
		frame.vnet.csum_start = (uint16_t)start;
		frame.vnet.csum_offset = i & 4 ? 8 : 9; /* neither TCP's nor UDP's */
		view_make(&v, &frame);
		v.p.need = PKT_NEED_CSUM;
		assert_int_equal(send_one(&v.p), 1);
		m = sent();
		assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK, 0);
		b = rte_pktmbuf_read(m, 0, frame.len, flat);
		frame_put16(frame.b + start + frame.vnet.csum_offset, sum == 0xffff ? sum : ~sum);
		assert_memory_equal(b, frame.b, frame.len);
		rte_pktmbuf_free(m);
		view_free(&v);
	}
}

static void
assert_tso(const struct rte_mbuf *m, const struct frame *f, uint16_t mss)
{
	uint8_t flat[PKT_LEN_MAX], want[PKT_LEN_MAX];
	const uint8_t *b = rte_pktmbuf_read(m, 0, f->len, flat);

	assert_headers(m, f);
	assert_int_equal(m->tso_segsz, mss);
	assert_true((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0);
	assert_int_equal((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0, !f->ip6);
	memcpy(want, f->b, f->len);
	/* what rte_mbuf_core.h asks for: no header checksum, a pseudo header without length */
	if (!f->ip6)
		frame_put16(want + f->l2 + 10, 0);
	frame_put16(want + csum_at(f), frame_pseudo_sum(f, f->b, 0));
	assert_memory_equal(b, want, f->len);
}

static void
segmentation_is_asked_of_the_device(void **state)
{
	struct rte_mbuf *m;
	struct view v;

	for (int i = 0; i < ROUNDS; i++) {
		build_some(&frame, i & 1, true, 1500 + frame_rnd(60000), true);
		view_make(&v, &frame);
		v.p.need = PKT_NEED_CSUM | (frame.ip6 ? PKT_NEED_TSO6 : PKT_NEED_TSO4);
		v.p.vnet.gso_size = (uint16_t)(500 + frame_rnd(900));
		assert_int_equal(send_one(&v.p), 1);
		m = sent();
		assert_tso(m, &frame, v.p.vnet.gso_size);
		rte_pktmbuf_free(m);
		view_free(&v);
	}
}

/* Headers that no longer are what was checked: the guest rewrote them. */
static void
changed_headers_are_dropped(void **state)
{
	struct view v;

	frame_build(&frame, false, true, 3000);
	view_make(&v, &frame);
	v.p.need = PKT_NEED_CSUM | PKT_NEED_TSO4;
	v.p.vnet.gso_size = 1000;
	v.p.eth.ether_type = 0;
	assert_int_equal(send_one(&v.p), 0);
	assert_int_equal(txq.q.stats.drop[DROP_TX_OFFLOAD], 1);
	assert_null(sent());
	view_free(&v);
}

static void
frames_above_the_mtu_are_dropped(void **state)
{
	struct rte_mbuf *m;
	struct view v;

	txq.frame_max = 1522;
	frame_build(&frame, false, true, 3000);
	view_make(&v, &frame);
	assert_int_equal(send_one(&v.p), 0);
	v.p.need = PKT_NEED_CSUM | PKT_NEED_TSO4;
	v.p.vnet.gso_size = 1509;
	assert_int_equal(send_one(&v.p), 0);
	v.p.vnet.hdr_len = (uint16_t)(frame.l2 + frame.l3 + frame.l4);
	v.p.vnet.gso_size = (uint16_t)(1523 - v.p.vnet.hdr_len);
	assert_int_equal(send_one(&v.p), 0);
	v.p.vnet.gso_size = 1400;
	assert_int_equal(send_one(&v.p), 1);
	m = sent();
	assert_non_null(m);
	rte_pktmbuf_free(m);
	/* a device without chains takes what fits one buffer */
	txq.frame_max = 0;
	txq.offloads = 0;
	v.p.need = 0;
	assert_int_equal(send_one(&v.p), 0);
	assert_int_equal(txq.q.stats.drop[DROP_TX_TOO_BIG], 4);
	assert_int_equal(txq.q.stats.offered, 5);
	view_free(&v);
}

/* A rewritten address goes into the mbuf only as long as it is not shared. */
static void
rewritten_addresses_leave_with_the_frame(void **state)
{
	static const uint8_t mac[] = {2, 1, 2, 3, 4, 5};
	struct rte_mbuf *m, *first, *second;

	frame_build(&frame, false, false, 200);
	m = received(&frame, 0);
	rx(1);
	memcpy(batch.pkt[0].eth.dst_addr.addr_bytes, mac, 6);
	assert_int_equal(send_one(&batch.pkt[0]), 1);
	first = sent();
	assert_ptr_equal(first, m);
	assert_memory_equal(rte_pktmbuf_mtod(first, uint8_t *), mac, 6);
	memcpy(batch.pkt[0].eth.src_addr.addr_bytes, mac, 6);
	assert_int_equal(send_one(&batch.pkt[0]), 1);
	second = sent();
	assert_ptr_not_equal(second, m);
	assert_memory_equal(rte_pktmbuf_mtod(second, uint8_t *) + 6, mac, 6);
	assert_memory_not_equal(rte_pktmbuf_mtod(first, uint8_t *) + 6, mac, 6);
	rx_done();
	rte_pktmbuf_free(first);
	rte_pktmbuf_free(second);
}

/* --- rx --- */

static void
verified_checksum_is_passed_on(void **state)
{
	frame_build(&frame, false, true, 200);
	received(&frame, RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD);
	received(&frame, RTE_MBUF_F_RX_L4_CKSUM_BAD);
	received(&frame, RTE_MBUF_F_RX_RSS_HASH);
	rx(3);
	assert_int_equal(batch.pkt[0].vnet.flags, VIRTIO_NET_HDR_F_DATA_VALID);
	assert_int_equal(batch.pkt[0].need, 0);
	assert_int_equal(batch.pkt[1].vnet.flags, 0);
	assert_int_equal(batch.pkt[2].vnet.flags, 0);
	rx_done();
}

static void
partial_checksum_is_recognised(void **state)
{
	for (int i = 0; i < ROUNDS; i++) {
		const struct pkt *p = &batch.pkt[0];

		frame_build(&frame, i & 1, i & 2, frame_rnd(1000));
		received(&frame, RTE_MBUF_F_RX_L4_CKSUM_NONE);
		rx(1);
		assert_int_equal(p->need, PKT_NEED_CSUM);
		assert_int_equal(p->vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(p->vnet.csum_start, l4_offset(&frame));
		assert_int_equal(p->vnet.csum_start + p->vnet.csum_offset, csum_at(&frame));
		rx_done();
	}
}

/* A driver's "no checksum" of a datagram that never had one. */
static void
unsummed_datagram_is_left_alone(void **state)
{
	for (int i = 0; i < ROUNDS; i++) {
		frame_build(&frame, i & 1, false, frame_rnd(1000));
		memset(frame.b + csum_at(&frame), 0, 2);
		received(&frame, RTE_MBUF_F_RX_L4_CKSUM_NONE);
		rx(1);
		assert_int_equal(batch.pkt[0].need, 0);
		assert_int_equal(batch.pkt[0].vnet.flags, 0);
		rx_done();
	}
}

/* Long chains: what does not fit a batch is in the next one. */
static void
long_chains_come_in_the_next_batch(void **state)
{
	const uint32_t len = 900;
	struct rte_mempool *small =
		rte_pktmbuf_pool_create("small", 4095, 0, 0, RTE_PKTMBUF_HEADROOM + 64, 0);
	uint32_t i, k;

	assert_non_null(small);
	for (i = 0; i < 4; i++) {
		struct rte_mbuf *head = rte_pktmbuf_alloc(small), *last = head;

		memset(rte_pktmbuf_append(head, 14), 2, 14);
		for (k = 1; k < len; k++) {
			last->next = rte_pktmbuf_alloc(small);
			last = last->next;
			rte_pktmbuf_append(last, 1);
			head->nb_segs++;
			head->pkt_len++;
		}
		assert_int_equal(rte_ring_enqueue(in, head), 0);
	}
	for (i = 0; i < 2; i++) {
		rx(2);
		assert_int_equal(batch.pkt[1].len, 14 + len - 1);
		rx_done();
	}
	rx(0);
	assert_int_equal(rxq.q.stats.frames, 4);
	assert_int_equal(rxq.q.stats.drop[DROP_RX_TOO_LONG], 0);
	assert_int_equal(rte_mempool_avail_count(small), 4095);
	rte_mempool_free(small);
}

static void
merged_segments_become_gso(void **state)
{
	struct rte_mbuf *m;

	for (int i = 0; i < ROUNDS; i++) {
		const struct pkt *p = &batch.pkt[0];

		build_some(&frame, i & 1, true, 1500 + frame_rnd(60000), true);
		/* a device that merges verified the checksums and left the first one */
		frame_put16(frame.b + csum_at(&frame), frame_rnd(65536));
		m = received(&frame, RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_GOOD);
		m->tso_segsz = 1448;
		rx(1);
		assert_int_equal(p->need,
				 PKT_NEED_CSUM | (frame.ip6 ? PKT_NEED_TSO6 : PKT_NEED_TSO4));
		assert_int_equal(p->vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(p->vnet.gso_type,
				 frame.ip6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
		assert_int_equal(p->vnet.gso_size, 1448);
		assert_int_equal(p->vnet.hdr_len, l4_offset(&frame) + frame.l4);
		assert_int_equal(frame_get16(p->data + csum_at(&frame)),
				 frame_pseudo_sum(&frame, frame.b, frame.len - l4_offset(&frame)));
		/* on to a device that segments: in a copy, guests may still read this one */
		assert_int_equal(send_one(&batch.pkt[0]), 1);
		m = sent();
		assert_ptr_not_equal(m, batch.pkt[0].mbuf);
		memcpy(frame.b + csum_at(&frame), p->data + csum_at(&frame), 2);
		assert_tso(m, &frame, 1448);
		rte_pktmbuf_free(m);
		rx_done();
	}
}

static void
merged_nonsense_is_dropped(void **state)
{
	frame_build(&frame, false, false, 3000);
	received(&frame, RTE_MBUF_F_RX_LRO)->tso_segsz = 1448;
	frame_build(&frame, false, true, 3000);
	received(&frame, RTE_MBUF_F_RX_LRO);
	rx(0);
	assert_int_equal(batch.ndone, 2);
	assert_int_equal(rxq.q.stats.drop[DROP_RX_BAD_OFFLOAD], 2);
	rx_done();
}

/* A ring's other end asked its device for something; ours is not asked again. */
static void
foreign_requests_are_cleared(void **state)
{
	struct rte_mbuf *m;

	frame_build(&frame, false, true, 100);
	received(&frame, RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_VLAN);
	rx(1);
	assert_int_equal(send_one(&batch.pkt[0]), 1);
	m = sent();
	assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK, 0);
	rx_done();
	rte_pktmbuf_free(m);
}

/* A frame that arming finds is handed out by the next rx(), however small its bursts. */
static void
arming_loses_nothing(void **state)
{
	assert_false(ethdev_rx_ops.arm(&rxq.q));
	for (uint8_t i = 0; i < 10; i++) {
		frame_build(&frame, false, true, 100);
		frame.b[0] = (uint8_t)(2 * i);
		received(&frame, 0);
	}
	assert_true(ethdev_rx_ops.arm(&rxq.q));
	assert_true(ethdev_rx_ops.arm(&rxq.q));
	ethdev_rx_ops.disarm(&rxq.q);
	batch.max = 4;
	for (uint8_t i = 0; i < 10;) {
		ethdev_rx_ops.rx(&rxq.q, &batch);
		assert_int_equal(batch.n, RTE_MIN(4, 10 - i));
		for (uint16_t k = 0; k < batch.n; k++)
			assert_int_equal(batch.pkt[k].eth.dst_addr.addr_bytes[0], 2 * i++);
		rx_done();
	}
	frame_build(&frame, false, true, 100);
	received(&frame, 0);
	assert_true(ethdev_rx_ops.arm(&rxq.q));
	ethdev_rxq_flush(&rxq);
	batch.max = PKT_BATCH_MAX;
	rx(0);
}

/* A tap's frame is behind its descriptor before the driver returns it: no time to sleep. */
static void
arming_waits_for_the_driver(void **state)
{
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	rxq.q.event_fd = fd[0];
	rxq.late = true;
	assert_false(ethdev_rx_ops.arm(&rxq.q));
	assert_int_equal(write(fd[1], "", 1), 1);
	assert_true(ethdev_rx_ops.arm(&rxq.q));
	rxq.late = false;
	assert_false(ethdev_rx_ops.arm(&rxq.q));
	close(fd[0]);
	close(fd[1]);
}

/* The device is gone: that is no frame. */
static void
arming_sleeps_without_a_device(void **state)
{
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	rxq.q.event_fd = fd[0];
	rxq.late = true;
	close(fd[1]);
	assert_false(ethdev_rx_ops.arm(&rxq.q));
	close(fd[0]);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(accepted_offloads_follow_the_device),
		T(mbufs_are_sent_or_freed),
		T(mbufs_beyond_the_ring_are_freed),
		T(checksum_is_asked_of_the_device),
		T(checksum_behind_extensions_is_finished),
		T(segmentation_behind_extensions_is_not_asked),
		T(odd_checksum_is_finished),
		T(segmentation_is_asked_of_the_device),
		T(changed_headers_are_dropped),
		T(frames_above_the_mtu_are_dropped),
		T(rewritten_addresses_leave_with_the_frame),
		T(verified_checksum_is_passed_on),
		T(partial_checksum_is_recognised),
		T(unsummed_datagram_is_left_alone),
		T(long_chains_come_in_the_next_batch),
		T(merged_segments_become_gso),
		T(merged_nonsense_is_dropped),
		T(foreign_requests_are_cleared),
		T(arming_loses_nothing),
		T(arming_waits_for_the_driver),
		T(arming_sleeps_without_a_device),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
