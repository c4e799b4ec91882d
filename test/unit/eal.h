/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_EAL_H
#define TEST_EAL_H

#include <stdint.h>

/**
 * Start the EAL for a test program: no huge pages, no devices, no files.
 * @p lcores as for -l. 0 or -1; ready to be the body of a cmocka group setup.
 */
int eal_start(const char *lcores, uint32_t megabytes);

#endif
