/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of frames: mirrors, and captures to a file. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <bsd/string.h>

#include "app.h"
#include "cli.h"
#include "show/json.h"
#include "show/running_config.h"
#include "wait.h"
#include "base/text.h"
#include "switch/mirror_filter.h"
#include "switch/sw.h"
#include "switch/sw_capture.h"
#include "switch/sw_ports.h"

/* --- mirrors --- */

static void
cmd_mirror_add(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);
	struct port *to = p != NULL ? cmd_settable_port(c, 4) : NULL;

	if (to != NULL && p->mirror != to)
		cmd_result(c, sw_mirror(p, to));
}

static void
cmd_mirror_del(struct cmd *c)
{
	struct port *p = cmd_port(c, 2);

	if (p != NULL)
		cmd_result(c, sw_mirror(p, NULL));
}

static struct mirror_filter
given_filter(const struct port *p)
{
	return p->mirror_filter != NULL ? *p->mirror_filter : (struct mirror_filter){0};
}

static void
cmd_filter_vlan(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);
	struct mirror_filter f;

	if (p == NULL)
		return;
	f = given_filter(p);
	f.vlan = (uint16_t)cmd_num(c, 4);
	cmd_result(c, sw_mirror_filter(p, &f));
}

static void
cmd_filter_mac(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);
	struct mirror_filter f;

	if (p == NULL)
		return;
	f = given_filter(p);
	f.has_mac = true;
	f.mac = c->words->w[4].mac;
	cmd_result(c, sw_mirror_filter(p, &f));
}

static void
cmd_filter_ip(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);
	struct mirror_filter f;

	if (p == NULL)
		return;
	f = given_filter(p);
	f.has_ip = true;
	if (ip_prefix_parse(cmd_str(c, 4), &f.ip))
		cmd_result(c, sw_mirror_filter(p, &f));
	else
		cmd_bad_argument(c, cmd_str(c, 4),
				 "an address, or a prefix without host bits, such as 192.0.2.1 or "
				 "2001:db8::/64");
}

static void
cmd_filter_off(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);

	if (p != NULL && p->mirror_filter != NULL)
		cmd_result(c, sw_mirror_filter(p, NULL));
}

/* The parts of a filter, each behind @p before. */
static void
print_filter(const struct port *p, const char *before, const char *after, FILE *out)
{
	const struct mirror_filter f = given_filter(p);
	char text[IP_PREFIX_TEXT];

	if (f.vlan != 0)
		fprintf(out, "%svlan %u%s", before, f.vlan, after);
	if (f.has_mac)
		fprintf(out, "%smac " RTE_ETHER_ADDR_PRT_FMT "%s", before,
			RTE_ETHER_ADDR_BYTES(&f.mac), after);
	if (f.has_ip)
		fprintf(out, "%sip %s%s", before, ip_prefix_text(&f.ip, text, sizeof(text)), after);
}

static void
print_mirror(const struct app *app, const struct port *p, FILE *out)
{
	if (p->mirror == NULL)
		return;
	fprintf(out, "Port %u is mirrored to port %u", p->id, p->mirror->id);
	print_filter(p, ", only ", "", out);
	if (p->mirror_filter != NULL)
		fprintf(out, " (%" PRIu64 " frames, %" PRIu64 " others)",
			atomic_load(&p->mirror_seen.fits), atomic_load(&p->mirror_seen.left_out));
	fputc('\n', out);
}

static json_t *
report_filter(const struct mirror_filter *f)
{
	char text[IP_PREFIX_TEXT];
	json_t *d = json_object();

	if (f->vlan != 0)
		json_object_set_new(d, "vlan", json_integer(f->vlan));
	if (f->has_mac) {
		rte_ether_format_addr(text, sizeof(text), &f->mac);
		json_object_set_new(d, "mac", json_string(text));
	}
	if (f->has_ip)
		json_object_set_new(d, "ip",
				    json_string(ip_prefix_text(&f->ip, text, sizeof(text))));
	return d;
}

static void
cmd_mirror_json(struct cmd *c)
{
	json_t *list = json_array(), *d;

	for (uint16_t id = 0; id < c->app->sw.nports; id++) {
		const struct port *p = c->app->sw.port[id];

		if (p == NULL || p->mirror == NULL)
			continue;
		d = json_object();
		json_object_set_new(d, "id", json_integer(p->id));
		json_object_set_new(d, "to", json_integer(p->mirror->id));
		if (p->mirror_filter != NULL)
			json_object_set_new(d, "filter", report_filter(p->mirror_filter));
		json_object_set_new(d, "fits",
				    json_integer((json_int_t)atomic_load(&p->mirror_seen.fits)));
		json_object_set_new(d, "left_out",
				    json_integer(
					    (json_int_t)atomic_load(&p->mirror_seen.left_out)));
		json_array_append_new(list, d);
	}
	cmd_json(c, list);
}

static void
cmd_show_mirror(struct cmd *c)
{
	running_each_port(c->app, c->out, print_mirror);
}

/* --- captures --- */

