/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifications of either side, and how they are suppressed. */
#include <unistd.h>

#include "check.h"
#include "frame.h"
#include "link.h"
#include "outcome.h"

#define EVENT_IDX BIT(VIRTIO_RING_F_EVENT_IDX)
#define SILENT_MS 300 /* in which a notification would have come */
#define SLEEP_MS 200  /* after which a device that sleeps at all does */
#define ROUNDS 8
#define AHEAD 4u /* used buffers until the one the driver asks for */

/** Guests between which frames have passed and that expect no notification of before. */
static void
begin(struct link *l, uint64_t features)
{
	const struct station_wish wish = {.features = features};

	link_open(l, &wish);
	for (int i = 0; i < STATION_QUEUES; i++)
		(void)vqd_arm(&l->here.q[i].d);
	link_in(l, FRAME_MIN, NULL);
	link_out(l, FRAME_MIN, NULL);
	station_drain(&l->here);
	/* one that is late */
	(void)station_interrupted(&l->here, STATION_RX, SILENT_MS);
	for (unsigned int i = 0; i < STATION_QUEUES; i++)
		station_clear_interrupts(&l->here, i);
}

static void
receive_interrupt(const void *arg)
{
	struct link l;

	begin(&l, *(const uint64_t *)arg);
	for (int i = 0; i < ROUNDS; i++) {
		(void)vqd_arm(&l.here.q[STATION_RX].d);
		station_send(l.there, ++l.seq, FRAME_MIN, NULL);
		if (!station_interrupted(&l.here, STATION_RX, station_target.timeout_ms))
			outcome_fail("no notification of a received frame");
		link_expect(&l.here, l.seq, FRAME_MIN, NULL);
		station_clear_interrupts(&l.here, STATION_RX);
	}
	link_close(&l);
}

static void
transmit_interrupt(const void *arg)
{
	struct link l;

	begin(&l, *(const uint64_t *)arg);
	for (int i = 0; i < ROUNDS; i++) {
		(void)vqd_arm(&l.here.q[STATION_TX].d);
		link_out(&l, FRAME_MIN, NULL);
		if (!station_interrupted(&l.here, STATION_TX, station_target.timeout_ms))
			outcome_fail("no notification of a frame that was sent");
		station_drain(&l.here);
		station_clear_interrupts(&l.here, STATION_TX);
	}
	link_close(&l);
}

static void
suppressed(const void *arg)
{
	struct link l;

	begin(&l, *(const uint64_t *)arg);
	for (int i = 0; i < STATION_QUEUES; i++)
		vqd_disarm(&l.here.q[i].d);
	/* a device may notify when rings start, and that may come late */
	for (int i = 0; i < STATION_QUEUES; i++) {
		(void)station_interrupted(&l.here, i, SILENT_MS);
		station_clear_interrupts(&l.here, i);
	}
	for (int i = 0; i < ROUNDS; i++) {
		link_in(&l, FRAME_MIN, NULL);
		link_out(&l, FRAME_MIN, NULL);
	}
	station_drain(&l.here);
	if (station_interrupted(&l.here, STATION_RX, SILENT_MS))
		outcome_fail("a notification of a received frame, not asked for");
	if (station_interrupted(&l.here, STATION_TX, 0))
		outcome_fail("a notification of a frame that was sent, not asked for");
	link_close(&l);
}

