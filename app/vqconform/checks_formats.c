/* SPDX-License-Identifier: BSD-3-Clause */
/* Formats of headers and rings, sizes of rings, and where they begin. */
#include "check.h"
#include "link.h"
#include "outcome.h"

#define MERGEABLE BIT(VIRTIO_NET_F_MRG_RXBUF)
#define FRAMES 48
#define FRAMES_MAX 4096
#define LAPS 3 /* of a small ring */

static void
format(const void *arg)
{
	struct link l;

	link_open(&l, arg);
	link_exchange(&l, FRAMES);
	link_close(&l);
}

/** A ring is gone around several times, a large one at least once where it begins near its end. */
static void
ring(const void *arg)
{
	const struct station_wish *wish = arg;
	const uint32_t laps = RTE_MAX(wish->size * LAPS, (uint32_t)FRAMES);
	struct link l;

	link_open(&l, wish);
	link_exchange(&l, RTE_MIN(laps, (uint32_t)FRAMES_MAX));
	link_close(&l);
}

#define FORMAT(...)                          \
	format, &(const struct station_wish) \
	{                                    \
		__VA_ARGS__                  \
	}
#define RING(...)                          \
	ring, &(const struct station_wish) \
	{                                  \
		__VA_ARGS__                \
	}

static const struct check checks[] = {
	{"format.legacy", "virtio 5.1.6.1: header of 10 bytes", FORMAT(.features = 0)},
	{"format.legacy-mergeable", "virtio 5.1.6.1: header of 12 bytes",
	 FORMAT(.features = MERGEABLE)},
	{"format.modern", "virtio 5.1.6: header of 12 bytes", FORMAT(.features = MODERN)},
	{"format.modern-mergeable", "virtio 5.1.6", FORMAT(.features = MODERN | MERGEABLE)},
	{"format.packed", "virtio 2.8", FORMAT(.features = PACKED)},
	{"format.packed-mergeable", "virtio 2.8, 5.1.6", FORMAT(.features = PACKED | MERGEABLE)},
	{"format.legacy-big-endian", "vhost-user: VHOST_USER_SET_VRING_ENDIAN, virtio 2.7.3",
	 FORMAT(.big_endian = true)},
	{"format.legacy-big-endian-mergeable",
	 "vhost-user: VHOST_USER_SET_VRING_ENDIAN, virtio 5.1.6.1",
	 FORMAT(.big_endian = true, .features = MERGEABLE)},

	{"ring.split-2", "virtio 2.7: a power of 2", RING(.features = MODERN, .size = 2)},
	{"ring.split-8", "virtio 2.7", RING(.features = MODERN, .size = 8)},
	{"ring.split-64", "virtio 2.7", RING(.features = MODERN, .size = 64)},
	{"ring.split-256", "virtio 2.7", RING(.features = MODERN, .size = 256)},
	{"ring.split-1024", "virtio 2.7", RING(.features = MODERN, .size = 1024)},
	{"ring.split-32768", "virtio 2.7: at most 32768", RING(.features = MODERN, .size = 32768)},
	{"ring.split-wrap", "virtio 2.7.6, 2.7.8: indices are free-running",
	 RING(.features = MODERN, .size = 256, .start = 65500)},
	{"ring.split-32768-wrap", "virtio 2.7.6, 2.7.8: indices are free-running",
	 RING(.features = MODERN, .size = 32768, .start = 65500)},
	{"ring.packed-2", "virtio 2.8", RING(.features = PACKED, .size = 2)},
	{"ring.packed-8", "virtio 2.8", RING(.features = PACKED, .size = 8)},
	{"ring.packed-255", "virtio 2.8.11: not a power of 2",
	 RING(.features = PACKED, .size = 255)},
	{"ring.packed-256", "virtio 2.8", RING(.features = PACKED, .size = 256)},
	{"ring.packed-1000", "virtio 2.8.11: not a power of 2",
	 RING(.features = PACKED, .size = 1000)},
	{"ring.packed-1024", "virtio 2.8", RING(.features = PACKED, .size = 1024)},
	{"ring.packed-32768", "virtio 2.8.11: at most 32768",
	 RING(.features = PACKED, .size = 32768)},
	{"ring.packed-wrap", "virtio 2.8.1: wrap counters",
	 RING(.features = PACKED, .size = 256, .start = 250)},
	{"ring.packed-wrap-second-lap",
	 "virtio 2.8.1: wrap counters; vhost-user: VHOST_USER_SET_VRING_BASE",
	 RING(.features = PACKED, .size = 256, .start = 250, .start_wrap = true)},
};

CHECK_GROUP(checks_of_formats, checks);
