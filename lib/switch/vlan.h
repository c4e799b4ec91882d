/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control and workers.
 *
 * VLANs (802.1Q) of the switch.
 *
 * A port with VLAN settings is an access port, of one VLAN and without tags,
 * or a trunk, which carries some VLANs tagged and at most one, its native one,
 * untagged. A port without settings is in no VLAN: it exchanges frames with
 * other such ports of its domain, whatever their tags, and with no port that
 * has settings.
 *
 * To the FDB a VLAN of a domain is one more domain, numbered from
 * VLAN_FID_FIRST. A tag is taken off by moving the view's beginning; its contents are a copy. It is
 * put in front again, from the worker's memory, in the view handed to a receiver that wants it:
 * still one copy of the frame.
 *
 * A tag behind the tag is refused, unless a port takes customers' tags (802.1ad): then all behind
 * its own tag is data, and its own tag may have type 0x88a8. Such frames go to ports of that kind
 * only: on another one the tag behind would count.
 */
#ifndef SWITCH_VLAN_H
#define SWITCH_VLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/pkt.h"

#define VLAN_IDS 4096 /* 1 to 4094 are VLANs */
#define VLAN_ID_MAX 4094
#define VLAN_DOMAINS 4096 /* bridges there can be */
#define VLAN_FID_FIRST VLAN_DOMAINS
#define VLAN_FID_NONE UINT16_MAX /* domain of ports that have VLANs: equals no member's */
#define VLAN_FID_MIRROR (VLAN_FID_NONE - 1) /* of frames for a mirror: equals no member's, too */
#define VLAN_GROUPS 4                       /* kinds of isolation, DP_ISOLATIONS */
#define VLAN_TAGGED_LEN 18                  /* Ethernet header and tag */

/** VLAN settings of a port. */
struct vlan_config {
	bool on;
	bool access;     /* takes no tagged frames */
	uint16_t native; /* of untagged frames; 0: a trunk that takes none */
	uint16_t qinq;   /* type of the port's tags, behind which others may be; 0: none may */
	uint64_t allowed[VLAN_IDS / 64];
};

/** The same for workers. Ports of one domain with the same settings share one. */
struct dp_vlan {
	/* [fixed] */
	bool access;
	bool qinq;       /* tags of others may be behind its own, or on an access port alone */
	rte_be16_t type; /* of its own */
	uint16_t native;
	uint16_t fid[VLAN_IDS]; /* 0: not on these ports */
	/* [ctl] */
	uint32_t nports; /* that have it */
	uint16_t
		group[VLAN_GROUPS]; /* by kind of isolation, while members are listed (members.c) */
	uint16_t nfids, fids[];     /* those that are not 0 */
};

/**
 * The FID of a frame. Without VLANs it is the domain of the port it came in at, and @p vlan is 0.
 */
struct dp_fid {
	uint16_t fid;  /* VLAN_FID_NONE: not known, as in modes that have no FIDs */
	uint16_t vlan; /* its number in the tag */
};

/** A worker's scratch for the frames of one batch. */
struct vlan_scratch {
	uint16_t fid[PKT_BATCH_MAX];
	uint16_t tci[PKT_BATCH_MAX];
	uint64_t popped; /* frames that came with a tag */
	uint64_t tagged; /* frames that have a view with a tag */
	uint64_t inner;  /* frames with a tag that is not the port's */
	struct pkt view[PKT_BATCH_MAX];
	uint8_t header[PKT_BATCH_MAX][VLAN_TAGGED_LEN];
};

static inline bool
vlan_is_allowed(const struct vlan_config *c, uint16_t id)
{
	return (c->allowed[id / 64] >> id % 64 & 1) != 0;
}

static inline void
vlan_allow(struct vlan_config *c, uint16_t id)
{
	c->allowed[id / 64] |= UINT64_C(1) << id % 64;
}

#endif
