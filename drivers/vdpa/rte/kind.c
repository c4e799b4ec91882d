/* SPDX-License-Identifier: BSD-3-Clause */
/* The kind of vDPA devices that DPDK's drivers make: names, display, coming and going. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_vdpa.h>

#include "base/log.h"
#include "vdpa/rte/card.h"
#include "vdpa/rte/relay.h"

#define QUIT_MS 2000 /* at the end of the process, for devices to stop */

/** A PCI address, an auxiliary device, or what DPDK knows by that name. */
static bool
ours(const char *device)
{
	unsigned int domain, bus, slot, function;
	int end = 0;

	return (sscanf(device, "%4x:%2x:%2x.%1u%n", &domain, &bus, &slot, &function, &end) == 4 &&
		device[end] == '\0') ||
	       strncmp(device, "mlx5_core.sf.", 13) == 0 ||
	       rte_vdpa_find_device_by_name(device) != NULL;
}

static uint32_t
pairs_used(const struct relay *r)
{
	uint32_t i, n = 0;

	for (i = 0; r != NULL && r->phase >= PHASE_STARTING && i < r->dev->nqueues; i += 2)
		n += r->ring[i] && r->ring[i + 1];
	return n;
}

static const char *const states[] = {
	[PHASE_NONE] = "free",       [PHASE_PREPARING] = "prepares", [PHASE_PREPARED] = "ready",
	[PHASE_STARTING] = "starts", [PHASE_RUNS] = "runs",          [PHASE_STOPPING] = "stops",
};

static void
list(vdpa_list_fn fn, void *ctx)
{
	struct card *c;
	uint32_t i;

	card_discover();
	for (i = 0; (c = card_at(i)) != NULL; i++) {
		const struct relay *r = c->owner;
		struct vdpa_info info = {.kind = "rte_vdpa"};
		const char *why = NULL;

		memcpy(info.name, c->name, sizeof(info.name));
		info.present = card_serve(c, &why);
		info.caps = c->caps;
		info.owner = r != NULL ? r->dev : NULL;
		info.pairs_used = pairs_used(r);
		info.state = why != NULL ? why : r != NULL ? states[r->phase] : "free";
		fn(&info, ctx);
	}
}

/* --- devices come and go --- */

static int
attach(const char *devargs, char *err, size_t errlen)
{
	struct relay *r;
	int ret = card_attach(devargs, err, errlen);

	SLIST_FOREACH (r, &relays, entry)
		relay_changed(r);
	return ret;
}

/** Whether librte_vhost has ended all sessions of @p c, so that its socket can go. */
static bool
is_free(struct card *c)
{
	struct relay *r;

	SLIST_FOREACH (r, &relays, entry) {
		if (r->card != c)
			continue;
		vdev_sync(r->dev);
		if (r->phase != PHASE_STOPPING)
			relay_drop(r);
	}
	return c->held.n == 0 || atomic_load(&c->sessions) == 0;
}

/** Software has the rings before DPDK removes the device. */
static int
detach(const char *device, char *err, size_t errlen)
{
	struct card *c = rte_vdpa_find_device_by_name(device) != NULL ? card_named(device) : NULL;
	const char *why;
	int ret;

	if (c == NULL || (!c->leaves && !card_serve(c, &why))) {
		snprintf(err, errlen, "%.64s: there is no such rte_vdpa device", device);
		return -ENODEV;
	}
	c->leaves = true;
	if (!is_free(c)) {
		snprintf(err, errlen,
			 "%.64s: it has not released its guest's rings yet; repeat the command "
			 "later, or vdpa attach has it used again",
			 device);
		return -EAGAIN;
	}
	ret = card_detach(c, err, errlen);
	c->leaves = false;
	relay_card_changed(c);
	return ret;
}

static uint32_t
counters(const char *device, struct vdpa_counter *out)
{
	struct card *c = card_named(device);

	return c != NULL && c->dev != NULL ? card_counters(c, out) : 0;
}

static void
fini(void)
{
	const uint64_t end = ev_now_ns() + QUIT_MS * UINT64_C(1000000);
	struct card *c;
	uint32_t i;

	for (i = 0; (c = card_at(i)) != NULL; i++) {
		while (!is_free(c) && ev_now_ns() < end)
			usleep(1000);
		if (is_free(c))
			card_withdraw(c);
		else
			log_warn(c->name, "it does not stop: the end of the process has to do");
	}
}

const struct vdpa_kind vdpa_rte = {
	.name = "rte_vdpa",
	.ours = ours,
	.open = relay_open,
	.list = list,
	.counters = counters,
	.attach = attach,
	.detach = detach,
	.fini = fini,
};
