/* SPDX-License-Identifier: BSD-3-Clause */
/* Tunnels, their VNIs and VTEPs, as text and as JSON. Control thread. */
#ifndef APP_SHOW_SHOW_VXLAN_H
#define APP_SHOW_SHOW_VXLAN_H

#include <stdio.h>

#include <jansson.h>

struct app;

void show_tunnels(const struct app *app, FILE *out);
void show_vnis(struct app *app, FILE *out);
void show_vteps(struct app *app, FILE *out);
void show_vxlan_macs(struct app *app, FILE *out);
void show_vxlan_ips(struct app *app, FILE *out);

/** A new reference: {"tunnels": [{..., "vnis": [{..., "vteps": [...]}]}]}. */
json_t *report_tunnels(struct app *app);

/** Likewise {"vnis": [...]}, {"vteps": [...]}, {"addresses": [...]}, {"neighbours": [...]}. */
json_t *report_vnis(struct app *app);
json_t *report_vteps(struct app *app);
json_t *report_vxlan_macs(struct app *app);
json_t *report_vxlan_ips(struct app *app);

#endif
