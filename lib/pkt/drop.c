/* SPDX-License-Identifier: BSD-3-Clause */
#include "pkt/drop.h"

#include <assert.h>

#include <rte_common.h>

static const struct {
	const char *name;
	const char *text;
} drop_table[] = {
#define X(sym, drop, meaning) [DROP_##sym] = {drop, meaning},
	DROP_REASONS(X)
#undef X
};
static_assert(RTE_DIM(drop_table) == DROP_NUM, "one row per drop reason");

const char *
drop_name(enum drop_reason r)
{
	return drop_table[r].name;
}

const char *
drop_text(enum drop_reason r)
{
	return drop_table[r].text;
}
