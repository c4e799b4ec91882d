/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The reason for which a port passes no traffic.
 */
#ifndef SWITCH_WHY_H
#define SWITCH_WHY_H

#include <stddef.h>

struct port;
struct sw;

/**
 * One sentence, static or in @p buf: what keeps @p p from passing traffic, the reason nearest to
 * the cause. NULL: nothing does.
 */
const char *sw_why(struct sw *s, const struct port *p, char *buf, size_t len);

#endif
