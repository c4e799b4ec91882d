/* SPDX-License-Identifier: BSD-3-Clause */
/* The transport's part of "show port N negotiation": protocol features and messages. */
#include <inttypes.h>
#include <stdio.h>

#include <rte_common.h>

#include "gmem/pager.h"
#include "vhost_user/session.h"

static const char *
protocol_fate(const struct vhu_session *s, unsigned int bit, char *buf, size_t len)
{
	const uint64_t b = 1ull << bit;

	if (s->protocol_features & b)
		return "in effect";
	if (vhu_offered(s) & b)
		return s->protocol_features != 0 ? "offered, dropped by the front-end" : "offered";
	if (b & s->extra & VHU_PF(PAGEFAULT)) {
		snprintf(buf, len, "not offered: %s", vhu_postcopy_unavailable(s));
		return buf;
	}
	if (b & VHU_PF(CONFIGURE_MEM_SLOTS))
		return "not offered: post-copy needs memory as a table";
	if (b & VHU_PF_OPTIONAL)
		return "not offered: only if the port's options ask for it";
	if (b & VHU_PF_FORMATS)
		return "not offered: the port's format policy does not allow it";
	return "not offered: not served here";
}

static void
show_protocol_features(FILE *out, const struct vhu_session *s)
{
	unsigned int bit;
	char buf[128];

	fprintf(out, "  protocol features: offered 0x%016" PRIx64 ", acked 0x%016" PRIx64 "\n",
		vhu_offered(s), s->protocol_features);
	for (bit = 0; bit < 64; bit++)
		if (vhu_protocol_feature_name(bit) != NULL)
			fprintf(out, "    %2u %-35s %s\n", bit, vhu_protocol_feature_name(bit),
				protocol_fate(s, bit, buf, sizeof(buf)));
}

static void
show_postcopy(FILE *out, const struct vhu_session *s)
{
	const struct vhu_postcopy *c = &s->postcopy;
	struct pager_counters n;

	if (c->pager == NULL)
		return;
	pager_counters(c->pager, &n);
	fprintf(out,
		"  post-copy: %s, %" PRIu64 " pages asked for, %" PRIu64
		" of them awaited, %" PRIu64 " known to be there%s%s\n",
		c->listening ? "pages arrive as they are needed" : "advised", n.wanted, n.waiting,
		n.arrived, pager_why(c->pager) != NULL ? ": " : "",
		pager_why(c->pager) != NULL ? pager_why(c->pager) : "");
}

/* --- messages --- */

static void
show_event(FILE *out, const struct vhu_event *e, uint64_t now)
{
	fprintf(out, "  %9.3f s ago  %-22s size %-4u fds %u  0x%016" PRIx64 "  %s\n",
		(double)(now - e->when_ns) / 1e9, vhu_request_name(e->request), e->size, e->nfds,
		e->word, e->why != NULL ? e->why : "ok");
}

static void
show_messages(FILE *out, const struct vhu_session *s)
{
	uint64_t i = s->events > VHU_HISTORY ? s->events - VHU_HISTORY : 0;
	uint64_t now = ev_now_ns();

	fprintf(out,
		"  messages %" PRIu64 ", refused %" PRIu64 ", unknown %" PRIu64
		", IOTLB misses %" PRIu64 "; the last ones:\n",
		s->count.messages, s->count.refused, s->count.unknown, s->count.misses);
	for (; i < s->events; i++)
		show_event(out, &s->history[i % VHU_HISTORY], now);
}

void
vhu_session_show(const struct vhu_session *s, FILE *out)
{
	show_protocol_features(out, s);
	show_postcopy(out, s);
	show_messages(out, s);
}
