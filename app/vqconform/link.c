/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "base/ev.h"

#include "frame.h"
#include "link.h"
#include "outcome.h"

#define PROBE_MS 50
#define PROBE_TIMES 4 /* of the time for a frame: ports may be set up anew */
#define AT_ONCE 16u   /* frames under way */

static void
probe(struct station *from, struct station *to)
{
	const uint64_t end =
		ev_now_ns() + (uint64_t)station_target.timeout_ms * PROBE_TIMES * 1000000;
	const uint64_t before = to->probes;
	struct station_received r;

	for (;;) {
		station_send(from, FRAME_PROBE, FRAME_MIN, NULL);
		/* which is no probe: one of an earlier part of the check */
		(void)station_receive(to, &r, PROBE_MS);
		if (to->probes != before)
			return;
		if (ev_now_ns() > end)
			outcome_fail("no frame passes from socket %u to socket %u", from->side + 1,
				     to->side + 1);
	}
}

void
link_probe(struct link *l)
{
	probe(&l->here, l->there);
	if (l->there != &l->here)
		probe(l->there, &l->here);
}

void
link_other(struct link *l)
{
	const struct station_wish plain = {.optional = MODERN};

	l->there = &l->here;
	if (station_target.paths < 2)
		return;
	station_open(&l->other, 1, &plain);
	l->other.beside = &l->here;
	l->there = &l->other;
}

void
link_open(struct link *l, const struct station_wish *wish)
{
	*l = (struct link){0};
	link_other(l);
	station_open(&l->here, 0, wish);
	link_probe(l);
}

void
link_close(struct link *l)
{
	station_close(&l->here);
	if (l->there == &l->other)
		station_close(&l->other);
}

void
link_expect(struct station *s, uint32_t seq, uint32_t len, struct station_received *r)
{
	struct station_received any;
	uint32_t at;

	if (r == NULL)
		r = &any;

	if (!station_receive(s, r, station_target.timeout_ms))
		outcome_fail("frame %u of %u bytes did not arrive", seq, len);
	if (r->seq != seq)
		outcome_fail("frame %u arrived instead of frame %u", r->seq, seq);
	if (r->len != len)
		outcome_fail("frame %u of %u bytes arrived with %u bytes", seq, len, r->len);
	at = frame_damage(r->frame, r->len, seq);
	if (at != len)
		outcome_fail("frame %u of %u bytes arrived with a wrong byte at %u", seq, len, at);
}

void
link_out(struct link *l, uint32_t len, const struct station_shape *shape)
{
	station_send(&l->here, ++l->seq, len, shape);
	link_expect(l->there, l->seq, len, NULL);
}

void
link_in(struct link *l, uint32_t len, struct station_received *r)
{
	station_send(l->there, ++l->seq, len, NULL);
	link_expect(&l->here, l->seq, len, r);
}

/** Lengths from the shortest to the longest one, neighbours far apart. */
static uint32_t
some_length(uint32_t i)
{
	return FRAME_MIN + i * 97 % (FRAME_MAX - FRAME_MIN + 1);
}

/** Some frames from one to the other. */
static void
burst(struct link *l, struct station *from, struct station *to, uint32_t n)
{
	const uint32_t first = l->seq + 1;

	for (uint32_t i = 0; i < n; i++) {
		l->seq++;
		station_send(from, l->seq, some_length(l->seq), NULL);
	}
	for (uint32_t i = 0; i < n; i++)
		link_expect(to, first + i, some_length(first + i), NULL);
}

/** How many of the longest frames the receive ring has buffers for, at least one. */
static uint32_t
frames_held(const struct station *s)
{
	const uint32_t len = s->wish.rx_len != 0 ? s->wish.rx_len : FRAME_MAX + NET_HDR_LEN;
	const uint32_t each = (FRAME_MAX + NET_HDR_LEN + len - 1) / len;
	const uint32_t parts = s->wish.rx.indirect ? 1 : RTE_MAX(s->wish.rx.n, 1u);

	const uint32_t buffers = RTE_MIN(s->q[STATION_RX].nslots, s->q[STATION_RX].d.size / parts);

	return RTE_MAX(buffers / each, 1u);
}

void
link_exchange(struct link *l, uint32_t n)
{
	/* what a ring has no buffers for is dropped */
	const uint32_t held = RTE_MIN(frames_held(&l->here), frames_held(l->there));
	const uint32_t some = RTE_MIN(AT_ONCE, held);

	for (uint32_t i = 0; i < n; i += some) {
		burst(l, &l->here, l->there, some);
		if (l->there != &l->here)
			burst(l, l->there, &l->here, some);
	}
	station_drain(&l->here);
}

void
link_finish(struct link *l)
{
	link_probe(l);
	link_exchange(l, 32);
	link_close(l);
}

void
link_silent(struct station *s, int ms)
{
	struct station_received r;

	if (station_receive(s, &r, ms))
		outcome_fail("frame %u arrived", r.seq);
}
