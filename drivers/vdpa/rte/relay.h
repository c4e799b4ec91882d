/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine of one port by one rte_vdpa device, see relay.c. Inside this folder. Control thread.
 */
#ifndef VDPA_RTE_RELAY_H
#define VDPA_RTE_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/ev.h"
#include "vdev/engine.h"
#include "vdev/vdev.h"
#include "vhost_user/frontend.h"

struct card;
struct gmem;

enum phase {
	PHASE_NONE,
	PHASE_PREPARING,
	PHASE_PREPARED, /* features and memory are said */
	PHASE_STARTING, /* DRIVER_OK was said, the proof is waited for */
	PHASE_RUNS,
	PHASE_STOPPING, /* it was told to, and has not yet */
};

/** The facts a session was made for. */
struct facts {
	const struct gmem *gmem;
	uint64_t features;
	uint16_t mtu;
};

struct relay {
	struct engine engine; /* first member */
	struct card *card;
	struct vdev *dev;
	struct vhu_frontend session;
	enum phase phase;
	struct facts facts;
	struct gmem *gmem; /* a reference: what facts.gmem points to is not reused meanwhile */
	bool stale;        /* a ring came or went: another session is due */
	bool ring[VDEV_QUEUES_MAX], told_enabled[VDEV_QUEUES_MAX], doorbell[VDEV_QUEUES_MAX];
	const char *failed; /* static text */
	bool irq_changed;   /* while the proof is waited for */
	bool stopped;       /* the device has answered that it has */
	struct ev_timer settle, proof, watch, again, changed, stop;
	uint64_t proof_end;
	uint32_t proofs; /* since the start: each kick was consumed */
	SLIST_ENTRY(relay) entry;
};

SLIST_HEAD(relays, relay);
extern struct relays relays; /* of all ports */

/** vdpa_kind.open() */
struct engine *relay_open(const char *device, struct vdev *d, char *err, size_t errlen);

/** Have the device derived anew, but not from within a callback of the session. */
void relay_changed(struct relay *r);

/** The ports that name the device look whether it is for them now. */
void relay_card_changed(const struct card *c);

/** End the session, if there is one. */
void relay_drop(struct relay *r);

#endif
