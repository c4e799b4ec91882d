/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Post-copy with a front-end played by the test, which serves the pager's userfaultfd or does not:
 * a page that is absent holds up the ring that needs it, and nothing else.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "base/lane.h"
#include "eal.h"
#include "gmem/pager.h"
#include "gmem/pager_wire.h"
#include "virtq/vq.h"
#include "wire.h"

#define MODERN (F(VERSION_1) | F(PROTOCOL_FEATURES))
#define PROTOCOL ((WIRE_ALL & ~VHU_PF(CONFIGURE_MEM_SLOTS)) | VHU_PF(PAGEFAULT))
#define SIZE 256
#define PAGE 4096u
#define PAGES (OWNER_MEM / PAGE)
#define TRIES 60000 /* rounds of the loop, of a millisecond at most */

static struct wire w;
static struct rte_mempool *pool;
static uint8_t *image;     /* the guest's memory, at the source */
static int uffd;           /* the front-end's */
static uint64_t mapped_at; /* by the pager */
static bool served[PAGES]; /* by this front-end */

static void
loop_once(void)
{
	ev_run_once(w.o.loop, 1);
}

/** Send a message and wait for its answer. */
static uint64_t
talk(uint32_t request, const void *payload, uint32_t size, const int *fds, uint32_t n)
{
	uint32_t i;

	if (w.reply_fd >= 0)
		close(w.reply_fd);
	w.reply_fd = -1;
	peer_send(w.peer, request, VHU_VERSION | VHU_NEED_REPLY, payload, size, fds, n);
	for (i = 0; i < TRIES; i++) {
		loop_once();
		if (!vhu_conn_is_open(&w.s.conn))
			return WIRE_GONE;
		if (peer_recv(w.peer, &w.reply, &w.reply_fd))
			return w.reply.payload.u64;
	}
	return WIRE_SILENT;
}

static uint64_t
say(uint32_t request)
{
	return talk(request, NULL, 0, NULL, 0);
}

/** The guest's memory stays at the source. */
static void
leave_memory(void)
{
	memcpy(image, w.o.mem, OWNER_MEM);
	assert_int_equal(fallocate(w.o.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				   OWNER_MEM),
			 0);
	memset(served, 0, sizeof(served));
}

static void
bring(uint32_t page)
{
	struct uffdio_copy copy = {
		.dst = mapped_at + (uint64_t)page * PAGE,
		.src = (uintptr_t)image + (uint64_t)page * PAGE,
		.len = PAGE,
	};

	assert_false(served[page]);
	served[page] = true;
	assert_int_equal(ioctl(uffd, UFFDIO_COPY, &copy), 0);
}

/** The page of the next fault; -1: none so far. */
static int
fault(void)
{
	struct uffd_msg m;

	if (read(uffd, &m, sizeof(m)) != sizeof(m))
		return -1;
	assert_int_equal(m.event, UFFD_EVENT_PAGEFAULT);
	return (int)((m.arg.pagefault.address - mapped_at) / PAGE);
}

/** Wait for a fault. */
static uint32_t
next_fault(void)
{
	int page = -1;
	uint32_t i;

	for (i = 0; i < TRIES && page < 0; i++) {
		loop_once();
		page = fault();
	}
	assert_true(page >= 0);
	return (uint32_t)page;
}

/** Serve all faults but one of page @p but until @p done. */
static void
serve_but(int but, bool (*done)(void))
{
	uint32_t i;

	for (i = 0; i < TRIES && !done(); i++) {
		int page = fault();

		if (page >= 0 && page != but)
			bring((uint32_t)page);
		loop_once();
	}
	if (!done()) {
		print_message("0: %s, 1: %s\n", w.o.d->q[0].why, w.o.d->q[1].why);
		vhu_session_show(&w.s, stdout);
	}
	assert_true(done());
}

static bool
rings_run(void)
{
	return vdev_vq_running(w.o.d, 0) && vdev_vq_running(w.o.d, 1);
}

