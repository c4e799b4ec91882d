/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio-net device, device side: what a frontend told us (facts), and the
 * one function that derives from them which queues run.
 *
 * Control thread only. Transports (vhost-user, later VDUSE) record facts with
 * the setters below and call vdev_sync() once per message. A setter that
 * touches what a worker may be using must be preceded by vdev_pause(); the
 * message table says which do. vdev_sync() is level-triggered: it may be
 * called at any time, starts what can run, stops what cannot, and publishes
 * only when something changed.
 *
 * A queue can run when: its size, the three addresses and a base are known and
 * the ring's whole extent is mapped (translated, with an IOMMU), it was kicked
 * or its kick fd set (legacy devices run before DRIVER_OK), it is not broken,
 * and the device is not stopped or dead. A queue that runs but is not enabled
 * receives nothing and what it transmits is discarded (vhost-user spec, "Ring states").
 */
#ifndef VDEV_VDEV_H
#define VDEV_VDEV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log.h"
#include "gmem/gmem.h"
#include "gmem/iotlb.h"
#include "virtq/journal.h"
#include "virtq/vq.h"

#define VDEV_QUEUE_PAIRS_MAX 128
#define VDEV_QUEUES_MAX (2 * VDEV_QUEUE_PAIRS_MAX)

/** Data format of a guest; decided per ring when the ring starts, never earlier. */
enum vdev_format { VDEV_MODERN, VDEV_LEGACY_LE, VDEV_LEGACY_BE };

struct vdev;

/** What the device's owner (a port) provides. Control thread. */
struct vdev_ops {
	/** The set of running queues changed: publish it. Returns after the grace period: nobody uses the old set any more. */
	void (*publish)(struct vdev *d);
	/** Wait until no worker uses anything it could see before the call. */
	void (*grace)(struct vdev *d);
	/** Link state, features or format changed; for display and events. May be NULL. */
	void (*changed)(struct vdev *d);
};

/** What only the transport can do for the device. Control thread; any may be NULL. */
struct vdev_transport {
	void (*iotlb_miss)(struct vdev *d, uint64_t iova, uint32_t perm);
	void (*ring_error)(struct vdev *d, uint32_t queue); /* after the err eventfd was written */
};

/** A device's fixed properties. */
struct vdev_config {
	const char *name;      /* log tag, copied */
	uint32_t queue_pairs;  /* 1..VDEV_QUEUE_PAIRS_MAX offered */
	uint64_t features;     /* features offered; see vdev_features_all() */
	const char *state_path; /* journal file, NULL: none */
	struct rte_mempool *mp; /* for frames held on IOTLB misses; may be NULL */
	const struct vdev_ops *ops;
	void *ctx;             /* the owner's */
};

/** [ctl] What the frontend said about one ring, and the ring itself. */
struct vdev_queue {
	uint32_t size;      /* 0: not set */
	uint64_t desc_uva, driver_uva, device_uva, log_gpa;
	uint32_t addr_flags; /* VHOST_VRING_F_LOG */
	bool addr_set;
	uint32_t base;
	bool base_set;
	int kick_fd, call_fd, err_fd; /* owned; -1: none */
	bool kick_set;      /* SET_VRING_KICK seen (with or without an fd) */
	bool kicked;
	bool enabled;
	bool endian_set, big_endian; /* SET_VRING_ENDIAN */
	bool broken;
	const char *why;    /* why it does not run, static text; NULL while it runs */
	enum vdev_format format; /* valid while running */
	bool running;       /* published or about to be */
	struct vq *vq;      /* made on first use; counters live as long as the device */
};

