/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of a guest that a front-end is: one memfd, mapped once, handed out from
 * the bottom. Guest-physical addresses differ from ours on purpose.
 */
#ifndef GMEM_GM_H
#define GMEM_GM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gm {
	int fd;
	uint8_t *hva;
	uint64_t gpa; /* of hva */
	uint64_t size;
	uint64_t used; /* bytes handed out */
};

/** Map @p size bytes, from huge pages if @p huge, at guest-physical @p gpa. 0 or -errno. */
int gm_init(struct gm *m, uint64_t gpa, uint64_t size, bool huge);
void gm_fini(struct gm *m);

/**
 * The next @p len bytes, zeroed, at a multiple of @p align (a power of two). Aborts when there are
 * none left.
 */
void *gm_alloc(struct gm *m, size_t len, size_t align);

static inline uint64_t
gm_gpa(const struct gm *m, const void *p)
{
	return m->gpa + (uint64_t)((const uint8_t *)p - m->hva);
}

#endif
