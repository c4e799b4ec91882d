/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gmem/pager_uffd.h"

#define FLAGS (O_CLOEXEC | O_NONBLOCK)

/* Newer than the headers of the oldest release that is built for. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

static int
from_device(void)
{
	int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	int fd;

	if (dev < 0)
		return -1;
	fd = ioctl(dev, USERFAULTFD_IOC_NEW, FLAGS);
	close(dev);
	return fd;
}

/**
 * Faults of the kernel's own are not among those told: pages are touched by loads only, and every
 * user may have such a descriptor.
 */
static int
any(void)
{
	int fd = (int)syscall(SYS_userfaultfd, FLAGS | UFFD_USER_MODE_ONLY);

	if (fd < 0 && errno == EINVAL) /* before Linux 5.11 */
		fd = (int)syscall(SYS_userfaultfd, FLAGS);
	return fd < 0 && errno == EPERM ? from_device() : fd;
}

int
pager_uffd_open(const char **why)
{
	const uint64_t needs = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MISSING_HUGETLBFS;
	struct uffdio_api api = {.api = UFFD_API};
	int fd = any();

	*why = NULL;
	if (fd < 0)
		*why = errno == ENOSYS ? "this kernel has no userfaultfd"
				       : "userfaultfd is not permitted here";
	else if (ioctl(fd, UFFDIO_API, &api) != 0 || (api.features & needs) != needs)
		*why = "userfaultfd knows no files in memory here";
	if (*why == NULL || fd < 0)
		return fd;
	close(fd);
	return -1;
}
