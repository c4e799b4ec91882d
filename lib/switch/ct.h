/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control; tables are in ct_table.h, those of ports in port_ct.h, and the workers' half in
 * ct_worker.h.
 *
 * Connection tracking: which connections were let through at a port by rules that say so
 * ("allow-related"). Packets of a known connection pass in both directions without being compared
 * with rules, and so do ICMP errors about one.
 *
 * A port whose lists have such a rule has a table of its own, of a size that is fixed when it is
 * made: whatever a guest does, it fills no other port's. The connections of all tables together are
 * limited, too, and divided among them equally: a port may have the least of its limit and its
 * share.
 *
 * The table is kept where lists change as long as one of them tracks, and is empty when another
 * guest comes. Times are in seconds of a clock that control moves, ct_maintain().
 */
#ifndef SWITCH_CT_H
#define SWITCH_CT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CT_LIMIT_DEFAULT 16384u
#define CT_LIMIT_MAX 262144u
#define CT_TOTAL_DEFAULT 1048576u
#define CT_TOTAL_MAX 16777216u
#define CT_TIMEOUT_MAX 604800u /* a week */
#define CT_KEY_WORDS 6

/** States of a connection; of those that are not TCP's only the new and the established one. */
enum ct_state {
	CT_FREE, /* no connection */
	CT_BUSY, /* being filled in */
	CT_NEW,
	CT_ANSWERED, /* the other end has agreed, what opens it has not confirmed that */
	CT_ESTABLISHED,
	CT_CLOSING, /* one end has said that it is done */
	CT_WAIT,    /* both have */
	CT_CLOSED,  /* reset */
	CT_STATES
};

/** Kinds of entries by how long they may be idle. */
enum ct_timeout {
	CT_TCP_NEW,
	CT_TCP_ESTABLISHED,
	CT_TCP_CLOSING,
	CT_TCP_CLOSED,
	CT_UDP_NEW,
	CT_UDP_ESTABLISHED,
	CT_ICMP,
	CT_TIMEOUTS
};

/**
 * The ends of a connection: addresses (IPv4 ones in the first four bytes) and ports in network
 * order, the protocol, the family, and the VLAN tags its packets have at the port.
 */
struct ct_key {
	uint64_t word[CT_KEY_WORDS];
};

/** The same, taken apart. */
struct ct_ends {
	uint8_t guest[16], far[16];
	uint16_t guest_port, far_port; /* host order; of ICMP the identifier, and who asks: 0, 1 */
	uint16_t vlan[2];              /* 0: no tag */
	uint8_t proto;
	bool ip6;
};

/** Counters, of a port and a worker. */
struct ct_counts {
	uint64_t hits;    /* packets of known connections */
	uint64_t related; /* ICMP errors about one */
	uint64_t opened;
	uint64_t evicted; /* for another one: they had no answer, or were closed */
	uint64_t full;    /* packets dropped: no room */
	uint64_t invalid; /* likewise: no part of any connection */
};

/** An entry as it is shown and handed over. */
struct ct_info {
	struct ct_key key;
	uint32_t left_s;
	uint8_t state; /* enum ct_state */
	bool out;      /* it was opened from outside, by a packet the port was sent */
	uint8_t flags; /* for ct_restore() */
};

/** Settings of all ports. */
struct ct_settings {
	uint32_t total;
	uint32_t timeout[CT_TIMEOUTS];
};

extern const char *const ct_timeout_names[CT_TIMEOUTS];

/** Name of a state, as it is shown. */
const char *ct_state_name(enum ct_state s);

void ct_get_settings(struct ct_settings *s);
extern const struct ct_settings ct_defaults;

/** For all ports. -ERANGE: not from 1 to CT_TIMEOUT_MAX. */
int ct_set_timeout(enum ct_timeout t, uint32_t seconds);

/** Take a key apart. Any thread. */
void ct_ends(const struct ct_key *k, struct ct_ends *out);

#endif
