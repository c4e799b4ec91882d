/* SPDX-License-Identifier: BSD-3-Clause */
#include "successor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bsd/string.h>

#include "app.h"
#include "cli/cli.h"
#include "control_socket.h"
#include "handover.h"
#include "base/heir.h"
#include "base/sock.h"
#include "pkt/legend.h"
#include "switch/capture_handover.h"
#include "switch/sw_capture.h"
#include "switch/handover.h"
#include "vxlan/vxlan.h"

#define ASK_MS 2000

struct successor {
	int sock;
	char *config; /* of the predecessor */
	struct blob blob;
	struct legend legend;
	struct port *port; /* the records are of */
	bool ended;        /* the last record of a part has come */
	bool has_devices;  /* of the predecessor's */
	uint32_t snaplen;  /* of a capture that it will hand over; 0: none */
	char why[HANDOVER_LINE_MAX];
};

/* --- asking --- */

/* The line and, with it, the other end of the pair. 0 or -errno. */
static int
send_request(int control, int theirs)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} passed = {0};
	char line[64];
	struct iovec iov = {line, 0};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &passed,
		.msg_controllen = sizeof(passed),
	};

	iov.iov_len = (size_t)snprintf(line, sizeof(line), "take over %u\n", HANDOVER_VERSION);
	passed.align.cmsg_level = SOL_SOCKET;
	passed.align.cmsg_type = SCM_RIGHTS;
	passed.align.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&passed.align), &theirs, sizeof(theirs));
	return sendmsg(control, &m, MSG_NOSIGNAL) == (ssize_t)iov.iov_len ? 0 : -errno;
}

