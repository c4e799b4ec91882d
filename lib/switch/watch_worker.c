/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/watch_worker.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_mbuf_ptype.h>
#include <rte_net.h>
#include <rte_ring.h>
#include <rte_spinlock.h>

#include "pkt/copy.h"
#include "switch/watch_log.h"

#define HEADERS_MAX 256u /* bytes of a frame that are looked at */

static void
hand_over(struct watch_log *log, char *text)
{
	if (text == NULL || rte_ring_enqueue(log->texts, text) != 0) {
		free(text);
		atomic_fetch_add(&log->lost, 1);
	}
	watch_log_post(log);
}

/* --- descriptions, in dpdk-testpmd's format --- */

/** Lengths of the headers rte_net finds, and which layer each belongs to. */
static void
print_types(FILE *f, const uint8_t *headers, uint16_t len, uint32_t frame_len)
{
	struct rte_mbuf m = {
		.buf_addr = (void *)(uintptr_t)headers,
		.data_len = len,
		.pkt_len = RTE_MIN(frame_len, (uint32_t)len),
		.nb_segs = 1,
	};
	struct rte_net_hdr_lens lens = {0};
	uint32_t type = rte_net_get_ptype(&m, &lens, RTE_PTYPE_ALL_MASK);
	const struct {
		const char *name;
		uint32_t mask;
		unsigned int len;
	} layers[] = {
		{"l2", RTE_PTYPE_L2_MASK, lens.l2_len},
		{"l3", RTE_PTYPE_L3_MASK, lens.l3_len},
		{"l4", RTE_PTYPE_L4_MASK, lens.l4_len},
		{"tunnel", RTE_PTYPE_TUNNEL_MASK, lens.tunnel_len},
		{"inner_l2", RTE_PTYPE_INNER_L2_MASK, lens.inner_l2_len},
		{"inner_l3", RTE_PTYPE_INNER_L3_MASK, lens.inner_l3_len},
		{"inner_l4", RTE_PTYPE_INNER_L4_MASK, lens.inner_l4_len},
	};
	char name[256];

	rte_get_ptype_name(type, name, sizeof(name));
	fprintf(f, " - sw ptype: %s", name);
	for (size_t i = 0; i < RTE_DIM(layers); i++)
		if (type & layers[i].mask)
			fprintf(f, " - %s_len=%u", layers[i].name, layers[i].len);
}

/* The flags of an mbuf from a virtio driver: a partial checksum, or segments not yet made. */
static uint64_t
rx_flags(const struct pkt *p)
{
	uint64_t flags = 0;

	if (p->mbuf != NULL)
		return p->mbuf->ol_flags;
	if (p->need & PKT_NEED_CSUM)
		flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
	if (p->need & PKT_NEED_GSO)
		flags |= RTE_MBUF_F_RX_LRO;
	return flags;
}

static void
print_frame(FILE *f, const struct worker *w, const struct pkt *p, uint16_t queue, bool rx)
{
	uint16_t len = (uint16_t)RTE_MIN(p->len, HEADERS_MAX);
	uint8_t headers[HEADERS_MAX];
	struct pkt_cursor cursor;
	char flags[256];

	pkt_cursor_init(&cursor, p);
	pkt_copy_next(&cursor, headers, len);
	fprintf(f,
		"  src=" RTE_ETHER_ADDR_PRT_FMT " - dst=" RTE_ETHER_ADDR_PRT_FMT
		" - pool=%s - type=0x%04x - length=%u - nb_segs=%u",
		RTE_ETHER_ADDR_BYTES(&p->eth.src_addr), RTE_ETHER_ADDR_BYTES(&p->eth.dst_addr),
		w->mp->name, rte_be_to_cpu_16(p->eth.ether_type), p->len, p->nsegs);
	print_types(f, headers, len, p->len);
	fprintf(f, " - %s queue=0x%x\n", rx ? "Receive" : "Send", queue);
	if (rx)
		rte_get_rx_ol_flag_list(rx_flags(p), flags, sizeof(flags));
	else
		rte_get_tx_ol_flag_list(p->mbuf != NULL ? p->mbuf->ol_flags : 0, flags,
					sizeof(flags));
	fprintf(f, "  ol_flags: %s\n", flags);
}

