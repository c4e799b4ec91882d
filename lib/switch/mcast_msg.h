/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: any thread.
 *
 * Messages by which hosts join multicast groups and routers ask for them: IGMP versions 1 to 3 (RFC
 * 1112, 2236, 3376) and MLD versions 1 and 2 (RFC 2710, 3810), and those that give a router away
 * (PIM hello, RFC 7761 4.9.2; multicast router advertisement and termination, RFC 4286).
 *
 * Read from a copy of a packet that any guest may have written. Source lists are not kept: a host
 * that wants a group from some sources wants the group.
 */
#ifndef SWITCH_MCAST_MSG_H
#define SWITCH_MCAST_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#define MCAST_PACKET_MAX 2048 /* longest packet a message is read from */
#define MCAST_QUERY_MAX 96    /* longest frame mcast_query() makes */

/** An address of either family; len 0: none. */
struct mcast_ip {
	uint16_t len; /* 4 or 16 */
	uint8_t addr[16];
};

enum mcast_kind {
	MCAST_DATA,   /* none of the others */
	MCAST_QUERY,  /* of a router that wants to know members */
	MCAST_REPORT, /* groups that a host joins or leaves */
	MCAST_HELLO,  /* of a router */
	MCAST_BYE,    /* of a router that is one no more */
	MCAST_BAD,    /* one of them by its number, but malformed: hosts and routers ignore it */
};

struct mcast_msg {
	enum mcast_kind kind;
	struct mcast_ip from, to;
	/* of a query */
	struct mcast_ip group; /* the one it asks for; none: all */
	bool last;             /* and hosts that do not answer want it no more */
	uint32_t max_resp_ms;
	/* of a report, for mcast_next() */
	uint16_t nrecords;
	uint8_t record_min; /* bytes of a record without sources; 0: one group, not in a record */
	bool join, old;     /* of that group */
	const uint8_t *record;
};

/** A group of a report. */
struct mcast_change {
	struct mcast_ip group;
	bool join; /* false: it leaves, */
	bool some; /* or some sources only: it may want the group from others */
	bool old;  /* of IGMP version 1, which neither leaves nor knows queries for a group */
};

/**
 * Read the IP packet of @p len bytes at @p ip, those behind its end included, of a frame with this
 * type. @p m refers to the packet.
 */
void mcast_read(const uint8_t *ip, uint32_t len, uint16_t ether_type, struct mcast_msg *m);

/**
 * The next group of a report: false, there is none. Groups that are not multicast, and records that
 * neither join nor leave, are skipped.
 */
bool mcast_next(struct mcast_msg *m, struct mcast_change *c);

/** Whether it is a multicast address with a length of one. */
bool mcast_is_group(const struct mcast_ip *ip);

/** The address that frames to @p group have (RFC 1112 6.4, RFC 2464 7). */
struct rte_ether_addr mcast_mac(const struct mcast_ip *group);

/**
 * Whether frames with this destination go to every port, joined or not: those of 224.0.0.0/24
 * and ff02::1, with which other groups share it, and all that no IP group has.
 */
bool mcast_mac_is_open(const struct rte_ether_addr *mac);

/** A query to be sent: version 3 of IGMP, 2 of MLD, which older hosts take, too. */
struct mcast_query {
	struct rte_ether_addr src;
	struct mcast_ip from;  /* says which of the two it is */
	struct mcast_ip group; /* none: all */
	uint32_t max_resp_ms;  /* < 12800 */
	uint32_t interval_s;   /* between general ones, < 128 */
};

/** Its frame, without a tag, to @p frame of MCAST_QUERY_MAX bytes. Returns its length. */
uint32_t mcast_query(const struct mcast_query *q, uint8_t *frame);

#endif
