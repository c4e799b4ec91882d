/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest in this process: memory, a transmit and a receive queue, the driver
 * side of both (virtq/driver.h) and the device side (virtq/vq.h). The course
 * of events is random but a function of a seed; framing is as unkind as the spec allows.
 *
 * Frames are a function of their sequence number, so that a receiver can tell
 * what it should have got.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "gmem/gm.h"
#include "gmem/dirty.h"
#include "gmem/gmem.h"
#include "gmem/iotlb.h"
#include "pkt/pktq.h"
#include "virtq/driver.h"
#include "virtq/net.h"

/* Under a sanitizer everything takes ten times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MODEL_SCALE(n) ((n) / 10)
#else
#define MODEL_SCALE(n) (n)
#endif

#define F(bit) (1ull << (bit))

/* --- random numbers --- */

struct rng {
	uint64_t s;
};

struct rng rng_seed(uint64_t seed);
uint64_t rng_next(struct rng *r);
/** 0..n-1 */
uint32_t rng_below(struct rng *r, uint32_t n);
/** True once in @p n times. */
bool rng_one_in(struct rng *r, uint32_t n);

/* --- frames --- */

#define FRAME_MAX_LEN 66000

struct model_frame {
	uint64_t seq;
	struct pkt_vnet vnet;
	uint32_t len;
	uint8_t b[FRAME_MAX_LEN];
};

/** Kinds of frames a sender makes. */
struct frame_mix {
	bool offload;     /* partial checksums and TSO among them */
	uint32_t max_len; /* of frames without TSO */
	uint32_t tso_len; /* of frames with, 0: none */
};

/** Frame number @p seq. */
void frame_make(struct model_frame *f, uint64_t seq, const struct frame_mix *mix);

/* --- guests --- */

struct rte_mempool;

#define AREA_PARTS 12

struct model_cfg {
	enum vq_layout layout;
	uint32_t size;
	uint64_t features;
	bool in_tables; /* chains in indirect tables now and then */
	bool plain;     /* one descriptor a chain */
	struct vq_state start;
	struct frame_mix mix; /* what it sends */
	uint32_t rx_len;      /* smallest receive buffer; mergeable ones vary up to 4 times that */
	bool log;             /* with a dirty log */
	struct rte_mempool *mp; /* with an IOMMU: for frames that wait */
};

/** Memory for one chain at a time: each queue has as many as descriptors. */
struct model_area {
	struct vqd_buf part[AREA_PARTS];
	uint16_t nparts;
};

struct model_queue {
	struct vqd drv;
	struct vq *dev;
	struct model_area *area;
	uint32_t *free; /* stack of free areas */
	uint32_t nfree, nareas;
	uint64_t mem_addr; /* of the areas, as the device is told */
	uint32_t area_len;
	uint64_t ring_gpa[3]; /* desc, driver, device */
};

struct model_guest {
	struct model_cfg cfg;
	struct rng rng;
	struct gm mem;
	struct gmem *gmem;
	struct vq_mem space; /* what the device side translates with */
	struct gmem_fault fault;
	struct vq_host host;
	uint32_t broken; /* device side complained */
	struct dirty *log;
	int log_fd;
	uint8_t *log_bits;
	uint64_t log_len;
	uint32_t *page_of;         /* with an IOMMU: memory page behind each I/O virtual one */
	uint64_t first_area_page;  /* pages before it are mapped one to one */
	struct model_queue tx, rx; /* the guest's names */
	uint64_t sent, sent_bytes;
	uint64_t got, got_bytes;
};

/** A guest; its layout and features as in @p cfg. Aborts when out of memory. */
struct model_guest *model_new(const struct model_cfg *cfg, uint64_t seed);
void model_free(struct model_guest *g);

/** A random legal configuration. */
struct model_cfg model_cfg_random(struct rng *r, enum vq_layout layout);

/** The guest adds frame @p f to its transmit queue in random segments. False: no room. */
bool model_send(struct model_guest *g, const struct model_frame *f);
/** It takes back what was transmitted. Returns how many chains. */
uint32_t model_reap(struct model_guest *g);
/** It offers one more receive buffer. False: no room. */
bool model_offer(struct model_guest *g);
/** It takes a received frame; seq is not filled in. False: there is none. */
bool model_receive(struct model_guest *g, struct model_frame *f);

/**
 * The device: up to @p max frames of @p from are handed to @p to, as a worker
 * does. Returns how many chains were consumed.
 */
uint16_t model_forward(struct model_guest *from, struct model_guest *to, uint16_t max);

/** drop.h: what must hold of the counters of @p from's and @p to's queues after model_forward(). */
void model_check_counters(const struct model_guest *from, const struct model_guest *to);

/** Address of guest memory for the device. */
uint64_t model_addr_base(const struct model_guest *g);

#endif
