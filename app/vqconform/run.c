/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ev.h"

#include "run.h"

static struct outcome
failed(const char *text)
{
	struct outcome o = {.kind = OUTCOME_FAILED};

	snprintf(o.text, sizeof(o.text), "%s", text);
	return o;
}

static void __attribute__((noreturn)) be_check(const struct check *c, int to, pid_t parent)
{
	/* a check does not outlive the program */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	outcome_to(to);
	c->run(c->arg);
	outcome_pass();
}

/** The words of the check, or that there are none. */
static struct outcome
hear(int from, int deadline_ms)
{
	struct pollfd p = {.fd = from, .events = POLLIN};
	const uint64_t end = ev_now_ns() + (uint64_t)deadline_ms * 1000000;
	struct outcome o;
	uint64_t now;
	int n = 0;

	while ((now = ev_now_ns()) < end && n <= 0) {
		n = poll(&p, 1, (int)((end - now) / 1000000) + 1);
		if (n < 0 && errno != EINTR)
			return failed(strerror(errno));
	}
	if (n <= 0)
		return failed("the check was ended at its deadline");
	if (read(from, &o, sizeof(o)) != (ssize_t)sizeof(o))
		return failed("the process of the check has ended without a word");
	return o;
}

struct outcome
run_check(const struct check *c, int deadline_ms)
{
	const pid_t self = getpid();
	struct outcome o;
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return failed(strerror(errno));
	child = fork();
	if (child == 0)
		be_check(c, ends[1], self);
	close(ends[1]);
	o = child < 0 ? failed(strerror(errno)) : hear(ends[0], deadline_ms);
	close(ends[0]);
	if (child > 0) {
		kill(child, SIGKILL);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return o;
}
