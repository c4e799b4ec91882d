/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that a port's access lists look at, with connections tracked: none of the first input
 * opens them, or all that rules let through do. The input is {place where the frame is split,
 * direction and lists, frame}; each fragment lies in memory of its own, as large as it is. Of every
 * frame there is a verdict; the same frame once more has the same one, and the table does not grow
 * by it.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "switch/acl_text.h"
#include "switch/acl_worker.h"
#include "switch/ct_table.h"
#include "fuzz/frame.h"

#define OUTWARD 1u
#define OPENS 2u

static struct worker *worker;
static struct pktq from, to;
static struct pktq *queues[1] = {&to};
static struct acl *lists[2];
static struct dp_port port;

static struct acl *
list_of(bool track)
{
	static const char *const text[] = {"drop proto udp dport 9", "allow ip6 src 2001:db8::/32",
					   "drop ip fragments"};
	struct acl_config c = {.track = track};
	struct acl_text_error e;

	for (size_t i = 0; i < RTE_DIM(text); i++) {
		CHECK(acl_text_parse(text[i], &c.rule[c.n], &e));
		c.rule[c.n].seq = c.n + 1;
		c.n++;
	}
	return acl_new(&c, 1);
}

static void
set_up(void)
{
	if (worker != NULL)
		return;
	worker = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*worker));
	CHECK(worker != NULL);
	memset(worker, 0, sizeof(*worker));
	atomic_store(&ct_common.now, 1000);
	for (int t = 0; t < CT_TIMEOUTS; t++)
		atomic_store(&ct_common.timeout[t], 100);
	port.ct = ct_new(64, 1);
	lists[0] = list_of(false);
	lists[1] = list_of(true);
	CHECK(port.ct != NULL && lists[0] != NULL && lists[1] != NULL);
	port.ntx = 1;
	port.tx = queues;
}

static uint64_t
dropped(const struct pktq *q)
{
	uint64_t n = 0;

	for (int r = 0; r < DROP_NUM; r++)
		n += q->stats.drop[r];
	return n;
}

/* Whether the frame passes; the batch has it again afterwards, with the fragment it had. */
static bool
look(uint32_t how, struct pkt_batch *b)
{
	struct pkt frame = b->pkt[0];
	const struct pkt_seg seg = b->segs[0];
	const uint16_t nsegs = b->nsegs;
	struct pkt *list[1] = {&frame};
	struct pkt *const *pkts = list;
	uint64_t before = dropped(&from) + dropped(&to);
	uint16_t n;

	port.acl_in = port.acl_out = lists[(how & OPENS) != 0];
	if ((how & OUTWARD) != 0) {
		n = acl_send(worker, &port, &from, &pkts, 1);
	} else {
		b->n = 1;
		acl_receive(worker, &port, &from, b);
		n = b->n;
		b->pkt[0] = frame;
		b->segs[0] = seg;
		b->nsegs = nsegs;
	}
	CHECK(n + dropped(&from) + dropped(&to) - before == 1);
	return n == 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_frame f;
	struct pkt_batch *b;
	uint32_t n;
	bool passes;

	set_up();
	if (size < 2 + RTE_ETHER_HDR_LEN)
		return 0;
	b = &worker->batch;
	f = fuzz_frame_new(&b->pkt[0], b->segs, data[0], data + 2, (uint32_t)size - 2);
	b->n = b->ndone = 1;
	b->nsegs = b->pkt[0].nsegs - 1;
	passes = look(data[1], b);
	n = atomic_load(&port.ct->n);
	CHECK(look(data[1], b) == passes || (data[1] & OPENS) != 0);
	CHECK(atomic_load(&port.ct->n) <= RTE_MAX(n, 64u));
	fuzz_frame_free(&f);
	return 0;
}
