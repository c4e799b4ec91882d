/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers; control makes them.
 *
 * A worker and what it does with a batch of frames.
 */
#ifndef SWITCH_FORWARD_H
#define SWITCH_FORWARD_H

#include "pkt/hdrs.h"
#include "switch/cut.h"
#include "switch/dataplane.h"
#include "switch/vlan.h"

struct rte_mempool;

#define WORKER_DEFERRED_MAX 64          /* queues with a deferred notification */
#define FORWARD_FLOWS 256               /* remembered decisions, a power of two */
#define FLOOD_BUDGET (512u << 10)       /* of copies in an iteration, bytes; see modes.h */
#define FLOOD_LEAST 16                  /* part of it each queue has, whatever others used */
#define FORWARD_KEYS (DP_PORTS_MAX + 2) /* what frames are grouped by: egress ports and refusals */

/** A decision of the switch, remembered: frames with these addresses from this port go there. */
struct fwd_flow {
	uint64_t macs;  /* destination and the first two bytes of the source */
	uint32_t macs2; /* the rest of the source */
	uint32_t from;  /* ingress port and its domain */
	uint32_t epoch; /* fdb_epoch() it was made in; 0: unused */
	uint16_t egress;
};

/** What a worker spends its cycles on, counted while worker.timed is set. */
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
 * One poll-mode worker's private state. Zeroed and filled in by control, then touched by its worker
 * only.
 */
struct worker {
	uint32_t id; /* index into dataplane.worker and learn rings */
	unsigned int lcore;
	struct dp_ctl *ctl;
	struct rte_mempool *mp;    /* software offload, backlogs; never NULL */
	uint16_t burst;            /* frames taken from a queue at once, 0: PKT_BATCH_MAX */
	uint64_t generation;       /* of the snapshot of the last iteration */
	uint32_t nactive;          /* of its list in that snapshot: polled in each iteration */
	uint32_t next_idle;        /* of the rest: where the next iteration goes on */
	uint32_t unspent;          /* frames no idle queue was looked at for yet */
	const struct watch *watch; /* of that snapshot; NULL: nothing is to be watched */
	uint32_t flood_budget;     /* of an iteration, 0: FLOOD_BUDGET */
	uint32_t flood_left;       /* of this one */
	uint32_t flood_least;      /* for each queue, even when nothing is left */
	uint32_t open_iterations;  /* iterations since the last quiescent state */
	uint32_t ndeferred, deferred_polls;         /* see deferred.h */
	uint32_t ndebtors;                          /* ports that owe work, see debt.h */
	uint16_t debtor[DP_PORTS_MAX];              /* their ids */
	uint32_t debt[DP_PORTS_MAX];                /* by id: lookups owed */
	struct pktq *deferred[WORKER_DEFERRED_MAX]; /* queues with a deferred notification */
	struct fwd_flow flow[FORWARD_FLOWS];
	uint32_t next_flow; /* of mode flowgen */
	/* counters for "show worker", relaxed readers */
	uint64_t iterations, busy_iterations, frames, sleeps;
	uint64_t busy_cycles; /* TSC cycles of iterations that found frames */
	atomic_bool timed;    /* [atomic] by control: account cycles by stage */
	uint64_t stage[STAGE_NUM], stage_frames;
	/* scratch, valid within one batch */
	struct pkt_batch batch;
	uint16_t egress[PKT_BATCH_MAX];
	uint8_t tail[FORWARD_KEYS];        /* group_by() */
	struct pkt *list[PKT_BATCH_MAX];   /* of a forwarding mode */
	struct pkt *q_list[PKT_BATCH_MAX]; /* of forward_send(): frames for one of several queues */
	struct pkt_hdrs hdrs[PKT_BATCH_MAX]; /* of modes that rewrite or make headers */
	struct vlan_scratch vlan;
	struct cut cut;
} __rte_cache_aligned;

/** Learning L2 switch (the default mode). See dp_forward_fn. */
void forward_switch(struct worker *w, const struct dataplane *dp, const struct dp_port *in,
		    struct pktq *rxq, struct pkt_batch *batch);

/** Every forwarding mode, the default first; ends with a NULL name. Any thread. */
extern const struct fwd_mode fwd_modes[];
const struct fwd_mode *fwd_mode_by_name(const char *name);

/**
 * Send @p n <= PKT_BATCH_MAX frames of one batch to @p out in order: picks the queue
 * (flow-sticky when there are several), finishes offloads in software when the
 * receiver did not accept them, takes the lock of a shared queue, and keeps the
 * accounts of @p rxq (offered, replicated, drops). Modes send only through this
 * or forward_send_queue(). @p pkts must not be w->q_list.
 */
