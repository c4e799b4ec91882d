/* SPDX-License-Identifier: BSD-3-Clause */
#include "vduse/gate.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/notify.h"
#include "vduse/dev.h"
#include "vduse/kernel.h"

#define NS_PER_MS UINT64_C(1000000)

struct ask;

struct vduse_gate {
	atomic_uint refs; /* control's, and each request's */
	struct vduse *v;  /* [ctl] NULL: closed */
	pthread_t thread;
	const struct vduse_sys *sys;
	struct ev_loop *loop;
	struct ev_work broken; /* posted when the node is of no use any more */
	int node, wake;        /* wake: an eventfd, for answers and the end */
	uint64_t offered;
	atomic_bool stop, busy;
	atomic_uint owed; /* requests that were answered late and that control has not seen */
	atomic_uint_fast64_t late;
	struct ask *spare; /* for when there is no memory */
	atomic_bool lent;  /* it is on its way */
};

enum ask_state {
	ASKED,
	ANSWERED, /* by control: the gate writes it */
	LATE,     /* by the gate: control only carries it out */
};

struct ask {
	struct ev_work work;
	struct vduse_gate *gate;
	atomic_int state;
	struct vduse_dev_request req;
	struct vduse_dev_response resp;
};

static void
gate_put(struct vduse_gate *g)
{
	if (atomic_fetch_sub(&g->refs, 1) != 1)
		return;
	close(g->wake);
	free(g->spare);
	free(g);
}

/** NULL: there is no memory, and the spare one is on its way. */
static struct ask *
ask_new(struct vduse_gate *g)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (a == NULL && !atomic_exchange(&g->lent, true))
		a = g->spare;
	return a;
}

static void
ask_free(struct ask *a)
{
	struct vduse_gate *g = a->gate;

	if (a == g->spare)
		atomic_store(&g->lent, false);
	else
		free(a);
	gate_put(g);
}

/* --- late answers --- */

static bool
status_granted(const struct vduse_late *f, uint8_t status)
{
	if ((status & VIRTIO_CONFIG_S_DRIVER_OK) && f->owes)
		return false;
	/* it leaves the device, or has not come so far */
	if (!(status & VIRTIO_CONFIG_S_DRIVER_OK) && (f->busy || f->owes))
		return false;
	return !(status & VIRTIO_CONFIG_S_FEATURES_OK) ||
	       ((f->negotiated & ~f->offered) == 0 && vdev_features_check(f->negotiated) == NULL);
}

/** Whether it is one that takes something from workers, and names what there is. */
static bool
takes_back(const struct vduse_dev_request *req)
{
	const union vduse_k_body *b = (const union vduse_k_body *)&req->padding;

	if (req->type == VDUSE_K_SET_VQ_READY)
		return b->ready.num < VDUSE_QUEUES;
	if (req->type == VDUSE_K_SET_VQ_GROUP_ASID)
		return b->group.group == 0 && b->group.asid < VDUSE_SPACES;
	if (req->type == VDUSE_UPDATE_IOTLB)
		return b->iova.start <= b->iova.last && b->iova.asid < VDUSE_SPACES;
	return req->type == VDUSE_K_SUSPEND;
}

bool
vduse_late_granted(const struct vduse_late *f, const struct vduse_dev_request *req)
{
	const union vduse_k_body *b = (const union vduse_k_body *)&req->padding;

	if (req->type == VDUSE_SET_STATUS)
		return status_granted(f, req->s.status);
	if (!takes_back(req))
		return false;
	return (!f->busy && !f->owes) || (req->type == VDUSE_K_SET_VQ_READY && b->ready.ready != 0);
}

static struct vduse_dev_response
late_answer(struct vduse_gate *g, const struct vduse_dev_request *req, bool owes)
{
	struct vduse_late f = {.offered = g->offered, .busy = atomic_load(&g->busy), .owes = owes};
	bool granted = g->sys->ioctl(g->node, VDUSE_DEV_GET_FEATURES, &f.negotiated) == 0 &&
		       vduse_late_granted(&f, req);

	atomic_fetch_add(&g->late, 1);
	return (struct vduse_dev_response){.request_id = req->request_id,
					   .result = granted ? VDUSE_REQ_RESULT_OK
							     : VDUSE_REQ_RESULT_FAILED};
}

/* --- control's half of a request --- */

/** The kernel has the answer: what is refused until then can be done. */
static void
on_answered(struct ev_work *w)
{
	struct ask *a = container_of(w, struct ask, work);

	if (a->gate->v != NULL)
		vduse_answered(a->gate->v);
	ask_free(a);
}

static void
on_ask(struct ev_work *w)
{
	struct ask *a = container_of(w, struct ask, work);
	struct vduse_gate *g = a->gate;
	int asked = ASKED;

	a->resp = (struct vduse_dev_response){.request_id = a->req.request_id,
					      .result = VDUSE_REQ_RESULT_FAILED};
	if (g->v != NULL)
		vduse_handle(g->v, &a->req, &a->resp);
	if (atomic_compare_exchange_strong(&a->state, &asked, ANSWERED)) {
		notify_peer(g->wake);
		return;
	}
	atomic_fetch_sub(&g->owed, 1);
	on_answered(w);
}