static void
begin(void)
{
	assert_int_not_equal(say(VHU_POSTCOPY_ADVISE), WIRE_GONE);
	assert_true(w.reply_fd >= 0);
	assert_int_equal(w.reply.header.size, 0);
	uffd = fcntl(w.reply_fd, F_DUPFD_CLOEXEC, 0);
	assert_int_equal(say(VHU_POSTCOPY_LISTEN), 0);
}

static uint64_t
say_table(void)
{
	const struct vhu_mem_table t = {
		.n = 1,
		.r[0] = {OWNER_GPA, OWNER_MEM, OWNER_UVA, 0},
	};
	uint64_t ret = talk(VHU_SET_MEM_TABLE, &t, 8 + sizeof(t.r[0]), &w.o.memfd, 1);

	if (ret == WIRE_GONE)
		return ret;
	assert_int_equal(w.reply.header.size, 8 + sizeof(t.r[0]));
	assert_int_equal(w.reply.payload.mem_table.n, 1);
	assert_int_equal(w.reply.payload.mem_table.r[0].gpa, OWNER_GPA);
	mapped_at = w.reply.payload.mem_table.r[0].uva;
	return 0;
}

static uint64_t
acknowledge(uint64_t word)
{
	return talk(VHU_SET_MEM_TABLE, &word, sizeof(word), NULL, 0);
}

/** The front-end here sends nothing once for each pair, and so can have several. */
static void
reconnect(void)
{
	w.o.d->cfg.queue_pairs = 1;
	wire_reconnect(&w, PROTOCOL);
	w.o.d->cfg.queue_pairs = OWNER_PAIRS;
}

/** Rings as the source had them, of the pairs @p pairs. */
static void
start_rings(uint32_t rings)
{
	const uint64_t features = MODERN;
	uint32_t i;

	talk(VHU_SET_FEATURES, &features, sizeof(features), NULL, 0);
	for (i = 0; i < rings; i++) {
		wire_ask_state(&w, VHU_SET_VRING_ENABLE, i, 1);
		wire_start_ring(&w, i, SIZE, 0);
	}
}

/** All of it, up to memory that has yet to come. */
static void
arrive(void)
{
	begin();
	assert_int_equal(say_table(), 0);
	assert_int_equal(acknowledge(0), 0);
}

