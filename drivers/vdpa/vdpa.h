/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vDPA devices: hardware that moves a guest's frames in place of the workers.
 *
 * A kind of device (struct vdpa_kind) is a row of the table in vdpa.c: simulated
 * ones, rte_vdpa devices of DPDK, the kernel's. A port names the devices it may
 * be given to; each name becomes an engine (vdev/engine.h) of that port's device,
 * whether or not there is such hardware at the moment: the engine's check() says
 * so, and vdev_sync() is called when it comes or goes.
 *
 * Control thread only. Threads of hardware reach control by ev_post().
 */
#ifndef VDPA_VDPA_H
#define VDPA_VDPA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vdev/engine.h"
#include "vdev/vdev.h"

#define VDPA_NAME_MAX 64
#define VDPA_COUNTERS_MAX 256

/* Examples of names, for errors and help. */
#define VDPA_NAMES                                                  \
	"sim0 and the like (simulated), PCI addresses (rte_vdpa), " \
	"/dev/vhost-vdpa-N (the kernel's)"

/** A counter of a device, as its hardware names it. */
struct vdpa_counter {
	char name[48];
	int queue; /* of the guest's rings; -1: of the device */
	uint64_t value;
};

/** A device for display. */
struct vdpa_info {
	char name[VDPA_NAME_MAX];
	const char *kind;
	bool present;      /* false: named by a port, not there */
	const char *state; /* static text: "free", "prepares", "runs", "stops", "failed: ..." */
	struct engine_caps caps;  /* all 0 while it is not there */
	uint32_t pairs_used;      /* queue pairs that run */
	const struct vdev *owner; /* the device of the port that has it; NULL: none */
	char settings[256];       /* changed by vdpa_set(): "wire w1, fault stall"; "": none */
};

typedef void (*vdpa_list_fn)(const struct vdpa_info *i, void *ctx);

struct vdpa_kind {
	const char *name; /* "sim" */
	/** Whether @p device has the form of a name of this kind. */
	bool (*ours)(const char *device);
	/**
	 * An engine for @p d by device @p device; its ops->close() frees it. NULL with a sentence
	 * in @p err: out of memory, or no such device can ever be.
	 */
	struct engine *(*open)(const char *device, struct vdev *d, char *err, size_t errlen);
	/** Every device there is and every one that was named, in a steady order. */
	void (*list)(vdpa_list_fn fn, void *ctx);
	/** Counters of a device in @p out; how many there are, at most VDPA_COUNTERS_MAX. */
	uint32_t (*counters)(const char *device, struct vdpa_counter *out);
	/**
	 * The operator's setting @p key of a device. 0, or -EINVAL with a sentence in @p err. NULL:
	 * the kind has none.
	 */
	int (*set)(const char *device, const char *key, const char *value, char *err,
		   size_t errlen);
	/**
	 * Have a device appear, of which @p devargs gives its driver the name and what it needs; or
	 * disappear, after the ports that use it went back to software. 0, or -errno with a
	 * sentence in @p err. NULL: the kind has no drivers.
	 */
	int (*attach)(const char *devargs, char *err, size_t errlen);
	int (*detach)(const char *device, char *err, size_t errlen);
	/** The process ends: no thread of the kind runs any more. NULL: it has none. */
	void (*fini)(void);
};

/* The kinds; vdpa.c has the table. */
extern const struct vdpa_kind vdpa_sim;    /* simulated: sim/sim.h */
extern const struct vdpa_kind vdpa_rte;    /* DPDK's drivers: rte/card.h */
extern const struct vdpa_kind vdpa_kernel; /* the kernel's vhost-vdpa: kernel/node.h */

/** An engine for @p d by the device @p name, as vdpa_kind.open(). */
struct engine *vdpa_open(const char *name, struct vdev *d, char *err, size_t errlen);

/** The kind a name belongs to, or NULL. */
const struct vdpa_kind *vdpa_kind_of(const char *name);

/** The process ends: ports are closed, EAL's memory is still there. */
void vdpa_fini(void);

/** Every device of every kind. */
void vdpa_list(vdpa_list_fn fn, void *ctx);

/** As in struct vdpa_kind, of the device @p name. */
uint32_t vdpa_counters(const char *name, struct vdpa_counter *out);
int vdpa_attach(const char *devargs, char *err, size_t errlen);
int vdpa_detach(const char *name, char *err, size_t errlen);
int vdpa_set(const char *name, const char *key, const char *value, char *err, size_t errlen);

#endif
