/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames from guest to guest: every format to every other, random framing, each byte checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model.h"
#include "virtq/isa.h"

#define OFFLOADS                                                                         \
	(F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_HOST_TSO4) | \
	 F(VIRTIO_NET_F_GUEST_TSO4))

/** Frames that arrived at one guest from another, in order. */
struct arrival {
	uint64_t frames, next; /* lowest number that may come */
	uint64_t digest;       /* of all of it */
};

static void
digest(uint64_t *d, const void *p, size_t len)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < len; i++)
		*d = (*d ^ b[i]) * 0x100000001b3ull;
}

/** Take up to @p max frames and compare them with what their number says they were. */
static void
receive_some(struct model_guest *to, const struct frame_mix *mix, struct arrival *a, uint32_t max)
{
	static struct model_frame got, want;
	uint64_t seq;

	while (max-- > 0 && model_receive(to, &got)) {
		assert_true(got.len >= sizeof(seq));
		memcpy(&seq, got.b + got.len - sizeof(seq), sizeof(seq));
		assert_true(seq >= a->next);
		a->next = seq + 1;
		a->frames++;
		frame_make(&want, seq, mix);
		assert_int_equal(got.len, want.len);
		assert_memory_equal(got.b, want.b, want.len);
		assert_memory_equal(&got.vnet, &want.vnet, sizeof(want.vnet));
		digest(&a->digest, &seq, sizeof(seq));
		digest(&a->digest, &got.vnet, sizeof(got.vnet));
	}
}

static void
send_some(struct model_guest *from, uint64_t *seq, uint64_t end, uint32_t max)
{
	static struct model_frame f;

	while (max-- > 0 && *seq < end) {
		frame_make(&f, *seq, &from->cfg.mix);
		if (!model_send(from, &f))
			break;
		++*seq;
	}
	vqd_publish(&from->tx.drv);
}

static void
offer_some(struct model_guest *to, uint32_t max)
{
	while (max-- > 0 && model_offer(to))
		;
	vqd_publish(&to->rx.drv);
}

/** Send @p n frames from guest to guest, all doing random amounts of work alternately. */
static struct arrival
converse(struct model_guest *from, struct model_guest *to, uint64_t n, struct rng *r)
{
	struct arrival a = {0};
	uint64_t seq = 0;

	while (seq < n) {
		offer_some(to, rng_below(r, 100));
		send_some(from, &seq, n, rng_below(r, 80));
		for (uint32_t iterations = rng_below(r, 4); iterations > 0; iterations--)
			model_forward(from, to, (uint16_t)(1 + rng_below(r, PKT_BATCH_MAX)));
		receive_some(to, &from->cfg.mix, &a, rng_below(r, 100));
		model_reap(from);
	}
	while (model_forward(from, to, PKT_BATCH_MAX) > 0)
		receive_some(to, &from->cfg.mix, &a, UINT32_MAX);
	receive_some(to, &from->cfg.mix, &a, UINT32_MAX);
	model_reap(from);
	return a;
}

/** Nothing is outstanding, nothing was lost without being counted. */
static void
check_books(const struct model_guest *from, const struct model_guest *to, const struct arrival *a)
{
	const struct pktq_stats *in = &from->tx.dev->q.stats, *out = &to->rx.dev->q.stats;

	model_check_counters(from, to);
	assert_int_equal(from->tx.drv.outstanding, 0);
	assert_int_equal(in->frames, from->sent);
	assert_int_equal(in->bytes, from->sent_bytes);
	assert_int_equal(in->offered, in->frames);
	assert_int_equal(out->frames, to->got);
	assert_int_equal(out->bytes, to->got_bytes);
	assert_int_equal(a->frames, to->got);
	assert_int_equal(out->offered - out->frames, out->drop[DROP_TX_NO_BUFFER]);
}

/** One conversation; returns what arrived. */
static struct arrival
run(const struct model_cfg *from_cfg, const struct model_cfg *to_cfg, uint64_t n, uint64_t seed)
{
	struct model_guest *from = model_new(from_cfg, seed), *to = model_new(to_cfg, seed + 1);
	struct rng r = rng_seed(seed + 2);
	struct arrival a = converse(from, to, n, &r);

	check_books(from, to, &a);
	model_free(from);
	model_free(to);
	return a;
}

