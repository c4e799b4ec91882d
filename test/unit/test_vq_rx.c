/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtqueue, device side: taking what a guest transmits, in every format. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pkt/copy.h"
#include "ring.h"

#define INDIRECT RING_F(VIRTIO_RING_F_INDIRECT_DESC)

static struct pkt_batch batch;

/* Every test runs on each layout; the state is the layout. */
static enum vq_layout
layout_of(void **state)
{
	return *(enum vq_layout *)*state;
}

static unsigned int
rx(struct ring *r)
{
	batch.max = PKT_BATCH_MAX;
	return pktq_ops(&r->vq.q)->rx(&r->vq.q, &batch);
}

static void
rx_done(struct ring *r)
{
	pktq_ops(&r->vq.q)->rx_done(&r->vq.q, &batch);
}

static uint64_t
drops(const struct ring *r, enum drop_reason why)
{
	return r->vq.q.stats.drop[why];
}

/** The next used element is chain @p id with nothing written. */
static void
assert_given_back(struct ring *r, uint16_t id)
{
	uint32_t got, len;

	assert_true(ring_used(r, &got, &len));
	assert_int_equal(got, id);
	assert_int_equal(len, 0);
}

static void
assert_nothing_used(struct ring *r)
{
	uint32_t id, len;

	assert_false(ring_used(r, &id, &len));
}

/** Write header and frame as one byte stream over @p b. */
static void
scatter(struct ring *r, const struct ring_buf *b, unsigned int n, const uint8_t *src)
{
	unsigned int i;
	uint32_t k;

	for (i = 0; i < n; i++)
		for (k = 0; k < b[i].len; k++)
			*(uint8_t *)ring_at(r, b[i].addr + k) = *src++;
}

/** A virtio-net header in the ring's order. */
static void
make_header(struct ring *r, uint8_t *dst)
{
	const struct vq_fmt f = ring_fmt(r);
	const struct net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.hdr_len = vq16_make(f, 54),
		.csum_start = vq16_make(f, 34),
		.csum_offset = vq16_make(f, 16),
	};

	memcpy(dst, &h, r->vq.hdr_len);
}

#define FRAME_LEN 300

/** Check that the only frame of the batch is the one made with @p seed, headers taken off. */
static void
assert_frame(const struct pkt *p, uint32_t len, uint8_t seed)
{
	uint8_t want[4096], got[4096];

	ring_frame(want, len, seed);
	assert_int_equal(p->len, len);
	pkt_copy(p, got);
	assert_memory_equal(got, want, len);
	assert_memory_equal(p->eth_bytes, want, RTE_ETHER_HDR_LEN);
}

/**
 * Post a frame with an offload header over these lengths (0 ends), check that it arrives, and give
 * it back.
 */
