/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of vqgen: a table of options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vqgen.h"

struct option_row {
	const char *name;
	const char *arg; /* NULL: none */
	const char *help;
	bool (*set)(struct options *o, const char *value);
};

static const char *const mode_names[] = {"static", "touch", "verify", "latency"};
static const char *const layout_names[] = {"split", "be", "packed"};
static const char *const pattern_names[] = {"pair", "ring", "all-to-one"};
static_assert(RTE_DIM(layout_names) == VQ_LAYOUT_NUM, "a layout without a name");

const char *
mode_name(enum mode m)
{
	return mode_names[m];
}

const char *
layout_name(enum vq_layout l)
{
	return layout_names[l];
}

static bool
choose(const char *value, const char *const *names, uint32_t n, uint32_t *out)
{
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(value, names[i]) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool
number(const char *value, uint32_t min, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long v = strtoul(value, &end, 0);

	if (end == value || *end != '\0' || v < min || v > max)
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool
real(const char *value, double *out)
{
	char *end;

	*out = strtod(value, &end);
	return end != value && *end == '\0' && *out >= 0;
}

static bool
set_layout(struct options *o, const char *v)
{
	uint32_t i;

	if (!choose(v, layout_names, RTE_DIM(layout_names), &i))
		return false;
	o->layout = i;
	o->legacy |= i == VQ_SPLIT_SWAP;
	return true;
}

static bool
set_mode(struct options *o, const char *v)
{
	uint32_t i;

	if (!choose(v, mode_names, RTE_DIM(mode_names), &i))
		return false;
	o->mode = i;
	return true;
}

static bool
set_pattern(struct options *o, const char *v)
{
	uint32_t i;

	if (!choose(v, pattern_names, RTE_DIM(pattern_names), &i))
		return false;
	o->pattern = i;
	return true;
}

/** The classic mix: 7 small, 4 medium, 1 large. */
static bool
set_imix(struct options *o)
{
	static const uint32_t mix[] = {64, 590, 64, 64, 590, 64, 1514, 64, 590, 64, 64, 590};

	o->nsizes = RTE_DIM(mix);
	memcpy(o->size, mix, sizeof(mix));
	return true;
}

static bool
set_frame(struct options *o, const char *v)
{
	char *copy, *item, *save = NULL;
	bool ok = true;

	if (strcmp(v, "imix") == 0)
		return set_imix(o);
	copy = strdup(v);
	o->nsizes = 0;
	for (item = strtok_r(copy, ",", &save); ok && item != NULL;
	     item = strtok_r(NULL, ",", &save))
		ok = o->nsizes < SIZES_MAX &&
		     number(item, FRAME_MIN, FRAME_MAX, &o->size[o->nsizes++]);
	free(copy);
	return ok && o->nsizes > 0;
}

static bool
set_tso(struct options *o, const char *v)
{
	o->tso = true;
	if (!set_frame(o, v))
		return false;
	/* TCP's header is longer, and the tag comes after it */
	for (uint32_t i = 0; i < o->nsizes; i++)
		if (o->size[i] < FRAME_MIN_TSO)
			return false;
	return true;
}

static bool
set_cpu(struct options *o, const char *v)
{
	uint32_t cpu;

	if (!number(v, 0, 4095, &cpu))
		return false;
	o->cpu = (int)cpu;
	return true;
}

static bool
set_timeout(struct options *o, const char *v)
{
	double s;

	if (!real(v, &s) || s > 3600)
		return false;
	o->timeout_ms = (int)(s * 1000);
	return true;
}

#define SETTER(field, expr)                                       \
	static bool set_##field(struct options *o, const char *v) \
	{                                                         \
		return expr;                                      \
	}
#define FLAG(field, value)                                        \
	static bool set_##field(struct options *o, const char *v) \
	{                                                         \
		o->field = (value);                               \
		return true;                                      \
	}

SETTER(ring, number(v, 1, 32768, &o->ring))
SETTER(pairs, number(v, 1, PAIRS_MAX, &o->pairs))
SETTER(burst, number(v, 1, BURST_MAX, &o->burst))
SETTER(rx_buf, number(v, 128, 1 << 20, &o->rx_buf))
SETTER(tx_seg, number(v, 32, 1 << 20, &o->tx_seg))
SETTER(flows, number(v, 1, 1 << 24, &o->flows))
SETTER(macs, number(v, 1, 1 << 20, &o->macs))
SETTER(learn_rate, number(v, 1, 1 << 30, &o->learn_rate))
SETTER(rate, real(v, &o->rate))
SETTER(window, number(v, 1, UINT32_MAX, &o->window))
SETTER(moves, number(v, 0, UINT32_MAX, &o->moves))
SETTER(failures, number(v, 0, UINT32_MAX, &o->failures))
SETTER(target, (o->target = v) != NULL)
SETTER(nap_us, number(v, 1, 1000000, &o->nap_us))
SETTER(warmup, real(v, &o->warmup))
SETTER(duration, real(v, &o->duration))
FLAG(server, true)
FLAG(huge, true)
FLAG(learn, false)
FLAG(blind, true)
FLAG(reconnect, true)
FLAG(bidir, true)
FLAG(mergeable, false)
FLAG(indirect, true)
FLAG(hdr_alone, true)
FLAG(in_order, true)
FLAG(event_idx, true)
FLAG(legacy, true)
FLAG(mem_slots, false)

static bool set_help(struct options *o, const char *v);

static const struct option_row rows[] = {
	{"server", NULL, "listen at the sockets instead of connecting", set_server},
	{"layout", "split|packed|be", "ring layout; be is a legacy big-endian guest", set_layout},
	{"legacy", NULL, "no VIRTIO_F_VERSION_1", set_legacy},
	{"ring", "N", "queue size (256)", set_ring},
	{"queues", "N", "queue pairs per port (1)", set_pairs},
	{"no-mrg", NULL, "no mergeable receive buffers", set_mergeable},
	{"indirect", NULL, "send through indirect tables", set_indirect},
	{"hdr-alone", NULL, "with --indirect: the virtio-net header in an entry of its own",
	 set_hdr_alone},
	{"in-order", NULL, "VIRTIO_F_IN_ORDER", set_in_order},
	{"event-idx", NULL, "VIRTIO_F_EVENT_IDX", set_event_idx},
	{"no-slots", NULL, "announce memory as one table", set_mem_slots},
	{"huge", NULL, "memory from huge pages", set_huge},
	{"rx-buf", "BYTES", "size of a receive buffer (fits the frame, 2048 when mergeable)",
	 set_rx_buf},
	{"tx-seg", "BYTES", "send chains of descriptors no longer than this", set_tx_seg},
	{"frame", "N[,N...]|imix", "frame sizes without FCS, in turn (64)", set_frame},
	{"tso", "N[,N...]", "as --frame, TCP with segmentation left to the receiver", set_tso},
	{"flows", "N", "UDP flows per sender (1)", set_flows},
	{"macs", "N", "MAC addresses per port, the flows spread over them (1)", set_macs},
	{"pattern", "pair|ring|all-to-one", "0 to 1, 2 to 3 ...; each to the next; all to port 0",
	 set_pattern},
	{"bidir", NULL, "with pair: both ways", set_bidir},
	{"mode", "static|touch|verify|latency",
	 "what is done to a frame: nothing, headers written and read, all bytes and order"
	 " checked, headers and time stamp",
	 set_mode},
	{"burst", "N", "frames per call (64)", set_burst},
	{"rate", "PPS", "frames per second over all senders (no limit; latency: 10000)", set_rate},
	{"window", "N", "send no more while so many frames are on their way (no limit)",
	 set_window},
	{"nap", "US", "sleep so long when there is nothing to do, instead of polling", set_nap_us},
	{"warmup", "S", "seconds before counting (0.2)", set_warmup},
	{"duration", "S", "seconds counted (2)", set_duration},
	{"no-learn", NULL, "do not announce the MAC addresses first", set_learn},
	{"blind", NULL, "do not wait for a path: frames may go nowhere, or come from elsewhere",
	 set_blind},
	{"learn-rate", "PPS", "announcements per second (200000)", set_learn_rate},
	{"reconnect", NULL, "carry on when the back-end goes away and comes back", set_reconnect},
	{"migrate", "SOCKET", "migrate the first guest to that socket and back, until it is done",
	 set_target},
	{"moves", "N", "with --migrate: migrations that succeed (0)", set_moves},
	{"failures", "N", "with --migrate: others that fail, each at another point (0)",
	 set_failures},
	{"cpu", "N", "pin the thread", set_cpu},
	{"timeout", "S", "wait for the back-end and for first frames (10)", set_timeout},
	{"help", NULL, "this text", set_help},
};

static bool
set_help(struct options *o, const char *v)
{
	printf("usage: vqgen [options] SOCKET...\n\n"
	       "A guest at each vhost-user socket; they send to each other through the back-end.\n"
	       "Ends with a line of key=value results. Exit 1: set-up failed, 2: verify found\n"
	       "frames duplicated, reordered or corrupted, or memory that differs after a\n"
	       "migration. SIGUSR1 asks for a line of results\n"
	       "so far, with the longest time without a frame since the line before.\n\n");
	for (uint32_t i = 0; i < RTE_DIM(rows); i++)
		printf("  --%s%s%s\n\t%s\n", rows[i].name, rows[i].arg != NULL ? " " : "",
		       rows[i].arg != NULL ? rows[i].arg : "", rows[i].help);
	exit(0);
}

static void __attribute__((noreturn)) usage(const char *what, const char *value)
{
	fprintf(stderr, "vqgen: %s%s%s (--help lists the options)\n", what,
		value != NULL ? ": " : "", value != NULL ? value : "");
	exit(1);
}

static const struct option_row *
find_row(const char *name)
{
	for (uint32_t i = 0; i < RTE_DIM(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	usage("no such option", name);
}

static void
check(const struct options *o)
{
	if (o->nports < 2 && o->pattern != PATTERN_RING)
		usage("at least two sockets are needed", NULL);
	if (o->pattern == PATTERN_PAIR && o->nports % 2 != 0)
		usage("pairs need an even number of sockets", NULL);
	if (o->layout != VQ_PACKED && (o->ring & (o->ring - 1)) != 0)
		usage("a split ring's size is a power of two", NULL);
	if (o->layout == VQ_PACKED && o->legacy)
		usage("a packed ring is never legacy", NULL);
	if (o->legacy && o->in_order)
		usage("a legacy device is never in-order", NULL);
	if (o->indirect && o->tx_seg != 0)
		usage("--indirect and --tx-seg exclude each other", NULL);
	if (o->hdr_alone && !o->indirect)
		usage("--hdr-alone needs --indirect", NULL);
}

void
options_parse(struct options *o, int argc, char **argv)
{
	*o = (struct options){
		.learn = true,
		.mergeable = true,
		.mem_slots = true,
		.ring = 256,
		.pairs = 1,
		.burst = 64,
		.nsizes = 1,
		.size = {64},
		.flows = 1,
		.macs = 1,
		.learn_rate = 200000,
		.warmup = 0.2,
		.duration = 2,
		.cpu = -1,
		.timeout_ms = 10000,
	};
	for (int i = 1; i < argc; i++) {
		const struct option_row *row;
		const char *value = NULL;

		if (strncmp(argv[i], "--", 2) != 0) {
			if (o->nports == PORTS_MAX)
				usage("too many sockets", NULL);
			o->path[o->nports++] = argv[i];
			continue;
		}
		row = find_row(argv[i] + 2);
		if (row->arg != NULL && (value = argv[++i]) == NULL)
			usage("value missing", row->name);
		if (!row->set(o, value))
			usage(row->name, value);
	}
	if (o->mode == MODE_LATENCY && o->rate == 0)
		o->rate = 10000;
	/* each MAC address and each queue has a flow at least */
	o->flows = RTE_MAX(o->flows, o->macs);
	o->flows = RTE_MAX(o->flows, o->pairs);
	check(o);
}
