/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue of frames: one direction of one queue pair of a port (a virtqueue of any format, a
 * queue of an ethdev), or the inject ring.
 *
 * One owner at a time: control while the queue is unpublished, one worker
 * while it is published. An egress queue that several workers send to is
 * marked shared and its lock is taken around tx(); control never takes it.
 */
#ifndef PKT_PKTQ_H
#define PKT_PKTQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_spinlock.h>

#include "base/counter.h"
#include "pkt/drop.h"
#include "pkt/pkt.h"

struct pktq;
struct port_cost;

/* Every function runs on the queue's owner. */
struct pktq_ops {
	/**
	 * Look at up to batch->max frames without consuming them; sets batch->n,
	 * ndone, nsegs and the frames. Counts rx and the rx drops it decides.
	 * Returns batch->ndone: 0 means rx_done() need not be called.
	 */
	uint16_t (*rx)(struct pktq *q, struct pkt_batch *batch);

	/**
	 * Give back the first batch->ndone chains of the last rx(), notify the peer if it asked for
	 * it. The batch->left chains after them come with the next rx() once more.
	 */
	void (*rx_done)(struct pktq *q, struct pkt_batch *batch);

	/**
	 * Copy @p n frames out in order, publish them, notify the peer if it asked
	 * for it. Each frame is sent or counted as a drop; returns the number sent.
	 * The caller guarantees that pkts[i]->need is within q->offloads.
	 * NULL: the queue cannot send.
	 */
	uint16_t (*tx)(struct pktq *q, struct pkt *const *pkts, uint16_t n);

	/**
	 * The same of unicast frames that need nothing, each in a (chained) mbuf that is the
	 * queue's from then on. NULL: a queue of a port that carries no tunnels.
	 */
	uint16_t (*tx_mbufs)(struct pktq *q, struct rte_mbuf **m, uint16_t n);

	/**
	 * Before the owner sleeps: ask the peer for notifications. Returns true when
	 * frames arrived in the meantime and the owner must poll again; not while the
	 * queue waits for control. NULL: the queue gives no notifications and has to
	 * be polled.
	 */
	bool (*arm)(struct pktq *q);

	/** After sleeping: tell the peer that notifications are not needed. */
	void (*disarm)(struct pktq *q);

	/**
	 * A deferred notification: notify the peer, if it asked for that, of what tx() and
	 * rx_done() have published. With q->can_defer those only set q->deferred. The owner
	 * calls this when the stores have had time to arrive, best after its next rx(), in
	 * any case before it sleeps; arm() and the same queue's next rx() do it, too.
	 * NULL: nothing is ever deferred.
	 */
	void (*notify)(struct pktq *q);

	/**
	 * Try again to send the frames of the queue's backlog (IOTLB misses). The owner calls it
	 * once in a poll iteration while q->backlog is not 0. Only with q->can_backlog.
	 */
	void (*flush)(struct pktq *q);
};

/*
 * Frame sizes as the testpmd xstats bin them: 64 and less, 65-127, 128-255, 256-511, 512-1023,
 * 1024-1518, more.
 */
#define PKTQ_SIZE_BINS 7

/** Counters of one queue since it was made. The owner writes, any thread reads: base/counter.h. */
struct pktq_stats {
	uint64_t frames;     /* rx: taken from the peer, malformed ones included; tx: delivered */
	uint64_t bytes;      /* of those frames, without virtio-net headers */
	uint64_t offered;    /* tx: frames tx() was called with. rx: frames handed to some tx() */
	uint64_t replicated; /* rx: added by flooding, software segmentation, generators */
	uint64_t broadcast;
	uint64_t multicast;
	uint64_t size[PKTQ_SIZE_BINS];
	uint64_t notified;                 /* interrupts or kicks sent */
	uint64_t bad_ip_csum, bad_l4_csum; /* rx: found by mode csum */
	uint64_t drop[DROP_NUM];
};

struct pktq {
	/* [atomic] control swaps it, then waits a grace period */
	_Atomic(const struct pktq_ops *) ops;
	/* [atomic] the queue waits until control has done its part, clears this and wakes it */
	atomic_bool waits;

	/* [fixed] while published */
	uint16_t port;     /* owner port's id */
	uint16_t index;    /* queue pair index within the port */
	uint32_t offloads; /* tx: PKT_NEED_* the receiver takes as they are */
	/*
	 * No two queues have the same, though one may be made where another was: given by control
	 * at the first publication; 0 before.
	 */
	uint64_t serial;
	uint32_t max_len; /* tx: longest frame the receiver takes, 0: no limit */
	int event_fd;     /* readable when the peer notified; -1: must be polled */
	bool can_defer;   /* the owner calls notify() */
	bool shared;      /* tx: several workers send here, take the lock */
	bool can_backlog; /* tx: there may be a backlog, flush() is called for it then */
	/* tx: backlog stands for no frames and stays: flush() is called every DP_NAP_MS at least */
	bool keep_alive;

