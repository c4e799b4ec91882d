/* SPDX-License-Identifier: BSD-3-Clause */
#include "vdev/handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/irq.h"
#include "gmem/file.h"
#include "pkt/legend.h"
#include "vdev/engine.h"
#include "vdev/ring.h"

/* Types are for ever: a number that is no longer used stays unused. */
enum {
	TYPE_DEVICE = VDEV_HAND_FIRST,
	TYPE_REGION,
	TYPE_LOG,
	TYPE_TRANSLATIONS,
	TYPE_REQUESTS,
	TYPE_QUEUE,
	TYPE_COUNTERS,
	TYPE_END,
};

enum {
	DEVICE_FEATURES_SET = 1,
	DEVICE_ENABLE_USED = 2,
	DEVICE_STATUS_USED = 4,
	DEVICE_FLUSHES = 8,
};

/* Later versions may append to these. */
struct device_data {
	uint64_t features, request_serial;
	uint64_t ring_starts, ring_errors, features_refused, iotlb_misses, faults;
	uint32_t formats_needed, flags, wanted;
	uint16_t mtu, mtu_most, mtu_next;
	uint8_t status, mac[6], zero[3];
};
static_assert(sizeof(struct device_data) == 88, "layout of the record");

enum { REGION_KERNEL = 1 }; /* the file is the kernel's own */

struct region_data {
	uint64_t gpa, size, uva, mmap_offset;
	uint32_t adds, flags;
};

struct log_data {
	uint64_t offset, size;
};

enum {
	QUEUE_ADDR_SET = 1,
	QUEUE_STATE_SET = 2,
	QUEUE_STATE_OURS = 4,
	QUEUE_READY = 8,
	QUEUE_ENABLED = 0x10,
	QUEUE_ENABLE_DUE = 0x20,
	QUEUE_EDITED = 0x40,
	QUEUE_ENDIAN_SET = 0x80,
	QUEUE_BIG_ENDIAN = 0x100,
	QUEUE_BROKEN = 0x200,
	QUEUE_ADDR_AGAIN = 0x400,
	QUEUE_READY_AGAIN = 0x800,
	/* descriptors of the record, in this order */
	QUEUE_KICK = 0x10000,
	QUEUE_CALL = 0x20000,
	QUEUE_ERR = 0x40000,
};

struct queue_data {
	uint32_t index, size;
	uint64_t desc_uva, driver_uva, device_uva, log_gpa;
	uint32_t addr_flags, flags;
	struct {
		uint16_t avail, used;
		uint8_t avail_wrap, used_wrap, zero[2];
	} state, said;
};
static_assert(sizeof(struct queue_data) == 64, "layout of the record");

struct counters_data {
	uint32_t index, zero;
	uint64_t value[LEGEND_OWN];
};

/* these go as they are in memory */
static_assert(sizeof(struct iotlb_entry) == 40, "layout of the record");
static_assert(sizeof(struct vdev_iotlb_request) == 24, "layout of the record");

/* --- the predecessor --- */

void
vdev_hand_stop(struct vdev *d)
{
	sync_pause(d);
}

static void
put_device(const struct vdev *d, struct blob *b)
{
	struct device_data x = {
		.features = d->features,
		.request_serial = d->request_serial,
		.ring_starts = d->counters.ring_starts,
		.ring_errors = d->counters.ring_errors,
		.features_refused = d->counters.features_refused,
		.iotlb_misses = d->counters.iotlb_misses,
		.faults = d->counters.faults,
		.formats_needed = d->formats_needed,
		.flags = (d->features_set ? DEVICE_FEATURES_SET : 0) |
			 (d->enable_used ? DEVICE_ENABLE_USED : 0) |
			 (d->status_used ? DEVICE_STATUS_USED : 0) |
			 (d->flushes ? DEVICE_FLUSHES : 0),
		.wanted = d->wanted,
		.mtu = d->mtu,
		.mtu_most = d->mtu_most,
		.mtu_next = d->mtu_next,
		.status = d->status,
	};

	memcpy(x.mac, d->cfg.mac, sizeof(x.mac));
	hand_put(b, TYPE_DEVICE, &x, sizeof(x));
}

