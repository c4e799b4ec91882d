/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/port_limits.h"

#include <errno.h>

#include "switch/limit.h"
#include "switch/port.h"
#include "switch/publish.h"

static int
check_limits(const struct limits *l)
{
	if (l->pps > LIMIT_RATE_MAX || l->bps > LIMIT_RATE_MAX || l->storm > LIMIT_RATE_MAX)
		return -ERANGE;
	if (l->nmac > LIMIT_MACS_MAX)
		return -ERANGE;
	for (uint8_t i = 0; i < l->nmac; i++)
		if (!rte_is_valid_assigned_ether_addr(&l->mac[i]))
			return -EINVAL;
	return 0;
}

static bool
limits_anything(const struct limits *l)
{
	return l->pps != 0 || l->bps != 0 || l->storm != 0 || l->locked;
}

static uint64_t
lower(uint64_t a, uint64_t b)
{
	return b != 0 && (a == 0 || b < a) ? b : a;
}

static struct limits
both(const struct limits *set, const struct limits *migrated)
{
	struct limits all = set->locked ? *set : *migrated;

	all.pps = lower(set->pps, migrated->pps);
	all.bps = lower(set->bps, migrated->bps);
	all.storm = lower(set->storm, migrated->storm);
	return all;
}

/* Put both limits into force. */
static int
limit(struct port *p, const struct limits *set, const struct limits *migrated)
{
	struct limiter *old = p->limiter, *now = NULL;
	struct limits all = both(set, migrated);

	/* the address that was the first to send stays the one locked to */
	if (old != NULL && all.locked && all.nmac == 0)
		limiter_macs(old, &all);
	if (limits_anything(&all)) {
		now = limiter_new(&all, old);
		if (now == NULL)
			return -ENOMEM;
	}
	p->limits = *set;
	p->migrated = *migrated;
	p->limiter = now;
	sw_publish(p->sw);
	limiter_free(old);
	return 0;
}

int
port_set_limits(struct port *p, const struct limits *l)
{
	int ret = check_limits(l);

	return ret == 0 ? limit(p, l, &p->migrated) : ret;
}

int
port_set_migrated_limits(struct port *p, const struct limits *l)
{
	static const struct limits none;
	int ret;

	if (l == NULL)
		l = &none;
	if (!limits_anything(l) && !limits_anything(&p->migrated))
		return 0;
	ret = check_limits(l);
	return ret == 0 ? limit(p, &p->limits, l) : ret;
}

void
port_get_limits(const struct port *p, struct limits *out)
{
	*out = p->limits;
	if (p->limiter != NULL && out->locked)
		limiter_macs(p->limiter, out);
}

void
port_limits_in_force(const struct port *p, struct limits *out)
{
	*out = both(&p->limits, &p->migrated);
	if (p->limiter != NULL)
		limiter_macs(p->limiter, out);
}

int
port_set_egress_limits(struct port *p, uint64_t pps, uint64_t bps)
{
	const struct limits l = {.pps = pps, .bps = bps};
	struct limiter *old = p->egress_limiter, *now = NULL;
	int ret = check_limits(&l);

	if (ret < 0)
		return ret;
	if (limits_anything(&l)) {
		now = limiter_new(&l, old);
		if (now == NULL)
			return -ENOMEM;
	}
	p->egress_limits = l;
	p->egress_limiter = now;
	sw_publish(p->sw);
	limiter_free(old);
	return 0;
}