static void
framing(struct ring *r, const uint32_t *lens, bool table)
{
	uint8_t bytes[12 + FRAME_LEN] = {0};
	uint32_t total = r->vq.hdr_len + FRAME_LEN, sum = 0;
	struct ring_buf b[16];
	unsigned int n = 0;
	uint16_t id;

	for (; sum < total; n++) {
		uint32_t len = lens[n] != 0 && sum + lens[n] < total ? lens[n] : total - sum;

		/* the second segment lies over the border between two regions */
		b[n] = (struct ring_buf){RING_BUF(n), len, 0};
		if (n == 1)
			b[n].addr = RING_GPA + RING_SPLIT_AT - 1;
		sum += len;
	}
	make_header(r, bytes);
	ring_frame(bytes + r->vq.hdr_len, FRAME_LEN, 9);
	scatter(r, b, n, bytes);
	id = table ? ring_post_table(r, RING_TABLE(0), b, n) : ring_post(r, b, n);

	assert_int_equal(rx(r), 1);
	assert_int_equal(batch.n, 1);
	assert_frame(&batch.pkt[0], FRAME_LEN, 9);
	assert_int_equal(batch.pkt[0].vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(batch.pkt[0].vnet.csum_start, 34);
	assert_int_equal(batch.pkt[0].vnet.csum_offset, 16);
	assert_int_equal(batch.pkt[0].need, PKT_NEED_CSUM);
	assert_nothing_used(r);
	rx_done(r);
	assert_given_back(r, id);
	assert_nothing_used(r);
}

/** Framings: header with data, alone (Windows), split, Ethernet header split, byte by byte. */
static const uint32_t framings[][16] = {
	{0},          {12},         {10},        {12, 14},
	{4, 8, 6, 8}, {12 + 13, 1}, {11, 2, 10}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
};

static void
any_framing_is_taken(void **state)
{
	const uint64_t csum = RING_F(VIRTIO_NET_F_CSUM) | INDIRECT;
	enum vq_layout l = layout_of(state);
	unsigned int i, hdr12;
	struct ring r;

	for (hdr12 = 0; hdr12 < 2; hdr12++) {
		ring_init(&r, l, 64, csum | (hdr12 ? RING_F(VIRTIO_NET_F_MRG_RXBUF) : 0), false);
		for (i = 0; i < RTE_DIM(framings); i++) {
			framing(&r, framings[i], false);
			framing(&r, framings[i], true);
		}
		assert_int_equal(r.vq.q.stats.frames, 2 * RTE_DIM(framings));
		assert_int_equal(r.vq.q.stats.bytes, 2 * RTE_DIM(framings) * FRAME_LEN);
		ring_fini(&r);
	}
}

/** A descriptor with a header without offloads and a frame. */
static struct ring_buf
plain(struct ring *r, unsigned int buf, uint32_t len, uint8_t seed)
{
	uint8_t *p = ring_at(r, RING_BUF(buf));

	memset(p, 0, r->vq.hdr_len);
	ring_frame(p + r->vq.hdr_len, len, seed);
	return (struct ring_buf){RING_BUF(buf), r->vq.hdr_len + len, 0};
}

static void
ring_wraps_around(void **state)
{
	enum vq_layout l = layout_of(state);
	uint32_t size = l == VQ_PACKED ? 7 : 8; /* packed: any size */
	unsigned int pass, k, n;
	struct ring_buf b[2];
	uint16_t id[8];
	struct ring r;

	ring_prepare(&r, l, size, 0, false);
	if (l != VQ_PACKED) /* free-running indices wrap, too */
		r.setup.state.avail = r.setup.state.used = r.avail = r.used = 65530;
	assert_int_equal(vq_start(&r.vq, &r.setup), 0);
	for (pass = 0; pass < 100; pass++) {
		n = 1 + pass % 3;
		for (k = 0; k < n; k++) {
			b[0] = plain(&r, k, 60 + k, pass + k);
			b[1] = b[0];
			b[0].len = 20;
			b[1].addr += 20;
			b[1].len -= 20;
			id[k] = ring_post(&r, b, 2);
		}
		assert_int_equal(rx(&r), n);
		for (k = 0; k < n; k++)
			assert_frame(&batch.pkt[k], 60 + k, pass + k);
		rx_done(&r);
		for (k = 0; k < n; k++)
			assert_given_back(&r, id[k]);
		assert_nothing_used(&r);
	}
	assert_false(r.vq.broken);
	ring_fini(&r);
}

static void
batch_maximum_is_respected(void **state)
{
	struct ring_buf b;
	struct ring r;
	unsigned int i;

	ring_init(&r, layout_of(state), 128, 0, false);
	for (i = 0; i < 100; i++) {
		b = plain(&r, 0, 64, 1);
		ring_post(&r, &b, 1);
	}
	batch.max = 10;
	assert_int_equal(pktq_ops(&r.vq.q)->rx(&r.vq.q, &batch), 10);
	rx_done(&r);
	assert_int_equal(rx(&r), 64);
	rx_done(&r);
	assert_int_equal(rx(&r), 26);
	rx_done(&r);
	assert_int_equal(rx(&r), 0);
	ring_fini(&r);
}

/* --- malformed chains: given back once, in order, between good ones --- */

struct bad_chain {
	const char *what;
	struct ring_buf b[3];
	unsigned int n;
	bool table; /* b is an indirect table */
	uint64_t features;
	enum drop_reason why;
};

#define WRITE VRING_DESC_F_WRITE
#define IND VRING_DESC_F_INDIRECT

static const struct bad_chain bad_chains[] = {
	{"address outside memory", {{1, 100}}, 1, false, 0, DROP_RX_BAD_CHAIN},
	{"address near the top", {{UINT64_MAX - 10, 100}}, 1, false, 0, DROP_RX_BAD_CHAIN},
	{"runs out of memory", {{RING_GPA + RING_MEM - 50, 100}}, 1, false, 0, DROP_RX_BAD_CHAIN},
	{"longest length", {{RING_GPA, UINT32_MAX}}, 1, false, 0, DROP_RX_TOO_LONG},
	{"device-writable", {{RING_BUF(1), 100, WRITE}}, 1, false, 0, DROP_RX_BAD_CHAIN},
	{"writable tail",
	 {{RING_BUF(1), 100}, {RING_BUF(2), 9, WRITE}},
	 2,
	 false,
	 0,
	 DROP_RX_BAD_CHAIN},
	{"bad second descriptor",
	 {{RING_BUF(1), 100}, {7, 9}, {RING_BUF(3), 9}},
	 3,
	 false,
	 0,
	 DROP_RX_BAD_CHAIN},
	{"nothing at all", {{RING_BUF(1), 0}}, 1, false, 0, DROP_RX_BAD_CHAIN},
	{"shorter than the header", {{RING_BUF(1), 9}}, 1, false, 0, DROP_RX_BAD_CHAIN},
	{"header alone", {{RING_BUF(1), 12}}, 1, false, 0, DROP_RX_RUNT},
	{"half an Ethernet header",
	 {{RING_BUF(1), 10}, {RING_BUF(2), 13}},
	 2,
	 false,
	 0,
	 DROP_RX_RUNT},
	{"indirect not negotiated", {{RING_BUF(1), 100}}, 1, true, 0, DROP_RX_BAD_CHAIN},
	{"empty table", {{RING_TABLE(0), 0, IND}}, 1, false, INDIRECT, DROP_RX_BAD_CHAIN},
	{"table of 17 bytes", {{RING_TABLE(0), 17, IND}}, 1, false, INDIRECT, DROP_RX_BAD_CHAIN},
	{"table outside memory", {{77, 64, IND}}, 1, false, INDIRECT, DROP_RX_BAD_CHAIN},
	{"table with a successor",
	 {{RING_TABLE(0), 16, IND}, {RING_BUF(1), 100}},
	 2,
	 false,
	 INDIRECT,
	 DROP_RX_BAD_CHAIN},
	{"table in a table", {{RING_TABLE(1), 16, IND}}, 1, true, INDIRECT, DROP_RX_BAD_CHAIN},
	{"writable in a table",
	 {{RING_BUF(1), 100}, {RING_BUF(1), 1, WRITE}},
	 2,
	 true,
	 INDIRECT,
	 DROP_RX_BAD_CHAIN},
};

static void
bad_chain_is_given_back_once(enum vq_layout l, const struct bad_chain *c)
{
	struct ring_buf good;
	uint16_t before, bad, after;
	struct ring r;

	ring_init(&r, l, 16, c->features | RING_F(VIRTIO_NET_F_MRG_RXBUF), false);
	good = plain(&r, 8, 64, 3);
	before = ring_post(&r, &good, 1);
	ring_table(&r, RING_TABLE(1), &good, 1); /* a frame for who looks into a table in a table */
	if (c->table)
		bad = ring_post_table(&r, RING_TABLE(0), c->b, c->n);
	else
		bad = ring_post(&r, c->b, c->n);
	good = plain(&r, 9, 65, 4);
	after = ring_post(&r, &good, 1);

	assert_int_equal(rx(&r), 3);
	assert_int_equal(batch.n, 2);
	assert_frame(&batch.pkt[0], 64, 3);
	assert_frame(&batch.pkt[1], 65, 4);
	assert_int_equal(drops(&r, c->why), 1);
	rx_done(&r);
	assert_given_back(&r, before);
	assert_given_back(&r, bad);
	assert_given_back(&r, after);
	assert_nothing_used(&r);
	assert_int_equal(rx(&r), 0);
	assert_int_equal(r.vq.q.stats.frames, 3);
	assert_false(r.vq.broken);
	assert_int_equal(r.attentions, 0);
	ring_fini(&r);
}

static void
bad_chains_are_given_back_once(void **state)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(bad_chains); i++) {
		print_message("  %s\n", bad_chains[i].what);
		bad_chain_is_given_back_once(layout_of(state), &bad_chains[i]);
	}
}

