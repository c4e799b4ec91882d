/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: the writer of a capture.
 *
 * Writing a pcapng file (draft-ietf-opsawg-pcapng), as far as a capture needs it.
 *
 * rte_pcapng is not used: an interface there is an ethdev and nothing else, so
 * a vhost port could not appear in a file; and it copies from mbufs, which a
 * frame between guests never is in.
 *
 * One thread at a time. Every function returns false once writing has failed.
 */
#ifndef SWITCH_PCAPNG_H
#define SWITCH_PCAPNG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct rte_mbuf;

enum pcapng_direction { PCAPNG_IN = 1, PCAPNG_OUT = 2 };

/** A frame about to be written. */
struct pcapng_frame {
	uint32_t interface; /* number of its interface in the file */
	uint64_t time_ns;   /* since 1970 */
	uint32_t len;       /* on the wire; what is in the mbuf may be less */
	uint32_t queue;
	enum pcapng_direction direction;
};

/** Begin a file. */
bool pcapng_begin(FILE *f);

/** Add an interface: the first one has number 0, the next 1 ... */
bool pcapng_interface(FILE *f, const char *name, const char *description, uint32_t snaplen);

bool pcapng_packet(FILE *f, const struct pcapng_frame *frame, const struct rte_mbuf *m);

/** The counters of an interface's frames; before the file is closed. */
bool pcapng_statistics(FILE *f, uint32_t interface, uint64_t time_ns, uint64_t received,
		       uint64_t dropped);

#endif
