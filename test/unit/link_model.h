/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model of the kernel's side of a vhost-vdpa node as a driver of ours meets it: it refuses what
 * the kernel refuses. The device behind it has several queue pairs, a control queue and address
 * spaces where a test says so.
 */
#ifndef TEST_LINK_MODEL_H
#define TEST_LINK_MODEL_H

#include <linux/vhost.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vdpa/kernel/chardev.h"

#define LM_BIT(n) (UINT64_C(1) << (n))
#define LM_OFFER                                                                                   \
	(LM_BIT(VIRTIO_F_VERSION_1) | LM_BIT(VIRTIO_F_ACCESS_PLATFORM) |                           \
	 LM_BIT(VIRTIO_NET_F_CSUM) | LM_BIT(VIRTIO_NET_F_GUEST_CSUM) |                             \
	 LM_BIT(VIRTIO_NET_F_HOST_TSO4) | LM_BIT(VIRTIO_NET_F_GUEST_TSO4) |                        \
	 LM_BIT(VIRTIO_NET_F_MRG_RXBUF) | LM_BIT(VIRTIO_NET_F_STATUS) | LM_BIT(VIRTIO_NET_F_MTU) | \
	 LM_BIT(VIRTIO_NET_F_MAC) | LM_BIT(VIRTIO_NET_F_CTRL_RX) |                                 \
	 LM_BIT(VIRTIO_RING_F_INDIRECT_DESC))
#define LM_DRIVER_OK 0xf
#define LM_RINGS 9
#define LM_SPACES 2
#define LM_REGIONS 4

/** The device's way with a command on its control queue. */
enum lm_answer {
	LM_TAKES,
	LM_REFUSES,
	LM_IS_SILENT,
	LM_FORGETS_INTERRUPT,
	LM_BREAKS_RING,
};

struct link_model {
	/* set by a test */
	uint64_t offered, backend;
	uint32_t id;
	uint16_t ring_max;
	uint8_t refuses; /* bits of the status it does not keep */
	struct vhost_vdpa_iova_range range;
	struct virtio_net_config config;
	int busy;      /* errno of open() */
	bool partial;  /* of a message about memory a part is taken */
	uint32_t nvqs; /* 0: a kernel that does not say how many there are */
	uint32_t ngroups, nas;
	uint32_t group[LM_RINGS]; /* of each ring */
	bool keeps_spaces;        /* refuses to move a group */
	enum lm_answer answer;
	/* of the session */
	uint64_t features;
	uint8_t status, said[8];
	uint32_t nsaid, batch, batches, opens;
	bool owned;
	uint32_t asid[LM_RINGS]; /* of each group */
	uint32_t nregions;
	struct {
		uint32_t asid;
		struct vhost_iotlb_msg m;
	} region[LM_REGIONS];
	struct {
		uint32_t num, base, enabled;
		struct vhost_vring_addr addr;
		int kick, call;
		uint16_t next;
	} ring[LM_RINGS];
	/* the device's control queue */
	pthread_t thread;
	bool threaded;
	int kick, call; /* its own, while threaded */
	atomic_bool stop;
	atomic_uint pairs; /* as commanded; 0: no command came */
};

extern struct link_model lm;
extern const struct chardev_sys link_model_sys;

/** A device of one queue pair, idle. */
void lm_init(void);

/** The device stops. */
void lm_fini(void);

int lm_open(const char *path);
int lm_ioctl(int fd, unsigned long request, void *arg);
ssize_t lm_write(int fd, const void *buf, size_t len);

/** The memory at @p iova as ring @p i sees it. */
uint8_t *lm_at(uint32_t i, uint64_t iova);

/** The next buffer of split ring @p i. NULL: none. */
struct vring_desc *lm_next_buffer(uint32_t i, uint16_t *head);

/** Deliver @p len bytes, header first, by pair @p pair as @p claim buffers (0: as there are). */
void lm_deliver(uint32_t pair, const uint8_t *data, uint32_t len, uint16_t claim);

/** Frames that were sent by a pair come back by the same. How many. */
uint32_t lm_echo(uint32_t pair);

#endif
