/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VDUSE device whose kernel and driver are the fuzzer's input: requests of any kind in any order,
 * rings and features that change between them, memory that comes and goes, restarts, processes that
 * take over from one another by records that are damaged now and then, and workers that look at the
 * rings in between. After each run the device is as without a driver and no descriptor is left.
 *
 * An input is a series of steps: a byte that says which, and the bytes it takes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/log.h"
#include "gmem/sigbus.h"
#include "pkt/legend.h"
#include "vdev/handover.h"
#include "vduse/dev.h"
#include "vduse/kernel.h"
#include "fuzz/fuzz.h"

#define IOVA UINT64_C(0x100000)
#define MEM (1u << 20)
#define NODE VDUSE_DIR "fuzz"
#define PAIRS 2 /* of the port */
#define MULTI (VDEV_F(NET_MQ) | 1u << VIRTIO_NET_F_CTRL_VQ)
#define STEP_HAND_OVER 0xf0 /* a step of this number or above */
#define STEP_COMMAND 0xe0   /* likewise, below that */
#define TYPE_LEGEND 1

/** The kernel's side, by the input. */
static struct {
	uint64_t features, version, interface;
	struct vduse_vq_info vq[2 * PAIRS + 1];
	uint32_t nvq;
	bool takes_ctrl; /* it takes a control queue */
	uint64_t region; /* bytes of the one region there is; 0: none */
	bool exists, created;
	int peer;
} k;

static struct ev_loop *loop;
static struct vdev *dev, *other; /* of the process that is running, of the one to come */
static int memfd;
static uint8_t *mem;

/** The input that is left. */
struct input {
	const uint8_t *p;
	size_t left;
};

/** The next bytes of it, zeros behind its end. */
static void
take(struct input *in, void *out, size_t len)
{
	size_t n = RTE_MIN(len, in->left);

	memset(out, 0, len);
	memcpy(out, in->p, n);
	in->p += n;
	in->left -= n;
}

static int
fail_with(int err)
{
	errno = err;
	return -1;
}

static int
model_open(const char *path)
{
	int pair[2];

	if (strcmp(path, NODE) != 0)
		return memfd_create("control", MFD_CLOEXEC);
	if (!k.created)
		return fail_with(ENOENT);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	k.peer = pair[0];
	return pair[1];
}

static int
get_fd(struct vduse_iotlb_entry *e)
{
	if (e->start < IOVA || e->start - IOVA >= k.region)
		return fail_with(EINVAL);
	*e = (struct vduse_iotlb_entry){.start = IOVA,
					.last = IOVA + k.region - 1,
					.perm = VDUSE_ACCESS_RW};
	return dup(memfd);
}

static int
model_ioctl(int fd, unsigned long request, void *arg)
{
	const struct vduse_k_config *config = arg;
	struct vduse_vq_info *info = arg;

	(void)fd;
	switch (request) {
	case VDUSE_SET_API_VERSION:
		return *(uint64_t *)arg <= k.version ? 0 : fail_with(EINVAL);
	case VDUSE_CREATE_DEV:
		if ((config->features & MULTI) && !k.takes_ctrl)
			return fail_with(EINVAL);
		k.created = true;
		k.nvq = config->vq_num;
		return 0;
	case VDUSE_DEV_GET_FEATURES:
		*(uint64_t *)arg = k.features;
		return 0;
	case VDUSE_K_GET_FEATURES:
		*(uint64_t *)arg = k.interface;
		return 0;
	case VDUSE_VQ_GET_INFO:
		if (info->index >= k.nvq)
			return fail_with(EINVAL);
		*info = k.vq[info->index];
		return 0;
	case VDUSE_IOTLB_GET_FD:
	case VDUSE_K_IOTLB_GET_FD2:
		return get_fd(arg);
	default:
		return 0;
	}
}

static const struct vduse_sys model = {model_open, model_ioctl};

static void
nothing(struct vdev *d)
{
	(void)d;
}

static const struct vdev_ops dev_ops = {.publish = nothing, .grace = nothing};

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct vdev_config cfg = {.name = "fuzz", .queue_pairs = PAIRS, .ops = &dev_ops};

	(void)argc, (void)argv;
	rte_log_set_global_level(RTE_LOG_EMERG);
	rte_log_set_level(vqs_logtype, RTE_LOG_EMERG);
	CHECK(sigbus_install() == 0);
	loop = ev_loop_new();
	cfg.loop = loop;
	cfg.features = vduse_features(vdev_features_all());
	dev = vdev_new(&cfg);
	other = vdev_new(&cfg);
	memfd = memfd_create("guest", MFD_CLOEXEC);
	CHECK(loop != NULL && dev != NULL && other != NULL && memfd >= 0 &&
	      ftruncate(memfd, MEM) == 0);
	mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	CHECK(mem != MAP_FAILED);
	return 0;
}

