/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "gmem/dirty.h"
#include "gmem/file.h"

struct dirty *
dirty_new(int fd, uint64_t offset, uint64_t size, struct gmem_fault *fault, const char **why)
{
	struct dirty *d = malloc(sizeof(*d));

	if (d == NULL) {
		*why = "out of memory";
		return NULL;
	}
	d->file = gmem_file_map(fd, offset, size, fault, &d->map, why);
	if (d->file == NULL) {
		free(d);
		return NULL;
	}
	if (__builtin_mul_overflow(size, UINT64_C(8), &d->pages)) {
		*why = "the dirty log is larger than the address space";
		dirty_free(d);
		return NULL;
	}
	return d;
}

void
dirty_free(struct dirty *d)
{
	if (d == NULL)
		return;
	gmem_file_put(d->file);
	free(d);
}
