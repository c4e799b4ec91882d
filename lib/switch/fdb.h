/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control; for the workers' half see fdb_worker.h.
 *
 * Forwarding database: which port a MAC address is behind.
 *
 * Control alone adds and removes (rte_hash, lock-free readers, freed through
 * the same RCU variable the dataplane uses). Workers look up in bulk and push
 * what they learn to a ring of their own; per frame they write nothing that
 * another core reads: an entry's age word is written at most once a second.
 */
#ifndef SWITCH_FDB_H
#define SWITCH_FDB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_ether.h>

struct fdb;
struct rte_rcu_qsbr;

#define DP_PORTS_MAX 2048 /* ports have ids below */
#define FDB_PORT_NONE UINT16_MAX
#define FDB_BULK_MAX 64 /* keys of one fdb_lookup() or fdb_seen() */

/**
 * Key: MAC and FID, the number of the filtering database (802.1Q) that frames of a bridge, or of a
 * VLAN of it, are looked up in; see vlan_fid().
 */
typedef uint64_t fdb_key;

static inline fdb_key
fdb_key_make(const struct rte_ether_addr *mac, uint16_t fid)
{
	uint64_t k = 0;

	__builtin_memcpy(&k, mac->addr_bytes, RTE_ETHER_ADDR_LEN);
	return k | (uint64_t)fid << 48;
}

struct fdb_config {
	uint32_t limit;      /* entries in total */
	uint32_t port_limit; /* learned entries per port, 0: no limit */
	uint32_t ageing_s;   /* 0: entries never age */
	uint32_t workers;    /* learn rings to make */
	struct rte_rcu_qsbr *qsbr;
};

#define FDB_LIMIT_DEFAULT 131072
#define FDB_AGEING_DEFAULT 300

/** How an entry came to be. */
enum fdb_origin {
	FDB_LEARNED, /* seen as a source; ages, may be evicted, moves */
	FDB_STATIC,  /* the operator's; stays until it is removed */
	FDB_EXTERN,  /* a control plane's; moves when the address is seen on a port that learns */
};

struct fdb_entry_info {
	struct rte_ether_addr mac;
	uint16_t fid;
	uint16_t port;
	uint32_t age_s; /* of a learned one */
	enum fdb_origin origin;
	uint32_t moves;
};

/** Is told of changes of entries that are not a control plane's. In the struct of its owner. */
struct fdb_listener {
	/**
	 * Entry @p e is there, new, behind another port or static from now on; or (@p there false)
	 * it goes, aged, evicted, flushed, deleted or replaced by one of a control plane. Control;
	 * must not change the table.
	 */
	void (*fn)(struct fdb_listener *l, const struct fdb_entry_info *e, bool there);
	SLIST_ENTRY(fdb_listener) entry;
};

struct fdb_stats {
	uint64_t entries, learned, aged, moved, evicted;
	uint64_t refused_limit, refused_port_limit, ring_full;
};

/**
 * NULL when out of memory. cfg->limit, or FDB_LIMIT_DEFAULT if that is more, is the most
 * fdb_set_limits() allows later.
 */
struct fdb *fdb_new(const struct fdb_config *cfg);

/** After the last worker has gone offline. */
void fdb_free(struct fdb *f);

/**
 * -ERANGE: the table was not made that large. Entries over a lowered limit stay until they age or
 * new ones take their place: in a full table the port with the most learned entries loses one.
 */
int fdb_set_limits(struct fdb *f, uint32_t limit, uint32_t port_limit, uint32_t ageing_s);

/** Override the global per-port limit; 0 returns to it. -EINVAL: no such port id. */
int fdb_set_port_limit(struct fdb *f, uint16_t port, uint32_t limit);
/** The override, 0: none. @p port < DP_PORTS_MAX. */
uint32_t fdb_get_port_limit(const struct fdb *f, uint16_t port);

/**
 * A second limit, of the guest behind @p port < DP_PORTS_MAX, 0: none. The stricter one is in
 * force.
 */
void fdb_set_guest_limit(struct fdb *f, uint16_t port, uint32_t limit);

/**
 * Frames of stations behind @p port come in at @p via, too (FDB_PORT_NONE: no more): an address
 * that is seen there stays where it is. Both < DP_PORTS_MAX.
 */
void fdb_set_via(struct fdb *f, uint16_t port, uint16_t via);

/** That limit. @p port < DP_PORTS_MAX. */
uint32_t fdb_get_guest_limit(const struct fdb *f, uint16_t port);

