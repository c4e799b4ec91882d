/* SPDX-License-Identifier: BSD-3-Clause */
/* Simulated devices as engines, and what an operator can set of them. Control. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "base/log.h"
#include "base/parse.h"
#include "vdpa/sim/sim.h"

#define LOOK_MS 100
#define INDEX_LIE 256 /* by which a lying device is off */

/** A port's claim to a device. */
struct sim_engine {
	struct engine e; /* first member */
	struct vdev *d;  /* NULL: closed, freed when the posted work runs */
	struct sim_dev *dev;
	const char *why;      /* it failed, static text; until it is to be tried again */
	struct vq_mem mem[2]; /* the one in use and the one before. [card] */
	unsigned int now;     /* which is in use */
	struct vq_host host;  /* the card's way to control */
	atomic_bool broke;    /* [atomic] a guest's ring cannot be read */
	atomic_bool posted;   /* [atomic] work is in the loop */
	struct ev_work work;
	struct ev_timer look;
	uint64_t seen[2 * SIM_PAIRS_MAX]; /* frames of each ring at the last look */
	uint32_t idle_ms;                 /* since when none of those with work moved */
	SLIST_ENTRY(sim_engine) entry;
};

static SLIST_HEAD(, sim_engine) engines = SLIST_HEAD_INITIALIZER(engines);

static const char *const fault_names[] = {
#define X(sym, word) [SIM_FAULT_##sym] = (word),
	SIM_FAULTS(X)
#undef X
};
static_assert(RTE_DIM(fault_names) == SIM_FAULT_NUM, "every fault has its word");

static struct sim_engine *
to_sim(const struct engine *e)
{
	return (struct sim_engine *)(uintptr_t)e;
}

/* --- devices --- */

static void
caps_default(struct engine_caps *c)
{
	*c = (struct engine_caps){
		.features = vdev_features_all() & ~(VDEV_F(LOG_ALL) | VDEV_F(ACCESS_PLATFORM)),
		.formats = 1u << VDEV_MODERN | 1u << VDEV_LEGACY_LE,
		.queue_pairs = SIM_PAIRS_MAX,
	};
}

static struct sim_dev *
dev_find(const char *name)
{
	struct sim_dev *dev;

	STAILQ_FOREACH (dev, &sim_card.devs, entry)
		if (strcmp(dev->name, name) == 0)
			return dev;
	return NULL;
}

/** The device of this name, made if need be; NULL: out of memory. */
static struct sim_dev *
dev_get(const char *name)
{
	struct sim_dev *dev = dev_find(name);
	struct sim_wire *w;

	if (dev != NULL)
		return dev;
	w = sim_wire_get(SIM_WIRE_FIRST);
	dev = w != NULL ? calloc(1, sizeof(*dev)) : NULL;
	if (dev == NULL)
		return NULL;
	strlcpy(dev->name, name, sizeof(dev->name));
	caps_default(&dev->caps);
	dev->wire = w;
	card_lock();
	STAILQ_INSERT_TAIL(&sim_card.devs, dev, entry);
	card_unlock();
	return dev;
}

/** A device that is gone serves nothing and narrows nothing. */
static struct engine_caps
caps_now(const struct sim_dev *dev)
{
	static const struct engine_caps none;

	return dev->fault == SIM_FAULT_VANISH ? none : dev->caps;
}

/* --- the way to vdev_sync() --- */

static void
work_run(struct ev_work *w)
{
	struct sim_engine *s = container_of(w, struct sim_engine, work);

	atomic_store(&s->posted, false);
	if (s->d == NULL) {
		free(s);
		return;
	}
	/* software reads the ring itself and reports its fault */
	if (atomic_exchange(&s->broke, false))
		s->why = "a ring of the guest broke under it";
	vdev_sync(s->d);
}

/** Any thread. */
static void
post(struct sim_engine *s)
{
	if (s->d->cfg.loop != NULL && !atomic_exchange(&s->posted, true))
		ev_post(s->d->cfg.loop, &s->work);
}

/** Ports that name @p dev check whether they can have it now. */
static void
dev_changed(const struct sim_dev *dev)
{
	struct sim_engine *s;

	SLIST_FOREACH (s, &engines, entry) {
		if (s->dev != dev)
			continue;
		s->e.caps = caps_now(dev);
		post(s);
	}
}