static void
put_memory(const struct vdev *d, struct blob *b)
{
	uint32_t i;

	for (i = 0; d->gmem != NULL && i < d->gmem->n; i++) {
		const struct gmem_region *m = &d->gmem->r[i];
		const bool kernel = gmem_file_voucher(m->file) == GMEM_KERNEL;
		struct region_data x = {m->gpa, m->size, m->uva,
					0,      m->adds, kernel ? REGION_KERNEL : 0};
		int fd = gmem_file_fd(m->file, m->hva, &x.mmap_offset);

		blob_put_fds(b, &(struct blob_record){TYPE_REGION, BLOB_MUST_KNOW, sizeof(x), 1},
			     &x, &fd);
	}
	if (d->log != NULL) {
		struct log_data x = {0, d->log->pages / 8};
		int fd = gmem_file_fd(d->log->file, d->log->map, &x.offset);

		blob_put_fds(b, &(struct blob_record){TYPE_LOG, BLOB_MUST_KNOW, sizeof(x), 1}, &x,
			     &fd);
	}
}

static void
put_translations(const struct vdev *d, struct blob *b)
{
	if (d->tlb->n != 0)
		hand_put(b, TYPE_TRANSLATIONS, d->tlb->e, d->tlb->n * sizeof(d->tlb->e[0]));
	if (d->nrequests != 0)
		hand_put(b, TYPE_REQUESTS, d->request, d->nrequests * sizeof(d->request[0]));
}

static uint32_t
queue_flags(const struct vdev_queue *q)
{
	const struct {
		bool set;
		uint32_t flag;
	} all[] = {
		{q->addr_set, QUEUE_ADDR_SET},     {q->state_set, QUEUE_STATE_SET},
		{q->state_ours, QUEUE_STATE_OURS}, {q->ready, QUEUE_READY},
		{q->enabled, QUEUE_ENABLED},       {q->enable_due, QUEUE_ENABLE_DUE},
		{q->edited, QUEUE_EDITED},         {q->endian_set, QUEUE_ENDIAN_SET},
		{q->big_endian, QUEUE_BIG_ENDIAN}, {q->broken, QUEUE_BROKEN},
		{q->addr_again, QUEUE_ADDR_AGAIN}, {q->ready_again, QUEUE_READY_AGAIN},
	};
	uint32_t flags = 0;
	size_t i;

	for (i = 0; i < RTE_DIM(all); i++)
		flags |= all[i].set ? all[i].flag : 0;
	return flags;
}

static void
put_queue(const struct vdev *d, uint32_t i, struct blob *b)
{
	const struct vdev_queue *q = &d->q[i];
	const struct vq_state *s = &q->state, *t = &q->said;
	struct queue_data x = {
		.index = i,
		.size = q->size,
		.desc_uva = q->desc_uva,
		.driver_uva = q->driver_uva,
		.device_uva = q->device_uva,
		.log_gpa = q->log_gpa,
		.addr_flags = q->addr_flags,
		.flags = queue_flags(q),
		.state = {s->avail, s->used, s->avail_wrap, s->used_wrap, {0}},
		.said = {t->avail, t->used, t->avail_wrap, t->used_wrap, {0}},
	};
	const int all[] = {q->kick_fd, q->irq != NULL ? irq_eventfd(q->irq) : -1, q->err_fd};
	int fds[RTE_DIM(all)];
	uint8_t n = 0;
	size_t k;

	for (k = 0; k < RTE_DIM(all); k++) {
		if (all[k] < 0)
			continue;
		x.flags |= QUEUE_KICK << k;
		fds[n++] = all[k];
	}
	blob_put_fds(b, &(struct blob_record){TYPE_QUEUE, BLOB_MUST_KNOW, sizeof(x), n}, &x, fds);
}

