/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vqsctl inside. It has one thread; all functions print to standard error what went wrong, and
 * return one of the exit statuses.
 */
#ifndef VQSCTL_VQSCTL_H
#define VQSCTL_VQSCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define LINE_LEN_MAX 4096 /* of a command with its newline; the switch takes no longer one */

enum { DONE = 0, REFUSED = 1, UNUSABLE = 2 };

/**
 * Connect to the switch the user means: at @p wanted, or if that is NULL at $VQSWITCH_CONTROL, or
 * else the one that runs. -1: there is none, or several, which are listed.
 */
int open_control(const char *wanted);

/** Connect to the socket @p path. -1 with errno. */
int connect_to(const char *path);

/** Send @p len bytes. False, with errno: the switch is gone. */
bool send_all(int fd, const char *data, size_t len);

/** Give the switch a command, which ends with a newline, and write the answer to @p out. */
int command(int fd, const char *line, FILE *out);

/** Write what the switch answers to the command under way to @p out; its status. */
int read_answer(int fd, FILE *out);

/**
 * The same of events, which are not read before most of those before them are written: the switch
 * counts what is lost. *@p closed says whether it went away before the end, which is not said then.
 */
int read_or_closed(int fd, FILE *out, bool *closed);

/**
 * "monitor [json]": the command @p line, which ends with a newline; events to standard output until
 * it is closed or the switch ends. One that goes on in another process is followed there.
 */
int follow(int fd, const char *line);

/** The answer to a command as text, to be freed; NULL: it was refused, or the switch is gone. */
char *answer_to(int fd, const char *line);

/**
 * "capture PORT ...": the command @p line and a newline, which makes it "capture live"; frames as
 * pcapng to standard output until the capture or its reader ends.
 */
int live(int fd, const char *line);

/**
 * "top": rates of ports and load of workers, again and again. @p words begin with "top" and end
 * with NULL.
 */
int top(int fd, char **words);

/**
 * "report [FILE]": an archive for a bug report, in the working directory unless FILE is given; "-":
 * standard output. @p words begin with "report" and end with NULL.
 */
int report(int fd, char **words);

/** Print the words that may follow @p line, each on a line of its own. */
int complete(int fd, const char *line);

/** Commands from a terminal, with history and completion, until its end. */
int prompt(int fd);

#endif
