/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ring state outside the process. The heart of it: a device is stopped after
 * every single instruction while it gives chains back, and what it would have
 * left behind had it died there is recovered and carried on with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/blob.h"
#include "base/heir.h"
#include "ring.h"
#include "virtq/internal.h"
#include "virtq/journal.h"

static char dir[] = "/tmp/vqs-journal-XXXXXX";
static char path[64];

static int
make_dir(void **state)
{
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/state", dir);
	return 0;
}

static int
remove_dir(void **state)
{
	unlink(path);
	return rmdir(dir);
}

/* --- the file --- */

static void
file_is_private_and_has_one_owner(void **state)
{
	struct vq_journal_file *f = vq_journal_open(path, 4);
	struct stat st;

	assert_non_null(f);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_non_null(vq_journal_get(f, 3));
	assert_null(vq_journal_get(f, 4));
	assert_null(vq_journal_open(path, 4));
	assert_int_equal(errno, EWOULDBLOCK);
	vq_journal_close(f, true);
	assert_int_equal(access(path, F_OK), -1);
}

static void
file_keeps_its_content(void **state)
{
	const struct vq_journal_key key = {.desc_uva = 1, .size = 8};
	const struct vq_state st = {.avail = 7, .used = 6};
	struct vq_journal_file *f = vq_journal_open(path, 4);
	struct vq_journal *j;

	vq_journal_start(vq_journal_get(f, 2), &key, &st);
	vq_journal_close(f, false);
	f = vq_journal_open(path, 4);
	j = vq_journal_get(f, 2);
	assert_int_equal(j->running, 1);
	assert_int_equal(j->state.avail, 7);
	assert_int_equal(j->key.desc_uva, 1);
	assert_int_equal(vq_journal_get(f, 1)->running, 0);
	vq_journal_close(f, false);
	/* another shape is another journal */
	f = vq_journal_open(path, 5);
	assert_int_equal(vq_journal_get(f, 2)->running, 0);
	vq_journal_close(f, true);
}

