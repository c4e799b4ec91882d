/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which engines may run a device: reasons that are known before rings are handed
 * over, so that a guest that hardware cannot serve never stops for the attempt.
 */
#include "vdev/engine.h"

#include <assert.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_common.h>

#include "vdev/ring.h"

static const char *const hw_names[] = {
#define X(sym, word) [VDEV_HW_##sym] = (word),
	VDEV_HWS(X)
#undef X
};
static const char *const migrate_names[] = {
#define X(sym, word) [VDEV_MIGRATE_##sym] = (word),
	VDEV_MIGRATES(X)
#undef X
};
static_assert(RTE_DIM(hw_names) == VDEV_HW_NUM, "every choice has its name");
static_assert(RTE_DIM(migrate_names) == VDEV_MIGRATE_NUM, "every choice has its name");

/** Index of @p word among @p n names, or -1. */
static int
find_word(const char *const *names, int n, const char *word)
{
	while (--n >= 0 && strcmp(names[n], word) != 0)
		;
	return n;
}

const char *
vdev_hw_name(enum vdev_hw hw)
{
	return hw_names[hw];
}

const char *
vdev_migrate_name(enum vdev_migrate migrate)
{
	return migrate_names[migrate];
}

bool
vdev_hw_parse(const char *word, enum vdev_hw *out)
{
	int i = find_word(hw_names, RTE_DIM(hw_names), word);

	if (i >= 0)
		*out = (enum vdev_hw)i;
	return i >= 0;
}

bool
vdev_migrate_parse(const char *word, enum vdev_migrate *out)
{
	int i = find_word(migrate_names, RTE_DIM(migrate_names), word);

	if (i >= 0)
		*out = (enum vdev_migrate)i;
	return i >= 0;
}

bool
vdev_has_hardware(const struct vdev *d)
{
	struct engine *const *e;

	for (e = d->cfg.engines; *e != NULL && (*e)->ops->polled != NULL; e++)
		;
	return *e != NULL;
}

void
vdev_set_hw(struct vdev *d, enum vdev_hw hw)
{
	d->hw = hw;
}

void
vdev_set_migrate(struct vdev *d, enum vdev_migrate migrate)
{
	d->migrate = migrate;
}

const struct engine *
vdev_hardware(const struct vdev *d)
{
	const struct engine *e = d->engine_next;

	return e != NULL && e->ops->polled == NULL ? e : NULL;
}

const struct engine *
engine_of_workers(const struct vdev *d)
{
	struct engine *const *e;

	for (e = d->cfg.engines; *e != NULL && (*e)->ops->polled == NULL; e++)
		;
	return *e;
}

const struct engine_polled_ops *
ring_polled(const struct vdev *d)
{
	return d->engine != NULL ? d->engine->ops->polled : NULL;
}

void
vdev_retry(struct vdev *d)
{
	struct engine *const *e;

	for (e = d->cfg.engines; *e != NULL; e++)
		if ((*e)->ops->retry != NULL)
			(*e)->ops->retry(*e, d);
}

/* --- reasons --- */

/** A reason against @p e, static or in @p buf, or NULL. */
typedef const char *(*reason_fn)(const struct engine *e, const struct vdev *d, char *buf,
				 size_t len);

static const char *
against_logging(const struct engine *e, const struct vdev *d, char *buf, size_t len)
{
	if (!(d->features & VDEV_F(LOG_ALL)))
		return NULL;
	if (!(e->caps.features & VDEV_F(LOG_ALL)))
		return "a migration has writes logged and it has no dirty log";
	return d->migrate == VDEV_MIGRATE_SOFTWARE
		       ? "a migration has writes logged, which software does (migrate=software)"
		       : NULL;
}

/** Hardware has all of a guest's memory pinned, and would bring pages of zeros by that. */
static const char *
against_post_copy(const struct engine *e, const struct vdev *d, char *buf, size_t len)
{
	return d->arriving || pages_absent(d)
		       ? "a post-copy migration has yet to bring pages of the guest's memory"
		       : NULL;
}

static const char *
against_iommu(const struct engine *e, const struct vdev *d, char *buf, size_t len)
{
	if (!(d->features & ~e->caps.features & VDEV_F(ACCESS_PLATFORM)))
		return NULL;
	return "the guest's buffers are behind an IOMMU (VIRTIO_F_ACCESS_PLATFORM)";
}

