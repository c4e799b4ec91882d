/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tagged logging on top of rte_log.
 *
 * Every line names the object it is about ("port vhost0: ..."), so that one tenant's faults can be
 * found among a thousand ports. Any thread may log; a poll-mode worker must not (it raises
 * attention on its queue instead and the control thread, which knows the object's name, writes the
 * line).
 *
 * Lines whose cause is a guest or a front-end go through a struct log_limit:
 * a peer must not be able to fill a disk.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_log.h>

/** The log type all of vqswitch uses; set its level with --log-level=vqswitch:N. */
extern int vqs_logtype;

/** Token bucket for peer-triggered lines. Zero-initialised is valid. One owner, no locking. */
struct log_limit {
	uint64_t refill_ns; /* monotonic time of the last refill; 0: never used */
	uint32_t tokens;
	uint32_t suppressed; /* lines swallowed since the last one that was let through */
	uint32_t ticket;     /* their number is owed under it, 0: it is not; see log_owe() */
};

#define LOG_LIMIT_BURST 10  /* lines let through at once */
#define LOG_LIMIT_PER_SEC 1 /* lines per second after that */

/**
 * Whether one more line may be written. When it may and lines were swallowed
 * before, their number is returned through @p swallowed and the count restarts.
 */
bool log_limit_pass(struct log_limit *l, uint32_t *swallowed);

/**
 * The line of @p l that was not let through is to be told of when no other follows: by
 * log_tell_owed(), with @p tag, also after @p l has gone. Owner of @p l.
 */
void log_owe(struct log_limit *l, uint32_t level, const char *tag);

/** How many lines were swallowed and not told of; they are from now on. Owner of @p l. */
uint32_t log_collect(struct log_limit *l);

/** Write how many lines were swallowed by buckets that are silent since. Control, once a second. */
void log_tell_owed(uint64_t now_ns);

/** printf-like; @p tag names the object ("port vhost0"), NULL for the program itself. */
void log_write(uint32_t level, const char *tag, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * From now on lines of DPDK's libraries and drivers, which do not say who caused them, pass a
 * bucket for each of their log types on the way to the stream that the log has now. Those more
 * verbose than RTE_LOG_INFO do not: they are written when the operator asks for them. 0 or -errno.
 * Control, once, after EAL has started.
 */
int log_limit_dpdk(void);

/** No buckets any more. Control, before EAL ends, which closes its stream; harmless without. */
void log_limit_end(void);

#define log_err(tag, ...) log_write(RTE_LOG_ERR, tag, __VA_ARGS__)
#define log_warn(tag, ...) log_write(RTE_LOG_WARNING, tag, __VA_ARGS__)
#define log_notice(tag, ...) log_write(RTE_LOG_NOTICE, tag, __VA_ARGS__)
#define log_info(tag, ...) log_write(RTE_LOG_INFO, tag, __VA_ARGS__)
#define log_debug(tag, ...) log_write(RTE_LOG_DEBUG, tag, __VA_ARGS__)

/** Whether lines of that level are written at all. */
bool log_enabled(uint32_t level);

/**
 * A line a peer, a guest or a client can cause, within the limit of @p lim. test/lint/log.py
 * refuses the others in what runs on their behalf.
 */
#define log_peer_at(level, lim, tag, ...)                                             \
	do {                                                                          \
		uint32_t log_n_ = 0;                                                  \
		if (!log_enabled(level))                                              \
			break;                                                        \
		if (!log_limit_pass(lim, &log_n_)) {                                  \
			log_owe(lim, level, tag);                                     \
			break;                                                        \
		}                                                                     \
		if (log_n_ != 0)                                                      \
			log_write(level, tag, "%u similar lines suppressed", log_n_); \
		log_write(level, tag, __VA_ARGS__);                                   \
	} while (0)

#define log_peer(lim, tag, ...) log_peer_at(RTE_LOG_WARNING, lim, tag, __VA_ARGS__)
#define log_peer_info(lim, tag, ...) log_peer_at(RTE_LOG_INFO, lim, tag, __VA_ARGS__)
#define log_peer_debug(lim, tag, ...) log_peer_at(RTE_LOG_DEBUG, lim, tag, __VA_ARGS__)

#endif
