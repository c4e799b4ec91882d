/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * A switch and its ports as records, for a process that goes on with them (app/upgrade.h). Settings
 * that "show config" prints are not among them: the successor has made the same ports with the same
 * settings before it reads the first one.
 */
#ifndef SWITCH_HANDOVER_H
#define SWITCH_HANDOVER_H

#include "pkt/hand.h"
#include "switch/port.h"

struct sw;

#define SW_HAND_FIRST 0x100 /* record types of the switch, */
#define SW_HAND_PORT 0x120  /* and from here on, of a port: the one named last */
#define SW_HAND_END 0x200

/** How a kind of port goes on in another process. */
struct port_handover_ops {
	/** Something against it, static text; NULL: nothing, at this moment. */
	const char *(*against)(const struct port *p);
	/** Its queues are to be taken from the workers by the publication that the caller makes. */
	void (*stop)(struct port *p);
	/** After that publication: append the records of the port's own. */
	void (*save)(struct port *p, struct blob *b);
	/**
	 * Close a device that only one process can have; after save(). NULL with acquire(): both
	 * can have all of the port.
	 */
	void (*release)(struct port *p);
	/**
	 * Open it: in the successor, where all records have been loaded, or again in the
	 * predecessor, when no process took over. 0, or -errno with a sentence in @p err; the port
	 * has no device then.
	 */
	int (*acquire)(struct port *p, char *err, size_t errlen);
	/**
	 * The successor's port, which has had no peer, goes on where a record of type SW_HAND_END
	 * or above says. NULL, or the reason why it cannot, static text.
	 */
	const char *(*load)(struct port *p, const struct hand_record *h);
	/** Run: in the successor, or where it was stopped and no process took over. */
	void (*run)(struct port *p);
};

/**
 * Append the addresses that are not the operator's, the counters of learning, and members of
 * multicast groups.
 */
void sw_hand_over(struct sw *s, struct blob *b);

/** Append the records of @p p that all kinds of ports have. */
void port_hand_over(const struct port *p, struct blob *b);

/**
 * Append the counters of a queue of @p p, which it has or not, as a record of @p type of its kind:
 * struct port_counters_head, then numbers in the order of the legend.
 */
void port_put_counters(const struct port *p, uint16_t type, uint16_t tx, uint16_t index,
		       struct blob *b);

/** Whose counters a record has. */
struct port_counters_head {
	uint16_t tx, index;
	uint32_t zero;
};

/** The queue of a record of port_put_counters(). False: it is too short, or there are no such. */
bool port_get_counters_head(const struct hand_record *h, struct port_counters_head *out);

/** Add its numbers to @p to, whose owner is control. NULL, or why not, static text. */
const char *port_add_counters(const struct hand_record *h, struct pktq_stats *to);

/** Append a baseline of @p p as number @p which of its own. */
void baseline_hand_over(const struct baseline *base, uint32_t which, struct blob *b);

/** Take a record of the switch. NULL, or the reason why it cannot be taken, static text. */
const char *sw_take_over(struct sw *s, const struct hand_record *h);

/** Take a record of @p p below SW_HAND_END; baselines by their number, @p n of them. */
const char *port_take_over(struct port *p, const struct hand_record *h,
			   struct baseline *const *base, uint32_t n);

#endif
