/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The table of snoop.h inside. Internal to lib/switch.
 */
#ifndef SWITCH_SNOOP_TABLE_H
#define SWITCH_SNOOP_TABLE_H

#include "base/ev.h"
#include "switch/snoop.h"
#include "switch/snoop_ring.h"
#include "switch/vlan.h"

#define SNOOP_NS_PER_MS 1000000ull
#define SNOOP_ROBUST 2          /* queries that may be lost (RFC 3376 8.1) */
#define SNOOP_RESPONSE_MS 10000 /* hosts answer general queries within */
#define SNOOP_LAST_MS 1000      /* and those for a group that was left; RFC 3376 8.8 */

/** A group that a port has joined, or an FID where it has routers. */
struct snoop_entry {
	fdb_key key; /* its MAC address and FID; of routers snoop_router_key() */
	struct mcast_ip group;
	uint16_t port;
	uint8_t asks;        /* queries still to be sent since a host left */
	uint64_t asked_ns;   /* when the last one was */
	uint64_t expires_ns; /* forgotten then */
	uint64_t old_ns;     /* until then there is a host with IGMP version 1 */
	/* of routers, by family: the one that was heard; or there are others, too */
	struct mcast_ip router[2];
	bool several[2];
};

/** The querier of an FID, for one family. */
struct snoop_asking {
	struct mcast_ip other; /* another querier, until */
	uint64_t other_until_ns;
	uint64_t next_ns; /* our next general query is due */
	uint8_t started;  /* queries sent since the beginning: the first ones come sooner */
	bool at_work;     /* they are being sent: */
	uint16_t port;    /* to this one next */
};

struct snoop_fid {
	struct snoop_asking family[2]; /* IPv4, IPv6 */
};

struct snoop_domain {
	struct snoop_config set;
	uint32_t n; /* entries */
};

struct snoop {
	struct sw *sw;
	struct snoop_ring *ring;
	struct ev_source event;
	struct ev_timer again, tick, publish;
	uint64_t published_ns;     /* when that was for us last */
	struct rte_ether_addr mac; /* of the switch, in its queries */
	uint32_t non;              /* domains that are snooped */
	uint32_t nticks, asks;     /* queries for single groups since the last one */
	struct snoop_domain *domain[VLAN_DOMAINS];
	struct snoop_fid *fid[VLAN_FID_NONE]; /* of those that were; NULL */
	uint32_t n;
	struct snoop_entry *entry[SNOOP_MAX]; /* ascending by key, group, port */
	struct snoop_stats stats;
};

static inline fdb_key
snoop_router_key(uint16_t fid)
{
	return (fdb_key)fid << 48;
}

static inline uint16_t
snoop_fid_of(const struct snoop_entry *e)
{
	return (uint16_t)(e->key >> 48);
}

/** NULL: the domain is not snooped. */
static inline struct snoop_domain *
snoop_domain_of(const struct snoop *t, uint16_t domain)
{
	struct snoop_domain *d = domain < VLAN_DOMAINS ? t->domain[domain] : NULL;

	return d != NULL && d->set.on ? d : NULL;
}

/** The settings of an FID, whose domain and VLAN (0: none) are returned; NULL: not snooped. */
const struct snoop_config *snoop_config_of(const struct snoop *t, uint16_t fid, uint16_t *domain,
					   uint16_t *vlan);

/* --- snoop_table.c --- */

/** The index of the first entry whose key is not below @p key. */
uint32_t snoop_table_first(const struct snoop *t, fdb_key key);

/** The index of the first entry of a group (none: of routers) in an FID. */
uint32_t snoop_table_group(const struct snoop *t, uint16_t fid, const struct mcast_ip *group);

struct snoop_entry *snoop_table_find(const struct snoop *t, uint16_t fid,
				     const struct mcast_ip *group, uint16_t port);

/**
 * A new entry, which is not there. It may take the place of one of another port, so pointers to
 * others are void. NULL: refused, and counted, or out of memory.
 */
struct snoop_entry *snoop_table_add(struct snoop *t, uint16_t fid, const struct mcast_ip *group,
				    struct port *p);

void snoop_table_remove(struct snoop *t, struct snoop_entry *e);

/** Remove those that @p keep says no of; it must not change the table. Returns how many. */
uint32_t snoop_table_sift(struct snoop *t,
			  bool (*keep)(struct snoop *t, struct snoop_entry *e, uint64_t arg),
			  uint64_t arg);

/* --- snoop_querier.c --- */

/** A general query of another querier was heard. */
void querier_heard(struct snoop *t, const struct snoop_req *r, uint64_t now_ns);

/** Whether this switch is to ask in @p fid, for the groups of a family. */
bool querier_is_ours(const struct snoop *t, uint16_t fid, int family, uint64_t now_ns);

/** Ask who is behind the port of @p e, where a host has left. False: too many are asked for. */
bool querier_ask_last(struct snoop *t, struct snoop_entry *e, uint64_t now_ns);

/** Send general queries that are due. True: there are more than fit at once. */
bool querier_run(struct snoop *t, uint64_t now_ns);

#endif
