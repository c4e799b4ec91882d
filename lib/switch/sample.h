/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Samples of the frames that come in at ports: one of a number on average, by chance, and its first
 * bytes only. Workers (sample_worker.c) copy them into a ring, which control empties by a timer;
 * those that find no room are counted.
 *
 * The workers count frames they take out of queues they poll. Frames that hardware moves, that come
 * out of tunnels, or that control sends in the name of a port are none of them.
 */
#ifndef SWITCH_SAMPLE_H
#define SWITCH_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

struct port;
struct rte_mbuf;
struct sampling;
struct sw;

#define SAMPLE_HEADER_MAX 512
#define SAMPLE_RATE_MAX (1u << 30)

/** A frame that came in. */
struct sample {
	uint16_t port;           /* its id; the port may have gone since */
	uint32_t len;            /* of the whole frame */
	uint32_t header_len;     /* of what is there of it */
	const uint8_t *header;   /* from the destination address on; until sample_free() */
	struct rte_mbuf *buffer; /* for sample_free() */
};

/**
 * Have one of @p rate <= SAMPLE_RATE_MAX frames (0: none) sampled, @p header <= SAMPLE_HEADER_MAX
 * bytes of it, from now on. Publishes; samples not taken yet are forgotten. 0 or -ENOMEM, and
 * nothing has changed.
 */
int sw_set_sampling(struct sw *s, uint32_t rate, uint32_t header);

/** Whether frames that come in at @p p are sampled, as they are at first. Publishes. */
void sw_set_port_sampled(struct port *p, bool on);

/** The next sample. False: there is none. */
bool sw_take_sample(struct sw *s, struct sample *out);
void sample_free(struct sample *s);

/** Samples lost since sw_set_sampling(): the ring was full, or there were no buffers. */
uint64_t sw_samples_lost(const struct sw *s);

#endif
