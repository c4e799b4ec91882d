/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control and workers.
 *
 * Who gets copies of a port's frames: a capture, and a port it is mirrored to.
 * Both get what the port sends as it came in, before anything is decided about
 * it, and what it is sent as it is handed to it, before its ring can be full.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "switch/capture.h"
#include "switch/forward.h"
#include "switch/port.h"

/* --- workers --- */

/* A mirrored frame is one more that goes out, like a copy made by flooding. */
static void
mirror(struct worker *w, const struct dp_port *to, struct pktq *rxq, struct pkt *const *pkts,
       uint16_t n)
{
	/* not back to where it came from, should that be what is mirrored to */
	if (to->ntx == 0 || to->id == rxq->port)
		return;
	rxq->stats.replicated += n;
	forward_send_only(w, to, rxq, pkts, n);
}

void
forward_copy(struct worker *w, const struct dp_port *port, bool out, struct pktq *rxq,
	     struct pkt *const *pkts, uint16_t n)
{
	if (port->capture != NULL)
		capture_frames(port->capture, port->id, rxq->index, out ? PCAPNG_OUT : PCAPNG_IN,
			       pkts, n);
	if (port->mirror != NULL)
		mirror(w, port->mirror, rxq, pkts, n);
}

/* --- control --- */

int
sw_mirror(struct port *p, struct port *to)
{
	if (p == to)
		return -EINVAL;
	p->mirror = to;
	sw_publish(p->sw);
	return 0;
}

static void
on_done(void *arg)
{
	struct sw *s = arg;
	const struct sw_capture *c = &s->captured;

	sw_capture_stop(s);
	if (c->last.error != 0)
		log_err("capture", "%s: %s", c->path, strerror(c->last.error));
	else
		log_notice("capture", "%s: %" PRIu64 " frames written", c->path, c->last.frames);
}

int
sw_capture_start(struct sw *s, const struct sw_capture *cfg)
{
	const struct capture_config config = {
		.path = cfg->path,
		.snaplen = cfg->snaplen,
		.count = cfg->count,
		.done = on_done,
		.arg = s,
	};
	uint32_t serial = s->captured.serial + 1;
	int ret;

	if (s->capture != NULL)
		return -EBUSY;
	ret = capture_start(&s->capture, s, &config);
	if (ret < 0)
		return ret;
	s->captured = *cfg;
	s->captured.serial = serial;
	sw_publish(s);
	return 0;
}

void
sw_capture_stop(struct sw *s)
{
	struct capture *c = s->capture;

	if (c == NULL)
		return;
	s->capture = NULL;
	sw_publish(s);
	capture_stop(c, &s->captured.last);
}

void
sw_capture_stats(const struct sw *s, struct capture_stats *out)
{
	if (s->capture != NULL)
		capture_get_stats(s->capture, out);
	else
		*out = s->captured.last;
}
