/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's part of "show port N negotiation": the facts, and the state derived from them. */
#include <inttypes.h>
#include <stdio.h>

#include <rte_common.h>

#include "vdev/engine.h"
#include "vdev/vdev.h"

/* --- the device as a whole --- */

static const struct {
	uint8_t bit;
	const char *name;
} status_name[] = {
	{0x01, "ACKNOWLEDGE"}, {0x02, "DRIVER"},      {0x08, "FEATURES_OK"},
	{0x04, "DRIVER_OK"},   {0x40, "NEEDS_RESET"}, {0x80, "FAILED"},
};

static void
show_status(FILE *out, const struct vdev *d)
{
	size_t i;

	fprintf(out, "  device status 0x%02x", vdev_get_status(d));
	for (i = 0; i < RTE_DIM(status_name); i++)
		if (vdev_get_status(d) & status_name[i].bit)
			fprintf(out, " %s", status_name[i].name);
	if (!d->status_used)
		fputs(", the front-end does not tell it", out);
	if (d->status_why != NULL)
		fprintf(out, "; FEATURES_OK was refused: %s", d->status_why);
	fputc('\n', out);
}

/** The engine in charge, and the reasons against the ones before it. */
static void
show_engines(FILE *out, const struct vdev *d)
{
	struct engine *const *e;
	char buf[ENGINE_WHY_MAX];

	fprintf(out, "  datapath %s\n", d->engine != NULL ? d->engine->name : "none");
	for (e = d->cfg.engines; *e != NULL && *e != d->engine; e++) {
		const char *why = engine_against(*e, d, buf, sizeof(buf));

		fprintf(out, "    not %s: %s\n", (*e)->name, why != NULL ? why : d->engine_why);
	}
}

static void
show_state(FILE *out, const struct vdev *d)
{
	const struct vdev_counters *c = &d->counters;

	fprintf(out, "  state %s, the operator wants %s\n", vdev_state_name(vdev_state(d)),
		vdev_state_name(d->wanted));
	show_status(out, d);
	fprintf(out,
		"  ring starts %" PRIu64 ", ring errors %" PRIu64 ", features refused %" PRIu64
		", memory faults %" PRIu64 "\n",
		c->ring_starts, c->ring_errors, c->features_refused, c->faults);
}

/* --- features --- */

static void
show_features(FILE *out, const struct vdev *d)
{
	const char *fate;
	unsigned int bit;
	char buf[128];

	fprintf(out,
		"  features: offered 0x%016" PRIx64 ", acked 0x%016" PRIx64
		", effective 0x%016" PRIx64 "\n",
		vdev_features_offered(d), d->features, vdev_features_effective(d));
	for (bit = 0; bit < 64; bit++) {
		fate = vdev_feature_outcome(d, bit, buf, sizeof(buf));
		if (fate != NULL)
			fprintf(out, "    %2u %-35s %s\n", bit, vdev_feature_name(bit), fate);
	}
}

/* --- rings --- */

static void
show_format(FILE *out, const struct vdev *d, uint32_t i)
{
	const struct vdev_queue *q = &d->q[i];
	struct vdev_format_verdict v = vdev_vq_format(d, i);

	if (q->running)
		fprintf(out, "    format %s: %s\n", vdev_format_name(q->format), q->how);
	else if (v.refused != NULL)
		fprintf(out, "    format refused: %s\n", v.refused);
	else
		fprintf(out, "    format would be %s: %s\n", vdev_format_name(v.format), v.how);
}

/** The position of the ring when it was started or stopped last. */
static void
show_position(FILE *out, const struct vdev *d, const struct vdev_queue *q)
{
	const struct vq_state *s = &q->state;

	if (!q->state_set)
		return;
	if (d->features & VDEV_F(RING_PACKED))
		fprintf(out, ", avail %u wrap %u, used %u wrap %u", s->avail, s->avail_wrap,
			s->used, s->used_wrap);
	else
		fprintf(out, ", avail %u, used %u", s->avail, s->used);
}

static void
show_ring(FILE *out, const struct vdev *d, uint32_t i)
{
	const struct vdev_queue *q = &d->q[i];

	fprintf(out, "  queue %u (the guest %s): %s%s, size %u", i,
		i % 2 == 0 ? "receives" : "transmits", q->running ? "running" : "stopped",
		q->enabled ? ", enabled" : "", q->size);
	show_position(out, d, q);
	fprintf(out, "\n    desc 0x%" PRIx64 " driver 0x%" PRIx64 " device 0x%" PRIx64, q->desc_uva,
		q->driver_uva, q->device_uva);
	if (q->addr_flags & VDEV_ADDR_F_LOG)
		fprintf(out, " logged at 0x%" PRIx64, q->log_gpa);
	fprintf(out, ", %s, %s\n", q->kick_fd >= 0 ? "kicked" : "polled",
		q->irq != NULL ? "interrupts" : "no interrupts");
	show_format(out, d, i);
	if (!q->running && q->why != NULL)
		fprintf(out, "    does not run: %s\n", q->why);
}

/** The facts all rings' formats are derived from, besides the byte order stated for one. */
static void
show_format_facts(FILE *out, const struct vdev *d)
{
	enum vdev_format f;

	fprintf(out, "  format policy %s, format bit acked:", vdev_policy_name(d->cfg.policy));
	for (f = 0; f < VDEV_FORMAT_NUM; f++)
		if (d->formats_needed & (1u << f))
			fprintf(out, " %s", vdev_format_name(f));
	fprintf(out, "%s\n", d->formats_needed == 0 ? " none" : "");
}

void
vdev_show(const struct vdev *d, FILE *out)
{
	uint32_t i;

	show_state(out, d);
	show_engines(out, d);
	show_features(out, d);
	show_format_facts(out, d);
	for (i = 0; i < d->nqueues; i++)
		show_ring(out, d, i);
}