/** The limit in force for @p port: its own or that of all, or its guest's; 0: none. */
uint32_t fdb_port_limit(const struct fdb *f, uint16_t port);

/**
 * Learn an address as if it had been seen on @p port, within the limits. False: not a unicast
 * address, no room, or it stays where it is.
 */
bool fdb_learn(struct fdb *f, const struct rte_ether_addr *mac, uint16_t fid, uint16_t port);

/**
 * Have a predecessor's entry that is not static, with its age and moves. False: as fdb_learn(), or
 * fdb_add_extern() refuses it.
 */
bool fdb_restore(struct fdb *f, const struct fdb_entry_info *e);

/** Count on from a predecessor's numbers; entries is not among them. */
void fdb_restore_stats(struct fdb *f, const struct fdb_stats *s);

/** Add, or make an existing entry static. -EINVAL (not a unicast address), -ENOSPC. */
int fdb_add_static(struct fdb *f, const struct rte_ether_addr *mac, uint16_t fid, uint16_t port);

/**
 * The same for an address of a control plane, which takes over a learned one. -EEXIST: the operator
 * has a static entry for it. -ENOSPC: half of the table is a control plane's, which is all it can
 * have: other hosts must not push out what is learned here. A learned entry is forgotten then.
 * Within that half a port with fewer entries pushes out one of the port with the most.
 */
int fdb_add_extern(struct fdb *f, const struct rte_ether_addr *mac, uint16_t fid, uint16_t port);

/** Call l->fn for changes from now on. Control. */
void fdb_listen(struct fdb *f, struct fdb_listener *l);
void fdb_unlisten(struct fdb *f, struct fdb_listener *l);

/** -ENOENT. */
int fdb_del(struct fdb *f, const struct rte_ether_addr *mac, uint16_t fid);

/**
 * Forget the addresses behind @p port (FDB_PORT_NONE: behind all), those that are not learned too
 * if @p statics is set. Requests that workers pushed before are taken in first, so that a port that
 * has left the snapshot is forgotten for good. Returns the number removed.
 */
uint32_t fdb_flush_port(struct fdb *f, uint16_t port, bool statics);

/**
 * Forget what was learned behind @p port < DP_PORTS_MAX, which may be all the table holds: a few
 * hundred addresses at once, the others in portions by fdb_maintain(). Until then frames to those
 * are still sent there; they count as gone. Requests workers pushed before are taken in first.
 */
void fdb_forget_port(struct fdb *f, uint16_t port);

/** The same behind all ports. Returns how many addresses that is. */
uint32_t fdb_forget_all(struct fdb *f);

#define FDB_PORTION 512 /* requests fdb_maintain() takes in at once: well below a millisecond */

/**
 * Learn a portion of the addresses that workers have seen, and age some entries. Returns the number
 * of requests taken in. Call when fdb_event_fd() is readable, soon after a call that took in any or
 * after which fdb_await() says so, and once a second. @p now_ns: monotonic, never goes back.
 */
uint32_t fdb_maintain(struct fdb *f, uint64_t now_ns);

/** Learn all addresses that workers have seen, which may take a millisecond for each worker. */
void fdb_take_in(struct fdb *f);

/** Readable when workers have something to be learned, once after fdb_await(). */
int fdb_event_fd(const struct fdb *f);

/**
 * Have the next worker that sees something new make fdb_event_fd() readable; until then none of
 * them makes a system call for it. False: there is something to do for fdb_maintain().
 */
bool fdb_await(struct fdb *f);
void fdb_get_stats(const struct fdb *f, struct fdb_stats *out);

/** Invalidate the lookups that workers remember, for reasons outside the table. */
void fdb_new_epoch(struct fdb *f);

/** Learned entries behind @p port. */
uint32_t fdb_port_count(const struct fdb *f, uint16_t port);

/** Entries of a control plane behind @p port. */
uint32_t fdb_extern_count(const struct fdb *f, uint16_t port);

/** The entry of an address; false: there is none. */
bool fdb_find(const struct fdb *f, const struct rte_ether_addr *mac, uint16_t fid,
	      struct fdb_entry_info *out);

/**
 * The first entry at or behind *@p at, 0 at first, to @p out; *@p at is then where the next call
 * goes on, whatever changes between two calls. False: there is none.
 */
bool fdb_next(const struct fdb *f, uint32_t *at, struct fdb_entry_info *out);

/** Calls @p fn for each entry until it returns false. */
void fdb_walk(struct fdb *f, bool (*fn)(const struct fdb_entry_info *e, void *arg), void *arg);

#endif
