/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A running switch hands everything over to another process: "upgrade", and "take over", by which
 * a successor that was started some other way asks for it. See doc/upgrade.md for the sequence.
 *
 * Until the last step this process can go on as if nothing had been asked, and does so whenever
 * anything fails. After it, it touches no ring any more and ends. Control thread.
 */
#ifndef APP_UPGRADE_H
#define APP_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct app;
struct upgrade;
struct wait;

/**
 * Start @p program (NULL: the one that runs) with the command line of this one; it asks for the
 * rest. @p w is told of the end. Returns false, with the reason in @p err, if none was started.
 */
bool upgrade_start(struct app *app, const char *program, struct wait *w, char *err, size_t errlen);

/**
 * A successor speaks @p version of the sequence and waits at the other end of @p sock, which is
 * taken. Returns false, with the reason in @p err, if that successor is refused.
 */
bool upgrade_serve(struct app *app, uint32_t version, int sock, char *err, size_t errlen);

/** The client that waits with @p w is gone. */
void upgrade_unwait(struct app *app, const struct wait *w);

/** The end of this process: one that is under way ends, and the program it has started. */
void upgrade_free(struct app *app);

/** How the last one ended; NULL: it is under way. @p done: the successor runs. */
const char *upgrade_result(const struct app *app, bool *done);

#endif
