/* SPDX-License-Identifier: BSD-3-Clause */
/* Sequence checking of vqgen: a window of what has arrived, per flow. */
#include "vqgen.h"

static uint64_t *
word_of(struct flow_check *f, uint32_t seq)
{
	return &f->seen[seq % WINDOW / 64];
}

static uint64_t
bit_of(uint32_t seq)
{
	return 1ull << (seq % 64);
}

/** Move the window up to @p seq; what was skipped counts as lost until it turns up. */
static void
advance(struct check *c, struct flow_check *f, uint32_t seq)
{
	uint32_t gap = seq - f->next, clear = RTE_MIN(gap, (uint32_t)WINDOW);

	c->lost += gap;
	for (uint32_t i = 0; i < clear; i++)
		*word_of(f, seq - 1 - i) &= ~bit_of(seq - 1 - i);
	*word_of(f, seq) |= bit_of(seq);
	f->next = seq + 1;
}

void
check_sequence(struct check *c, struct flow_check *f, uint32_t seq)
{
	int32_t ahead = (int32_t)(seq - f->next);

	if (ahead >= 0) {
		advance(c, f, seq);
		c->good++;
	} else if (ahead < -WINDOW) {
		c->late++;
	} else if (*word_of(f, seq) & bit_of(seq)) {
		c->duplicated++;
	} else {
		*word_of(f, seq) |= bit_of(seq);
		c->reordered++;
		c->lost--;
	}
}

void
check_finish(struct check *c, const struct flow_check *f, uint32_t sent)
{
	c->lost += sent - f->next;
}
