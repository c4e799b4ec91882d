/* SPDX-License-Identifier: BSD-3-Clause */
#include "upgrade.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/string.h>
#include <rte_eal.h>

#include "app.h"
#include "events.h"
#include "cli/wait.h"
#include "control_socket.h"
#include "eal_files.h"
#include "handover.h"
#include "kinds.h"
#include "worker.h"
#include "base/heir.h"
#include "base/log.h"
#include "base/record.h"
#include "pkt/legend.h"
#include "show/running_config.h"
#include "switch/capture_handover.h"
#include "switch/handover.h"
#include "switch/publish.h"
#include "vxlan/vxlan.h"

#define NS_PER_US 1000u
#define NS_PER_MS 1000000u
#define DEVICES_TEXT_MAX 4096 /* of what is said about devices that were closed and opened */
#define LET_GO_MS 2000        /* for the end of a process that has a device of ours */

enum stage {
	IDLE,     /* none is under way; result has what came of the last one */
	STARTING, /* the program was started and has not asked yet */
	BUILDING, /* it has the first part; a thread waits for its answer */
};

struct upgrade {
	struct app *app;
	enum stage stage;
	bool done; /* the successor has said that it runs: this process is about to end */
	char result[HANDOVER_LINE_MAX + 128 + DEVICES_TEXT_MAX];
	struct wait *wait;     /* the client's that asked; NULL: none, or it is gone */
	pid_t pid;             /* of the program started, 0: none */
	struct ev_source exit; /* a descriptor of it */
	struct ev_timer late;  /* it does not ask */
	int sock;
	char *config; /* as the successor has it */
	int peer;     /* a descriptor of the process that takes over, -1: none */
	pid_t peer_pid;
	uint64_t until_ns;              /* the stop ends, whatever comes */
	uint16_t released;              /* ports below have released their devices */
	char devices[DEVICES_TEXT_MAX]; /* how long that took */
	pthread_t thread;               /* joined when heard is posted */
	/* of the thread until then */
	struct blob first;
	struct ev_work heard;
	int error;
	char line[HANDOVER_LINE_MAX];
	/* of control */
	struct log_limit log_limit; /* a client may ask again and again */
};

static struct upgrade *
upgrade_of(struct app *app)
{
	if (app->upgrade == NULL) {
		app->upgrade = calloc(1, sizeof(*app->upgrade));
		if (app->upgrade != NULL) {
			app->upgrade->app = app;
			app->upgrade->sock = -1;
			app->upgrade->peer = -1;
		}
	}
	return app->upgrade;
}

const char *
upgrade_result(const struct app *app, bool *done)
{
	const struct upgrade *u = app->upgrade;

	*done = u != NULL && u->done;
	return u == NULL || u->stage != IDLE ? NULL : u->result;
}

/* --- the end of one --- */

/* Nothing is under way any more; the result says how it ended. */
static void
conclude(struct upgrade *u)
{
	u->stage = IDLE;
	ev_timer_cancel(&u->late);
	if (u->sock >= 0)
		close(u->sock);
	u->sock = -1;
	if (u->peer >= 0)
		close(u->peer);
	u->peer = -1;
	free(u->config);
	u->config = NULL;
	blob_free(&u->first);
}

