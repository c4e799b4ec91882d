/* SPDX-License-Identifier: BSD-3-Clause */
/* VDUSE devices made, found, put on the vdpa bus, taken off it and destroyed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "vduse/kernel.h"
#include "vduse_model.h"

#define OK VDUSE_REQ_RESULT_OK
#define FAILED VDUSE_REQ_RESULT_FAILED

/* --- the bus in sysfs --- */

static char *
sysfs(const char *name)
{
	static char path[2][128];
	static unsigned int n;

	snprintf(path[++n % 2], sizeof(path[0]), "%s/%s", vk_sysfs, name);
	return path[n % 2];
}

static int
with_sysfs(void **state)
{
	int ret = vk_setup(state);

	mkdir(vk_sysfs, 0700);
	mkdir(sysfs("devices"), 0700);
	mkdir(sysfs("devices/test"), 0700);
	close(creat(sysfs("devices/test/driver_override"), 0600));
	close(creat(sysfs("drivers_probe"), 0600));
	return ret;
}

static int
without_sysfs(void **state)
{
	unlink(sysfs("devices/test/driver"));
	unlink(sysfs("devices/test/driver_override"));
	unlink(sysfs("drivers_probe"));
	rmdir(sysfs("devices/test/vhost-vdpa-3"));
	rmdir(sysfs("devices/test"));
	rmdir(sysfs("devices"));
	rmdir(vk_sysfs);
	return vk_teardown(state);
}

static void
has_driver(const char *driver)
{
	unlink(sysfs("devices/test/driver"));
	if (driver != NULL)
		assert_int_equal(symlink(driver, sysfs("devices/test/driver")), 0);
}

static const char *
last_error(void)
{
	struct transport_info info;

	vk_transport->ops->info(vk_transport, &info);
	return info.last_error;
}

static const struct transport_fact *
fact(const char *name)
{
	static struct transport_fact f[TRANSPORT_FACTS_MAX];
	uint32_t n = vk_transport->ops->facts(vk_transport, f);

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(f[i].name, name) == 0)
			return &f[i];
	fail_msg("no fact %s", name);
	return NULL;
}

/* --- attaching --- */

static void
run_until(bool (*condition)(void))
{
	while (!condition())
		ev_run_once(vk_owner.loop, 10);
}

static bool
bus_was_asked(void)
{
	return vk.bus_asked > 0;
}

static bool
is_on_bus(void)
{
	return vk.on_bus;
}

static bool
is_destroyed(void)
{
	return vk.destroyed;
}

static bool
has_error(void)
{
	return last_error() != NULL;
}

static bool
is_created(void)
{
	return vk.created;
}

static void
a_device_is_put_on_the_bus_and_taken_off(void **state)
{
	unsigned int fds = open_fds();

	has_driver("../virtio_vdpa");
	vk_attach = VDUSE_ATTACH_VIRTIO;
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	run_until(is_on_bus);
	vk_detach();
	run_until(is_destroyed);
	assert_false(vk.on_bus);
	close(vk.fd);
	vk.fd = -1;
	/* of the control node the last descriptor is closed a moment later */
	while (open_fds() != fds)
		usleep(1000);
}

static bool
is_told(void)
{
	return fact("vduse_on_bus")->number != 0;
}

static void
the_drivers_end_is_told(void **state)
{
	vk.version = 1;
	vk_attach = VDUSE_ATTACH_VHOST;
	has_driver("../vhost_vdpa");
	mkdir(sysfs("devices/test/vhost-vdpa-3"), 0700);
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	assert_int_equal(fact("vduse_on_bus")->number, 0);
	run_until(is_told);
	assert_string_equal(fact("vduse_attach")->text, "vhost");
	assert_string_equal(fact("vduse_node")->text, "/dev/vhost-vdpa-3");
	assert_string_equal(fact("vduse_state")->text, "not in use");
	assert_int_equal(fact("vduse_api_version")->number, 1);
	assert_int_equal(fact("vduse_answered_late")->number, 0);
}

/** Each is a line that names it. */
static const struct {
	int open_err, create_err, bus_err;
	bool no_node, busy;
	const char *driver;
	const char *says;
} missing[] = {
	{.open_err = ENOENT, .says = "kernel module vduse"},
	{.open_err = EACCES, .says = "/dev/vduse/control: Permission denied"},
	{.create_err = EPERM, .says = "CAP_NET_ADMIN"},
	{.no_node = true, .says = "devtmpfs"},
	{.busy = true, .says = "another process"},
	{.bus_err = ENOENT, .says = "module vdpa"},
	{.bus_err = EPERM, .says = "CAP_NET_ADMIN"},
	{.bus_err = EINVAL, .says = "Invalid argument"},
	{.says = "module virtio_vdpa is not loaded"},
	{.driver = "../vhost_vdpa", .says = "module virtio_vdpa is not loaded"},
};

