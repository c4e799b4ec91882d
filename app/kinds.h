/* SPDX-License-Identifier: BSD-3-Clause */
/* The kinds of ports there are. Control thread. */
#ifndef APP_KINDS_H
#define APP_KINDS_H

#include <stdio.h>

#include "switch/port_kind.h"

/** The kind of port a device argument makes: EAL's devices if no other kind takes it. */
const struct port_kind *kind_of(const char *devargs);

/** Whether EAL must not see a --vdev argument, since the device is of our own making. */
bool kind_is_ours(const char *devargs);

/** The device arguments of each, one a line. */
void kinds_usage(FILE *out);

/** Work that goes on for ports that are no more, static text; NULL: none. */
const char *kinds_busy(void);

/** Port.attach_found() of every kind that has it. 0 or -1. */
int kinds_attach_found(const struct port_request *r, const char *const *eal_vdev, int eal_nvdev);

#endif
