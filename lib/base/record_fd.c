/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/record_fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/** Beginnings of the names that the kernel has for them. */
static const struct {
	const char *name;
	enum record_fd_kind kind;
} names[] = {
	{"anon_inode:[eventfd]", RECORD_FD_EVENTFD},
	{"anon_inode:[userfaultfd]", RECORD_FD_USERFAULTFD},
	{"socket:[", RECORD_FD_SOCKET},
	{"pipe:[", RECORD_FD_PIPE},
	{"/dev/", RECORD_FD_DEVICE},
	{"/", RECORD_FD_FILE},
};

static uint32_t
named_kind(int fd)
{
	char path[32], name[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, name, sizeof(name) - 1) < 0)
		return RECORD_FD_OTHER;
	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(name, names[i].name, strlen(names[i].name)) == 0)
			return names[i].kind;
	return RECORD_FD_OTHER;
}

struct record_fd
record_fd_of(int fd)
{
	struct stat st;

	/* seals are known to files in memory only, and those do not keep us waiting */
	if (fcntl(fd, F_GET_SEALS) >= 0 && fstat(fd, &st) == 0)
		return (struct record_fd){
			.kind = RECORD_FD_MEMORY,
			.page = (uint32_t)st.st_blksize,
			.size = (uint64_t)st.st_size,
			.file = (uint64_t)st.st_ino,
		};
	return (struct record_fd){.kind = named_kind(fd)};
}