/* The end of the reader is a way to end a live capture. */
static bool
left_by_reader(const struct sw *s, const struct capture_stats *now)
{
	return s->captured.live && now->error == EPIPE;
}

static void
print_capture(const struct sw *s, FILE *out)
{
	char path[TEXT_SHOWN_MAX];
	struct capture_stats now;

	sw_capture_stats(s, &now);
	if (s->captured.port == SW_CAPTURE_ALL)
		fputs("Capture of all ports", out);
	else
		fprintf(out, "Capture of port %u", s->captured.port);
	fprintf(out, " to %s: %s\n",
		s->captured.live ? "a client" : text_shown(s->captured.path, path, sizeof(path)),
		s->capture == NULL ? "ended"
		: now.error != 0   ? "failed"
				   : "running");
	fprintf(out, "Frames: %" PRIu64 ", bytes: %" PRIu64 ", lost: %" PRIu64 "\n", now.frames,
		now.bytes, now.lost);
	if (left_by_reader(s, &now))
		fputs("The reader has ended\n", out);
	else if (now.error == EAGAIN)
		fputs("The reader was too slow to get the rest\n", out);
	else if (now.error != 0)
		fprintf(out, "Writing failed: %s\n", strerror(now.error));
}

static void
cmd_show_capture(struct cmd *c)
{
	if (c->app->sw.captured.serial == 0)
		cmd_print(c, "Nothing was captured\n");
	else
		print_capture(&c->app->sw, c->out);
}

/* --- in the foreground: a command that goes on as long as the capture --- */

static enum wait_end
look_capture(struct wait *w)
{
	const struct sw *s = &w->app->sw;

	if (s->captured.serial != w->on.capture)
		return WAIT_GONE;
	if (s->capture != NULL)
		return WAIT_ON;
	if (s->captured.last.error == 0 || left_by_reader(s, &s->captured.last))
		return WAIT_DONE;
	return WAIT_GONE;
}

static void
say_capture(const struct wait *w, enum wait_end end)
{
	if (w->app->sw.captured.serial == w->on.capture)
		print_capture(&w->app->sw, w->out);
	else
		fputs("The capture has ended, and another client has started a new one\n", w->out);
}

static void
show_capture(const struct wait *w, char *line, size_t len)
{
	struct capture_stats now;

	sw_capture_stats(&w->app->sw, &now);
	snprintf(line, len,
		 "%" PRIu64 " s, frames: %" PRIu64 ", bytes: %" PRIu64 ", lost: %" PRIu64,
		 wait_seconds(w), now.frames, now.bytes, now.lost);
}

static void
end_capture(struct wait *w)
{
	if (look_capture(w) == WAIT_ON)
		sw_capture_stop(&w->app->sw);
}

static const struct wait_kind wait_capture = {
	.look = look_capture,
	.say = say_capture,
	.progress = show_capture,
	.end = end_capture,
};

/* --- starting and stopping --- */

static bool
choose_port(struct cmd *c, struct sw_capture *cfg)
{
	const struct port *p;

	if (cmd_num(c, 2) == CLI_PORT_ALL)
		return true;
	p = cmd_port(c, 2);
	if (p != NULL)
		cfg->port = p->id;
	return p != NULL;
}

/** Ways to capture, in the order of the syntax. */
enum way { WAY_START, WAY_RUN, WAY_LIVE };

/* The descriptor that the client of a live capture passed; -1 after saying that there is none. */
static int
take_passed(struct cmd *c, struct wait *w)
{
	int fd = w->passed != NULL ? *w->passed : -1;

	if (fd < 0)
		cmd_fail(c, "Refused: it goes to a client that passes a pipe or socket with the "
			    "command, as \"vqsctl capture PORT\" does\n");
	else
		*w->passed = -1;
	return fd;
}

static void
say_start(struct cmd *c, int ret)
{
	if (ret == -EAGAIN)
		cmd_fail(c, "Refused: the reader has left no room for what is to be written\n");
	else
		cmd_result(c, ret);
}

static void
begin(struct cmd *c, enum way way, struct sw_capture *cfg)
{
	struct wait *w = way != WAY_START ? cmd_wait(c) : NULL;
	int fd = -1;

	if ((way != WAY_START && w == NULL) || !choose_port(c, cfg))
		return;
	cfg->live = way == WAY_LIVE;
	cfg->attended = way == WAY_RUN;
	if (cfg->live)
		fd = take_passed(c, w);
	else
		strlcpy(cfg->path, cmd_str(c, 3), sizeof(cfg->path));
	if (c->failed || c->app->opt.check)
		return; /* a file may be there already */
	say_start(c, sw_capture_start(&c->app->sw, cfg, fd));
	if (w == NULL || c->failed)
		return;
	w->on.capture = c->app->sw.captured.serial;
	wait_start(w, c->app, &wait_capture, WAIT_FOREVER);
}

static void
start(struct cmd *c, uint32_t snaplen, uint64_t count)
{
	struct sw_capture cfg = {.port = SW_CAPTURE_ALL, .snaplen = snaplen, .count = count};

	begin(c, cmd_on(c, 1) ? WAY_START : WAY_RUN, &cfg);
}

