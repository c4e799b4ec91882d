/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Frames of control's own, sent in the name of a port: control puts them into a
 * ring, one worker takes them out like the frames of any queue and hands them
 * to the forwarding mode, limits and copies of the port included.
 *
 * A port's share is limited: it costs the workers less than the port's own
 * frames could, however often its peer asks.
 */
#ifndef SWITCH_INJECT_H
#define SWITCH_INJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/pktq.h"
#include "switch/bucket.h"

struct dp_worker;
struct inject;
struct port;
struct rte_mbuf;
struct sw;

#define INJECT_BURST 32 /* frames in the name of a port at once */
#define INJECT_RATE 10  /* and per second in the long run */

/** Frames of control's own, sent in the name of a port. */
struct inject_port {
	struct pktq q;        /* [worker] accounts only: an rx queue that is never polled */
	uint32_t serial;      /* [fixed] no port before or after it has the same one */
	struct bucket bucket; /* [ctl] */
	uint64_t refused;     /* [ctl] frames no worker has seen: over the limit */
};

/**
 * Have a frame forwarded, soon, as if it had come in at @p from. Takes @p m, one segment without
 * offloads. False: not forwarding, @p from has no running queue, or (counted as DROP_RX_INJECT) too
 * many frames are sent in its name.
 */
bool sw_inject(struct sw *s, struct port *from, struct rte_mbuf *m);

/**
 * Have a frame sent to the peer of @p to alone, soon, past mode, FDB and VLANs, as it is.
 * Takes @p m like sw_inject(), but the caller limits how often; false as there, or too many wait.
 */
bool sw_send(struct sw *s, struct port *to, struct rte_mbuf *m);

/** NULL: out of memory. */
struct inject *inject_new(void);

/** Frees the frames in the ring, too. NULL is fine; no worker is online. */
void inject_free(struct inject *i);

/** For a new port with this id. NULL: out of memory. Freed with free() when no snapshot has it. */
struct inject_port *inject_port_new(struct inject *i, uint16_t id);

/** Let this worker poll the queue. */
void inject_poll(struct inject *i, struct dp_worker *dw);

/** No worker polls the queue: drop its frames. */
void inject_drain(struct sw *s);

#endif