static void
put_counters(const struct vdev *d, uint32_t i, struct blob *b)
{
	struct counters_data x = {.index = i};

	if (d->q[i].vq == NULL)
		return;
	legend_values(&d->q[i].vq->q.stats, x.value);
	hand_put(b, TYPE_COUNTERS, &x, sizeof(x));
}

void
vdev_hand_over(struct vdev *d, struct blob *b)
{
	uint32_t i;

	for (i = 0; i < d->nqueues; i++)
		ring_halt(d, &d->q[i]);
	put_device(d, b);
	put_memory(d, b);
	put_translations(d, b);
	for (i = 0; i < d->nqueues; i++)
		put_queue(d, i, b);
	for (i = 0; i < 2 * d->cfg.queue_pairs; i++)
		put_counters(d, i, b);
}

/* --- the successor --- */

static const char *
take_device(struct vdev *d, const struct hand_record *h)
{
	struct device_data x;

	if (!hand_get(h, &x, sizeof(x)))
		return "a device's record is too short";
	if (x.wanted >= VDEV_STATE_NUM || vdev_set_formats(d, x.formats_needed) != 0)
		return "a device is in a state that is not known here";
	if (vdev_set_features(d, x.features) != 0)
		return "a guest has negotiated features that are not offered here";
	d->features_set = x.flags & DEVICE_FEATURES_SET;
	d->enable_used = x.flags & DEVICE_ENABLE_USED;
	d->status_used = x.flags & DEVICE_STATUS_USED;
	d->flushes = x.flags & DEVICE_FLUSHES;
	d->request_serial = x.request_serial;
	d->counters = (struct vdev_counters){x.ring_starts, x.ring_errors, x.features_refused,
					     x.iotlb_misses, x.faults};
	d->wanted = (enum vdev_state)x.wanted;
	d->mtu = x.mtu;
	d->mtu_most = x.mtu_most;
	d->mtu_next = x.mtu_next;
	d->status = x.status;
	memcpy(d->cfg.mac, x.mac, sizeof(x.mac));
	return NULL;
}

/*
 * One guest must not hold up the upgrade of all: a device whose front-end has taken its memory back
 * stops, as it does in a process that finds out by touching it.
 */
static const char *
lose_memory(struct vdev *d)
{
	atomic_store(&d->fault.dead, true);
	return NULL;
}

static enum gmem_voucher
voucher_of(uint32_t flags)
{
	return flags & REGION_KERNEL ? GMEM_KERNEL : GMEM_PEER;
}

static const char *
take_region(struct vdev *d, const struct hand_record *h)
{
	struct gmem *old, *m;
	struct region_data x;
	const char *why = "out of memory";
	bool withdrawn = false;
	uint32_t i;
	int fd;

	if (!hand_get(h, &x, sizeof(x)))
		return "a memory region's record is too short";
	fd = blob_take_fd(h->reader, 0);
	if (fd < 0)
		return "a memory region comes without a descriptor";
	old = d->gmem != NULL ? gmem_ref(d->gmem) : gmem_new();
	m = old == NULL ? NULL
			: gmem_add(old,
				   &(struct gmem_desc){.gpa = x.gpa,
						       .size = x.size,
						       .uva = x.uva,
						       .mmap_offset = x.mmap_offset,
						       .voucher = voucher_of(x.flags)},
				   fd, &d->fault, &why);
	gmem_put(old);
	if (m == NULL && gmem_file_withdrawn(fd, x.mmap_offset, x.size))
		withdrawn = true;
	close(fd);
	if (withdrawn)
		return lose_memory(d);
	if (m == NULL)
		return why;
	for (i = 0; i < m->n; i++)
		if (m->r[i].gpa == x.gpa)
			m->r[i].adds = x.adds;
	return vdev_set_mem(d, m) == 0 ? NULL : "out of memory";
}

