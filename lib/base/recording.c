/* SPDX-License-Identifier: BSD-3-Clause */
/* Without DPDK: small programs read recordings, too. */
#include "base/recording.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char cut_off[] = "the recording is cut off";
static const char malformed[] = "a record is shorter than its contents";

const char *
recording_begin(struct recording *r, const uint8_t *data, size_t len)
{
	struct record_file_head head;

	*r = (struct recording){.data = data, .len = len};
	if (len < sizeof(head))
		return "it is no recording";
	memcpy(&head, data, sizeof(head));
	if (memcmp(head.magic, RECORD_MAGIC, sizeof(head.magic)) != 0)
		return "it is no recording";
	if (le16toh(head.version) != RECORD_VERSION)
		return "it is a recording of another version";
	r->at = le16toh(head.size);
	if (r->at < sizeof(head) || r->at > len)
		return cut_off;
	return NULL;
}

/** The data of a record. */
struct data {
	const uint8_t *p;
	size_t len;
};

/** Move @p len bytes of the beginning of @p d to @p to. False: there are fewer. */
static bool
take(struct data *d, void *to, size_t len)
{
	if (d->len < len)
		return false;
	memcpy(to, d->p, len);
	d->p += len;
	d->len -= len;
	return true;
}

static void
take_text(struct data *d, struct recording_event *e)
{
	size_t len = d->len < RECORD_TEXT_MAX ? d->len : RECORD_TEXT_MAX;

	memcpy(e->text, d->p, len);
	e->text[len] = '\0';
}

static bool
take_begin(struct data *d, struct recording_event *e)
{
	struct record_begin *b = &e->u.begin;

	if (!take(d, b, sizeof(*b)))
		return false;
	b->wall_ns = le64toh(b->wall_ns);
	b->transport = le32toh(b->transport);
	b->queues = le32toh(b->queues);
	b->port[sizeof(b->port) - 1] = '\0';
	b->program[sizeof(b->program) - 1] = '\0';
	return true;
}

static bool
take_connect(struct data *d, struct recording_event *e)
{
	struct record_connect *c = &e->u.connect;

	if (!take(d, c, sizeof(*c)))
		return false;
	e->when_ns = le64toh(c->when_ns);
	c->session = le64toh(c->session);
	c->pid = le32toh(c->pid);
	c->uid = le32toh(c->uid);
	return true;
}

static bool
take_said(struct data *d, struct recording_event *e)
{
	struct record_text head;

	if (!take(d, &head, sizeof(head)))
		return false;
	e->when_ns = le64toh(head.when_ns);
	take_text(d, e);
	return true;
}

static bool
take_message(struct data *d, struct recording_event *e)
{
	struct record_message *m = &e->u.message;

	if (!take(d, m, sizeof(*m)) || m->nfds > RECORD_FDS_MAX)
		return false;
	e->when_ns = le64toh(m->when_ns);
	m->request = le32toh(m->request);
	m->header_flags = le32toh(m->header_flags);
	m->size = le32toh(m->size);
	if (!take(d, e->fd, m->nfds * sizeof(e->fd[0])))
		return false;
	for (uint32_t i = 0; i < m->nfds; i++)
		e->fd[i] = (struct record_fd){le32toh(e->fd[i].kind), le32toh(e->fd[i].page),
					      le64toh(e->fd[i].size), le64toh(e->fd[i].file)};
	if ((m->flags & RECORD_NO_PAYLOAD) != 0)
		return true;
	e->payload = d->p;
	return m->size <= RECORD_PAYLOAD_MAX && m->size == d->len;
}

static bool
take_verdict(struct data *d, struct recording_event *e)
{
	struct record_verdict *v = &e->u.verdict;

	if (!take(d, v, sizeof(*v)))
		return false;
	e->when_ns = le64toh(v->when_ns);
	v->request = le32toh(v->request);
	v->error = le32toh(v->error);
	take_text(d, e);
	return true;
}

static bool
take_lost(struct data *d, struct recording_event *e)
{
	struct record_lost *l = &e->u.lost;

	if (!take(d, l, sizeof(*l)))
		return false;
	e->when_ns = le64toh(l->when_ns);
	l->records = le64toh(l->records);
	return true;
}

static bool (*const readers[])(struct data *d, struct recording_event *e) = {
	[RECORD_BEGIN] = take_begin,     [RECORD_CONNECT] = take_connect,
	[RECORD_DISCONNECT] = take_said, [RECORD_MESSAGE] = take_message,
	[RECORD_VERDICT] = take_verdict, [RECORD_LOST] = take_lost,
	[RECORD_END] = take_said,
};

#define READERS (sizeof(readers) / sizeof(readers[0]))

/** The next record of any type. 1, 0: there is none, -1 with *why. */
static int
next_record(struct recording *r, struct record_head *head, struct data *d, const char **why)
{
	size_t left = r->len - r->at, padded;

	if (left == 0)
		return 0;
	*why = cut_off;
	if (left < sizeof(*head))
		return -1;
	memcpy(head, r->data + r->at, sizeof(*head));
	head->type = le16toh(head->type);
	left -= sizeof(*head);
	d->len = le32toh(head->len);
	padded = (d->len + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
	if (padded > left)
		return -1;
	d->p = r->data + r->at + sizeof(*head);
	r->at += sizeof(*head) + padded;
	return 1;
}

int
recording_next(struct recording *r, struct recording_event *e, const char **why)
{
	struct record_head head;
	struct data d;
	int ret;

	for (;;) {
		ret = next_record(r, &head, &d, why);
		if (ret != 1)
			return ret;
		if (head.type < READERS && readers[head.type] != NULL)
			break;
		*why = "a record of an unknown type has to be known";
		if ((head.flags & RECORD_MUST_KNOW) != 0)
			return -1;
	}
	*e = (struct recording_event){.type = (enum record_type)head.type};
	if (readers[head.type](&d, e))
		return 1;
	*why = malformed;
	return -1;
}

/* --- files --- */

static uint8_t *
read_whole(int fd, size_t size, size_t *len)
{
	uint8_t *data = malloc(size + 1);
	ssize_t n = 1;

	for (*len = 0; data != NULL && *len < size && n > 0; *len += n > 0 ? (size_t)n : 0)
		n = read(fd, data + *len, size - *len);
	if (n >= 0)
		return data;
	free(data);
	return NULL;
}

uint8_t *
recording_load(const char *path, size_t *len, char *err, size_t errlen)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	uint8_t *data = NULL;
	struct stat st;

	errno = fd < 0 ? errno : 0;
	if (fd >= 0 && fstat(fd, &st) == 0) {
		errno = S_ISREG(st.st_mode) ? 0 : EINVAL;
		if (errno == 0)
			data = read_whole(fd, (size_t)st.st_size, len);
	}
	if (data == NULL)
		snprintf(err, errlen, "%s: %s", path,
			 errno == EINVAL ? "not a regular file" : strerror(errno));
	if (fd >= 0)
		close(fd);
	return data;
}
