/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest of vqgen that is migrated from one back-end to another and back while its driver runs.
 * Its memory goes page by page to another file, which at the end takes the place of the first, so
 * that pointers to it stay. Writes of the driver are seen by its pages' protection, as KVM does it;
 * those of the back-end by its log only. Before each switch-over the driver is silent while frames
 * come, then both files are compared: a page that the back-end has written and not marked differs.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/ev.h"
#include "vqgen.h"

#define PAGE 4096ul
#define PASSES 2
#define STEP_NS 2000000 /* between two of them, and before and after a migration */

enum phase { IDLE, COPYING, SILENT };

/** The points at which a migration can fail, and the guest goes on at the source. */
enum failure {
	FAIL_LOG,       /* the log cannot be mapped */
	FAIL_CANCELLED, /* the VMM ends it and takes LOG_ALL back */
	FAIL_TARGET,    /* the target is gone while memory is copied */
	FAIL_STOPPED,   /* the target is gone when the source has stopped */
	FAIL_NUM,
	FAIL_NONE = FAIL_NUM,
};

struct migration {
	struct port *p;
	const struct options *o;
	const char *path[2];
	uint32_t at; /* which of them the guest is at */
	enum phase phase;
	enum failure failure; /* the one this migration is going to meet */
	bool waits;           /* for frames, as before each migration */
	uint32_t passes;
	uint64_t due;   /* the next step */
	struct gm copy; /* the memory at the target */
	struct port_log log;
	uint8_t *written; /* not 0: the driver has written the page since it was copied */
	struct vhf *there;
	uint64_t moved, failed, copied, marked, differed;
};

static struct migration *guarded; /* whose pages the handler knows */

static void __attribute__((noreturn)) die(const struct migration *m, const char *what, int err)
{
	fprintf(stderr, "vqgen: migration %lu to %s: %s: %s\n", m->moved + m->failed,
		m->path[!m->at], what, strerror(-err));
	exit(1);
}

/* --- pages the driver writes --- */

static void
protect(const struct migration *m, uint64_t page, uint64_t n, int prot)
{
	if (mprotect(m->p->mem.hva + page * PAGE, n * PAGE, prot) != 0)
		abort();
}

static void
on_write(int sig, siginfo_t *info, void *context)
{
	const struct migration *m = guarded;
	const uintptr_t at = (uintptr_t)info->si_addr - (uintptr_t)m->p->mem.hva;

	if (at >= m->p->mem.size) {
		signal(sig, SIG_DFL);
		return;
	}
	m->written[at / PAGE] = 1;
	protect(m, at / PAGE, 1, PROT_READ | PROT_WRITE);
}

static void
guard(const struct migration *m, bool on)
{
	memset(m->written, 0, m->p->mem.size / PAGE);
	protect(m, 0, m->p->mem.size / PAGE, on ? PROT_READ : PROT_READ | PROT_WRITE);
}

/* --- copying --- */

static bool
take_mark(struct migration *m, uint64_t page)
{
	const uint64_t bit = m->p->mem.gpa / PAGE + page;
	const uint8_t mask = (uint8_t)(1u << (bit % 8));

	return __atomic_fetch_and(&m->log.bits[bit / 8], (uint8_t)~mask, __ATOMIC_ACQUIRE) & mask;
}

static void
copy_page(struct migration *m, uint64_t page)
{
	memcpy(m->copy.hva + page * PAGE, m->p->mem.hva + page * PAGE, PAGE);
	m->copied++;
}

/** Copy what was written since it was copied. */
static void
pass(struct migration *m)
{
	for (uint64_t page = 0; page < m->p->mem.size / PAGE; page++) {
		const bool marked = take_mark(m, page), written = m->written[page] != 0;

		m->marked += marked;
		if (written) {
			m->written[page] = 0;
			protect(m, page, 1, PROT_READ);
		}
		if (marked || written)
			copy_page(m, page);
	}
	m->passes++;
}

