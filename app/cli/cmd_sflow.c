/* SPDX-License-Identifier: BSD-3-Clause */
/* Samples of frames and counters for sFlow collectors. */
#include <inttypes.h>
#include <string.h>

#include "app.h"
#include "cli.h"
#include "sflow_agent.h"
#include "show/json.h"
#include "show/running_config.h"
#include "show/show_sflow.h"
#include "sflow/datagram.h"
#include "switch/sample.h"
#include "switch/sw.h"

/* --- collectors --- */

static socklen_t
parse(struct cmd *c, const char *text, uint16_t udp_port, struct sockaddr_storage *out)
{
	socklen_t len = sflow_agent_parse(text, udp_port, out);

	if (len == 0)
		cmd_fail(c, "Refused: %.64s: must be an IPv4 or IPv6 address of a host\n", text);
	return len;
}

static void
add(struct cmd *c, uint16_t udp_port)
{
	struct sockaddr_storage to;
	socklen_t len = parse(c, cmd_str(c, 2), udp_port, &to);

	if (len != 0)
		cmd_result(c, sflow_agent_add(c->app->sflow, &to, len));
}

static void
cmd_add(struct cmd *c)
{
	add(c, SFLOW_UDP_PORT);
}

static void
cmd_add_udp_port(struct cmd *c)
{
	add(c, (uint16_t)cmd_num(c, 4));
}

static void
cmd_del(struct cmd *c)
{
	struct sockaddr_storage to;

	if (parse(c, cmd_str(c, 2), 0, &to) != 0)
		cmd_result(c, sflow_agent_del(c->app->sflow, &to));
}

/* --- settings --- */

static void
cmd_set(struct cmd *c)
{
	struct sflow_settings s = *sflow_agent_settings(c->app->sflow);
	const struct {
		const char *what;
		uint32_t *where;
		uint32_t min, max;
	} table[] = {
		{"rate", &s.rate, 1, SAMPLE_RATE_MAX},
		{"interval", &s.interval, 0, SFLOW_AGENT_INTERVAL_MAX},
		{"header", &s.header, SFLOW_AGENT_HEADER_MIN, SAMPLE_HEADER_MAX},
	};
	unsigned int i = cmd_choice(c, 2, RTE_DIM(table));

	if (cmd_num(c, 3) < table[i].min || cmd_num(c, 3) > table[i].max) {
		cmd_fail(c, "sflow %s %" PRIu64 ": must be between %u and %u\n", table[i].what,
			 cmd_num(c, 3), table[i].min, table[i].max);
		return;
	}
	*table[i].where = (uint32_t)cmd_num(c, 3);
	cmd_result(c, sflow_agent_set(c->app->sflow, &s));
}

static void
cmd_set_agent(struct cmd *c)
{
	struct sflow_settings s = *sflow_agent_settings(c->app->sflow);

	if (cmd_instead(c, 3))
		memset(&s.agent, 0, sizeof(s.agent));
	else if (parse(c, cmd_str(c, 3), 0, &s.agent) == 0)
		return;
	cmd_result(c, sflow_agent_set(c->app->sflow, &s));
}

static void
cmd_set_port(struct cmd *c)
{
	struct port *p = cmd_settable_port(c, 2);

	if (p != NULL)
		sw_set_port_sampled(p, cmd_on(c, 4));
}

/* --- display --- */

static void
cmd_show(struct cmd *c)
{
	show_sflow(c->app, c->out);
}

static void
cmd_show_json(struct cmd *c)
{
	cmd_json(c, report_sflow(c->app));
}

/* --- show config --- */

static void
port_running(const struct app *app, const struct port *p, FILE *out)
{
	if (p->not_sampled)
		fprintf(out, "set port %u sflow off\n", p->id);
}

void
sflow_running(const struct app *app, FILE *out)
{
	const struct sflow_settings *s = sflow_agent_settings(app->sflow);
	const struct sflow_collector *c;
	char text[SFLOW_AGENT_TEXT];

	if (s->rate != SFLOW_AGENT_RATE)
		fprintf(out, "set sflow rate %u\n", s->rate);
	if (s->interval != SFLOW_AGENT_INTERVAL)
		fprintf(out, "set sflow interval %u\n", s->interval);
	if (s->header != SFLOW_AGENT_HEADER)
		fprintf(out, "set sflow header %u\n", s->header);
	if (s->agent.ss_family != 0)
		fprintf(out, "set sflow agent %s\n", sflow_agent_text(&s->agent, text));
	running_each_port(app, out, port_running);
	STAILQ_FOREACH (c, sflow_agent_collectors(app->sflow), entry)
		fprintf(out, "sflow add %s\n", sflow_agent_text(&c->to, text));
}

static const struct cli_row rows[] = {
	{"sflow add (address)", cmd_add,
	 "Send samples of the frames that come in at ports, and the ports' counters, to a "
	 "collector (sFlow version 5, UDP port 6343); 8 at most."},
	{"sflow add (address) port (udp_port)", cmd_add_udp_port, "The same, to another UDP port."},
	{"sflow del (address)", cmd_del,
	 "Send no more to that address, on any UDP port. Without a collector nothing is "
	 "sampled."},
	{"set sflow (rate|interval|header) (num)", cmd_set,
	 "Set one of how many frames is a sample (1000), how many seconds lie between the "
	 "counters of a port (20; 0: none are sent), and how many bytes of a frame are sent "
	 "(128)."},
	{"set sflow agent (address|auto)", cmd_set_agent,
	 "Set the address by which collectors know this switch; auto: the one it sends from."},
	{"set port (port_id) sflow (on|off)", cmd_set_port,
	 "Sample the frames of a port and send its counters, as is done at first, or not."},
	{"show sflow", cmd_show, "Show collectors, settings, and what was sent and lost."},
	{"show sflow json", cmd_show_json, "The same for programs."},
};

const struct cli_section cli_sflow = {
	.name = "sflow",
	.title = "sFlow:",
	.summary = "Samples of frames, and counters, for sFlow collectors.",
	.rows = rows,
	.n = RTE_DIM(rows),
};
