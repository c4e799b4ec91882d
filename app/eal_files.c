/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <rte_eal.h>
#include <rte_memory.h>

static int
unlink_page(const struct rte_memseg_list *list, const struct rte_memseg *page, void *arg)
{
	char link[32], path[PATH_MAX];
	struct statfs fs;
	int fd = list->external ? -1 : rte_memseg_get_fd_thread_unsafe(page);
	ssize_t n;

	(void)arg;
	if (fd < 0 || fstatfs(fd, &fs) != 0 || fs.f_type != HUGETLBFS_MAGIC)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return 0;
	path[n] = '\0'; /* of one that has no name this is none, either */
	(void)unlink(path);
	return 0;
}

void
eal_files_unlink_pages(void)
{
	(void)rte_memseg_walk(unlink_page, NULL);
}

void
eal_files_remove(const char *prefix)
{
	const char *path = rte_eal_get_runtime_dir(), *name = strrchr(path, '/');
	const struct dirent *e;
	int fd;
	DIR *d;

	if (prefix == NULL || name == NULL || strcmp(name + 1, strchr(prefix, '=') + 1) != 0)
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	while (d != NULL && (e = readdir(d)) != NULL)
		(void)unlinkat(fd, e->d_name, 0); /* fails for "." and ".." */
	if (d != NULL)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	(void)rmdir(path);
}
