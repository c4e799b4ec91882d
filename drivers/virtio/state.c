/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a port's ring journal is: a file named after the absolute path of its
 * socket (percent-encoded), so that a switch started again with the same
 * sockets finds it.
 */
#include "virtio/state.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

/** realpath() of a file that need not exist yet. */
static int
absolute(const char *path, char out[PATH_MAX])
{
	const char *base = strrchr(path, '/');
	char dir[PATH_MAX], real[PATH_MAX];

	if (base == NULL) {
		strlcpy(dir, ".", sizeof(dir));
		base = path;
	} else {
		base++;
		snprintf(dir, sizeof(dir), "%.*s", (int)(base - path), path);
	}
	if (realpath(dir, real) == NULL)
		return -errno;
	if (snprintf(out, PATH_MAX, "%s/%s", strcmp(real, "/") == 0 ? "" : real, base) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

int
virtio_state_path(const char *dir, const char *sock, char *out, size_t outlen)
{
	char abs[PATH_MAX];
	size_t n;
	int ret;

	ret = absolute(sock, abs);
	if (ret < 0)
		return ret;
	n = strlcpy(out, dir, outlen);
	if (n + sizeof("/%2F.rings") > outlen)
		return -ENAMETOOLONG;
	out[n++] = '/';
	for (const char *c = abs + 1; *c != '\0'; c++) {
		if (n + sizeof("%2F.rings") > outlen)
			return -ENAMETOOLONG;
		if (*c == '/' || *c == '%')
			n += (size_t)snprintf(out + n, outlen - n, "%%%02X", (unsigned int)*c);
		else
			out[n++] = *c;
	}
	strlcpy(out + n, ".rings", outlen - n);
	return 0;
}
