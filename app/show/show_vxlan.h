/* SPDX-License-Identifier: BSD-3-Clause */
/* Tunnels, their VNIs and VTEPs, as text and as JSON. Control thread. */
#ifndef APP_SHOW_SHOW_VXLAN_H
#define APP_SHOW_SHOW_VXLAN_H

#include <stdio.h>

#include <jansson.h>

struct app;

void show_tunnels(const struct app *app, FILE *out);
void show_vnis(const struct app *app, FILE *out);
void show_vteps(struct app *app, FILE *out);

/** A new reference: {"tunnels": [{..., "vnis": [{..., "vteps": [...]}]}]}. */
json_t *report_tunnels(struct app *app);

#endif
