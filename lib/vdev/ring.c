/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a ring may run, at which position and in which format: from the facts to the engine that
 * moves its frames.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vdev/engine.h"
#include "vdev/ring.h"
#include "base/irq.h"
#include "base/lane.h"

static enum vq_layout
ring_layout(const struct vdev *d, enum vdev_format format)
{
	if (format == VDEV_LEGACY_BE)
		return VQ_SPLIT_SWAP;
	return (d->features & VDEV_F(RING_PACKED)) ? VQ_PACKED : VQ_SPLIT;
}

/** A ring has one owner: no engine starts it while the hardware of another may write to it. */
static const char *
held_by_hardware(const struct vdev *d)
{
	const char *why = NULL;
	struct engine *const *e;

	for (e = d->cfg.engines; *e != NULL && why == NULL; e++)
		if ((*e)->ops->holds != NULL)
			why = (*e)->ops->holds(*e, d);
	return why;
}

const char *
ring_blocked(const struct vdev *d, const struct vdev_queue *q)
{
	if (atomic_load_explicit(&d->fault.dead, memory_order_relaxed))
		return "guest memory is gone: its file was truncated";
	if (d->transfer != VDEV_STATE_RUNNING)
		return "the device's state is being moved";
	if (d->wanted != VDEV_STATE_RUNNING && d->wanted != VDEV_STATE_RUNNING_P2P)
		return "the port is stopped by the operator";
	/* workers do not see a quiesced ring; hardware must release it */
	if (d->wanted != VDEV_STATE_RUNNING && ring_polled(d) == NULL)
		return "the port is quiesced by the operator";
	if (q->broken)
		return q->why != NULL ? q->why : "the guest broke the ring";
	if (d->gmem == NULL)
		return vdev_lack_text(d, VDEV_LACK_MEMORY);
	if (q->size == 0)
		return vdev_lack_text(d, VDEV_LACK_SIZE);
	if (!q->addr_set)
		return vdev_lack_text(d, VDEV_LACK_ADDRESSES);
	if (!q->ready)
		return vdev_lack_text(d, VDEV_LACK_READY);
	if (q->edited && !ring_enabled(d, q))
		return "changed while it was disabled, waits to be enabled";
	return d->engine == NULL ? d->engine_why : held_by_hardware(d);
}

struct vq_state
ring_fresh(const struct vdev *d)
{
	bool packed = d->features & VDEV_F(RING_PACKED);

	return (struct vq_state){.avail_wrap = packed, .used_wrap = packed};
}

/**
 * The position of the ring as the front-end stated it. A split state that differs from the used
 * index means requests that were not completed, or a front-end that does not know it: with in-order
 * processing both start again from the used index.
 */
static struct vq_state
state_said(const struct vdev *d, const struct vdev_queue *q, const struct vq_setup *s)
{
	struct vq_state st = q->state_set ? q->state : ring_fresh(d);

	if (s->layout != VQ_PACKED && !q->state_ours)
		st.avail = st.used = vq_split_used_idx(s->layout, s->device);
	return st;
}

struct vq_journal_key
ring_key(const struct vdev *d, const struct vdev_queue *q)
{
	return (struct vq_journal_key){
		.desc_uva = q->desc_uva,
		.driver_uva = q->driver_uva,
		.device_uva = q->device_uva,
		.features = d->features & ~(VDEV_F(LOG_ALL) | VDEV_F(PROTOCOL_FEATURES)),
		.size = q->size,
		.base = vq_state_to_word(q->layout, &q->said),
	};
}

struct vdev_format_verdict
vdev_vq_format(const struct vdev *d, uint32_t i)
{
	const struct vdev_format_facts facts = {
		.features = d->features,
		.needed = d->formats_needed,
		.endian_set = d->q[i].endian_set,
		.big_endian = d->q[i].big_endian,
		.policy = d->cfg.policy,
	};

	return vdev_format_decide(&facts);
}

static bool
refuse(struct vdev_queue *q, const char *why)
{
	q->refused = true;
	q->why = why;
	return false;
}

/** Decide the format and check whether such a ring can be served. */
static bool
ring_shape(const struct vdev *d, struct vdev_queue *q)
{
	struct vdev_format_verdict v = vdev_vq_format(d, ring_index(d, q));
	const char *why = vdev_features_check(d->features);

	if (why == NULL)
		why = v.refused;
	if (why != NULL)
		return refuse(q, why);
	q->format = v.format;
	q->how = v.how;
	q->layout = ring_layout(d, v.format);
	why = vq_check(q->layout, q->size, d->features);
	return why == NULL || refuse(q, why);
}

static bool
ring_found(struct vdev *d, struct vdev_queue *q)
{
	const char *why = ring_place(d, q, q->layout);

	if (q->waits) {
		q->why = "waits for the IOMMU translation of its ring";
	} else if (why == NULL && pages_request_ring(d, q)) {
		q->waits = true;
		q->why = "waits for pages of its ring, which post-copy has yet to bring";
		ring_map_clear(&q->map);
	}
	return !q->waits && (why == NULL || refuse(q, why));
}