static int
setup(void **state)
{
	wire_init(&w, 0);
	w.s.extra = VHU_PF_OPTIONAL;
	assert_int_not_equal(wire_ask_u64(&w, VHU_SET_PROTOCOL_FEATURES, PROTOCOL), 0);
	w.o.d->cfg.queue_pairs = 1;
	assert_int_equal(wire_ask_u64(&w, VHU_SET_PROTOCOL_FEATURES, PROTOCOL), 0);
	w.o.d->cfg.queue_pairs = OWNER_PAIRS;
	image = mmap(NULL, OWNER_MEM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(image, MAP_FAILED);
	uffd = -1;
	return 0;
}

static int
teardown(void **state)
{
	wire_fini(&w);
	if (uffd >= 0)
		close(uffd);
	munmap(image, OWNER_MEM);
	/* the process of a pager is ended in a lane */
	while (!lane_all_idle())
		usleep(1000);
	return 0;
}

static uint16_t
poll_rx(uint32_t pair, struct pkt_batch *b)
{
	struct pktq *q = &w.o.rx[pair]->q;

	memset(b, 0, offsetof(struct pkt_batch, pkt));
	b->max = PKT_BATCH_MAX;
	return pktq_ops(q)->rx(q, b);
}

static uint16_t
poll_tx(uint32_t pair, const uint8_t *frame, uint32_t len)
{
	struct pktq *q = &w.o.tx[pair]->q;
	struct pkt p = {.data = (uint8_t *)(uintptr_t)frame,
			.data_len = len,
			.len = len,
			.nsegs = 1};
	struct pkt *const list[] = {&p};

	memcpy(p.eth_bytes, frame, sizeof(p.eth_bytes));
	return pktq_ops(q)->tx(q, list, 1);
}

/** The guest has sent a frame from page @p page on before it moved. */
static void
guest_sends(uint32_t ring, uint32_t page, uint32_t off)
{
	const struct vqd_buf buf = {OWNER_GPA + (uint64_t)page * PAGE + off, 12 + 64};
	const struct vqd_chain chain = {.buf = &buf, .nout = 1};
	struct vqd drv;

	w.o.d->features = MODERN;
	owner_driver(&w.o, ring, SIZE, &drv);
	memset(w.o.mem + page * PAGE + off, 0, 12);
	memset(w.o.mem + page * PAGE + off + 12, (int)(0x10 + ring), 64);
	assert_int_equal(vqd_add(&drv, &chain), 0);
	vqd_publish(&drv);
	vqd_fini(&drv);
	w.o.d->features = 0;
}

/** ... and offered a buffer. */
static void
guest_offers(uint32_t ring, uint32_t page, struct vqd *drv)
{
	const struct vqd_buf buf = {OWNER_GPA + (uint64_t)page * PAGE, 1600};
	const struct vqd_chain chain = {.buf = &buf, .nin = 1};

	w.o.d->features = MODERN;
	owner_driver(&w.o, ring, SIZE, drv);
	assert_int_equal(vqd_add(drv, &chain), 0);
	vqd_publish(drv);
	w.o.d->features = 0;
}

#define FRAME_PAGE 900u
#define BUFFER_PAGE 910u
#define OTHER_PAGE 920u

static bool
not_waiting(void)
{
	return !atomic_load(&w.o.rx[0]->q.waits);
}

/** A ring starts when its own pages are there, a frame is taken when its pages are. */
static void
frames_of_absent_pages(void **state)
{
	struct pkt_batch b;
	uint32_t i;

	guest_sends(1, FRAME_PAGE, PAGE - 40);
	leave_memory();
	arrive();
	start_rings(2);
	assert_false(rings_run());
	assert_non_null(strstr(w.o.d->q[1].why, "pages of its ring"));
	serve_but(-1, rings_run);
	assert_int_equal(poll_rx(0, &b), 0);
	assert_true(atomic_load(&w.o.rx[0]->q.waits));
	assert_int_equal(next_fault(), FRAME_PAGE);
	assert_int_equal(poll_rx(0, &b), 0);
	bring(FRAME_PAGE);
	serve_but(-1, not_waiting);
	assert_true(served[FRAME_PAGE + 1]);
	assert_int_equal(poll_rx(0, &b), 1);
	assert_int_equal(b.pkt[0].len, 64);
	for (i = 0; i < RTE_ETHER_HDR_LEN; i++)
		assert_int_equal(b.pkt[0].eth_bytes[i], 0x11);
	pktq_ops(&w.o.rx[0]->q)->rx_done(&w.o.rx[0]->q, &b);
	assert_int_equal(say(VHU_POSTCOPY_END), 0);
	assert_null(w.o.d->gmem->present);
	assert_true(rings_run());
}

static bool
other_pair_goes_on(void)
{
	static struct pkt_batch b;

	return poll_rx(1, &b) == 1;
}

static bool
all_run(void)
{
	return rings_run() && vdev_vq_running(w.o.d, 2) && vdev_vq_running(w.o.d, 3);
}

/** Another ring of the same port gets the page it needs while one page is withheld. */
static void
withheld_page(void **state)
{
	struct pkt_batch b;

	guest_sends(1, FRAME_PAGE, 0);
	guest_sends(3, OTHER_PAGE, 0);
	leave_memory();
	arrive();
	start_rings(4);
	serve_but(-1, all_run);
	assert_int_equal(poll_rx(0, &b), 0);
	serve_but(FRAME_PAGE, other_pair_goes_on);
	assert_false(served[FRAME_PAGE]);
	assert_int_equal(poll_rx(0, &b), 0);
	bring(FRAME_PAGE);
	serve_but(-1, not_waiting);
	assert_int_equal(poll_rx(0, &b), 1);
}

static bool
backlog_gone(void)
{
	struct pktq *q = &w.o.tx[0]->q;

	if (q->backlog > 0)
		pktq_ops(q)->flush(q);
	return q->backlog == 0;
}

/** A frame for a guest whose buffer is absent waits for it, those after it stay behind it. */
static void
buffers_of_absent_pages(void **state)
{
	uint8_t frame[64] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, 0x77};
	const uint8_t *there = w.o.mem + BUFFER_PAGE * PAGE;
	struct vqd drv;

	w.o.d->cfg.mp = pool;
	guest_offers(0, BUFFER_PAGE, &drv);
	leave_memory();
	arrive();
	start_rings(2);
	serve_but(-1, rings_run);
	assert_int_equal(poll_tx(0, frame, sizeof(frame)), 1);
	assert_int_equal(w.o.tx[0]->q.backlog, 1);
	serve_but(-1, backlog_gone);
	assert_true(served[BUFFER_PAGE]);
	assert_memory_equal(there + 12, frame, sizeof(frame));
	vqd_fini(&drv);
}

