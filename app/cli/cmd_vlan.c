/* SPDX-License-Identifier: BSD-3-Clause */
/* VLANs of ports. */
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "cli.h"
#include "list.h"
#include "show/running_config.h"
#include "switch/vlan_table.h"

static void
set(struct cmd *c, struct port *p, const struct vlan_config *v)
{
	int ret = vlan_config_same(v, &p->vlan) ? 0 : port_set_vlan(p, v);

	if (ret == 0)
		return;
	cmd_fail(c, "Refused: %s\n", strerror(-ret));
}

/* --- lists of VLANs: "1,5,10-20" --- */

static bool
parse_ids(const char *text, struct vlan_config *v)
{
	const struct list_kind vlans = {.min = 1, .max = VLAN_ID_MAX, .ranges = true};
	uint64_t first, last;
	int ret;

	if (*text == '\0')
		return false;
	while ((ret = list_next(&text, &vlans, &first, &last)) > 0)
		for (; first <= last; first++)
			vlan_allow(v, (uint16_t)first);
	return ret == 0;
}

static void
print_ids(const struct vlan_config *v, FILE *out)
{
	uint32_t list[VLAN_ID_MAX], n = 0;

	for (uint16_t id = 1; id <= VLAN_ID_MAX; id++)
		if (vlan_is_allowed(v, id))
			list[n++] = id;
	list_print(out, list, n);
}

/* --- settings --- */

static void
cmd_access(struct cmd *c)
{
	struct vlan_config v = {
		.on = true,
		.access = true,
		.native = (uint16_t)cmd_num(c, 5),
	};
	struct port *p = cmd_settable_port(c, 2);

	if (p == NULL)
		return;
	v.qinq = p->vlan.qinq;
	set(c, p, &v);
}

static void
cmd_trunk(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);
	struct vlan_config v = {.on = true};

	if (p == NULL)
		return;
	v.qinq = p->vlan.qinq;
	if (p->vlan.on && !p->vlan.access)
		v.native = p->vlan.native;
	if (!parse_ids(cmd_str(c, 5), &v)) {
		cmd_fail(c, "'%s' is no list of VLANs from 1 to %d\n", cmd_str(c, 5), VLAN_ID_MAX);
		return;
	}
	set(c, p, &v);
}

static void
set_native(struct cmd *c, uint64_t id)
{
	struct port *p = cmd_settable_port(c, 2);
	struct vlan_config v;

	if (p == NULL)
		return;
	v = p->vlan;
	if (!v.on || v.access) {
		cmd_fail(c, "Port %u is not a trunk\n", p->id);
		return;
	}
	v.native = (uint16_t)id;
	set(c, p, &v);
}

static void
cmd_native(struct cmd *c)
{
	set_native(c, cmd_num(c, 5));
}

static void
cmd_native_off(struct cmd *c)
{
	set_native(c, 0);
}

static void
cmd_qinq(struct cmd *c)
{
	static const uint16_t types[] = {0, RTE_ETHER_TYPE_VLAN, RTE_ETHER_TYPE_QINQ};
	struct port *p = cmd_settable_port(c, 2);
	struct vlan_config v;

	if (p == NULL)
		return;
	v = p->vlan;
	v.qinq = types[cmd_choice(c, 5, RTE_DIM(types))];
	if (v.on)
		set(c, p, &v);
	else
		cmd_fail(c, "Port %u is neither an access port nor a trunk\n", p->id);
}

static void
cmd_off(struct cmd *c)
{
	const struct vlan_config off = {.on = false};
	struct port *p = cmd_settable_port(c, 2);

	if (p != NULL)
		set(c, p, &off);
}

/* --- pinned addresses --- */

/* The number of the VLAN a command names; false after saying why there is none. */
static bool
fid_named(struct cmd *c, unsigned int domain, unsigned int id, uint16_t *fid)
{
	int ret =
		vlan_fid(&c->app->sw, (uint16_t)cmd_num(c, domain), (uint16_t)cmd_num(c, id), fid);

	cmd_result(c, ret);
	return ret == 0;
}

