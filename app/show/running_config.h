/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "show config": the commands that bring another switch to where this one is.
 * Loaded where they came from they change nothing.
 *
 * Each file of commands prints its own settings; running_config.c has them in the
 * order in which they can be loaded. Settings that cannot change while the program
 * runs - lcores, memory, directories and sockets of its own - is not among them.
 * Control thread.
 */
#ifndef APP_SHOW_RUNNING_CONFIG_H
#define APP_SHOW_RUNNING_CONFIG_H

#include <stdio.h>

struct app;
struct port;

/** Print the commands that set what is set. */
typedef void (*running_fn)(const struct app *app, FILE *out);

void running_print(const struct app *app, FILE *out);

/** Call @p fn for every port that a device argument makes, by number. */
void running_each_port(const struct app *app, FILE *out,
		       void (*fn)(const struct app *app, const struct port *p, FILE *out));

/* testpmd/cmd_ports.c: the ports and their devices; before everything that names one */
void ports_running(const struct app *app, FILE *out);
/* testpmd/cmd_config.c */
void config_running(const struct app *app, FILE *out);
/* testpmd/cmd_offload.c */
void offload_running(const struct app *app, FILE *out);
/* cli/cmd_switch.c */
void switch_running(const struct app *app, FILE *out);
void workers_running(const struct app *app, FILE *out);
/* cli/cmd_limit.c */
void limits_running(const struct app *app, FILE *out);
/* cli/cmd_guard.c */
void guards_running(const struct app *app, FILE *out);
/* cli/cmd_snoop.c */
void snooping_running(const struct app *app, FILE *out);
/* cli/cmd_acl.c */
void acls_running(const struct app *app, FILE *out);
/* cli/cmd_conntrack.c */
void conntrack_running(const struct app *app, FILE *out);
/* cli/cmd_vlan.c: behind domains, before addresses */
void vlans_running(const struct app *app, FILE *out);
/* cli/cmd_mirror.c */
void mirrors_running(const struct app *app, FILE *out);
/* cli/cmd_sflow.c */
void sflow_running(const struct app *app, FILE *out);
void vdpa_running(const struct app *app, FILE *out);
/* cli/cmd_vxlan.c: behind the ports and their domains */
void tunnels_running(const struct app *app, FILE *out);
/* cli/cmd_control.c: whether it forwards; after everything else */
void control_running(const struct app *app, FILE *out);

#endif
