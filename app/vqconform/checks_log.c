/* SPDX-License-Identifier: BSD-3-Clause */
/* The dirty log of a migration: a bit of each page the device has written. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "frame.h"
#include "link.h"
#include "outcome.h"

#define PAGE 4096u
#define FRAMES 32
#define LOG_ALL BIT(VHU_F_LOG_ALL)

/** The log of a guest, and its memory as it was. */
struct log {
	int fd;
	uint8_t *bits;
	uint64_t size;
	uint8_t *before;
};

static void
log_new(struct log *g, const struct station *s)
{
	const uint64_t bytes = (s->mem.gpa + s->mem.size) / PAGE / 8;

	*g = (struct log){.fd = memfd_create("log", MFD_CLOEXEC),
			  .size = (bytes + PAGE - 1) / PAGE * PAGE,
			  .before = malloc(s->mem.size)};
	if (g->fd < 0 || g->before == NULL || ftruncate(g->fd, (off_t)g->size) != 0)
		outcome_fail("no memory for a log");
	g->bits = mmap(NULL, g->size, PROT_READ | PROT_WRITE, MAP_SHARED, g->fd, 0);
	if (g->bits == MAP_FAILED)
		outcome_fail("no memory for a log");
}

/** Each ring's address once more, with or without the flag. */
static void
flag_rings(struct station *s, bool on)
{
	struct vhu_msg m = {
		.header = {.request = VHU_SET_VRING_ADDR, .size = sizeof(m.payload.addr)}};

	for (unsigned int i = 0; i < STATION_QUEUES; i++) {
		const struct vhu_frontend_ring *r = &s->q[i].ring;

		m.payload.addr = (struct vhu_vring_addr){
			.index = i,
			.flags = on ? VHU_VRING_F_LOG : 0,
			.desc = r->desc,
			.used = r->device,
			.avail = r->driver,
			.log = r->log_gpa,
		};
		station_request(s, &m, NULL, 0);
	}
}

static void
switch_log(struct station *s, bool on)
{
	const uint64_t features = s->vhf.s.features & ~LOG_ALL;

	station_set_features(s, features | (on ? LOG_ALL : 0));
	flag_rings(s, on);
	station_barrier(s);
}

static void
log_end(struct log *g)
{
	munmap(g->bits, g->size);
	close(g->fd);
	free(g->before);
}

static void
log_begin(struct log *g, struct station *s)
{
	log_new(g, s);
	if (vhf_set_log(&s->vhf, g->fd, 0, g->size) != 0)
		outcome_fail("SET_LOG_BASE: %s", s->vhf.err);
	switch_log(s, true);
}

/** From now on. */
static void
mark(struct log *g, const struct station *s)
{
	memset(g->bits, 0, g->size);
	memcpy(g->before, s->mem.hva, s->mem.size);
}

static bool
is_dirty(const struct log *g, uint64_t page)
{
	return __atomic_load_n(&g->bits[page / 8], __ATOMIC_ACQUIRE) & (1u << (page % 8));
}

static const char *
page_is_of(const struct station *s, uint64_t at)
{
	for (int i = 0; i < STATION_QUEUES; i++) {
		const struct station_queue *q = &s->q[i];
		const uint8_t *p = s->mem.hva + at;

		if (p >= q->slot && p < q->slot + (size_t)q->nslots * STATION_SLOT)
			return i == STATION_RX ? "a receive buffer" : "a transmit buffer";
		if (p == q->d.device || p == q->d.desc)
			return i == STATION_RX ? "the receive ring" : "the transmit ring";
	}
	return "a ring";
}

/** Every page that is another one now has its bit. Returns how many there are. */
static uint32_t
check_pages(const struct log *g, const struct station *s)
{
	uint32_t changed = 0;

	for (uint64_t at = 0; at < s->mem.size; at += PAGE) {
		if (memcmp(g->before + at, s->mem.hva + at, PAGE) == 0)
			continue;
		changed++;
		if (!is_dirty(g, (s->mem.gpa + at) / PAGE))
			outcome_fail("%s was written and its page is not dirty", page_is_of(s, at));
	}
	return changed;
}

/** Frames come while the driver writes nothing at all. */
static void
receive_some(struct link *l, struct log *g)
{
	uint32_t changed;

	station_drain(&l->here);
	l->here.holds = true;
	mark(g, &l->here);
	for (uint32_t i = 0; i < FRAMES; i++)
		link_in(l, i % 2 == 0 ? FRAME_MIN : FRAME_MAX, NULL);
	changed = check_pages(g, &l->here);
	if (changed <= FRAMES)
		outcome_fail("only %u pages were written", changed);
	l->here.holds = false;
	station_post(&l->here);
}

