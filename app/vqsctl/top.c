/* SPDX-License-Identifier: BSD-3-Clause */
/* "vqsctl top": rates of ports and load of workers, again and again, on a screen or as text. */
#include <ctype.h>
#include <curses.h>
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sample.h"
#include "vqsctl.h"

#define SECONDS 2.0
#define SECONDS_MIN 0.1
#define SECONDS_MAX 3600.0
#define COUNT_MAX 1000000000ul
#define LINE 512 /* bytes of a line, which the screen may cut */

struct top {
	int fd;
	double seconds;
	bool plain;
	unsigned long count; /* of outputs; 0: no limit */
	int key;             /* of an order */
	size_t first;        /* port shown first */
};

/* --- orders --- */

static int
more(double a, double b)
{
	return (a < b) - (a > b);
}

static int
by_number(const void *a, const void *b)
{
	const struct sample_port *p = a, *q = b;

	return (p->id > q->id) - (p->id < q->id);
}

static int
by_name(const void *a, const void *b)
{
	const struct sample_port *p = a, *q = b;
	int order = strcmp(p->name, q->name);

	return order != 0 ? order : by_number(a, b);
}

static int
by_rx(const void *a, const void *b)
{
	const struct sample_port *p = a, *q = b;
	int order = more(p->rx_pps, q->rx_pps);

	return order != 0 ? order : by_number(a, b);
}

static int
by_tx(const void *a, const void *b)
{
	const struct sample_port *p = a, *q = b;
	int order = more(p->tx_pps, q->tx_pps);

	return order != 0 ? order : by_number(a, b);
}

static int
by_drops(const void *a, const void *b)
{
	const struct sample_port *p = a, *q = b;
	int order = more(p->drop_pps, q->drop_pps);

	return order != 0 ? order : by_number(a, b);
}

static const struct order {
	int key;
	const char *name;
	int (*compare)(const void *a, const void *b);
} orders[] = {
	{'p', "port", by_number}, {'n', "name", by_name},   {'r', "rx", by_rx},
	{'t', "tx", by_tx},       {'d', "drops", by_drops},
};

#define ORDERS (sizeof(orders) / sizeof(orders[0]))

static const struct order *
order_of(int key)
{
	for (size_t i = 0; i < ORDERS; i++)
		if (orders[i].key == key)
			return &orders[i];
	return NULL;
}

/* --- lines --- */

/* Lines go to the screen, or to a file; a screen has so many, and shows no more. */
struct page {
	FILE *out; /* NULL: the screen */
	int line, lines;
};

