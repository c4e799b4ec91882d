/* SPDX-License-Identifier: BSD-3-Clause */
#include "vduse/gate.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
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
	uint32_t queues, groups;
	atomic_bool stop, busy;
	/* under the lock */
	pthread_mutex_t lock;
	pthread_cond_t moved;   /* one of these has changed */
	bool parks, parked;     /* it is to read nothing; it reads nothing */
	TAILQ_HEAD(, ask) asks; /* that control has not seen, in their order */
	/* no lock */
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
	struct ev_work work, answered; /* that it is there; that the kernel has the answer */
	TAILQ_ENTRY(ask) entry;
	bool seen;        /* [ctl] and carried out; not in the list any more */
	atomic_uint refs; /* of the works, or of the thread until it posts the second */
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
	pthread_mutex_destroy(&g->lock);
	pthread_cond_destroy(&g->moved);
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

/** Any thread. */
static void
ask_put(struct ask *a)
{
	struct vduse_gate *g = a->gate;

	if (atomic_fetch_sub(&a->refs, 1) != 1)
		return;
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
	       ((f->negotiated & ~f->offered) == 0 && vdev_features_check(f->negotiated) == NULL &&
		vduse_features_why(f->negotiated) == NULL);
}

/** Whether it is one that takes something from workers, and names what there is. */
static bool
takes_back(const struct vduse_late *f, const struct vduse_dev_request *req)
{
	const union vduse_k_body *b = (const union vduse_k_body *)&req->padding;

	if (req->type == VDUSE_K_SET_VQ_READY)
		return b->ready.num < f->queues;
	if (req->type == VDUSE_K_SET_VQ_GROUP_ASID)
		return b->group.group < f->groups && b->group.asid < VDUSE_SPACES;
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
	if (!takes_back(f, req))
		return false;
	return (!f->busy && !f->owes) || (req->type == VDUSE_K_SET_VQ_READY && b->ready.ready != 0);
}

static struct vduse_dev_response
late_answer(struct vduse_gate *g, const struct vduse_dev_request *req, bool owes)
{
	struct vduse_late f = {
		.offered = g->offered,
		.queues = g->queues,
		.groups = g->groups,
		.busy = atomic_load(&g->busy),
		.owes = owes,
	};
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
	struct ask *a = container_of(w, struct ask, answered);

	if (a->gate->v != NULL)
		vduse_answered(a->gate->v);
	ask_put(a);
}

/** Of the list: it is answered, or was without control. */
static void
carry_out(struct ask *a)
{
	struct vduse_gate *g = a->gate;
	int asked = ASKED;

	a->seen = true;
	a->resp = (struct vduse_dev_response){.request_id = a->req.request_id,
					      .result = VDUSE_REQ_RESULT_FAILED};
	if (g->v != NULL)
		vduse_handle(g->v, &a->req, &a->resp);
	if (atomic_compare_exchange_strong(&a->state, &asked, ANSWERED)) {
		notify_peer(g->wake);
		return;
	}
	atomic_fetch_sub(&g->owed, 1);
	if (g->v != NULL)
		vduse_answered(g->v);
}

static void
on_ask(struct ev_work *w)
{
	struct ask *a = container_of(w, struct ask, work);
	struct vduse_gate *g = a->gate;

	if (!a->seen) {
		pthread_mutex_lock(&g->lock);
		TAILQ_REMOVE(&g->asks, a, entry);
		pthread_mutex_unlock(&g->lock);
		carry_out(a);
	}
	ask_put(a);
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

static void
hand_to_control(struct vduse_gate *g, struct ask *a, const struct vduse_dev_request *req)
{
	*a = (struct ask){
		.work.fn = on_ask,
		.answered.fn = on_answered,
		.refs = 2,
		.gate = g,
		.req = *req,
	};
	atomic_fetch_add(&g->refs, 1);
	atomic_fetch_add(&g->owed, 1);
	pthread_mutex_lock(&g->lock);
	TAILQ_INSERT_TAIL(&g->asks, a, entry);
	pthread_cond_broadcast(&g->moved);
	pthread_mutex_unlock(&g->lock);
	ev_post(g->loop, &a->work);
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
		/* control is never told of it */
		resp = (struct vduse_dev_response){.request_id = req->request_id,
						   .result = VDUSE_REQ_RESULT_FAILED};
		return write_answer(g, &resp);
	}
	hand_to_control(g, a, req);
	if (wait_answer(g, a)) {
		ok = write_answer(g, &a->resp);
		atomic_fetch_sub(&g->owed, 1);
		ev_post(g->loop, &a->answered);
		return ok;
	}
	ask_put(a);
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

/** Stay here as long as the gate is parked. True: it is to end. */
static bool
wait_parked(struct vduse_gate *g)
{
	pthread_mutex_lock(&g->lock);
	while (g->parks && !atomic_load(&g->stop)) {
		g->parked = true;
		pthread_cond_broadcast(&g->moved);
		pthread_cond_wait(&g->moved, &g->lock);
	}
	g->parked = false;
	pthread_mutex_unlock(&g->lock);
	return atomic_load(&g->stop);
}

static void *
gate_main(void *arg)
{
	struct vduse_gate *g = arg;
	bool ok = true;
	short events;

	while (ok && !wait_parked(g)) {
		events = gate_wait(g, POLLIN, -1);
		ok = !(events & POLLERR) && (!(events & (POLLIN | POLLHUP)) || serve(g));
	}
	pthread_mutex_lock(&g->lock);
	g->parked = true;
	pthread_cond_broadcast(&g->moved);
	pthread_mutex_unlock(&g->lock);
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
	g->queues = vduse_nqueues(v);
	g->groups = vduse_ngroups(v);
	g->parks = true;
	TAILQ_INIT(&g->asks);
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->moved, NULL);
	atomic_init(&g->refs, 2); /* control's and the thread's */
	g->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (g->spare != NULL && g->wake >= 0 && pthread_create(&g->thread, NULL, gate_main, g) == 0)
		return g;
	if (g->wake >= 0)
		close(g->wake);
	pthread_mutex_destroy(&g->lock);
	pthread_cond_destroy(&g->moved);
	free(g->spare);
	free(g);
	return NULL;
}

void
vduse_gate_go(struct vduse_gate *g)
{
	if (g == NULL)
		return;
	pthread_mutex_lock(&g->lock);
	g->parks = false;
	pthread_cond_broadcast(&g->moved);
	pthread_mutex_unlock(&g->lock);
}

void
vduse_gate_park(struct vduse_gate *g)
{
	struct ask *a;

	if (g == NULL)
		return;
	pthread_mutex_lock(&g->lock);
	g->parks = true;
	notify_peer(g->wake);
	while ((a = TAILQ_FIRST(&g->asks)) != NULL || !g->parked) {
		if (a == NULL) {
			pthread_cond_wait(&g->moved, &g->lock);
			continue;
		}
		TAILQ_REMOVE(&g->asks, a, entry);
		pthread_mutex_unlock(&g->lock);
		carry_out(a);
		pthread_mutex_lock(&g->lock);
	}
	pthread_mutex_unlock(&g->lock);
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
	pthread_mutex_lock(&g->lock);
	atomic_store(&g->stop, true);
	pthread_cond_broadcast(&g->moved);
	pthread_mutex_unlock(&g->lock);
	notify_peer(g->wake);
	pthread_join(g->thread, NULL);
	gate_put(g);
}
