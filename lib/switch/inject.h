/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * Frames of control's own, sent in the name of a port: control puts them into a
 * ring, one worker takes them out like the frames of any queue and hands them
 * to the forwarding mode, limits and copies of the port included. Internal to
 * lib/switch.
 *
 * A port's share is limited: it costs the workers less than the port's own
 * frames could, however often its peer asks.
 */
#ifndef SWITCH_INJECT_H
#define SWITCH_INJECT_H

#include <stdint.h>

struct dataplane;
struct dp_worker;
struct inject;
struct inject_port;
struct sw;

#define INJECT_BURST 32 /* frames in the name of a port at once */
#define INJECT_RATE 10  /* and per second in the long run */

/* --- control --- */

/** NULL: out of memory. */
struct inject *inject_new(void);

/** What is in the ring is freed. NULL is fine; no worker is online. */
void inject_free(struct inject *i);

/** For a new port with this id. NULL: out of memory. Freed with free() when no snapshot has it. */
struct inject_port *inject_port_new(struct inject *i, uint16_t id);

/** Let this worker poll the queue. */
void inject_poll(struct inject *i, struct dp_worker *dw);

/** No worker polls the queue: drop what is in it. */
void inject_drain(struct sw *s);

#endif
