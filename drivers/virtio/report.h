/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the program asks a virtio port (struct port_ops): its argument, facts,
 * details, settings and states. Internal to drivers/virtio; control thread.
 */
#ifndef VIRTIO_REPORT_H
#define VIRTIO_REPORT_H

#include "switch/port_kind.h"

void virtio_argument(const struct port *p, FILE *out);
bool virtio_same(const struct port *p, const struct port_request *r);
const char *virtio_node(const struct port *p, int *node);
void virtio_facts(const struct port *p, const struct port_defaults *d, struct port_facts *out);
void virtio_show(const struct port *p, FILE *out);
uint32_t virtio_details(const struct port *p, struct port_detail *out);
void virtio_running(const struct port *p, FILE *out);
void virtio_negotiation(const struct port *p, FILE *out);
int virtio_set_format(struct port *p, const char *format);
int virtio_set_hw(struct port *p, const char *hw);
void virtio_datapath(const struct port *p, FILE *out);
bool virtio_in_hardware(const struct port *p);

extern const struct port_state_ops virtio_states;

#endif