static void
compare(struct migration *m)
{
	for (uint64_t page = 0; page < m->p->mem.size / PAGE; page++) {
		if (memcmp(m->copy.hva + page * PAGE, m->p->mem.hva + page * PAGE, PAGE) == 0)
			continue;
		m->differed++;
		fprintf(stderr, "vqgen: migration %lu: page %lu was written and not marked\n",
			m->moved + m->failed, page);
	}
}

/* --- the target --- */

static void
target_close(struct migration *m)
{
	if (m->there == NULL)
		return;
	vhf_close(m->there);
	free(m->there);
	m->there = NULL;
}

static int
target_open(struct migration *m)
{
	const struct vhf_config cfg = {.path = m->path[!m->at], .timeout_ms = m->o->timeout_ms};
	int ret;

	m->there = calloc(1, sizeof(*m->there));
	ret = vhf_open(m->there, &cfg);
	if (ret == 0)
		ret = port_negotiate(m->there, m->o);
	if (ret == 0)
		ret = port_announce_memory(m->p, m->there, m->copy.fd);
	if (ret != 0)
		target_close(m);
	return ret;
}

/** The copy takes the place of the memory, the target's session that of the source's. */
static int
switch_over(struct migration *m)
{
	struct vhf *source = m->p->vhf;
	struct gm *mem = &m->p->mem;
	int ret;

	if (mmap(mem->hva, mem->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, m->copy.fd,
		 0) == MAP_FAILED)
		abort();
	RTE_SWAP(mem->fd, m->copy.fd);
	m->p->vhf = m->there;
	m->p->log = NULL;
	m->there = source;
	m->at ^= 1;
	ret = port_start(m->p, m->o);
	target_close(m);
	return ret;
}

/* --- steps --- */

static void
step_end(struct migration *m)
{
	m->p->silent = false;
	m->phase = IDLE;
	target_close(m);
	gm_fini(&m->copy);
}

/** The guest goes on where it is. */
static int
step_fail(struct migration *m)
{
	int ret = port_log_off(m->p, m->o);

	guard(m, false);
	step_end(m);
	m->failed += ret == 0;
	return ret;
}

/**
 * A log that no back-end can map. There is no answer that says so and that VMMs look at, so a
 * back-end ends the session, and the guest goes on in the next.
 */
static int
step_bad_log(struct migration *m)
{
	const struct port_log bad = {.fd = eventfd(0, EFD_CLOEXEC), .size = m->log.size};
	int ret = port_log_on(m->p, m->o, &bad);

	close(bad.fd);
	if (ret == 0)
		die(m, "a log in an eventfd was taken", -EPROTO);
	if (ret != -ECONNRESET)
		return ret;
	m->p->ended = true;
	m->failed++;
	return 0;
}

static enum failure
failure_next(const struct migration *m)
{
	if (m->failed == m->o->failures)
		return FAIL_NONE;
	if (m->moved < m->o->moves && m->failed * m->o->moves >= (m->moved + 1) * m->o->failures)
		return FAIL_NONE;
	return m->failed % FAIL_NUM;
}

static int
step_begin(struct migration *m)
{
	int ret;

	m->failure = failure_next(m);
	if (m->failure == FAIL_LOG)
		return step_bad_log(m);
	ret = gm_init(&m->copy, m->p->mem.gpa, m->p->mem.size, m->o->huge);
	if (ret == 0)
		ret = target_open(m);
	if (ret == 0) {
		memset(m->log.bits, 0, m->log.size);
		ret = port_log_on(m->p, m->o, &m->log);
	}
	if (ret != 0) {
		step_end(m);
		return ret;
	}
	guard(m, true);
	for (uint64_t page = 0; page < m->p->mem.size / PAGE; page++)
		copy_page(m, page);
	m->phase = COPYING;
	m->passes = 0;
	return 0;
}

