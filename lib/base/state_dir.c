/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/state_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/string.h>

static int
usable_dir(const char *path)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	return access(path, W_OK | X_OK) < 0 ? -errno : 0;
}

int
state_dir_find(const char *wanted, char *out, size_t outlen)
{
	const char *run = getenv("XDG_RUNTIME_DIR");

	if (strlcpy(out, wanted != NULL ? wanted : "/run/vqswitch", outlen) >= outlen)
		return -ENAMETOOLONG;
	if (wanted != NULL || usable_dir(out) == 0)
		return usable_dir(out);
	if (run == NULL || *run != '/')
		return -EACCES;
	if ((size_t)snprintf(out, outlen, "%s/vqswitch", run) >= outlen)
		return -ENAMETOOLONG;
	return usable_dir(out);
}