/** PROTOCOL_FEATURES says nothing about frames or rings. */
static const char *
against_features(const struct engine *e, const struct vdev *d, char *buf, size_t len)
{
	uint64_t more = d->features & ~(e->caps.features | VDEV_F(PROTOCOL_FEATURES));
	const char *name;
	unsigned int bit;

	if (more == 0)
		return NULL;
	bit = (unsigned int)__builtin_ctzll(more);
	name = vdev_feature_name(bit);
	snprintf(buf, len, "the guest negotiated %s (bit %u), which it cannot serve%s",
		 name != NULL ? name : "a feature", bit,
		 (more & (more - 1)) != 0 ? ", and more" : "");
	return buf;
}

/** Rings that are not described yet have no format to speak of. */
static const char *
against_format(const struct engine *e, const struct vdev *d, char *buf, size_t len)
{
	uint32_t i;

	for (i = 0; i < d->nqueues; i++) {
		struct vdev_format_verdict v = vdev_vq_format(d, i);

		if (!d->q[i].ready || v.refused != NULL || (e->caps.formats & (1u << v.format)))
			continue;
		snprintf(buf, len, "the guest's data format is %s, which it cannot serve",
			 vdev_format_name(v.format));
		return buf;
	}
	return NULL;
}

static const char *
against_queues(const struct engine *e, const struct vdev *d, char *buf, size_t len)
{
	uint32_t i, pairs = 0;

	for (i = 0; i < d->nqueues; i++)
		if (d->q[i].ready)
			pairs = i / 2 + 1;
	if (pairs <= e->caps.queue_pairs)
		return NULL;
	snprintf(buf, len, "the guest uses %u queue pairs and it has %u", pairs,
		 e->caps.queue_pairs);
	return buf;
}

static const char *
against_regions(const struct engine *e, const struct vdev *d, char *buf, size_t len)
{
	if (d->gmem == NULL || e->caps.regions == 0 || d->gmem->n <= e->caps.regions)
		return NULL;
	snprintf(buf, len, "the guest has %u memory regions and it takes %u", d->gmem->n,
		 e->caps.regions);
	return buf;
}

/** Whether this thread may lock memory without a limit. */
static bool
may_lock(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[0].effective & CAP_TO_MASK(CAP_IPC_LOCK)) != 0;
}

/** The kernel's vhost_vdpa charges the limit also to a process with CAP_IPC_LOCK, others do not. */
static const char *
against_memlock(const struct engine *e, const struct vdev *d, char *buf, size_t len)
{
	uint64_t bytes = 0;
	struct rlimit rl;
	uint32_t i;

	if (!e->caps.pins || d->gmem == NULL || getrlimit(RLIMIT_MEMLOCK, &rl) != 0 ||
	    (e->caps.ipc_lock && may_lock()))
		return NULL;
	for (i = 0; i < d->gmem->n; i++)
		bytes += d->gmem->r[i].size;
	if (rl.rlim_cur == RLIM_INFINITY || bytes <= rl.rlim_cur)
		return NULL;
	snprintf(buf, len,
		 "it locks the guest's memory, %" PRIu64 " MiB, and RLIMIT_MEMLOCK is %" PRIu64
		 " KiB",
		 bytes >> 20, (uint64_t)rl.rlim_cur >> 10);
	return buf;
}

static const char *
against_owner(const struct engine *e, const struct vdev *d, char *buf, size_t len)
{
	return d->cfg.ops->needs_software != NULL ? d->cfg.ops->needs_software(d) : NULL;
}

static const char *
against_itself(const struct engine *e, const struct vdev *d, char *buf, size_t len)
{
	return e->ops->check != NULL ? e->ops->check(e, d) : NULL;
}

/** It has no capabilities to compare with while it is not there; its check() looks for it. */
static const char *
against_absence(const struct engine *e, const struct vdev *d, char *buf, size_t len)
{
	const char *why = e->caps.queue_pairs == 0 ? against_itself(e, d, buf, len) : NULL;

	return why != NULL || e->caps.queue_pairs != 0 ? why : "it is not there";
}

/** In the order they are told: what the operator can change comes first. */
static const reason_fn reasons[] = {
	against_owner,   against_absence,  against_logging, against_post_copy,
	against_iommu,   against_features, against_format,  against_queues,
	against_regions, against_memlock,  against_itself,
};

const char *
engine_against(const struct engine *e, const struct vdev *d, char *buf, size_t len)
{
	const char *why = NULL;
	size_t i;

	if (e->ops->polled != NULL)
		return d->hw == VDEV_HW_REQUIRE ? "hardware is required (hw=require)" : NULL;
	if (d->hw == VDEV_HW_NEVER)
		return "the operator has software move the frames (hw=never)";
	for (i = 0; i < RTE_DIM(reasons) && why == NULL; i++)
		why = reasons[i](e, d, buf, len);
	return why;
}
