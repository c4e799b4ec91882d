/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio/devargs.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>
#include <rte_kvargs.h>

#include "base/parse.h"
#include "base/record.h"
#include "vdev/vdev.h"
#include "vhost_user/backend.h"

#define BIT(n) (UINT64_C(1) << (n))
#define HOST_TSO (BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6))

/** Stores a key's value; 0 or -EINVAL. */
typedef int (*key_fn)(struct virtio_devargs *a, const char *value);

static int
parse_u32(const char *text, uint32_t max, uint32_t *out)
{
	uint64_t v;

	if (!parse_whole(text, 0, 0, max, &v))
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

static int
parse_bool(const char *text, bool *out)
{
	uint32_t v;

	if (parse_u32(text, 1, &v) < 0)
		return -EINVAL;
	*out = v != 0;
	return 0;
}

static int
key_iface(struct virtio_devargs *a, const char *value)
{
	if (*value == '\0' || strlcpy(a->path, value, sizeof(a->path)) >= sizeof(a->path))
		return -EINVAL;
	return 0;
}

static int
key_queues(struct virtio_devargs *a, const char *value)
{
	if (parse_u32(value, VDEV_QUEUE_PAIRS_MAX, &a->queues) < 0 || a->queues == 0)
		return -EINVAL;
	return 0;
}

static int
key_client(struct virtio_devargs *a, const char *value)
{
	return parse_bool(value, &a->client);
}

static int
offer(struct virtio_devargs *a, const char *value, uint64_t bits)
{
	bool on;

	if (parse_bool(value, &on) < 0)
		return -EINVAL;
	a->without = on ? a->without & ~bits : a->without | bits;
	return 0;
}

static int
key_tso(struct virtio_devargs *a, const char *value)
{
	return offer(a, value, HOST_TSO);
}

static int
key_packed(struct virtio_devargs *a, const char *value)
{
	return offer(a, value, BIT(VIRTIO_F_RING_PACKED));
}

static int
key_event_idx(struct virtio_devargs *a, const char *value)
{
	return offer(a, value, BIT(VIRTIO_RING_F_EVENT_IDX));
}

static int
key_iommu(struct virtio_devargs *a, const char *value)
{
	return offer(a, value, BIT(VIRTIO_F_ACCESS_PLATFORM));
}

/* Protocol features that some front-ends misunderstand. */
static int
option(struct virtio_devargs *a, const char *value, uint32_t bit)
{
	bool on;

	if (parse_bool(value, &on) < 0)
		return -EINVAL;
	a->options = on ? a->options | bit : a->options & ~bit;
	return 0;
}

static int
key_config(struct virtio_devargs *a, const char *value)
{
	return option(a, value, VHU_OPTION_CONFIG);
}

static int
key_device_state(struct virtio_devargs *a, const char *value)
{
	return option(a, value, VHU_OPTION_DEVICE_STATE);
}

static int
key_base_inflight(struct virtio_devargs *a, const char *value)
{
	return option(a, value, VHU_OPTION_BASE_INFLIGHT);
}

static int
key_gpa_addresses(struct virtio_devargs *a, const char *value)
{
	return option(a, value, VHU_OPTION_GPA_ADDRESSES);
}

static int
key_postcopy(struct virtio_devargs *a, const char *value)
{
	return option(a, value, VHU_OPTION_POSTCOPY);
}

/* How the PMD hands frames to mbufs; there are none here, so both values are right. */
static int
key_mbuf_only(struct virtio_devargs *a, const char *value)
{
	bool on;

	return parse_bool(value, &on);
}

static int
key_refused(struct virtio_devargs *a, const char *value)
{
	return -EINVAL;
}

static int
key_mode(struct virtio_devargs *a, const char *value)
{
	return parse_mode(value, &a->mode);
}

static int
key_owner(struct virtio_devargs *a, const char *value)
{
	return parse_user(value, &a->owner);
}

static int
key_group(struct virtio_devargs *a, const char *value)
{
	return parse_group(value, &a->group);
}

static int
key_format(struct virtio_devargs *a, const char *value)
{
	return vdev_policy_parse(value, &a->policy) ? 0 : -EINVAL;
}

static int
key_vm(struct virtio_devargs *a, const char *value)
{
	if (*value == '\0' || strlcpy(a->vm, value, sizeof(a->vm)) >= sizeof(a->vm))
		return -EINVAL;
	return 0;
}

static int
key_mtu(struct virtio_devargs *a, const char *value)
{
	uint32_t v;

	if (parse_u32(value, UINT16_MAX, &v) < 0 || v < RTE_ETHER_MIN_MTU)
		return -EINVAL;
	a->mtu = (uint16_t)v;
	return 0;
}

static int
key_mac(struct virtio_devargs *a, const char *value)
{
	if (rte_ether_unformat_addr(value, &a->mac) != 0 ||
	    !rte_is_valid_assigned_ether_addr(&a->mac))
		return -EINVAL;
	a->mac_set = true;
	return 0;
}

/* "vdpa=a,b": a word without '=' is one more device. */
static int
key_vdpa(struct virtio_devargs *a, const char *value)
{
	if (a->nvdpa == VIRTIO_VDPA_MAX || vdpa_kind_of(value) == NULL)
		return -EINVAL;
	for (uint32_t i = 0; i < a->nvdpa; i++)
		if (strcmp(a->vdpa[i], value) == 0)
			return -EINVAL;
	if (strlcpy(a->vdpa[a->nvdpa], value, VDPA_NAME_MAX) >= VDPA_NAME_MAX)
		return -EINVAL;
	a->nvdpa++;
	return 0;
}

static int
key_hw(struct virtio_devargs *a, const char *value)
{
	return vdev_hw_parse(value, &a->hw) ? 0 : -EINVAL;
}

static int
key_migrate(struct virtio_devargs *a, const char *value)
{
	return vdev_migrate_parse(value, &a->migrate) ? 0 : -EINVAL;
}

static int
key_uplink(struct virtio_devargs *a, const char *value)
{
	if (*value == '\0' || strlcpy(a->uplink, value, sizeof(a->uplink)) >= sizeof(a->uplink))
		return -EINVAL;
	return 0;
}

static int
key_shadow(struct virtio_devargs *a, const char *value)
{
	if (*value == '\0' || strlcpy(a->shadow, value, sizeof(a->shadow)) >= sizeof(a->shadow))
		return -EINVAL;
	return 0;
}

static int
key_attach(struct virtio_devargs *a, const char *value)
{
	static const char *const names[] = {
		[VDUSE_ATTACH_VIRTIO] = "virtio",
		[VDUSE_ATTACH_VHOST] = "vhost",
		[VDUSE_ATTACH_NONE] = "none",
	};

	for (size_t i = 0; i < RTE_DIM(names); i++) {
		if (strcmp(names[i], value) == 0) {
			a->attach = (enum vduse_attach)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int
key_ifname(struct virtio_devargs *a, const char *value)
{
	return *value == '\0' || strchr(value, '/') != NULL ||
			       strlcpy(a->ifname, value, sizeof(a->ifname)) >= sizeof(a->ifname)
		       ? -EINVAL
		       : 0;
}

static int
key_netns(struct virtio_devargs *a, const char *value)
{
	return *value == '\0' || strchr(value, '/') != NULL ||
			       strlcpy(a->netns, value, sizeof(a->netns)) >= sizeof(a->netns)
		       ? -EINVAL
		       : 0;
}

static int
key_record(struct virtio_devargs *a, const char *value)
{
	return *value != '/' || strlcpy(a->record, value, sizeof(a->record)) >= sizeof(a->record)
		       ? -EINVAL
		       : 0;
}

static int
key_record_max(struct virtio_devargs *a, const char *value)
{
	if (parse_u32(value, RECORD_LIMIT_MAX, &a->record_max) < 0 || a->record_max == 0)
		return -EINVAL;
	return 0;
}

static const struct key {
	const char *name;
	key_fn fn;
	const char *expects; /* for the error line */
} keys[] = {
	{"iface", key_iface, "the path of a socket or VDUSE device, at most 107 bytes"},
	{"queues", key_queues, "1 to 128 queue pairs"},
	{"client", key_client, "0 or 1"},
	{"tso", key_tso, "0 or 1"},
	{"iommu-support", key_iommu, "0 or 1"},
	{"packed", key_packed, "0 or 1"},
	{"event-idx", key_event_idx, "0 or 1"},
	{"linear-buffer", key_mbuf_only, "0 or 1"},
	{"ext-buf", key_mbuf_only, "0 or 1"},
	{"legacy-ol-flags", key_mbuf_only, "0 or 1"},
	{"postcopy-support", key_postcopy, "0 or 1"},
	{"dmas", key_refused, "nothing: copies are not offloaded to DMA engines"},
	{"dma-ring-size", key_refused, "nothing: copies are not offloaded to DMA engines"},
	{"mode", key_mode, "octal permissions of the socket"},
	{"owner", key_owner, "a user name or number"},
	{"group", key_group, "a group name or number"},
	{"format", key_format, "any, modern-only, legacy-le or legacy-be"},
	{"vm", key_vm, "a name, at most 63 bytes"},
	{"mtu", key_mtu, "68 to 65535"},
	{"config", key_config, "0 or 1"},
	{"device-state", key_device_state, "0 or 1"},
	{"base-inflight", key_base_inflight, "0 or 1"},
	{"gpa-addresses", key_gpa_addresses, "0 or 1"},
	{"vdpa", key_vdpa, "names of up to 8 different vDPA devices: " VDPA_NAMES},
	{"hw", key_hw, "prefer, require or never"},
	{"migrate", key_migrate, "software or device"},
	{"uplink", key_uplink, "the name or number of a port"},
	{"shadow", key_shadow, "the name or number of a vhost-vdpa port"},
	{"record", key_record, "the absolute path of a file, at most 511 bytes"},
	{"record-max", key_record_max, "a limit in MiB, 1 to 65536"},
	{"mac", key_mac, "a unicast address XX:XX:XX:XX:XX:XX"},
	{"attach", key_attach, "virtio, vhost or none"},
	{"ifname", key_ifname, "the name of a network interface, at most 15 bytes"},
	{"netns", key_netns, "the name of a network namespace, at most 63 bytes"},
};

static int fail(char *err, size_t errlen, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int
fail(char *err, size_t errlen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int
apply_key(struct virtio_devargs *a, const char *name, const char *value, char *err, size_t errlen)
{
	for (size_t i = 0; i < RTE_DIM(keys); i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (value != NULL && keys[i].fn(a, value) == 0)
			return 0;
		return fail(err, errlen, "%s: %.64s=%.512s: expected %s", a->name, name,
			    value == NULL ? "" : value, keys[i].expects);
	}
	return fail(err, errlen, "%s: unknown key '%.512s'", a->name, name);
}

/** Whether pair @p i goes on with the list a "vdpa=" before it has begun. */
static bool
goes_on(const struct rte_kvargs *kv, unsigned int i)
{
	if (kv->pairs[i].value != NULL)
		return false;
	while (i-- > 0 && kv->pairs[i].value == NULL)
		;
	return i != UINT_MAX && strcmp(kv->pairs[i].key, "vdpa") == 0;
}

static int
apply_pair(struct virtio_devargs *a, const struct rte_kvargs *kv, unsigned int i, char *err,
	   size_t errlen)
{
	const struct rte_kvargs_pair *p = &kv->pairs[i];

	if (goes_on(kv, i))
		return apply_key(a, "vdpa", p->key, err, errlen);
	return apply_key(a, p->key, p->value, err, errlen);
}

/** Whether the keys are those of such a path. */
static int
check_path(const struct virtio_devargs *a, char *err, size_t errlen)
{
	const bool vduse = vduse_is_path(a->path);

	if (a->path[0] == '\0')
		return fail(err, errlen, "%s: iface=PATH is missing", a->name);
	if (vduse && (a->client || a->vm[0] != '\0'))
		return fail(err, errlen, "%s: %s means nothing to a VDUSE device", a->name,
			    a->client ? "client=1" : "vm");
	if (vduse && !(vdev_policy_formats(a->policy) & (1u << VDEV_MODERN)))
		return fail(err, errlen, "%s: format=%s: kernels have modern VDUSE devices only",
			    a->name, vdev_policy_name(a->policy));
	if (!vduse &&
	    (a->ifname[0] != '\0' || a->netns[0] != '\0' || a->attach != VDUSE_ATTACH_VIRTIO))
		return fail(err, errlen,
			    "%s: attach, ifname and netns are keys of a VDUSE device, "
			    "iface=/dev/vduse/NAME",
			    a->name);
	if (a->attach != VDUSE_ATTACH_VIRTIO && (a->ifname[0] != '\0' || a->netns[0] != '\0'))
		return fail(err, errlen, "%s: ifname and netns need attach=virtio", a->name);
	if (vduse && a->nvdpa > 0)
		return fail(err, errlen, "%s: vdpa=%s: a VDUSE device has no use of cards", a->name,
			    a->vdpa[0]);
	if (a->nvdpa == 0 && (a->hw == VDEV_HW_REQUIRE || a->uplink[0] != '\0'))
		return fail(err, errlen, "%s: %s needs vdpa=DEVICE", a->name,
			    a->hw == VDEV_HW_REQUIRE ? "hw=require" : "uplink");
	if (a->shadow[0] != '\0' && (vduse || a->nvdpa > 0))
		return fail(err, errlen, "%s: shadow=%s: %s", a->name, a->shadow,
			    vduse ? "a VDUSE device has no use of cards"
				  : "vdpa gives the guest's rings to a device as they are, shadow "
				    "does not: either");
	if (a->record_max != 0 && a->record[0] == '\0')
		return fail(err, errlen, "%s: record-max=%u needs record=FILE", a->name,
			    a->record_max);
	return 0;
}

bool
virtio_devargs_ours(const char *devargs)
{
	return strncmp(devargs, "net_vhost", 9) == 0 || strncmp(devargs, "eth_vhost", 9) == 0;
}

/* A name stands in lines and tables, where a blank would end it. */
static bool
is_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)text[i]))
			return false;
	return true;
}

void
virtio_devargs_init(struct virtio_devargs *a)
{
	*a = (struct virtio_devargs){.queues = 1, .owner = (uid_t)-1, .group = (gid_t)-1};
}

int
virtio_devargs_of(const struct port_request *r, struct virtio_devargs *out)
{
	virtio_devargs_init(out);
	out->mode = r->defaults->socket_mode;
	out->owner = r->defaults->socket_owner;
	out->group = r->defaults->socket_group;
	out->rehearsal = r->defaults->rehearsal;
	out->successor = r->defaults->successor;
	return virtio_devargs_parse(r->devargs, out, r->err, r->errlen);
}

bool
virtio_devargs_same(const struct virtio_devargs *a, const struct virtio_devargs *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->path, b->path) == 0 &&
	       strcmp(a->vm, b->vm) == 0 && a->queues == b->queues && a->client == b->client &&
	       a->without == b->without && a->options == b->options && a->mode == b->mode &&
	       a->owner == b->owner && a->group == b->group && a->policy == b->policy &&
	       a->mtu == b->mtu && a->mac_set == b->mac_set && a->nvdpa == b->nvdpa &&
	       memcmp(a->vdpa, b->vdpa, a->nvdpa * sizeof(a->vdpa[0])) == 0 && a->hw == b->hw &&
	       a->migrate == b->migrate && strcmp(a->uplink, b->uplink) == 0 &&
	       strcmp(a->shadow, b->shadow) == 0 && a->attach == b->attach &&
	       strcmp(a->ifname, b->ifname) == 0 && strcmp(a->netns, b->netns) == 0 &&
	       strcmp(a->record, b->record) == 0 && a->record_max == b->record_max &&
	       rte_is_same_ether_addr(&a->mac, &b->mac);
}

static bool
has_key(const struct virtio_devargs *a, const char *key)
{
	struct rte_kvargs *kv = rte_kvargs_parse(a->text, NULL);
	bool found = kv != NULL && rte_kvargs_count(kv, key) != 0;

	rte_kvargs_free(kv);
	return found;
}

/* The users that may connect can come from the command line (--socket-mode ...). */
void
virtio_devargs_print(const struct virtio_devargs *a, FILE *out)
{
	fprintf(out, "%s,%s", a->name, a->text);
	if (a->mode != 0 && !has_key(a, "mode"))
		fprintf(out, ",mode=0%o", a->mode);
	if (a->owner != (uid_t)-1 && !has_key(a, "owner"))
		fprintf(out, ",owner=%u", a->owner);
	if (a->group != (gid_t)-1 && !has_key(a, "group"))
		fprintf(out, ",group=%u", a->group);
}

int
virtio_devargs_parse(const char *devargs, struct virtio_devargs *a, char *err, size_t errlen)
{
	size_t len = strcspn(devargs, ",");
	const char *text = devargs[len] == ',' ? devargs + len + 1 : "";
	struct rte_kvargs *kv;
	int ret = 0;

	if (!virtio_devargs_ours(devargs) || len >= sizeof(a->name) || !is_printable(devargs, len))
		return fail(err, errlen, "'%.512s' is not a device name like net_vhost0", devargs);
	memcpy(a->name, devargs, len);
	a->name[len] = '\0';
	if (strlcpy(a->text, text, sizeof(a->text)) >= sizeof(a->text))
		return fail(err, errlen, "%s: device arguments are too long", a->name);
	kv = rte_kvargs_parse(text, NULL);
	if (kv == NULL)
		return fail(err, errlen, "%s: '%.512s' is not a list of key=value", a->name, text);
	for (unsigned int i = 0; i < kv->count && ret == 0; i++)
		ret = apply_pair(a, kv, i, err, errlen);
	rte_kvargs_free(kv);
	return ret == 0 ? check_path(a, err, errlen) : ret;
}
