/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "set log TYPE LEVEL": levels of DPDK's log types by pattern, remembered in the
 * order in which they were set, because a later pattern may name the types of an
 * earlier one. They last as long as the process, as DPDK's do. Control thread.
 */
#ifndef APP_TESTPMD_LOG_LEVEL_H
#define APP_TESTPMD_LOG_LEVEL_H

#include <stdint.h>
#include <stdio.h>

/**
 * Set the level, 0 to RTE_LOG_MAX, of the types that @p pattern (as of fnmatch()) names, or of all
 * lines for "global". 0 or -ENOMEM.
 */
int log_level_set(const char *pattern, uint32_t level);

/** Print the commands that set what was set. */
void log_level_print(FILE *out);

#endif
