/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_hash_crc.h>

#include "base/blob.h"
#include "base/counter.h"
#include "pkt/drop.h"
#include "vdev/engine.h"
#include "vdev/ring.h"
#include "vdev/save.h"
#define MAGIC 0x44535156u /* "VQSD" */
#define VERSION 1

enum { TYPE_DEVICE = 1, TYPE_QUEUE = 2, TYPE_COUNTERS = 3 };

struct header {
	uint32_t magic;
	uint16_t version;
	uint16_t zero;
	uint32_t len; /* with the header */
	uint32_t crc; /* of what follows the header */
};

struct device_data {
	uint64_t features;
	uint16_t queue_pairs;
	uint8_t mac[6];
};

struct queue_data {
	uint32_t index;
	uint32_t size;
	uint32_t base;   /* vq_state_to_word() by the device's features */
	uint32_t format; /* enum vdev_format */
};

#define COUNTERS (sizeof(struct pktq_stats) / sizeof(uint64_t))

struct counter_data {
	uint32_t index; /* of the queue */
	uint32_t shape; /* of struct pktq_stats; another version's numbers differ */
	uint64_t value[COUNTERS];
};

/** Of everything behind the header. */
static uint32_t
checksum(const uint8_t *p, size_t len)
{
	return rte_hash_crc(p + sizeof(struct header), (uint32_t)(len - sizeof(struct header)), 0);
}

/* --- writing --- */

static void
put_record(struct blob *b, uint16_t type, uint16_t flags, const void *data, uint32_t len)
{
	const struct blob_record r = {type, flags, len};

	blob_put_record(b, &r, data);
}

/** A hash of the names and the order of the counters. */
static uint32_t
counter_shape(void)
{
	uint32_t crc = COUNTERS;
	int r;

	for (r = 0; r < DROP_NUM; r++) {
		const char *name = drop_name((enum drop_reason)r);

		crc = rte_hash_crc(name, (uint32_t)strlen(name), crc);
	}
	return crc;
}

/** The layout by which a record's base is read: independent of the byte order. */
static enum vq_layout
saved_layout(uint64_t features)
{
	return (features & VDEV_F(RING_PACKED)) ? VQ_PACKED : VQ_SPLIT;
}

static void
save_queue(const struct vdev *d, uint32_t i, struct blob *b)
{
	const struct vdev_queue *q = &d->q[i];
	const struct queue_data data = {
		.index = rte_cpu_to_le_32(i),
		.size = rte_cpu_to_le_32(q->size),
		.base = rte_cpu_to_le_32(vq_state_to_word(saved_layout(d->features), &q->state)),
		.format = rte_cpu_to_le_32(q->format),
	};
	struct counter_data c = {rte_cpu_to_le_32(i), rte_cpu_to_le_32(counter_shape()), {0}};
	const struct engine *workers = engine_of_workers(d);
	const struct pktq_stats *stats;
	size_t k;

	if (q->state_set)
		put_record(b, TYPE_QUEUE, BLOB_MUST_KNOW, &data, sizeof(data));
	stats = workers != NULL ? workers->ops->stats(workers, q) : NULL;
	if (stats == NULL)
		return;
	for (k = 0; k < COUNTERS; k++)
		c.value[k] = rte_cpu_to_le_64(counter_read((const uint64_t *)stats + k));
	put_record(b, TYPE_COUNTERS, 0, &c, sizeof(c));
}

int
vdev_save(struct vdev *d, struct blob *b)
{
	struct device_data data = {
		.features = rte_cpu_to_le_64(d->features),
		.queue_pairs = rte_cpu_to_le_16((uint16_t)d->cfg.queue_pairs),
	};
	struct header h = {.magic = rte_cpu_to_le_32(MAGIC), .version = rte_cpu_to_le_16(VERSION)};
	uint32_t i;

	memcpy(data.mac, d->cfg.mac, sizeof(data.mac));
	blob_put(b, &h, sizeof(h));
	put_record(b, TYPE_DEVICE, BLOB_MUST_KNOW, &data, sizeof(data));
	for (i = 0; i < d->nqueues; i++)
		save_queue(d, i, b);
	if (d->cfg.ops->save != NULL)
		d->cfg.ops->save(d, b);
	if (b->failed)
		return -ENOMEM;
	h.len = rte_cpu_to_le_32((uint32_t)b->len);
	h.crc = rte_cpu_to_le_32(checksum(b->data, b->len));
	memcpy(b->data, &h, sizeof(h));
	return 0;
}

/* --- reading: each type is checked in a first pass and applied in a second --- */

struct loading {
	struct vdev *d;
	uint64_t features; /* of the device whose state it is */
};

static const char *
check_device(const struct loading *l, const void *data)
{
	const struct vdev *d = l->d;
	struct device_data x;

	memcpy(&x, data, sizeof(x));
	if (rte_le_to_cpu_64(x.features) & ~vdev_features_own(d))
		return "the state is of a device with features this one does not offer";
	if (rte_le_to_cpu_16(x.queue_pairs) > d->cfg.queue_pairs)
		return "the state is of a device with more queues";
	return NULL;
}

