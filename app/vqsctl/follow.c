/* SPDX-License-Identifier: BSD-3-Clause */
/* Events as they come, also those of the next process of a switch that was upgraded. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vqsctl.h"

/*
 * A successor has the listening socket of the switch from the beginning: it answers there, or no
 * process does. -1: none.
 */
static int
connect_again(int fd)
{
	struct sockaddr_un addr = {0};
	socklen_t len = sizeof(addr) - 1;

	if (getpeername(fd, (struct sockaddr *)&addr, &len) < 0 || addr.sun_path[0] == '\0')
		return -1;
	return connect_to(addr.sun_path);
}

int
follow(int fd, const char *line)
{
	int status = UNUSABLE, at = dup(fd), next;
	bool closed = true;

	while (closed && at >= 0) {
		closed = false;
		/* a switch that has too many clients says so, and closes */
		if (send_all(at, line, strlen(line)) || errno == EPIPE)
			status = read_or_closed(at, stdout, &closed);
		next = closed ? connect_again(at) : -1;
		if (closed)
			fprintf(stderr, "vqsctl: the switch closed the connection%s\n",
				next >= 0 ? "; another process of it goes on" : "");
		close(at);
		at = next;
	}
	return status;
}
