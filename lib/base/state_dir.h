/* SPDX-License-Identifier: BSD-3-Clause */
/* The directory for what outlives the process: ring journals, the control socket. Any thread. */
#ifndef BASE_STATE_DIR_H
#define BASE_STATE_DIR_H

#include <stddef.h>

/**
 * The directory @p wanted, or, when it is NULL, /run/vqswitch if it can be written, else
 * $XDG_RUNTIME_DIR/vqswitch. Made when missing, mode 0700. 0 or -errno.
 */
int state_dir_find(const char *wanted, char *out, size_t outlen);

#endif
