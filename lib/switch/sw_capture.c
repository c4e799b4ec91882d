/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The capture of a switch: one at a time.
 */
#include "switch/sw_capture.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "switch/port.h"
#include "switch/publish.h"
#include "switch/sw.h"

static void
on_done(void *arg)
{
	struct sw *s = arg;
	const struct sw_capture *c = &s->captured;

	sw_capture_stop(s);
	if (c->live)
		return; /* the client is told */
	if (c->last.error != 0)
		log_err("capture", "%s: %s", c->path, strerror(c->last.error));
	else
		log_notice("capture", "%s: %" PRIu64 " frames written", c->path, c->last.frames);
}

static struct capture_config
config_of(struct sw *s, const struct sw_capture *cfg, int fd)
{
	return (struct capture_config){
		.path = cfg->path,
		.fd = fd,
		.snaplen = cfg->snaplen,
		.count = cfg->count,
		.loop = s->loop,
		.done = on_done,
		.arg = s,
	};
}

int
sw_capture_start(struct sw *s, const struct sw_capture *cfg, int fd)
{
	const struct capture_config config = config_of(s, cfg, cfg->live ? fd : -1);
	uint32_t serial = s->captured.serial + 1;
	int ret;

	if (s->capture != NULL) {
		if (cfg->live)
			close(fd);
		return -EBUSY;
	}
	ret = capture_start(&s->capture, &config);
	if (ret < 0)
		return ret;
	s->captured = *cfg;
	s->captured.serial = serial;
	sw_publish(s);
	return 0;
}

int
sw_capture_restore(struct sw *s, const struct sw_capture *cfg, int fd)
{
	const struct capture_config config = config_of(s, cfg, fd);

	if (fd < 0)
		return -EBADF;
	s->capture = s->expected;
	s->expected = NULL;
	return capture_restore(&s->capture, &config);
}

void
sw_capture_expect(struct sw *s, uint32_t snaplen)
{
	capture_forget(s->expected);
	s->expected = snaplen != 0 ? capture_expect(snaplen) : NULL;
}

void
sw_capture_stop(struct sw *s)
{
	struct capture *c = s->capture;

	if (c == NULL)
		return;
	s->capture = NULL;
	for (uint16_t i = 0; i < s->nports; i++)
		if (s->port[i] != NULL)
			s->port[i]->captured = NULL;
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
