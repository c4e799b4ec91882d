/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vdpa bus: attaching the device.
 *
 * The kernel carries a request on the bus out in the system call, and the driver's first requests
 * to the device are a part of it. So a thread of its own sends the request, while control answers
 * the driver. The thread knows nothing but its copy of the names; the last of both to look at the
 * work frees it. Work that is done is freed when its thread has ended, whose last act is a post in
 * the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <linux/vdpa.h>
#include <net/if.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>
#include <libmnl/libmnl.h>

#include <rte_common.h>

#include "vduse/dev.h"

#define REQUEST_MAX 8192

enum work_state {
	WORK_RUNS,
	WORK_DONE,      /* the owner frees it */
	WORK_ABANDONED, /* the thread frees it */
	WORK_TAKEN,     /* another thread joins it and frees it */
};

struct vduse_bus {
	struct ev_work work; /* posted at the end */
	struct ev_loop *loop;
	struct vduse *v; /* control's */
	const struct vduse_sys *sys;
	pthread_t thread;
	char name[VDUSE_NAME_MAX];
	const char *driver;
	char ifname[IFNAMSIZ];
	char netns[NAME_MAX];
	bool on_bus;   /* the bus has it, with whatever driver */
	char end[64];  /* see struct vduse */
	char err[160]; /* "": success */
	atomic_int state;
};

/* --- the thread --- */

static bool __attribute__((format(printf, 2, 3))) fail(struct vduse_bus *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b->err, sizeof(b->err), fmt, ap);
	va_end(ap);
	return false;
}

static int
take_family(const struct nlmsghdr *h, void *data)
{
	const struct nlattr *a;
	uint16_t *id = data;

	mnl_attr_for_each(a, h, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(a) == CTRL_ATTR_FAMILY_ID)
			*id = mnl_attr_get_u16(a);
	}
	return MNL_CB_OK;
}

/** Send the request in @p h and read its answer. 0 or -errno. */
static int
transact(int protocol, struct nlmsghdr *h, mnl_cb_t cb, void *data)
{
	struct mnl_socket *nl = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	char buf[REQUEST_MAX];
	ssize_t n = -1;
	int ret = 1;

	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	h->nlmsg_seq = 1;
	if (nl != NULL && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(nl, h, h->nlmsg_len) >= 0)
		while (ret > 0 && (n = mnl_socket_recvfrom(nl, buf, sizeof(buf))) > 0)
			ret = mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), cb, data);
	ret = n <= 0 || ret < 0 ? -errno : 0;
	if (nl != NULL)
		mnl_socket_close(nl);
	return ret;
}

static struct nlmsghdr *
genl_request(char *buf, uint16_t family, uint8_t cmd)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *g;

	h->nlmsg_type = family;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	*g = (struct genlmsghdr){.cmd = cmd, .version = 1};
	return h;
}

int
vduse_bus_request(const char *name, bool on)
{
	const uint8_t cmd = on ? VDPA_CMD_DEV_NEW : VDPA_CMD_DEV_DEL;
	char buf[REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *h = genl_request(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	uint16_t family = 0;
	int ret;

	mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, VDPA_GENL_NAME);
	ret = transact(NETLINK_GENERIC, h, take_family, &family);
	if (ret != 0)
		return ret;
	h = genl_request(buf, family, cmd);
	if (on)
		mnl_attr_put_strz(h, VDPA_ATTR_MGMTDEV_DEV_NAME, "vduse");
	mnl_attr_put_strz(h, VDPA_ATTR_DEV_NAME, name);
	return transact(NETLINK_GENERIC, h, NULL, NULL);
}

static int
write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int ret = n < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

/** Whether the device has the driver @p b wants; *any: it has one. */
static bool
has_driver(const struct vduse_bus *b, bool *any)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/devices/%s/driver", b->sys->sysfs, b->name);
	n = readlink(path, target, sizeof(target) - 1);
	*any = n > 0;
	if (n <= 0)
		return false;
	target[n] = '\0';
	return strcmp(basename(target), b->driver) == 0;
}

/** The driver whose module was loaded first takes a device, unless told otherwise. */
static bool
choose_driver(struct vduse_bus *b)
{
	char path[PATH_MAX];
	bool any;
	int ret;

	if (has_driver(b, &any))
		return true;
	snprintf(path, sizeof(path), "%s/devices/%s/driver_override", b->sys->sysfs, b->name);
	ret = write_text(path, b->driver);
	if (ret != 0)
		return fail(b, "%s: %s", path, strerror(-ret));
	if (any) {
		snprintf(path, sizeof(path), "%s/devices/%s/driver/unbind", b->sys->sysfs, b->name);
		write_text(path, b->name);
	}
	snprintf(path, sizeof(path), "%s/drivers_probe", b->sys->sysfs);
	write_text(path, b->name);
	return has_driver(b, &any) || fail(b, "the kernel module %s is not loaded", b->driver);
}

