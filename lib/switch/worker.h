/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers; control makes them.
 *
 * A worker's private state, shared by its poll loop and all that forwards frames.
 */
#ifndef SWITCH_WORKER_H
#define SWITCH_WORKER_H

#include "pkt/hdrs.h"
#include "switch/ct_packet.h"
#include "switch/cut.h"
#include "switch/dataplane.h"
#include "switch/mcast_msg.h"
#include "switch/rest.h"
#include "switch/vlan.h"

struct dp_members;
struct rte_mempool;

#define WORKER_DEFERRED_MAX 64          /* queues with a deferred notification */
#define FORWARD_WAYS 3                  /* of a cache line: decisions it has room for */
#define FORWARD_LINES 65536             /* a power of two; all together are 4 MiB */
#define FLOOD_BUDGET (512u << 10)       /* of copies in an iteration, bytes; see flood.h */
#define FLOOD_LEAST 16                  /* part of it each queue has, whatever others used */
#define FORWARD_KEYS (DP_PORTS_MAX + 2) /* what frames are grouped by: egress ports and refusals */

/** The part of a frame that a decision of the switch depends on, and its origin. */
struct fwd_flow {
	uint64_t macs; /* destination and the first two bytes of the source */
	uint64_t rest; /* of the source; the ingress port and its domain in the upper half */
};

/**
 * Decisions of the switch, remembered: frames of a flow go to the port or have the verdict of the
 * same index. One cache line, so that however many flows there are each costs one miss.
 */
struct fwd_line {
	uint32_t epoch; /* fdb_epoch() they were made in; 0: none */
	uint16_t egress[FORWARD_WAYS];
	uint16_t next; /* to be replaced */
	uint32_t pad;
	struct fwd_flow flow[FORWARD_WAYS];
};
static_assert(sizeof(struct fwd_line) == RTE_CACHE_LINE_MIN_SIZE, "struct fwd_line is one line");

/** Stages a worker spends its cycles on, counted while worker.timed is set. */
enum worker_stage {
	STAGE_POLL,   /* looking at queues that have nothing */
	STAGE_RX,     /* taking frames, and giving their buffers back */
	STAGE_LOOKUP, /* deciding where they go */
	STAGE_COPY,   /* headers and payload to the receiver's buffers */
	STAGE_TX,     /* finding those buffers and publishing them */
	STAGE_NOTIFY, /* deferred notifications */
	STAGE_NUM
};

/**
 * What a port costs one worker. The port has an array of them, by worker, which is freed after it
 * has left the snapshot. Zeroes: a new port. [worker]
 */
struct port_cost {
	uint64_t free_at;   /* its debt is paid back then, on the clock of debt.h */
	uint32_t iteration; /* that spent is of; share.h */
	uint32_t spent;
	uint32_t next;         /* index of the queue to be polled first, plus one; 0: any */
	uint32_t until_sample; /* frames, the sample included; 0: not drawn yet. sample_worker.c */
	uint32_t sample_rate;  /* it was drawn for */
	uint64_t cycles, frames; /* counters of a joined port: of polls that found frames */
} __rte_cache_aligned;

/** Samples of a batch that is being forwarded: sample_worker.c. */
struct samples {
	uint16_t frames; /* of the batch as it came */
	uint16_t n;
	uint16_t at[PKT_BATCH_MAX];           /* which of them each is, ascending */
	struct rte_mbuf *mbuf[PKT_BATCH_MAX]; /* its first bytes; NULL: there was no buffer */
};

/** Frames that flood where multicast is snooped: mcast_worker.c. */
struct mcast_scratch {
	const struct dp_members *list[PKT_BATCH_MAX]; /* who gets each */
	struct pkt_hdrs hdrs[PKT_BATCH_MAX];          /* where they begin */
	/* messages of hosts and routers, as a whole */
	uint8_t frame[PKT_BATCH_MAX][RTE_ETHER_HDR_LEN + MCAST_PACKET_MAX];
};

