/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by fuzzers. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/lane.h"

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/** Descriptors of this process once no lane has any to close. */
static inline unsigned int
fuzz_open_fds(void)
{
	unsigned int n = 0;
	DIR *dir;

	while (!lane_all_idle())
		usleep(100);
	dir = opendir("/proc/self/fd");
	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

#endif
