/* SPDX-License-Identifier: BSD-3-Clause */
/* A device behind an IOMMU: translations that it asks for, and that are revoked. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>

#include "base/ev.h"

#include "check.h"
#include "frame.h"
#include "link.h"
#include "outcome.h"

#define STILL_MS 400
#define PROBE_MS 20
#define PLATFORM BIT(VIRTIO_F_ACCESS_PLATFORM)

static const struct station_wish modern = {.features = MODERN | PLATFORM,
					   .protocol = VHU_PF(BACKEND_REQ)};
static const struct station_wish packed = {.features = PACKED | PLATFORM,
					   .protocol = VHU_PF(BACKEND_REQ)};

/** Frames of the other guest that may get lost. */
static void
shout(struct link *l)
{
	if (l->there == &l->here)
		return;
	for (int i = 0; i < 16; i++)
		station_send(l->there, FRAME_PROBE, FRAME_MIN, NULL);
}

static uint64_t
in_ms(int ms)
{
	return ev_now_ns() + (uint64_t)ms * 1000000;
}

/** One frame, again until it has come. */
static void
pass(struct station *from, struct station *to)
{
	const uint64_t end = in_ms(station_target.timeout_ms);
	const uint64_t before = to->probes;
	struct station_received r;

	for (uint64_t again = 0; to->probes == before; (void)station_receive(to, &r, 1)) {
		if (ev_now_ns() > end)
			outcome_fail("no frame passes from socket %u to socket %u", from->side + 1,
				     to->side + 1);
		if (ev_now_ns() < again)
			continue;
		station_send(from, FRAME_PROBE, FRAME_MIN, NULL);
		again = in_ms(PROBE_MS);
	}
}

/** A frame may get lost while a translation is awaited: each buffer is used before. */
static void
warm_up(struct link *l)
{
	link_probe(l);
	for (uint32_t i = 0; i < STATION_SLOTS; i++) {
		pass(&l->here, l->there);
		pass(l->there, &l->here);
	}
	station_drain(&l->here);
}

/** All addresses are I/O virtual, and their pages are known one by one, when they are asked for. */
static void
translate(const void *arg)
{
	struct link l;

	link_open(&l, arg);
	warm_up(&l);
	link_exchange(&l, 48);
	if (l.here.iommu.misses == 0)
		outcome_fail("no translation was asked for");
	link_close(&l);
}

/** Translations may come before they are asked for, and be large. */
static void
unasked(const void *arg)
{
	struct link l = {0};

	link_other(&l);
	station_connect(&l.here, 0, arg);
	station_negotiate(&l.here);
	station_prepare(&l.here);
	station_announce(&l.here);
	station_translate_all(&l.here, VHU_IOTLB_UPDATE);
	station_run(&l.here);
	warm_up(&l);
	link_exchange(&l, 32);
	link_close(&l);
}

/** Once an invalidation is acknowledged the device has to ask again. */
static void
invalidate(const void *arg)
{
	uint64_t before, misses;
	struct link l;

	link_open(&l, arg);
	warm_up(&l);
	link_exchange(&l, 16);
	l.here.iommu.deaf = true;
	station_translate_all(&l.here, VHU_IOTLB_INVALIDATE);
	station_barrier(&l.here);
	before = station_checksum(&l.here);
	shout(&l);
	usleep(STILL_MS * 1000);
	if (station_checksum(&l.here) != before)
		outcome_fail("memory has changed after its translations were revoked");
	misses = l.here.iommu.misses;
	l.here.iommu.deaf = false;
	warm_up(&l);
	link_exchange(&l, 16);
	if (l.here.iommu.misses == misses)
		outcome_fail("translations that were revoked are not asked for again");
	link_close(&l);
}

/** A page that the device may only read is not written. */
static void
read_only(const void *arg)
{
	const struct station_queue *q;
	uint64_t end;
	uint8_t *copy;
	size_t len;
	struct link l;

	link_open(&l, arg);
	warm_up(&l);
	link_exchange(&l, 16);
	q = &l.here.q[STATION_RX];
	len = (size_t)q->nslots * STATION_SLOT;
	l.here.iommu.rx_perm = VHOST_ACCESS_RO;
	station_translate_all(&l.here, VHU_IOTLB_INVALIDATE);
	station_barrier(&l.here);
	copy = malloc(len);
	if (copy == NULL)
		outcome_fail("out of memory");
	memcpy(copy, q->slot, len);
	shout(&l);
	for (end = in_ms(STILL_MS); ev_now_ns() < end;)
		station_idle(&l.here);
	if (memcmp(copy, q->slot, len) != 0)
		outcome_fail("a page was written that may only be read");
	free(copy);
}

/** A new session knows no translations of the one before. */
static void
reconnect(const void *arg)
{
	uint64_t misses;
	struct link l;

	link_open(&l, arg);
	warm_up(&l);
	link_exchange(&l, 16);
	misses = l.here.iommu.misses;
	station_reconnect(&l.here);
	warm_up(&l);
	link_exchange(&l, 16);
	if (l.here.iommu.misses == misses)
		outcome_fail("translations of the session before are in use");
	link_close(&l);
}

static const struct check checks[] = {
	{"iommu.translate", "vhost-user: IOMMU support", translate, &modern},
	{"iommu.translate-packed", "vhost-user: IOMMU support", translate, &packed},
	{"iommu.unasked", "vhost-user: VHOST_USER_IOTLB_MSG: update", unasked, &modern},
	{"iommu.unasked-packed", "vhost-user: VHOST_USER_IOTLB_MSG: update", unasked, &packed},
	{"iommu.invalidate", "vhost-user: VHOST_USER_IOTLB_MSG: invalidate", invalidate, &modern},
	{"iommu.invalidate-packed", "vhost-user: VHOST_USER_IOTLB_MSG: invalidate", invalidate,
	 &packed},
	{"iommu.read-only", "vhost-user: IOTLB message: permissions", read_only, &modern},
	{"iommu.reconnect", "vhost-user: IOMMU support, Communication: reconnection", reconnect,
	 &modern},
};

CHECK_GROUP(checks_of_iommu, checks);
