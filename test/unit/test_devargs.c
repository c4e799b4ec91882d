/* SPDX-License-Identifier: BSD-3-Clause */
/* Device arguments of a vhost port: DPDK's words, our words, and what is neither. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "vdev/vdev.h"
#include "virtio/devargs.h"
#include "vhost_user/backend.h"

#define DEVICE "net_vhost7,iface=/tmp/s"

static char err[256];

static int
parse(const char *text, struct virtio_devargs *a)
{
	virtio_devargs_init(a);
	err[0] = '\0';
	return virtio_devargs_parse(text, a, err, sizeof(err));
}

static void
test_defaults(void **state)
{
	struct virtio_devargs a;

	assert_int_equal(parse(DEVICE, &a), 0);
	assert_string_equal(a.name, "net_vhost7");
	assert_string_equal(a.text, "iface=/tmp/s");
	assert_string_equal(a.path, "/tmp/s");
	assert_int_equal(a.queues, 1);
	assert_false(a.client);
	assert_int_equal(a.without, 0);
	assert_int_equal(a.options, 0);
	assert_int_equal(a.mode, 0);
	assert_int_equal(a.owner, (uid_t)-1);
	assert_int_equal(a.group, (gid_t)-1);
	assert_int_equal(a.policy, VDEV_POLICY_ANY);
	assert_int_equal(a.mtu, 0);
	assert_false(a.mac_set);
}

static void
test_values(void **state)
{
	struct virtio_devargs a;

	assert_int_equal(parse("eth_vhost0,iface=x,queues=128,client=1,tso=0,iommu-support=0,"
			       "mode=0660,owner=0,group=root,format=modern-only,mtu=9000,"
			       "mac=02:00:00:00:00:01,postcopy-support=0,linear-buffer=1",
			       &a),
			 0);
	assert_int_equal(a.queues, 128);
	assert_true(a.client);
	assert_true(a.without & VDEV_F(ACCESS_PLATFORM));
	assert_false(a.without & VDEV_F(VERSION_1));
	assert_int_equal(a.mode, 0660);
	assert_int_equal(a.owner, 0);
	assert_int_equal(a.group, 0);
	assert_int_equal(a.policy, VDEV_POLICY_MODERN_ONLY);
	assert_int_equal(a.mtu, 9000);
	assert_true(a.mac_set);
	assert_int_equal(a.mac.addr_bytes[0], 2);
}

static void
test_protocol_features(void **state)
{
	static const struct {
		const char *text;
		uint32_t options;
	} cases[] = {
		{DEVICE ",config=1", VHU_OPTION_CONFIG},
		{DEVICE ",device-state=1", VHU_OPTION_DEVICE_STATE},
		{DEVICE ",base-inflight=1", VHU_OPTION_BASE_INFLIGHT},
		{DEVICE ",gpa-addresses=1", VHU_OPTION_GPA_ADDRESSES},
		{DEVICE ",postcopy-support=1", VHU_OPTION_POSTCOPY},
		{DEVICE ",config=1,gpa-addresses=1,config=0", VHU_OPTION_GPA_ADDRESSES},
	};
	struct virtio_devargs a;
	size_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		assert_int_equal(parse(cases[i].text, &a), 0);
		assert_int_equal(a.options, cases[i].options);
	}
}

/* Each key that means something makes another device; the order of keys does not. */
static void
test_same(void **state)
{
	static const struct {
		const char *base, *key;
	} rows[] = {
		{DEVICE, "queues=2"},
		{DEVICE, "client=1"},
		{DEVICE, "tso=0"},
		{DEVICE, "iommu-support=0"},
		{DEVICE, "packed=0"},
		{DEVICE, "event-idx=0"},
		{DEVICE, "mode=0660"},
		{DEVICE, "owner=1"},
		{DEVICE, "group=1"},
		{DEVICE, "format=legacy-le"},
		{DEVICE, "vm=x"},
		{DEVICE, "mtu=1400"},
		{DEVICE, "config=1"},
		{DEVICE, "device-state=1"},
		{DEVICE, "base-inflight=1"},
		{DEVICE, "gpa-addresses=1"},
		{DEVICE, "mac=02:00:00:00:00:01"},
		{DEVICE, "vdpa=sim0"},
		{DEVICE ",vdpa=sim0", "vdpa=sim1"},
		{DEVICE ",vdpa=sim0", "hw=never"},
		{DEVICE ",vdpa=sim0", "migrate=device"},
		{DEVICE "", "shadow=net_vhost_vdpa0"},
		{DEVICE ",vdpa=sim0", "uplink=2"},
		{"net_vhost7,iface=/dev/vduse/x", "attach=vhost"},
		{"net_vhost7,iface=/dev/vduse/x", "ifname=eth7"},
		{"net_vhost7,iface=/dev/vduse/x", "netns=web"},
	};
	struct virtio_devargs a, b;
	char text[200];

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		assert_int_equal(parse(rows[i].base, &a), 0);
		snprintf(text, sizeof(text), "%s,%s", rows[i].base, rows[i].key);
		if (parse(text, &b) != 0 || virtio_devargs_same(&a, &b))
			fail_msg("%s: %s", text, err[0] != '\0' ? err : "the same device");
	}
	assert_int_equal(parse(DEVICE ",mtu=1400,vm=x", &a), 0);
	assert_int_equal(parse(DEVICE ",vm=x,mtu=1400", &b), 0);
	assert_true(virtio_devargs_same(&a, &b));
}