/** The card's thread. */
static void
on_attention(const struct vq_host *host, struct vq *vq)
{
	struct sim_engine *s =
		container_of((struct vq_host *)(uintptr_t)host, struct sim_engine, host);

	if (atomic_load(&vq->attention) & VQ_ATTN_BROKEN) {
		atomic_store(&s->broke, true);
		post(s);
	}
}

/* --- progress of the frames --- */

/** Whether the driver has made a chain available beyond the position of @p vq. [card] */
static bool
waiting(const struct vq *vq)
{
	const uint8_t *flags = vq->desc + 16u * vq->avail + 14;
	uint16_t v;

	if (vq->layout != VQ_PACKED) {
		memcpy(&v, vq->driver + 2, sizeof(v));
		return (vq->layout == VQ_SPLIT_SWAP ? rte_be_to_cpu_16(v) : rte_le_to_cpu_16(v)) !=
		       vq->avail;
	}
	memcpy(&v, flags, sizeof(v));
	v = rte_le_to_cpu_16(v);
	return ((v >> 7) & 1) == vq->avail_wrap && ((v >> 15) & 1) != vq->avail_wrap;
}

/** Whether a ring the guest transmits on has waited since the last look. */
static bool
stands_still(struct sim_engine *s)
{
	bool still = false;

	card_lock();
	for (uint32_t i = 1; i < RTE_DIM(s->seen); i += 2) {
		const struct sim_ring *r = s->dev->ring[i];

		if (r == NULL || !r->running || r->waits)
			continue;
		still |= waiting(&r->vq) && r->vq.q.stats.offered == s->seen[i];
		s->seen[i] = r->vq.q.stats.offered;
	}
	card_unlock();
	return still;
}

static void
look_run(struct ev_timer *t)
{
	struct sim_engine *s = container_of(t, struct sim_engine, look);

	if (s->dev->owner != s)
		return;
	s->idle_ms = stands_still(s) ? s->idle_ms + LOOK_MS : 0;
	if (s->idle_ms >= SIM_STALL_MS) {
		s->why = "it stalled: the guest's frames were not taken for a second";
		log_peer(&s->d->log_limit, s->d->name, "%s has stalled", s->dev->name);
		vdev_sync(s->d);
		return;
	}
	ev_timer_arm(s->d->cfg.loop, &s->look, LOOK_MS);
}

/* --- the engine --- */

static const char *
sim_check(const struct engine *e, const struct vdev *d)
{
	const struct sim_engine *s = to_sim(e);

	if (s->dev->fault == SIM_FAULT_VANISH)
		return "the device is gone";
	if (s->dev->owner != NULL && s->dev->owner != s)
		return "another port has the device";
	return s->why;
}

static int
sim_set_mem(struct engine *e, struct vdev *d)
{
	struct sim_engine *s = to_sim(e);

	card_lock();
	s->now = 1 - s->now; /* a ring compares both: all of it is dirty when a log begins */
	s->mem[s->now] = (struct vq_mem){
		.gmem = d->gmem,
		.log = (d->features & VDEV_F(LOG_ALL)) ? d->log : NULL,
	};
	for (uint32_t i = 0; i < RTE_DIM(s->dev->ring); i++) {
		struct sim_ring *r = s->dev->ring[i];

		if (s->dev->owner == s && r != NULL && r->running && d->gmem != NULL)
			vq_swap_mem(&r->vq, &s->mem[s->now]);
	}
	card_unlock();
	return 0;
}

static const char *
fails(const struct sim_dev *dev)
{
	if (dev->fault == SIM_FAULT_REFUSE)
		return "the device refuses the ring";
	if (dev->fault == SIM_FAULT_HALFWAY && dev->owner != NULL)
		return "the device failed half-way";
	return NULL;
}

static struct sim_ring *
ring_of(struct sim_dev *dev, uint32_t i)
{
	if (dev->ring[i] == NULL) {
		dev->ring[i] = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(struct sim_ring));
		if (dev->ring[i] != NULL)
			memset(dev->ring[i], 0, sizeof(struct sim_ring));
	}
	return dev->ring[i];
}