/** Without a descriptor for it, it is left for the next one. */
static void
file_stays_at_the_limit(void **state)
{
	struct vq_journal_file *f = vq_journal_open(path, 4);
	struct rlimit before, none;
	struct stat a, b;

	assert_non_null(f);
	assert_int_equal(stat(path, &a), 0);
	vq_journal_close(f, false);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	f = vq_journal_open(path, 4);
	assert_null(f);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(stat(path, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	unlink(path);
}

static void
foreign_files_are_replaced_not_followed(void **state)
{
	struct vq_journal_file *f;
	char other[80];
	struct stat st;
	FILE *fp;

	snprintf(other, sizeof(other), "%s-target", path);
	fp = fopen(other, "w");
	fputs("precious", fp);
	fclose(fp);
	assert_int_equal(symlink(other, path), 0);
	f = vq_journal_open(path, 1);
	assert_non_null(f);
	vq_journal_close(f, true);
	assert_int_equal(link(other, path), 0); /* a hard link would be written through */
	f = vq_journal_open(path, 1);
	assert_non_null(f);
	vq_journal_close(f, true);
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_size, strlen("precious"));
	unlink(other);
}

/* The descriptors that a successor is given at its start. */
static void
inherit(void)
{
	struct blob b = {0};
	struct blob_reader reader = {.blob = &b};
	struct blob_record r;
	const uint8_t *name;

	heir_save(&b, 1);
	while ((name = blob_read(&reader, &r)) != NULL)
		assert_true(heir_load(&reader, name, r.len));
	blob_free(&b);
}

/* A successor that fails leaves the file to the process that goes on with it. */
static void
file_of_a_predecessor_is_shared(void **state)
{
	struct vq_journal_file *f = vq_journal_open(path, 4), *s;

	inherit();
	s = vq_journal_open(path, 4);
	assert_non_null(s);
	vq_journal_get(f, 3)->running = 1;
	assert_int_equal(vq_journal_get(s, 3)->running, 1);
	vq_journal_close(s, true);
	assert_int_equal(access(path, F_OK), 0);
	heir_close_rest();
	vq_journal_close(f, true);
	assert_int_equal(access(path, F_OK), -1);
}

/* One of another version is not emptied: the predecessor has it mapped. */
static void
file_of_a_predecessor_keeps_its_shape(void **state)
{
	struct vq_journal_file *f = vq_journal_open(path, 4);

	vq_journal_get(f, 3)->running = 1;
	inherit();
	assert_null(vq_journal_open(path, 5));
	assert_int_equal(errno, EBUSY);
	heir_close_rest();
	assert_int_equal(vq_journal_get(f, 3)->running, 1);
	vq_journal_close(f, true);
}

/* --- whether to believe it --- */

static struct vq_journal journal;
static const struct vq_journal_key key = {1, 2, 3, RING_MODERN, 8, 0x80008000};

static void
start_ring(struct ring *r, enum vq_layout l)
{
	ring_prepare(r, l, 8, 0, false);
	r->setup.journal = &journal;
	assert_int_equal(vq_start(&r->vq, &r->setup), 0);
	memset(&journal, 0, sizeof(journal));
	vq_journal_start(&journal, &key, &r->setup.state);
}

static struct pkt_batch batch = {.max = PKT_BATCH_MAX};

static void
post(struct ring *r, unsigned int n)
{
	const struct ring_buf b[2] = {{RING_BUF(0), 80, 0}, {RING_BUF(1), 20, 0}};

	while (n-- > 0)
		ring_post(r, b, 1 + n % 2);
}

static void
take_all(struct ring *r)
{
	const struct pktq_ops *ops = pktq_ops(&r->vq.q);

	while (ops->rx(&r->vq.q, &batch) > 0)
		ops->rx_done(&r->vq.q, &batch);
}

static void
recovers_where_the_ring_stands(void **state)
{
	enum vq_layout l;
	struct ring r;

	for (l = VQ_SPLIT; l < VQ_LAYOUT_NUM; l++) {
		start_ring(&r, l);
		post(&r, 3);
		take_all(&r);
		assert_true(vq_journal_recover(&journal, &key, &r.setup));
		assert_int_equal(r.setup.state.avail, r.vq.avail);
		assert_int_equal(r.setup.state.used, r.vq.used);
		assert_int_equal(r.vq.used, l == VQ_PACKED ? 4 : 3);
		ring_fini(&r);
	}
}

static void
another_ring_does_not_inherit(void **state)
{
	struct vq_journal_key k;
	enum vq_layout l;
	struct ring r;
	unsigned int i;

	for (l = VQ_SPLIT; l < VQ_LAYOUT_NUM; l++) {
		start_ring(&r, l);
		post(&r, 3);
		take_all(&r);
		for (i = 0; i < 5; i++) {
			k = key;
			k.desc_uva += i == 0;
			k.driver_uva += i == 1;
			k.device_uva += i == 2;
			k.features += i == 3;
			k.size += i == 4;
			assert_false(vq_journal_recover(&journal, &k, &r.setup));
		}
		k = key;
		k.base++;
		assert_int_equal(vq_journal_recover(&journal, &k, &r.setup), l != VQ_PACKED);
		vq_journal_stop(&journal);
		assert_false(vq_journal_recover(&journal, &key, &r.setup));
		ring_fini(&r);
	}
}

static void
fresh_ring_at_the_same_place_does_not_inherit(void **state)
{
	enum vq_layout l;
	struct ring r;

	for (l = VQ_SPLIT; l < VQ_LAYOUT_NUM; l++) {
		start_ring(&r, l);
		post(&r, 3);
		take_all(&r);
		/* the guest was reset and has just made one chain available */
		memset(r.mem, 0, 0xc000);
		r.avail = r.free = 0;
		r.avail_wrap = true;
		post(&r, 1);
		assert_false(vq_journal_recover(&journal, &key, &r.setup));
		ring_fini(&r);
	}
}

static void
nonsense_is_not_believed(void **state)
{
	struct ring r;

	start_ring(&r, VQ_PACKED);
	post(&r, 3);
	take_all(&r);
	journal.state.used = 8;
	assert_false(vq_journal_recover(&journal, &key, &r.setup));
	journal.state.used = journal.state.avail = 4;
	journal.pending = 1;
	journal.n = VQ_USED_MAX + 1;
	assert_false(vq_journal_recover(&journal, &key, &r.setup));
	journal.n = 1;
	journal.e[0].slot = 8;
	assert_false(vq_journal_recover(&journal, &key, &r.setup));
	ring_fini(&r);
}

/* --- death at every instruction --- */

struct death {
	struct ring *r;             /* shared with the child that is the device */
	struct vq_journal *journal; /* likewise */
	uint16_t expect[64];        /* ids of the chains in the ring, in order */
	unsigned int n;
	struct vq_journal_key key;
};

/** Packed rings in order are told of the last chain of a batch only. */
static bool
in_order(const struct ring *r)
{
	return r->layout == VQ_PACKED && r->setup.features & RING_F(VIRTIO_F_IN_ORDER);
}

static void
skip_chain(struct ring *r)
{
	r->used += r->ndesc[r->used];
	if (r->used >= r->size) {
		r->used -= r->size;
		r->used_wrap = !r->used_wrap;
	}
}

/** The guest takes what is used and expects chain @p from next; returns what it expects then. */
static unsigned int
guest_takes(const struct death *d, struct ring *r, unsigned int from)
{
	uint32_t id, len;

	while (ring_used(r, &id, &len)) {
		while (from < d->n && d->expect[from] != id && in_order(r)) {
			skip_chain(r);
			from++;
		}
		assert_true(from < d->n);
		assert_int_equal(id, d->expect[from]);
		from++;
	}
	return from;
}

static uint16_t
send_one(struct ring *r, uint32_t len)
{
	static uint8_t bytes[300];
	struct pkt p = {.data = bytes, .len = len, .data_len = len, .nsegs = 1};
	struct pkt *list[1] = {&p};

	return pktq_ops(&r->vq.q)->tx(&r->vq.q, list, 1);
}

/** State a successor finds in memory as it is; @p meanwhile: the guest went on before it came. */
static void
succeed(const struct death *d, bool meanwhile)
{
	struct death after = *d;
	struct vq_journal j = *d->journal;
	unsigned int got = 0;
	struct ring r;

	ring_clone(&r, d->r);
	r.setup.journal = &j;
	if (meanwhile) {
		const struct ring_buf b = {RING_BUF(0), 80,
					   d->r->setup.tx ? VRING_DESC_F_WRITE : 0};
		unsigned int room;

		room = got = guest_takes(&after, &r, 0);
		while (room-- > 0) /* one new chain in the place of each */
			after.expect[after.n++] = ring_post(&r, &b, 1);
	}
	if (!vq_journal_recover(&j, &d->key, &r.setup)) /* what the front-end would say */
		r.setup.state.avail = r.setup.state.used =
			r.layout == VQ_PACKED ? 0 : vq_split_used_idx(r.layout, r.setup.device);
	assert_int_equal(vq_start(&r.vq, &r.setup), 0);
	if (!r.setup.tx)
		take_all(&r);
	else if (got < after.n)
		assert_int_equal(send_one(&r, 20), 1);
	got = guest_takes(&after, &r, got);
	if (!r.setup.tx)
		assert_int_equal(got, after.n);
	assert_int_equal(r.vq.avail, r.vq.used);
	assert_false(r.vq.broken);
	ring_fini(&r);
}

static void
device_rx(const struct death *d)
{
	struct vq *vq = &d->r->vq;
	const struct pktq_ops *ops = pktq_ops(&vq->q);

	ops->rx(&vq->q, &batch);
	raise(SIGSTOP);
	ops->rx_done(&vq->q, &batch);
}

static void
device_tx(const struct death *d)
{
	raise(SIGSTOP);
	send_one(d->r, 300);
}

/** A successor, too, may be killed: of a device that had got as far as to record its batch. */
static void
device_heir(const struct death *d)
{
	struct ring *r = d->r;
	struct vq *vq = &r->vq;
	struct vq_state next;
	uint32_t used = vq->used;
	uint16_t i;

	pktq_ops(&vq->q)->rx(&vq->q, &batch);
	for (i = 0; i < batch.ndone; i++)
		used += batch.done[i].ndesc;
	next = (struct vq_state){used, used, vq->used_wrap, vq->used_wrap};
	if (r->layout == VQ_PACKED && used >= r->size) {
		next.avail = next.used = used - r->size;
		next.avail_wrap = next.used_wrap = !vq->used_wrap;
	}
	vq_journal_begin(vq, batch.done, batch.ndone, &next);
	raise(SIGSTOP);
	vq_journal_recover(d->journal, &d->key,
			   &r->setup); /* else at its begin, as it was set up */
	if (vq_start(vq, &r->setup) != 0)
		_exit(1);
	vq_journal_start(d->journal, &d->key, &r->setup.state);
}

/** Step the child to its end; returns the number of different images of memory it left. */
static unsigned int
die_everywhere(const struct death *d, pid_t child)
{
	static uint8_t last_ring[0xc000];
	static struct vq_journal last_journal;
	unsigned int images = 0;
	int status;

	while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		if (memcmp(last_ring, d->r->mem, sizeof(last_ring)) != 0 ||
		    memcmp(&last_journal, d->journal, sizeof(last_journal)) != 0) {
			memcpy(last_ring, d->r->mem, sizeof(last_ring));
			last_journal = *d->journal;
			succeed(d, false);
			succeed(d, true);
			images++;
		}
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) < 0)
			break;
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return images;
}