static void
what_is_missing_is_said(void **state)
{
	for (size_t i = 0; i < RTE_DIM(missing); i++) {
		const char *says;

		vk.open_err = missing[i].open_err;
		vk.create_err = missing[i].create_err;
		vk.bus_err = missing[i].bus_err;
		vk.no_node = missing[i].no_node;
		vk.busy = vk.exists = missing[i].busy;
		has_driver(missing[i].driver);
		vk_attach = VDUSE_ATTACH_VIRTIO;
		vk_transport = vk_make();
		if (vk_transport != NULL)
			run_until(has_error);
		says = vk_transport != NULL ? last_error() : vk_err;
		if (strstr(says, missing[i].says) == NULL || strchr(says, '\n') != NULL)
			fail_msg("row %zu: %s", i, says);
		vk.open_err = 0;
		vk.bus_err = 0;
		vk.busy = false;
		if (vk_transport == NULL)
			continue;
		/* whatever became of it, nothing of it is left */
		vk.destroyed = false;
		vk_detach();
		run_until(is_destroyed);
		assert_false(vk.on_bus);
	}
}

static void
a_driver_with_other_options_is_refused(void **state)
{
	vk.exists = true;
	vk.on_bus = true;
	vk_driver_rings(1u << VIRTIO_NET_F_CTRL_VQ);
	assert_null(vk_make());
	assert_non_null(strstr(vk_err, "not offered"));
	assert_false(vk.destroyed);
}

/* --- what a predecessor left --- */

/** Killed when the node was there and its rings were not set up: the bus would refuse it. */
static void
a_device_that_is_half_made_is_made_anew(void **state)
{
	has_driver("../virtio_vdpa");
	vk.exists = true;
	vk_attach = VDUSE_ATTACH_VIRTIO;
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	assert_int_equal(vk.setups, 2);
	run_until(is_told);
	assert_null(last_error());
	/* and so are one's own options */
	assert_true(vk.created);
}

/* --- removal --- */

/** A driver that leaves has its questions answered; none may start. */
static void
a_driver_may_leave(void **state)
{
	struct vduse_dev_request words[] = {
		{.type = VDUSE_K_SET_VQ_READY},
		{.type = VDUSE_K_SUSPEND},
		{.type = VDUSE_SET_STATUS, .s.status = 3},
		{.type = VDUSE_SET_STATUS, .s.status = 0},
		{.type = VDUSE_UPDATE_IOTLB, .iova = {0, UINT64_MAX}},
		{.type = VDUSE_SET_STATUS, .s.status = STARTED},
		{.type = VDUSE_GET_VQ_STATE},
	};

	vk_attach = VDUSE_ATTACH_VHOST;
	has_driver("../vhost_vdpa");
	vk_start(0);
	vk.last_words = words;
	vk.nlast_words = RTE_DIM(words);
	vk_detach();
	run_until(is_destroyed);
	for (size_t i = 0; i < RTE_DIM(words); i++)
		if (vk.last_results[i] != (i < 5 ? OK : FAILED))
			fail_msg("word %zu: %u", i, vk.last_results[i]);
}

/** An interrupt's thread, for one, has it. */
static void
a_device_whose_node_is_open_elsewhere_is_destroyed_later(void **state)
{
	vk.keeps = true;
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk_detach();
	for (int i = 0; i < 10; i++)
		ev_run_once(vk_owner.loop, 10);
	assert_false(vk.destroyed);
	close(vk.copy);
	vk.copy = -1;
	run_until(is_destroyed);
}

static void
a_broken_device_is_taken_off(void **state)
{
	vk_attach = VDUSE_ATTACH_VHOST;
	has_driver("../vhost_vdpa");
	vk_start(0);
	run_until(bus_was_asked);
	for (int i = 0; i < 5; i++)
		ev_run_once(vk_owner.loop, 10);
	close(vk.fd);
	vk.fd = -1;
	run_until(has_error);
	vk_detach();
	run_until(is_destroyed);
	assert_false(vk.on_bus);
}

static void
break_node(void)
{
	vk.created = false;
	close(vk.fd);
	vk.fd = -1;
}

