/* SPDX-License-Identifier: BSD-3-Clause */
/* From device arguments to ports, with the program's options as their defaults. */
#ifndef APP_DEVICE_H
#define APP_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "switch/port_kind.h"

struct app;
struct port;

/** Before EAL: whether our own --vdev arguments make sense. 0, or -1 with a sentence in @p err. */
int devices_check(const struct app *app, char *err, size_t errlen);

/**
 * Ports of the devices EAL found - as in testpmd, other buses first, then --vdev
 * in the order given, of any kind. 0, or -1 with a sentence in @p err.
 */
int devices_make(struct app *app, char *err, size_t errlen);

/** Settings that a port has before the first frame passes. */
struct birth {
	uint16_t domain; /* < VLAN_DOMAINS */
	uint16_t access; /* the VLAN it is an access port of; 0: of none */
	bool no_learning;
	bool stopped;
};

/**
 * Make a port from a device argument ("net_vhost1,iface=...", "net_tap0", a PCI
 * address) with the program's defaults, at the lowest free number from @p id on, and with the
 * settings @p b (NULL: none). NULL with a sentence in @p err.
 */
struct port *app_attach(struct app *app, uint16_t id, const struct birth *b, const char *devargs,
			char *err, size_t errlen);

/** Whether @p devargs asks for the device @p p has, however it is written. */
bool device_is(const struct app *app, const struct port *p, const char *devargs);

/** @p p is new, or has another MTU or domain: what is built on it follows. */
void app_port_changed(struct app *app, const struct port *p);

/** How many ports there are. */
uint16_t app_port_count(const struct app *app);

/** The settings of all ports by the command line and "port config all". */
struct port_defaults device_defaults(const struct app *app);

#endif