/* As DPDK's virtio driver transmits: the header's entry of a packed table is device-writable. */
static void
writable_header_in_a_packed_table_is_read(void **state)
{
	enum vq_layout l = layout_of(state);
	struct ring_buf b[2];
	struct ring r;

	ring_init(&r, l, 16, INDIRECT, false);
	b[0] = (struct ring_buf){RING_BUF(1), r.vq.hdr_len, WRITE};
	memset(ring_at(&r, b[0].addr), 0, b[0].len);
	b[1] = (struct ring_buf){RING_BUF(2), 64, 0};
	ring_post_table(&r, RING_TABLE(0), b, 2);
	assert_int_equal(rx(&r), 1);
	assert_int_equal(batch.n, l == VQ_PACKED ? 1 : 0);
	rx_done(&r);
	ring_fini(&r);
}

static void
long_chains_are_bounded(void **state)
{
	enum vq_layout l = layout_of(state);
	struct ring_buf b[32];
	struct ring r;
	unsigned int i;

	ring_init(&r, l, 16, INDIRECT, false);
	for (i = 0; i < RTE_DIM(b); i++)
		b[i] = (struct ring_buf){RING_BUF(i), 10, 0};
	ring_post_table(&r, RING_TABLE(0), b, 16); /* as long as the ring: the most there may be */
	ring_post_table(&r, RING_TABLE(4), b, 17);
	assert_int_equal(rx(&r), 2);
	assert_int_equal(batch.n, 1);
	assert_int_equal(drops(&r, DROP_RX_BAD_CHAIN), 1);
	rx_done(&r);
	ring_fini(&r);
}