	/* [worker] */
	bool deferred;        /* a notification of the peer is due */
	bool deferred_listed; /* the worker knows that, see switch/deferred.h */
	uint16_t backlog;     /* frames flush() has to send */
	uint16_t flood_next;  /* rx: receivers the first frame was copied to; switch/modes.h */
	uint16_t misses;      /* rx: how often in a row a worker found nothing */
	uint32_t work;        /* lookups of the last rx(), tx() or flush() in unusual buffers */
	rte_spinlock_t lock;  /* among workers only */
	/* [fixed] what its port costs a worker, by worker; NULL: not accounted. switch/worker.h */
	struct port_cost *cost;
	uint64_t *copy_cycles; /* tx() adds the cycles it copied for; NULL: not measured */
	struct pktq_stats stats
		__rte_cache_aligned; /* aligned here; copies of the struct need not be */
} __rte_cache_aligned;

static inline const struct pktq_ops *
pktq_ops(const struct pktq *q)
{
	return atomic_load_explicit(&((struct pktq *)(uintptr_t)q)->ops, memory_order_acquire);
}

/** Make a deferred notification; for an owner that does so at once. */
static inline void
pktq_notify_deferred(struct pktq *q)
{
	if (q->deferred)
		pktq_ops(q)->notify(q);
}

static inline void
pktq_drop(struct pktq *q, enum drop_reason why, uint64_t n)
{
	counter_add(&q->stats.drop[why], n);
}

/**
 * Bin of a frame of @p len bytes (the testpmd vhost xstats bins; 64 stands for everything up to
 * 64).
 */
static inline unsigned int
pktq_size_bin(uint32_t len)
{
	unsigned int bits;

	if (len <= 64)
		return 0;
	if (len > 1518)
		return 6;
	bits = 31u - (unsigned int)__builtin_clz(len); /* 65..127: 6 ... 1024..1518: 10 */
	return bits - 5u;
}

/** Count a broadcast or multicast frame as such. */
static inline void
pktq_count_cast(struct pktq_stats *s, const struct pkt *p)
{
	if (unlikely(rte_is_multicast_ether_addr(&p->eth.dst_addr))) {
		if (rte_is_broadcast_ether_addr(&p->eth.dst_addr))
			counter_add(&s->broadcast, 1);
		else
			counter_add(&s->multicast, 1);
	}
}

/** Count a delivered or taken frame; for paths that count frame by frame. */
static inline void
pktq_count(struct pktq_stats *s, const struct pkt *p)
{
	counter_add(&s->frames, 1);
	counter_add(&s->bytes, p->len);
	counter_add(&s->size[pktq_size_bin(p->len)], 1);
	pktq_count_cast(s, p);
}

/** Take back what was counted of a frame that stays where it is. */
static inline void
pktq_uncount(struct pktq_stats *s, const struct pkt *p)
{
	counter_add(&s->frames, -1);
	counter_add(&s->bytes, -(uint64_t)p->len);
	counter_add(&s->size[pktq_size_bin(p->len)], -1);
	if (rte_is_broadcast_ether_addr(&p->eth.dst_addr))
		counter_add(&s->broadcast, -1);
	else if (rte_is_multicast_ether_addr(&p->eth.dst_addr))
		counter_add(&s->multicast, -1);
}

#define PKTQ_COUNT_ROUND 16 /* pktq_count_sizes() works on so many at once */

/** Count sizes of a burst of different ones; len[n] to len[round - 1] are 0. */
static __rte_noinline void
pktq_count_mixed(struct pktq_stats *s, const uint32_t *len, uint16_t n, uint32_t round)
{
	static const uint32_t limit[PKTQ_SIZE_BINS - 1] = {64, 127, 255, 511, 1023, 1518};
	uint32_t i, k, above, before = n;

	for (k = 0; k < PKTQ_SIZE_BINS - 1; k++) {
		above = 0;
		for (i = 0; i < round; i++)
			above += len[i] > limit[k];
		counter_add(&s->size[k], before - above);
		before = above;
	}
	counter_add(&s->size[k], before);
}

/**
 * Count bytes and sizes of a burst of @p n <= PKT_BATCH_MAX frames. @p len has room for a multiple
 * of PKTQ_COUNT_ROUND entries and is written to up to there. Loops without branches, for the
 * compiler to make vectors of.
 */
static inline void
pktq_count_sizes(struct pktq_stats *s, uint32_t *len, uint16_t n)
{
	uint32_t i, round = RTE_ALIGN_CEIL(n, PKTQ_COUNT_ROUND);
	uint32_t sum = 0, differ = 0;

	if (n == 0)
		return;
	for (i = n; i < round; i++)
		len[i] = len[0];
	for (i = 0; i < round; i++) {
		sum += len[i];
		differ |= len[i] ^ len[0];
	}
	if (likely(differ == 0)) {
		counter_add(&s->bytes, (uint64_t)len[0] * n);
		counter_add(&s->size[pktq_size_bin(len[0])], n);
		return;
	}
	counter_add(&s->bytes, sum - (uint64_t)len[0] * (round - n));
	for (i = n; i < round; i++)
		len[i] = 0;
	pktq_count_mixed(s, len, n, round);
}

#endif