/** Positions are the card's own from here on. [card] */
static bool
ring_run(struct sim_engine *s, struct vdev *d, struct vdev_queue *q)
{
	struct sim_ring *r = ring_of(s->dev, vdev_vq_index(d, q));
	struct vq_setup setup;

	if (r == NULL)
		return false;
	engine_vq_setup(d, q, &setup);
	setup.state = q->state;
	setup.mem = &s->mem[s->now];
	setup.journal = NULL;
	setup.host = &s->host;
	if (s->dev->fault == SIM_FAULT_INTERRUPT)
		setup.irq = NULL;
	r->running = vq_start(&r->vq, &setup) == 0;
	r->enabled = false;
	r->waits = true;
	return r->running;
}

static const char *
sim_vq_start(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	struct sim_engine *s = to_sim(e);
	const char *why = fails(s->dev);

	if (why == NULL) {
		card_lock();
		if (!ring_run(s, d, q))
			why = "no memory for the ring";
		else
			s->dev->owner = s;
		card_unlock();
	}
	s->why = why;
	return why;
}

/** Nothing of the device runs any more: others may have it. */
static void
release(struct sim_engine *s)
{
	for (uint32_t i = 0; i < RTE_DIM(s->dev->ring); i++)
		if (s->dev->ring[i] != NULL && s->dev->ring[i]->running)
			return;
	s->dev->live = false;
	s->dev->owner = NULL;
	s->idle_ms = 0;
	ev_timer_cancel(&s->look);
	dev_changed(s->dev);
}

static struct vq_state
sim_vq_stop(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	struct sim_engine *s = to_sim(e);
	struct sim_ring *r = s->dev->ring[vdev_vq_index(d, q)];
	struct vq_state state;

	card_lock();
	/* all rings stand still with the first: frames that one takes would find no receiver */
	s->dev->live = false;
	state = vq_stop(&r->vq);
	r->running = false;
	if (s->dev->fault == SIM_FAULT_INDEX)
		state.avail += INDEX_LIE;
	release(s);
	card_unlock();
	return state;
}

static void
sim_set_irq(struct engine *e, struct vdev *d, struct vdev_queue *q)
{
	struct sim_engine *s = to_sim(e);

	card_lock();
	/* also with the fault: the interrupt before is about to be freed */
	vq_set_irq(&s->dev->ring[vdev_vq_index(d, q)]->vq,
		   s->dev->fault == SIM_FAULT_INTERRUPT ? NULL : q->irq);
	card_unlock();
}

static void
sim_commit(struct engine *e, struct vdev *d)
{
	struct sim_engine *s = to_sim(e);

	if (s->dev->owner != s)
		return;
	card_lock();
	for (uint32_t i = 0; i < RTE_DIM(s->dev->ring); i++) {
		if (s->dev->ring[i] == NULL)
			continue;
		s->dev->ring[i]->enabled = vdev_vq_enabled(d, i);
		/* nor before the guest can receive: frames that come back would be lost */
		s->dev->ring[i]->waits =
			vdev_vq_awaits_enable(d, i) || vdev_vq_awaits_enable(d, i & ~1u);
	}
	s->dev->live = true;
	card_unlock();
	if (s->look.loop == NULL && d->cfg.loop != NULL) {
		s->look.cb = look_run;
		ev_timer_arm(d->cfg.loop, &s->look, LOOK_MS);
	}
}

static const struct pktq_stats *
sim_stats(const struct engine *e, const struct vdev_queue *q)
{
	const struct sim_engine *s = to_sim(e);
	uint32_t i = vdev_vq_index(s->d, q);

	return i < RTE_DIM(s->dev->ring) && s->dev->ring[i] != NULL ? &s->dev->ring[i]->vq.q.stats
								    : NULL;
}

static void
sim_retry(struct engine *e, struct vdev *d)
{
	to_sim(e)->why = NULL;
}

static void
sim_close(struct engine *e, struct vdev *d)
{
	struct sim_engine *s = to_sim(e);

	SLIST_REMOVE(&engines, s, sim_engine, entry);
	ev_timer_cancel(&s->look);
	s->d = NULL;
	if (!atomic_load(&s->posted))
		free(s);
}

