/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of the kernel's interface that is newer than Debian's <linux/vduse.h>. Version 1 of the
 * API (Linux 7.0) puts words where version 0 has reserved ones, so sizes and ioctl numbers are the
 * same; features of the interface itself (Linux 7.3) are asked for at the control node.
 */
#ifndef VDUSE_KERNEL_H
#define VDUSE_KERNEL_H

#include <assert.h>
#include <linux/vduse.h>
#include <stdint.h>

#define VDUSE_K_API_GROUPS 1u /* the version with queue groups and address spaces */

/* At the control node, before a device is made. */
#define VDUSE_K_GET_FEATURES _IOR(VDUSE_BASE, 0x04, uint64_t)
#define VDUSE_K_SET_FEATURES _IOW(VDUSE_BASE, 0x05, uint64_t)
#define VDUSE_K_F_QUEUE_READY 1u /* the kernel says when a ring becomes ready, or stops being it */
#define VDUSE_K_F_SUSPEND 2u     /* drivers can have all rings stopped */

/** struct vduse_dev_config */
struct vduse_k_config {
	char name[VDUSE_NAME_MAX];
	uint32_t vendor_id, device_id;
	uint64_t features;
	uint32_t vq_num, vq_align;
	uint32_t ngroups, nas; /* 0 in version 0 */
	uint32_t reserved[11];
	uint32_t config_size;
	uint8_t config[];
};
static_assert(sizeof(struct vduse_k_config) == sizeof(struct vduse_dev_config), "layout");

/** struct vduse_vq_config */
struct vduse_k_vq {
	uint32_t index;
	uint16_t max_size, reserved1;
	uint32_t group; /* 0 in version 0 */
	uint16_t reserved2[10];
};
static_assert(sizeof(struct vduse_k_vq) == sizeof(struct vduse_vq_config), "layout");

/** struct vduse_iotlb_entry_v2: the kernel's first had 12 reserved words, and padding behind. */
struct vduse_k_entry {
	struct vduse_iotlb_entry v1;
	uint32_t asid;
	uint32_t reserved[11];
};
struct vduse_k_entry_12 {
	struct vduse_k_entry e;
	uint32_t reserved[2];
};
static_assert(sizeof(struct vduse_k_entry) == 80 && sizeof(struct vduse_k_entry_12) == 88,
	      "their sizes tell them apart");
#define VDUSE_K_IOTLB_GET_FD2 _IOWR(VDUSE_BASE, 0x1b, struct vduse_k_entry)
#define VDUSE_K_IOTLB_GET_FD2_12 _IOWR(VDUSE_BASE, 0x1b, struct vduse_k_entry_12)

enum {
	VDUSE_K_SET_VQ_GROUP_ASID = 3,
	VDUSE_K_SET_VQ_READY = 4,
	VDUSE_K_SUSPEND = 5,
};

/** Requests behind the fields that version 0 has. */
union vduse_k_body {
	struct {
		uint64_t start, last;
		uint32_t asid; /* 0 in version 0 */
	} iova;
	struct {
		uint32_t group, asid;
	} group;
	struct {
		uint32_t num, ready;
	} ready;
};

#endif
