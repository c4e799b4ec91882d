/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two guests at a peer that forwards between them: the one under test, and one with the simplest
 * rings the peer has. With one socket the peer sends back what it gets, and they are the same.
 */
#ifndef VQCONFORM_LINK_H
#define VQCONFORM_LINK_H

#include "station.h"

struct link {
	struct station here;
	struct station *there; /* of the two below */
	struct station other;
	uint32_t seq;
};

/** Two guests between which frames pass. */
void link_open(struct link *l, const struct station_wish *wish);

/** Only the other one. */
void link_other(struct link *l);

/** Until a probe has passed each way. */
void link_probe(struct link *l);

void link_close(struct link *l);

/** The next frame at @p s is @p seq, as it was made. @p r: how it came; NULL: no matter. */
void link_expect(struct station *s, uint32_t seq, uint32_t len, struct station_received *r);

/** Send a frame to the other guest, which gets it as it was. */
void link_out(struct link *l, uint32_t len, const struct station_shape *shape);

/** Likewise from the other guest. @p r: how it came; NULL: no matter. */
void link_in(struct link *l, uint32_t len, struct station_received *r);

/** @p n frames of many lengths each way, several under way at a time. */
void link_exchange(struct link *l, uint32_t n);

/** Frames pass again, and then many each way without a loss; both sessions end. */
void link_finish(struct link *l);

/** No frame comes to @p s for @p ms. */
void link_silent(struct station *s, int ms);

#endif
