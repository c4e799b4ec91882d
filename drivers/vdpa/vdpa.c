/* SPDX-License-Identifier: BSD-3-Clause */
/* The kinds of vDPA devices there are, and which of them a name means. */
#include "vdpa/vdpa.h"

#include <errno.h>
#include <stdio.h>

static const struct vdpa_kind *const kinds[] = {
	&vdpa_sim, &vdpa_rte, &vdpa_kernel, NULL, /* ends the list */
};

const struct vdpa_kind *
vdpa_kind_of(const char *name)
{
	size_t i;

	for (i = 0; kinds[i] != NULL; i++)
		if (kinds[i]->ours(name))
			return kinds[i];
	return NULL;
}

static const struct vdpa_kind *
kind_or_error(const char *name, char *err, size_t errlen)
{
	const struct vdpa_kind *k = vdpa_kind_of(name);

	if (k == NULL)
		snprintf(err, errlen, "'%.64s' names no vDPA device: " VDPA_NAMES " are known",
			 name);
	return k;
}

struct engine *
vdpa_open(const char *name, struct vdev *d, char *err, size_t errlen)
{
	const struct vdpa_kind *k = kind_or_error(name, err, errlen);

	return k != NULL ? k->open(name, d, err, errlen) : NULL;
}

void
vdpa_fini(void)
{
	for (size_t i = 0; kinds[i] != NULL; i++)
		if (kinds[i]->fini != NULL)
			kinds[i]->fini();
}

void
vdpa_list(vdpa_list_fn fn, void *ctx)
{
	size_t i;

	for (i = 0; kinds[i] != NULL; i++)
		kinds[i]->list(fn, ctx);
}

uint32_t
vdpa_counters(const char *name, struct vdpa_counter *out)
{
	const struct vdpa_kind *k = vdpa_kind_of(name);

	return k != NULL && k->counters != NULL ? k->counters(name, out) : 0;
}

int
vdpa_set(const char *name, const char *key, const char *value, char *err, size_t errlen)
{
	const struct vdpa_kind *k = kind_or_error(name, err, errlen);

	if (k == NULL)
		return -EINVAL;
	if (k->set != NULL)
		return k->set(name, key, value, err, errlen);
	snprintf(err, errlen, "%s: devices of kind %s have no settings", name, k->name);
	return -EINVAL;
}

int
vdpa_attach(const char *devargs, char *err, size_t errlen)
{
	return vdpa_rte.attach(devargs, err, errlen);
}

int
vdpa_detach(const char *name, char *err, size_t errlen)
{
	const struct vdpa_kind *k = kind_or_error(name, err, errlen);

	if (k == NULL)
		return -ENODEV;
	if (k->detach != NULL)
		return k->detach(name, err, errlen);
	snprintf(err, errlen, "%s: devices of kind %s stay", name, k->name);
	return -EINVAL;
}
