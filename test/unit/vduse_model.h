/* SPDX-License-Identifier: BSD-3-Clause */
/* VDUSE's kernel as a model: a socket pair for the device node, a function for ioctl(). */
#ifndef TEST_VDUSE_MODEL_H
#define TEST_VDUSE_MODEL_H

#include <linux/vduse.h>
#include <linux/virtio_net.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "owner.h"
#include "vduse/vduse.h"

#define RING 64
#define STARTED 0xf /* the status of a driver that runs */

#define VK_PAIRS_MAX 3
#define VK_QUEUES_MAX (2 * VK_PAIRS_MAX + 1)
#define VK_APART UINT64_C(0x900000000) /* of vk.apart */

/**
 * The kernel's side; a test sets what it needs before vk_make(). Members that threads of a device
 * come across are atomic.
 */
struct vk {
	atomic_int fd;         /* our end of the node */
	int copy;              /* of the switch's; -1: none */
	bool keeps;            /* one is made when the node is opened */
	atomic_bool exists;    /* the node does */
	bool no_node;          /* though the device was made */
	atomic_int open_err;   /* of the control node; 0: none */
	int create_err;        /* of VDUSE_CREATE_DEV; 0: none */
	atomic_bool destroyed; /* the last a removal looks at */
	atomic_bool busy;
	bool created, config_irq_early;
	unsigned int creates; /* VDUSE_CREATE_DEV, also those it refuses */
	uint64_t features;    /* as the driver negotiated them */
	uint64_t offered;
	uint32_t pairs;  /* of the port */
	bool takes_ctrl; /* it takes a control queue */
	uint32_t nvq;    /* as made */
	uint32_t group[VK_QUEUES_MAX];
	struct vduse_vq_info vq[VK_QUEUES_MAX];
	atomic_uint setups;
	unsigned int kicks, config_irqs, fds_given;
	atomic_uint irqs_early;          /* injections that are refused */
	atomic_uint irqs[VK_QUEUES_MAX]; /* injected by a thread of its own */
	atomic_bool irqs_held;           /* injections wait in the kernel */
	atomic_uint irqs_begun;
	struct virtio_net_config config;
	uint64_t region_last; /* of the one region there is, at OWNER_GPA; 0: none */
	uint8_t perm;         /* of it from now on; 0: all */
	int memfd;
	atomic_uint next_id;
	struct vduse_dev_request
		pending; /* the next to open the node gets it; request_id 0: none */
	/* newer kernels */
	uint64_t version;   /* of the API */
	uint64_t interface; /* features of the interface: VDUSE_K_F_* */
	uint64_t taken;     /* of those */
	bool old_entry;     /* the longer structure of IOTLB_GET_FD2 */
	uint32_t asid_asked;
	bool given_up; /* the node answers no question */
	bool apart;    /* address space 1 has the memory at VK_APART, 0 as ever */
	int apart_fd;  /* of that; -1: memfd */
	int kick_fd;   /* of the control queue, a duplicate; -1: none */
	uint32_t ngroups;
	/* the vdpa bus */
	atomic_bool on_bus;
	atomic_bool bus_held;  /* it lets no request through */
	atomic_int bus_err;    /* its answer */
	atomic_uint bus_asked; /* requests */
	atomic_uint destroys;  /* answers to VDUSE_DESTROY_DEV */
	/* a driver that is taken off the bus asks these; their results */
	struct vduse_dev_request *last_words;
	uint32_t nlast_words;
	uint32_t last_results[8];
};

#define VK_PATIENT_MS 60000 /* a busy machine is no reason to answer without control */
#define VK_HASTY_MS 20

extern struct vk vk;
extern atomic_uint vk_answer_ms;
extern struct owner vk_owner;
extern struct transport *vk_transport; /* NULL: none */
extern char vk_err[200];
extern bool vk_rehearsal;
extern enum vduse_attach vk_attach;
extern struct record *vk_record; /* NULL: none */
extern char vk_sysfs[64];        /* a directory that is made where a test needs it */

/** For cmocka. */
int vk_setup(void **state);
int vk_teardown(void **state);

/** The device; NULL with vk_err. */
struct transport *vk_make(void);

/** One in a process that takes it over from another: of @p d, on the same loop. */
struct transport *vk_make_successor(struct vdev *d);

/** Give @p d, which is new, the shape of such a device. */
void vk_shape(struct vdev *d);

/** Its port is closed for good. */
void vk_detach(void);

/** The switch is killed; its successor has not opened the node yet. */
void vk_kill_switch(void);

/** The rings of a driver that has set them up. */
void vk_driver_rings(uint64_t features);

/** The queue that is the control queue, by the features in force. */
uint32_t vk_ctrl_index(void);

/** A request with a number of its own. */
void vk_send(struct vduse_dev_request *req);

/** Run the loop until its answer is there. */
struct vduse_dev_response vk_answer_of(const struct vduse_dev_request *req);

/** The same for all of a kind: the result. */
uint32_t vk_set_status(uint8_t status);
uint32_t vk_update_iotlb(uint64_t start, uint64_t last);

/** A device, and a driver that has started it. */
void vk_start(uint64_t features);

bool vk_both_run(void);

#endif
