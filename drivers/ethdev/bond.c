/* SPDX-License-Identifier: BSD-3-Clause */
#include "ethdev/bond.h"

#include <stdio.h>
#include <string.h>

#include <bsd/string.h>
#include <rte_devargs.h>
#include <rte_ethdev.h>
#include <rte_kvargs.h>

#include "base/parse.h"

#define PREFIX "net_bonding"

#ifdef RTE_ETH_DEV_BONDING_MEMBER
#define IS_MEMBER RTE_ETH_DEV_BONDING_MEMBER
#else /* DPDK before 23.11 */
#define IS_MEMBER RTE_ETH_DEV_BONDED_SLAVE
#endif

bool
bond_has(uint16_t dev)
{
	struct rte_eth_dev_info info;

	return rte_eth_dev_info_get(dev, &info) == 0 && info.dev_flags != NULL &&
	       (*info.dev_flags & IS_MEMBER) != 0;
}

int
bonds_take_members(char *err, size_t errlen)
{
	const struct rte_eth_conf conf = {0};
	char name[RTE_ETH_NAME_MAX_LEN];
	uint16_t dev;

	RTE_ETH_FOREACH_DEV (dev) {
		if (rte_eth_dev_get_name_by_port(dev, name) != 0 ||
		    strncmp(name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		if (rte_eth_dev_configure(dev, 1, 1, &conf) == 0)
			continue;
		snprintf(err, errlen, "%s: a member of the bond is missing or does not fit", name);
		return -1;
	}
	return 0;
}

/* A member by its name, by its number, or by a PCI address, which may lack the domain. */
static int
match(const char *key, const char *value, void *arg)
{
	uint16_t *dev = arg, found;
	char name[RTE_ETH_NAME_MAX_LEN];
	uint64_t number;

	snprintf(name, sizeof(name), "0000:%.32s", value);
	if (rte_eth_dev_get_port_by_name(value, &found) != 0 &&
	    rte_eth_dev_get_port_by_name(name, &found) != 0) {
		if (!parse_whole(value, 10, 0, RTE_MAX_ETHPORTS - 1, &number))
			return 0;
		found = (uint16_t)number;
	}
	if (found == *dev)
		*dev = RTE_MAX_ETHPORTS;
	return 0;
}

bool
bond_names(const char *devargs, uint16_t dev)
{
	const char *args = strchr(devargs, ',');
	struct rte_kvargs *kv;

	if (strncmp(devargs, PREFIX, strlen(PREFIX)) != 0 || args == NULL)
		return false;
	kv = rte_kvargs_parse(args + 1, NULL);
	if (kv == NULL)
		return false;
	rte_kvargs_process(kv, "slave", match, &dev);
	rte_kvargs_process(kv, "member", match, &dev);
	rte_kvargs_free(kv);
	return dev == RTE_MAX_ETHPORTS;
}