static void
too_long_frames_are_dropped(void **state)
{
	const uint32_t lens[] = {PKT_LEN_MAX, PKT_LEN_MAX + 1, 3 * PKT_LEN_MAX};
	struct ring_buf b[2];
	struct ring r;
	unsigned int i;

	ring_init(&r, layout_of(state), 16, 0, false);
	for (i = 0; i < RTE_DIM(lens); i++) {
		b[0] = (struct ring_buf){RING_BUF(0), r.vq.hdr_len, 0};
		memset(ring_at(&r, b[0].addr), 0, b[0].len);
		b[1] = (struct ring_buf){RING_BUF(1), lens[i], 0};
		ring_post(&r, b, 2);
	}
	assert_int_equal(rx(&r), 3);
	assert_int_equal(batch.n, 1);
	assert_int_equal(batch.pkt[0].len, PKT_LEN_MAX);
	assert_int_equal(drops(&r, DROP_RX_TOO_LONG), 2);
	rx_done(&r);
	ring_fini(&r);
}

static void
batch_ends_when_fragments_run_out(void **state)
{
	struct ring_buf b[60];
	struct ring r;
	unsigned int i, total = 0;

	ring_init(&r, layout_of(state), 128, INDIRECT, false);
	for (i = 0; i < RTE_DIM(b); i++)
		b[i] = (struct ring_buf){RING_BUF(i % 40), 12, 0};
	memset(ring_at(&r, b[0].addr), 0, 12);
	ring_table(&r, RING_TABLE(0), b, RTE_DIM(b));
	for (i = 0; i < 100; i++) {
		const struct ring_buf d = {RING_TABLE(0), 16 * RTE_DIM(b), IND};

		ring_post(&r, &d, 1);
	}
	while ((i = rx(&r)) > 0) {
		assert_int_equal(batch.n, i);
		assert_true(batch.nsegs <= PKT_SEGS_MAX);
		total += i;
		rx_done(&r);
	}
	assert_int_equal(total, 100);
	assert_int_equal(drops(&r, DROP_RX_TOO_LONG), 0);
	ring_fini(&r);
}