static void
cmd_fdb_add(struct cmd *c)
{
	const struct port *p = cmd_settable_port(c, 4);
	uint16_t fid;

	if (p != NULL && fid_named(c, 3, 6, &fid))
		cmd_result(c, fdb_add_static(c->app->sw.fdb, &c->words->w[2].mac, fid, p->id));
}

static void
cmd_fdb_del(struct cmd *c)
{
	uint16_t fid;

	if (fid_named(c, 3, 5, &fid))
		cmd_result(c, fdb_del(c->app->sw.fdb, &c->words->w[2].mac, fid));
}

/* --- show --- */

static void
show_vlan(struct cmd *c, struct port *p)
{
	const struct vlan_config *v = &p->vlan;

	if (!v->on)
		return;
	cmd_print(c, "%-4u  %-6u  ", p->id, p->domain);
	cmd_print(c, "%-6s  ", v->access ? "access" : "trunk");
	if (v->access)
		cmd_print(c, "%u", v->native);
	else
		print_ids(v, c->out);
	if (!v->access && v->native != 0)
		cmd_print(c, ", %u untagged", v->native);
	if (v->qinq != 0)
		cmd_print(c, ", customers' tags behind %x", v->qinq);
	cmd_print(c, "\n");
}

static void
cmd_show_vlan(struct cmd *c)
{
	cmd_print(c, "Port  Domain  Kind    VLANs\n");
	for (uint16_t id = 0; id < c->app->sw.nports; id++)
		if (c->app->sw.port[id] != NULL)
			show_vlan(c, c->app->sw.port[id]);
}

/* --- show config --- */

static void
port_vlans_running(const struct app *app, const struct port *p, FILE *out)
{
	const struct vlan_config *v = &p->vlan;

	if (!v->on)
		return;
	if (v->access) {
		fprintf(out, "set port %u vlan access %u\n", p->id, v->native);
	} else {
		fprintf(out, "set port %u vlan trunk ", p->id);
		print_ids(v, out);
		fputc('\n', out);
	}
	if (!v->access && v->native != 0)
		fprintf(out, "set port %u vlan native %u\n", p->id, v->native);
	if (v->qinq != 0)
		fprintf(out, "set port %u vlan qinq %x\n", p->id, v->qinq);
}

void
vlans_running(const struct app *app, FILE *out)
{
	running_each_port(app, out, port_vlans_running);
}

static const struct cli_row rows[] = {
	{"set port (port_id) vlan access (vlan)", cmd_access,
	 "Make a port an access port: it sends and receives without tags and is in this VLAN of "
	 "its domain; frames with a tag are dropped (rx_vlan)."},
	{"set port (port_id) vlan trunk (x[,y]*)", cmd_trunk,
	 "Make a port a trunk of these VLANs, with tags: 1,5,10-20. Frames of others, and frames "
	 "with two tags unless \"vlan qinq\" is set, are dropped (rx_vlan)."},
	{"set port (port_id) vlan native (vlan)", cmd_native,
	 "Have a trunk send and receive the frames of a VLAN without a tag."},
	{"set port (port_id) vlan native off", cmd_native_off,
	 "Have a trunk drop frames without a tag."},
	{"set port (port_id) vlan qinq (off|8100|88a8)", cmd_qinq,
	 "Let customers' tags through (802.1ad): a trunk's own tags have this type, and all behind "
	 "them is data; on an access port any tag is. Such frames go to ports of that kind only. "
	 "off, as at first: a second tag is dropped (rx_vlan)."},
	{"set port (port_id) vlan off", cmd_off,
	 "Remove a port's VLAN settings. It exchanges frames, whatever their tags, with the ports "
	 "of its domain that have none either."},
	{"fdb add (XX:XX:XX:XX:XX:XX) (domain) (port_id) vlan (vlan)", cmd_fdb_add,
	 "Pin an address to a port in a VLAN."},
	{"fdb del (XX:XX:XX:XX:XX:XX) (domain) vlan (vlan)", cmd_fdb_del,
	 "Forget an address in a VLAN."},
	{"show vlan", cmd_show_vlan, "Show the ports that have VLANs."},
};

const struct cli_section cli_vlans = {
	.name = "vlan",
	.title = "VLANs:",
	.summary = "Access ports and trunks.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
