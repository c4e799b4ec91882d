/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model of the kernel's side of /dev/vhost-vdpa-7: it refuses what the kernel refuses, and one
 * request on demand. The device behind it returns what it is sent.
 */
#ifndef TEST_NODE_MODEL_H
#define TEST_NODE_MODEL_H

#include <linux/vhost.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vdpa/kernel/chardev.h"
#include "virtq/vq.h"

#define BIT(n) (UINT64_C(1) << (n))
#define PATH CHARDEV_PREFIX "7"
#define VDPA_RESUME _IO(VHOST_VIRTIO, 0x7E)
#define WRITE 1ul /* in place of a request */
#define OPEN 2ul  /* likewise */
#define RING_MAX 256

struct node_model {
	/* set by a test */
	uint64_t offered, backend;
	struct vhost_vdpa_iova_range range;
	bool gone, stuck;      /* its node; it moves nothing */
	unsigned long request; /* fails ... */
	uint32_t nth;          /* ... this time, counted from 1; 0: never */
	int error;             /* with this */
	/* of the session */
	bool failed; /* it has, at all */
	bool open, suspended, live;
	uint64_t features, backend_set;
	uint8_t status;
	uint32_t updates, batches, resets, opens, resumes, moved;
	bool needs_reset;
	struct vhost_iotlb_msg region;
	struct {
		uint32_t num, base, enabled;
		struct vhost_vring_addr addr;
		int kick, call;
		struct vq *vq;
		struct irq *irq;
	} ring[2];
	struct vq_mem mem;
	struct vq_host host;
};

extern struct node_model k;
extern atomic_bool slow; /* a reset of a device that runs waits */
extern const struct chardev_sys model;

/** Lanes use k under it. */
void model_lock(void);
void model_unlock(void);

/** Let the device move a burst. */
void device_run(void);

struct failure {
	const char *name;
	unsigned long request;
	uint32_t nth;
	bool harmless; /* the device runs all the same */
};

/** The request fails once. */
void fail_at(const struct failure *f);
bool has_failed(void);

#endif