/** Traffic of one chain after the other, until the next batch crosses the end of the ring. */
static void
advance(struct ring *r, const struct ring_buf *b, unsigned int n)
{
	uint32_t id, len;

	while (n-- > 0) {
		ring_post(r, b, 1);
		if (r->setup.tx)
			send_one(r, 20);
		else
			take_all(r);
		assert_true(ring_used(r, &id, &len));
	}
}

struct victim {
	void (*device)(const struct death *d);
	bool is_tx;
	uint64_t features;
	unsigned int start;  /* chains that came before */
	unsigned int images; /* it leaves at least */
};

static void
death_loses_and_repeats_nothing(enum vq_layout l, const struct victim *v)
{
	const struct ring_buf b[2] = {{RING_BUF(0), 80, v->is_tx ? VRING_DESC_F_WRITE : 0},
				      {RING_BUF(1), 20, v->is_tx ? VRING_DESC_F_WRITE : 0}};
	struct vq_journal_file *f = vq_journal_open(path, 1);
	unsigned int images;
	struct ring r;
	struct death d = {.r = &r, .journal = vq_journal_get(f, 0), .key = key};
	pid_t child;

	ring_prepare(&r, l, 16, v->features, v->is_tx);
	r.setup.journal = d.journal;
	assert_int_equal(vq_start(&r.vq, &r.setup), 0);
	d.key.size = r.size;
	vq_journal_start(d.journal, &d.key, &r.setup.state);
	advance(&r, b, v->start);
	while (d.n < 10) {
		d.expect[d.n] = ring_post(&r, b, 1 + d.n % 2);
		d.n++;
	}
	child = fork();
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(77);
		v->device(&d);
		_exit(0);
	}
	images = die_everywhere(&d, child);
	assert_true(images > v->images); /* the test did see the middle of it */
	ring_fini(&r);
	vq_journal_close(f, true);
}