/** Frames are sent: the device writes what it has used. */
static void
transmit_some(struct link *l, struct log *g)
{
	const struct vqd *d = &l->here.q[STATION_TX].d;
	const uint8_t *used = d->layout == VQ_PACKED ? d->desc : d->device;

	mark(g, &l->here);
	link_out(l, FRAME_MIN, NULL);
	station_drain(&l->here);
	if (!is_dirty(g, gm_gpa(&l->here.mem, used) / PAGE))
		outcome_fail("the transmit ring was written and its page is not dirty");
}

/** The writes to a packed ring go to its descriptors. */
static void
at_descriptors(struct station *s)
{
	for (int i = 0; i < STATION_QUEUES; i++)
		s->q[i].ring.log_gpa = gm_gpa(&s->mem, s->q[i].d.desc);
}

struct log_case {
	struct station_wish wish;
	bool log_at_descriptors;
};

static void
written_pages(const void *arg)
{
	const struct log_case *at = arg;
	struct station_wish wish = at->wish;
	struct log g;
	struct link l;

	wish.features |= LOG_ALL;
	wish.protocol |= VHU_PF(LOG_SHMFD);
	/* two sockets: with one the driver sends meanwhile, and writes its rings */
	if (station_target.paths < 2)
		outcome_skip("needs two sockets");
	link_open(&l, &wish);
	link_exchange(&l, 16);
	if (at->log_at_descriptors)
		at_descriptors(&l.here);
	log_begin(&g, &l.here);
	receive_some(&l, &g);
	transmit_some(&l, &g);
	link_exchange(&l, 16);
	receive_some(&l, &g);
	log_end(&g);
	link_close(&l);
}

static void
not_any_more(const void *arg)
{
	struct station_wish wish = *(const struct station_wish *)arg;
	struct log g;
	struct link l;

	wish.features |= LOG_ALL;
	wish.protocol |= VHU_PF(LOG_SHMFD);
	link_open(&l, &wish);
	log_begin(&g, &l.here);
	link_exchange(&l, 16);
	switch_log(&l.here, false);
	mark(&g, &l.here);
	link_exchange(&l, 16);
	for (uint64_t i = 0; i < g.size; i++)
		if (g.bits[i] != 0)
			outcome_fail("pages are marked after logging has ended");
	/* a second migration */
	switch_log(&l.here, true);
	if (station_target.paths == 2)
		receive_some(&l, &g);
	log_end(&g);
	link_close(&l);
}

/** The rings' writes go into the log at an address of their own. */
static void
ring_address(const void *arg)
{
	struct station_wish wish = *(const struct station_wish *)arg;
	uint64_t page;
	struct log g;
	struct link l;

	wish.features |= LOG_ALL;
	wish.protocol |= VHU_PF(LOG_SHMFD);
	link_open(&l, &wish);
	/* below all memory */
	page = 5;
	l.here.q[STATION_RX].ring.log_gpa = page * PAGE;
	log_begin(&g, &l.here);
	mark(&g, &l.here);
	link_in(&l, FRAME_MIN, NULL);
	if (!is_dirty(&g, page))
		outcome_fail("the used ring was written, and the page it is logged at is not "
			     "dirty");
	log_end(&g);
	link_close(&l);
}

#define WISH(...)                    \
	&(const struct station_wish) \
	{                            \
		__VA_ARGS__          \
	}
#define PAGES(f)                                \
	written_pages, &(const struct log_case) \
	{                                       \
		{                               \
			.features = (f)         \
		}                               \
	}
#define MERGEABLE BIT(VIRTIO_NET_F_MRG_RXBUF)

static const struct check checks[] = {
	{"log.split", "vhost-user: Migration: dirty pages", PAGES(MODERN)},
	{"log.legacy", "vhost-user: Migration: dirty pages", PAGES(0)},
	{"log.mergeable", "vhost-user: Migration: dirty pages", PAGES(MODERN | MERGEABLE)},
	{"log.packed", "vhost-user: Migration: dirty pages", PAGES(PACKED)},
	{"log.packed-mergeable", "vhost-user: Migration: dirty pages", PAGES(PACKED | MERGEABLE)},
	{"log.packed-at-descriptors", "vhost-user: Migration: dirty pages", written_pages,
	 &(const struct log_case){{.features = PACKED}, .log_at_descriptors = true}},
	{"log.ends", "vhost-user: Migration: start and stop of logging", not_any_more,
	 WISH(.features = MODERN)},
	{"log.ends-packed", "vhost-user: Migration: start and stop of logging", not_any_more,
	 WISH(.features = PACKED)},
	{"log.ring-address", "vhost-user: Migration: log_guest_addr", ring_address,
	 WISH(.features = MODERN)},
};

CHECK_GROUP(checks_of_log, checks);