static void
table_over_two_regions_is_read(void **state)
{
	const uint64_t table = RING_GPA + RING_SPLIT_AT - 24; /* the second entry lies in both */
	struct ring_buf b[3];
	struct ring r;

	ring_init(&r, layout_of(state), 8, INDIRECT, false);
	b[0] = plain(&r, 0, 100, 5);
	b[1] = (struct ring_buf){b[0].addr + 20, 30, 0};
	b[2] = (struct ring_buf){b[0].addr + 50, b[0].len - 50, 0};
	b[0].len = 20;
	ring_post_table(&r, table, b, 3);
	assert_int_equal(rx(&r), 1);
	assert_frame(&batch.pkt[0], 100, 5);
	rx_done(&r);
	ring_fini(&r);
}

static void
direct_descriptors_may_lead_to_a_table(void **state)
{
	struct ring_buf frame, b[2];
	struct ring r;
	uint16_t id;

	ring_init(&r, layout_of(state), 8, INDIRECT, false);
	frame = plain(&r, 0, 100, 6);
	b[1] = (struct ring_buf){frame.addr + 12, frame.len - 12, 0};
	ring_table(&r, RING_TABLE(0), &b[1], 1);
	b[0] = (struct ring_buf){frame.addr, 12, 0};
	b[1] = (struct ring_buf){RING_TABLE(0), 16, IND};
	id = ring_post(&r, b, 2);
	assert_int_equal(rx(&r), 1);
	assert_frame(&batch.pkt[0], 100, 6);
	rx_done(&r);
	assert_given_back(&r, id);
	ring_fini(&r);
}

static void
header_counts_only_with_offloads_negotiated(void **state)
{
	struct ring_buf b;
	struct ring r;

	ring_init(&r, layout_of(state), 8, 0, false);
	b = plain(&r, 0, 100, 7);
	memset(ring_at(&r, b.addr), 0xee, r.vq.hdr_len);
	ring_post(&r, &b, 1);
	assert_int_equal(rx(&r), 1);
	assert_int_equal(batch.n, 1);
	assert_int_equal(batch.pkt[0].vnet.flags, 0);
	assert_int_equal(batch.pkt[0].vnet.gso_type, 0);
	assert_int_equal(batch.pkt[0].need, 0);
	rx_done(&r);
	ring_fini(&r);
}

static void
bad_offload_header_is_dropped(void **state)
{
	const struct vq_fmt f = {.swap = layout_of(state) == VQ_SPLIT_SWAP};
	struct net_hdr *h;
	struct ring_buf b;
	struct ring r;

	ring_init(&r, layout_of(state), 8, RING_F(VIRTIO_NET_F_CSUM), false);
	b = plain(&r, 0, 100, 7);
	h = ring_at(&r, b.addr);
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = vq16_make(f, 98);
	h->csum_offset = vq16_make(f, 1); /* one byte beyond */
	ring_post(&r, &b, 1);
	assert_int_equal(rx(&r), 1);
	assert_int_equal(batch.n, 0);
	assert_int_equal(drops(&r, DROP_RX_BAD_OFFLOAD), 1);
	rx_done(&r);
	ring_fini(&r);
}

/* --- lies about the ring itself --- */

static void
assert_broken(struct ring *r)
{
	assert_int_equal(rx(r), 0);
	assert_true(r->vq.broken);
	assert_int_equal(atomic_load(&r->vq.attention), VQ_ATTN_BROKEN);
	assert_non_null(atomic_load(&r->vq.why));
	assert_int_equal(rx(r), 0);
	assert_int_equal(r->attentions, 1);
	assert_false(pktq_ops(&r->vq.q)->arm(&r->vq.q));
	ring_fini(r);
}

static void
split_ring_lies_break_it(enum vq_layout l)
{
	struct ring r;

	ring_init(&r, l, 8, 0, false);
	r.avail = 8; /* index jumps by 9 */
	ring_avail(&r, 0);
	assert_broken(&r);
	ring_init(&r, l, 8, 0, false);
	r.avail = UINT16_MAX - 1; /* backwards */
	ring_avail(&r, 0);
	assert_broken(&r);
	ring_init(&r, l, 8, 0, false);
	ring_avail(&r, 8);
	assert_broken(&r);
}