/** Index of the network interface of the device, 0: it has none here. */
static unsigned int
interface_of(const struct vduse_bus *b, char *name, size_t len)
{
	char pattern[PATH_MAX];
	unsigned int index = 0;
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/devices/%s/virtio*/net/*", b->sys->sysfs, b->name);
	if (glob(pattern, 0, NULL, &g) == 0 && g.gl_pathc > 0) {
		strlcpy(name, basename(g.gl_pathv[0]), len);
		index = if_nametoindex(name);
	}
	globfree(&g);
	return index;
}

/** Give the interface its name and its namespace. */
static bool
place_interface(struct vduse_bus *b)
{
	char buf[REQUEST_MAX] __attribute__((aligned(8))), name[IFNAMSIZ], path[PATH_MAX];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	unsigned int index = interface_of(b, name, sizeof(name));
	struct ifinfomsg *m;
	int ns = -1, ret;

	snprintf(b->end, sizeof(b->end), "%s",
		 b->ifname[0] != '\0' ? b->ifname
		 : index != 0         ? name
				      : "");
	/* an interface that a predecessor has moved is in another namespace */
	if (index == 0 || (b->ifname[0] == '\0' && b->netns[0] == '\0'))
		return true;
	h->nlmsg_type = RTM_NEWLINK;
	m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	*m = (struct ifinfomsg){.ifi_family = AF_UNSPEC, .ifi_index = (int)index};
	if (b->ifname[0] != '\0')
		mnl_attr_put_strz(h, IFLA_IFNAME, b->ifname);
	if (b->netns[0] != '\0') {
		snprintf(path, sizeof(path), "/run/netns/%s", b->netns);
		ns = open(path, O_RDONLY | O_CLOEXEC);
		if (ns < 0)
			return fail(b, "network namespace %s: %s", b->netns, strerror(errno));
		mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)ns);
	}
	ret = transact(NETLINK_ROUTE, h, NULL, NULL);
	if (ns >= 0)
		close(ns);
	return ret == 0 || fail(b, "interface %s cannot be named %s%s%s: %s", name,
				b->ifname[0] != '\0' ? b->ifname : name,
				ns >= 0 ? " and moved to " : "", b->netns, strerror(-ret));
}

/** Of vhost_vdpa, which programs open. */
static void
find_node(struct vduse_bus *b)
{
	char pattern[PATH_MAX];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/devices/%s/vhost-vdpa-*", b->sys->sysfs, b->name);
	if (glob(pattern, 0, NULL, &g) == 0 && g.gl_pathc > 0)
		snprintf(b->end, sizeof(b->end), "/dev/%.50s", basename(g.gl_pathv[0]));
	globfree(&g);
}

static const char *
why_refused(int err)
{
	switch (-err) {
	case ENOENT:
		return ": the kernel has no vdpa bus (module vdpa)";
	case EPERM:
		return ": CAP_NET_ADMIN is missing";
	default:
		return "";
	}
}

static void
do_work(struct vduse_bus *b)
{
	int ret = b->sys->bus(b->name, true);

	if (ret == -EEXIST)
		ret = 0; /* a predecessor has attached it */
	b->on_bus = ret == 0;
	if (ret != 0)
		fail(b, "the vdpa bus refuses the device: %s%s", strerror(-ret), why_refused(ret));
	else if (!choose_driver(b))
		return;
	else if (strcmp(b->driver, "virtio_vdpa") == 0)
		place_interface(b);
	else
		find_node(b);
}

static void *
work_thread(void *arg)
{
	struct vduse_bus *b = arg;
	int state = WORK_RUNS;

	do_work(b);
	if (atomic_compare_exchange_strong(&b->state, &state, WORK_DONE))
		ev_post(b->loop, &b->work);
	else if (state == WORK_ABANDONED)
		free(b); /* no thread waits for it */
	return NULL;
}

/* --- control --- */

static void
on_attached(struct ev_work *w)
{
	struct vduse_bus *b = container_of(w, struct vduse_bus, work);
	struct vduse *v = b->v;

	if (v != NULL) {
		pthread_join(b->thread, NULL);
		v->bus = NULL;
		v->on_bus = b->on_bus;
		strlcpy(v->end, b->end, sizeof(v->end));
		strlcpy(v->bus_error, b->err, sizeof(v->bus_error));
		if (b->err[0] == '\0')
			log_info(v->dev->name, "%s is on the vdpa bus", v->path);
		else
			log_warn(v->dev->name, "%s: %s", v->path, b->err);
	}
	free(b);
}

static int
start_work(struct vduse *v, struct vduse_bus *b)
{
	int ret;

	b->work.fn = on_attached;
	b->loop = v->loop;
	b->v = v;
	strlcpy(b->name, v->name, sizeof(b->name));
	ret = pthread_create(&b->thread, NULL, work_thread, b);
	if (ret == 0)
		v->bus = b;
	return -ret;
}

int
vduse_bus_attach(struct vduse *v)
{
	static const char *const driver[] = {
		[VDUSE_ATTACH_VIRTIO] = "virtio_vdpa",
		[VDUSE_ATTACH_VHOST] = "vhost_vdpa",
	};
	struct vduse_bus *b = calloc(1, sizeof(*b));
	int ret;

	if (b == NULL)
		return -ENOMEM;
	b->sys = v->sys;
	b->driver = driver[v->attach];
	strlcpy(b->ifname, v->ifname, sizeof(b->ifname));
	strlcpy(b->netns, v->netns, sizeof(b->netns));
	ret = start_work(v, b);
	if (ret < 0)
		free(b);
	return ret;
}

/** False: it is done, and its post in the loop frees it. */
static bool
let_go(struct vduse_bus *b, int state)
{
	int runs = WORK_RUNS;

	b->v = NULL;
	if (atomic_compare_exchange_strong(&b->state, &runs, state))
		return true;
	pthread_join(b->thread, NULL);
	return false;
}

void
vduse_bus_abandon(struct vduse *v)
{
	struct vduse_bus *b = v->bus;
	pthread_t thread;

	if (b == NULL)
		return;
	v->bus = NULL;
	thread = b->thread;
	if (let_go(b, WORK_ABANDONED))
		pthread_detach(thread);
}

struct vduse_bus *
vduse_bus_take(struct vduse *v)
{
	struct vduse_bus *b = v->bus;

	v->bus = NULL;
	return b != NULL && let_go(b, WORK_TAKEN) ? b : NULL;
}

void
vduse_bus_finish(struct vduse_bus *b)
{
	if (b == NULL)
		return;
	pthread_join(b->thread, NULL);
	free(b);
}
