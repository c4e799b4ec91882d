/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One archive for a bug report: answers of the switch and facts about the machine, a file each,
 * in a directory of its own that tar(1) packs. Nothing of it is a guest's data: no frame, no
 * memory, no table of addresses, no capture or recording. An address that a port is locked to or
 * guarded by is in it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "vqsctl.h"

#define NAME_LEN 64
#define STAMP_LEN 24 /* of a line of "show log", with the blank behind it */
#define MAPPED_MAX 65536

/** Answers about the whole switch. One that is refused is there as the refusal. */
static const struct {
	const char *file,
		*lines[3]; /* each a command of its own, answered before the next is sent */
} answers[] = {
	{"switch.json", {"show switch json\n"}},
	{"config.vqs", {"show config\n"}},
	{"why.txt", {"why port all\n"}},
	{"ports.json", {"show port info all json\n"}},
	{"counters.json", {"show port xstats all json\n"}},
	{"drops.json", {"show drops all json\n"}},
	{"workers.json", {"show worker json\n"}},
	{"vdpa.json", {"show vdpa json\n"}},
	{"tunnels.txt", {"show vxlan\n"}},
	{"limits.txt", {"show limits all\n"}},
	{"guard.txt", {"show guard all\n"}},
	{"acl.txt", {"show acl all\n"}},
	{"conntrack.txt", {"show conntrack\n"}},
	{"snooping.txt", {"show snooping\n", "show snooping groups\n"}},
	{"sflow.txt", {"show sflow\n"}},
	{"capture.txt", {"show capture\n"}},
	{"log.txt", {"show log\n"}},
};

/** Files of the machine, copied as far as they can be read. */
static const struct {
	const char *file, *path;
} facts[] = {
	{"os-release", "/etc/os-release"},
	{"cpuinfo", "/proc/cpuinfo"},
	{"meminfo", "/proc/meminfo"},
	{"kernel-options", "/proc/cmdline"},
	{"loadavg", "/proc/loadavg"},
	{"hugepages", "/sys/kernel/mm/transparent_hugepage/enabled"},
};

/** Facts about the switch's process, below /proc/PID. */
static const struct {
	const char *file, *name;
} process_facts[] = {{"process-limits", "limits"}, {"process-status", "status"}};

/** The report as it is made. */
struct report {
	int fd;  /* of the control socket */
	int dir; /* the directory of the files */
	char path[64];
	bool failed;
};

/* --- being interrupted --- */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
static volatile sig_atomic_t stopped_by; /* 0: none of them */
static int stop_fd;

/* The answer that is waited for ends with the connection, and the files are removed as ever. */
static void
on_stop(int signal_number)
{
	const int saved = errno;

	stopped_by = signal_number;
	shutdown(stop_fd, SHUT_RDWR);
	errno = saved;
}

static void
heed_signals(int fd)
{
	const struct sigaction heed = {.sa_handler = on_stop};
	struct sigaction before;

	stop_fd = fd;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			sigaction(signals[i], &heed, NULL);
}

/* End as if it had not been heeded. */
static void
end_by_signal(void)
{
	if (stopped_by == 0)
		return;
	signal(stopped_by, SIG_DFL);
	raise(stopped_by);
}

/* --- files --- */

/* A file of the report, NULL after saying why not. */
static FILE *
open_file(struct report *r, const char *name)
{
	int fd = openat(r->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (out == NULL) {
		fprintf(stderr, "vqsctl: %s/%s: %s\n", r->path, name, strerror(errno));
		r->failed = true;
		if (fd >= 0)
			close(fd);
	}
	return out;
}

static void
close_file(struct report *r, FILE *out)
{
	if (fclose(out) == 0)
		return;
	fprintf(stderr, "vqsctl: %s: %s\n", r->path, strerror(errno));
	r->failed = true;
}

/* Nothing once the switch is gone. */
static void
write_answer(struct report *r, FILE *out, const char *line)
{
	if (!r->failed && command(r->fd, line, out) == UNUSABLE)
		r->failed = true;
}

static void
add_answers(struct report *r)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]) && !r->failed; i++) {
		FILE *out = open_file(r, answers[i].file);

		if (out == NULL)
			return;
		for (const char *const *line = answers[i].lines; *line != NULL; line++)
			write_answer(r, out, *line);
		close_file(r, out);
	}
}

/* --- the machine --- */

static void
add_copy(struct report *r, const char *name, const char *path)
{
	char text[4096];
	FILE *in = fopen(path, "re"), *out;
	size_t n, left = MAPPED_MAX;

	if (in == NULL)
		return;
	out = open_file(r, name);
	while (out != NULL && left > 0 &&
	       (n = fread(text, 1, left < sizeof(text) ? left : sizeof(text), in)) > 0) {
		fwrite(text, 1, n, out);
		left -= n;
	}
	if (out != NULL)
		close_file(r, out);
	fclose(in);
}

