/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/capture_handover.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "pkt/hand.h"
#include "switch/capture_ring.h"
#include "switch/port.h"
#include "switch/sw.h"
#include "switch/sw_capture.h"

/* Types are for ever: a number that is no longer used stays unused. */
enum { TYPE_CAPTURE = CAPTURE_HAND_FIRST, TYPE_PORT };

/** The path follows. With a descriptor: it goes on. */
struct capture_data {
	uint64_t count, frames, bytes, lost;
	uint32_t snaplen, serial, ninterfaces;
	int32_t error;
	uint16_t port, zero[3];
};
static_assert(sizeof(struct capture_data) == 56, "layout of the record");

struct port_data {
	uint64_t written, lost;
	uint32_t interface; /* plus one; 0: none yet */
	uint16_t id;
	uint8_t there, zero; /* the port is, or another has its number */
	char name[CAPTURE_NAME_MAX];
};

const char *
capture_hand_against(const struct sw *s)
{
	if (s->capture == NULL)
		return NULL;
	if (s->captured.live || s->captured.attended)
		return "a capture runs for a client that waits for its end (vqsctl capture, "
		       "capture run) and cannot go on: end it first";
	return capture_is_file(s->capture) ? NULL
					   : "a capture into a pipe cannot go on: end it first";
}

/* --- the predecessor --- */

static void
put_port(const struct sw *s, const struct capture_port *p, struct blob *b)
{
	struct port_data x = {.id = p->id,
			      .interface = p->interface,
			      .written = p->written,
			      .lost = atomic_load(&p->lost),
			      .there = s->port[p->id] != NULL && s->port[p->id]->captured == p};

	memcpy(x.name, p->name, sizeof(x.name));
	hand_put(b, TYPE_PORT, &x, sizeof(x));
}

static void
put_capture(const struct sw *s, struct blob *b)
{
	const struct sw_capture *c = &s->captured;
	uint8_t data[sizeof(struct capture_data) + PATH_MAX];
	size_t path = strlen(c->path);
	struct blob_record r = {TYPE_CAPTURE, BLOB_MUST_KNOW,
				(uint32_t)(sizeof(struct capture_data) + path), 0};
	int fd = s->capture != NULL ? capture_fd(s->capture) : -1;
	struct capture_stats now;
	struct capture_data x;

	sw_capture_stats(s, &now);
	x = (struct capture_data){.count = c->count,
				  .frames = now.frames,
				  .bytes = now.bytes,
				  .lost = now.lost,
				  .snaplen = c->snaplen,
				  .serial = c->serial,
				  .error = now.error,
				  .port = c->port};
	if (s->capture != NULL)
		x.ninterfaces = s->capture->ninterfaces;
	memcpy(data, &x, sizeof(x));
	memcpy(data + sizeof(x), c->path, path);
	r.nfds = fd >= 0;
	blob_put_fds(b, &r, data, &fd);
}

void
capture_hand_over(struct sw *s, struct blob *b)
{
	const struct capture_port *p;

	if (s->capture != NULL && !capture_pause(s->capture))
		sw_capture_stop(s); /* it has ended by itself */
	if (s->captured.serial == 0)
		return;
	put_capture(s, b);
	if (s->capture == NULL)
		return;
	STAILQ_FOREACH (p, &s->capture->ports, entry)
		put_port(s, p, b);
}

/* --- the successor --- */

static const char *
take_running(struct sw *s, const struct capture_data *x, int fd)
{
	struct sw_capture cfg = s->captured;

	if (sw_capture_restore(s, &cfg, fd) != 0)
		return "the file of the capture cannot be written here";
	s->capture->ninterfaces = x->ninterfaces;
	atomic_store(&s->capture->frames, x->frames);
	atomic_store(&s->capture->bytes, x->bytes);
	return NULL;
}

static const char *
take_capture(struct sw *s, const struct hand_record *h)
{
	struct capture_data x;
	uint32_t path;

	if (!hand_get(h, &x, sizeof(x)) || h->r.len - sizeof(x) >= sizeof(s->captured.path) ||
	    memchr((const uint8_t *)h->data + sizeof(x), '\0', h->r.len - sizeof(x)) != NULL)
		return "a capture's record is too short, or its path is none";
	if (s->capture != NULL || x.serial == 0 || x.snaplen == 0)
		return "a capture that cannot be";
	path = h->r.len - (uint32_t)sizeof(x);
	s->captured = (struct sw_capture){.port = x.port,
					  .snaplen = x.snaplen,
					  .count = x.count,
					  .serial = x.serial,
					  .last = {.frames = x.frames,
						   .bytes = x.bytes,
						   .lost = x.lost,
						   .error = x.error}};
	memcpy(s->captured.path, (const uint8_t *)h->data + sizeof(x), path);
	if (h->r.nfds == 0)
		return NULL;
	return take_running(s, &x, blob_take_fd(h->reader, 0));
}

static const char *
take_port(struct sw *s, const struct hand_record *h)
{
	struct capture_port *p;
	struct port_data x;

	if (!hand_get(h, &x, sizeof(x)) || s->capture == NULL || x.id >= DP_PORTS_MAX ||
	    x.interface > s->capture->ninterfaces)
		return "a port of a capture that cannot be";
	x.name[sizeof(x.name) - 1] = '\0';
	p = capture_add_port(s->capture, x.id, x.name);
	if (p == NULL)
		return "out of memory";
	p->interface = x.interface;
	p->written = x.written;
	atomic_store(&p->lost, x.lost);
	if (x.there && s->port[x.id] != NULL)
		s->port[x.id]->captured = p;
	return NULL;
}

const char *
capture_take_over(struct sw *s, const struct hand_record *h)
{
	if (h->r.type == TYPE_CAPTURE)
		return take_capture(s, h);
	if (h->r.type == TYPE_PORT)
		return take_port(s, h);
	return (h->r.flags & BLOB_MUST_KNOW) ? "a record about a capture is not known here" : NULL;
}

void
capture_hand_run(struct sw *s)
{
	int ret = s->capture != NULL ? capture_go_on(s->capture) : 0;

	sw_capture_expect(s, 0);
	if (ret == 0)
		return;
	log_err("capture", "%s: it cannot go on: %s", s->captured.path, strerror(-ret));
	sw_capture_stop(s);
	s->captured.last.error = -ret;
}