struct vdev {
	struct vdev_config cfg;
	char name[64];
	/* facts */
	uint64_t features; /* acked, 0 after a reset */
	bool features_set;
	uint8_t status;    /* virtio device status as last set, NEEDS_RESET added by us */
	bool status_used;  /* the frontend speaks SET_STATUS */
	struct gmem *gmem; /* NULL: none */
	struct iotlb *tlb; /* with ACCESS_PLATFORM */
	struct dirty *log;
	uint16_t mtu;
	bool paused;
	struct gmem_fault fault; /* [atomic] set by the fault guard */
	struct vdev_queue q[VDEV_QUEUES_MAX];
	uint32_t nqueues;  /* highest queue index seen, plus one */
	const struct vq_mem *vq_mem; /* what running queues use */
	struct vq_host host;
	struct vq_journal_file *journal;
	struct log_limit log_limit;
	const struct vdev_transport *transport; /* NULL: not connected */
	void *transport_ctx;
};

/** Every virtio-net and ring feature the software datapath can offer. */
uint64_t vdev_features_all(void);

/** Name of a feature bit ("VIRTIO_NET_F_MRG_RXBUF"), or NULL. Any thread. */
const char *vdev_feature_name(unsigned int bit);

struct vdev *vdev_new(const struct vdev_config *cfg);

/** Stop every queue, forget everything, free. @p keep_state: leave the journal file for a successor. */
void vdev_free(struct vdev *d, bool keep_state);

/* --- facts; 0 or -errno, a refused fact changes nothing. See the .c for each one's message. --- */
int vdev_set_features(struct vdev *d, uint64_t features);
int vdev_set_status(struct vdev *d, uint8_t status);
uint8_t vdev_get_status(const struct vdev *d);
void vdev_set_mem(struct vdev *d, struct gmem *m);   /* takes the reference */
void vdev_set_log(struct vdev *d, struct dirty *log); /* takes it */
int vdev_set_mtu(struct vdev *d, uint16_t mtu);
int vdev_iotlb_update(struct vdev *d, const struct iotlb_entry *e);
int vdev_iotlb_invalidate(struct vdev *d, uint64_t iova, uint64_t size);

int vdev_vq_set_num(struct vdev *d, uint32_t i, uint32_t size);
int vdev_vq_set_addr(struct vdev *d, uint32_t i, uint64_t desc_uva, uint64_t driver_uva,
		     uint64_t device_uva, uint64_t log_gpa, uint32_t flags);
int vdev_vq_set_base(struct vdev *d, uint32_t i, uint32_t base);
int vdev_vq_get_base(struct vdev *d, uint32_t i, uint32_t *base); /* stops that ring only */
int vdev_vq_set_kick(struct vdev *d, uint32_t i, int fd); /* takes fd, -1: none */
int vdev_vq_set_call(struct vdev *d, uint32_t i, int fd);
int vdev_vq_set_err(struct vdev *d, uint32_t i, int fd);
int vdev_vq_set_enable(struct vdev *d, uint32_t i, bool on);
int vdev_vq_set_endian(struct vdev *d, uint32_t i, uint32_t num);

/** Take every queue away from the workers; returns when none is in use. Nests not: idempotent. */
void vdev_pause(struct vdev *d);

/** Derive what runs from the facts and publish the difference; ends a pause. */
void vdev_sync(struct vdev *d);

/** RESET_DEVICE: rings stopped and forgotten, memory and connection kept. */
void vdev_reset(struct vdev *d);

/** End of a session: everything the frontend said is forgotten, fds closed, memory put. Counters stay. */
void vdev_disconnect(struct vdev *d);

/** A worker raised attention on @p vq (one of ours): handle broken rings, misses, faults. */
void vdev_attention(struct vdev *d, struct vq *vq);

/** At least one rx and one tx queue run. */
bool vdev_link_up(const struct vdev *d);

/** The queue pair @p pair's vq the guest transmits on (our rx) / receives on (our tx), if it runs; else NULL. */
struct vq *vdev_rx_queue(const struct vdev *d, uint32_t pair, bool *enabled);
struct vq *vdev_tx_queue(const struct vdev *d, uint32_t pair, bool *enabled);

#endif