void forward_send(struct worker *w, const struct dp_port *out, struct pktq *rxq,
		  struct pkt *const *pkts, uint16_t n);

/** Give frames to a queue that takes them as they are. */
void forward_transmit(struct worker *w, struct pktq *txq, struct pktq *rxq, struct pkt *const *pkts,
		      uint16_t n);

/** forward_send() to a queue the caller has picked. */
void forward_send_queue(struct worker *w, struct pktq *txq, struct pktq *rxq,
			struct pkt *const *pkts, uint16_t n);

/**
 * Send a frame that is segmented here whether its receiver could do that or not; p->need says how.
 * @p accept: PKT_NEED_CSUM when segments may have partial sums, if the receiver takes them.
 */
void forward_send_cut(struct worker *w, struct pktq *txq, struct pktq *rxq, const struct pkt *p,
		      uint32_t accept);

/**
 * Segments (cut.h): finish in software what @p txq does not take of @p may_leave, and send; count
 * in the account of @p rxq what could not be.
 */
void cut_send(struct worker *w, struct pktq *txq, struct pktq *rxq, const struct pkt *p,
	      uint32_t may_leave);

/** Go on with the jobs of @p rxq. True: it has some, or had, and is not to be polled this time. */
bool cut_continue(struct worker *w, struct pktq *rxq);

/**
 * In a new snapshot: jobs go on only between queues that are in it, in one domain; others are
 * dropped. What a job points to may be gone already, so it is only compared.
 */
void cut_revise(struct worker *w, const struct dataplane *dp);

/** Copies of frames that come in or go @p out at @p port to those who want them (mirror.c). */
void forward_copy(struct worker *w, const struct dp_port *port, bool out, struct pktq *rxq,
		  struct pkt *const *pkts, uint16_t n);

/** forward_send() without that. */
void forward_send_only(struct worker *w, const struct dp_port *out, struct pktq *rxq,
		       struct pkt *const *pkts, uint16_t n);

/**
 * A frame as mode txonly makes it for @p out (its mac and eth_peer): a view on @p h
 * and, when it is long, on zeros described by @p payload. Any thread.
 */
void forward_make_frame(struct pkt *p, struct pkt_hdrs *h, struct pkt_seg *payload,
			const struct fwd_gen *gen, const struct dp_port *out);

/**
 * Note which queue of a multiqueue port its flows come from, so that the reverse flows go there.
 */
void forward_learn_queue(const struct dp_port *in, const struct pktq *rxq, struct pkt_batch *batch);

#define FORWARD_IDLE_AFTER 64 /* polls in vain after which a queue counts as idle */
#define FORWARD_IDLE_FROM 8   /* with no more queues than these, none does */
#define FORWARD_IDLE_LOOK 8   /* idle queues looked at in an iteration without frames */
#define FORWARD_IDLE_SHARE 64 /* frames for which one idle queue is looked at */

/**
 * Have @p w account its cycles by stage from now on, starting at 0, or not any
 * more. Switched off, it costs a test per poll iteration and per tx(). Control.
 */
void worker_time(struct worker *w, bool on);

/**
 * One poll iteration: poll every active queue of the worker once, and some of the idle ones, so
 * that the cost of a frame does not depend on the number of silent guests. Returns the number of
 * chains handled, for worker_end_poll().
 */
uint32_t worker_poll(struct worker *w, const struct dataplane *dp);

/**
 * After a poll iteration that handled @p n chains. Usually a quiescent state; while frames
 * keep coming and control does not wait for one, only once in a few iterations, which
 * lets deferred notifications wait until they are cheap. Load the snapshot anew.
 */
void worker_end_poll(struct worker *w, uint32_t n);

/**
 * Nothing to do: ask all peers for notifications and sleep until one comes or
 * control wakes the worker. Returns at once when a queue has a backlog or got
 * frames in the meantime, and soon when one cannot notify. A quiescent state: load the
 * snapshot anew. True: it slept.
 */
bool worker_idle(struct worker *w, const struct dataplane *dp);

/**
 * The two halves of worker_idle(). arm: true when frames arrived and the worker must not sleep.
 * disarm, also after that: the active queues; idle ones stay armed until they have frames.
 */
bool worker_arm(struct worker *w, const struct dataplane *dp);
void worker_disarm(struct worker *w, const struct dataplane *dp);

#endif
