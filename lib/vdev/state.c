/* SPDX-License-Identifier: BSD-3-Clause */
#include "vdev/state.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <rte_common.h>

#define S(sym) (1u << VDEV_STATE_##sym)

#define SAVING (S(STOP_COPY) | S(PRE_COPY) | S(PRE_COPY_P2P))

/* Single steps: a set of states reachable by one arc. */
static const uint8_t arcs[VDEV_STATE_NUM] = {
	[VDEV_STATE_ERROR] = 0,
	[VDEV_STATE_STOP] = S(RUNNING_P2P) | S(STOP_COPY) | S(RESUMING),
	[VDEV_STATE_RUNNING] = S(RUNNING_P2P) | S(PRE_COPY),
	[VDEV_STATE_STOP_COPY] = S(STOP),
	[VDEV_STATE_RESUMING] = S(STOP),
	[VDEV_STATE_RUNNING_P2P] = S(RUNNING) | S(STOP) | S(PRE_COPY_P2P),
	[VDEV_STATE_PRE_COPY] = S(RUNNING) | S(PRE_COPY_P2P),
	[VDEV_STATE_PRE_COPY_P2P] = S(PRE_COPY) | S(RUNNING_P2P) | S(STOP_COPY),
};

static const char *const names[] = {
#define X(sym, value, name) [value] = (name),
	VDEV_STATES(X)
#undef X
};
static_assert(RTE_DIM(names) == VDEV_STATE_NUM, "one name per state");

const char *
vdev_state_name(enum vdev_state s)
{
	return (unsigned int)s < VDEV_STATE_NUM ? names[s] : "?";
}

int
vdev_state_parse(const char *name)
{
	for (int s = 0; s < VDEV_STATE_NUM; s++) {
		if (strcmp(names[s], name) == 0)
			return s;
	}
	return -EINVAL;
}

/* Whether writes to guest memory are logged. */
static bool
logs(enum vdev_state s)
{
	return s == VDEV_STATE_PRE_COPY || s == VDEV_STATE_PRE_COPY_P2P;
}

/* States a path from @from to @to may pass through. */
static uint8_t
passable(enum vdev_state from, enum vdev_state to)
{
	if (logs(from) && (S(STOP_COPY) & (1u << to)))
		return S(PRE_COPY_P2P);
	return (uint8_t) ~(SAVING | S(RESUMING) | S(ERROR));
}

/* All states that one arc leads to from the states in @set. */
static uint8_t
reach(uint8_t set)
{
	uint8_t out = 0;

	for (int s = 0; s < VDEV_STATE_NUM; s++) {
		if (set & (1u << s))
			out |= arcs[s];
	}
	return out;
}

/* Number of arcs from @from to @to, or VDEV_STATE_NUM when @to cannot be reached. */
static int
distance(enum vdev_state from, enum vdev_state to, uint8_t via)
{
	uint8_t set = (uint8_t)(1u << from);
	int d;

	for (d = 0; d < VDEV_STATE_NUM && !(set & (1u << to)); d++)
		set |= reach(d == 0 ? set : set & (via | (uint8_t)(1u << from)));
	return d;
}

int
vdev_state_next(enum vdev_state from, enum vdev_state to)
{
	int best = VDEV_STATE_NUM, next = -EINVAL;
	uint8_t via;

	if ((unsigned int)from >= VDEV_STATE_NUM || (unsigned int)to >= VDEV_STATE_NUM ||
	    from == VDEV_STATE_ERROR || to == VDEV_STATE_ERROR)
		return -EINVAL;
	if (from == to)
		return to;
	if (from == VDEV_STATE_STOP_COPY && logs(to))
		return -EINVAL;
	via = passable(from, to);
	for (int s = 0; s < VDEV_STATE_NUM; s++) {
		int d;

		if (!(arcs[from] & (1u << s)) || (s != (int)to && !(via & (1u << s))))
			continue;
		d = distance(s, to, via);
		if (d < best) {
			best = d;
			next = s;
		}
	}
	return next;
}