static void __attribute__((format(printf, 2, 3))) put(struct page *to, const char *fmt, ...)
{
	char text[LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (to->out != NULL)
		fprintf(to->out, "%s\n", text);
	else if (to->line < to->lines)
		mvaddnstr(to->line, 0, text, COLS);
	to->line++;
}

/* "12.3M" */
static const char *
scaled(double n, char *text, size_t size)
{
	static const char units[] = " kMGTPE";
	size_t i = 0;

	for (; n >= 999.5 && units[i + 1] != '\0'; i++)
		n /= 1000;
	if (i == 0)
		snprintf(text, size, "%.0f", n);
	else
		snprintf(text, size, "%.*f%c", n < 99.95, n, units[i]);
	return text;
}

#define SCALED(n) scaled(n, (char[16]){0}, 16)

static void
put_port(struct page *to, const struct sample_port *p)
{
	put(to, "%5u %-*s %-4s %8s %8s %8s %8s %8s %8s %s", p->id, NAME_SHOWN - 1, p->name,
	    p->up ? "up" : "down", SCALED(p->rx_pps), SCALED(p->rx_bps), SCALED(p->tx_pps),
	    SCALED(p->tx_bps), SCALED(p->drop_pps), SCALED((double)p->drops), p->reason);
}

static void
put_workers(struct page *to, const struct sample *s)
{
	put(to, "%6s %5s %6s %8s %s", "worker", "lcore", "load", "pps", "queues (port/queue)");
	for (size_t i = 0; i < s->nworkers; i++) {
		const struct sample_worker *w = &s->workers[i];

		put(to, "%6zu %5u %5.0f%% %8s %s%s", i, w->lcore, 100 * w->load, SCALED(w->pps),
		    w->asleep ? "asleep " : "", w->queues);
	}
}

/* Ports of a copy in their order, from number @p t->first on: as many as there is room for. */
static void
put_ports(struct page *to, const struct top *t, const struct sample *s)
{
	struct sample_port *copy = calloc(s->nports + 1, sizeof(*copy));

	put(to, "%5s %-*s %-4s %8s %8s %8s %8s %8s %8s %s", "port", NAME_SHOWN - 1, "name", "link",
	    "rx pps", "rx bit/s", "tx pps", "tx bit/s", "drop/s", "drops", "dropped most for");
	if (copy == NULL)
		return;
	memcpy(copy, s->ports, s->nports * sizeof(*copy));
	qsort(copy, s->nports, sizeof(*copy), order_of(t->key)->compare);
	for (size_t i = t->first; i < s->nports && (to->out != NULL || to->line < to->lines); i++)
		put_port(to, &copy[i]);
	free(copy);
}

static void
put_all(struct page *to, const struct top *t, const struct sample *s)
{
	put(to, "%s", s->about);
	put_workers(to, s);
	put(to, "%s", "");
	put_ports(to, t, s);
}

/* --- the screen --- */

static void
draw(const struct top *t, const struct sample *s)
{
	struct page to = {.lines = LINES - 1};
	char help[LINE];

	erase();
	put_all(&to, t, s);
	snprintf(help, sizeof(help),
		 "q quit  order by: p port  n name  r rx  t tx  d drops (now %s)  up/down scroll  "
		 "+/- %.1f s",
		 order_of(t->key)->name, t->seconds);
	attron(A_REVERSE);
	mvaddnstr(LINES - 1, 0, help, COLS);
	attroff(A_REVERSE);
	refresh();
}

static double
within(double n, double least, double most)
{
	return n < least ? least : n > most ? most : n;
}

/* False: the user has seen enough. */
static bool
on_key(struct top *t, int key, size_t nports)
{
	if (key == 'q')
		return false;
	if (order_of(key) != NULL)
		t->key = key;
	else if (key == KEY_DOWN && t->first + 1 < nports)
		t->first++;
	else if (key == KEY_UP && t->first > 0)
		t->first--;
	else if (key == '+' || key == '-')
		t->seconds = within(key == '+' ? t->seconds / 2 : t->seconds * 2, SECONDS_MIN,
				    SECONDS_MAX);
	return true;
}

/* Until the next sample is due. False: the user has seen enough. */
static bool
take_keys(struct top *t, const struct sample *s)
{
	double left = t->seconds;
	struct timespec begin, ts;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (left > 0) {
		int key;

		timeout((int)(left * 1000) + 1);
		key = getch();
		if (key != ERR && !on_key(t, key, s->nports))
			return false;
		if (key == ERR && !isatty(STDIN_FILENO)) /* it has been hung up */
			return false;
		draw(t, s);
		clock_gettime(CLOCK_MONOTONIC, &ts);
		left = t->seconds - (double)(ts.tv_sec - begin.tv_sec) -
		       (double)(ts.tv_nsec - begin.tv_nsec) / 1e9;
	}
	return true;
}

static bool
screen_shows(struct top *t, const struct sample *s)
{
	if (t->first >= s->nports)
		t->first = 0;
	draw(t, s);
	return take_keys(t, s);
}

/* --- text --- */

static void
sleep_for(double seconds)
{
	struct timespec ts = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static bool
text_shows(struct top *t, const struct sample *s)
{
	struct page to = {.out = stdout};

	if (s->seconds > 0) { /* the first sample has no rates yet */
		put_all(&to, t, s);
		if (fflush(stdout) != 0)
			return false;
		if (t->count == 0 || --t->count > 0)
			puts("");
		else
			return false;
	}
	sleep_for(t->seconds);
	return true;
}

/* --- the program --- */

static int
repeat(struct top *t, bool (*shows)(struct top *t, const struct sample *s))
{
	struct sample old = {0}, new;
	bool first = true, more_wanted = true;

	while (more_wanted) {
		if (!sample_take(&new, first ? NULL : &old, t->fd)) {
			sample_clear(&old);
			return UNUSABLE;
		}
		sample_clear(&old);
		old = new;
		first = false;
		more_wanted = shows(t, &old);
	}
	sample_clear(&old);
	return DONE;
}

static int
say_gone(int status)
{
	if (status != DONE)
		fputs("vqsctl: the switch does not answer as expected\n", stderr);
	return status;
}

static int
on_screen(struct top *t)
{
	SCREEN *screen = newterm(NULL, stdout, stdin);
	int status;

	if (screen == NULL) {
		fputs("vqsctl: this terminal has no screen to write on ($TERM); -b writes text\n",
		      stderr);
		return UNUSABLE;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	status = repeat(t, screen_shows);
	endwin();
	delscreen(screen);
	return say_gone(status);
}

static int
misused(const char *text, const char *given, const char *expected)
{
	fprintf(stderr, "vqsctl top: %s '%s': expected %s\n", text, given, expected);
	return UNUSABLE;
}

static bool
parse_count(const char *text, unsigned long *count)
{
	char *end;

	errno = 0;
	*count = strtoul(text, &end, 10);
	return isdigit((unsigned char)*text) && *end == '\0' && errno == 0 && *count > 0 &&
	       *count <= COUNT_MAX;
}

static bool
parse_seconds(const char *text, double *seconds)
{
	char *end;

	if (strspn(text, "0123456789.") != strlen(text))
		return false;
	*seconds = strtod(text, &end);
	return end != text && *end == '\0' && *seconds >= SECONDS_MIN && *seconds <= SECONDS_MAX;
}

static int
parse_order(const char *text)
{
	for (size_t i = 0; i < ORDERS; i++)
		if (strcmp(orders[i].name, text) == 0)
			return orders[i].key;
	return 0;
}

int
top(int fd, char **words)
{
	struct top t = {.fd = fd, .seconds = SECONDS, .key = 'p'};
	int argc = 0, opt;

	while (words[argc] != NULL)
		argc++;
	optind = 0; /* from the beginning: words[0] is "top" */
	opterr = 0;
	while ((opt = getopt(argc, words, "bn:o:")) != -1) {
		if (opt == 'b')
			t.plain = true;
		else if (opt == 'n' && !parse_count(optarg, &t.count))
			return misused("count", optarg, "a number from 1 to 1000000000");
		else if (opt == 'o' && (t.key = parse_order(optarg)) == 0)
			return misused("order", optarg, "port, name, rx, tx or drops");
		else if (opt == '?')
			return misused("option", words[optind - 1], "-b, -n COUNT or -o ORDER");
	}
	if (words[optind] != NULL && !parse_seconds(words[optind], &t.seconds))
		return misused("interval", words[optind], "seconds from 0.1 to 3600");
	if (words[optind] != NULL && words[optind + 1] != NULL)
		return misused("word", words[optind + 1], "the end");
	if (!t.plain && (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))) {
		t.plain = true;
		t.count = t.count > 0 ? t.count : 1;
	}
	if (!t.plain && t.count == 0)
		return on_screen(&t);
	return say_gone(repeat(&t, text_shows));
}
