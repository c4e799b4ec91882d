/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains of descriptors, and the buffers one frame is spread over. */
#include "check.h"
#include "frame.h"
#include "link.h"
#include "outcome.h"

#define INDIRECT BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define MERGEABLE BIT(VIRTIO_NET_F_MRG_RXBUF)
#define SMALL 256u /* bytes of a buffer of which a frame needs several */
#define HDR 12     /* bytes of the header of a modern guest */

static const uint32_t lengths[] = {60, 61, 64, 243, 244, 245, 300, 500, 501, 1000, 1514};

/* Lengths of all segments but the last one. */
static const uint16_t header_alone[] = {HDR};
static const uint16_t header_cut[] = {5, 7};
static const uint16_t ethernet_cut[] = {HDR, 6, 8};
static const uint16_t header_and_more[] = {HDR + 14};
static const uint16_t bytes[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
				 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static const uint16_t zero_length[] = {HDR, 0, 20};

#define CUT(a) .n = RTE_DIM(a) + 1, .len = (a)

struct chain_case {
	uint64_t features;
	struct station_shape shape;
};

static void
transmit(const void *arg)
{
	const struct chain_case *c = arg;
	const struct station_wish wish = {.features = c->features};
	struct link l;

	link_open(&l, &wish);
	for (uint32_t lap = 0; lap < 40; lap++)
		for (size_t i = 0; i < RTE_DIM(lengths); i++)
			link_out(&l, lengths[i], &c->shape);
	station_drain(&l.here);
	link_close(&l);
}

static void
receive(const void *arg)
{
	const struct chain_case *c = arg;
	const struct station_wish wish = {.features = c->features, .rx = c->shape};
	struct station_received r;
	struct link l;

	link_open(&l, &wish);
	for (uint32_t lap = 0; lap < 40; lap++)
		for (size_t i = 0; i < RTE_DIM(lengths); i++)
			link_in(&l, lengths[i], &r);
	link_close(&l);
}

/** Buffers of which a long frame needs several. */
static void
merge(const void *arg)
{
	const struct chain_case *c = arg;
	const struct station_wish wish = {.features = c->features, .rx_len = SMALL, .rx = c->shape};
	struct station_received r;
	struct link l;

	link_open(&l, &wish);
	for (uint32_t lap = 0; lap < 40; lap++)
		for (size_t i = 0; i < RTE_DIM(lengths); i++) {
			const uint32_t need = (lengths[i] + l.here.hdr_len + SMALL - 1) / SMALL;

			link_in(&l, lengths[i], &r);
			if (r.num_buffers != need)
				outcome_fail("num_buffers is %u for a frame of %u bytes",
					     r.num_buffers, lengths[i]);
			if (!r.full)
				outcome_fail("a buffer that is not the last one is not full");
			if (!r.together)
				outcome_fail("not all buffers of a frame are used together");
		}
	link_close(&l);
}

static void
num_buffers(const void *arg)
{
	const struct station_wish wish = {.features = *(const uint64_t *)arg};
	struct station_received r;
	struct link l;

	link_open(&l, &wish);
	for (size_t i = 0; i < RTE_DIM(lengths); i++) {
		link_in(&l, lengths[i], &r);
		if (r.num_buffers != 1)
			outcome_fail("num_buffers is %u", r.num_buffers);
	}
	link_close(&l);
}

static void
header_is_zero(const void *arg)
{
	const struct station_wish wish = {.features = MODERN};
	struct station_received r;
	struct link l;

	link_open(&l, &wish);
	for (size_t i = 0; i < RTE_DIM(lengths); i++) {
		link_in(&l, lengths[i], &r);
		if (r.flags != 0 || r.gso_type != VIRTIO_NET_HDR_GSO_NONE)
			outcome_fail("flags %#x, gso_type %u", r.flags, r.gso_type);
	}
	link_close(&l);
}

static void
received_length(const void *arg)
{
	const struct station_wish wish = {.features = *(const uint64_t *)arg};
	struct link l;

	link_open(&l, &wish);
	for (size_t i = 0; i < RTE_DIM(lengths); i++) {
		link_in(&l, lengths[i], NULL);
		if (l.here.q[STATION_RX].last_used != lengths[i] + l.here.hdr_len)
			outcome_fail("%u bytes are said to be written for a frame of %u",
				     l.here.q[STATION_RX].last_used, lengths[i]);
	}
	link_close(&l);
}

/** Nothing is written to a buffer that is only read; the driver side does not tell what is said. */
static void
transmitted_length(const void *arg)
{
	const struct station_wish wish = {.features = MODERN};
	const struct split_used *used;
	struct link l;

	link_open(&l, &wish);
	used = (const struct split_used *)l.here.q[STATION_TX].d.device;
	for (size_t i = 0; i < RTE_DIM(lengths); i++) {
		const uint32_t at = l.here.q[STATION_TX].d.avail % l.here.q[STATION_TX].d.size;

		link_out(&l, lengths[i], NULL);
		station_drain(&l.here);
		if (rte_le_to_cpu_32(used->ring[at].len.v) != 0)
			outcome_fail("%u bytes are said to be written",
				     rte_le_to_cpu_32(used->ring[at].len.v));
	}
	link_close(&l);
}

static void
in_order(const void *arg)
{
	const struct station_wish wish = {.features = *(const uint64_t *)arg};
	struct link l;

	link_open(&l, &wish);
	link_exchange(&l, 600);
	link_close(&l);
}

#define ONE(f)            \
	&(const uint64_t) \
	{                 \
		f         \
	}
#define SEND(f, ...)                         \
	transmit, &(const struct chain_case) \
	{                                    \
		f,                           \
		{                            \
			__VA_ARGS__          \
		}                            \
	}
#define RECEIVE(f, ...)                     \
	receive, &(const struct chain_case) \
	{                                   \
		f,                          \
		{                           \
			__VA_ARGS__         \
		}                           \
	}
#define MERGE(f, ...)                     \
	merge, &(const struct chain_case) \
	{                                 \
		(f) | MERGEABLE,          \
		{                         \
			__VA_ARGS__       \
		}                         \
	}

static const struct check checks[] = {
	{"chain.send-one", "virtio 2.7.4.1: message framing", SEND(MODERN)},
	{"chain.send-header-alone", "virtio 2.7.4.1: message framing",
	 SEND(MODERN, CUT(header_alone))},
	{"chain.send-header-cut", "virtio 2.7.4.1: message framing", SEND(MODERN, CUT(header_cut))},
	{"chain.send-ethernet-cut", "virtio 2.7.4.1: message framing",
	 SEND(MODERN, CUT(ethernet_cut))},
	{"chain.send-bytes", "virtio 2.7.4.1: message framing", SEND(MODERN, CUT(bytes))},
	{"chain.send-indirect", "virtio 2.7.5.3: indirect descriptors",
	 SEND(MODERN | INDIRECT, .indirect = true)},
	{"chain.send-indirect-header-alone", "virtio 2.7.5.3: indirect descriptors",
	 SEND(MODERN | INDIRECT, CUT(header_alone), .indirect = true)},
	{"chain.send-indirect-bytes", "virtio 2.7.5.3: indirect descriptors",
	 SEND(MODERN | INDIRECT, CUT(bytes), .indirect = true)},
	{"chain.send-direct-then-indirect", "virtio 2.7.5.3.2: descriptors before the table",
	 SEND(MODERN | INDIRECT, CUT(ethernet_cut), .direct = 1)},
	{"chain.send-table-write-flag", "virtio 2.7.5.3.2: the flag is ignored",
	 SEND(MODERN | INDIRECT, CUT(header_alone), .indirect = true, .table_is_written = true)},
	{"chain.send-packed-header-alone", "virtio 2.8.6: next flag",
	 SEND(PACKED, CUT(header_alone))},
	{"chain.send-packed-header-cut", "virtio 2.8.6: next flag", SEND(PACKED, CUT(header_cut))},
	{"chain.send-packed-bytes", "virtio 2.8.6: next flag", SEND(PACKED, CUT(bytes))},
	{"chain.send-packed-indirect", "virtio 2.8.7: indirect flag",
	 SEND(PACKED | INDIRECT, CUT(header_alone), .indirect = true)},
	{"chain.send-packed-indirect-bytes", "virtio 2.8.7: indirect flag",
	 SEND(PACKED | INDIRECT, CUT(bytes), .indirect = true)},
	{"chain.send-zero-length", "virtio 2.7.4.1: message framing",
	 SEND(MODERN, CUT(zero_length))},
	{"chain.send-packed-zero-length", "virtio 2.8.5: scatter-gather",
	 SEND(PACKED, CUT(zero_length))},

	{"chain.receive-header-alone", "virtio 2.7.4.1: message framing",
	 RECEIVE(MODERN, CUT(header_alone))},
	{"chain.receive-header-cut", "virtio 2.7.4.1: message framing",
	 RECEIVE(MODERN, CUT(header_cut))},
	{"chain.receive-header-and-more", "virtio 2.7.4.1: message framing",
	 RECEIVE(MODERN, CUT(header_and_more))},
	{"chain.receive-bytes", "virtio 2.7.4.1: message framing", RECEIVE(MODERN, CUT(bytes)),
	 .hostile = true},
	{"chain.receive-indirect", "virtio 2.7.5.3: indirect descriptors",
	 RECEIVE(MODERN | INDIRECT, CUT(header_alone), .indirect = true)},
	{"chain.receive-packed-header-alone", "virtio 2.8.6: next flag",
	 RECEIVE(PACKED, CUT(header_alone))},
	{"chain.receive-packed-bytes", "virtio 2.8.6: next flag", RECEIVE(PACKED, CUT(bytes)),
	 .hostile = true},
	{"chain.receive-packed-indirect", "virtio 2.8.7: indirect flag",
	 RECEIVE(PACKED | INDIRECT, CUT(header_alone), .indirect = true)},

	{"chain.merge", "virtio 5.1.6.4.1: num_buffers, buffers full, used together",
	 MERGE(MODERN)},
	{"chain.merge-header-alone", "virtio 5.1.6.4.1, 2.7.4.1", MERGE(MODERN, CUT(header_alone))},
	{"chain.merge-legacy", "virtio 5.1.6.4.1", MERGE(0)},
	{"chain.merge-packed", "virtio 5.1.6.4.1, 2.8", MERGE(PACKED)},
	{"chain.merge-packed-header-alone", "virtio 5.1.6.4.1, 2.8.6",
	 MERGE(PACKED, CUT(header_alone))},
	{"chain.num-buffers", "virtio 5.1.6.4.1: 1 without MRG_RXBUF", num_buffers, ONE(MODERN)},
	{"chain.num-buffers-packed", "virtio 5.1.6.4.1: 1 without MRG_RXBUF", num_buffers,
	 ONE(PACKED)},
	{"chain.header-is-zero", "virtio 5.1.6.4.1: without GUEST_CSUM", header_is_zero},
	{"chain.received-length", "virtio 2.7.8.2: len", received_length, ONE(MODERN)},
	{"chain.received-length-packed", "virtio 2.8.4: element length", received_length,
	 ONE(PACKED)},
	{"chain.transmitted-length", "virtio 2.7.8: len is what was written", transmitted_length},
	{"chain.in-order", "virtio 2.7.9: in-order use", in_order,
	 ONE(MODERN | BIT(VIRTIO_F_IN_ORDER))},
	{"chain.in-order-packed", "virtio 2.8.8: in-order use", in_order,
	 ONE(PACKED | BIT(VIRTIO_F_IN_ORDER))},
};

CHECK_GROUP(checks_of_chains, checks);
