/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log_tail.h"

#include <pthread.h>
#include <time.h>

#include <bsd/string.h>

#define SECOND_NS UINT64_C(1000000000)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_tail_line kept[LOG_TAIL_LINES]; /* by number, under lock */
static uint64_t next_number;                      /* likewise */

void
log_tail_add(uint32_t level, const char *tag, const char *text)
{
	struct log_tail_line *l;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	pthread_mutex_lock(&lock);
	l = &kept[next_number % LOG_TAIL_LINES];
	l->number = next_number++;
	l->wall_ns = (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
	l->level = level;
	strlcpy(l->tag, tag != NULL ? tag : "", sizeof(l->tag));
	strlcpy(l->text, text, sizeof(l->text));
	pthread_mutex_unlock(&lock);
}

uint64_t
log_tail_end(void)
{
	uint64_t end;

	pthread_mutex_lock(&lock);
	end = next_number;
	pthread_mutex_unlock(&lock);
	return end;
}

bool
log_tail_next(uint64_t *at, struct log_tail_line *out)
{
	uint64_t number;
	bool there;

	pthread_mutex_lock(&lock);
	number = *at;
	if (next_number > LOG_TAIL_LINES && number < next_number - LOG_TAIL_LINES)
		number = next_number - LOG_TAIL_LINES;
	there = number < next_number;
	if (there) {
		*out = kept[number % LOG_TAIL_LINES];
		*at = number + 1;
	}
	pthread_mutex_unlock(&lock);
	return there;
}
