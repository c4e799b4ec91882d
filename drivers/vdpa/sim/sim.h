/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A simulated card: devices that move guests' frames as hardware would.
 *
 * The card is a thread of its own that works on the rings in guest memory, with
 * its own positions, and puts the frames on wires. A wire is a hub: every running
 * device on it gets the frames of the others, and so does the wire's uplink, a
 * DPDK device through which the switch exchanges frames with the wire. The wire
 * "back" returns each frame to the device that sent it. Devices are made when
 * they are first named and stay.
 *
 * Rings are read by the code of lib/virtq, which has a model and a fuzzer of its
 * own, with a struct vq that belongs to the card; what is simulated is hardware's
 * independence: own thread, own positions, own counters, failures. A second
 * implementation of the ring would test itself only.
 *
 * Control thread, except card.c's marked functions. The card holds its lock while
 * it touches a ring or a device; control takes it to start and stop rings, so that
 * nothing is in flight when it has it.
 */
#ifndef VDPA_SIM_SIM_H
#define VDPA_SIM_SIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_ring.h>

#include "vdpa/vdpa.h"

#define SIM_PAIRS_MAX 8
#define SIM_WIRE_MAX 16
#define SIM_WIRE_BACK "back"
#define SIM_WIRE_FIRST "w0" /* devices are on it unless they are moved */
#define SIM_STALL_MS 1000   /* without progress before the engine gives up */

/** Failures on request: X(symbol, word). */
#define SIM_FAULTS(X)             \
	X(NONE, "none")           \
	X(REFUSE, "refuse")       \
	X(HALFWAY, "halfway")     \
	X(STALL, "stall")         \
	X(INDEX, "index")         \
	X(INTERRUPT, "interrupt") \
	X(VANISH, "vanish")

enum sim_fault {
#define X(sym, word) SIM_FAULT_##sym,
	SIM_FAULTS(X)
#undef X
		SIM_FAULT_NUM
};

/** A hub and its uplink. Made when first named, never freed. */
struct sim_wire {
	char name[SIM_WIRE_MAX];
	/* [card] frames to and from the switch; NULL: no uplink was made */
	struct rte_ring *up, *down;
	uint64_t up_lost; /* [card] the switch did not take them in time */
	STAILQ_ENTRY(sim_wire) entry;
};

/** [card] A ring of a device. */
struct sim_ring {
	struct vq vq; /* counters live as long as the device */
	bool running;
	bool enabled; /* else it receives nothing, and what it transmits is discarded ... */
	bool waits;   /* ... unless it may be about to be enabled: then it is left alone */
};

struct sim_engine;

struct sim_dev {
	char name[VDPA_NAME_MAX];
	struct engine_caps caps;  /* [ctl] what it can serve while it is there */
	struct sim_engine *owner; /* [ctl] has rings running; NULL: none */
	struct sim_wire *wire;    /* [card] NULL: back */
	enum sim_fault fault;     /* [card] */
	bool live;                /* [card] rings take effect: commit() was called */
	struct sim_ring *ring[2 * SIM_PAIRS_MAX]; /* [card] made on first use */
	STAILQ_ENTRY(sim_dev) entry;
};

STAILQ_HEAD(sim_devs, sim_dev);
STAILQ_HEAD(sim_wires, sim_wire);

/** The card. Lists grow at their end under the lock, and never shrink. */
struct sim_card {
	struct sim_devs devs;
	struct sim_wires wires;
};
extern struct sim_card sim_card;

/* --- card.c --- */

/** Have the card's thread run until card_power_off(). 0 or -errno. Control. */
int card_power_on(void);

/** End it: after that nothing touches rings, wires and mbufs. Control, without the lock. */
void card_power_off(void);

/** The card touches no ring and no wire until card_unlock(). */
void card_lock(void);
void card_unlock(void);

/** Frames that a wire's uplink and its devices exchange are made of these. [card] */
void card_set_pool(struct rte_mempool *mp);

/** Whether a wire can have that name: 1 to 15 letters, digits, '-' and '_'. */
bool sim_wire_name(const char *name);

/** The wire of this name, made if need be; NULL: out of memory. */
struct sim_wire *sim_wire_get(const char *name);

/* --- uplink.c --- */

/** Whether @p devargs names the uplink of a wire: "net_ring_w0". */
bool sim_uplink_ours(const char *devargs);

/** Whether @p devargs can name an uplink. 0, or -EINVAL with a sentence in @p err. */
int sim_uplink_check(const char *devargs, char *err, size_t errlen);

/** Packet buffers of frames on the wires, if no device has brought any. */
void sim_uplink_pool(struct rte_mempool *mp);

/**
 * The DPDK device that is the uplink @p devargs names, made if need be. 0 and its number in @p id,
 * or -errno with a sentence in @p err.
 */
int sim_uplink_make(const char *devargs, uint16_t *id, char *err, size_t errlen);

#endif