static void
add_process(struct report *r)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	char path[64];

	if (getsockopt(r->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return;
	for (size_t i = 0; i < sizeof(process_facts) / sizeof(process_facts[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)peer.pid, process_facts[i].name);
		add_copy(r, process_facts[i].file, path);
	}
}

static void
add_machine(struct report *r)
{
	FILE *out = open_file(r, "machine.txt");
	time_t now = time(NULL);
	struct utsname u;
	char text[32];
	struct tm tm;

	if (out == NULL)
		return;
	if (gmtime_r(&now, &tm) != NULL && strftime(text, sizeof(text), "%F %T", &tm) > 0)
		fprintf(out, "report of vqsctl %s, %s UTC\n", VQS_VERSION, text);
	if (uname(&u) == 0) /* without the name of the host */
		fprintf(out, "%s %s %s %s\n", u.sysname, u.release, u.version, u.machine);
	fprintf(out, "processors: %ld of %ld\n", sysconf(_SC_NPROCESSORS_ONLN),
		sysconf(_SC_NPROCESSORS_CONF));
	close_file(r, out);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		add_copy(r, facts[i].file, facts[i].path);
	add_process(r);
}

/* --- ports --- */

/* Lines of the log that begin with the port's name. */
static void
write_log_of(FILE *out, const char *log, const char *name)
{
	const size_t len = strlen(name);

	for (const char *end; (end = strchr(log, '\n')) != NULL; log = end + 1)
		if (end - log > STAMP_LEN && strncmp(log + STAMP_LEN, name, len) == 0 &&
		    log[STAMP_LEN + len] == ':')
			fprintf(out, "%.*s\n", (int)(end - log), log);
}

static void
add_port(struct report *r, uint32_t id, const char *name, const char *log)
{
	static const struct {
		const char *before, *behind; /* the number */
	} lines[] = {{"why port", ""}, {"show port info", ""}, {"show port", " negotiation"}};
	char file[NAME_LEN], line[NAME_LEN];
	FILE *out;

	snprintf(file, sizeof(file), "port-%u.txt", id);
	out = open_file(r, file);
	if (out == NULL)
		return;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(line, sizeof(line), "%s %u%s\n", lines[i].before, id, lines[i].behind);
		write_answer(r, out, line);
	}
	fputs("--- log ---\n", out);
	write_log_of(out, log, name);
	close_file(r, out);
}

static void
add_ports(struct report *r)
{
	char *text = answer_to(r->fd, "show port summary all json\n");
	char *log = answer_to(r->fd, "show log\n");
	json_t *list = text != NULL ? json_loads(text, 0, NULL) : NULL, *p;
	size_t i;

	if (list == NULL || log == NULL) {
		fprintf(stderr, "vqsctl: the switch's %s cannot be read\n",
			list == NULL ? "list of ports" : "log");
		r->failed = true;
	}
	json_array_foreach(list, i, p)
	{
		const char *name = json_string_value(json_object_get(p, "name"));

		if (!r->failed && name != NULL)
			add_port(r, (uint32_t)json_integer_value(json_object_get(p, "id")), name,
				 log);
	}
	json_decref(list);
	free(text);
	free(log);
}

/* --- the archive --- */

static bool
pack(const struct report *r, int to)
{
	const char *name = strrchr(r->path, '/') + 1;
	/* below a directory of its own: who unpacks it as root would have "." get our mode */
	const char *const words[] = {"tar", "-C", "/tmp", "--owner=0", "--group=0",
				     "-cz", "-f", "-",    name,        NULL};
	posix_spawn_file_actions_t actions;
	int status = -1, ret;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
	ret = posix_spawnp(&pid, words[0], &actions, NULL, (char **)(uintptr_t)words, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (ret != 0) {
		fprintf(stderr, "vqsctl: tar: %s\n", strerror(ret));
		return false;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 && stopped_by == 0;
}

/* The directory and what is in it. */
static void
remove_all(struct report *r)
{
	DIR *d = fdopendir(r->dir);
	const struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		unlinkat(r->dir, e->d_name, 0); /* fails for "." and ".." */
	if (d != NULL)
		closedir(d);
	rmdir(r->path);
}

static bool
make(struct report *r, int to)
{
	add_machine(r);
	if (!r->failed)
		add_answers(r);
	if (!r->failed)
		add_ports(r);
	return !r->failed && pack(r, to);
}

/* -1 after saying why not. An archive that is there already is not replaced. */
static int
open_archive(const char *path)
{
	int fd = strcmp(path, "-") == 0 ? dup(STDOUT_FILENO)
					: open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		fprintf(stderr, "vqsctl: %s: %s\n", path, strerror(errno));
	return fd;
}

static int
report_to(int fd, const char *path)
{
	struct report r = {.fd = fd, .path = "/tmp/vqsctl-report-XXXXXX"};
	int to = open_archive(path), status = UNUSABLE;

	if (to < 0)
		return UNUSABLE;
	heed_signals(fd);
	if (mkdtemp(r.path) == NULL) {
		fprintf(stderr, "vqsctl: %s: %s\n", r.path, strerror(errno));
	} else if ((r.dir = open(r.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		fprintf(stderr, "vqsctl: %s: %s\n", r.path, strerror(errno));
		rmdir(r.path);
	} else {
		status = make(&r, to) ? DONE : UNUSABLE;
		remove_all(&r);
	}
	close(to);
	if (strcmp(path, "-") != 0 && status != DONE)
		unlink(path);
	end_by_signal();
	if (strcmp(path, "-") != 0 && status == DONE)
		printf("%s\n", path);
	return status;
}

int
report(int fd, char **words)
{
	char path[NAME_LEN];
	time_t now = time(NULL);
	struct tm tm = {0};

	if (words[1] != NULL && words[2] != NULL) {
		fputs("usage: vqsctl report [FILE]\n", stderr);
		return UNUSABLE;
	}
	if (words[1] != NULL)
		return report_to(fd, words[1]);
	gmtime_r(&now, &tm);
	strftime(path, sizeof(path), "vqswitch-report-%Y%m%d-%H%M%S.tar.gz", &tm);
	return report_to(fd, path);
}
