/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control sets; workers match.
 *
 * The frames of a port that its mirror gets: those of a VLAN, from or to a MAC address, from or to
 * an IP address or prefix. All that is set has to fit.
 */
#ifndef SWITCH_MIRROR_FILTER_H
#define SWITCH_MIRROR_FILTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "base/prefix.h"

struct dp_port;
struct pkt;

/** Zeroes: every frame. [fixed] while workers see it */
struct mirror_filter {
	uint16_t vlan; /* 0: any */
	bool has_mac, has_ip;
	struct rte_ether_addr mac;
	struct ip_prefix ip;
	uint8_t mask[16]; /* of ip, filled in by sw_mirror_filter() */
};

/** [atomic] What a port's filters have seen since it was made; workers count a batch at a time. */
struct mirror_seen {
	_Atomic uint64_t fits;     /* frames for the mirror, whether it had room or not */
	_Atomic uint64_t left_out; /* others */
};

/**
 * Whether a frame that @p port sends or is sent fits. Its VLAN is that of its outer tag, or the
 * port's native one; without VLANs on the port that of a tag alone. Worker.
 */
bool mirror_filter_fits(const struct mirror_filter *f, const struct dp_port *port,
			const struct pkt *p);

#endif
