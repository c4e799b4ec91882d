/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines that buckets have swallowed and no later line has told the number of.
 *
 * A bucket may be gone when its flood has ended, so the numbers are kept here, each under a ticket
 * that its bucket remembers. A number that was told takes its ticket with it.
 */
#include <pthread.h>
#include <stdatomic.h>

#include <bsd/string.h>
#include <rte_common.h>

#include "base/ev.h"
#include "base/log.h"

#define OWED_MAX 256 /* floods at a time; the numbers of more come with their next lines only */
#define TAG_MAX 64
#define IDLE_NS UINT64_C(2000000000) /* without another line: the flood is over */

struct owed {
	uint32_t ticket; /* 0: not in use */
	uint32_t level;
	uint32_t n;
	uint64_t last_ns;
	char tag[TAG_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct owed owed[OWED_MAX]; /* under lock, and what follows */
static uint32_t serial;
static atomic_uint count; /* of those in use */

static struct owed *
find(const struct log_limit *l)
{
	struct owed *o = &owed[l->ticket % OWED_MAX];

	return l->ticket != 0 && o->ticket == l->ticket ? o : NULL;
}

static struct owed *
take(struct log_limit *l)
{
	for (uint32_t i = 0; i < OWED_MAX; i++) {
		if (owed[i].ticket != 0)
			continue;
		serial = serial % (UINT32_MAX / OWED_MAX - 1) + 1;
		l->ticket = owed[i].ticket = serial * OWED_MAX + i;
		atomic_fetch_add(&count, 1);
		return &owed[i];
	}
	return NULL;
}

static void
drop(struct owed *o)
{
	o->ticket = 0;
	atomic_fetch_sub(&count, 1);
}

void
log_owe(struct log_limit *l, uint32_t level, const char *tag)
{
	struct owed *o;

	pthread_mutex_lock(&lock);
	o = find(l);
	if (o == NULL) {
		if (l->ticket != 0) /* those before this one were told */
			l->suppressed = 1;
		l->ticket = 0;
		o = take(l);
	}
	if (o != NULL) {
		o->level = level;
		o->n = l->suppressed;
		o->last_ns = ev_now_ns();
		strlcpy(o->tag, tag != NULL ? tag : "", sizeof(o->tag));
	}
	pthread_mutex_unlock(&lock);
}

uint32_t
log_collect(struct log_limit *l)
{
	uint32_t n = l->suppressed;
	struct owed *o;

	l->suppressed = 0;
	if (l->ticket == 0)
		return n;
	pthread_mutex_lock(&lock);
	o = find(l);
	if (o != NULL)
		drop(o);
	else
		n = 0;
	l->ticket = 0;
	pthread_mutex_unlock(&lock);
	return n;
}

/* The next one that is due by @p now, from number *@p at on, to @p out. False: there is none. */
static bool
next_due(uint64_t now, uint32_t *at, struct owed *out)
{
	bool found = false;

	pthread_mutex_lock(&lock);
	for (; *at < OWED_MAX && !found; ++*at) {
		struct owed *o = &owed[*at];

		if (o->ticket == 0 || now < o->last_ns + IDLE_NS)
			continue;
		*out = *o;
		drop(o);
		found = true;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void
log_tell_owed(uint64_t now_ns)
{
	struct owed o;
	uint32_t at = 0;

	if (atomic_load_explicit(&count, memory_order_relaxed) == 0)
		return;
	/* written without the lock: others hold that of the log's stream when they take it */
	while (next_due(now_ns, &at, &o))
		log_write(o.level, o.tag[0] != '\0' ? o.tag : NULL, "%u similar lines suppressed",
			  o.n);
}
