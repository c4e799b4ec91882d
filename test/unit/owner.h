/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device needs around it in a test: an owner without workers to publish to
 * and keeps count, and a guest's memory in a memfd.
 */
#ifndef TEST_OWNER_H
#define TEST_OWNER_H

#include "vdev/transport.h"
#include "vdev/vdev.h"
#include "virtq/driver.h"

#define OWNER_PAIRS 4
#define OWNER_GPA 0x40000000ull
#define OWNER_UVA 0x7f5500000000ull
#define OWNER_MEM (4u << 20)

/* Address of ring i in the guest's memory; buffers are behind the rings. */
#define RING_AT(i) ((uint64_t)(i)*0x40000)
#define RING_DRIVER_OFF 0x10000
#define RING_DEVICE_OFF 0x20000
#define BUF_AT(i) (0x300000 + (uint64_t)(i)*2048)

#define F(name) (1ull << VDEV_BIT_##name)

struct owner {
	struct transport transport;
	struct ev_loop *loop;
	struct vdev *d;
	int memfd;
	uint8_t *mem; /* the guest's view */
	unsigned int publishes, graces, wakes, rarps, misses;
	bool deaf; /* misses are not taken */
	uint8_t mac[6];
	uint64_t miss_iova;
	uint32_t miss_perm;
	/* as published last; NULL: not running */
	struct vq *rx[OWNER_PAIRS], *tx[OWNER_PAIRS];
	bool rx_enabled[OWNER_PAIRS], tx_enabled[OWNER_PAIRS];
};

extern const struct vdev_ops owner_ops;

/** A device of OWNER_PAIRS pairs that offers everything, and memory. @p state_path may be NULL. */
void owner_init(struct owner *o, const char *state_path);
void owner_fini(struct owner *o);

/** The device alone anew, as if the switch had been killed; the guest's memory stays. */
void owner_restart(struct owner *o, const char *state_path);

/** A peer is there, with a transport of the test's. */
void owner_connect(struct owner *o);

/* The facts about ring @p i in the words of a front-end: vring base, kick eventfd as start. */
int owner_set_base(struct owner *o, uint32_t i, uint32_t word);
int owner_stop(struct owner *o, uint32_t i, uint32_t *word);
int owner_kick(struct owner *o, uint32_t i, int fd);

/** A region of the guest's memory, as a front-end describes it. */
struct gmem_desc owner_region(uint64_t offset, uint64_t size);

/** The device gets the guest's whole memory. */
void owner_give_memory(struct owner *o);

/** Everything ring @p i needs, up to its kick; then vdev_sync(). */
void owner_start_ring(struct owner *o, uint32_t i, uint32_t size, uint32_t base);

/** Features, memory, rings 0 and 1 of @p size, enabled and running. */
void owner_start(struct owner *o, uint64_t features, uint32_t size);

/** The guest's driver for ring @p i: initialises the ring's memory. */
void owner_driver(struct owner *o, uint32_t i, uint32_t size, struct vqd *drv);

/** The guest sends a frame on its transmit ring, the device takes and drops it. Returns 1. */
unsigned int owner_transmit(struct owner *o, uint32_t pair, struct vqd *drv);

/** The guest gives a buffer on its receive ring, the device writes a frame to it. Returns 1. */
unsigned int owner_receive(struct owner *o, uint32_t pair, struct vqd *drv);

/** Open descriptors of this process. */
unsigned int open_fds(void);

#endif
