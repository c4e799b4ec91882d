/* SPDX-License-Identifier: BSD-3-Clause */
/* A session's end, and what can be seen of it. */
#include <inttypes.h>
#include <string.h>

#include "vhost_user/session.h"

void
vhu_session_reset(struct vhu_session *s)
{
	vhu_conn_close(&s->conn);
	vhu_conn_close(&s->req);
	vhu_transfer_stop(&s->transfer);
	s->protocol_features = 0;
	s->owned = false;
}

typedef const char *name_of_bit(unsigned int bit);

/** One line for each bit that was offered or acked, and what became of it. */
static void
show_bits(FILE *out, uint64_t offered, uint64_t acked, name_of_bit *name)
{
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		uint64_t b = 1ull << bit;
		const char *n = name(bit);

		if (!((offered | acked) & b))
			continue;
		fprintf(out, "    %2u %-36s %s\n", bit, n != NULL ? n : "?",
			!(acked & b)     ? "offered, not taken by the frontend or the guest"
			: !(offered & b) ? "taken, no longer offered"
					 : "in use");
	}
}

static void
show_ring(FILE *out, const struct vdev *d, uint32_t i)
{
	const struct vdev_queue *q = &d->q[i];

	fprintf(out, "  queue %u: %s%s, size %u, base %u\n", i, q->running ? "running" : "stopped",
		q->enabled ? ", enabled" : "", q->size, q->base);
	fprintf(out, "    desc 0x%" PRIx64 " driver 0x%" PRIx64 " device 0x%" PRIx64 "\n",
		q->desc_uva, q->driver_uva, q->device_uva);
	if (q->running)
		fprintf(out, "    format %s: %s\n", vdev_format_name(q->format), q->how);
	else if (q->why != NULL)
		fprintf(out, "    %s\n", q->why);
}

static void
show_event(FILE *out, const struct vhu_event *e, uint64_t now)
{
	fprintf(out, "  %9.3f s ago  %-22s size %-4u fds %u  0x%016" PRIx64 "  %s\n",
		(double)(now - e->when_ns) / 1e9, vhu_request_name(e->request), e->size, e->nfds,
		e->word, e->why != NULL ? e->why : "ok");
}

void
vhu_session_show(const struct vhu_session *s, FILE *out)
{
	const struct vdev *d = s->dev;
	uint64_t i = s->events > VHU_HISTORY ? s->events - VHU_HISTORY : 0;
	uint64_t now = ev_now_ns();
	uint32_t q;

	fprintf(out, "  status 0x%02x, policy %s\n", vdev_get_status(d),
		vdev_policy_name(d->cfg.policy));
	fprintf(out, "  features 0x%016" PRIx64 ":\n", d->features);
	show_bits(out, vdev_features_offered(d), d->features, vdev_feature_name);
	fprintf(out, "  protocol features 0x%016" PRIx64 ":\n", s->protocol_features);
	show_bits(out, vhu_offered(s), s->protocol_features, vhu_protocol_feature_name);
	for (q = 0; q < d->nqueues; q++)
		show_ring(out, d, q);
	fprintf(out,
		"  messages %" PRIu64 ", refused %" PRIu64 ", unknown %" PRIu64
		", IOTLB misses %" PRIu64 "; the last ones:\n",
		s->count.messages, s->count.refused, s->count.unknown, s->count.misses);
	for (; i < s->events; i++)
		show_event(out, &s->history[i % VHU_HISTORY], now);
}
