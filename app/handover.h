/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a running switch and its successor say to each other over a unix stream socket, each in
 * blobs (base/blob.h) of these records: see doc/upgrade.md.
 */
#ifndef APP_HANDOVER_H
#define APP_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"

#define HANDOVER_VERSION 1u /* of the sequence; records have their own way of growing */

#define HANDOVER_BYTES_MAX (256u << 20) /* of a blob */
#define HANDOVER_ANSWER_MS 10000        /* for what is built while the predecessor forwards */
#define HANDOVER_STOP_MS 3000           /* for the stop as a whole, without devices */
#define HANDOVER_DEVICE_MS 10000        /* for a device that is closed and opened in it */
#define HANDOVER_LINE_MAX 512           /* of a reason, with its NUL */

/* Types are for ever; those from 0x100 on are other readers' (pkt/hand.h). */
enum {
	HANDOVER_HELLO = 1,  /* u32: HANDOVER_VERSION; the program's version. First of all */
	HANDOVER_CONFIG,     /* what "show config" prints */
	HANDOVER_DESCRIPTOR, /* base/heir.h */
	HANDOVER_LEGEND,     /* pkt/legend.h, before all counters */
	HANDOVER_PORT,       /* u32: number of the port whose records follow */
	HANDOVER_READY,      /* the successor has done its part of this step */
	HANDOVER_REFUSED,    /* a line: why it cannot. It ends then */
	HANDOVER_COMMIT,     /* the successor's it is from now on */
	HANDOVER_END,        /* last of a part: nothing is missing */
	HANDOVER_ALIVE,      /* the successor builds: the time for its answer begins anew */
	HANDOVER_RELEASED,   /* number of a port, in digits: the successor may open its device */
	HANDOVER_CAPTURE,    /* u32: bytes kept of a frame, of one that is running: make buffers */
};

/* The baselines of a port, by number. */
enum { HANDOVER_CLEARED, HANDOVER_SHOWN, HANDOVER_STARTED, HANDOVER_BASELINES };

/** Send one record, @p text of it. 0 or -errno. */
int handover_say(int sock, uint16_t type, const char *text, uint32_t timeout_ms);

/**
 * Receive a blob of one record of @p type, whose text is in @p line then. 0; -ECONNREFUSED: it is a
 * refusal, and the line is its reason; or another -errno.
 */
int handover_hear(int sock, uint16_t type, char line[HANDOVER_LINE_MAX], uint32_t timeout_ms);

#define HANDOVER_ALIVE_MAX 64 /* before an answer: one that is never done ends, too */

/** The same behind HANDOVER_ALIVE_MAX keepalives at most, each within @p timeout_ms. */
int handover_hear_alive(int sock, uint16_t type, char line[HANDOVER_LINE_MAX], uint32_t timeout_ms);

#endif
