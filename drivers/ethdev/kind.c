/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev/kind.h"

#include <stdio.h>
#include <string.h>

#include <bsd/string.h>
#include <rte_ethdev.h>

#include "ethdev/bond.h"
#include "ethdev/ethdev.h"
#include "ethdev/report.h"

struct ethdev_config
ethdev_config_of(const struct port_defaults *d)
{
	return (struct ethdev_config){
		.rxq = d->rxq,
		.txq = d->txq,
		.rxd = d->rxd,
		.txd = d->txd,
		.rx_offloads = d->rx_offloads,
		.tx_offloads = d->tx_offloads,
		.rehearsal = d->rehearsal,
	};
}

static struct ethdev_config
config_of(const struct port_request *r)
{
	struct ethdev_config cfg = ethdev_config_of(r->defaults);

	cfg.id = r->id;
	return cfg;
}

/* A null device takes the place of the device that must not be touched, or not yet. */
static struct port *
attach_stand_in(const struct port_request *r)
{
	const struct ethdev_config cfg = config_of(r);
	static unsigned int n;
	struct port *p;
	char name[32];

	snprintf(name, sizeof(name), "net_null_check%u", n++);
	p = r->defaults->successor
		    ? ethdev_port_expect(r->sw, r->devargs, name, &cfg, r->err, r->errlen)
		    : ethdev_port_attach(r->sw, name, &cfg, r->err, r->errlen);
	/* commands know the port by the name it would have */
	if (p != NULL)
		ethdev_name_of(r->devargs, p->name);
	return p;
}

static struct port *
attach(const struct port_request *r)
{
	const struct ethdev_config cfg = config_of(r);

	if (r->defaults->rehearsal || r->defaults->successor)
		return attach_stand_in(r);
	return ethdev_port_attach(r->sw, r->devargs, &cfg, r->err, r->errlen);
}

/* Members of bonds, and devices other than network devices (crypto_...), make no ports. */
static int
attach_probed(const struct port_request *r)
{
	const struct ethdev_config cfg = config_of(r);
	char name[RTE_ETH_NAME_MAX_LEN];
	uint16_t dev;

	strlcpy(name, r->devargs, sizeof(name));
	name[strcspn(name, ",")] = '\0';
	if (r->defaults->rehearsal)
		return attach_stand_in(r) != NULL ? 0 : -1;
	if (rte_eth_dev_get_port_by_name(name, &dev) == 0 && bond_has(dev))
		return 0;
	if (rte_eth_dev_get_port_by_name(name, &dev) == 0)
		return ethdev_port_new(r->sw, dev, &cfg, r->err, r->errlen) != NULL ? 0 : -1;
	if (strncmp(name, "net_", 4) != 0 && strncmp(name, "eth_", 4) != 0)
		return 0;
	snprintf(r->err, r->errlen, "%s: no such device could be made", name);
	return -1;
}

static bool
is_among(const char *name, const char *const *eal_vdev, int eal_nvdev)
{
	size_t len = strlen(name);

	for (int i = 0; i < eal_nvdev; i++)
		if (strncmp(eal_vdev[i], name, len) == 0 &&
		    (eal_vdev[i][len] == ',' || eal_vdev[i][len] == '\0'))
			return true;
	return false;
}

static int
attach_found(const struct port_request *r, const char *const *eal_vdev, int eal_nvdev)
{
	const struct ethdev_config cfg = config_of(r);
	char name[RTE_ETH_NAME_MAX_LEN];
	uint16_t dev;

	if (!r->defaults->rehearsal && bonds_take_members(r->err, r->errlen) < 0)
		return -1;
	RTE_ETH_FOREACH_DEV (dev) {
		if (rte_eth_dev_get_name_by_port(dev, name) != 0 ||
		    is_among(name, eal_vdev, eal_nvdev) || bond_has(dev))
			continue;
		if (ethdev_port_new(r->sw, dev, &cfg, r->err, r->errlen) == NULL)
			return -1;
	}
	return 0;
}

const struct port_kind ethdev_kind = {
	.name = "ethdev",
	.usage = "another virtual device or a PCI address",
	.attach = attach,
	.attach_probed = attach_probed,
	.attach_found = attach_found,
};