/** Ask for a notification after @p ahead more used buffers of the receive ring. */
static void
ask_at(struct vqd *d, uint32_t ahead)
{
	const uint32_t at = d->used + ahead;
	struct packed_event *e = (struct packed_event *)d->driver;
	struct split_avail *avail = (struct split_avail *)d->driver;
	uint16_t word = (uint16_t)at;

	if (d->layout == VQ_PACKED) {
		const bool wrap = d->used_wrap ^ (at >= d->size);

		word = (uint16_t)(at % d->size) | (wrap ? PACKED_WRAP : 0);
		__atomic_store_n(&e->off_wrap.v, rte_cpu_to_le_16(word), __ATOMIC_RELAXED);
		__atomic_store_n(&e->flags.v, rte_cpu_to_le_16(VRING_PACKED_EVENT_FLAG_DESC),
				 __ATOMIC_RELEASE);
	} else {
		__atomic_store_n(&avail->ring[d->size].v, rte_cpu_to_le_16(word), __ATOMIC_RELAXED);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/** Several rounds, so that a packed ring wraps meanwhile. */
static void
at_an_index(const void *arg)
{
	struct link l;

	begin(&l, *(const uint64_t *)arg);
	for (int i = 0; i < 100; i++) {
		ask_at(&l.here.q[STATION_RX].d, AHEAD - 1);
		for (uint32_t n = 1; n < AHEAD; n++)
			link_in(&l, FRAME_MIN, NULL);
		/* it would have come before the frame after it */
		if (station_interrupted(&l.here, STATION_RX, i == 0 ? SILENT_MS : 0))
			outcome_fail("a notification before the buffer it was asked for");
		link_in(&l, FRAME_MIN, NULL);
		if (!station_interrupted(&l.here, STATION_RX, station_target.timeout_ms))
			outcome_fail("no notification of the buffer it was asked for");
		station_clear_interrupts(&l.here, STATION_RX);
	}
	link_close(&l);
}

/** A device that sleeps says so, and wakes up. */
static void
kick_when_asked(const void *arg)
{
	struct link l;

	begin(&l, *(const uint64_t *)arg);
	for (int i = 0; i < ROUNDS; i++) {
		usleep(SLEEP_MS * 1000);
		link_out(&l, FRAME_MIN, NULL);
	}
	link_close(&l);
}

static void
frames_pass(const void *arg)
{
	struct link l;

	link_open(&l, arg);
	link_exchange(&l, 32);
	usleep(SLEEP_MS * 1000);
	link_exchange(&l, 32);
	link_close(&l);
}

static const struct station_wish no_kick = {.features = MODERN, .no_kick = true};
static const struct station_wish no_call = {.features = MODERN, .no_call = true};

#define ONE(f)            \
	&(const uint64_t) \
	{                 \
		f         \
	}

static const struct check checks[] = {
	{"event.receive", "virtio 2.7.7.2: flags is 0", receive_interrupt, ONE(MODERN)},
	{"event.receive-event-idx", "virtio 2.7.7.2: used_event", receive_interrupt,
	 ONE(MODERN | EVENT_IDX)},
	{"event.receive-packed", "virtio 2.8.10: RING_EVENT_FLAGS_ENABLE", receive_interrupt,
	 ONE(PACKED)},
	{"event.receive-packed-event-idx", "virtio 2.8.10: RING_EVENT_FLAGS_DESC",
	 receive_interrupt, ONE(PACKED | EVENT_IDX)},
	{"event.transmit", "virtio 2.7.7.2: flags is 0", transmit_interrupt, ONE(MODERN)},
	{"event.transmit-event-idx", "virtio 2.7.7.2: used_event", transmit_interrupt,
	 ONE(MODERN | EVENT_IDX)},
	{"event.transmit-packed", "virtio 2.8.10: RING_EVENT_FLAGS_ENABLE", transmit_interrupt,
	 ONE(PACKED)},
	{"event.transmit-packed-event-idx", "virtio 2.8.10: RING_EVENT_FLAGS_DESC",
	 transmit_interrupt, ONE(PACKED | EVENT_IDX)},
	{"event.suppressed", "virtio 2.7.7.2: flags is 1", suppressed, ONE(MODERN)},
	{"event.suppressed-packed", "virtio 2.8.10: RING_EVENT_FLAGS_DISABLE", suppressed,
	 ONE(PACKED)},
	{"event.at-index", "virtio 2.7.7.2: used_event", at_an_index, ONE(MODERN | EVENT_IDX)},
	{"event.at-index-packed", "virtio 2.8.10: RING_EVENT_FLAGS_DESC", at_an_index,
	 ONE(PACKED | EVENT_IDX)},
	{"event.kick-when-asked", "virtio 2.7.10.2: flags", kick_when_asked, ONE(MODERN)},
	{"event.kick-when-asked-event-idx", "virtio 2.7.10.2: avail_event", kick_when_asked,
	 ONE(MODERN | EVENT_IDX)},
	{"event.kick-when-asked-packed", "virtio 2.8.10: device event suppression", kick_when_asked,
	 ONE(PACKED)},
	{"event.kick-when-asked-packed-event-idx", "virtio 2.8.10: device event suppression",
	 kick_when_asked, ONE(PACKED | EVENT_IDX)},
	{"event.no-kick-descriptor", "vhost-user: VHOST_USER_SET_VRING_KICK: polling", frames_pass,
	 &no_kick},
	{"event.no-call-descriptor", "vhost-user: VHOST_USER_SET_VRING_CALL: polling", frames_pass,
	 &no_call},
};

CHECK_GROUP(checks_of_events, checks);