/** Messages out of order are refused; none ends this program, or leaves a process behind. */
static void
out_of_order(void **state)
{
	static const uint32_t early[] = {VHU_POSTCOPY_LISTEN, VHU_POSTCOPY_END};
	uint32_t i;

	for (i = 0; i < RTE_DIM(early); i++) {
		assert_int_not_equal(say(early[i]), 0);
		assert_true(vhu_conn_is_open(&w.s.conn));
	}
	begin();
	assert_int_equal(acknowledge(0), EINVAL);
	assert_int_equal(say(VHU_POSTCOPY_LISTEN), 0);
	assert_int_equal(say_table(), 0);
	assert_int_equal(say_table(), 0);
	assert_int_equal(acknowledge(1), EINVAL);
	assert_int_equal(acknowledge(0), 0);
	assert_int_equal(acknowledge(0), EINVAL);
	assert_int_equal(say(VHU_POSTCOPY_END), 0);
	assert_int_equal(say(VHU_POSTCOPY_END), EINVAL);
	close(uffd);
	reconnect();
	begin();
	assert_int_equal(say(VHU_POSTCOPY_ADVISE), WIRE_GONE);
	assert_string_equal(wire_why(&w), "post-copy was advised before");
}

/** A table after another: the pages of the second are served anew, a thread held is released. */
static void
tables_in_a_row(void **state)
{
	struct pkt_batch b;
	int i;

	guest_sends(1, FRAME_PAGE, 0);
	leave_memory();
	arrive();
	start_rings(2);
	serve_but(-1, rings_run);
	assert_int_equal(poll_rx(0, &b), 0);
	assert_int_equal(next_fault(), FRAME_PAGE);
	for (i = 0; i < 20; i++) {
		assert_int_equal(say_table(), 0);
		assert_int_equal(acknowledge(0), 0);
		while (fault() >= 0)
			; /* of the table that is gone */
	}
	assert_int_equal(say_table(), 0);
	assert_int_equal(acknowledge(0), 0);
	serve_but(-1, rings_run);
	assert_int_equal(poll_rx(0, &b), 0);
	serve_but(-1, not_waiting);
	assert_int_equal(poll_rx(0, &b), 1);
}

