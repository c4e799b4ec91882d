/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports and numbers as arguments: "3", "net_vhost1", "0,4-7,net_tap0". Control thread. */
#ifndef APP_CLI_LISTS_H
#define APP_CLI_LISTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct app;

/** The number of the port called the @p len bytes at @p name. False: there is none. */
bool cli_port_named(const struct app *app, const char *name, size_t len, uint16_t *id);

/**
 * Numbers, ranges of them and, unless @p names is NULL, names of its ports, separated by commas.
 * How many there are, at most @p max, or -EINVAL.
 */
int cli_list(const char *text, const struct app *names, uint32_t *list, uint32_t max);

#endif
