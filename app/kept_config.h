/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The running configuration on disk, for operators and for the next start after a crash.
 *
 * Settings made at run time must not end with the process while guests carry on: "show config" is
 * kept in the state directory (running.vqs) and written anew, atomically, when a command has
 * changed it. An end in order removes the file. A start that finds it, written for the same command
 * line and command file, runs it in place of the command file, before a guest is served.
 *
 * All of it belongs to the control thread.
 */
#ifndef APP_KEPT_CONFIG_H
#define APP_KEPT_CONFIG_H

#include <stddef.h>

struct app;
struct kept_config;

/**
 * Keep the configuration of @p app, whose loop and state directory exist; @p argv is the command
 * line as main() has it. Sets app->kept, which stays NULL, with a line in the log, where another
 * switch has the directory or it cannot be written. With --no-keep what is kept there is removed,
 * by a successor in kept_config_begin().
 */
void kept_config_open(struct app *app, int argc, char **argv);

/**
 * The commands of a run that ended without an end in order, for this command line and command
 * file, and the file they are from; ports that they do not have are closed. NULL: there are none.
 * The text stays until kept_config_begin().
 */
const char *kept_config_found(struct app *app, const char **path);

/**
 * The configuration is complete: it is kept from now on. Until then the file stays as it is, so
 * that a start that fails half-way can be tried again. NULL is fine.
 */
void kept_config_begin(struct kept_config *k);

/** The command file was saved or run again: what is kept belongs to it now. NULL is fine. */
void kept_config_file_changed(struct kept_config *k);

/**
 * A command may have changed the configuration: write it where it did. At once, or, where that
 * takes more than a millisecond, so seldom that it is a twentieth of the thread's time. NULL is
 * fine.
 */
void kept_config_touch(struct kept_config *k);

/** The run ends in order: there is nothing to restore. NULL is fine. */
void kept_config_forget(struct kept_config *k);

/** Free @p k; the file stays unless it was forgotten. NULL is fine. */
void kept_config_free(struct kept_config *k);

/**
 * Write what "show config" prints to @p path; those who read it see the old file or the new one,
 * whole. A thread sees to it that it outlives a loss of power. 0 or -errno (-EINVAL: no file).
 */
int config_save(const struct app *app, const char *path);

#endif
