/* SPDX-License-Identifier: BSD-3-Clause */
#include "decode.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fields.h"
#include "vqsctl.h"

#define SECOND_NS UINT64_C(1000000000)

struct decoder {
	FILE *out;
	struct record_begin begin;
};

/** A text of the file: it must not drive a terminal. */
static void
put_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		fputc(isprint((unsigned char)*text) ? *text : '?', out);
}

static void
show_begin(struct decoder *d, const struct recording_event *e)
{
	time_t when = (time_t)(e->u.begin.wall_ns / SECOND_NS);
	char text[32] = "?";
	struct tm tm;

	d->begin = e->u.begin;
	if (gmtime_r(&when, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	fputs("recording of port ", d->out);
	put_text(d->out, d->begin.port);
	fprintf(d->out, " (%s, %u rings) by ",
		d->begin.transport == RECORD_VDUSE ? "VDUSE" : "vhost-user", d->begin.queues);
	put_text(d->out, d->begin.program);
	fprintf(d->out, ", begun %s UTC\n", text);
}

static void
show_connect(struct decoder *d, const struct recording_event *e)
{
	fprintf(d->out, "connected: session %" PRIu64 ", process %u of user %u\n",
		e->u.connect.session, e->u.connect.pid, e->u.connect.uid);
}

static void
show_disconnect(struct decoder *d, const struct recording_event *e)
{
	fputs("disconnected: ", d->out);
	put_text(d->out, e->text);
	fputc('\n', d->out);
}

static void
show_message(struct decoder *d, const struct recording_event *e)
{
	const struct record_message *m = &e->u.message;

	fprintf(d->out, "%s%s %s", m->from == RECORD_FROM_US ? "<-" : "->",
		m->channel == RECORD_BACKEND   ? " back-end's channel:"
		: m->channel == RECORD_CONTROL ? " control queue:"
		: m->channel == RECORD_KERNEL  ? " the kernel says:"
					       : "",
		message_name((enum record_transport)d->begin.transport, m));
	if (strcmp(message_name((enum record_transport)d->begin.transport, m), "?") == 0)
		fprintf(d->out, " (%u)", m->request);
	message_fields(d->out, (enum record_transport)d->begin.transport, e);
	message_fds(d->out, e);
	fputc('\n', d->out);
}

static void
show_verdict(struct decoder *d, const struct recording_event *e)
{
	if (e->u.verdict.error == 0) {
		fputs("   accepted\n", d->out);
		return;
	}
	fprintf(d->out, "   refused (%u): ", e->u.verdict.error);
	put_text(d->out, e->text);
	fputc('\n', d->out);
}

static void
show_lost(struct decoder *d, const struct recording_event *e)
{
	fprintf(d->out, "%" PRIu64 " records are lost here\n", e->u.lost.records);
}

static void
show_end(struct decoder *d, const struct recording_event *e)
{
	fputs("end: ", d->out);
	put_text(d->out, e->text);
	fputc('\n', d->out);
}

static void (*const shows[])(struct decoder *d, const struct recording_event *e) = {
	[RECORD_BEGIN] = show_begin,
	[RECORD_CONNECT] = show_connect,
	[RECORD_DISCONNECT] = show_disconnect,
	[RECORD_MESSAGE] = show_message,
	[RECORD_VERDICT] = show_verdict,
	[RECORD_LOST] = show_lost,
	[RECORD_END] = show_end,
};

const char *
decode_bytes(FILE *out, const uint8_t *data, size_t len)
{
	struct decoder d = {.out = out};
	struct recording_event e;
	struct recording r;
	const char *why = recording_begin(&r, data, len);
	int ret;

	if (why != NULL)
		return why;
	while ((ret = recording_next(&r, &e, &why)) == 1) {
		if (e.type != RECORD_BEGIN)
			fprintf(out, "%12.6f  ", (double)e.when_ns / SECOND_NS);
		shows[e.type](&d, &e);
	}
	return ret < 0 ? why : NULL;
}

int
decode(const char *path)
{
	uint8_t *data;
	const char *why;
	char err[512];
	size_t len;

	data = recording_load(path, &len, err, sizeof(err));
	if (data == NULL) {
		fprintf(stderr, "vqsctl: %s\n", err);
		return UNUSABLE;
	}
	why = decode_bytes(stdout, data, len);
	free(data);
	fflush(stdout);
	if (why != NULL)
		fprintf(stderr, "vqsctl: %s: %s\n", path, why);
	return why != NULL || ferror(stdout) ? REFUSED : DONE;
}