static const char *
take_log(struct vdev *d, const struct hand_record *h)
{
	const char *why = "a dirty log comes without a descriptor";
	struct dirty *log = NULL;
	bool withdrawn = false;
	struct log_data x;
	int fd;

	if (!hand_get(h, &x, sizeof(x)))
		return "a dirty log's record is too short";
	fd = blob_take_fd(h->reader, 0);
	if (fd >= 0) {
		log = dirty_new(fd, x.offset, x.size, &d->fault, &why);
		withdrawn = log == NULL && gmem_file_withdrawn(fd, x.offset, x.size);
		close(fd);
	}
	if (withdrawn)
		return lose_memory(d);
	if (log == NULL)
		return why;
	return vdev_set_log(d, log) == 0 ? NULL : "out of memory";
}

/** Entries ascend and do not overlap: else a look-up among them would find none. */
static bool
translations_sane(const struct iotlb *t)
{
	uint64_t from = 0;
	uint32_t i;

	for (i = 0; i < t->n; i++) {
		const struct iotlb_entry *e = &t->e[i];

		if (e->size == 0 || e->iova < from || e->iova + (e->size - 1) < e->iova ||
		    e->uva + (e->size - 1) < e->uva || (e->perm & ~IOTLB_RW) != 0)
			return false;
		from = e->iova + e->size;
		if (from == 0 && i + 1 < t->n)
			return false;
	}
	return true;
}

static const char *
take_translations(struct vdev *d, const struct hand_record *h)
{
	uint32_t n = h->r.len / sizeof(struct iotlb_entry);
	struct iotlb *t;

	if (h->r.len % sizeof(struct iotlb_entry) != 0 || n > IOTLB_ENTRIES_MAX)
		return "a table of IOMMU translations has an impossible length";
	t = malloc(sizeof(*t) + h->r.len);
	if (t == NULL)
		return "out of memory";
	t->n = n;
	memcpy(t->e, h->data, h->r.len);
	if (!translations_sane(t)) {
		free(t);
		return "a table of IOMMU translations is not in order";
	}
	return space_change(d, d->gmem, t, d->log) == 0 ? NULL : "out of memory";
}

static const char *
take_requests(struct vdev *d, const struct hand_record *h)
{
	uint32_t n = h->r.len / sizeof(d->request[0]);

	if (h->r.len % sizeof(d->request[0]) != 0 || n > RTE_DIM(d->request))
		return "too many requests for IOMMU translations";
	memcpy(d->request, h->data, h->r.len);
	d->nrequests = n;
	return NULL;
}

static void
set_queue_flags(struct vdev_queue *q, uint32_t flags)
{
	q->addr_set = flags & QUEUE_ADDR_SET;
	q->state_set = flags & QUEUE_STATE_SET;
	q->state_ours = flags & QUEUE_STATE_OURS;
	q->ready = flags & QUEUE_READY;
	q->enabled = flags & QUEUE_ENABLED;
	q->enable_due = flags & QUEUE_ENABLE_DUE;
	q->edited = flags & QUEUE_EDITED;
	q->endian_set = flags & QUEUE_ENDIAN_SET;
	q->big_endian = flags & QUEUE_BIG_ENDIAN;
	q->broken = flags & QUEUE_BROKEN;
	q->addr_again = flags & QUEUE_ADDR_AGAIN;
	q->ready_again = flags & QUEUE_READY_AGAIN;
}

/** The eventfds of a ring. False: they are not those that the flags announce. */
static bool
take_eventfds(struct vdev *d, struct vdev_queue *q, const struct hand_record *h, uint32_t flags)
{
	int fds[3] = {-1, -1, -1};
	uint32_t k, n = 0;

	for (k = 0; k < RTE_DIM(fds); k++)
		if (flags & (QUEUE_KICK << k))
			fds[k] = blob_take_fd(h->reader, n++);
	q->kick_fd = fds[0];
	q->err_fd = fds[2];
	if (fds[1] >= 0)
		q->irq = irq_of_eventfd(d->irqs, fds[1]);
	return n == h->r.nfds && (fds[1] < 0 || q->irq != NULL);
}

