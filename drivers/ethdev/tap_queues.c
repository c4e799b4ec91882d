/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev/tap_queues.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_tun.h>

#define DEVICE "/dev/net/tun"

/* Whether descriptor @p text of the list @p dir is a queue of the interface. */
static bool
is_queue(int dir, const char *text, const char *name)
{
	char target[sizeof(DEVICE)] = "";
	struct ifreq r = {0};

	return readlinkat(dir, text, target, sizeof(target)) == (ssize_t)strlen(DEVICE) &&
	       memcmp(target, DEVICE, strlen(DEVICE)) == 0 &&
	       ioctl(atoi(text), TUNGETIFF, &r) == 0 && strcmp(r.ifr_name, name) == 0;
}

static bool
set_queue(int fd, short flag)
{
	struct ifreq r = {.ifr_flags = flag};

	return ioctl(fd, TUNSETQUEUE, &r) == 0;
}

bool
tap_queues_any(const char *name)
{
	DIR *all = opendir("/proc/self/fd");
	const struct dirent *d;
	bool found = false;

	while (all != NULL && !found && (d = readdir(all)) != NULL)
		found = is_queue(dirfd(all), d->d_name, name);
	if (all != NULL)
		closedir(all);
	return found;
}

uint32_t
tap_queues_detach(const char *name, int *fd, uint32_t max)
{
	DIR *all = opendir("/proc/self/fd");
	const struct dirent *d;
	uint32_t n = 0;

	/*
	 * Refused of one that is detached: the driver keeps such a one, which it never reads from,
	 * and others by two descriptors.
	 */
	while (all != NULL && n < max && (d = readdir(all)) != NULL)
		if (is_queue(dirfd(all), d->d_name, name) &&
		    set_queue(atoi(d->d_name), IFF_DETACH_QUEUE))
			fd[n++] = atoi(d->d_name);
	if (all != NULL)
		closedir(all);
	return n;
}

bool
tap_queues_attach(const int *fd, uint32_t n)
{
	bool ok = true;

	for (uint32_t i = 0; i < n; i++)
		ok &= set_queue(fd[i], IFF_ATTACH_QUEUE);
	return ok;
}