static const struct engine_ops sim_ops = {
	.check = sim_check,
	.set_mem = sim_set_mem,
	.vq_start = sim_vq_start,
	.vq_stop = sim_vq_stop,
	.set_irq = sim_set_irq,
	.commit = sim_commit,
	.stats = sim_stats,
	.retry = sim_retry,
	.close = sim_close,
};

/* --- the kind --- */

/* Names stand in device arguments and commands as they are. */
static bool
has_letters_only(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";

	return name[strspn(name, letters)] == '\0';
}

/** "sim" and letters, digits, '-', '_' after it. */
static bool
sim_ours(const char *name)
{
	return strncmp(name, "sim", 3) == 0 && has_letters_only(name) &&
	       strlen(name) < VDPA_NAME_MAX;
}

bool
sim_wire_name(const char *name)
{
	return *name != '\0' && strlen(name) < SIM_WIRE_MAX && has_letters_only(name);
}

static struct engine *
sim_open(const char *name, struct vdev *d, char *err, size_t errlen)
{
	struct sim_dev *dev = dev_get(name);
	struct sim_engine *s = dev != NULL ? calloc(1, sizeof(*s)) : NULL;

	if (s == NULL || card_power_on() != 0) {
		free(s);
		snprintf(err, errlen, "%s: out of memory", name);
		return NULL;
	}
	s->e = (struct engine){.ops = &sim_ops, .name = dev->name, .caps = caps_now(dev)};
	s->d = d;
	s->dev = dev;
	s->host.attention = on_attention;
	s->work.fn = work_run;
	SLIST_INSERT_HEAD(&engines, s, entry);
	if (d->cfg.mp != NULL) {
		card_lock();
		card_set_pool(d->cfg.mp);
		card_unlock();
	}
	return &s->e;
}

static const char *
state_text(const struct sim_dev *dev)
{
	if (dev->fault == SIM_FAULT_VANISH)
		return "gone";
	if (dev->fault == SIM_FAULT_STALL && dev->owner != NULL)
		return "stalls";
	return dev->owner != NULL ? "runs" : "free";
}

static void
settings_text(const struct sim_dev *dev, char *out, size_t len)
{
	struct engine_caps def;
	FILE *f = fmemopen(out, len, "w");

	caps_default(&def);
	out[0] = '\0';
	if (f == NULL)
		return;
	if (dev->wire == NULL || strcmp(dev->wire->name, SIM_WIRE_FIRST) != 0)
		fprintf(f, "wire %s,", dev->wire == NULL ? SIM_WIRE_BACK : dev->wire->name);
	if (dev->fault != SIM_FAULT_NONE)
		fprintf(f, "fault %s,", fault_names[dev->fault]);
	if (dev->caps.features != def.features)
		fprintf(f, "features 0x%" PRIx64 ",", dev->caps.features);
	if (dev->caps.queue_pairs != def.queue_pairs)
		fprintf(f, "pairs %u,", dev->caps.queue_pairs);
	if (dev->caps.regions != def.regions)
		fprintf(f, "regions %u,", dev->caps.regions);
	fclose(f);
	out[strlen(out) - (out[0] != '\0')] = '\0';
}

static uint32_t
pairs_used(const struct sim_dev *dev)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < RTE_DIM(dev->ring); i += 2)
		n += dev->ring[i] != NULL && dev->ring[i]->running;
	return n;
}

static void
sim_list(vdpa_list_fn fn, void *ctx)
{
	struct sim_dev *dev;

	STAILQ_FOREACH (dev, &sim_card.devs, entry) {
		struct vdpa_info i = {
			.kind = vdpa_sim.name,
			.present = dev->fault != SIM_FAULT_VANISH,
			.state = state_text(dev),
			.caps = caps_now(dev),
			.pairs_used = pairs_used(dev),
			.owner = dev->owner != NULL ? dev->owner->d : NULL,
		};

		strlcpy(i.name, dev->name, sizeof(i.name));
		settings_text(dev, i.settings, sizeof(i.settings));
		fn(&i, ctx);
	}
}

static void
count(struct vdpa_counter **out, const char *name, uint32_t queue, uint64_t value)
{
	strlcpy((*out)->name, name, sizeof((*out)->name));
	(*out)->queue = (int)queue;
	(*out)->value = value;
	(*out)++;
}