/** A front-end that leaves, or ends post-copy, with pages it never served. */
static void
pages_never_served(void **state)
{
	const unsigned int before = open_fds();
	struct pkt_batch b;
	int i;

	for (i = 0; i < 10; i++) {
		guest_sends(1, FRAME_PAGE, 0);
		leave_memory();
		arrive();
		start_rings(2);
		serve_but(-1, rings_run);
		assert_int_equal(poll_rx(0, &b), 0);
		assert_int_equal(next_fault(), FRAME_PAGE);
		if (i % 2 == 0) {
			assert_int_equal(say(VHU_POSTCOPY_END), 0);
			assert_true(not_waiting());
		}
		close(uffd);
		uffd = -1;
		reconnect();
		while (!lane_all_idle())
			usleep(1000);
	}
	assert_int_equal(open_fds(), before);
}

/** The descriptor gives power over the address space it is of, which is not ours. */
static void
descriptor_is_of_another_process(void **state)
{
	uint8_t *mine =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register reg = {
		.range = {(uintptr_t)mine, PAGE},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	begin();
	(void)ioctl(uffd, UFFDIO_REGISTER, &reg);
	mine[0] = 1; /* else it waits here */
	munmap(mine, 2 * PAGE);
}

/** The value of a line of /proc/PID/task/TID/status; UINT64_MAX: there is none. */
static uint64_t
task_status(const char *pid, const char *task, const char *name, int base)
{
	char path[300], line[256];
	uint64_t value = UINT64_MAX;
	const size_t len = strlen(name);
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/task/%s/status", pid, task);
	f = fopen(path, "r");
	if (f == NULL)
		return value; /* it has ended meanwhile */
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, len) == 0)
			value = strtoull(line + len, NULL, base);
	fclose(f);
	return value;
}

static bool
is_pager(const char *pid)
{
	char path[300], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	if (fgets(name, sizeof(name), f) == NULL)
		name[0] = '\0';
	fclose(f);
	name[strcspn(name, "\n")] = '\0';
	return strcmp(name, pager_process_name) == 0 &&
	       task_status(pid, pid, "PPid:", 10) == (uint64_t)getpid();
}

/** The process of the pager, a child of this one, to @p pid. */
static void
find_pager(char pid[16])
{
	struct dirent *e;
	DIR *d = opendir("/proc");

	assert_non_null(d);
	pid[0] = '\0';
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && is_pager(e->d_name))
			snprintf(pid, 16, "%.15s", e->d_name);
	closedir(d);
	assert_string_not_equal(pid, "");
}

static unsigned int
entries(const char *pid, const char *folder)
{
	char path[64];
	unsigned int n = 0;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, folder);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/** A front-end that takes the process over finds no capability, no other file, few calls. */
static void
process_can_do_little(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	const uint64_t filter = 0; /* sanitizers make calls of their own */
#else
	const uint64_t filter = 2; /* SECCOMP_MODE_FILTER */
#endif
	char path[64], pid[16];
	struct dirent *e;
	DIR *d;

	begin();
	find_pager(pid);
	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		assert_int_equal(task_status(pid, e->d_name, "CapEff:", 16), 0);
		assert_int_equal(task_status(pid, e->d_name, "CapPrm:", 16), 0);
		assert_int_equal(task_status(pid, e->d_name, "Seccomp:", 10), filter);
	}
	closedir(d);
	/* those of a process that is not dumpable are root's to see */
	if (geteuid() == 0)
		assert_int_equal(entries(pid, "fd"), 2);
}

/** Memory announced before is taken for whole; post-copy after it would not know better. */
static void
memory_before(void **state)
{
	wire_give_memory(&w);
	assert_int_not_equal(say(VHU_POSTCOPY_ADVISE), WIRE_GONE);
	assert_int_equal(say(VHU_POSTCOPY_LISTEN), EINVAL);
	assert_true(vhu_conn_is_open(&w.s.conn));
}

/** A migration that is over before post-copy begins has no other end than its table. */
static void
advised_in_vain(void **state)
{
	assert_int_not_equal(say(VHU_POSTCOPY_ADVISE), WIRE_GONE);
	assert_non_null(w.s.postcopy.pager);
	wire_give_memory(&w);
	assert_null(w.s.postcopy.pager);
	assert_non_null(w.o.d->gmem);
	assert_null(w.o.d->gmem->present);
	/* and it can be migrated once more */
	assert_int_not_equal(say(VHU_POSTCOPY_ADVISE), WIRE_GONE);
}