static void
apply_device(struct loading *l, const void *data)
{
	struct device_data x;

	memcpy(&x, data, sizeof(x));
	memcpy(l->d->cfg.mac, x.mac, sizeof(x.mac));
	l->features = rte_le_to_cpu_64(x.features);
}

static const char *
check_queue(const struct loading *l, const void *data)
{
	const struct vdev *d = l->d;
	struct queue_data x;

	memcpy(&x, data, sizeof(x));
	if (rte_le_to_cpu_32(x.index) >= 2 * d->cfg.queue_pairs)
		return "the state is of a queue this device does not have";
	if (rte_le_to_cpu_32(x.size) > VDEV_RING_SIZE_MAX)
		return "the state is of an impossible ring";
	if (rte_le_to_cpu_32(x.format) >= VDEV_FORMAT_NUM ||
	    !(vdev_policy_formats(d->cfg.policy) & (1u << rte_le_to_cpu_32(x.format))))
		return "the state is of a format the port's policy does not allow";
	return NULL;
}

static void
apply_queue(struct loading *l, const void *data)
{
	struct vdev_queue *q;
	struct queue_data x;

	memcpy(&x, data, sizeof(x));
	q = ring_get(l->d, rte_le_to_cpu_32(x.index));
	q->state = q->said =
		vq_state_from_word(saved_layout(l->features), rte_le_to_cpu_32(x.base));
	q->state_set = q->state_ours = true;
}

static const char *
check_counters(const struct loading *l, const void *data)
{
	struct counter_data x;

	memcpy(&x, data, sizeof(x));
	return rte_le_to_cpu_32(x.index) < 2 * l->d->cfg.queue_pairs
		       ? NULL
		       : "the state counts a queue this device does not have";
}

static void
apply_counters(struct loading *l, const void *data)
{
	const struct engine *workers = engine_of_workers(l->d);
	struct vdev_queue *q;
	struct counter_data x;
	uint64_t *value;
	size_t k;

	memcpy(&x, data, sizeof(x));
	q = ring_get(l->d, rte_le_to_cpu_32(x.index));
	value = workers != NULL ? (uint64_t *)workers->ops->polled->counters(q) : NULL;
	if (rte_le_to_cpu_32(x.shape) != counter_shape() || value == NULL)
		return;
	for (k = 0; k < COUNTERS; k++)
		value[k] += rte_le_to_cpu_64(x.value[k]);
}

static const struct {
	const char *(*check)(const struct loading *l, const void *data);
	void (*apply)(struct loading *l, const void *data);
	uint32_t len;
	bool exact; /* a later version may have appended something; not to counters */
} known[] = {
	[TYPE_DEVICE] = {check_device, apply_device, sizeof(struct device_data), false},
	[TYPE_QUEUE] = {check_queue, apply_queue, sizeof(struct queue_data), false},
	[TYPE_COUNTERS] = {check_counters, apply_counters, sizeof(struct counter_data), true},
};

static bool
is_known(uint16_t type)
{
	return type < RTE_DIM(known) && known[type].check != NULL;
}

/** Whether a known record's length can be read. Counters of another version are skipped. */
static bool
is_readable(const struct blob_record *r)
{
	return known[r->type].exact ? r->len == known[r->type].len : r->len >= known[r->type].len;
}

static const char *
check_header(const uint8_t *p, size_t len)
{
	struct header h;

	if (len < sizeof(h) || len > VDEV_SAVE_MAX)
		return "the state is too short or too long";
	memcpy(&h, p, sizeof(h));
	if (rte_le_to_cpu_32(h.magic) != MAGIC)
		return "not the state of such a device";
	if (rte_le_to_cpu_16(h.version) != VERSION)
		return "the state is of another version";
	if (rte_le_to_cpu_32(h.len) != len || rte_le_to_cpu_32(h.crc) != checksum(p, len))
		return "the state is damaged";
	return NULL;
}

static const char *
check_record(const struct loading *l, const struct blob_record *r, const uint8_t *data)
{
	if (!is_known(r->type))
		return (r->flags & BLOB_MUST_KNOW) ? "the state has a part that is not known here"
						   : NULL;
	if (!is_readable(r))
		return (r->flags & BLOB_MUST_KNOW) ? "the state has a part that is too short"
						   : NULL;
	return known[r->type].check(l, data);
}

static void
apply_record(struct loading *l, const struct blob_record *r, const uint8_t *data)
{
	struct vdev *d = l->d;

	if (is_known(r->type) && is_readable(r))
		known[r->type].apply(l, data);
	else if (r->type >= VDEV_SAVE_OWNER && d->cfg.ops->load != NULL)
		d->cfg.ops->load(d, r->type, data, r->len);
}

int
vdev_load(struct vdev *d, const void *data, size_t len, const char **why)
{
	struct loading l = {.d = d};
	const uint8_t *p = data, *at;
	struct blob_record r;
	size_t pos;

	*why = check_header(p, len);
	for (pos = sizeof(struct header); *why == NULL && pos < len;) {
		at = blob_next(p, len, &pos, &r);
		*why = at != NULL ? check_record(&l, &r, at) : "the state is damaged";
	}
	if (*why != NULL)
		return -EINVAL;
	for (pos = sizeof(struct header); pos < len;) {
		at = blob_next(p, len, &pos, &r);
		apply_record(&l, &r, at);
	}
	return 0;
}