static int
step_copy(struct migration *m)
{
	pass(m);
	if (m->passes < PASSES)
		return 0;
	if (m->failure == FAIL_CANCELLED || m->failure == FAIL_TARGET) {
		if (m->failure == FAIL_TARGET)
			target_close(m);
		return step_fail(m);
	}
	m->p->silent = true;
	m->phase = SILENT;
	pass(m);
	return 0;
}

/** From here on only the back-end has written. */
static int
step_stop(struct migration *m)
{
	int ret = port_stop(m->p, m->o);

	if (ret != 0)
		return ret;
	pass(m);
	compare(m);
	if (m->failure == FAIL_STOPPED) {
		target_close(m);
		ret = step_fail(m);
		return ret != 0 ? ret : port_start(m->p, m->o);
	}
	ret = switch_over(m);
	step_end(m);
	m->moved += ret == 0;
	return ret;
}

void
migration_interrupted(struct migration *m)
{
	m->p->silent = false;
	m->waits = true;
	if (m->phase == SILENT)
		m->phase = COPYING;
	m->passes = 0;
}

/** A back-end that is gone comes back with --reconnect; memory is copied on then. */
static void
trouble(struct migration *m, int ret)
{
	if (!m->o->reconnect || (ret != -ECONNRESET && port_alive(m->p)))
		die(m, m->p->vhf->err, ret);
	migration_interrupted(m);
}

bool
migration_step(struct migration *m, bool flows)
{
	static int (*const step[])(struct migration *) =
		{[IDLE] = step_begin, [COPYING] = step_copy, [SILENT] = step_stop};
	int ret;

	if (ev_now_ns() < m->due || !port_alive(m->p) || (m->waits && !flows))
		return false;
	if (migration_done(m))
		return true;
	m->waits = false;
	ret = step[m->phase](m);
	if (ret != 0)
		trouble(m, ret);
	m->waits |= m->phase == IDLE;
	m->due = ev_now_ns() + STEP_NS;
	return true;
}

bool
migration_done(const struct migration *m)
{
	return m->phase == IDLE && m->moved >= m->o->moves && m->failed >= m->o->failures;
}

/* --- from first to last --- */

static void
log_new(struct migration *m)
{
	const uint64_t bytes = (m->p->mem.gpa + m->p->mem.size) / PAGE / 8;

	m->log = (struct port_log){.fd = memfd_create("log", MFD_CLOEXEC),
				   .size = RTE_ALIGN_CEIL(bytes, PAGE)};
	if (m->log.fd < 0 || ftruncate(m->log.fd, (off_t)m->log.size) != 0)
		die(m, "log", -errno);
	m->log.bits = mmap(NULL, m->log.size, PROT_READ | PROT_WRITE, MAP_SHARED, m->log.fd, 0);
	if (m->log.bits == MAP_FAILED)
		die(m, "log", -errno);
}

struct migration *
migration_new(struct port *p, const struct options *o)
{
	struct sigaction act = {.sa_sigaction = on_write, .sa_flags = SA_SIGINFO};
	struct migration *m;

	if (o->target == NULL)
		return NULL;
	m = calloc(1, sizeof(*m));
	*m = (struct migration){.p = p,
				.o = o,
				.path = {o->path[p->id], o->target},
				.copy = {.fd = -1}};
	m->written = calloc(p->mem.size / PAGE, 1);
	log_new(m);
	guarded = m;
	sigaction(SIGSEGV, &act, NULL);
	return m;
}

void
migration_free(struct migration *m)
{
	if (m == NULL)
		return;
	if (m->phase != IDLE)
		guard(m, false);
	step_end(m);
	munmap(m->log.bits, m->log.size);
	close(m->log.fd);
	free(m->written);
	free(m);
}

void
migration_report(const struct migration *m)
{
	printf("migrations moved=%lu failed=%lu copied=%lu marked=%lu differed=%lu\n", m->moved,
	       m->failed, m->copied, m->marked, m->differed);
}

bool
migration_differed(const struct migration *m)
{
	return m->differed != 0;
}