static void
on_broken(struct ev_work *w)
{
	struct vduse_gate *g = container_of(w, struct vduse_gate, broken);

	if (g->v != NULL)
		vduse_broken(g->v);
	gate_put(g);
}

/* --- the thread --- */

/** Wait for something at the node (@p events) or for a wake-up, which is taken. */
static short
gate_wait(struct vduse_gate *g, short events, int timeout_ms)
{
	struct pollfd p[2] = {{.fd = g->wake, .events = POLLIN},
			      {.fd = events != 0 ? g->node : -1, .events = events}};
	uint64_t n;

	if (poll(p, 2, timeout_ms) > 0 && (p[0].revents & POLLIN) &&
	    read(g->wake, &n, sizeof(n)) != sizeof(n))
		return 0;
	return p[1].revents;
}

/** Whether control has answered in time. */
static bool
wait_answer(struct vduse_gate *g, struct ask *a)
{
	const unsigned int ms =
		g->sys->answer_ms != NULL ? atomic_load(g->sys->answer_ms) : VDUSE_ANSWER_MS;
	const uint64_t end = ev_now_ns() + ms * NS_PER_MS;
	uint64_t now;
	int asked = ASKED;

	while (atomic_load(&a->state) == ASKED && !atomic_load(&g->stop) &&
	       (now = ev_now_ns()) < end)
		gate_wait(g, 0, (int)((end - now) / NS_PER_MS) + 1);
	return !atomic_compare_exchange_strong(&a->state, &asked, LATE);
}

static bool
write_answer(const struct vduse_gate *g, const struct vduse_dev_response *resp)
{
	return write(g->node, resp, sizeof(*resp)) == sizeof(*resp) || errno == ENOENT;
}

/** Have control answer, or do it instead. False: the node is of no use any more. */
static bool
pass(struct vduse_gate *g, const struct vduse_dev_request *req)
{
	bool owes = atomic_load(&g->owed) != 0;
	struct ask *a = ask_new(g);
	struct vduse_dev_response resp;
	bool ok;

	if (a == NULL) {
		/* control will never hear of it */
		resp = (struct vduse_dev_response){.request_id = req->request_id,
						   .result = VDUSE_REQ_RESULT_FAILED};
		return write_answer(g, &resp);
	}
	*a = (struct ask){.work.fn = on_ask, .gate = g, .req = *req};
	atomic_fetch_add(&g->refs, 1);
	atomic_fetch_add(&g->owed, 1);
	ev_post(g->loop, &a->work);
	if (wait_answer(g, a)) {
		ok = write_answer(g, &a->resp);
		atomic_fetch_sub(&g->owed, 1);
		a->work.fn = on_answered;
		ev_post(g->loop, &a->work);
		return ok;
	}
	if (atomic_load(&g->stop))
		return true; /* the successor answers it */
	resp = late_answer(g, req, owes);
	return write_answer(g, &resp);
}

/** Serve what there is at the node. False: it is of no use any more. */
static bool
serve(struct vduse_gate *g)
{
	struct vduse_dev_request req;
	ssize_t n = read(g->node, &req, sizeof(req));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	return n == sizeof(req) && pass(g, &req);
}

static void *
gate_main(void *arg)
{
	struct vduse_gate *g = arg;
	bool ok = true;
	short events;

	while (ok && !atomic_load(&g->stop)) {
		events = gate_wait(g, POLLIN, -1);
		ok = !(events & POLLERR) && (!(events & (POLLIN | POLLHUP)) || serve(g));
	}
	if (!ok) {
		g->broken.fn = on_broken;
		ev_post(g->loop, &g->broken);
	} else {
		gate_put(g);
	}
	return NULL;
}

/* --- control --- */

struct vduse_gate *
vduse_gate_open(struct vduse *v, uint64_t offered)
{
	struct vduse_gate *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->spare = calloc(1, sizeof(*g->spare));
	g->v = v;
	g->sys = v->sys;
	g->loop = v->loop;
	g->node = v->fd;
	g->offered = offered;
	atomic_init(&g->refs, 2); /* control's and the thread's */
	g->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (g->spare != NULL && g->wake >= 0 && pthread_create(&g->thread, NULL, gate_main, g) == 0)
		return g;
	if (g->wake >= 0)
		close(g->wake);
	free(g->spare);
	free(g);
	return NULL;
}

void
vduse_gate_busy(struct vduse_gate *g, bool busy)
{
	if (g != NULL)
		atomic_store(&g->busy, busy);
}

uint64_t
vduse_gate_late(const struct vduse_gate *g)
{
	return g != NULL ? atomic_load(&g->late) : 0;
}

void
vduse_gate_close(struct vduse_gate *g)
{
	if (g == NULL)
		return;
	g->v = NULL;
	atomic_store(&g->stop, true);
	notify_peer(g->wake);
	pthread_join(g->thread, NULL);
	gate_put(g);
}
