/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vqconform: a guest's side of virtio-net over vhost-user that tests a back-end against the
 * specifications. One check after the other, each in a process of its own; the results are in the
 * Test Anything Protocol.
 *
 * Exit status: 0 none failed, 1 some did, 2 usage, 3 no peer.
 */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"
#include "station.h"

#define TIMEOUT_MS 3000
#define SETTLE_MS 100
#define DEADLINE_TIMES 10 /* of the timeout */
#define NUMBER_MAX 600000

enum { ALL_PASSED = 0, SOME_FAILED = 1, USAGE = 2, NO_PEER = 3 };

static const struct check_group *const groups[] = {
	&checks_of_negotiation, &checks_of_order,    &checks_of_formats, &checks_of_chains,
	&checks_of_events,      &checks_of_resets,   &checks_of_log,     &checks_of_iommu,
	&checks_of_inflight,    &checks_of_postcopy, &checks_of_faults,
};

struct choice {
	char **pattern; /* a check is chosen that one of them matches */
	int patterns;   /* 0: all are */
	bool hostile;   /* those that may end the peer, too */
};

static bool
matches(const struct choice *by, const char *name)
{
	bool found = by->patterns == 0;

	for (int i = 0; i < by->patterns && !found; i++)
		found = fnmatch(by->pattern[i], name, 0) == 0;
	return found;
}

static bool
chosen(const struct choice *by, const struct check *c)
{
	return (by->hostile || !c->hostile) && matches(by, c->name);
}

/** Call fn() for each check that is chosen until it returns something else than 0. */
static int
each(const struct choice *by, int (*fn)(void *ctx, const struct check *c), void *ctx)
{
	int ret = 0;

	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		for (size_t i = 0; i < groups[g]->n && ret == 0; i++)
			if (chosen(by, &groups[g]->check[i]))
				ret = fn(ctx, &groups[g]->check[i]);
	return ret;
}

static int
count(void *ctx, const struct check *c)
{
	++*(int *)ctx;
	return 0;
}

static int
list(void *ctx, const struct check *c)
{
	printf("%-32s %s\n", c->name, c->paragraph);
	return 0;
}

struct session {
	int number, failures;
};

static int
play(void *ctx, const struct check *c)
{
	struct session *s = ctx;
	const struct outcome o = run_check(c, station_target.timeout_ms * DEADLINE_TIMES);

	if (o.kind == OUTCOME_UNREACHABLE) {
		printf("Bail out! %s: %s\n", c->name, o.text);
		return NO_PEER;
	}
	s->number++;
	s->failures += o.kind == OUTCOME_FAILED;
	printf("%sok %d - %s # %s%s\n", o.kind == OUTCOME_FAILED ? "not " : "", s->number, c->name,
	       o.kind == OUTCOME_SKIPPED ? "SKIP " : "",
	       o.kind == OUTCOME_SKIPPED ? o.text : c->paragraph);
	if (o.kind == OUTCOME_FAILED)
		printf("# %s: %s\n", c->name, o.text);
	fflush(stdout);
	usleep((useconds_t)station_target.settle_ms * 1000);
	return 0;
}

static int
play_all(const struct choice *by)
{
	struct session s = {0};
	int n = 0, ret;

	each(by, count, &n);
	printf("TAP version 13\n1..%d\n", n);
	fflush(stdout);
	ret = each(by, play, &s);
	if (ret != 0)
		return ret;
	return s.failures > 0 ? SOME_FAILED : ALL_PASSED;
}

static void
usage(FILE *out)
{
	fputs("usage: vqconform [options] SOCKET [SOCKET]\n"
	      "\n"
	      "Test the vhost-user net back-end at SOCKET, which forwards to the second SOCKET "
	      "and\n"
	      "back, or with one SOCKET sends back what it gets. The output is TAP.\n"
	      "\n"
	      "  -c, --check PATTERN  only checks whose name matches; may be repeated\n"
	      "  -l, --list           print the checks and their paragraphs\n"
	      "  -s, --listen         the back-end connects to the sockets\n"
	      "  -t, --timeout MS     for an answer, a frame, an interrupt (3000)\n"
	      "  -w, --settle MS      between sessions (100)\n"
	      "      --hostile        also checks that may end the back-end\n"
	      "  -h, --help           this text\n"
	      "  -V, --version        version\n"
	      "\n"
	      "Exit status: 0 no check failed, 1 some did, 2 bad usage, 3 no back-end.\n",
	      out);
}

static bool
number(const char *text, int *value)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 0 || n > NUMBER_MAX) {
		fprintf(stderr, "vqconform: %s: a number of milliseconds is expected\n", text);
		return false;
	}
	*value = (int)n;
	return true;
}

enum { OPT_HOSTILE = 256 };

struct arguments {
	struct choice choice;
	bool list;
};

/** One option. -1: go on; else the program ends with it. */
static int
option(struct arguments *a, int opt)
{
	switch (opt) {
	case 'c':
		a->choice.pattern[a->choice.patterns++] = optarg;
		return -1;
	case 'l':
		a->list = true;
		return -1;
	case 's':
		station_target.listen = true;
		return -1;
	case 't':
		return number(optarg, &station_target.timeout_ms) ? -1 : USAGE;
	case 'w':
		return number(optarg, &station_target.settle_ms) ? -1 : USAGE;
	case OPT_HOSTILE:
		a->choice.hostile = true;
		return -1;
	case 'h':
		usage(stdout);
		return ALL_PASSED;
	case 'V':
		puts("vqconform " VQS_VERSION);
		return ALL_PASSED;
	default:
		usage(stderr);
		return USAGE;
	}
}

static int
options(struct arguments *a, int argc, char **argv)
{
	static const struct option longopts[] = {
		{"check", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"hostile", no_argument, NULL, OPT_HOSTILE},
		{"list", no_argument, NULL, 'l'},
		{"listen", no_argument, NULL, 's'},
		{"settle", required_argument, NULL, 'w'},
		{"timeout", required_argument, NULL, 't'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int opt, ret = -1;

	while (ret < 0 && (opt = getopt_long(argc, argv, "c:hlst:w:V", longopts, NULL)) != -1)
		ret = option(a, opt);
	return ret;
}

static int
run(struct arguments *a, int argc, char **argv)
{
	int n = 0, ret = options(a, argc, argv);

	if (ret >= 0)
		return ret;
	each(&a->choice, count, &n);
	if (n == 0) {
		fputs("vqconform: no check has such a name\n", stderr);
		return USAGE;
	}
	if (a->list)
		return each(&a->choice, list, NULL);
	station_target.paths = (unsigned int)(argc - optind);
	if (station_target.paths < 1 || station_target.paths > 2) {
		usage(stderr);
		return USAGE;
	}
	for (unsigned int i = 0; i < station_target.paths; i++)
		station_target.path[i] = argv[optind + (int)i];
	return play_all(&a->choice);
}

int
main(int argc, char **argv)
{
	struct arguments a = {.choice.pattern = calloc((size_t)argc, sizeof(char *))};
	int ret;

	station_target = (struct station_target){.timeout_ms = TIMEOUT_MS, .settle_ms = SETTLE_MS};
	ret = a.choice.pattern == NULL ? USAGE : run(&a, argc, argv);
	free(a.choice.pattern);
	return ret;
}
