/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datagrams of sFlow version 5 (sflow.org/sflow_version_5.txt): samples of frames and counters of
 * interfaces, as XDR. Nothing here allocates; one thread at a time.
 */
#ifndef SFLOW_DATAGRAM_H
#define SFLOW_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

#define SFLOW_UDP_PORT 6343      /* assigned by IANA */
#define SFLOW_DATAGRAM_MAX 1400  /* bytes of a datagram: no fragments on the way */
#define SFLOW_HEADER_MAX 512     /* bytes of a frame, so that a sample fits */
#define SFLOW_UNKNOWN UINT32_MAX /* a counter that is not kept */

struct sflow_datagram {
	uint8_t data[SFLOW_DATAGRAM_MAX];
	size_t len;
	size_t samples_at; /* where their number is */
	uint32_t samples;
};

/** The head of a datagram. */
struct sflow_head {
	const struct sockaddr *agent; /* its address alone counts; NULL: unknown */
	uint32_t sequence;            /* of the datagrams of this agent */
	uint32_t uptime_ms;
};

/** A frame: one of about @c rate that came in. */
struct sflow_flow {
	uint32_t sequence; /* of the flow samples of this interface */
	uint32_t interface;
	uint32_t rate;
	uint32_t pool;  /* frames it was one of, since the interface was made */
	uint32_t drops; /* samples that were lost */
	uint32_t frame_len;
	uint32_t header_len;   /* <= SFLOW_HEADER_MAX */
	const uint8_t *header; /* from the destination address on */
};

/** An interface, as IF-MIB has it, and its name. Not kept: SFLOW_UNKNOWN. */
struct sflow_counters {
	uint32_t sequence; /* of the counter samples of this interface */
	uint32_t interface;
	uint64_t speed; /* bit/s; 0: unknown */
	bool admin_up, oper_up, promiscuous;
	uint64_t in_bytes, out_bytes;
	uint32_t in_frames, in_multicast, in_broadcast, in_discards, in_errors;
	uint32_t out_frames, out_multicast, out_broadcast, out_discards, out_errors;
	const char *name;
};

/** Begin anew: a datagram without samples. */
void sflow_begin(struct sflow_datagram *d, const struct sflow_head *head);

/** Append a sample. False: it does not fit, and nothing has changed. */
bool sflow_add_flow(struct sflow_datagram *d, const struct sflow_flow *f);
bool sflow_add_counters(struct sflow_datagram *d, const struct sflow_counters *c);

#endif
