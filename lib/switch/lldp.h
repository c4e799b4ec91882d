/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * LLDP (IEEE 802.1AB) out at ports: the switch at the other end of an uplink can tell by it which
 * host and port are here. Frames of LLDP that come in are dropped, as a bridge does.
 */
#ifndef SWITCH_LLDP_H
#define SWITCH_LLDP_H

#include <stdbool.h>
#include <stdint.h>

struct port;
struct sw;

#define LLDP_INTERVAL_S 30
#define LLDP_TTL_S (4 * LLDP_INTERVAL_S)
#define LLDP_TEXT_MAX 255 /* bytes of a text: IEEE 802.1AB 8.5 */
#define LLDP_FRAME_MAX 1200

/** The texts of a port's frames. */
struct lldp_facts {
	const char *system, *description; /* the host's name, and what the switch is */
	uint16_t ttl_s;                   /* 0: forget it */
};

/** Send frames at @p p every 30 s from now on, or a last one that takes them back. */
void lldp_set(struct port *p, bool on);

/** A frame of @p p to @p frame, of LLDP_FRAME_MAX bytes; longer texts are cut. Its length. */
uint32_t lldp_frame(const struct port *p, const struct lldp_facts *f, uint8_t *frame);

/** No more timers. */
void lldp_fini(struct sw *s);

#endif