/** Have the engine start @p q at the position by the journal, the last stop or the front-end. */
static bool
ring_launch(struct vdev *d, struct vdev_queue *q)
{
	struct vq_journal_key key = ring_key(d, q);
	enum vq_journal_word word = VQ_JOURNAL_SILENT;
	const char *why;
	struct vq_setup s;

	engine_vq_setup(d, q, &s);
	if (!q->state_ours && s.journal != NULL)
		word = vq_journal_recover(s.journal, &key, &s);
	if (word == VQ_JOURNAL_LOST)
		return refuse(q,
			      "hardware had it, and it does not tell where it stands: its driver "
			      "has to set it up anew");
	q->state = word == VQ_JOURNAL_POSITION ? s.state : state_said(d, q, &s);
	if (q->layout == VQ_PACKED && (q->state.avail >= q->size || q->state.used >= q->size))
		return refuse(q, "ring base is outside the ring");
	why = d->engine->ops->vq_start(d->engine, d, q);
	if (why != NULL)
		return refuse(q, why);
	/* hardware keeps no journal: a successor derives the position from the ring */
	if (s.journal != NULL && ring_polled(d) == NULL)
		vq_journal_hardware(s.journal, &key);
	/* a predecessor may have published frames, or left some, without a notification */
	if (word == VQ_JOURNAL_POSITION || (!q->state_ours && q->state.used != 0))
		irq_raise(q->irq);
	return true;
}

void
ring_start(struct vdev *d, struct vdev_queue *q)
{
	const char *before = q->why;

	q->why = ring_blocked(d, q);
	q->refused = q->waits = false;
	if (q->why == NULL && ring_shape(d, q) && ring_found(d, q) && ring_launch(d, q)) {
		q->running = true;
		d->counters.ring_starts++;
		log_peer_debug(&d->log_limit, d->name, "queue %u starts: %s, size %u",
			       ring_index(d, q), vdev_format_name(q->format), q->size);
	} else if (q->refused && q->why != before) {
		log_peer(&d->log_limit, d->name, "queue %u cannot start: %s", ring_index(d, q),
			 q->why);
	}
}

void
ring_halt(struct vdev *d, struct vdev_queue *q)
{
	bool still;

	if (!q->running)
		return;
	still = vdev_let_go(d);
	q->state = d->engine->ops->vq_stop(d->engine, d, q);
	/* hardware may report a position it has fetched, or a wrong one */
	if (ring_polled(d) == NULL && q->layout != VQ_PACKED)
		q->state.avail = q->state.used =
			vq_split_used_idx(q->layout, q->map.area[VQ_DEVICE].hva);
	q->state_set = true;
	q->state_ours = still; /* else the ring is read again when it is started */
	q->running = q->waits = false;
	ring_map_clear(&q->map);
}

void
ring_halt_changed(struct vdev *d, struct vdev_queue *q)
{
	q->edited = q->edited || (q->running && !ring_enabled(d, q));
	ring_halt(d, q);
}

void
ring_repair(struct vdev *d, struct vdev_queue *q)
{
	uint32_t i;

	if (!q->broken)
		return;
	q->broken = q->addr_again = q->ready_again = false;
	q->why = NULL;
	/* a driver that sees the status has to reset it */
	if (d->status_used || d->fault_seen)
		return;
	for (i = 0; i < d->nqueues && !d->q[i].broken; i++)
		;
	if (i == d->nqueues)
		d->status &= (uint8_t)~VDEV_STATUS_NEEDS_RESET;
}

void
ring_close(struct vdev *d, struct vdev_queue *q)
{
	bool ran = q->running;

	ring_halt(d, q);
	if (ran)
		ring_forget_translations(d, q, q->layout);
	if (d->journal != NULL)
		vq_journal_stop(vq_journal_get(d->journal, ring_index(d, q)));
	q->said = q->state;
	q->ready = q->refused = q->edited = false;
	ring_repair(d, q);
	q->endian_set = false; /* stated once per start, see doc/format-bits.md */
	q->why = NULL;
}

void
ring_forget(struct vdev_queue *q)
{
	struct vdev_queue keep = *q;

	*q = (struct vdev_queue){
		.kick_fd = keep.kick_fd,
		.irq = keep.irq,
		.err_fd = keep.err_fd,
		.vq = keep.vq,
		.shown_running = keep.shown_running,
		.shown_enabled = keep.shown_enabled,
		.live = keep.live,
	};
}

void
ring_close_fd(struct vdev *d, int fd)
{
	if (fd >= 0)
		lane_close(irq_group_lane(d->irqs), fd);
}

void
ring_close_fds(struct vdev *d, struct vdev_queue *q)
{
	ring_close_fd(d, q->kick_fd);
	ring_close_fd(d, q->err_fd);
	q->kick_fd = q->err_fd = -1;
	irq_free(q->irq);
	q->irq = NULL;
}

struct vdev_queue *
ring_get(struct vdev *d, uint32_t i)
{
	if (i >= 2 * d->cfg.queue_pairs)
		return NULL;
	d->nqueues = RTE_MAX(d->nqueues, i + 1);
	return &d->q[i];
}

bool
ring_any_runs(const struct vdev *d)
{
	uint32_t i;

	for (i = 0; i < d->nqueues; i++)
		if (d->q[i].running)
			return true;
	return false;
}
