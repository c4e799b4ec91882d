/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loader of a saved device state. The input is what follows the header: a
 * header with the right length and checksum is put before it, else nothing would
 * get past the checksum; an input whose length is no multiple of 8, as that of
 * records is, is loaded as it is. A state that is taken over can be saved again.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_hash_crc.h>

#include "app.h"
#include "fuzz/program.h"
#include "base/blob.h"
#include "switch/stations.h"
#include "vdev/save.h"
#include "vdev/vdev.h"
#include "virtio/save.h"

#define MAGIC 0x44535156u
#define PAIRS 2

struct header {
	uint32_t magic;
	uint16_t version, zero;
	uint32_t len, crc;
};

static void
nothing(struct vdev *d)
{
	(void)d;
}

/* --- IP addresses: those that arrived are saved again --- */

static struct sw_station station[VIRTIO_SAVE_IPS];
static uint32_t nstations;

static void
walk(struct sw_stations *s, uint16_t port, bool (*fn)(const struct sw_station *i, void *arg),
     void *arg)
{
	(void)s, (void)port;
	for (uint32_t i = 0; i < nstations; i++)
		if (!fn(&station[i], arg))
			return;
}

static void
learn(struct sw_stations *s, uint16_t port, const struct sw_station *i)
{
	(void)s, (void)port;
	CHECK(i->len == 4 || i->len == 16);
	CHECK(nstations < VIRTIO_SAVE_IPS);
	station[nstations++] = *i;
}

static struct sw_stations stations = {.walk = walk, .learn = learn};

/* --- the device --- */

static void
save(struct vdev *d, struct blob *b)
{
	(void)d;
	virtio_save(fuzz_app()->sw.port[0], b);
}

static void
load(struct vdev *d, uint16_t type, const void *data, uint32_t len)
{
	(void)d;
	struct virtio_arrivals a = {0};

	nstations = 0;
	virtio_load(fuzz_app()->sw.port[0], &a, type, data, len);
	virtio_arrive(fuzz_app()->sw.port[0], &a);
}

static const struct vdev_ops ops = {
	.publish = nothing,
	.grace = nothing,
	.save = save,
	.load = load,
};

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fuzz_app()->sw.stations = &stations;
	return 0;
}

/** The input as a state. Free it. */
static uint8_t *
make_state(const uint8_t *data, size_t size, size_t *len)
{
	struct header h = {.magic = MAGIC, .version = 1};
	uint8_t *state;

	*len = sizeof(h) + size;
	state = malloc(*len);
	CHECK(state != NULL);
	h.len = (uint32_t)*len;
	h.crc = rte_hash_crc(data, (uint32_t)size, 0);
	memcpy(state, &h, sizeof(h));
	memcpy(state + sizeof(h), data, size);
	return state;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vdev_config cfg = {
		.name = "fuzz",
		.queue_pairs = PAIRS,
		.features = vdev_features_all(),
		.loop = fuzz_app()->loop,
		.ops = &ops,
	};
	bool raw = size % 8 != 0;
	struct blob again = {0};
	struct vdev *d = vdev_new(&cfg);
	const char *why = NULL;
	uint8_t *state;
	size_t len;
	int ret;

	CHECK(d != NULL);
	state = make_state(data, size, &len);
	ret = vdev_load(d, raw ? data : state, raw ? size : len, &why);
	CHECK((ret == 0) == (why == NULL));
	CHECK(vdev_save(d, &again) == 0);
	CHECK(vdev_load(d, again.data, again.len, &why) == 0);
	blob_free(&again);
	free(state);
	vdev_free(d, false);
	fuzz_iteration(fuzz_app());
	return 0;
}
