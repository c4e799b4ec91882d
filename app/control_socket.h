/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: the prompt's commands for programs and for vqsctl(1).
 *
 * A client sends command lines. Each is answered, in order, by what the command
 * printed, a NUL byte, and '0' (done) or '1' (refused or failed). A line that begins with a TAB is
 * no command: it is answered by the words that may follow those behind the TAB, a line each. The
 * descriptor of "capture live" comes with its line (SCM_RIGHTS). The mode of the socket file
 * decides which users may connect. A client that does not read its answers is not read from until
 * it does; it holds up no other client.
 *
 * Control thread.
 */
#ifndef APP_CONTROL_SOCKET_H
#define APP_CONTROL_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

struct app;
struct control_socket;

/** Listen at @p path with permissions @p mode. NULL with a sentence in @p err. */
struct control_socket *control_socket_new(struct app *app, const char *path, mode_t mode, char *err,
					  size_t errlen);

/** The path of its file. */
const char *control_socket_path(const struct control_socket *cs);

/** The socket was another process's, which has handed over: clients see this one. NULL is fine. */
void control_socket_taken_over(const struct control_socket *cs);

/** Close every client, remove the socket file, free. NULL is fine. */
void control_socket_free(struct control_socket *cs);

#endif