static const char *
take_queue(struct vdev *d, const struct hand_record *h)
{
	struct vdev_queue *q;
	struct queue_data x;

	if (!hand_get(h, &x, sizeof(x)))
		return "a ring's record is too short";
	if (x.size > VDEV_RING_SIZE_MAX || (x.addr_flags & ~VDEV_ADDR_F_LOG) != 0)
		return "a ring's record has an impossible value";
	q = ring_get(d, x.index);
	if (q == NULL)
		return "a ring that the port does not have";
	/* an interrupt that is no eventfd is made by the transport */
	if (q->kick_fd >= 0 || (q->irq != NULL && (x.flags & QUEUE_CALL)) || q->err_fd >= 0)
		return "two records of one ring";
	if (!take_eventfds(d, q, h, x.flags))
		return "a ring's eventfds are missing";
	q->size = x.size;
	q->desc_uva = x.desc_uva;
	q->driver_uva = x.driver_uva;
	q->device_uva = x.device_uva;
	q->log_gpa = x.log_gpa;
	q->addr_flags = x.addr_flags;
	set_queue_flags(q, x.flags);
	q->state = (struct vq_state){x.state.avail, x.state.used, x.state.avail_wrap & 1,
				     x.state.used_wrap & 1};
	q->said = (struct vq_state){x.said.avail, x.said.used, x.said.avail_wrap & 1,
				    x.said.used_wrap & 1};
	q->enable_due = q->enable_due && d->cfg.loop != NULL;
	if (q->enable_due)
		ring_await_enable(d);
	return NULL;
}

static const char *
take_counters(struct vdev *d, const struct hand_record *h)
{
	const struct engine *workers = engine_of_workers(d);
	const uint32_t head = offsetof(struct counters_data, value);
	struct pktq_stats *to;
	uint32_t index;

	if (!hand_get(h, &index, sizeof(index)) || h->r.len < head)
		return "a queue's counters are too short";
	if (index >= 2 * d->cfg.queue_pairs)
		return "counters of a queue that the port does not have";
	to = workers != NULL ? workers->ops->polled->counters(&d->q[index]) : NULL;
	if (to == NULL)
		return "out of memory";
	return legend_add(h->legend, (const uint8_t *)h->data + head, h->r.len - head, to)
		       ? NULL
		       : "a queue's counters do not fit their legend";
}

void
vdev_interrupt(struct vdev *d)
{
	uint32_t i;

	for (i = 0; i < d->nqueues; i++)
		if (d->q[i].running)
			irq_raise(d->q[i].irq);
}

static const char *(*const take[TYPE_END - VDEV_HAND_FIRST])(struct vdev *d,
							     const struct hand_record *h) = {
	[TYPE_DEVICE - VDEV_HAND_FIRST] = take_device,
	[TYPE_REGION - VDEV_HAND_FIRST] = take_region,
	[TYPE_LOG - VDEV_HAND_FIRST] = take_log,
	[TYPE_TRANSLATIONS - VDEV_HAND_FIRST] = take_translations,
	[TYPE_REQUESTS - VDEV_HAND_FIRST] = take_requests,
	[TYPE_QUEUE - VDEV_HAND_FIRST] = take_queue,
	[TYPE_COUNTERS - VDEV_HAND_FIRST] = take_counters,
};

const char *
vdev_take_over(struct vdev *d, const struct hand_record *h)
{
	if (h->r.type >= VDEV_HAND_FIRST && h->r.type < TYPE_END)
		return take[h->r.type - VDEV_HAND_FIRST](d, h);
	return (h->r.flags & BLOB_MUST_KNOW) ? "a record about a device is not known here" : NULL;
}