static void
packed_ring_lies_break_it(void)
{
	const struct ring_buf b[9] = {{RING_BUF(0), 100, 0}, {RING_BUF(1), 100, VRING_DESC_F_NEXT}};
	struct packed_desc *d;
	struct ring r;

	ring_init(&r, VQ_PACKED, 8, 0, false);
	ring_post(&r, b, 2); /* a third is promised and not there */
	assert_broken(&r);
	ring_init(&r, VQ_PACKED, 8, 0, false);
	ring_post(&r, b, 8);
	d = r.setup.desc;
	d[7].flags.v |= VRING_DESC_F_NEXT; /* never ends */
	assert_broken(&r);
}

static void
ring_lies_break_it(void **state)
{
	if (layout_of(state) == VQ_PACKED)
		packed_ring_lies_break_it();
	else
		split_ring_lies_break_it(layout_of(state));
}

/** Split only: loops and successors beyond the table are bad chains, not broken rings. */
static void
split_loops_are_bad_chains(void **state)
{
	const struct ring_buf loop = {RING_BUF(0), 20, VRING_DESC_F_NEXT};
	struct ring r;

	if (layout_of(state) == VQ_PACKED)
		return;
	ring_init(&r, layout_of(state), 8, 0, false);
	ring_desc(&r, 0, &loop, 0);
	ring_avail(&r, 0);
	ring_desc(&r, 1, &loop, 2);
	ring_desc(&r, 2, &loop, 1);
	ring_avail(&r, 1);
	ring_desc(&r, 3, &loop, 8);
	ring_avail(&r, 3);
	assert_int_equal(rx(&r), 3);
	assert_int_equal(batch.n, 0);
	assert_int_equal(drops(&r, DROP_RX_BAD_CHAIN), 3);
	rx_done(&r);
	assert_given_back(&r, 0);
	assert_given_back(&r, 1);
	assert_given_back(&r, 3);
	assert_false(r.vq.broken);
	ring_fini(&r);
}

static void
good_chains_before_a_lie_are_given_back(void **state)
{
	struct ring_buf b[2];
	struct ring r;
	uint16_t id;

	ring_init(&r, layout_of(state), 8, 0, false);
	b[0] = plain(&r, 0, 64, 1);
	id = ring_post(&r, b, 1);
	if (layout_of(state) == VQ_PACKED) {
		b[0].flags = VRING_DESC_F_NEXT;
		ring_post(&r, b, 1);
	} else {
		ring_avail(&r, 100);
	}
	assert_int_equal(rx(&r), 1);
	assert_true(r.vq.broken);
	rx_done(&r);
	assert_given_back(&r, id);
	assert_int_equal(rx(&r), 0);
	ring_fini(&r);
}

static void
in_order_packed_ring_gets_one_element(void **state)
{
	struct ring_buf b[2];
	uint32_t got, len;
	struct ring r;
	uint16_t id = 0;
	int i;

	if (layout_of(state) != VQ_PACKED)
		return;
	ring_init(&r, VQ_PACKED, 8, RING_F(VIRTIO_F_IN_ORDER), false);
	for (i = 0; i < 3; i++) {
		b[0] = plain(&r, i, 64, i);
		b[1] = (struct ring_buf){RING_BUF(9), 5, 0};
		id = ring_post(&r, b, 2);
	}
	assert_int_equal(rx(&r), 3);
	rx_done(&r);
	assert_true(ring_used(&r, &got, &len));
	assert_int_equal(got, id); /* the last one, in the first slot */
	assert_int_equal(r.vq.used, 6);
	assert_int_equal(r.vq.avail, 6);
	assert_nothing_used(&r);
	ring_fini(&r);
}

/* A guest that makes the only slot available for one lap and for the next, again and again. */
static void *
flip(void *arg)
{
	const vq16_t flags[2] = {{PACKED_F_AVAIL}, {PACKED_F_USED}};
	struct ring *r = arg;
	struct packed_desc *d = r->setup.desc;
	unsigned int i;

	for (i = 0; !atomic_load_explicit(&r->fault.dead, memory_order_relaxed); i++)
		__atomic_store_n(&d->flags.v, flags[i & 1].v, __ATOMIC_RELAXED);
	return NULL;
}

