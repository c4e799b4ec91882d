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
 * One sentence, static or in @p buf: the reason for which @p p passes no traffic at all, the one
 * nearest to the cause. NULL: there is none.
 */
const char *sw_why_none(struct sw *s, const struct port *p, char *buf, size_t len);

/** The same, or the reason for which it does not pass all of it. */
const char *sw_why(struct sw *s, const struct port *p, char *buf, size_t len);

#endif