static struct vduse *
make_for(struct vdev *d, bool later)
{
	const struct vduse_config cfg = {.path = NODE,
					 .attach = VDUSE_ATTACH_NONE,
					 .ifname = "",
					 .netns = "",
					 .later = later,
					 .loop = loop,
					 .dev = d,
					 .sys = &model};
	char err[200];

	return vduse_of(vduse_new(&cfg, err, sizeof(err)));
}

static struct vduse *
make(void)
{
	return make_for(dev, false);
}

static void
end(struct vduse *v)
{
	if (v != NULL)
		v->transport.ops->free(&v->transport);
	if (k.peer >= 0)
		close(k.peer);
	k.peer = -1;
	ev_run_once(loop, 0);
}

/* --- steps --- */

static void
step_request(struct vduse *v, struct input *in)
{
	struct vduse_dev_request req = {.request_id = 7};
	struct vduse_dev_response resp;
	uint8_t type;

	take(in, &type, 1);
	req.type = type;
	take(in, &req.padding, 20);
	vduse_handle(v, &req, &resp);
	CHECK(resp.request_id == 7 && resp.result <= VDUSE_REQ_RESULT_FAILED);
	for (size_t i = 0; i < RTE_DIM(resp.reserved); i++)
		CHECK(resp.reserved[i] == 0);
}

/** Rings at places that make sense now and then: each area at a multiple of 256. */
static void
step_ring(struct vduse *v, struct input *in)
{
	uint8_t b[8];
	uint32_t i;

	(void)v;
	take(in, b, sizeof(b));
	i = RTE_MIN((b[0] & 1) + 2u * ((b[0] >> 2) % (PAIRS + 1)), 2u * PAIRS);
	k.vq[i] = (struct vduse_vq_info){
		.index = i,
		.num = 1u << (b[1] & 15),
		.desc_addr = IOVA + b[2] * 256u,
		.driver_addr = IOVA + b[3] * 256u,
		.device_addr = IOVA + b[4] * 256u,
		.packed = {b[5] & 1, b[6], b[5] >> 1 & 1, b[7]},
		.ready = b[0] >> 1 & 1,
	};
}

static void
step_features(struct vduse *v, struct input *in)
{
	uint64_t set;

	(void)v;
	take(in, &set, sizeof(set));
	k.features = (set & dev->cfg.features) | VDEV_F(VERSION_1) | VDEV_F(ACCESS_PLATFORM);
	if (set & MULTI) /* one is of no use without the other */
		k.features |= dev->cfg.features & MULTI;
	if (set >> 63)
		k.features = set;
}

static void
step_memory(struct vduse *v, struct input *in)
{
	uint8_t b[2];

	(void)v;
	take(in, b, sizeof(b));
	k.region = (b[0] & 3) == 0 ? 0 : (b[0] & 3) == 1 ? MEM : b[1] * 4096u;
}

static void
step_write(struct vduse *v, struct input *in)
{
	uint16_t at;
	uint8_t bytes[32];

	(void)v;
	take(in, &at, sizeof(at));
	take(in, bytes, sizeof(bytes));
	memcpy(mem + at * 8u, bytes, sizeof(bytes));
}

static void
step_poll(struct vduse *v, struct input *in)
{
	static struct pkt_batch batch;
	struct vq *vq = vdev_rx_queue(dev, 0, NULL);

	(void)v, (void)in;
	if (vq != NULL) {
		memset(&batch, 0, offsetof(struct pkt_batch, pkt));
		batch.max = PKT_BATCH_MAX;
		if (pktq_ops(&vq->q)->rx(&vq->q, &batch) != 0)
			pktq_ops(&vq->q)->rx_done(&vq->q, &batch);
	}
	vdev_attention(dev);
}