/** However fast a guest makes slots available again, one rx() looks at no more than one lap. */
static void
one_burst_is_one_lap(void **state)
{
	struct ring_buf b;
	pthread_t guest;
	struct ring r;
	int i;

	if (layout_of(state) != VQ_PACKED)
		return;
	ring_init(&r, VQ_PACKED, 1, 0, false);
	b = plain(&r, 0, 64, 1);
	ring_post(&r, &b, 1);
	assert_int_equal(pthread_create(&guest, NULL, flip, &r), 0);
	for (i = 0; i < 1000000; i++) {
		assert_in_range(rx(&r), 0, 1);
		rx_done(&r);
		assert_int_equal(r.vq.avail, 0);
	}
	atomic_store(&r.fault.dead, true);
	pthread_join(guest, NULL);
	ring_fini(&r);
}

/** Results for the frame before in the same place are not left behind. */
static void
flow_hash_is_reset(void **state)
{
	struct ring_buf b[2];
	struct ring r;
	int i;

	ring_init(&r, layout_of(state), 8, 0, false);
	for (i = 0; i < 2; i++) {
		b[0] = plain(&r, 0, 64, 1);
		b[1] = (struct ring_buf){RING_BUF(1), 10, 0};
		ring_post(&r, b, 1);
		ring_post(&r, b, 2);
		assert_int_equal(rx(&r), 2);
		assert_int_equal(batch.pkt[0].hash, 0);
		assert_int_equal(batch.pkt[1].hash, 0);
		batch.pkt[0].hash = batch.pkt[1].hash = 7;
		rx_done(&r);
	}
	ring_fini(&r);
}

static void
sizes_and_addresses_are_counted(void **state)
{
	struct ring_buf b;
	struct ring r;

	ring_init(&r, layout_of(state), 8, 0, false);
	b = plain(&r, 0, 64, 1);
	ring_post(&r, &b, 1);
	b = plain(&r, 1, 1518, 1);
	memset((uint8_t *)ring_at(&r, b.addr) + r.vq.hdr_len, 0xff, 6);
	ring_post(&r, &b, 1);
	b = plain(&r, 2, 1519, 1);
	((uint8_t *)ring_at(&r, b.addr))[r.vq.hdr_len] = 1;
	ring_post(&r, &b, 1);
	assert_int_equal(rx(&r), 3);
	rx_done(&r);
	assert_int_equal(r.vq.q.stats.frames, 3);
	assert_int_equal(r.vq.q.stats.bytes, 64 + 1518 + 1519);
	assert_int_equal(r.vq.q.stats.broadcast, 1);
	assert_int_equal(r.vq.q.stats.multicast, 1);
	assert_int_equal(r.vq.q.stats.size[0], 1);
	assert_int_equal(r.vq.q.stats.size[5], 1);
	assert_int_equal(r.vq.q.stats.size[6], 1);
	ring_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EVERY_LAYOUT(any_framing_is_taken),
		ON_EVERY_LAYOUT(ring_wraps_around),
		ON_EVERY_LAYOUT(batch_maximum_is_respected),
		ON_EVERY_LAYOUT(bad_chains_are_given_back_once),
		ON_EVERY_LAYOUT(writable_header_in_a_packed_table_is_read),
		ON_EVERY_LAYOUT(long_chains_are_bounded),
		ON_EVERY_LAYOUT(too_long_frames_are_dropped),
		ON_EVERY_LAYOUT(batch_ends_when_fragments_run_out),
		ON_EVERY_LAYOUT(table_over_two_regions_is_read),
		ON_EVERY_LAYOUT(direct_descriptors_may_lead_to_a_table),
		ON_EVERY_LAYOUT(header_counts_only_with_offloads_negotiated),
		ON_EVERY_LAYOUT(bad_offload_header_is_dropped),
		ON_EVERY_LAYOUT(ring_lies_break_it),
		ON_EVERY_LAYOUT(split_loops_are_bad_chains),
		ON_EVERY_LAYOUT(good_chains_before_a_lie_are_given_back),
		ON_EVERY_LAYOUT(in_order_packed_ring_gets_one_element),
		ON_EVERY_LAYOUT(one_burst_is_one_lap),
		ON_EVERY_LAYOUT(flow_hash_is_reset),
		ON_EVERY_LAYOUT(sizes_and_addresses_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
