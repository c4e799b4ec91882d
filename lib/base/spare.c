/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/spare.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#define SPARES 16 /* two messages' worth */
#define NEAR 256  /* descriptors are kept from this far below the limit on */

static struct {
	int fd[SPARES];
	uint32_t n;  /* entries of fd[] that are open */
	bool kept;   /* spare_init() was called */
	bool wanted; /* the limit was near once: all of them are to be open */
} spare;

void
spare_init(void)
{
	spare.kept = true;
}

void
spare_lend(void)
{
	while (spare.n > 0)
		close(spare.fd[--spare.n]);
}

/* Descriptors are given out lowest first: is one open that is not far from the limit? */
static bool
limit_is_near(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return false;
	return limit.rlim_cur <= NEAR || fcntl((int)(limit.rlim_cur - NEAR), F_GETFD) >= 0;
}

bool
spare_refill(void)
{
	if (!spare.kept || (!spare.wanted && !limit_is_near()))
		return true;
	spare.wanted = true;
	while (spare.n < SPARES) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return false;
		spare.fd[spare.n++] = fd;
	}
	return true;
}
