/* SPDX-License-Identifier: BSD-3-Clause */
/* Hardware that moves frames in place of the workers. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <bsd/string.h>

#include "app.h"
#include "cli.h"
#include "wait.h"
#include "show/json.h"
#include "show/running_config.h"
#include "vdpa/vdpa.h"

#define DETACH_SECONDS 10

/* --- which ports --- */

static void
set_hw(struct cmd *c, struct port *p, const char *word)
{
	int ret = p->ops->set_hw != NULL ? p->ops->set_hw(p, word) : -ENODEV;

	c->failed = ret < 0;
	if (ret == -ENODEV)
		cmd_print(c, "Port %u has no vDPA device: its device argument has no vdpa=DEVICE\n",
			  p->id);
	else
		p->ops->datapath(p, c->out);
}

static void
cmd_offload(struct cmd *c)
{
	struct port *p = cmd_port(c, 1);

	if (p != NULL)
		set_hw(c, p, "prefer");
}

static void
cmd_reclaim(struct cmd *c)
{
	struct port *p = cmd_port(c, 1);

	if (p != NULL)
		set_hw(c, p, "never");
}

static void
cmd_hw(struct cmd *c)
{
	struct port *p = cmd_port(c, 2);

	if (p != NULL)
		set_hw(c, p, cmd_str(c, 4));
}

/* --- devices --- */

static void
cmd_set(struct cmd *c)
{
	char err[256];

	if (vdpa_set(cmd_str(c, 2), cmd_str(c, 3), cmd_str(c, 4), err, sizeof(err)) == 0)
		return;
	cmd_fail(c, "%s\n", err);
}

static void
cmd_attach(struct cmd *c)
{
	char err[640];

	if (vdpa_attach(c->words->rest, err, sizeof(err)) == 0)
		return;
	cmd_print(c, "%s\n", err);
	c->failed = true;
}

/* A device may need a while to release a guest's rings. */
static enum wait_end
look_detach(struct wait *w)
{
	char err[640];
	int ret = vdpa_detach(w->on.vdpa, err, sizeof(err));

	if (ret == -EAGAIN)
		return WAIT_ON;
	return ret == 0 ? WAIT_DONE : WAIT_GONE;
}

static void
say_detach(const struct wait *w, enum wait_end end)
{
	char err[640];

	if (end != WAIT_DONE && vdpa_detach(w->on.vdpa, err, sizeof(err)) < 0)
		fprintf(w->out, "%s\n", err);
}

static const struct wait_kind wait_detach = {.look = look_detach, .say = say_detach};

static void
cmd_detach(struct cmd *c)
{
	char err[640];
	int ret = vdpa_detach(cmd_str(c, 2), err, sizeof(err));
	struct wait *w;

	if (ret != 0 && ret != -EAGAIN) {
		cmd_print(c, "%s\n", err);
		c->failed = true;
	}
	w = ret == -EAGAIN ? cmd_wait(c) : NULL;
	if (w == NULL)
		return;
	strlcpy(w->on.vdpa, cmd_str(c, 2), sizeof(w->on.vdpa));
	wait_start(w, c->app, &wait_detach, DETACH_SECONDS);
}

static void
print_device(const struct vdpa_info *i, void *ctx)
{
	struct vdpa_counter list[VDPA_COUNTERS_MAX];
	uint32_t n = vdpa_counters(i->name, list);
	FILE *out = ctx;

	fprintf(out, "%s (%s): %s", i->name, i->kind, i->state);
	if (i->owner != NULL)
		fprintf(out, ", %s %s", i->pairs_used != 0 ? "moves the frames of" : "prepared for",
			i->owner->name);
	fprintf(out, "\n  features 0x%" PRIx64 ", formats", i->caps.features);
	for (uint32_t f = 0; f < VDEV_FORMAT_NUM; f++)
		if (i->caps.formats & (1u << f))
			fprintf(out, " %s", vdev_format_name((enum vdev_format)f));
	fprintf(out, "\n  queue pairs %u of %u in use, memory regions at most ", i->pairs_used,
		i->caps.queue_pairs);
	if (i->caps.regions == 0)
		fputs("any number", out);
	else
		fprintf(out, "%u", i->caps.regions);
	fprintf(out, ", dirty log %s, locks memory %s\n",
		(i->caps.features & VDEV_F(LOG_ALL)) ? "yes" : "no", i->caps.pins ? "yes" : "no");
	if (i->settings[0] != '\0')
		fprintf(out, "  settings: %s\n", i->settings);
	for (uint32_t k = 0; k < n; k++)
		if (list[k].queue < 0)
			fprintf(out, "  %s %" PRIu64 "\n", list[k].name, list[k].value);
		else
			fprintf(out, "  queue %d: %s %" PRIu64 "\n", list[k].queue, list[k].name,
				list[k].value);
}

static void
cmd_show(struct cmd *c)
{
	vdpa_list(print_device, c->out);
}

static void
cmd_show_json(struct cmd *c)
{
	cmd_json(c, report_vdpa());
}

/** "wire w1,fault stall": one command each. */
static void
print_settings(const struct vdpa_info *i, void *ctx)
{
	const char *at = i->settings;

	while (*at != '\0') {
		int len = (int)strcspn(at, ",");

		fprintf(ctx, "set vdpa %s %.*s\n", i->name, len, at);
		at += len + (at[len] == ',');
	}
}

void
vdpa_running(const struct app *app, FILE *out)
{
	vdpa_list(print_settings, out);
}

static const struct cli_row rows[] = {
	{"port (port_id) offload", cmd_offload,
	 "Have hardware move a port's frames: the first device of its vdpa=DEVICE[,DEVICE...] "
	 "that has no reason against it (hw=prefer). One that failed is tried again."},
	{"port (port_id) reclaim", cmd_reclaim,
	 "Take a port's rings back from hardware; workers move its frames (hw=never)."},
	{"set port (port_id) hw (prefer|require|never)", cmd_hw,
	 "Whether hardware may move a port's frames; require: workers may not."},
	{"set vdpa (name) (wire|fault|features|pairs|regions) (name)", cmd_set,
	 "Set a simulated device: its wire (back: frames return to it), a failure on request "
	 "(none, "
	 "refuse, halfway, stall, index, interrupt, vanish), the features, queue pairs and memory "
	 "regions it can serve."},
	{"vdpa attach (ident)", cmd_attach,
	 "Have DPDK probe an rte_vdpa device: 0000:3b:00.2,class=vdpa. Ports that name it wait for "
	 "it."},
	{"vdpa detach (name)", cmd_detach,
	 "Have DPDK remove an rte_vdpa device; workers take the rings of the port that has it. "
	 "After "
	 "10 seconds without releasing them it stays, unused, until the command is repeated or "
	 "it is attached again."},
	{"show vdpa", cmd_show, "vDPA devices: capabilities, counters, whose frames they move."},
	{"show vdpa json", cmd_show_json, "The same for machines."},
};

const struct cli_section cli_vdpa = {
	.name = "vdpa",
	.title = "vDPA:",
	.summary = "Hardware that moves frames in place of the workers.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
