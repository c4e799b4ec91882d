/* SPDX-License-Identifier: BSD-3-Clause */
#include "vdpa/held.h"

#include <sys/stat.h>

#include "gmem/file.h"

static bool
file_of(const struct gmem_region *r, struct held_file *out)
{
	uint64_t offset;
	struct stat st;

	if (fstat(gmem_file_fd(r->file, r->hva, &offset), &st) != 0)
		return false;
	*out = (struct held_file){st.st_dev, st.st_ino};
	return true;
}

static bool
is_noted(const struct held *h, const struct held_file *f)
{
	uint32_t i;

	for (i = 0; i < h->n; i++)
		if (h->file[i].dev == f->dev && h->file[i].ino == f->ino)
			return true;
	return false;
}

void
held_note(struct held *h, const struct gmem *m)
{
	struct held_file f;
	uint32_t i;

	h->n = 0;
	for (i = 0; m != NULL && i < m->n; i++)
		if (file_of(&m->r[i], &f) && !is_noted(h, &f))
			h->file[h->n++] = f;
}

bool
held_any(const struct held *h, const struct gmem *m)
{
	struct held_file f;
	uint32_t i;

	for (i = 0; m != NULL && h->n != 0 && i < m->n; i++)
		if (file_of(&m->r[i], &f) && is_noted(h, &f))
			return true;
	return false;
}
