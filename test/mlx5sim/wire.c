/* SPDX-License-Identifier: BSD-3-Clause */
/* The network: all functions on one hub, except those whose frames return to them. */
#include "card.h"

bool
wire_send(struct card *c, const uint8_t *frame, uint32_t len)
{
	if (c->wire_back)
		return virtq_accept(c, frame, len) != ACCEPT_LATER;
	for (uint32_t i = 0; i < ncards; i++)
		if (&cards[i] != c && !cards[i].gone && !cards[i].wire_back)
			(void)virtq_accept(&cards[i], frame, len);
	return true;
}
