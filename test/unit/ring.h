/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest's side of one ring, written by hand descriptor by descriptor, so that
 * a test can also write what no driver would. Deliberately independent of the
 * driver side in lib/virtq.
 */
#ifndef TEST_RING_H
#define TEST_RING_H

#include <stdint.h>

#include "virtq/net.h"
#include "virtq/vq.h"

#define RING_GPA 0x100000ull /* of the guest's memory, two regions */
#define RING_MEM (512 * 1024)
#define RING_SPLIT_AT (256 * 1024) /* where the second region starts */
#define RING_BUF(i) (RING_GPA + 0x10000 + (uint64_t)(i)*4096)
#define RING_TABLE(i) (RING_GPA + 0x38000 + (uint64_t)(i)*512)

#define RING_SIZE_MAX 1024

#define RING_F(bit) (1ull << (bit))
#define RING_MODERN RING_F(VIRTIO_F_VERSION_1)

struct ring {
	enum vq_layout layout;
	uint32_t size;
	struct vq vq;
	struct vq_setup setup;
	struct vq_mem space;
	struct gmem *gmem;
	struct gmem_fault fault;
	struct vq_host host;
	unsigned int attentions;
	uint8_t *mem;   /* the guest's memory, RING_GPA on */
	uint16_t avail; /* split: index to publish; packed: next slot */
	bool avail_wrap;
	uint16_t free; /* split: next descriptor to write */
	uint16_t used; /* next used element to expect */
	bool used_wrap;
	uint16_t ndesc[RING_SIZE_MAX]; /* packed: of the chain that starts at a slot */
};

/** A descriptor of a chain, or of an indirect table. */
struct ring_buf {
	uint64_t addr;
	uint32_t len;
	uint16_t flags; /* WRITE, INDIRECT; NEXT is added */
};

/** Fresh ring and started queue; @p features gets RING_PACKED where due. */
void ring_init(struct ring *r, enum vq_layout layout, uint32_t size, uint64_t features, bool tx);
/** As ring_init(), but only prepares r->setup. */
void ring_prepare(struct ring *r, enum vq_layout layout, uint32_t size, uint64_t features, bool tx);
/** Stop the queue and free the memory. */
void ring_fini(struct ring *r);
/** The same ring in a copy of the memory, as a successor finds it; its queue is not started. */
void ring_clone(struct ring *r, const struct ring *from);

/** Host address of guest address @p gpa. */
void *ring_at(struct ring *r, uint64_t gpa);

/**
 * Make a chain available; returns its id. The id of packed chains is their first slot plus 1000.
 */
uint16_t ring_post(struct ring *r, const struct ring_buf *b, unsigned int n);
/** Likewise through an indirect table at @p table. */
uint16_t ring_post_table(struct ring *r, uint64_t table, const struct ring_buf *b, unsigned int n);
/** Only write an indirect table. */
void ring_table(struct ring *r, uint64_t table, const struct ring_buf *b, unsigned int n);
/** One used element; false: there is none. */
bool ring_used(struct ring *r, uint32_t *id, uint32_t *len);
/** Split: put @p head into the available ring and publish. */
void ring_avail(struct ring *r, uint16_t head);
/** Split: write descriptor @p i. */
void ring_desc(struct ring *r, uint16_t i, const struct ring_buf *b, uint16_t next);

/**
 * Fill a frame of @p len bytes with a pattern that starts with MAC addresses; @p seed tells frames
 * apart.
 */
void ring_frame(uint8_t *dst, uint32_t len, uint8_t seed);

/** VQ_SPLIT, VQ_SPLIT_SWAP, VQ_PACKED: states of tests that run with each layout. */
extern enum vq_layout ring_layouts[VQ_LAYOUT_NUM];

/* clang-format off */
/** Rows of a table of cmocka tests: @p f with each layout. */
#define ON_EVERY_LAYOUT(f)                                                   \
	{#f ": split", f, NULL, NULL, &ring_layouts[VQ_SPLIT]},             \
	{#f ": split_swap", f, NULL, NULL, &ring_layouts[VQ_SPLIT_SWAP]},   \
	{#f ": packed", f, NULL, NULL, &ring_layouts[VQ_PACKED]}
/* clang-format on */

/** The format of the ring, not a constant here. */
struct vq_fmt ring_fmt(const struct ring *r);

#endif
