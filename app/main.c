/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Start and end. Parts are undone in the reverse order of their making, for any
 * reason to end: quit, a signal, or an error half-way.
 */
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bsd/string.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_vect.h>

#include "app.h"
#include "balancer.h"
#include "events.h"
#include "ports.h"
#include "metrics_http.h"
#include "control_socket.h"
#include "device.h"
#include "eal_files.h"
#include "kept_config.h"
#include "sflow_agent.h"
#include "ctl.h"
#include "cli/cli.h"
#include "testpmd/fwd.h"
#include "base/log.h"
#include "base/record.h"
#include "base/spare.h"
#include "base/state_dir.h"
#include "gmem/reaper.h"
#include "gmem/sigbus.h"
#include "successor.h"
#include "telemetry.h"
#include "testpmd/enter.h"
#include "upgrade.h"
#include "virtq/isa.h"
#include "vdpa/vdpa.h"
#include "vxlan/vxlan.h"
#include "base/irq.h"
#include "base/notify.h"
#include "worker.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_ports.h"

#define MBUFS_OF_CHECK 4096u

static int fail(const struct app *app, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Say in one line why the program cannot run. */
static int
fail(const struct app *app, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", app->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	va_start(ap, fmt);
	successor_fail(app->successor, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return -1;
}

/* --- start --- */

static void
testpmd_defaults(struct options *o)
{
	if (o->rxq == OPT_UNSET)
		o->rxq = 1;
	if (o->txq == OPT_UNSET)
		o->txq = 1;
}

static int
parse_command_line(struct app *app, int argc, char **argv)
{
	char err[APP_ERR_MAX];

	if (argv_split(argc, argv, &app->args) < 0)
		return fail(app, "out of memory");
	options_init(&app->opt);
	if (options_parse(&app->opt, app->args.argc, app->args.argv, err, sizeof(err)) < 0)
		return fail(app, "%s", err);
	if (app->testpmd)
		testpmd_defaults(&app->opt);
	if (devices_check(app, err, sizeof(err)) < 0)
		return fail(app, "%s", err);
	if (!app->opt.check)
		return 0;
	app->opt.total_num_mbufs = RTE_MIN(app->opt.total_num_mbufs, MBUFS_OF_CHECK);
	return argv_rehearse(&app->args) < 0 ? fail(app, "out of memory") : 0;
}

static void
usage_hook(const char *prog)
{
	options_usage(stdout, prog);
	fputc('\n', stdout);
}

/** Ring code for what CPU and --force-max-simd-bitwidth allow. */
static void
choose_isa(void)
{
	enum vq_isa isa = vq_isa_best(rte_vect_get_max_simd_bitwidth());

	vq_isa_use(isa);
	if (isa != VQ_ISA_BASE)
		log_info(NULL, "ring code for %s", vq_isa_name(isa));
}

static int
start_eal(struct app *app)
{
	rte_set_application_usage_hook(usage_hook);
	if (rte_eal_init(app->args.eal_argc, app->args.eal_argv) < 0)
		return fail(app, "cannot initialise EAL: %s", rte_strerror(rte_errno));
	app->eal = true;
	if (log_limit_dpdk() < 0)
		return fail(app, "the log cannot be limited: out of memory");
	choose_isa();
	if (rte_lcore_count() < 2)
		return fail(app, "one lcore is for control, at least one more is needed to forward:"
				 " -l 0-1, or --lcores '0@0,1@0' to share a CPU");
	if (app->opt.nb_cores >= rte_lcore_count())
		return fail(app, "--nb-cores=%u: there are %u", app->opt.nb_cores,
			    rte_lcore_count() - 1);
	return 0;
}

static int
make_notifier(struct app *app)
{
	int ret;

	irq_init();
	ret = notify_init();

	if (ret == -EAGAIN)
		return fail(app, "notifications: no asynchronous operations left, raise the sysctl"
				 " fs.aio-max-nr");
	return ret < 0 ? fail(app, "notifications: %s", strerror(-ret)) : 0;
}

static int
make_mempool(struct app *app)
{
	const struct options *o = &app->opt;

	app->mp = rte_pktmbuf_pool_create("mb_pool_0", o->total_num_mbufs, o->mbcache, 0,
					  (uint16_t)o->mbuf_size, SOCKET_ID_ANY);
	if (app->mp == NULL && rte_mempool_ops_table.num_ops == 0)
		return fail(app, "cannot make mbufs: DPDK has no mempool driver here (a package of"
				 " its own, librte-mempool-ring in Debian)");
	if (app->mp == NULL)
		return fail(app, "cannot make %u mbufs: %s (see --total-num-mbufs)",
			    o->total_num_mbufs, rte_strerror(rte_errno));
	return 0;
}

/* A guest's rings and memory take a dozen descriptors: the customary 1024 end below 100 ports. */
static void
raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn(NULL, "the limit of open files stays: %s", strerror(errno));
}

static void
find_state_dir(struct app *app)
{
	int ret = state_dir_find(app->opt.state_dir, app->state_dir, sizeof(app->state_dir));

	if (ret == 0)
		return;
	app->state_dir[0] = '\0';
	log_warn(NULL, "no directory for ring state (%s): a crash costs guests a reset",
		 strerror(-ret));
}

static int
make_switch(struct app *app)
{
	struct fdb_config fdb = {
		.limit = app->opt.fdb_limit,
		.port_limit = app->opt.fdb_port_limit,
		.ageing_s = app->opt.fdb_age,
	};
	int ret;

	app->loop = ev_loop_new();
	if (app->loop == NULL)
		return fail(app, "event loop: %s", strerror(errno));
	reaper_init(app->loop);
	ret = workers_init(app);
	if (ret < 0)
		return fail(app, "workers: %s", strerror(-ret));
	ret = sw_init(&app->sw, app->nworkers, &fdb, app->mp, app->loop);
	if (ret < 0)
		return fail(app, "switch: %s", strerror(-ret));
	ret = ports_init(app);
	app->sflow = sflow_agent_new(app);
	if (ret == 0 && app->sflow == NULL)
		ret = -ENOMEM;
	if (ret < 0)
		return fail(app, "ports: %s", strerror(-ret));
	return 0;
}

static int
make_ports(struct app *app)
{
	int (*make)(struct app * app, char *err, size_t errlen) =
		app->successor != NULL ? successor_make_ports : devices_make;
	char err[APP_ERR_MAX];

	if (make(app, err, sizeof(err)) < 0 || fwd_init(app, err, sizeof(err)) < 0)
		return fail(app, "%s", err);
	return 0;
}

static void
announce_ports(const struct app *app)
{
	/* a successor has yet to get its devices */
	if (app->opt.disable_device_start || app->successor != NULL)
		return;
	for (uint16_t id = 0; id < app->sw.nports; id++)
		printf("Configuring Port %u (socket 0)\nPort %u: " RTE_ETHER_ADDR_PRT_FMT "\n", id,
		       id, RTE_ETHER_ADDR_BYTES(&app->sw.port[id]->mac));
	printf("%sDone\n", app->fwd->no_link_check ? "" : "Checking link statuses...\n");
}

static int
make_cli(struct app *app)
{
	app->cli = cli_new(app);
	if (app->cli == NULL)
		return fail(app, "out of memory");
	return 0;
}

/* A socket the user named must work; another switch may have the default one. */
static int
make_control_socket(struct app *app)
{
	const struct options *o = &app->opt;
	char path[PATH_MAX], err[256];

	if (o->check || o->no_control || (o->control == NULL && app->state_dir[0] == '\0'))
		return 0;
	if (o->control != NULL)
		strlcpy(path, o->control, sizeof(path));
	else
		snprintf(path, sizeof(path), "%.*s/control", (int)sizeof(path) - 16,
			 app->state_dir);
	app->control = control_socket_new(app, path, o->control_mode, err, sizeof(err));
	if (app->control != NULL)
		return 0;
	if (o->control != NULL)
		return fail(app, "%s", err);
	log_warn(NULL, "%s; vqsctl cannot reach this switch (see --control)", err);
	return 0;
}

static int
make_telemetry(struct app *app)
{
	char err[APP_ERR_MAX];

	if (app->opt.check)
		return 0;
	telemetry_init(app);
	if (app->opt.metrics == NULL)
		return 0;
	app->metrics = metrics_http_new(app, app->opt.metrics, err, sizeof(err));
	return app->metrics != NULL ? 0 : fail(app, "%s", err);
}

/* Before anything costly: it may refuse. */
static int
ask_predecessor(struct app *app)
{
	const char *path = app->opt.upgrade_from;
	char err[APP_ERR_MAX];

	if (path == NULL || app->opt.check)
		return 0;
	app->successor = successor_new(path, err, sizeof(err));
	if (app->successor == NULL)
		return fail(app, "%s", err);
	return argv_beside(&app->args) < 0 ? fail(app, "out of memory") : 0;
}

static const char version[] = "vqswitch " VQS_VERSION;

static int
init(struct app *app, int argc, char **argv)
{
	static int (*const steps[])(struct app * app) = {
		start_eal, make_notifier,       make_mempool, make_switch,
		make_cli,  make_control_socket, make_ports,   make_telemetry,
	};
	int ret;

	if (parse_command_line(app, argc, argv) < 0)
		return -1;
	if (app->opt.help)
		options_usage(stdout, app->name);
	if (app->opt.print_commands)
		cli_print_reference(stdout);
	if (app->opt.version)
		puts(version);
	if (app->opt.help || app->opt.version || app->opt.print_commands)
		exit(0);
	if (ask_predecessor(app) < 0)
		return -1;
	ret = sigbus_install();
	if (ret < 0)
		return fail(app, "SIGBUS handler: %s", strerror(-ret));
	raise_fd_limit();
	spare_init();
	if (!app->opt.check)
		find_state_dir(app);
	for (size_t i = 0; i < RTE_DIM(steps); i++) {
		if (steps[i](app) < 0)
			return -1;
		successor_alive(app->successor);
	}
	if (!app->testpmd && app->state_dir[0] != '\0')
		kept_config_open(app, argc, argv);
	return 0;
}

/* --- run --- */

static void
start_forwarding(struct app *app)
{
	const struct options *o = &app->opt;

	if (o->interactive && !o->auto_start)
		return;
	if (o->interactive)
		puts("Start automatic packet forwarding");
	else
		puts("No commandline core given, start packet forwarding");
	fwd_start(app, o->tx_first, stdout);
}

/* testpmd goes on without the file; a switch must not serve guests without its settings. */
static int
run_command_file(struct app *app)
{
	const char *path = app->opt.cmdline_file;
	int ret;

	if (path == NULL)
		return 0;
	ret = cli_run_file(app->cli, path, stdout);
	if (ret == 0)
		printf("Read CLI commands from %s\n", path);
	else if (!app->testpmd)
		return fail(app, "--cmdline-file=%s: %s", path,
			    ret == -EINVAL ? "a command failed" : strerror(-ret));
	return 0;
}

static int
restore(struct app *app, const char *text, const char *path)
{
	int ret = cli_run_text(app->cli, text, path, stdout);

	if (ret < 0)
		return fail(app,
			    "%s: the settings of the run that crashed cannot be restored: %s;"
			    " --no-keep starts without them",
			    path, ret == -EINVAL ? "a command failed" : strerror(-ret));
	log_notice(NULL, "settings of the run that crashed are restored from %s", path);
	return 0;
}

/* All comes from the process whose place this one takes; workers start with the first ring. */
static int
take_over(struct app *app)
{
	char err[APP_ERR_MAX];

	if (successor_configure(app, err, sizeof(err)) < 0 ||
	    successor_take_over(app, err, sizeof(err)) < 0)
		return fail(app, "%s", err);
	workers_launch(app);
	sw_publish(&app->sw);
	successor_end(app);
	kept_config_begin(app->kept);
	return 0;
}

/* Settings come from the run that crashed or from the command file. */
static int
configure(struct app *app)
{
	const char *path, *text;
	int ret;

	workers_launch(app);
	text = kept_config_found(app, &path);
	ret = text != NULL ? restore(app, text, path) : run_command_file(app);

	if (ret == 0 && text == NULL)
		start_forwarding(app);
	if (ret == 0)
		kept_config_begin(app->kept);
	return ret;
}

/* SIGHUP. Lines that hold already change nothing. */
static void
reload(struct app *app)
{
	const char *path = app->opt.cmdline_file;

	if (path == NULL)
		log_notice(NULL, "SIGHUP: there is no --cmdline-file to run again");
	else if (cli_run_file(app->cli, path, stdout) == 0)
		log_notice(NULL, "SIGHUP: commands of %s run again", path);
	else
		log_warn(NULL, "SIGHUP: not all commands of %s are done", path);
	kept_config_file_changed(app->kept);
	fflush(stdout);
}

/* --check. The end of these ports is none of the user's business. */
static int
rehearse(struct app *app)
{
	int ret;

	sw_publish(&app->sw);
	fwd_setup(app, stdout);
	ret = run_command_file(app);
	if (ret == 0)
		puts("The configuration is valid");
	fflush(stdout);
	if (freopen("/dev/null", "w", stdout) == NULL)
		return fail(app, "/dev/null: %s", strerror(errno));
	return ret;
}

static int
run(struct app *app)
{
	const struct options *o = &app->opt;
	int ret;

	app->reload = reload;
	ret = ctl_init(app);
	if (ret < 0)
		return fail(app, "signals: %s", strerror(-ret));
	sw_publish(&app->sw);
	fwd_setup(app, stdout);
	announce_ports(app);
	ret = app->successor != NULL ? take_over(app) : configure(app);
	if (ret < 0)
		return ret;
	fflush(stdout);
	if (o->interactive)
		ret = cli_prompt(app->cli);
	else if (app->testpmd && o->stats_period == 0)
		ret = enter_watch(app);
	if (ret < 0)
		return fail(app, "standard input: %s", strerror(-ret));
	notify_ready(&app->notify, app->loop);
	ev_run(app->loop);
	app->sw.ending = true;
	notify_stopping(&app->notify);
	kept_config_forget(app->kept);
	return 0;
}

/* --- end --- */

static void
close_ports(struct app *app)
{
	sw_leave_all(&app->sw);
	for (uint16_t id = 0; id < app->sw.nports; id++) {
		if (app->sw.port[id] == NULL)
			continue;
		printf("\nShutting down port %u...\nClosing ports...\n", id);
		sw_port_remove(&app->sw, app->sw.port[id]);
		printf("Port %u is closed\nDone\n", id);
	}
}

static void
stop_ports(struct app *app)
{
	for (uint16_t id = 0; id < app->sw.nports; id++)
		if (app->sw.port[id] != NULL)
			printf("\nStopping port %u...\nStopping ports...\nDone\n", id);
}

static void
finish(struct app *app)
{
	if (app->loop != NULL)
		telemetry_fini(app);
	metrics_http_free(app->metrics);
	control_socket_free(app->control);
	kept_config_free(app->kept);
	if (app->cli != NULL)
		cli_free(app->cli);
	enter_unwatch();
	ctl_fini(app);
	if (app->sw.fdb != NULL) {
		if (app->sw.forwarding)
			fwd_stop(app, stdout);
		stop_ports(app);
		workers_join(app);
		vxlan_free(app->vxlan);
		sflow_agent_free(app->sflow);
		balancer_free(app);
		close_ports(app);
		sw_fini(&app->sw);
	}
	vdpa_fini();
	workers_fini(app);
	reaper_fini();
	record_settle(RECORD_SETTLE_MS);
	upgrade_free(app);
	events_free(app->events);
	if (app->loop != NULL)
		ev_loop_free(app->loop);
	argv_free(&app->args);
}

int
main(int argc, char **argv)
{
	static struct app app;
	static struct fwd fwd;
	int ret;

	/* asked for alone it needs neither EAL's arguments nor the "--" behind them */
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts(version);
		return 0;
	}
	app.fwd = &fwd;
	app.name = basename(argv[0]);
	app.testpmd = strcmp(app.name, "dpdk-testpmd") == 0 || strcmp(app.name, "testpmd") == 0;
	app.argc = argc;
	app.argv = argv;
	sched_getaffinity(0, sizeof(app.cpus), &app.cpus);
	ctl_block_signals();
	ret = init(&app, argc, argv);
	if (ret == 0)
		ret = app.opt.check ? rehearse(&app) : run(&app);
	/* sockets, journals and kept settings are still its predecessor's: nothing is removed */
	if (ret != 0 && app.successor != NULL) {
		fflush(stdout);
		/* which would take interfaces down that are the predecessor's again */
		if (app.eal && !successor_has_devices(app.successor))
			rte_eal_cleanup();
		eal_files_remove(app.eal ? app.args.eal_prefix : NULL);
		_exit(1);
	}
	finish(&app);
	if (ret == 0)
		puts("\nBye...");
	log_limit_end();
	if (app.eal)
		rte_eal_cleanup();
	eal_files_remove(app.eal ? app.args.eal_prefix : NULL);
	return ret == 0 ? 0 : 1;
}
