/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports that come and go, those of tunnels and of devices that vanish included: the program's side
 * of the switch's listener.
 *
 * Control thread.
 */
#ifndef APP_PORTS_H
#define APP_PORTS_H

struct app;

/**
 * Before the first port: the program is told of ports (struct app_port), tunnels can be made. 0 or
 * -ENOMEM. vxlan_free() ends it.
 */
int ports_init(struct app *app);

#endif