/** A command of the control queue: a chain of two buffers, and what is available. */
static void
step_command(struct vduse *v, struct input *in)
{
	const struct vduse_vq_info *q = &k.vq[vduse_ctrl_index(v)];
	const bool packed = k.features & VDEV_F(RING_PACKED);
	uint8_t b[8];
	uint64_t at = q->desc_addr - IOVA;

	take(in, b, sizeof(b));
	if (at > MEM - 64 || q->driver_addr - IOVA > MEM - 16)
		return;
	for (uint32_t i = 0; i < 2; i++) {
		uint8_t *d = mem + at + i * 16u;
		const uint64_t addr = IOVA + 0x8000u + i * 64u;
		const uint32_t len = i == 0 ? b[0] & 7 : b[1] & 3;
		const uint16_t flags = (i == 0 ? 1 : 2) ^ (b[2] & 7) ^ (packed ? 0x80 : 0),
			       last[] = {packed ? b[3] : flags, packed ? flags : (b[3] & 1)};

		memcpy(d, &addr, 8);
		memcpy(d + 8, &len, 4);
		memcpy(d + 12, last, 4);
	}
	memcpy(mem + 0x8000, (const uint8_t[]){b[4] & 7, b[5] & 1, b[6] & 3, 0}, 4);
	if (!packed)
		memcpy(mem + (q->driver_addr - IOVA), (const uint8_t[]){0, 0, b[7] & 3, 0, 0, 0},
		       6);
	vduse_ctrl_kick(v);
	ev_run_once(loop, 0);
}

static void
step_loop(struct vduse *v, struct input *in)
{
	(void)v, (void)in;
	ev_run_once(loop, 0);
}

/** All records of the device, one byte of them changed if the input says so. */
static void
put_records(struct vduse *v, struct input *in, struct blob *b)
{
	uint8_t damage[3];

	legend_put(b, TYPE_LEGEND);
	v->transport.ops->hand_stop(&v->transport);
	vdev_hand_stop(dev);
	v->transport.ops->hand_over(&v->transport, b);
	vdev_hand_over(dev, b);
	CHECK(!b->failed);
	take(in, damage, sizeof(damage));
	b->data[(damage[0] | (size_t)damage[1] << 8) % b->len] ^= damage[2];
}

/** Whether the successor @p v has taken all of them. */
static bool
take_records(struct vduse *v, struct blob *b)
{
	static struct legend legend;
	struct blob_reader reader = {.blob = b};
	struct hand_record h = {.reader = &reader, .legend = &legend};
	const char *why = NULL;

	legend.n = 0;
	while (why == NULL && (h.data = blob_read(&reader, &h.r)) != NULL) {
		if (h.r.type == TYPE_LEGEND)
			why = legend_read(&legend, h.data, h.r.len) ? NULL : "legend";
		else if (h.r.type >= TRANSPORT_HAND_FIRST)
			why = v->transport.ops->take_over(&v->transport, &h);
		else
			why = vdev_take_over(other, &h);
	}
	return why == NULL && blob_at_end(&reader);
}

/** The device goes on in another process; the one it is in if that is refused. */
static struct vduse *
hand_over(struct vduse *v, struct input *in)
{
	struct vduse *next = make_for(other, true), *gone = v;
	struct blob b = {0};
	struct vdev *d = dev;

	CHECK(next != NULL);
	put_records(v, in, &b);
	if (take_records(next, &b)) {
		dev = other;
		other = d;
		v = next;
	} else {
		gone = next;
	}
	blob_free(&b);
	vdev_sync(dev);
	v->transport.ops->hand_run(&v->transport);
	vdev_interrupt(dev);
	gone->transport.ops->free(&gone->transport);
	CHECK(other->transport == NULL && other->gmem == NULL);
	return v;
}

static void (*const steps[])(struct vduse *v, struct input *in) = {
	step_request, step_ring, step_features, step_memory, step_write, step_poll, step_loop,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	unsigned int before = fuzz_open_fds();
	struct vduse *v;
	uint8_t step;

	memset(&k, 0, sizeof(k));
	k.peer = -1;
	take(&in, &step, 1);
	k.version = step & 1;
	k.interface = step >> 1 & 3;
	k.takes_ctrl = step >> 3 & 1;
	v = make();
	CHECK(v != NULL);
	while (v != NULL && in.left > 0) {
		take(&in, &step, 1);
		if (step >= STEP_HAND_OVER) {
			v = hand_over(v, &in);
			continue;
		}
		if (step >= STEP_COMMAND) {
			step_command(v, &in);
			continue;
		}
		if (step % (RTE_DIM(steps) + 1) < RTE_DIM(steps)) {
			steps[step % (RTE_DIM(steps) + 1)](v, &in);
			continue;
		}
		end(v);
		v = make(); /* or its driver is impossible to carry on with */
	}
	end(v);
	CHECK(dev->transport == NULL && dev->gmem == NULL && dev->features == 0);
	CHECK(fuzz_open_fds() == before);
	return 0;
}
