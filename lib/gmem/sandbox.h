/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that a peer may take over can do no harm any more. */
#ifndef GMEM_SANDBOX_H
#define GMEM_SANDBOX_H

#include <stdbool.h>

/**
 * Whether this process, and those it starts, may give up capabilities: a filter of system calls may
 * forbid that. Nothing is given up.
 */
bool sandbox_may_drop_capabilities(void);

/** Give up all capabilities, for this thread and those it starts. False: it cannot. */
bool sandbox_drop_capabilities(void);

/**
 * From now on this thread may map files it is given, talk over the sockets it has and end the
 * process, nothing else. A build with a sanitizer, which needs more, is left as it is. 0 or -errno.
 */
int sandbox_enter(void);

#endif
