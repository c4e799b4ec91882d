/* SPDX-License-Identifier: BSD-3-Clause */
/* The device argument "net_vhost_vdpa0,path=/dev/vhost-vdpa-0". */
#include "vhost_vdpa/kind.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>
#include <rte_kvargs.h>

#include "base/parse.h"
#include "vhost_vdpa/port.h"

#define PREFIX "net_vhost_vdpa"

static bool
ours(const char *devargs)
{
	return strncmp(devargs, PREFIX, sizeof(PREFIX) - 1) == 0;
}

static int
key_path(struct vv_devargs *a, const char *value)
{
	if (!chardev_is_path(value) || strlcpy(a->path, value, sizeof(a->path)) >= sizeof(a->path))
		return -EINVAL;
	return 0;
}

static int
key_packed(struct vv_devargs *a, const char *value)
{
	uint64_t n;

	if (!parse_whole(value, 0, 0, 1, &n))
		return -EINVAL;
	a->packed = n != 0;
	return 0;
}

static int
key_queues(struct vv_devargs *a, const char *value)
{
	uint64_t n;

	if (!parse_whole(value, 0, 1, LINK_PAIRS_MAX, &n))
		return -EINVAL;
	a->pairs = (uint32_t)n;
	return 0;
}

static_assert(LINK_PAIRS_MAX == 16, "as keys[] says");

static const struct {
	const char *key;
	int (*set)(struct vv_devargs *a, const char *value);
	const char *expects;
} keys[] = {
	{"path", key_path, "a device node, " CHARDEV_PREFIX "N"},
	{"packed", key_packed, "0 or 1"},
	{"queues", key_queues, "1 to 16 queue pairs"},
};

static int
apply(const struct port_request *r, struct vv_devargs *a, const struct rte_kvargs_pair *pair)
{
	const char *value = pair->value != NULL ? pair->value : "";

	for (size_t i = 0; i < RTE_DIM(keys); i++) {
		if (strcmp(keys[i].key, pair->key) != 0)
			continue;
		if (keys[i].set(a, value) == 0)
			return 0;
		snprintf(r->err, r->errlen, "%s: %s=%.128s: expected %s", a->name, pair->key, value,
			 keys[i].expects);
		return -EINVAL;
	}
	snprintf(r->err, r->errlen, "%s: unknown key '%.64s': path, packed, queues", a->name,
		 pair->key);
	return -EINVAL;
}

static bool
is_printable(const char *text)
{
	while (isgraph((unsigned char)*text))
		text++;
	return *text == '\0';
}

static int
apply_all(const struct port_request *r, struct vv_devargs *a)
{
	struct rte_kvargs *kv = rte_kvargs_parse(a->text, NULL);
	int ret = 0;

	if (kv == NULL) {
		snprintf(r->err, r->errlen, "%s: '%.256s' is not a list of key=value", a->name,
			 a->text);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < kv->count && ret == 0; i++)
		ret = apply(r, a, &kv->pairs[i]);
	rte_kvargs_free(kv);
	return ret;
}

int
vv_devargs_of(const struct port_request *r, struct vv_devargs *a)
{
	size_t len = strcspn(r->devargs, ",");
	const char *text = r->devargs[len] == ',' ? r->devargs + len + 1 : "";
	int ret;

	*a = (struct vv_devargs){.pairs = 1};
	if (len >= sizeof(a->name) || strlcpy(a->text, text, sizeof(a->text)) >= sizeof(a->text)) {
		snprintf(r->err, r->errlen, "%.64s: device argument is too long", r->devargs);
		return -EINVAL;
	}
	memcpy(a->name, r->devargs, len);
	a->name[len] = '\0';
	ret = apply_all(r, a);
	if (ret == 0 && (a->path[0] == '\0' || !is_printable(a->name))) {
		snprintf(r->err, r->errlen, "%s: %s", a->name,
			 a->path[0] == '\0' ? "path=" CHARDEV_PREFIX "N is missing"
					    : "a name has no blanks");
		ret = -EINVAL;
	}
	return ret;
}

static int
check(const struct port_request *r)
{
	struct vv_devargs a;

	return vv_devargs_of(r, &a);
}

static struct port *
attach(const struct port_request *r)
{
	struct vv_devargs a;

	return vv_devargs_of(r, &a) == 0 ? vv_port_new(r, &a) : NULL;
}

const struct port_kind vhost_vdpa_kind = {
	.name = "vhost-vdpa",
	.usage = "net_vhost_vdpaN,path=" CHARDEV_PREFIX "N[,queues=N][,packed=1]",
	.ours = ours,
	.check = check,
	.attach = attach,
};
