/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>

#include "gmem/gm.h"

#define HUGE_SIZE (2ull << 20)

int
gm_init(struct gm *m, uint64_t gpa, uint64_t size, bool huge)
{
	int ret;

	*m = (struct gm){.fd = -1, .gpa = gpa, .size = RTE_ALIGN_CEIL(size, HUGE_SIZE)};
	m->fd = memfd_create("guest", MFD_CLOEXEC | (huge ? MFD_HUGETLB : 0));
	if (m->fd < 0)
		return -errno;
	if (ftruncate(m->fd, (off_t)m->size) != 0)
		goto fail;
	m->hva = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, m->fd, 0);
	if (m->hva != MAP_FAILED)
		return 0;
	m->hva = NULL;
fail:
	ret = -errno;
	gm_fini(m);
	return ret;
}

void
gm_fini(struct gm *m)
{
	if (m->hva != NULL)
		munmap(m->hva, m->size);
	if (m->fd >= 0)
		close(m->fd);
	*m = (struct gm){.fd = -1};
}

void *
gm_alloc(struct gm *m, size_t len, size_t align)
{
	uint64_t at = RTE_ALIGN_CEIL(m->used, (uint64_t)align);

	if (at + len > m->size)
		abort();
	m->used = at + len;
	return m->hva + at;
}
