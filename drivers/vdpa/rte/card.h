/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rte_vdpa devices of DPDK (mlx5, ifc, sfc, nfp) as engines.
 *
 * Each device has a unix socket of librte_vhost in this process with the device attached (card.c).
 * The engine of the port that has the device is a front-end of that socket (relay.c): it says to
 * librte_vhost what the guest's front-end said here, with the guest's own descriptors.
 *
 * Control thread, except for librte_vhost's callbacks, which only count and post.
 */
#ifndef VDPA_RTE_CARD_H
#define VDPA_RTE_CARD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "vdpa/held.h"
#include "vdpa/vdpa.h"

struct gmem;
struct relay;
struct rte_vdpa_device;

#define CARDS_MAX 64
#define CARD_PATH_MAX 108

/** [ctl] but for sessions and name. A device that was named once stays known. */
struct card {
	char name[VDPA_NAME_MAX];
	char path[CARD_PATH_MAX];    /* [fixed] of its socket */
	struct rte_vdpa_device *dev; /* what the socket has attached; NULL: there is no socket */
	struct engine_caps caps;
	struct relay *owner;       /* whose rings it has or is about to get; NULL: none */
	atomic_uint sessions;      /* connections librte_vhost has not given up */
	bool leaves;               /* it is being detached: no port begins a session */
	bool ran[VDEV_QUEUES_MAX]; /* queues that it has served: they have counters */
	/* guest memory that it may write to although it was told to stop */
	struct held held;
};

/** The device named so, whether or not it is there; NULL: there are too many. */
struct card *card_named(const char *name);

/** The @p i'th known device, or NULL. */
struct card *card_at(uint32_t i);

/** Have librte_vhost serve it if it is there. False with static text in @p why, or NULL there. */
bool card_serve(struct card *c, const char **why);

/** Note that it may write to @p m until its session has ended, or card_free_memory(). */
void card_hold_memory(struct card *c, const struct gmem *m);
void card_free_memory(struct card *c);

/** Whether it may write to a file of @p m (NULL: no) for a session that was told to stop. */
bool card_holds(struct card *c, const struct gmem *m);

/**
 * End its socket: librte_vhost knows nothing of the device from then on. It has released all
 * rings: the call waits for its sessions to end.
 */
void card_withdraw(struct card *c);

/** Counters of a served device, as vdpa_kind.counters(), of the queues it has run. */
uint32_t card_counters(const struct card *c, struct vdpa_counter *out);

/** Have DPDK probe a device. 0, or -errno with a sentence in @p err. */
int card_attach(const char *devargs, char *err, size_t errlen);

/** Have DPDK remove a served device. 0, or -errno with a sentence in @p err. */
int card_detach(struct card *c, char *err, size_t errlen);

/** Make known what DPDK has found. */
void card_discover(void);

#endif
