/* SPDX-License-Identifier: BSD-3-Clause */
/* The kind of vDPA devices that the host's kernel has: names and display. */
#include <glob.h>
#include <string.h>

#include <bsd/string.h>

#include "vdpa/kernel/claim.h"
#include "vdpa/kernel/node.h"

static bool
ours(const char *device)
{
	const char *number = device + sizeof(CHARDEV_PREFIX) - 1;

	return chardev_is_path(device) && *number != '\0' &&
	       number[strspn(number, "0123456789")] == '\0' && strlen(device) < VDPA_NAME_MAX;
}

static const char *
state_text(const struct node *n)
{
	static const char *const text[] = {
		[NODE_SHUT] = "free",
		[NODE_PROBING] = "free",
		[NODE_PREPARING] = "is being prepared",
		[NODE_PREPARED] = "ready",
		[NODE_ENDING] = "free",
		[NODE_STARTING] = "starts",
		[NODE_RUNS] = "runs",
		[NODE_STOPPING] = "stops",
	};

	if (n->limits.caps.queue_pairs == 0)
		return n->err[0] != '\0' ? n->err : "is being opened";
	return text[n->phase];
}

static struct node *
find(const char *path)
{
	struct node *n = node_next(NULL);

	while (n != NULL && strcmp(n->path, path) != 0)
		n = node_next(n);
	return n;
}

/** Nodes that no port has named are there, too. */
static void
list_others(vdpa_list_fn fn, void *ctx)
{
	glob_t found;

	if (glob(CHARDEV_PREFIX "*", 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct vdpa_info info = {.kind = vdpa_kernel.name, .state = "not named by a port"};

		if (!ours(found.gl_pathv[i]) || find(found.gl_pathv[i]) != NULL)
			continue;
		strlcpy(info.name, found.gl_pathv[i], sizeof(info.name));
		info.present = true;
		fn(&info, ctx);
	}
	globfree(&found);
}

static void
list(vdpa_list_fn fn, void *ctx)
{
	const struct node *n;

	for (n = node_next(NULL); n != NULL; n = node_next(n)) {
		struct vdpa_info info = {
			.kind = vdpa_kernel.name,
			.present = n->limits.caps.queue_pairs != 0,
			.state = state_text(n),
			.caps = n->limits.caps,
			.pairs_used = n->phase >= NODE_STARTING ? NODE_RINGS / 2 : 0,
			.owner = claim_device(n->owner),
		};

		strlcpy(info.name, n->path, sizeof(info.name));
		fn(&info, ctx);
	}
	list_others(fn, ctx);
}

static void
fini(void)
{
	struct node *n;

	for (n = node_next(NULL); n != NULL; n = node_next(n))
		node_fini(n);
}

const struct vdpa_kind vdpa_kernel = {
	.name = "vhost-vdpa",
	.ours = ours,
	.open = claim_open,
	.list = list,
	.fini = fini,
};