static bool
can_trace(void)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0);
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* With ThreadSanitizer there are twenty times as many instructions: each layout and kind once. */
#ifdef __SANITIZE_THREAD__
#define VICTIM_STEP 10
#else
#define VICTIM_STEP 1
#endif

static void
device_may_die_at_any_instruction(void **state)
{
	const uint64_t mrg = RING_F(VIRTIO_NET_F_MRG_RXBUF);
	const struct victim victims[] = {
		{device_rx, false, 0, 0, 20},
		{device_rx, false, 0, 12, 20},
		{device_rx, false, RING_F(VIRTIO_F_IN_ORDER), 12, 2},
		{device_heir, false, 0, 0, 2},
		{device_heir, false, 0, 12, 2},
		{device_tx, true, mrg, 0, 6},
		{device_tx, true, mrg, 14, 6},
	};
	const size_t n = sizeof(victims) / sizeof(victims[0]);
	size_t i;

	if (!can_trace())
		skip();
	for (i = 0; i < VQ_LAYOUT_NUM * n; i += VICTIM_STEP)
		death_loses_and_repeats_nothing((enum vq_layout)(i / n), &victims[i % n]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_is_private_and_has_one_owner),
		cmocka_unit_test(file_keeps_its_content),
		cmocka_unit_test(file_stays_at_the_limit),
		cmocka_unit_test(foreign_files_are_replaced_not_followed),
		cmocka_unit_test(file_of_a_predecessor_is_shared),
		cmocka_unit_test(file_of_a_predecessor_keeps_its_shape),
		cmocka_unit_test(recovers_where_the_ring_stands),
		cmocka_unit_test(another_ring_does_not_inherit),
		cmocka_unit_test(fresh_ring_at_the_same_place_does_not_inherit),
		cmocka_unit_test(nonsense_is_not_believed),
		cmocka_unit_test(device_may_die_at_any_instruction),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
