/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Snooping of IGMP and MLD: in domains where it is on, frames of a multicast group go to the ports
 * that have joined it, in each VLAN by itself, and to those that have multicast routers.
 *
 * Members are known by port. Frames to 224.0.0.0/24 and ff02::1 go to all. Reports go to routers
 * only. Hosts have to be asked again and again: where no router does that, the switch does.
 *
 * Everything here a guest can make grow: a port has so many groups, all ports together SNOOP_MAX,
 * and where there is no room a port takes that of one that has more. However often groups change, a
 * snapshot is published for them a few times a second only.
 *
 * A guest that says it is a router is believed unless its port is not to have one. It cannot end
 * what others have joined: a query for a group ends that only where those are asked who have, and
 * only after the time they have to answer; and the switch asks unless all are asked by another one.
 */
#ifndef SWITCH_SNOOP_H
#define SWITCH_SNOOP_H

#include "switch/mcast_msg.h"
#include "switch/port.h"

struct snoop;
struct sw;

#define SNOOP_MAX 8192        /* entries of all ports: groups, and FIDs they have routers in */
#define SNOOP_PORT_GROUPS 256 /* of one port, unless set */
#define SNOOP_INTERVAL 125    /* seconds between general queries (RFC 3376 8.2) */
#define SNOOP_INTERVAL_MIN 20
#define SNOOP_INTERVAL_MAX 127 /* what queries can say in one byte */

/** Settings of a domain. */
struct snoop_config {
	bool on;
	bool querier;        /* ask, if no router does */
	bool flood;          /* groups that no port has joined go to all ports */
	bool fast_leave;     /* forget a port that leaves at once: one host behind each */
	uint32_t interval_s; /* between general queries */
	uint32_t limit;      /* entries of all ports of the domain, 0: as many as of all domains */
	uint8_t address[4];  /* IPv4 source of queries, zero: those of any router come first */
};

/** An entry of the table, for display. */
struct snoop_info {
	uint16_t domain, vlan; /* VLAN 0: none */
	uint16_t port;
	struct mcast_ip group; /* none: the port has a router */
	uint32_t left_s;       /* until it is forgotten */
	uint32_t old_s;        /* until then there is a host with IGMP version 1 */
	/* of a router, by family (0: IPv4, 1: IPv6): the one that was heard; or others, too */
	struct mcast_ip router[2];
	bool several[2];
};

/** A router that asks, so that the switch does not. */
struct snoop_other {
	uint16_t domain, vlan; /* VLAN 0: none */
	struct mcast_ip ip;
	uint32_t left_s; /* until it is not waited for any more */
};

struct snoop_stats {
	uint32_t groups, routers; /* entries */
	uint64_t joins, leaves;   /* messages heard, by group */
	uint64_t queries;         /* heard of other queriers */
	uint64_t sent;            /* queries */
	uint64_t aged;            /* entries not heard of any more */
	/* joins beyond the limit of a port, of a domain, of all ports */
	uint64_t refused_port, refused_domain, refused_all;
	uint64_t evicted; /* entries for those of ports that have fewer */
	uint64_t lost;    /* messages that came too fast */
};

/** The settings of @p domain, or those it would have when switched on. */
struct snoop_config snoop_get(const struct sw *s, uint16_t domain);

/** 0, -EINVAL (no such domain or an impossible value), -ENOMEM. Publishes. */
int snoop_set(struct sw *s, uint16_t domain, const struct snoop_config *c);

/** Say whether routers are behind @p p. Publishes. */
void snoop_set_router(struct port *p, enum snoop_router router);

/** Groups @p p may join from now on, 0: SNOOP_PORT_GROUPS. -EINVAL: more than SNOOP_MAX. */
int snoop_set_limit(struct port *p, uint64_t limit);

/** The same, as it is. */
uint32_t snoop_limit(const struct port *p);

/**
 * Forget what is known of @p p, which is published when it is next; what workers heard of it before
 * is taken in first. Its groups are asked for once it is back.
 */
void snoop_forget_port(struct port *p);

/** Learn what workers have heard so far. */
void snoop_take_in(struct sw *s);

/**
 * Let time pass, @p now_ns of ev_now_ns(): forget what is out of date, ask what is due. By itself
 * it does so on the switch's loop.
 */
void snoop_tick(struct sw *s, uint64_t now_ns);

/**
 * As if @p i had been heard, with what is left of its time, but for old hosts and the addresses of
 * routers. False: it does not fit.
 */
bool snoop_restore(struct sw *s, const struct snoop_info *i);

/** Those two, of an entry that was restored; nothing if it was not. */
void snoop_restore_hosts(struct sw *s, const struct snoop_info *i);

/** The next router that asks, from *@p at on, which is moved behind it; false: there are none. */
bool snoop_other_next(const struct sw *s, uint32_t *at, struct snoop_other *out);

/** As if @p o had asked; nothing where this switch does not snoop. */
void snoop_restore_other(struct sw *s, const struct snoop_other *o);

/** The @p at-th entry, from 0; false: there are no more. */
bool snoop_entry(const struct sw *s, uint32_t at, struct snoop_info *out);

/**
 * The router that asks in a domain and VLAN, by family (0: IPv4, 1: IPv6); none: the switch does,
 * or no one.
 */
struct mcast_ip snoop_querier(const struct sw *s, uint16_t domain, uint16_t vlan, int family);

void snoop_get_stats(const struct sw *s, struct snoop_stats *out);

/** Count on from a predecessor's numbers; those of entries are counted as they are restored. */
void snoop_restore_stats(struct sw *s, const struct snoop_stats *from);

/** NULL is fine. No port is left. */
void snoop_free(struct snoop *t);

#endif