/* A list goes on with words that have no '='. */
static void
test_hardware(void **state)
{
	struct virtio_devargs a, b;

	assert_int_equal(parse(DEVICE, &a), 0);
	assert_int_equal(a.nvdpa, 0);
	assert_int_equal(a.hw, VDEV_HW_PREFER);
	assert_int_equal(a.migrate, VDEV_MIGRATE_SOFTWARE);
	assert_int_equal(parse(DEVICE
			       ",vdpa=sim0,sim-b,hw=require,migrate=device,uplink=net_ring_w0",
			       &b),
			 0);
	assert_int_equal(b.nvdpa, 2);
	assert_string_equal(b.vdpa[0], "sim0");
	assert_string_equal(b.vdpa[1], "sim-b");
	assert_int_equal(b.hw, VDEV_HW_REQUIRE);
	assert_int_equal(b.migrate, VDEV_MIGRATE_DEVICE);
	assert_string_equal(b.uplink, "net_ring_w0");
	assert_false(virtio_devargs_same(&a, &b));
	assert_int_equal(parse(DEVICE ",vdpa=sim0,vdpa=sim1", &a), 0);
	assert_int_equal(a.nvdpa, 2);
}

/* One clear sentence that names the device and the key. */
static void
test_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"net_tap0,iface=x", "net_vhost0"},
		{"net_vhost0", "iface=PATH is missing"},
		{"net_vhost0,iface=", "iface="},
		{DEVICE ",queues=0", "queues=0"},
		{DEVICE ",queues=129", "1 to 128"},
		{DEVICE ",queues=-1", "queues=-1"},
		{DEVICE ",client=yes", "0 or 1"},
		{DEVICE ",mode=8", "octal"},
		{DEVICE ",mode=01777", "octal"},
		{DEVICE ",owner=no such user", "owner"},
		{DEVICE ",format=big", "modern-only"},
		{DEVICE ",mtu=67", "68 to 65535"},
		{DEVICE ",mac=ff:ff:ff:ff:ff:ff", "unicast"},
		{DEVICE ",config=2", "config=2"},
		{DEVICE ",gpa-addresses=", "gpa-addresses"},
		{DEVICE ",postcopy-support=2", "postcopy"},
		{DEVICE ",dmas=txq0", "DMA"},
		{DEVICE ",colour=red", "unknown key 'colour'"},
		{DEVICE ",vdpa=", "vDPA devices"},
		{DEVICE ",vdpa=card0", "sim0"},
		{DEVICE ",vdpa=sim0,sim0", "different"},
		{DEVICE ",vdpa=sim0,mac=02:00:00:00:00:01,sim1", "unknown key 'sim1'"},
		{DEVICE ",sim0", "unknown key 'sim0'"},
		{DEVICE ",vdpa=sim0,sim1,sim2,sim3,sim4,sim5,sim6,sim7,sim8", "up to 8"},
		{DEVICE ",vdpa=sim0,hw=maybe", "prefer, require or never"},
		{DEVICE ",vdpa=sim0,migrate=both", "software or device"},
		{DEVICE ",shadow=", "a vhost-vdpa port"},
		{DEVICE ",shadow=net_vhost_vdpa0,vdpa=sim0", "either"},
		{"net_vhost0,iface=/dev/vduse/v0,shadow=net_vhost_vdpa0", "no use of cards"},
		{DEVICE ",vdpa=sim0,uplink=", "uplink="},
		{DEVICE ",hw=require", "needs vdpa=DEVICE"},
		{DEVICE ",uplink=0", "needs vdpa=DEVICE"},
		{"net_vhost0,iface=/dev/vduse/a,queues=129", "1 to 128 queue pairs"},
		{"net_vhost0,iface=/dev/vduse/a,client=1", "client=1 means nothing"},
		{"net_vhost0,iface=/dev/vduse/a,vm=x", "vm means nothing"},
		{"net_vhost0,iface=/dev/vduse/a,format=legacy-be", "modern VDUSE devices only"},
		{"net_vhost0,iface=/dev/vduse/a,attach=kernel", "virtio, vhost or none"},
		{"net_vhost0,iface=/dev/vduse/a,attach=vhost,ifname=e", "attach=virtio"},
		{"net_vhost0,iface=/dev/vduse/a,ifname=sixteen-letters-", "at most 15"},
		{"net_vhost0,iface=/dev/vduse/a,netns=a/b", "namespace"},
		{DEVICE ",ifname=eth0", "keys of a VDUSE device"},
		{DEVICE ",attach=none", "keys of a VDUSE device"},
	};
	struct virtio_devargs a;
	size_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		assert_int_equal(parse(cases[i].text, &a), -EINVAL);
		if (strstr(err, cases[i].says) == NULL)
			fail_msg("'%s': '%s'", cases[i].text, err);
	}
}

static void
test_too_long(void **state)
{
	char text[2 * VIRTIO_DEVARGS_MAX];
	struct virtio_devargs a;

	snprintf(text, sizeof(text), "net_vhost0,iface=/%0*d", (int)sizeof(a.path), 0);
	assert_int_equal(parse(text, &a), -EINVAL);
	assert_non_null(strstr(err, "107 bytes"));
	snprintf(text, sizeof(text), "net_vhost0,iface=/%0*d", VIRTIO_DEVARGS_MAX, 0);
	assert_int_equal(parse(text, &a), -EINVAL);
	assert_non_null(strstr(err, "too long"));
	snprintf(text, sizeof(text), "net_vhost%0*d,iface=x", PORT_NAME_MAX, 0);
	assert_int_equal(parse(text, &a), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_protocol_features),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_hardware),
		cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