/* The answer to it: text, a NUL, and '0' if it was granted. */
static int
hear_answer(int control, char *err, size_t errlen)
{
	const struct timeval patience = {.tv_sec = ASK_MS / 1000};
	char answer[1024];
	size_t len = 0;
	ssize_t n;

	(void)setsockopt(control, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	do {
		n = recv(control, answer + len, sizeof(answer) - len, 0);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && len < sizeof(answer) && (len < 2 || answer[len - 2] != '\0'));
	if (len < 2 || answer[len - 2] != '\0') {
		snprintf(err, errlen, "it does not answer");
		return -1;
	}
	answer[strcspn(answer, "\n")] = '\0';
	strlcpy(err, answer, errlen);
	return answer[len - 1] == '0' ? 0 : -1;
}

static int
ask(const char *path, int *sock, char *err, size_t errlen)
{
	int pair[2], control = sock_connect_unix(path), ret;

	if (control < 0) {
		snprintf(err, errlen, "%s", strerror(-control));
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		snprintf(err, errlen, "%s", strerror(errno));
		close(control);
		return -1;
	}
	ret = send_request(control, pair[1]);
	close(pair[1]);
	if (ret < 0)
		snprintf(err, errlen, "%s", strerror(-ret));
	else
		ret = fcntl(control, F_SETFL, 0) == 0 ? hear_answer(control, err, errlen) : -1;
	close(control);
	if (ret < 0) {
		close(pair[0]);
		return -1;
	}
	*sock = pair[0];
	return 0;
}

/* --- the first part --- */

static bool
take_config(struct successor *s, const uint8_t *data, uint32_t len)
{
	if (s->config != NULL || memchr(data, '\0', len) != NULL)
		return false;
	s->config = strndup((const char *)data, len);
	return s->config != NULL;
}

/* A record of the first part. NULL, or why it cannot be taken. */
static const char *
take_first(struct successor *s, struct blob_reader *reader, const struct blob_record *r,
	   const uint8_t *data)
{
	if (r->type == HANDOVER_END)
		s->ended = true;
	if (r->type == HANDOVER_END)
		return NULL;
	if (r->type == HANDOVER_CONFIG)
		return take_config(s, data, r->len) ? NULL : "its configuration is not text";
	if (r->type == HANDOVER_CAPTURE && r->len >= sizeof(s->snaplen))
		memcpy(&s->snaplen, data, sizeof(s->snaplen));
	if (r->type == HANDOVER_DESCRIPTOR)
		return heir_load(reader, data, r->len) ? NULL : "a descriptor has no name";
	return (r->flags & BLOB_MUST_KNOW) ? "it sends what is not known here" : NULL;
}

static const char *
read_first(struct successor *s)
{
	struct blob_reader reader = {.blob = &s->blob};
	const uint8_t *data;
	struct blob_record r;
	const char *why = NULL;
	uint32_t version = 0;

	data = blob_read(&reader, &r);
	if (data == NULL || r.type != HANDOVER_HELLO || r.len < sizeof(version))
		return "it does not begin as a switch does";
	memcpy(&version, data, sizeof(version));
	if (version != HANDOVER_VERSION)
		return "it speaks another version of the sequence";
	while (why == NULL && (data = blob_read(&reader, &r)) != NULL)
		why = take_first(s, &reader, &r, data);
	if (why == NULL && !(s->ended && blob_at_end(&reader)))
		why = "what it sends is damaged";
	return why != NULL || s->config != NULL ? why : "its configuration is missing";
}

struct successor *
successor_new(const char *path, char *err, size_t errlen)
{
	struct successor *s = calloc(1, sizeof(*s));
	char line[HANDOVER_LINE_MAX];
	const char *why;
	int ret;

	if (s == NULL) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	if (ask(path, &s->sock, line, sizeof(line)) < 0) {
		snprintf(err, errlen, "--upgrade-from=%s: %s", path, line);
		free(s);
		return NULL;
	}
	ret = blob_receive(s->sock, &s->blob, HANDOVER_BYTES_MAX, HANDOVER_ANSWER_MS);
	why = ret < 0 ? strerror(-ret) : read_first(s);
	blob_free(&s->blob);
	if (why == NULL)
		return s;
	snprintf(err, errlen, "--upgrade-from=%s: %s", path, why);
	handover_say(s->sock, HANDOVER_REFUSED, why, ASK_MS);
	heir_close_rest();
	close(s->sock);
	free(s->config);
	free(s);
	return NULL;
}

void
successor_alive(struct successor *s)
{
	if (s != NULL)
		handover_say(s->sock, HANDOVER_ALIVE, "", ASK_MS);
}

void
successor_fail(struct successor *s, const char *fmt, va_list ap)
{
	char line[HANDOVER_LINE_MAX];

	if (s == NULL)
		return;
	vsnprintf(line, sizeof(line), fmt, ap);
	handover_say(s->sock, HANDOVER_REFUSED, line, ASK_MS);
}

/* --- building --- */

/* Run lines of the configuration; the last line printed is the reason, if one fails. */
static int
run_lines(struct app *app, const char *text, char *err, size_t errlen)
{
	char *out = NULL, *last;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	int ret = f != NULL ? cli_run_text(app->cli, text, "the predecessor", f) : -ENOMEM;

	if (f != NULL && fclose(f) != 0)
		ret = -ENOMEM;
	while (len > 0 && out != NULL && out[len - 1] == '\n')
		out[--len] = '\0';
	last = out != NULL ? strrchr(out, '\n') : NULL;
	if (ret < 0)
		snprintf(err, errlen, "its configuration: %s",
			 last != NULL  ? last + 1
			 : out != NULL ? out
				       : strerror(-ret));
	free(out);
	return ret < 0 ? -1 : 0;
}

int
successor_make_ports(struct app *app, char *err, size_t errlen)
{
	char *all = strdup(app->successor->config), *rest = all, *line, *ports = NULL;
	size_t len;
	FILE *f = all != NULL ? open_memstream(&ports, &len) : NULL;
	int ret = -1;

	while (f != NULL && (line = strsep(&rest, "\n")) != NULL)
		if (strncmp(line, "port add ", 9) == 0)
			fprintf(f, "%s\n", line);
	if (f != NULL && fclose(f) == 0)
		ret = run_lines(app, ports, err, errlen);
	else
		snprintf(err, errlen, "out of memory");
	free(ports);
	free(all);
	return ret;
}

int
successor_configure(struct app *app, char *err, size_t errlen)
{
	int ret = run_lines(app, app->successor->config, err, errlen);

	if (ret == 0)
		sw_capture_expect(&app->sw, app->successor->snaplen);
	return ret;
}

/* --- the second part --- */

static const char *
take_port(struct successor *s, const struct app *app, const struct hand_record *h)
{
	uint32_t id = 0;

	s->port = hand_get(h, &id, sizeof(id)) ? app_port(app, id) : NULL;
	if (s->port == NULL)
		return "a port that is not part of the configuration";
	return s->port->ops->handover != NULL ? NULL : "a port of another kind";
}

static const char *
take_port_record(struct port *p, const struct hand_record *h)
{
	struct baseline *const base[HANDOVER_BASELINES] = {
		[HANDOVER_CLEARED] = &p->cleared,
		[HANDOVER_SHOWN] = &p->app->shown,
		[HANDOVER_STARTED] = &p->app->started,
	};

	if (h->r.type < SW_HAND_END)
		return port_take_over(p, h, base, HANDOVER_BASELINES);
	return p->ops->handover->load(p, h);
}

static const char *
take_second(struct successor *s, struct app *app, const struct hand_record *h)
{
	if (h->r.type == HANDOVER_END)
		s->ended = true;
	if (h->r.type == HANDOVER_END)
		return NULL;
	if (h->r.type == HANDOVER_LEGEND)
		return legend_read(&s->legend, h->data, h->r.len) ? NULL
								  : "the legend is malformed";
	if (h->r.type == HANDOVER_PORT)
		return take_port(s, app, h);
	if (h->r.type >= SW_HAND_FIRST && h->r.type < SW_HAND_PORT)
		return sw_take_over(&app->sw, h);
	if (h->r.type >= VXLAN_HAND_FIRST && h->r.type < VXLAN_HAND_PORT)
		return vxlan_take_over(app->vxlan, h);
	if (h->r.type >= SW_HAND_PORT)
		return s->port != NULL ? take_port_record(s->port, h) : "a record of no port";
	return (h->r.flags & BLOB_MUST_KNOW) ? "what it sends is not known here" : NULL;
}

static const char *
read_second(struct successor *s, struct app *app)
{
	struct blob_reader reader = {.blob = &s->blob};
	struct hand_record h = {.reader = &reader, .legend = &s->legend};
	const char *why = NULL;

	s->ended = false;
	while (why == NULL && (h.data = blob_read(&reader, &h.r)) != NULL)
		why = take_second(s, app, &h);
	if (why == NULL && !(s->ended && blob_at_end(&reader)))
		why = "what it sends is damaged";
	if (why != NULL && s->port != NULL)
		snprintf(s->why, sizeof(s->why), "port %u (%s): %s", s->port->id, s->port->name,
			 why);
	else if (why != NULL)
		snprintf(s->why, sizeof(s->why), "%s", why);
	return why != NULL ? s->why : NULL;
}

/* 0: this process is the switch. Else the predecessor goes on: what it says from then on fails. */
static int
hear_last_word(struct successor *s)
{
	int ret = handover_hear(s->sock, HANDOVER_COMMIT, s->why, HANDOVER_STOP_MS);

	if (ret != -ETIMEDOUT)
		return ret;
	shutdown(s->sock, SHUT_RD);
	/* said just before that, it is there */
	return handover_hear(s->sock, HANDOVER_COMMIT, s->why, 1);
}

/* Open devices as the predecessor closes them. NULL, or why the switch is still its. */
static const char *
open_devices(struct successor *s, struct app *app)
{
	char err[APP_ERR_MAX], number[16];
	int ret = 0;

	for (uint16_t id = 0; ret == 0 && id < app->sw.nports; id++) {
		struct port *p = app->sw.port[id];

		if (p == NULL || p->ops->handover->acquire == NULL)
			continue;
		ret = handover_hear(s->sock, HANDOVER_RELEASED, s->why, HANDOVER_DEVICE_MS);
		snprintf(number, sizeof(number), "%u", id);
		if (ret < 0 || strcmp(s->why, number) != 0)
			return "it does not close its devices";
		s->has_devices = true;
		ret = p->ops->handover->acquire(p, err, sizeof(err));
		if (ret == 0)
			ret = handover_say(s->sock, HANDOVER_READY, "", HANDOVER_STOP_MS);
		else
			snprintf(s->why, sizeof(s->why), "port %u (%s): %.384s", id, p->name, err);
	}
	return ret == 0 ? NULL : s->why;
}

static const char *
take_over(struct successor *s, struct app *app)
{
	int ret = handover_say(s->sock, HANDOVER_READY, "", HANDOVER_ANSWER_MS);
	const char *why;

	fdb_maintain(app->sw.fdb, ev_now_ns()); /* the clock of ages */
	if (ret == 0)
		ret = blob_receive(s->sock, &s->blob, HANDOVER_BYTES_MAX, HANDOVER_ANSWER_MS);
	if (ret < 0)
		return strerror(-ret);
	why = read_second(s, app);
	blob_free(&s->blob);
	if (why != NULL)
		return why;
	ret = handover_say(s->sock, HANDOVER_READY, "", HANDOVER_STOP_MS);
	if (ret == 0)
		why = open_devices(s, app);
	if (why != NULL)
		return why;
	if (ret == 0)
		ret = hear_last_word(s);
	return ret < 0 ? "it has gone on by itself" : NULL;
}

bool
successor_has_devices(const struct successor *s)
{
	return s->has_devices;
}

int
successor_take_over(struct app *app, char *err, size_t errlen)
{
	const char *why = take_over(app->successor, app);

	if (why != NULL) {
		snprintf(err, errlen, "%s", why);
		return -1;
	}
	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (app->sw.port[id] != NULL)
			app->sw.port[id]->ops->handover->run(app->sw.port[id]);
	capture_hand_run(&app->sw);
	vxlan_run(app->vxlan);
	return 0;
}

void
successor_end(struct app *app)
{
	struct successor *s = app->successor;

	control_socket_taken_over(app->control);
	handover_say(s->sock, HANDOVER_READY, "", ASK_MS);
	heir_close_rest();
	close(s->sock);
	free(s->config);
	free(s);
	app->successor = NULL;
}