static void
any_ring_to_any_other(void **state)
{
	const uint32_t rounds = MODEL_SCALE(400), frames = 4000;
	uint64_t arrived = 0;

	for (uint32_t i = 0; i < rounds; i++) {
		struct rng r = rng_seed(1000 + i);
		struct model_cfg from = model_cfg_random(&r, i % VQ_LAYOUT_NUM);
		struct model_cfg to = model_cfg_random(&r, i / VQ_LAYOUT_NUM % VQ_LAYOUT_NUM);

		print_message("round %u: layout %d size %u to layout %d size %u\n", i, from.layout,
			      from.size, to.layout, to.size);
		arrived += run(&from, &to, frames, i).frames;
	}
	print_message("%lu of %lu frames arrived and were compared\n", arrived,
		      (uint64_t)rounds * frames);
	assert_true(arrived > (uint64_t)rounds * frames / 2);
}

/* --- headers --- */

static const struct header_kind {
	const char *name;
	enum vq_layout layout;
	uint64_t features;
} header_kinds[] = {
	{"modern, 12 bytes", VQ_SPLIT, F(VIRTIO_F_VERSION_1)},
	{"legacy little-endian, 12 bytes", VQ_SPLIT, F(VIRTIO_NET_F_MRG_RXBUF)},
	{"legacy little-endian, 10 bytes", VQ_SPLIT, 0},
	{"legacy big-endian, 12 bytes", VQ_SPLIT_SWAP, F(VIRTIO_NET_F_MRG_RXBUF)},
	{"legacy big-endian, 10 bytes", VQ_SPLIT_SWAP, 0},
};

static struct model_cfg
header_cfg(const struct header_kind *k)
{
	return (struct model_cfg){
		.layout = k->layout,
		.size = 64,
		.features = k->features | F(VIRTIO_F_ANY_LAYOUT) | OFFLOADS,
		.mix = {.offload = true, .max_len = 1514, .tso_len = 65000},
		.rx_len = VQ_HAS(k->features, VIRTIO_NET_F_MRG_RXBUF) ? 1700 : 65100,
	};
}

static void
every_header_to_every_other(void **state)
{
	const uint64_t frames = MODEL_SCALE(4000);

	for (uint32_t i = 0; i < RTE_DIM(header_kinds); i++) {
		for (uint32_t j = 0; j < RTE_DIM(header_kinds); j++) {
			const struct model_cfg from = header_cfg(&header_kinds[i]);
			const struct model_cfg to = header_cfg(&header_kinds[j]);
			struct arrival a;

			print_message("%s to %s\n", header_kinds[i].name, header_kinds[j].name);
			a = run(&from, &to, frames, 7 * i + j);
			assert_true(a.frames > frames / 4);
		}
	}
}

/* --- a swapped ring and its native twin --- */

static struct model_cfg
twin_cfg(struct rng *r, enum vq_layout layout)
{
	struct model_cfg c = model_cfg_random(r, VQ_SPLIT_SWAP);

	c.layout = layout;
	c.features |= OFFLOADS;
	c.mix.offload = true;
	return c;
}

static void
swapped_ring_delivers_what_its_twin_does(void **state)
{
	const uint32_t rounds = MODEL_SCALE(20);

	for (uint32_t i = 0; i < rounds; i++) {
		struct arrival a[2];

		for (int swap = 0; swap < 2; swap++) {
			struct rng r = rng_seed(5000 + i);
			const enum vq_layout layout = swap ? VQ_SPLIT_SWAP : VQ_SPLIT;
			const struct model_cfg from = twin_cfg(&r, layout);
			const struct model_cfg to = twin_cfg(&r, layout);

			a[swap] = run(&from, &to, 4000, i);
		}
		assert_int_equal(a[0].frames, a[1].frames);
		assert_int_equal(a[0].digest, a[1].digest);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_ring_to_any_other),
		cmocka_unit_test(every_header_to_every_other),
		cmocka_unit_test(swapped_ring_delivers_what_its_twin_does),
	};

	int failed = 0;

	for (enum vq_isa isa = VQ_ISA_BASE; isa < VQ_ISA_NUM; isa++) {
		if (!vq_isa_usable(isa))
			continue;
		vq_isa_use(isa);
		print_message("ring code for %s\n", vq_isa_name(isa));
		failed += cmocka_run_group_tests(tests, NULL, NULL);
	}
	return failed;
}