static void
start_live(struct cmd *c, uint32_t snaplen, uint64_t count)
{
	struct sw_capture cfg = {.port = SW_CAPTURE_ALL, .snaplen = snaplen, .count = count};

	begin(c, WAY_LIVE, &cfg);
}

static void
cmd_capture(struct cmd *c)
{
	start(c, CAPTURE_SNAPLEN, 0);
}

static void
cmd_capture_snaplen(struct cmd *c)
{
	start(c, (uint32_t)cmd_num(c, 5), 0);
}

static void
cmd_capture_count(struct cmd *c)
{
	start(c, CAPTURE_SNAPLEN, cmd_num(c, 5));
}

static void
cmd_capture_both(struct cmd *c)
{
	start(c, (uint32_t)cmd_num(c, 5), cmd_num(c, 7));
}

static void
cmd_live(struct cmd *c)
{
	start_live(c, CAPTURE_SNAPLEN, 0);
}

static void
cmd_live_snaplen(struct cmd *c)
{
	start_live(c, (uint32_t)cmd_num(c, 4), 0);
}

static void
cmd_live_count(struct cmd *c)
{
	start_live(c, CAPTURE_SNAPLEN, cmd_num(c, 4));
}

static void
cmd_live_both(struct cmd *c)
{
	start_live(c, (uint32_t)cmd_num(c, 4), cmd_num(c, 6));
}

static void
cmd_capture_stop(struct cmd *c)
{
	sw_capture_stop(&c->app->sw);
	cmd_show_capture(c);
}

/* --- show config --- */

static void
mirror_running(const struct app *app, const struct port *p, FILE *out)
{
	char before[sizeof("mirror filter 65535 ")];

	snprintf(before, sizeof(before), "mirror filter %u ", p->id);
	print_filter(p, before, "\n", out);
	if (p->mirror != NULL)
		fprintf(out, "mirror add %u to %u\n", p->id, p->mirror->id);
}

void
mirrors_running(const struct app *app, FILE *out)
{
	running_each_port(app, out, mirror_running);
}

static const struct cli_row rows[] = {
	{"mirror add (port_id) to (port_id)", cmd_mirror_add,
	 "Copy all frames that a port sends and is sent to another port, whatever that one's "
	 "domain, but for MAC control (PAUSE). Put it in a domain of its own to have it see "
	 "nothing else."},
	{"mirror del (port_id)", cmd_mirror_del, "Mirror a port no more."},
	{"mirror filter (port_id) vlan (vlan)", cmd_filter_vlan,
	 "Of a port's frames mirror those of a VLAN only: by the tag, or without one by the port's "
	 "native VLAN. With several filters a frame has to fit all."},
	{"mirror filter (port_id) mac (XX:XX:XX:XX:XX:XX)", cmd_filter_mac,
	 "Those only that are from or to that address."},
	{"mirror filter (port_id) ip (address[/length])", cmd_filter_ip,
	 "Those only that are IP packets from or to that address or prefix."},
	{"mirror filter (port_id) off", cmd_filter_off, "All of them."},
	{"show mirror", cmd_show_mirror,
	 "Show which ports are mirrored where, and how many frames their filters let through and "
	 "left out."},
	{"show mirror json", cmd_mirror_json, "The same for programs."},
	{"capture (start|run) (port_id|all) (file)", cmd_capture,
	 "Write all frames that a port, or any, sends and is sent to a pcapng file or a FIFO that "
	 "is "
	 "read. start: until \"capture stop\". run: until ^C, or until vqsctl ends, and show "
	 "meanwhile how many there are."},
	{"capture (start|run) (port_id|all) (file) snaplen (bytes)", cmd_capture_snaplen,
	 "The same, but no more than the first bytes of each frame."},
	{"capture (start|run) (port_id|all) (file) count (frames)", cmd_capture_count,
	 "The same, but end after that many frames."},
	{"capture (start|run) (port_id|all) (file) snaplen (bytes) count (frames)",
	 cmd_capture_both, "The same with both limits."},
	{"capture live (port_id|all)", cmd_live,
	 "Write them to a client that passes a pipe or socket: \"vqsctl capture PORT\" does, and "
	 "writes to its standard output what comes, for \"| wireshark -k -i -\"."},
	{"capture live (port_id|all) snaplen (bytes)", cmd_live_snaplen,
	 "The same, but no more than the first bytes of each frame."},
	{"capture live (port_id|all) count (frames)", cmd_live_count,
	 "The same, but end after that many frames."},
	{"capture live (port_id|all) snaplen (bytes) count (frames)", cmd_live_both,
	 "The same with both limits."},
	{"capture stop", cmd_capture_stop, "End the capture: the file is complete then."},
	{"show capture", cmd_show_capture,
	 "Show how many frames were written, and how many were lost because the file could not "
	 "be written as fast."},
};

const struct cli_section cli_mirrors = {
	.name = "mirror",
	.title = "Mirrors and Captures:",
	.summary = "Copies of frames to another port, or to a file.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
