/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/port_guard.h"

#include <errno.h>

#include "switch/port.h"
#include "switch/publish.h"

static int
check(const struct guard_config *c)
{
	if (c->n > GUARD_PAIRS_MAX)
		return -ERANGE;
	for (uint32_t i = 0; i < c->n; i++)
		if (!c->pair[i].any_mac && !rte_is_valid_assigned_ether_addr(&c->pair[i].mac))
			return -EINVAL;
	return 0;
}

int
port_set_guard(struct port *p, const struct guard_config *c)
{
	struct guard *old = p->guard, *now = NULL;
	int ret = check(c);

	if (ret < 0)
		return ret;
	if (c->checks != 0) {
		now = guard_new(c);
		if (now == NULL)
			return -ENOMEM;
	}
	p->guard_set = *c;
	p->guard = now;
	sw_publish(p->sw);
	guard_free(old);
	return 0;
}
