/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Orders to the simulated cards: the file `orders` in the folder MLX5SIM, one a line.
 *
 *     ADDRESS wire back|hub        its frames return, or go to all others
 *     ADDRESS gone on|off          every command fails, nothing moves
 *     ADDRESS stalled on|off       commands are answered, nothing moves
 *     ADDRESS fetched on|off       positions are told as far as descriptors were fetched
 *     ADDRESS error QUEUE          the queue fails
 *     ADDRESS fail CALL SKIP N     after SKIP calls of that name N of them fail
 *
 * The file is removed when they are carried out.
 */
#include "card.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 1000000

/** Which calls fail next, of any card. */
static struct {
	const struct card *card;
	char call[32];
	unsigned int skip, n;
} failing;

static void
set(bool *what, const char *value)
{
	*what = strcmp(value, "on") == 0 || strcmp(value, "back") == 0;
}

static void
obey(struct card *c, const char *verb, const char *value, const char *rest)
{
	const struct {
		const char *verb;
		bool *what;
	} switches[] = {
		{"wire", &c->wire_back},
		{"gone", &c->gone},
		{"stalled", &c->stalled},
		{"fetched", &c->fetched},
	};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (strcmp(verb, switches[i].verb) == 0)
			set(switches[i].what, value);
	if (strcmp(verb, "error") == 0)
		virtq_error(c, (uint16_t)strtoul(value, NULL, 10));
	if (strcmp(verb, "fail") == 0) {
		failing.card = c;
		snprintf(failing.call, sizeof(failing.call), "%s", value);
		failing.n = 0;
		(void)sscanf(rest, "%u %u", &failing.skip, &failing.n);
	}
}

static void
read_orders(FILE *f)
{
	char line[128], address[32], verb[32], value[32];

	while (fgets(line, sizeof(line), f) != NULL) {
		int end = 0;

		if (sscanf(line, "%31s %31s %31s%n", address, verb, value, &end) != 3)
			continue;
		for (uint32_t i = 0; i < ncards; i++)
			if (strcmp(cards[i].name, address) == 0)
				obey(&cards[i], verb, value, line + end);
	}
}

void
order_look(void)
{
	static char path[PAGE];
	static struct timespec last;
	const char *folder = getenv("MLX5SIM");
	struct timespec now;
	FILE *f;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (folder == NULL ||
	    ((now.tv_sec - last.tv_sec) * 1000000000 + now.tv_nsec - last.tv_nsec) < LOOK_NS)
		return;
	last = now;
	snprintf(path, sizeof(path), "%s/orders", folder);
	f = fopen(path, "r");
	if (f == NULL)
		return;
	read_orders(f);
	fclose(f);
	(void)unlink(path);
}

bool
order_fails(const struct card *c, const char *call)
{
	if (c->gone)
		return true;
	if (failing.card != c || strcmp(failing.call, call) != 0)
		return false;
	if (failing.skip > 0) {
		failing.skip--;
		return false;
	}
	if (failing.n == 0)
		return false;
	failing.n--;
	return true;
}
