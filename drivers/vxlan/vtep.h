/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port of the switch that stands for one VNI at one VTEP: the far end of a tunnel.
 *
 * Frames sent to it are copied once, into an mbuf, get the outer header of the template in force
 * and leave by a tx queue of the port below. It is not polled: frames from the VTEP come in at the
 * port below, where demux.h finds them; the port has one receive queue for each worker, for the
 * accounts. Ports of tunnels never exchange frames with each other (DP_ISOLATED_TUNNEL).
 *
 * One port for each VNI of a VTEP: FDB, VLANs, flooding, limits, captures and counters work on
 * ports, so none of them has to know of tunnels.
 *
 * Control thread but for the queues.
 */
#ifndef VXLAN_VTEP_H
#define VXLAN_VTEP_H

#include <stdatomic.h>

#include "switch/port.h"
#include "vxlan/outer.h"

struct port_handover_ops;
struct vtep_txq;

/** See above. Freed by sw_port_remove(). */
struct vtep {
	struct port port; /* first member */
	/* [fixed] */
	struct evpn_ip ip;
	char text[EVPN_IP_TEXT]; /* of it */
	uint32_t vni;
	char below[PORT_NAME_MAX]; /* the port frames leave by; there need not be one */
	/* [ctl] */
	bool short_of_memory; /* for a tx queue: it has none until the next build */
	const char *why;      /* there is no template: static text */
	uint16_t ntx;         /* queues made so far */
	struct vtep_txq *tx[DP_QUEUES_MAX];
	/* [fixed] the accounts of what came in, by worker */
	uint16_t nrx;
	struct pktq *rx[DP_WORKERS_MAX];
	/* [atomic] NULL: frames have no way now */
	_Atomic(const struct outer *) outer;
};

struct vtep_config {
	struct evpn_ip ip;
	uint32_t vni;
	const char *name, *below;
	uint16_t domain;
	uint16_t vlan;      /* of the domain; 0: none */
	bool learns;        /* addresses are learned from its frames; false: EVPN tells both */
	const uint16_t *id; /* the lowest number it may get; NULL: that of tunnels' */
};

/** Add a port to the switch; the caller publishes. NULL with errno set: ENOMEM, ENOSPC, EEXIST. */
struct vtep *vtep_new(struct sw *sw, const struct vtep_config *c);

/**
 * Have frames sent with this template from now on; NULL: not at all, for reason @p why (static).
 * Returns the former one, which workers use until the next grace period.
 */
const struct outer *vtep_set_outer(struct vtep *v, const struct outer *o, const char *why);

/** Queue @p index of one direction, made if need be; NULL: there can be none, or no memory. */
struct pktq *vtep_queue(struct vtep *v, bool tx, uint16_t index);

/** handover.c */
extern const struct port_handover_ops vtep_handover;

/** The port below, or NULL. */
struct port *vtep_below(const struct vtep *v);

#endif
