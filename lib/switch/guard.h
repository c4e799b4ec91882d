/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control; for the workers' half see guard_worker.h.
 *
 * The guard of a port: which IP addresses may be behind it, and whether a DHCP server or a router
 * may. Frames that do not fit are dropped where they come in, before limits are spent on it.
 *
 * The expectation is that of a port with port security in a cloud: a station sends from its own
 * addresses, speaks for no other one's (ARP, neighbour discovery), asks for an address by DHCP and
 * for routers, and joins multicast groups.
 */
#ifndef SWITCH_GUARD_H
#define SWITCH_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "base/prefix.h"

#define GUARD_PAIRS_MAX 64

/* checks */
#define GUARD_ADDRESSES 0x1u /* sources of IP, senders of ARP, targets of neighbour discovery */
#define GUARD_DHCP 0x2u      /* no messages of DHCP servers and relays, of either version */
#define GUARD_RA 0x4u        /* no router advertisements, no redirects, of either version */
#define GUARD_ALL 0x7u

/** An address or a prefix, and the MAC address it goes with. */
struct guard_pair {
	struct ip_prefix ip;
	bool any_mac; /* mac is zero */
	struct rte_ether_addr mac;
};

/** The guard of a port as it is set; all zero: none. */
struct guard_config {
	uint32_t checks;
	uint32_t n;
	struct guard_pair pair[GUARD_PAIRS_MAX];
};

/** A pair as workers compare it: (address ^ addr) & mask is 0. */
struct guard_match {
	uint64_t addr[2], mask[2]; /* as in memory; IPv4: the first four bytes */
	uint64_t mac;              /* a word of limiter_mac_word(), 0: any */
};

/** A guard at work. [fixed] */
struct guard {
	uint32_t checks;
	bool any_mac;           /* stations of any MAC address may be there */
	uint16_t n4, n;         /* IPv4 ones come first */
	struct guard_match m[]; /* n */
};

/** Control. NULL: out of memory. */
struct guard *guard_new(const struct guard_config *c);
void guard_free(struct guard *g);

/** Whether a guard lets a station with @p mac have an address of @p len bytes, 4 or 16. Control. */
bool guard_allows(const struct guard_config *c, const struct rte_ether_addr *mac,
		  const uint8_t *addr, uint8_t len);

/** ip_prefix_parse(); an address that no host can have is refused, too. Any thread. */
bool guard_parse(const char *text, struct ip_prefix *p);

#endif
