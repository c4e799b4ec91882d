/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the program asks an ethdev port (struct port_ops): its argument, facts
 * and settings. Internal to drivers/ethdev; control thread.
 */
#ifndef ETHDEV_REPORT_H
#define ETHDEV_REPORT_H

#include "switch/port_kind.h"

void ethdev_argument(const struct port *p, FILE *out);
bool ethdev_same(const struct port *p, const struct port_request *r);
const char *ethdev_node(const struct port *p, int *node);
void ethdev_facts(const struct port *p, const struct port_defaults *d, struct port_facts *out);
void ethdev_show(const struct port *p, FILE *out);
void ethdev_running(const struct port *p, FILE *out);
int ethdev_queue_info(const struct port *p, bool tx, uint16_t index, struct port_queue_info *out);
int ethdev_configure(struct port *p, const struct port_defaults *d);

/** The name in a device argument: up to the first comma. */
void ethdev_name_of(const char *devargs, char name[PORT_NAME_MAX]);

#endif
