/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers that were in flight when a session, or a back-end, ended. */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "frame.h"
#include "link.h"
#include "outcome.h"

#define QUEUE_SIZE 256u
#define REGION_ALIGN 64u
#define REGION_VERSION 1
#define IN_FLIGHT 4u
#define BURST 48u
#define LATE_MS 200

static const struct station_wish modern = {.features = MODERN, .protocol = VHU_PF(INFLIGHT_SHMFD)};
static const struct station_wish packed = {.features = PACKED, .protocol = VHU_PF(INFLIGHT_SHMFD)};

/* --- the area --- */

struct split_state {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

/** One queue's. */
struct split_region {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct split_state desc[QUEUE_SIZE];
};
static_assert(sizeof(struct split_region) == 16 + 16 * QUEUE_SIZE, "split region");

struct packed_state {
	uint8_t inflight;
	uint8_t padding;
	uint16_t next, last, num;
	uint64_t counter;
	uint16_t id, flags;
	uint32_t len;
	uint64_t addr;
};

struct packed_region {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t free_head, old_free_head;
	uint16_t used_idx, old_used_idx;
	uint8_t used_wrap_counter, old_used_wrap_counter;
	uint8_t padding[7];
	struct packed_state desc[QUEUE_SIZE];
};
static_assert(sizeof(struct packed_region) == 32 + 32 * QUEUE_SIZE, "packed region");

struct area {
	int fd;
	struct vhu_inflight said;
	uint8_t *at;
};

static uint64_t
region_size(const struct station *s)
{
	const uint64_t size = VQ_HAS(s->vhf.s.features, VIRTIO_F_RING_PACKED)
				      ? sizeof(struct packed_region)
				      : sizeof(struct split_region);

	return RTE_ALIGN_CEIL(size, REGION_ALIGN);
}

static void *
region_of(const struct station *s, const struct area *a, unsigned int queue)
{
	return a->at + a->said.mmap_offset + queue * region_size(s);
}

static void
check_region(const struct split_region *r)
{
	if (r->version != 0 && r->version != REGION_VERSION)
		outcome_fail("a region is of version %u", r->version);
	if (r->version != 0 && r->desc_num != QUEUE_SIZE)
		outcome_fail("a region has %u descriptors", r->desc_num);
}

/** The back-end makes it. */
static void
area_get(struct station *s, struct area *a)
{
	struct vhu_msg m = {.header = {VHU_GET_INFLIGHT_FD, 0, sizeof(m.payload.inflight)}};
	struct vhu_inflight *said = &a->said;
	struct stat st;

	m.payload.inflight =
		(struct vhu_inflight){.num_queues = STATION_QUEUES, .queue_size = QUEUE_SIZE};
	if (!station_say(s, &m, VHU_VERSION, NULL, 0) || !station_hear_fd(s, &m, &a->fd))
		outcome_fail("GET_INFLIGHT_FD is not answered");
	if (m.header.request != VHU_GET_INFLIGHT_FD || m.header.size < VHU_INFLIGHT_SIZE_MIN)
		outcome_fail("GET_INFLIGHT_FD is answered with message %u of %u bytes",
			     m.header.request, m.header.size);
	*said = m.payload.inflight;
	if (a->fd < 0 || fstat(a->fd, &st) != 0)
		outcome_fail("GET_INFLIGHT_FD is answered without a descriptor");
	if (said->mmap_size < STATION_QUEUES * region_size(s))
		outcome_fail("an area of %llu bytes is too small",
			     (unsigned long long)said->mmap_size);
	if (said->mmap_offset > (uint64_t)st.st_size ||
	    said->mmap_size > (uint64_t)st.st_size - said->mmap_offset)
		outcome_fail("the area ends behind its file, of %llu bytes",
			     (unsigned long long)st.st_size);
	a->at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
	if (a->at == MAP_FAILED)
		outcome_fail("the area cannot be mapped");
	for (unsigned int i = 0; i < STATION_QUEUES; i++)
		check_region(region_of(s, a, i));
}

/** The front-end gives it back. */
static void
area_set(struct station *s, const struct area *a)
{
	struct vhu_msg m = {.header = {VHU_SET_INFLIGHT_FD, 0, sizeof(m.payload.inflight)}};

	m.payload.inflight = a->said;
	m.payload.inflight.num_queues = STATION_QUEUES;
	m.payload.inflight.queue_size = QUEUE_SIZE;
	station_request(s, &m, &a->fd, 1);
}

/* --- checks --- */

static void
get(const void *arg)
{
	struct station s;
	struct area a;

	station_connect(&s, 0, arg);
	station_negotiate(&s);
	area_get(&s, &a);
}

/** A guest whose rings have an area, after one without, since when frames pass. */
static void
begin(struct link *l, struct area *a, const struct station_wish *wish)
{
	link_open(l, wish);
	station_close(&l->here);
	station_connect(&l->here, 0, wish);
	station_negotiate(&l->here);
	station_prepare(&l->here);
	area_get(&l->here, a);
}

static void
run(struct link *l, const struct area *a)
{
	area_set(&l->here, a);
	station_announce(&l->here);
	station_run(&l->here);
}

static void
set(const void *arg)
{
	struct area a;
	struct link l;

	begin(&l, &a, arg);
	run(&l, &a);
	link_finish(&l);
}

/** Frames of a burst that was cut off: each at most once. */
static void
take_burst(struct link *l, uint32_t first, uint32_t n)
{
	bool seen[BURST] = {false};
	struct station_received r;

	while (station_receive(l->there, &r, LATE_MS)) {
		const uint32_t i = r.seq - first;

		if (i >= n)
			outcome_fail("frame %u arrived", r.seq);
		if (seen[i])
			outcome_fail("frame %u arrived twice", r.seq);
		seen[i] = true;
	}
}

/** The session ends with buffers in flight; in the next one all of them come back. */
static void
crash(const void *arg)
{
	struct area a;
	struct link l;

	begin(&l, &a, arg);
	run(&l, &a);
	link_probe(&l);
	for (int i = 0; i < 3; i++) {
		const uint32_t first = l.seq + 1;

		for (uint32_t k = 0; k < BURST; k++)
			station_send(&l.here, ++l.seq, FRAME_MIN, NULL);
		station_return(&l.here);
		station_collect(&l.here);
		run(&l, &a);
		take_burst(&l, first, BURST);
		station_drain(&l.here);
		link_probe(&l);
		link_exchange(&l, 16);
	}
	link_close(&l);
}

/** Some frames in the transmit ring of a device that does not run. */
static void
queue_frames(struct link *l)
{
	for (uint32_t i = 0; i < IN_FLIGHT; i++)
		station_send(&l->here, ++l->seq, FRAME_MIN, NULL);
}

/** The id of the frame that was given as number @p i of them. */
static uint16_t
id_of(const struct station_queue *q, uint32_t i)
{
	return q->d.order[(q->d.taken + q->d.size - IN_FLIGHT + i) % q->d.size];
}

/** A predecessor has taken the frames and returned none of them. */
static void
mark_split(struct split_region *r, const struct station_queue *q)
{
	*r = (struct split_region){.version = REGION_VERSION, .desc_num = QUEUE_SIZE};
	for (uint32_t i = 0; i < IN_FLIGHT; i++)
		r->desc[id_of(q, i)] = (struct split_state){.inflight = 1, .counter = i + 1};
}

/** Entries are taken from the list of free ones, in order; the first has the buffer's id. */
static void
mark_packed(struct packed_region *r, const struct station *s)
{
	const struct station_queue *q = &s->q[STATION_TX];
	const struct packed_desc *desc = (const struct packed_desc *)q->d.desc;
	const struct vq_fmt f = {.swap = VQ_SWAP_LE};

	*r = (struct packed_region){.version = REGION_VERSION,
				    .desc_num = QUEUE_SIZE,
				    .free_head = IN_FLIGHT,
				    .old_free_head = IN_FLIGHT,
				    .used_wrap_counter = 1,
				    .old_used_wrap_counter = 1};
	for (uint16_t i = 0; i < QUEUE_SIZE; i++)
		r->desc[i].next = (uint16_t)(i + 1);
	for (uint16_t i = 0; i < IN_FLIGHT; i++)
		r->desc[i] = (struct packed_state){.inflight = 1,
						   .next = (uint16_t)(i + 1),
						   .last = i,
						   .num = 1,
						   .counter = i + 1u,
						   .id = vq16_get(f, desc[i].id),
						   .flags = vq16_get(f, desc[i].flags),
						   .len = vq32_get(f, desc[i].len),
						   .addr = vq64_get(f, desc[i].addr)};
}

static void
expect_frames(struct link *l)
{
	for (uint32_t i = 0; i < IN_FLIGHT; i++)
		link_expect(l->there, l->seq - IN_FLIGHT + 1 + i, FRAME_MIN, NULL);
	station_drain(&l->here);
	link_finish(l);
}

/** The area says that a back-end which is gone had taken frames: its successor handles them. */
static void
resubmit(const void *arg)
{
	struct area a;
	struct link l;

	begin(&l, &a, arg);
	queue_frames(&l);
	if (arg == &packed)
		mark_packed(region_of(&l.here, &a, STATION_TX), &l.here);
	else
		mark_split(region_of(&l.here, &a, STATION_TX), &l.here.q[STATION_TX]);
	run(&l, &a);
	expect_frames(&l);
}

static const struct check checks[] = {
	{"inflight.get", "vhost-user: VHOST_USER_GET_INFLIGHT_FD", get, &modern},
	{"inflight.get-packed", "vhost-user: VHOST_USER_GET_INFLIGHT_FD", get, &packed},
	{"inflight.set", "vhost-user: VHOST_USER_SET_INFLIGHT_FD", set, &modern},
	{"inflight.set-packed", "vhost-user: VHOST_USER_SET_INFLIGHT_FD", set, &packed},
	{"inflight.crash", "vhost-user: Inflight I/O tracking: reconnecting", crash, &modern},
	{"inflight.crash-packed", "vhost-user: Inflight I/O tracking: reconnecting", crash,
	 &packed},
	{"inflight.resubmit", "vhost-user: Inflight I/O tracking: split virtqueue", resubmit,
	 &modern},
	{"inflight.resubmit-packed", "vhost-user: Inflight I/O tracking: packed virtqueue",
	 resubmit, &packed},
};

CHECK_GROUP(checks_of_inflight, checks);