/** The kernel's own driver comes back, unless that is in vain. */
static void
a_broken_device_is_made_anew(void **state)
{
	vk_attach = VDUSE_ATTACH_VIRTIO;
	has_driver("../virtio_vdpa");
	vk_start(0);
	run_until(is_told);
	break_node();
	run_until(is_created);
	assert_true(vk.destroyed);
	run_until(is_told);
	assert_true(vk.on_bus);
	assert_null(last_error());
	vk_driver_rings(0);
	assert_int_equal(vk_set_status(3), OK);
	assert_int_equal(vk_set_status(0xb), OK);
	assert_int_equal(vk_set_status(STARTED), OK);
	assert_true(vk_both_run());
	break_node();
	run_until(is_created);
	run_until(is_told);
	break_node();
	run_until(has_error);
	assert_false(vk.created);
}

/** A node that breaks meanwhile is closed: one that is not is readable all the time. */
static void
a_device_may_break_while_it_is_taken_off(void **state)
{
	struct pollfd p = {.events = 0};

	vk_attach = VDUSE_ATTACH_VHOST;
	has_driver("../vhost_vdpa");
	vk_start(0);
	run_until(is_told);
	vk.bus_held = true;
	vk_detach();
	p.fd = vk.fd;
	assert_int_equal(shutdown(vk.fd, SHUT_WR), 0);
	assert_int_equal(poll(&p, 1, VK_PATIENT_MS), 1);
	vk.bus_held = false;
	run_until(is_destroyed);
	assert_false(vk.on_bus);
}

/** Control goes on, and the new device is made when the old one has gone. */
static void
a_name_can_be_used_again_at_once(void **state)
{
	vk_attach = VDUSE_ATTACH_VHOST;
	has_driver("../vhost_vdpa");
	for (int killed = 0; killed < 2; killed++) {
		vk.destroyed = vk.created = false;
		vk.bus_asked = 0;
		vk_transport = vk_make();
		assert_non_null(vk_transport);
		run_until(is_on_bus);
		vk.bus_held = true;
		vk_detach();
		vk.created = false;
		vk_transport = vk_make();
		assert_non_null(vk_transport);
		assert_false(vk.created);
		/* and given up again */
		if (killed)
			vk_detach();
		vk.bus_held = false;
		if (killed)
			break;
		run_until(is_created);
		run_until(is_on_bus);
		vk.destroyed = false; /* the first one was */
		vk_detach();
		run_until(is_destroyed);
	}
	run_until(is_destroyed);
	assert_false(vk.created);
	assert_false(vk.exists);
}

/** The kernel refuses the new one then: the port stays, and says so. */
static void
a_name_that_cannot_be_used_again_is_told(void **state)
{
	vk_attach = VDUSE_ATTACH_VHOST;
	has_driver("../vhost_vdpa");
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	run_until(is_on_bus);
	vk.bus_held = true;
	vk_detach();
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	assert_non_null(strstr(fact("vduse_state")->text, "before it to be removed"));
	vk.create_err = EPERM;
	vk.bus_held = false;
	run_until(has_error);
	assert_non_null(strstr(last_error(), "CAP_NET_ADMIN"));
	assert_string_equal(fact("vduse_state")->text, "of no use");
	vk.destroys = 0;
	vk_detach();
	while (vk.destroys == 0)
		usleep(1000);
}

/** Its driver is chosen after it was put there: before that it cannot be taken off. */
static void
a_port_may_be_closed_while_its_device_is_being_attached(void **state)
{
	vk_attach = VDUSE_ATTACH_VIRTIO;
	vk.bus_held = true;
	vk_transport = vk_make();
	assert_non_null(vk_transport);
	vk_detach();
	for (int i = 0; i < 5; i++)
		ev_run_once(vk_owner.loop, 10);
	vk.bus_held = false;
	run_until(is_destroyed);
	assert_false(vk.on_bus);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, with_sysfs, without_sysfs)
	const struct CMUnitTest tests[] = {
		TEST(a_device_is_put_on_the_bus_and_taken_off),
		TEST(the_drivers_end_is_told),
		TEST(what_is_missing_is_said),
		TEST(a_driver_with_other_options_is_refused),
		TEST(a_device_that_is_half_made_is_made_anew),
		TEST(a_driver_may_leave),
		TEST(a_device_whose_node_is_open_elsewhere_is_destroyed_later),
		TEST(a_broken_device_is_taken_off),
		TEST(a_broken_device_is_made_anew),
		TEST(a_device_may_break_while_it_is_taken_off),
		TEST(a_name_can_be_used_again_at_once),
		TEST(a_name_that_cannot_be_used_again_is_told),
		TEST(a_port_may_be_closed_while_its_device_is_being_attached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
