/* SPDX-License-Identifier: BSD-3-Clause */
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/ev.h"
#include "fuzz/program.h"

/* run() of the program returns as soon as everything is started */
#define main app_main
#define ev_run(loop) ((void)(loop))
#include "main.c"
#undef ev_run
#undef main

#define ITERATIONS 8 /* more than one input needs */
#define READS_MAX 64 /* of a client: it does not wait for all of a long answer */

/** Leave the host's files and network alone. */
static void
move_away(void)
{
	char made[] = "/tmp/vqs-fuzz.XXXXXX";
	const char *dir = getenv("VQS_FUZZ_DIR");

	CHECK(chdir(dir != NULL ? dir : mkdtemp(made)) == 0);
	(void)!unshare(CLONE_NEWNET); /* for root only, who could make devices */
}

static void
start(struct app *app)
{
	static char lcores[32];
	/* kept: "upgrade" takes them for a successor, which is not to be found here */
	static char *argv[] = {
		"vqswitch",
		"--lcores",
		lcores,
		"--no-huge",
		"-m",
		"256",
		"--no-pci",
		"--no-telemetry",
		"--no-shconf",
		"--vdev",
		"net_vhost0,iface=vm0.sock",
		"--vdev",
		"net_vhost1,iface=vm1.sock,queues=2",
		"--",
		"--control=" FUZZ_CONTROL,
		"--metrics=unix:" FUZZ_METRICS,
		"--state-dir=state",
		"--total-num-mbufs=4096",
		"--fdb-limit=1000",
		NULL,
	};
	static struct fwd fwd;
	int cpu = sched_getcpu();

	snprintf(lcores, sizeof(lcores), "0@%d,1@%d", cpu, cpu);
	app->fwd = &fwd;
	app->name = "vqswitch";
	app->argc = RTE_DIM(argv) - 1;
	app->argv = argv;
	ctl_block_signals();
	CHECK(init(app, RTE_DIM(argv) - 1, argv) == 0);
	CHECK(run(app) == 0);
}

struct app *
fuzz_app(void)
{
	static struct app app;

	if (app.loop == NULL) {
		move_away();
		CHECK(mkdir("state", 0700) == 0);
		start(&app);
		rte_log_set_global_level(RTE_LOG_EMERG);
		rte_log_set_level(vqs_logtype, RTE_LOG_EMERG);
	}
	return &app;
}

void
fuzz_iteration(struct app *app)
{
	for (int i = 0; i < ITERATIONS; i++)
		ev_run_once(app->loop, 0);
}

FILE *
fuzz_nowhere(void)
{
	static FILE *f;

	if (f == NULL)
		f = fopen("/dev/null", "w");
	CHECK(f != NULL);
	return f;
}

char *
fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	CHECK(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t i = 0; i < size; i++)
		if (text[i] == '/')
			text[i] = '_';
	return text;
}

/** Until the other side has nothing more to say. */
static void
read_all(struct app *app, int fd)
{
	char buf[65536];

	for (int i = 0; i < READS_MAX; i++) {
		fuzz_iteration(app);
		if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) <= 0)
			return;
	}
}

void
fuzz_client(struct app *app, const char *path, const void *data, size_t size)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
	CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	fuzz_iteration(app);
	(void)send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	read_all(app, fd);
	close(fd);
	fuzz_iteration(app);
}
