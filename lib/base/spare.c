/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/spare.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define SPARES 16 /* two messages' worth */
#define NEAR 256  /* descriptors are kept from this far below the limit on */

static struct {
	int fd[SPARES];
	uint32_t n;   /* entries of fd[] that are open */
	uint32_t had; /* before they were lent */
	bool kept;    /* spare_init() was called */
	bool wanted;  /* the limit was near once: they are lent */
} spare;

static bool
open_all(void)
{
	while (spare.n < SPARES) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return false;
		spare.fd[spare.n++] = fd;
	}
	return true;
}

void
spare_init(void)
{
	spare.kept = true;
	open_all();
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

void
spare_lend(void)
{
	if (!spare.kept) /* perhaps in a program with a loop in each of several threads */
		return;
	spare.had = spare.n;
	spare.wanted = spare.wanted || limit_is_near();
	while (spare.wanted && spare.n > 0)
		close(spare.fd[--spare.n]);
}

bool
spare_refill(void)
{
	return !spare.kept || open_all();
}

bool
spare_repaid(void)
{
	return spare.n >= spare.had;
}

uint32_t
spare_had(void)
{
	return spare.had;
}

uint32_t
spare_count(void)
{
	return spare.n;
}

uint32_t
spare_missing(void)
{
	return SPARES - spare.n;
}
