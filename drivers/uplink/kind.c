/* SPDX-License-Identifier: BSD-3-Clause */
#include "uplink/kind.h"

#include "ethdev/ethdev.h"
#include "ethdev/kind.h"
#include "vdpa/sim/sim.h"

static int
check(const struct port_request *r)
{
	return sim_uplink_check(r->devargs, r->err, r->errlen);
}

static struct port *
attach(const struct port_request *r)
{
	struct ethdev_config cfg = ethdev_config_of(r->defaults);
	uint16_t dev;

	cfg.id = r->id;
	cfg.simulated = true;
	if (sim_uplink_make(r->devargs, &dev, r->err, r->errlen) < 0)
		return NULL;
	sim_uplink_pool(r->sw->mp);
	return ethdev_port_new(r->sw, dev, &cfg, r->err, r->errlen);
}

const struct port_kind uplink_kind = {
	.name = "uplink",
	.usage = "net_ring_WIRE, the uplink of a wire of simulated devices",
	.ours = sim_uplink_ours,
	.check = check,
	.attach = attach,
};