static void fail(struct upgrade *u, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* This process goes on. */
static void
fail(struct upgrade *u, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(u->result, sizeof(u->result), fmt, ap);
	va_end(ap);
	conclude(u);
	if (u->pid != 0)
		kill(u->pid, SIGKILL); /* one that is stopped would wake up some day */
	log_peer(&u->log_limit, NULL, "upgrade: %s; this process goes on", u->result);
	events_upgrade(u->app, "failed", u->result);
}

static const char *
error_text(int error)
{
	if (error == -EMFILE)
		return "this process has no file descriptor left";
	if (error == -ETIMEDOUT)
		return "it does not answer";
	return error == -ECONNRESET || error == -EPIPE ? "it has ended" : strerror(-error);
}

static void
fail_answer(struct upgrade *u, const char *when, int error, const char *line)
{
	if (error == -ECONNREFUSED)
		fail(u, "the new program %s: %s%s", when, line, u->devices);
	else
		fail(u, "the new program %s: %s%s", when, error_text(error), u->devices);
}

/* --- whether it can be done --- */

static const char *
against_port(const struct port *p)
{
	if (p->ops->handover == NULL)
		return "its device cannot be shared by two processes";
	return p->ops->handover->against(p);
}

/* The first reason against handing over what there is now. True: there is one, in @p err. */
static bool
against(const struct app *app, char *err, size_t errlen)
{
	const char *why = NULL;

	if (app->testpmd)
		why = "not under the name of testpmd";
	else if (app->opt.interactive)
		why = "there is a prompt at a terminal (-i), which the new program cannot have";
	else if (app->control == NULL)
		why = "there is no control socket";
	else if (capture_hand_against(&app->sw) != NULL)
		why = capture_hand_against(&app->sw);
	else
		why = kinds_busy();
	if (why != NULL)
		snprintf(err, errlen, "%s", why);
	for (uint16_t id = 0; why == NULL && id < app->sw.nports; id++) {
		const struct port *p = app->sw.port[id];

		why = p != NULL ? against_port(p) : NULL;
		if (why != NULL)
			snprintf(err, errlen, "port %u (%s): %s", id, p->name, why);
	}
	return why != NULL;
}

static char *
config_text(const struct app *app)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return NULL;
	running_print(app, f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* --- starting the program --- */

/* The main thread is pinned to its lcore; a new program chooses its own. */
static int
spawn(const struct app *app, const char *program, char **argv, char **envp, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	cpu_set_t pinned;
	bool was = sched_getaffinity(0, sizeof(pinned), &pinned) == 0;
	int ret;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&files);
	/* EAL's descriptors carry locks, which would last as long as the new program */
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	(void)sched_setaffinity(0, sizeof(app->cpus), &app->cpus);
	ret = posix_spawnp(pid, program, &files, &attr, argv, envp);
	if (was)
		(void)sched_setaffinity(0, sizeof(pinned), &pinned);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -ret;
}

/* This environment, but for the process that feeds the service manager's watchdog. */
static char **
environment(void)
{
	size_t n = 0, to = 0;
	char **envp;

	while (environ[n] != NULL)
		n++;
	envp = calloc(n + 1, sizeof(*envp));
	for (size_t i = 0; envp != NULL && i < n; i++)
		if (strncmp(environ[i], "WATCHDOG_PID=", 13) != 0)
			envp[to++] = environ[i];
	return envp;
}

static int
start_program(struct upgrade *u, const char *program)
{
	const struct app *app = u->app;
	char option[PATH_MAX + 32];
	char **argv = argv_successor(app->argc, app->argv, program, option), **envp = environment();
	int ret = -ENOMEM;

	snprintf(option, sizeof(option), ARGV_UPGRADE_FROM "%s", control_socket_path(app->control));
	if (argv != NULL && envp != NULL)
		ret = spawn(app, argv[0], argv, envp, &u->pid);
	if (ret < 0)
		u->pid = 0;
	free(argv);
	free(envp);
	return ret;
}

static void
on_exit_of_program(struct ev_source *src, uint32_t events)
{
	struct upgrade *u = container_of(src, struct upgrade, exit);
	int status = 0;

	ev_del(src);
	close(src->fd);
	waitpid(u->pid, &status, 0);
	u->pid = 0;
	if (u->stage != STARTING)
		return; /* the thread is told */
	if (WIFSIGNALED(status))
		fail(u, "the new program was ended by signal %d before it asked for anything",
		     WTERMSIG(status));
	else
		fail(u, "the new program ended with status %d before it asked for anything",
		     WEXITSTATUS(status));
}

static void
on_late(struct ev_timer *t)
{
	fail(container_of(t, struct upgrade, late),
	     "the new program has asked for nothing within %u s", HANDOVER_ANSWER_MS / 1000);
}

/* One that was just started and cannot be watched. */
static void
give_up_program(struct upgrade *u)
{
	kill(u->pid, SIGKILL);
	waitpid(u->pid, NULL, 0);
	u->pid = 0;
	if (u->exit.fd >= 0)
		close(u->exit.fd);
}

bool
upgrade_start(struct app *app, const char *program, struct wait *w, char *err, size_t errlen)
{
	struct upgrade *u = upgrade_of(app);
	int ret;

	if (u == NULL || u->stage != IDLE || u->pid != 0) {
		snprintf(err, errlen, u == NULL ? "out of memory" : "an upgrade is under way");
		return false;
	}
	if (against(app, err, errlen))
		return false;
	ret = start_program(u, program);
	if (ret < 0) {
		snprintf(err, errlen, "%s cannot be started: %s",
			 program != NULL ? program : app->argv[0], strerror(-ret));
		return false;
	}
	u->exit = (struct ev_source){.fd = pidfd_open(u->pid, 0), .cb = on_exit_of_program};
	ret = u->exit.fd < 0 ? -errno : ev_add(app->loop, &u->exit, EPOLLIN);
	if (ret < 0) {
		give_up_program(u);
		snprintf(err, errlen, "the new program cannot be watched: %s", strerror(-ret));
		return false;
	}
	u->stage = STARTING;
	u->sock = -1;
	u->wait = w;
	u->late.cb = on_late;
	ev_timer_arm(app->loop, &u->late, HANDOVER_ANSWER_MS);
	return true;
}

/* --- the stop --- */

static void
each_port(struct app *app, void (*fn)(struct port *p, void *arg), void *arg)
{
	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (app->sw.port[id] != NULL)
			fn(app->sw.port[id], arg);
}

static void
stop_port(struct port *p, void *arg)
{
	p->ops->handover->stop(p);
}

static void
run_port(struct port *p, void *arg)
{
	p->ops->handover->run(p);
}

static void
save_port(struct port *p, void *arg)
{
	struct blob *b = arg;
	uint32_t id = p->id;

	hand_put(b, HANDOVER_PORT, &id, sizeof(id));
	port_hand_over(p, b);
	baseline_hand_over(&p->cleared, HANDOVER_CLEARED, b);
	baseline_hand_over(&p->app->shown, HANDOVER_SHOWN, b);
	baseline_hand_over(&p->app->started, HANDOVER_STARTED, b);
	p->ops->handover->save(p, b);
}

/* Of the time for the stop, so much is left. */
static uint32_t
left_ms(const struct upgrade *u)
{
	uint64_t now = ev_now_ns();

	return now < u->until_ns ? (uint32_t)((u->until_ns - now) / NS_PER_MS) + 1 : 1;
}

static int
send_state(struct upgrade *u)
{
	struct blob b = {0};
	int ret;

	legend_put(&b, HANDOVER_LEGEND);
	vxlan_hand_over(u->app->vxlan, &b);
	sw_hand_over(&u->app->sw, &b);
	vxlan_hand_over_joined(u->app->vxlan, &b);
	capture_hand_over(&u->app->sw, &b);
	each_port(u->app, save_port, &b);
	hand_put(&b, HANDOVER_END, "", 0);
	ret = blob_send(u->sock, &b, left_ms(u));
	blob_free(&b);
	return ret;
}

/* --- devices that only one process can have --- */

static bool
is_exclusive(const struct port *p)
{
	return p != NULL && p->ops->handover->acquire != NULL;
}

/* A part of the sentence that the operator gets. */
static void
say_device(struct upgrade *u, const struct port *p, uint64_t began_ns, const char *what)
{
	const uint64_t us = (ev_now_ns() - began_ns) / NS_PER_US;
	size_t at = strlen(u->devices);

	snprintf(u->devices + at, sizeof(u->devices) - at,
		 "; port %u (%s) %s %" PRIu64 ".%03" PRIu64 " ms", p->id, p->name, what, us / 1000,
		 us % 1000);
}

/* Each is closed here and opened by the successor before the next one, so none is away for long. */
static int
pass_devices(struct upgrade *u)
{
	struct app *app = u->app;
	char number[16];
	int ret = 0;

	for (uint16_t id = 0; ret == 0 && id < app->sw.nports; id++) {
		struct port *p = app->sw.port[id];
		uint64_t began_ns = ev_now_ns();

		if (!is_exclusive(p))
			continue;
		u->released = id + 1;
		p->ops->handover->release(p);
		u->until_ns = ev_now_ns() + HANDOVER_DEVICE_MS * (uint64_t)NS_PER_MS;
		snprintf(number, sizeof(number), "%u", id);
		ret = handover_say(u->sock, HANDOVER_RELEASED, number, left_ms(u));
		if (ret == 0)
			ret = handover_hear(u->sock, HANDOVER_READY, u->line, left_ms(u));
		if (ret == 0)
			say_device(u, p, began_ns, "was without its device for");
	}
	return ret;
}

/* A process that has some of our devices closes them when it ends. */
static void
end_peer(struct upgrade *u)
{
	struct pollfd p = {.fd = u->peer, .events = POLLIN};

	shutdown(u->sock, SHUT_RDWR);
	if (u->pid != 0)
		kill(u->pid, SIGKILL);
	if (u->peer >= 0 && u->peer_pid != getpid())
		(void)poll(&p, 1, LET_GO_MS);
}

static void
open_again(struct upgrade *u, struct port *p)
{
	const size_t at = strlen(u->devices);
	uint64_t began_ns = ev_now_ns();
	char err[APP_ERR_MAX];

	if (p->ops->handover->acquire(p, err, sizeof(err)) == 0) {
		say_device(u, p, began_ns, "has its device again, opened within");
		return;
	}
	log_peer_at(RTE_LOG_ERR, &u->log_limit, p->name, "its device is lost: %s", err);
	snprintf(u->devices + at, sizeof(u->devices) - at, "; port %u (%s) has lost its device: %s",
		 p->id, p->name, err);
}

/* No process takes over: ports run here where they stood. */
static void
go_on(struct upgrade *u)
{
	struct app *app = u->app;

	if (u->released != 0)
		end_peer(u);
	for (uint16_t id = 0; id < u->released; id++)
		if (is_exclusive(app->sw.port[id]))
			open_again(u, app->sw.port[id]);
	capture_hand_run(&app->sw);
	each_port(app, run_port, NULL);
	sw_publish(&app->sw);
}

/* The client that waits is told at once: the loop does not run any more. */
static void
leave(struct upgrade *u)
{
	struct app *app = u->app;

	if (u->done)
		log_notice(NULL, "upgrade: %s", u->result);
	else
		log_warn(NULL, "upgrade: %s", u->result);
	events_upgrade(app, u->done ? "done" : "failed", u->result);
	events_last_words(app);
	if (u->wait != NULL)
		wait_look(u->wait);
	fflush(stdout);
	workers_join(app);
	eal_files_unlink_pages();
	/* which would take interfaces down that are the successor's */
	if (u->released == 0)
		rte_eal_cleanup();
	eal_files_remove(app->args.eal_prefix);
	record_settle(RECORD_SETTLE_MS);
	/* sockets, journals and kept settings are the successor's: nothing is removed */
	_exit(u->done ? 0 : 1);
}

static void
commit(struct upgrade *u, pid_t pid, uint64_t began_ns)
{
	struct app *app = u->app;
	uint64_t us;
	int ret;

	if (handover_say(u->sock, HANDOVER_COMMIT, "", HANDOVER_STOP_MS) < 0) {
		go_on(u);
		fail(u, "the new program has ended in the stop%s", u->devices);
		return;
	}
	notify_main_pid(&app->notify, pid);
	ret = handover_hear(u->sock, HANDOVER_READY, u->line, HANDOVER_STOP_MS);
	us = (ev_now_ns() - began_ns) / NS_PER_US;
	u->done = ret == 0;
	if (u->done)
		snprintf(u->result, sizeof(u->result),
			 "process %d has taken over from process %d, ports stood still for %" PRIu64
			 ".%03" PRIu64 " ms%s",
			 pid, getpid(), us / 1000, us % 1000, u->devices);
	else
		snprintf(u->result, sizeof(u->result),
			 "process %d was handed everything, which cannot be taken back, but %s",
			 pid, error_text(ret));
	conclude(u);
	leave(u);
}

/* All ports stand still from here until the successor, or this process, runs them. */
static void
stop_and_hand_over(struct upgrade *u)
{
	struct app *app = u->app;
	uint64_t began_ns = ev_now_ns();
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	int ret;

	/* the process that made the pair of sockets */
	(void)getsockopt(u->sock, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	u->peer_pid = peer.pid;
	u->peer = pidfd_open(peer.pid, 0);
	u->until_ns = began_ns + HANDOVER_STOP_MS * (uint64_t)NS_PER_MS;
	u->released = 0;
	u->devices[0] = '\0';

	each_port(app, stop_port, NULL);
	sw_publish(&app->sw);
	ret = send_state(u);
	if (ret == 0)
		ret = handover_hear(u->sock, HANDOVER_READY, u->line, left_ms(u));
	if (ret == 0)
		ret = pass_devices(u);
	if (ret == 0) {
		commit(u, peer.pid, began_ns);
		return;
	}
	go_on(u);
	fail_answer(u, "could not take the ports over", ret, u->line);
}

static void
on_heard(struct ev_work *w)
{
	struct upgrade *u = container_of(w, struct upgrade, heard);
	char err[HANDOVER_LINE_MAX], *now;
	bool same;

	pthread_join(u->thread, NULL);
	if (u->error < 0) {
		fail_answer(u, "did not get ready", u->error, u->line);
		return;
	}
	now = config_text(u->app);
	same = now != NULL && strcmp(now, u->config) == 0;
	free(now);
	if (!same)
		fail(u, "the configuration was changed meanwhile");
	else if (against(u->app, err, sizeof(err)))
		fail(u, "%s", err);
	else
		stop_and_hand_over(u);
}

/* --- what is built while this process forwards --- */

static void *
first_part(void *arg)
{
	struct upgrade *u = arg;

	u->error = blob_send(u->sock, &u->first, HANDOVER_ANSWER_MS);
	if (u->error == 0)
		u->error =
			handover_hear_alive(u->sock, HANDOVER_READY, u->line, HANDOVER_ANSWER_MS);
	ev_post(u->app->loop, &u->heard);
	return NULL;
}

static void
put_first(struct upgrade *u)
{
	static const struct {
		uint32_t version;
		char program[sizeof(VQS_VERSION)];
	} hello = {HANDOVER_VERSION, VQS_VERSION};
	/* a successor that does not know it makes buffers in the stop */
	const struct blob_record capture = {HANDOVER_CAPTURE, 0, sizeof(uint32_t), 0};

	hand_put(&u->first, HANDOVER_HELLO, &hello, sizeof(hello));
	hand_put(&u->first, HANDOVER_CONFIG, u->config, strlen(u->config));
	if (u->app->sw.capture != NULL)
		blob_put_record(&u->first, &capture, &u->app->sw.captured.snaplen);
	heir_save(&u->first, HANDOVER_DESCRIPTOR);
	hand_put(&u->first, HANDOVER_END, "", 0);
}

static int
begin(struct upgrade *u, int sock)
{
	int ret;

	u->sock = sock;
	u->devices[0] = '\0';
	u->config = config_text(u->app);
	if (u->config == NULL)
		return -ENOMEM;
	put_first(u);
	u->heard.fn = on_heard;
	ret = u->first.failed ? u->first.error : -pthread_create(&u->thread, NULL, first_part, u);
	if (ret < 0)
		return ret;
	ev_timer_cancel(&u->late);
	u->stage = BUILDING;
	events_upgrade(u->app, "begun", NULL);
	return 0;
}

bool
upgrade_serve(struct app *app, uint32_t version, int sock, char *err, size_t errlen)
{
	struct upgrade *u = upgrade_of(app);
	int ret;

	if (u == NULL)
		snprintf(err, errlen, "out of memory");
	else if (version != HANDOVER_VERSION)
		snprintf(err, errlen,
			 "the new program takes over by version %u of the sequence, this one hands "
			 "over by version %u",
			 version, HANDOVER_VERSION);
	else if (u->stage == BUILDING)
		snprintf(err, errlen, "an upgrade is under way");
	else if (!against(app, err, errlen)) {
		if (u->stage == IDLE)
			u->wait = NULL;
		ret = begin(u, sock);
		if (ret == 0)
			return true;
		snprintf(err, errlen, "%s", error_text(ret));
		fail(u, "%s", err);
		return false;
	}
	close(sock);
	if (u != NULL && u->stage == STARTING)
		fail(u, "%s", err);
	return false;
}

void
upgrade_free(struct app *app)
{
	struct upgrade *u = app->upgrade;

	if (u == NULL)
		return;
	if (u->stage == BUILDING) {
		shutdown(u->sock, SHUT_RDWR); /* the thread needs no more of it */
		pthread_join(u->thread, NULL);
	}
	conclude(u);
	if (u->pid != 0) {
		kill(u->pid, SIGKILL);
		ev_del(&u->exit);
		close(u->exit.fd);
	}
	app->upgrade = NULL;
	free(u);
}

void
upgrade_unwait(struct app *app, const struct wait *w)
{
	if (app->upgrade != NULL && app->upgrade->wait == w)
		app->upgrade->wait = NULL;
}