/** Slots have no answer that says where they are mapped. */
static void
offer(void **state)
{
	/* the fixture has several queue pairs */
	assert_int_equal(vhu_offered(&w.s) & VHU_PF(PAGEFAULT), 0);
	assert_int_not_equal(vhu_offered(&w.s) & VHU_PF(CONFIGURE_MEM_SLOTS), 0);
	w.o.d->cfg.queue_pairs = 1;
	assert_int_not_equal(vhu_offered(&w.s) & VHU_PF(PAGEFAULT), 0);
	assert_int_equal(vhu_offered(&w.s) & VHU_PF(CONFIGURE_MEM_SLOTS), 0);
	w.s.extra = 0;
	assert_int_equal(vhu_offered(&w.s) & VHU_PF(PAGEFAULT), 0);
	assert_int_not_equal(vhu_offered(&w.s) & VHU_PF(CONFIGURE_MEM_SLOTS), 0);
}

/* Counters say how often and how long pages were awaited, and stay when post-copy has ended. */
static void
counters_stay(void **state)
{
	struct transport_fact f[TRANSPORT_FACTS_MAX], g[TRANSPORT_FACTS_MAX];

	frames_of_absent_pages(state);
	assert_int_equal(vhu_postcopy_facts(&w.s, f), 6);
	assert_string_equal(f[0].name, "postcopy_pages_asked");
	assert_true(f[0].number > 0);
	assert_int_equal(f[1].number, 0); /* awaited */
	assert_true(f[2].number > 0);
	assert_true(f[3].number > 0 && f[3].number <= f[0].number);
	assert_true(f[5].number <= f[4].number);
	assert_null(w.s.postcopy.pager);
	assert_int_equal(vhu_postcopy_facts(&w.s, g), 6);
	assert_memory_equal(g, f, 6 * sizeof(f[0]));
	w.s.extra &= ~VHU_PF(PAGEFAULT);
	assert_int_equal(vhu_postcopy_facts(&w.s, g), 0);
}

/* Have every capset() of this process fail from now on. */
static bool
forbid_capset(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_capset, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = {.len = RTE_DIM(f), .filter = f};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == 0;
}

enum { OFFERED, NOT_OFFERED, NO_FILTER };
static int under_filter = NO_FILTER;

/* Before this process has found that there is post-copy, which it remembers. */
static void
try_under_filter(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(!forbid_capset()              ? NO_FILTER
		      : pager_unavailable() != NULL ? NOT_OFFERED
						    : OFFERED);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		under_filter = WEXITSTATUS(status);
}

/* Post-copy is not offered if its process could not give up capabilities. */
static void
not_offered_without_capset(void **state)
{
	if (under_filter == NO_FILTER)
		skip();
	assert_int_equal(under_filter, NOT_OFFERED);
}

static int
group_setup(void **state)
{
	if (eal_start("0", 64) < 0)
		return -1;
	pool = rte_pktmbuf_pool_create("backlog", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return pool == NULL ? -1 : 0;
}

static int
group_teardown(void **state)
{
	rte_mempool_free(pool);
	return rte_eal_cleanup();
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(frames_of_absent_pages),
		T(withheld_page),
		T(buffers_of_absent_pages),
		T(out_of_order),
		T(tables_in_a_row),
		T(pages_never_served),
		T(descriptor_is_of_another_process),
		T(process_can_do_little),
		T(memory_before),
		T(advised_in_vain),
		T(offer),
		T(counters_stay),
		cmocka_unit_test(not_offered_without_capset),
	};

	try_under_filter();
	if (pager_unavailable() != NULL) {
		printf("SKIP: %s\n", pager_unavailable());
		return 77;
	}
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
