/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that a port's guard looks at. The input is {place where the frame is split, checks,
 * frame}; each fragment lies in memory of its own, as large as it is. Of every frame there is a
 * verdict, and one that is let through has the bytes it came with, whatever its memory has
 * afterwards.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "pkt/copy.h"
#include "switch/guard_worker.h"
#include "fuzz/frame.h"

static struct worker *worker;
static struct guard_config config;
static struct pktq queue;

static void
set_up(void)
{
	static const char *const text[] = {"10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "fe80::1"};

	if (worker != NULL)
		return;
	worker = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*worker));
	CHECK(worker != NULL);
	memset(worker, 0, sizeof(*worker));
	for (size_t i = 0; i < RTE_DIM(text); i++) {
		struct guard_pair *p = &config.pair[config.n++];

		p->any_mac = i != 1;
		p->mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, 1}};
		CHECK(guard_parse(text[i], &p->ip));
	}
}

static uint64_t
dropped(void)
{
	uint64_t n = 0;

	for (int r = 0; r < DROP_NUM; r++)
		n += queue.stats.drop[r];
	return n;
}

/* The beginning of the frame is the copy that was checked. */
static void
compare(const struct pkt *p, const uint8_t *data, uint32_t size)
{
	uint8_t *all = malloc(size);

	CHECK(all != NULL && p->len == size);
	pkt_copy(p, all);
	CHECK(memcmp(all, data, RTE_MIN(size, (uint32_t)PKT_HDRS_L4)) == 0);
	free(all);
}

static void
look(uint32_t checks, struct pkt_batch *b, const uint8_t *data)
{
	uint64_t before = dropped();
	struct guard *g;
	uint8_t *first = b->pkt[0].data;
	uint32_t len = b->pkt[0].len, first_len = b->pkt[0].data_len;

	config.checks = checks;
	g = guard_new(&config);
	CHECK(g != NULL);
	guard_apply(worker, g, &queue, b);
	CHECK(b->n + dropped() - before == 1);
	memset(first, 0x77, first_len);
	if (b->n == 1)
		compare(&b->pkt[0], data, len);
	guard_free(g);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_frame f;
	struct pkt_batch *b;

	set_up();
	if (size < 2 + RTE_ETHER_HDR_LEN)
		return 0;
	b = &worker->batch;
	f = fuzz_frame_new(&b->pkt[0], b->segs, data[0], data + 2, (uint32_t)size - 2);
	b->n = b->ndone = 1;
	b->nsegs = b->pkt[0].nsegs - 1;
	look(data[1] & GUARD_ALL, b, data + 2);
	fuzz_frame_free(&f);
	return 0;
}