static void
describe(const struct worker *w, const struct pktq *q, struct pkt *const *pkts, uint16_t n, bool rx)
{
	struct watch_log *log = w->watch->log;
	char *text = NULL;
	size_t len;
	FILE *f;

	/* a flood must not cost more than its first frames */
	f = rte_ring_full(log->texts) ? NULL : open_memstream(&text, &len);
	if (f != NULL) {
		fprintf(f, "port %u/queue %u: %s %u packets\n", q->port, q->index,
			rx ? "received" : "sent", n);
		for (uint16_t i = 0; i < n; i++)
			print_frame(f, w, pkts[i], q->index, rx);
		fclose(f);
	}
	hand_over(log, text);
}

/* --- bursts --- */

static void
count_burst(uint64_t *by_size, uint16_t n)
{
	counter_add(&by_size[n], 1);
}

void
watch_receive(struct worker *w, const struct dp_port *in, const struct pktq *rxq,
	      struct pkt_batch *batch)
{
	struct pkt *list[PKT_BATCH_MAX];

	if (in->bursts != NULL && rxq->index < in->bursts->n)
		count_burst(in->bursts->q[rxq->index].rx, batch->n);
	if (!(w->watch->flags & WATCH_SHOW_RX))
		return;
	for (uint16_t i = 0; i < batch->n; i++)
		list[i] = &batch->pkt[i];
	describe(w, rxq, list, batch->n, true);
}

/* --- transmission --- */

static uint16_t
send_locked(struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	uint16_t sent;

	if (q->shared)
		rte_spinlock_lock(&q->lock);
	sent = pktq_ops(q)->tx(q, pkts, n);
	pktq_notify_deferred(q);
	if (q->shared)
		rte_spinlock_unlock(&q->lock);
	return sent;
}

/* Send one frame unless the ring is full: then it is as if it had not been tried. */
static bool
try_one(struct pktq *q, struct pkt *const *pkt, uint16_t *sent)
{
	uint64_t full;
	bool done;

	if (q->shared)
		rte_spinlock_lock(&q->lock);
	full = q->stats.drop[DROP_TX_NO_BUFFER];
	*sent += pktq_ops(q)->tx(q, pkt, 1);
	pktq_notify_deferred(q); /* a receiver that sleeps frees no buffer */
	done = q->stats.drop[DROP_TX_NO_BUFFER] == full;
	if (!done) {
		counter_set(&q->stats.drop[DROP_TX_NO_BUFFER], full);
		counter_add(&q->stats.offered, -1);
	}
	if (q->shared)
		rte_spinlock_unlock(&q->lock);
	return done;
}

static uint32_t
attempts(const struct watch *watch)
{
	uint32_t most = WATCH_WAIT_MAX_US / RTE_MAX(watch->retry_us, 1u);

	return RTE_MIN(watch->retry_num, most);
}

static uint16_t
send_patiently(const struct watch *watch, struct pktq *q, struct pkt *const *pkts, uint16_t n)
{
	uint32_t left = attempts(watch);
	uint16_t i = 0, sent = 0;

	while (i < n && left > 0) {
		if (try_one(q, &pkts[i], &sent)) {
			i++;
			continue;
		}
		left--;
		rte_delay_us_block(watch->retry_us);
	}
	if (i < n)
		sent += send_locked(q, pkts + i, n - i);
	return sent;
}

static struct watch_queues *
bursts_of(const struct worker *w, const struct pktq *q)
{
	const struct dp_port *port = dp_live(w->ctl)->by_id[q->port];

	return port != NULL && port->bursts != NULL && q->index < port->bursts->n ? port->bursts
										  : NULL;
}

void
watch_transmit(struct worker *w, struct pktq *txq, struct pkt *const *pkts, uint16_t n)
{
	const struct watch *watch = w->watch;
	struct watch_queues *bursts = bursts_of(w, txq);
	uint16_t sent;

	if (watch->flags & WATCH_SHOW_TX)
		describe(w, txq, pkts, n, false);
	if (watch->flags & WATCH_RETRY)
		sent = send_patiently(watch, txq, pkts, n);
	else
		sent = send_locked(txq, pkts, n);
	if (bursts != NULL && txq->shared)
		__atomic_fetch_add(&bursts->q[txq->index].tx[sent], 1, __ATOMIC_RELAXED);
	else if (bursts != NULL)
		count_burst(bursts->q[txq->index].tx, sent);
}
