/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The port below a tunnel whose network card is the kernel's.
 */
#ifndef APP_UNDERLAY_H
#define APP_UNDERLAY_H

#include <stdbool.h>
#include <stddef.h>

struct app;
struct evpn_ip;
struct port;

/**
 * The port of net_af_packet on the kernel's interface that has the address @p local; made if it is
 * not there, in a domain that nothing else is in, so that it carries tunnels only. @p made: it was.
 * sw_port_remove() ends it. NULL with a sentence in @p err: no interface has the address, or the
 * port cannot be made.
 */
struct port *underlay_of_kernel(struct app *app, const struct evpn_ip *local, bool *made, char *err,
				size_t errlen);

#endif
