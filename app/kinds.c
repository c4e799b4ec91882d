/* SPDX-License-Identifier: BSD-3-Clause */
/* The one place of the program that names kinds of ports: a new one is a line here. */
#include "kinds.h"

#include <rte_common.h>

#include "ethdev/kind.h"
#include "uplink/kind.h"
#include "vhost_vdpa/kind.h"
#include "virtio/kind.h"

static const struct port_kind *const kinds[] = {
	/* net_vhost_vdpa before net_vhost; the last one takes the rest */
	&vhost_vdpa_kind,
	&virtio_kind,
	&uplink_kind,
	&ethdev_kind,
};

const struct port_kind *
kind_of(const char *devargs)
{
	size_t i = 0;

	while (kinds[i]->ours != NULL && !kinds[i]->ours(devargs))
		i++;
	return kinds[i];
}

bool
kind_is_ours(const char *devargs)
{
	return kind_of(devargs)->ours != NULL;
}

void
kinds_usage(FILE *out)
{
	for (size_t i = 0; i < RTE_DIM(kinds); i++)
		fprintf(out, "  %s\n", kinds[i]->usage);
}

const char *
kinds_busy(void)
{
	const char *why = NULL;

	for (size_t i = 0; why == NULL && i < RTE_DIM(kinds); i++)
		why = kinds[i]->busy != NULL ? kinds[i]->busy() : NULL;
	return why;
}

int
kinds_attach_found(const struct port_request *r, const char *const *eal_vdev, int eal_nvdev)
{
	for (size_t i = 0; i < RTE_DIM(kinds); i++)
		if (kinds[i]->attach_found != NULL &&
		    kinds[i]->attach_found(r, eal_vdev, eal_nvdev) < 0)
			return -1;
	return 0;
}