/** Headers that access control lists have looked at, and frames that begin with them. */
struct acl_scratch {
	struct pkt_hdrs in[PKT_BATCH_MAX];
	/* of the frames sent last, with fragments of their own */
	struct pkt_hdrs out[PKT_BATCH_MAX];
	struct pkt_batch views;
	struct pkt *list[PKT_BATCH_MAX];
	struct ct_packet ct[PKT_BATCH_MAX]; /* where connections are tracked */
};

/**
 * One poll-mode worker's private state. Zeroed and filled in by control, then touched by its worker
 * only.
 */
struct worker {
	uint32_t id; /* index into dataplane.worker and learn rings */
	unsigned int lcore;
	struct dp_ctl *ctl;
	struct rte_mempool *mp; /* software offload, backlogs; never NULL */
	/* [atomic] by control: frames taken from a queue at once, 0: PKT_BATCH_MAX */
	atomic_ushort burst;
	uint64_t generation; /* of the snapshot of the last iteration */
	uint32_t nactive;    /* of its list in that snapshot: polled in each iteration */
	uint32_t next_idle;  /* of the rest: where the next iteration goes on */
	uint32_t unspent;    /* frames no idle queue was looked at for yet */
	struct dp_fid fid;   /* of the frames being sent, for those that are not sent at once */
	struct pktq *polled; /* the queue whose frames are at work */
	const struct watch *watch; /* of that snapshot; NULL: nothing is to be watched */
	uint32_t flood_budget;     /* of an iteration, 0: FLOOD_BUDGET */
	uint64_t flood_looks; /* members flooding looked at, the port frames came from included */
	uint32_t flood_left;  /* of this one */
	uint32_t flood_least; /* for each queue, even when nothing is left */
	uint32_t open_iterations;           /* iterations since the last quiescent state */
	uint32_t ndeferred, deferred_polls; /* see deferred.h */
	uint64_t free_at;                   /* when all ports have paid their debts, see debt.h */
	bool owed;                          /* that is later than this iteration */
	uint32_t cost; /* of the poll at work: segments made and copies flooded, see share.h */
	uint64_t polled_bytes;                      /* received before it by the queue polled */
	uint64_t polled_tsc, polled_frames;         /* before a poll of a joined port */
	struct pktq *deferred[WORKER_DEFERRED_MAX]; /* queues with a deferred notification */
	uint32_t next_flow;                         /* of mode flowgen */
	/* counters for "show worker": base/counter.h */
	uint64_t iterations, busy_iterations, frames, sleeps;
	uint64_t abandoned;   /* frames not sent to all when their queue stopped or changed hands */
	uint64_t busy_cycles; /* TSC cycles of iterations that found frames */
	/* [atomic] TSC cycles of the longest one, with or without; control sets it to 0 again */
	uint64_t longest;
	/* [atomic] by control, released with the counters it has reset: account cycles by stage */
	atomic_bool timed;
	uint64_t stage[STAGE_NUM], stage_frames; /* counters, too, while timed */
	/* scratch, valid within one batch */
	struct pkt_batch batch;
	uint16_t egress[PKT_BATCH_MAX];
	uint8_t tail[FORWARD_KEYS];        /* group_by(): by key, whatever ports there are */
	struct pkt *list[PKT_BATCH_MAX];   /* of a forwarding mode */
	struct pkt *q_list[PKT_BATCH_MAX]; /* of forward_send(): frames for one of several queues */
	struct pkt_hdrs hdrs[PKT_BATCH_MAX];    /* of modes that rewrite or make headers */
	struct pkt_hdrs guarded[PKT_BATCH_MAX]; /* where frames begin that a guard has checked */
	struct acl_scratch acl;
	struct vlan_scratch vlan;
	struct cut cut;
	struct rests rests;
	struct samples samples;
	struct fwd_line decided[FORWARD_LINES] __rte_cache_aligned;
	struct mcast_scratch mcast; /* the last one: it is large */
} __rte_cache_aligned;

/** Whether it accounts cycles by stage; pairs with worker_time(). That worker. */
static inline bool
worker_timed(const struct worker *w)
{
	return unlikely(atomic_load_explicit(&w->timed, memory_order_acquire));
}

#endif