static uint32_t
sim_counters(const char *name, struct vdpa_counter *out)
{
	const struct sim_dev *dev = dev_find(name);
	struct vdpa_counter *at = out;

	for (uint32_t i = 0; dev != NULL && i < RTE_DIM(dev->ring); i++) {
		const struct pktq_stats *s =
			dev->ring[i] != NULL ? &dev->ring[i]->vq.q.stats : NULL;
		uint64_t drops = 0;

		if (s == NULL)
			continue;
		for (uint32_t why = 0; why < DROP_NUM; why++)
			drops += counter_read(&s->drop[why]);
		count(&at, "frames", i, counter_read(&s->frames));
		count(&at, "bytes", i, counter_read(&s->bytes));
		count(&at, "drops", i, drops);
	}
	return (uint32_t)(at - out);
}

/* --- settings --- */

static int
set_wire(struct sim_dev *dev, const char *value)
{
	struct sim_wire *w = NULL;

	if (!sim_wire_name(value))
		return -EINVAL;
	if (strcmp(value, SIM_WIRE_BACK) != 0) {
		w = sim_wire_get(value);
		if (w == NULL)
			return -ENOMEM;
	}
	card_lock();
	dev->wire = w;
	card_unlock();
	return 0;
}

/** A device without the fault is tried again. */
static int
set_fault(struct sim_dev *dev, const char *value)
{
	struct sim_engine *s;
	uint32_t i;

	for (i = 0; i < RTE_DIM(fault_names) && strcmp(fault_names[i], value) != 0; i++)
		;
	if (i == RTE_DIM(fault_names))
		return -EINVAL;
	card_lock();
	dev->fault = (enum sim_fault)i;
	card_unlock();
	SLIST_FOREACH (s, &engines, entry)
		if (s->dev == dev)
			s->why = NULL;
	return 0;
}

static int
set_features(struct sim_dev *dev, const char *value)
{
	uint64_t v;

	if (!parse_whole(value, 0, 0, UINT64_MAX, &v))
		return -EINVAL;
	/* it has no translations: a guest's IOVA would be taken for an address of its memory */
	dev->caps.features = v & vdev_features_all() & ~VDEV_F(ACCESS_PLATFORM);
	return 0;
}

static int
set_pairs(struct sim_dev *dev, const char *value)
{
	uint64_t v;

	if (!parse_whole(value, 0, 1, SIM_PAIRS_MAX, &v))
		return -EINVAL;
	dev->caps.queue_pairs = (uint32_t)v;
	return 0;
}

static int
set_regions(struct sim_dev *dev, const char *value)
{
	uint64_t v;

	if (!parse_whole(value, 0, 0, UINT16_MAX, &v))
		return -EINVAL;
	dev->caps.regions = (uint32_t)v;
	return 0;
}

static const struct setting {
	const char *key;
	int (*set)(struct sim_dev *dev, const char *value);
	const char *expects;
} settings[] = {
	{"wire", set_wire, "back, or the name of a wire: at most 15 letters, digits, - and _"},
	{"fault", set_fault, "none, refuse, halfway, stall, index, interrupt or vanish"},
	{"features", set_features, "feature bits as one number"},
	{"pairs", set_pairs, "1 to 8 queue pairs"},
	{"regions", set_regions, "memory regions at most, 0: any number"},
};

static int
sim_set(const char *name, const char *key, const char *value, char *err, size_t errlen)
{
	struct sim_dev *dev = dev_get(name);

	for (uint32_t i = 0; dev != NULL && i < RTE_DIM(settings); i++) {
		if (strcmp(settings[i].key, key) != 0)
			continue;
		if (settings[i].set(dev, value) == 0) {
			dev_changed(dev);
			return 0;
		}
		snprintf(err, errlen, "%s: %s %.64s: expected %s", name, key, value,
			 settings[i].expects);
		return -EINVAL;
	}
	snprintf(err, errlen, "%s: unknown setting '%.64s': wire, fault, features, pairs, regions",
		 name, key);
	return -EINVAL;
}

const struct vdpa_kind vdpa_sim = {
	.name = "sim",
	.ours = sim_ours,
	.open = sim_open,
	.list = sim_list,
	.counters = sim_counters,
	.set = sim_set,
	.fini = card_power_off,
};
