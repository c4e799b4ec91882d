/* SPDX-License-Identifier: BSD-3-Clause */
/* A segment size that a frame's payload does not reach: there is nothing to cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_net.h>

#include "eal.h"
#include "frame.h"
#include "pkt/offload.h"

#define GSO_UDP_L4 5

static struct rte_mempool *pool;

static const struct gso_case {
	uint8_t type;
	bool ip6, tcp;
} cases[] = {
	{VIRTIO_NET_HDR_GSO_TCPV4, false, true},
	{VIRTIO_NET_HDR_GSO_TCPV6, true, true},
	{VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, false, true},
	{VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN, true, true},
	{GSO_UDP_L4, false, false},
	{GSO_UDP_L4, true, false},
	{VIRTIO_NET_HDR_GSO_UDP, false, false},
	{VIRTIO_NET_HDR_GSO_UDP, true, false},
};

/* It leaves whole, with a right checksum. */
static void
expect_whole(const struct frame *f, const struct pkt *p)
{
	static uint8_t got[PKT_LEN_MAX + 64];
	uint32_t l4 = f->l2 + f->l3, field = l4 + f->vnet.csum_offset;
	struct offload_work o;
	struct pkt_seg segs[64];
	struct pkt out;

	assert_true(offload_begin(&o, pool, p, 0, NULL));
	assert_int_equal(offload_next(&o, &out, 1, segs, RTE_DIM(segs)), 1);
	assert_true(o.done);
	assert_int_equal(out.need, 0);
	assert_int_equal(view_flatten(&out, got), f->len);
	assert_int_equal(frame_sum(got + l4, f->len - l4, frame_pseudo_sum(f, f->b, f->len - l4)),
			 0xffff);
	memcpy(got + field, f->b + field, 2);
	assert_memory_equal(got, f->b, f->len);
	offload_free(&out, 1);
}

static void
one_segment(const struct gso_case *c, uint32_t payload, uint16_t size)
{
	static struct frame f;
	struct view v;

	frame_build_routed(&f, c->ip6, c->tcp, payload);
	f.vnet.gso_type = c->type;
	f.vnet.gso_size = size;
	view_make(&v, &f);
	assert_true(offload_check(&v.p));
	assert_int_equal(v.p.need, PKT_NEED_CSUM);
	assert_int_equal(v.p.vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	assert_int_equal(v.p.vnet.gso_size, 0);
	expect_whole(&f, &v.p);
	/* without NEEDS_CSUM nothing is left to do */
	v.p.vnet = f.vnet;
	v.p.vnet.flags = 0;
	assert_true(offload_check(&v.p));
	assert_int_equal(v.p.need, 0);
	assert_int_equal(v.p.vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	assert_int_equal(v.p.vnet.csum_start, 0);
	view_free(&v);
}

static void
a_size_that_is_not_reached_cuts_nothing(void **state)
{
	static const uint32_t payloads[] = {0, 1, 7, 8, 1000, 9000, 60000};

	for (uint32_t i = 0; i < RTE_DIM(cases); i++) {
		for (uint32_t k = 0; k < RTE_DIM(payloads); k++) {
			one_segment(&cases[i], payloads[k], (uint16_t)(payloads[k] + 8));
			one_segment(&cases[i], payloads[k], UINT16_MAX);
		}
	}
}

static int
setup(void **state)
{
	if (eal_start("0", 64) != 0)
		return -1;
	srandom(1);
	pool = rte_pktmbuf_pool_create("pool", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool != NULL ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_size_that_is_not_reached_cuts_nothing),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
