/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that runs before its memory has come. */
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "base/ev.h"
#include "base/record_fd.h"
#include "vhost_user/session.h"

#include "check.h"
#include "frame.h"
#include "link.h"
#include "outcome.h"
#include "pages.h"

#define QUEUED 4

static const struct station_wish modern = {.features = MODERN, .protocol = VHU_PF(PAGEFAULT)};
static const struct station_wish packed = {.features = PACKED, .protocol = VHU_PF(PAGEFAULT)};

/** Send a message and get its answer; a descriptor that comes along, too. */
static void
ask(struct station *s, struct vhu_msg *m, uint32_t flags, const int *fd, int *got)
{
	const uint32_t request = m->header.request;

	if (!station_say(s, m, flags, fd, fd != NULL) || !station_hear_fd(s, m, got))
		outcome_fail("%s is not answered", vhu_request_name(request));
	if (m->header.request != request || m->header.flags != (VHU_VERSION | VHU_REPLY))
		outcome_fail("%s is answered with message %u, flags %#x", vhu_request_name(request),
			     m->header.request, m->header.flags);
}

/** One that is answered with 0. */
static void
expect_ok(struct station *s, uint32_t request)
{
	struct vhu_msg m = {.header = {.request = request}};

	ask(s, &m, VHU_VERSION | VHU_NEED_REPLY, NULL, NULL);
	if (m.header.size != sizeof(m.payload.u64) || m.payload.u64 != 0)
		outcome_fail("%s is refused (%llu)", vhu_request_name(request),
			     (unsigned long long)m.payload.u64);
}

static int
advise(struct station *s)
{
	struct vhu_msg m = {.header = {.request = VHU_POSTCOPY_ADVISE}};
	int uffd;

	ask(s, &m, VHU_VERSION, NULL, &uffd);
	if (uffd < 0 || record_fd_of(uffd).kind != RECORD_FD_USERFAULTFD)
		outcome_fail("POSTCOPY_ADVISE is answered without a userfaultfd");
	return uffd;
}

/** SET_MEM_TABLE without its acknowledgement. Returns the address that memory is mapped at. */
static uint64_t
announce(struct station *s)
{
	const struct vhu_mem_region r = {STATION_GPA, s->mem.size, (uintptr_t)s->mem.hva, 0};
	struct vhu_msg m = {
		.header = {VHU_SET_MEM_TABLE, 0, offsetof(struct vhu_mem_table, r) + sizeof(r)}};
	const struct vhu_mem_table *t = &m.payload.mem_table;

	m.payload.mem_table.n = 1;
	m.payload.mem_table.r[0] = r;
	ask(s, &m, VHU_VERSION, &s->mem.fd, NULL);
	if (m.header.size < offsetof(struct vhu_mem_table, r) + sizeof(r) || t->n != 1)
		outcome_fail("SET_MEM_TABLE is answered with %u bytes", m.header.size);
	if (t->r[0].gpa != r.gpa || t->r[0].size != r.size)
		outcome_fail("SET_MEM_TABLE is answered with another region");
	if (t->r[0].uva == 0 || t->r[0].uva % (uint64_t)getpagesize() != 0)
		outcome_fail("memory is said to be mapped at %#llx",
			     (unsigned long long)t->r[0].uva);
	return t->r[0].uva;
}

static void
acknowledge(struct station *s)
{
	struct vhu_msg m = {.header = {VHU_SET_MEM_TABLE, 0, sizeof(m.payload.u64)}};

	m.payload.u64 = 0;
	if (!station_say(s, &m, VHU_VERSION, NULL, 0))
		outcome_fail("the back-end has ended the session");
}

/* --- checks --- */

static void
only_advise(const void *arg)
{
	struct station s;

	station_connect(&s, 0, arg);
	station_negotiate(&s);
	(void)advise(&s);
}

static void
addresses(const void *arg)
{
	struct station s;

	station_connect(&s, 0, arg);
	station_negotiate(&s);
	station_prepare(&s);
	(void)advise(&s);
	expect_ok(&s, VHU_POSTCOPY_LISTEN);
	(void)announce(&s);
}

/** Bytes of the buffers that are sent. */
static size_t
sent_first(const struct station *s)
{
	return (size_t)(s->q[STATION_TX].slot - s->mem.hva);
}

static size_t
sent_len(const struct station *s)
{
	return (size_t)s->q[STATION_TX].nslots * STATION_SLOT;
}

/** A guest at its target: buffers are in its rings, which run, and none of its pages has come. */
static void
arrive(struct link *l, struct pages *p, const struct station_wish *wish, bool keep)
{
	struct station *s = &l->here;

	link_open(l, wish);
	station_close(s);
	station_connect(s, 0, wish);
	station_negotiate(s);
	station_prepare(s);
	station_post(s);
	for (int i = 0; i < QUEUED; i++)
		station_send(s, FRAME_PROBE, FRAME_MIN, NULL);
	pages_take(p, s->mem.hva, s->mem.size);
	p->kept_first = keep ? sent_first(s) : 0;
	p->kept_end = keep ? sent_first(s) + sent_len(s) : 0;
	p->uffd = advise(s);
	expect_ok(s, VHU_POSTCOPY_LISTEN);
	p->address = announce(s);
	pages_serve(p);
	acknowledge(s);
	station_start(s);
	station_enable(s, true);
	(void)vhf_set_status(&s->vhf, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
					      VIRTIO_CONFIG_S_FEATURES_OK |
					      VIRTIO_CONFIG_S_DRIVER_OK);
	vqd_kick(&s->q[STATION_TX].d);
}

static void
await_asked(struct link *l, const struct pages *p)
{
	const uint64_t end = ev_now_ns() + (uint64_t)station_target.timeout_ms * 1000000;
	const struct station *s = &l->here;

	while (!pages_asked(p, sent_first(s), sent_len(s))) {
		if (ev_now_ns() > end)
			outcome_fail("no page of a buffer to be sent is asked for");
		station_idle(&l->here);
	}
}

/** Pages come when they are asked for, at last all of them do, and it was as if they were there. */
static void
arriving(const void *arg)
{
	struct pages p;
	struct link l;

	arrive(&l, &p, arg, false);
	await_asked(&l, &p);
	pages_bring_all(&p);
	expect_ok(&l.here, VHU_POSTCOPY_END);
	station_drain(&l.here);
	link_finish(&l);
}

/** The front-end goes with a page that has been asked for and never comes. */
static void
abandoned(const void *arg)
{
	struct pages p;
	struct link l;

	arrive(&l, &p, arg, true);
	await_asked(&l, &p);
	vhf_close(&l.here.vhf);
	if (l.there == &l.other)
		station_close(&l.other);
	link_open(&l, arg);
	link_finish(&l);
}

static const struct check checks[] = {
	{"postcopy.advise", "vhost-user: VHOST_USER_POSTCOPY_ADVISE", only_advise, &modern},
	{"postcopy.addresses", "vhost-user: VHOST_USER_SET_MEM_TABLE: postcopy", addresses,
	 &modern},
	{"postcopy.pages", "vhost-user: VHOST_USER_POSTCOPY_LISTEN, VHOST_USER_POSTCOPY_END",
	 arriving, &modern},
	{"postcopy.pages-packed", "vhost-user: VHOST_USER_POSTCOPY_LISTEN, VHOST_USER_POSTCOPY_END",
	 arriving, &packed},
	{"postcopy.abandoned", "vhost-user: Communication: reconnection", abandoned, &modern, true},
};

CHECK_GROUP(checks_of_postcopy, checks);
