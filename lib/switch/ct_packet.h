/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: workers.
 *
 * Which connection a packet is of. Headers are those that were copied (upper.h), so a guest cannot
 * change them any more. Internal to lib/switch.
 *
 * A fragment behind the first is of none: it has no ports. Nothing is put together here.
 */
#ifndef SWITCH_CT_PACKET_H
#define SWITCH_CT_PACKET_H

#include "switch/acl.h"
#include "switch/ct.h"
#include "switch/upper.h"

enum ct_kind {
	CT_NONE,    /* of no connection: rules alone say whether it passes */
	CT_INVALID, /* likewise, but it opens none either: a malformed header */
	CT_PACKET,
	CT_RELATED, /* an ICMP error about one: the key is that one's */
};

/* flags: those of TCP, and */
#define CT_FIN 0x01u
#define CT_SYN 0x02u
#define CT_RST 0x04u
#define CT_ACK 0x10u
#define CT_URG 0x20u
#define CT_IS_TCP 0x100u
#define CT_ANSWERS 0x200u /* it is an answer and opens nothing */
#define CT_OPENS 0x400u   /* it opens a connection, whatever there was before */

struct ct_packet {
	struct ct_key key;
	uint64_t hash;
	uint32_t seq, ack; /* of TCP */
	uint16_t flags;
	uint8_t kind; /* enum ct_kind */
	uint8_t proto;
	bool ip6;
};

/**
 * What packet @p p is that goes @p dir at its port: @p k and @p u are of its headers @p h. The hash
 * is not made.
 */
void ct_packet_read(struct ct_packet *c, enum acl_dir dir, enum acl_family f, struct pkt_hdrs *h,
		    const struct acl_key *k, const struct upper *u, const struct pkt *p);

#endif
