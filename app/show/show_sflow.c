/* SPDX-License-Identifier: BSD-3-Clause */
#include "show_sflow.h"

#include <inttypes.h>
#include <string.h>

#include "app.h"
#include "sflow_agent.h"

/* Of the agent; "none" before a collector could be reached. */
static const char *
agent_text(const struct app *app, char buf[SFLOW_AGENT_TEXT])
{
	struct sockaddr_storage agent;

	return sflow_agent_address(app->sflow, &agent) ? sflow_agent_text(&agent, buf) : "none";
}

/* --- text --- */

static void
show_collector(const struct sflow_collector *c, FILE *out)
{
	char text[SFLOW_AGENT_TEXT];

	fprintf(out, "Collector %s: datagrams: %" PRIu64 ", failed: %" PRIu64,
		sflow_agent_text(&c->to, text), c->sent, c->failed);
	if (c->error != 0)
		fprintf(out, " (last: %s)", strerror(c->error));
	fputs("\n", out);
}

static void
show_left_out(const struct sw *s, FILE *out)
{
	const char *before = "Ports left out: ";

	for (uint16_t i = 0; i < s->nports; i++)
		if (s->port[i] != NULL && s->port[i]->not_sampled) {
			fprintf(out, "%s%u", before, i);
			before = ", ";
		}
	if (before[0] == ',')
		fputs("\n", out);
}

void
show_sflow(const struct app *app, FILE *out)
{
	const struct sflow_settings *s = sflow_agent_settings(app->sflow);
	const struct sflow_collectors *all = sflow_agent_collectors(app->sflow);
	const struct sflow_collector *c;
	struct sflow_agent_stats st;
	char text[SFLOW_AGENT_TEXT];

	sflow_agent_get_stats(app->sflow, &st);
	fprintf(out, "One of %u frames is a sample, %u bytes of it; counters every %u s\n", s->rate,
		s->header, s->interval);
	fprintf(out, "Agent: %s%s\n", agent_text(app, text),
		s->agent.ss_family != 0 ? "" : " (auto)");
	fprintf(out,
		"Samples of frames: %" PRIu64 ", lost: %" PRIu64 "; samples of counters: %" PRIu64
		"\n",
		st.samples, st.lost, st.counters);
	show_left_out(&app->sw, out);
	if (STAILQ_EMPTY(all))
		fputs("No collector: nothing is sampled\n", out);
	STAILQ_FOREACH (c, all, entry)
		show_collector(c, out);
}

/* --- JSON --- */

static json_t *
report_collector(const struct sflow_collector *c)
{
	char text[SFLOW_AGENT_TEXT];
	struct sockaddr_storage host = c->to;
	json_t *d = json_object();

	((struct sockaddr_in *)(void *)&host)->sin_port = 0; /* of either family */
	json_object_set_new(d, "address", json_string(sflow_agent_text(&host, text)));
	json_object_set_new(d, "port",
			    json_integer(ntohs(
				    ((const struct sockaddr_in *)(const void *)&c->to)->sin_port)));
	json_object_set_new(d, "datagrams", json_integer((json_int_t)c->sent));
	json_object_set_new(d, "failed", json_integer((json_int_t)c->failed));
	json_object_set_new(d, "error",
			    c->error != 0 ? json_string(strerror(c->error)) : json_null());
	return d;
}

json_t *
report_sflow(const struct app *app)
{
	const struct sflow_settings *s = sflow_agent_settings(app->sflow);
	json_t *d = json_object(), *list = json_array();
	const struct sflow_collector *c;
	struct sflow_agent_stats st;
	char text[SFLOW_AGENT_TEXT];

	sflow_agent_get_stats(app->sflow, &st);
	json_object_set_new(d, "rate", json_integer(s->rate));
	json_object_set_new(d, "interval", json_integer(s->interval));
	json_object_set_new(d, "header", json_integer(s->header));
	json_object_set_new(d, "agent", json_string(agent_text(app, text)));
	json_object_set_new(d, "samples", json_integer((json_int_t)st.samples));
	json_object_set_new(d, "lost", json_integer((json_int_t)st.lost));
	json_object_set_new(d, "counters", json_integer((json_int_t)st.counters));
	STAILQ_FOREACH (c, sflow_agent_collectors(app->sflow), entry)
		json_array_append_new(list, report_collector(c));
	json_object_set_new(d, "collectors", list);
	return d;
}
