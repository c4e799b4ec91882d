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
#define BOND_ARGUMENT_MAX 1536
#define MODE_LACP 4 /* BONDING_MODE_8023AD */

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

/* The name of the device; NULL: it is no bond. */
static const char *
bond_name(uint16_t dev, char name[RTE_ETH_NAME_MAX_LEN])
{
	return rte_eth_dev_get_name_by_port(dev, name) == 0 &&
			       strncmp(name, PREFIX, strlen(PREFIX)) == 0
		       ? name
		       : NULL;
}

bool
bond_take_members(uint16_t dev)
{
	const struct rte_eth_conf conf = {0};
	char name[RTE_ETH_NAME_MAX_LEN];

	return bond_name(dev, name) == NULL || rte_eth_dev_configure(dev, 1, 1, &conf) == 0;
}

int
bonds_take_members(char *err, size_t errlen)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	uint16_t dev;

	RTE_ETH_FOREACH_DEV (dev) {
		if (bond_take_members(dev))
			continue;
		snprintf(err, errlen, "%s: a member of the bond is missing or does not fit",
			 bond_name(dev, name));
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

/* Have @p fn look at each member that the argument of a bond names. */
static void
each_member(const char *args, arg_handler_t fn, void *arg)
{
	struct rte_kvargs *kv = rte_kvargs_parse(args, NULL);

	if (kv == NULL)
		return;
	rte_kvargs_process(kv, "slave", fn, arg);
	rte_kvargs_process(kv, "member", fn, arg);
	rte_kvargs_free(kv);
}

bool
bond_names(const char *devargs, uint16_t dev)
{
	const char *args = strchr(devargs, ',');

	if (strncmp(devargs, PREFIX, strlen(PREFIX)) != 0 || args == NULL)
		return false;
	each_member(args + 1, match, &dev);
	return dev == RTE_MAX_ETHPORTS;
}

/* Its device argument, with the name in front. False: it is no bond. */
static bool
bond_argument(uint16_t dev, char text[BOND_ARGUMENT_MAX])
{
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_eth_dev_info info;
	const struct rte_devargs *args;

	if (bond_name(dev, name) == NULL || rte_eth_dev_info_get(dev, &info) != 0)
		return false;
	args = rte_dev_devargs(info.device);
	snprintf(text, BOND_ARGUMENT_MAX, "%s,%s", name,
		 args != NULL && args->args != NULL ? args->args : "");
	return true;
}

uint16_t
bond_members(uint16_t dev, uint16_t *list, uint16_t max)
{
	char text[BOND_ARGUMENT_MAX];
	uint16_t other, n = 0;

	if (!bond_argument(dev, text))
		return 0;
	RTE_ETH_FOREACH_DEV (other)
		if (n < max && bond_has(other) && bond_names(text, other))
			list[n++] = other;
	return n;
}

static int
note_number(const char *key, const char *value, void *arg)
{
	uint64_t number;

	*(bool *)arg |= parse_whole(value, 10, 0, RTE_MAX_ETHPORTS - 1, &number);
	return 0;
}

bool
bond_counts(const char *args)
{
	bool found = false;

	each_member(args, note_number, &found);
	return found;
}

static int
note_mode(const char *key, const char *value, void *arg)
{
	uint64_t mode;

	*(bool *)arg = parse_whole(value, 10, 0, UINT8_MAX, &mode) && mode == MODE_LACP;
	return 0;
}

bool
bond_has_lacp(uint16_t dev)
{
	char text[BOND_ARGUMENT_MAX];
	struct rte_kvargs *kv = NULL;
	bool lacp = false;

	if (bond_argument(dev, text))
		kv = rte_kvargs_parse(strchr(text, ',') + 1, NULL);
	if (kv != NULL)
		rte_kvargs_process(kv, "mode", note_mode, &lacp);
	rte_kvargs_free(kv);
	return lacp;
}
