/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_branch_prediction.h>

#include "base/heir.h"
#include "virtq/fmt.h"
#include "virtq/internal.h"
#include "virtq/journal.h"

/* --- the file --- */

#define JOURNAL_HEADER_LEN 4096 /* the queues follow, aligned */
#define JOURNAL_NOTE 64         /* behind the header */

struct journal_header {
	uint32_t magic;
	uint32_t version;
	uint32_t nqueues;
	uint32_t entry_size;
};

struct vq_journal_file {
	int fd;
	uint32_t nqueues;
	size_t len;
	uint8_t *map;
	char path[];
};

static struct journal_header
journal_header(uint32_t nqueues)
{
	return (struct journal_header){VQ_JOURNAL_MAGIC, VQ_JOURNAL_VERSION, nqueues,
				       sizeof(struct vq_journal)};
}

/** Whether @p fd is a file of ours, and still the one at @p path. */
static bool
journal_trusted(int fd, const char *path)
{
	struct stat a, b;

	if (fstat(fd, &a) < 0 || lstat(path, &b) < 0)
		return false;
	return S_ISREG(a.st_mode) && a.st_uid == geteuid() && a.st_nlink == 1 &&
	       (a.st_mode & 0777) == 0600 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/**
 * Open and lock; -1 with errno: EWOULDBLOCK when another process has it, EPERM when it is not ours
 * to use.
 */
static int
journal_lock(const char *path, int flags)
{
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | flags, 0600);

	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		if (journal_trusted(fd, path))
			return fd;
		errno = EPERM;
	}
	flags = errno;
	close(fd);
	errno = flags;
	return -1;
}

/** Whether opening failed for what is there, and not for want of a descriptor or memory. */
static bool
journal_is_foreign(int error)
{
	return error == EPERM || error == EACCES || error == ELOOP || error == ENXIO;
}

/** The locked file, made anew where the present one is not a journal of ours. */
static int
journal_obtain(const char *path)
{
	int fd = journal_lock(path, 0);

	if (fd >= 0)
		return fd;
	if (errno != ENOENT && (!journal_is_foreign(errno) || unlink(path) < 0))
		return -1;
	return journal_lock(path, O_CREAT | O_EXCL);
}

static bool
journal_has_shape(int fd, const struct journal_header *want, size_t len)
{
	struct journal_header have;
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == (off_t)len &&
	       pread(fd, &have, sizeof(have), 0) == sizeof(have) &&
	       memcmp(&have, want, sizeof(have)) == 0;
}

/** Give the file its length; a file that is not a journal of the same shape is emptied. */
static int
journal_shape(int fd, const struct journal_header *want, size_t len)
{
	int rc;

	if (journal_has_shape(fd, want, len))
		return 0;
	if (ftruncate(fd, 0) < 0)
		return -1;
	/* space is reserved now: a full file system must not become a SIGBUS later */
	rc = posix_fallocate(fd, 0, (off_t)len);
	if (rc != 0) {
		errno = rc;
		return -1;
	}
	return pwrite(fd, want, sizeof(*want), 0) == sizeof(*want) ? 0 : -1;
}

/**
 * The predecessor's, which has locked it for both and goes on writing to it if this process fails:
 * one of another shape is left alone. -1 with errno.
 */
static int
journal_inherit(int fd, const struct journal_header *want, size_t len)
{
	if (journal_has_shape(fd, want, len))
		return fd;
	close(fd);
	errno = EBUSY;
	return -1;
}

struct vq_journal_file *
vq_journal_open(const char *path, uint32_t nqueues)
{
	const struct journal_header header = journal_header(nqueues);
	size_t path_len = strlen(path) + 1;
	struct vq_journal_file *f = malloc(sizeof(*f) + path_len);
	int saved;

	if (f == NULL)
		return NULL;
	memcpy(f->path, path, path_len);
	f->nqueues = nqueues;
	f->len = JOURNAL_HEADER_LEN + (size_t)nqueues * sizeof(struct vq_journal);
	f->fd = heir_take(path);
	f->fd = f->fd >= 0 ? journal_inherit(f->fd, &header, f->len) : journal_obtain(path);
	if (f->fd < 0)
		goto fail;
	if (journal_shape(f->fd, &header, f->len) < 0)
		goto fail;
	f->map = mmap(NULL, f->len, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->map != MAP_FAILED) {
		heir_note(path, f->fd);
		return f;
	}
fail:
	saved = errno;
	if (f->fd >= 0)
		close(f->fd);
	free(f);
	errno = saved;
	return NULL;
}

void
vq_journal_close(struct vq_journal_file *f, bool unlink_it)
{
	if (f == NULL)
		return;
	if (unlink_it && !heir_pending())
		unlink(f->path);
	munmap(f->map, f->len);
	heir_forget(f->fd);
	close(f->fd);
	free(f);
}

struct vq_journal *
vq_journal_get(struct vq_journal_file *f, uint32_t queue)
{
	if (queue >= f->nqueues)
		return NULL;
	return (struct vq_journal *)(f->map + JOURNAL_HEADER_LEN) + queue;
}

uint64_t *
vq_journal_note(struct vq_journal_file *f)
{
	return (uint64_t *)(f->map + JOURNAL_NOTE);
}

/*
 * --- writing: in an order from which a successor can recover after any store ---
 *
 * A process that is killed has made the stores before some instruction and none of those after it,
 * and they are in memory before its successor maps the file. So the order of the instructions is
 * the order the successor sees: barriers for the compiler are enough on any processor.
 */

static uint16_t
journal_used_flags(bool wrap, uint32_t len)
{
	return (len > 0 ? VRING_DESC_F_WRITE : 0) | (wrap ? PACKED_F_AVAIL | PACKED_F_USED : 0);
}

void
vq_journal_begin(struct vq *vq, const struct pkt_used *u, uint16_t n, const struct vq_state *next)
{
	struct vq_journal *j = vq->journal;
	uint32_t pos = vq->used;
	bool wrap = vq->used_wrap;
	uint16_t i;

	atomic_signal_fence(memory_order_seq_cst); /* the last batch is committed */
	for (i = 0; i < n; i++) {
		j->e[i] = (struct vq_journal_elem){
			.len = u[i].len,
			.id = u[i].id,
			.slot = pos,
			.flags = journal_used_flags(wrap, u[i].len),
		};
		pos += u[i].ndesc;
		if (vq->layout == VQ_PACKED && pos >= vq->size) {
			pos -= vq->size;
			wrap = !wrap;
		}
	}
	j->n = n;
	j->next = *next;
	__atomic_store_n(&j->pending, 1, __ATOMIC_RELEASE);
	atomic_signal_fence(memory_order_seq_cst);
}

void
vq_journal_end(struct vq *vq)
{
	struct vq_journal *j = vq->journal;

	atomic_signal_fence(memory_order_seq_cst);
	j->state = j->next;
	__atomic_store_n(&j->pending, 0, __ATOMIC_RELEASE);
}

void
vq_journal_start(struct vq_journal *j, const struct vq_journal_key *key,
		 const struct vq_state *state)
{
	/* no new state: a crash between the stores below would leave a ring without an entry */
	if (j->running && !j->pending && memcmp(&j->key, key, sizeof(*key)) == 0 &&
	    memcmp(&j->state, state, sizeof(*state)) == 0)
		return;
	__atomic_store_n(&j->running, 0, __ATOMIC_RELEASE);
	atomic_signal_fence(memory_order_seq_cst);
	j->pending = 0;
	j->n = 0;
	j->key = *key;
	j->state = *state;
	__atomic_store_n(&j->running, 1, __ATOMIC_RELEASE);
}

void
vq_journal_stop(struct vq_journal *j)
{
	__atomic_store_n(&j->running, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&j->pending, 0, __ATOMIC_RELEASE);
}

void
vq_journal_hardware(struct vq_journal *j, const struct vq_journal_key *key)
{
	vq_journal_stop(j);
	atomic_signal_fence(memory_order_seq_cst);
	j->n = 0;
	j->key = *key;
	__atomic_store_n(&j->pending, VQ_JOURNAL_HARDWARE, __ATOMIC_RELEASE);
}

/* --- recovery --- */

static struct vq_fmt
journal_fmt(const struct vq_setup *s)
{
	return (struct vq_fmt){
		.packed = s->layout == VQ_PACKED,
		.swap = s->layout == VQ_SPLIT_SWAP ? VQ_SWAP_BE : VQ_SWAP_LE,
	};
}

static bool
journal_same_ring(const struct vq_journal_key *a, const struct vq_journal_key *b,
		  const struct vq_setup *s)
{
	/* with a split ring front-ends derive a new base from used->idx, so only that counts */
	if (s->layout == VQ_PACKED && a->base != b->base)
		return false;
	return a->desc_uva == b->desc_uva && a->driver_uva == b->driver_uva &&
	       a->device_uva == b->device_uva && a->features == b->features && a->size == b->size &&
	       a->size == s->size;
}

static bool
journal_state_sane(const struct vq_state *st, const struct vq_setup *s)
{
	return s->layout != VQ_PACKED || (st->avail < s->size && st->used < s->size);
}

static bool
journal_sane(const struct vq_journal *j, const struct vq_setup *s)
{
	uint32_t i;

	if (!journal_state_sane(&j->state, s))
		return false;
	if (!j->pending)
		return true;
	if (j->n == 0 || j->n > VQ_USED_MAX || !journal_state_sane(&j->next, s))
		return false;
	for (i = 0; i < j->n && s->layout == VQ_PACKED; i++)
		if (j->e[i].slot >= s->size)
			return false;
	return true;
}

/** Byte @p off of an area, which is at @p base unless its pages lie apart. */
static void *
journal_at(const struct vq_setup *s, enum vq_area area, void *base, size_t off)
{
	return s->pages[area] != NULL ? vq_pages_at(s->pages[area], off) : (uint8_t *)base + off;
}

static struct packed_desc *
packed_desc_at(const struct vq_setup *s, uint32_t slot)
{
	return journal_at(s, VQ_DESC, s->desc, slot * sizeof(struct packed_desc));
}

static uint16_t
packed_flags_at(const struct vq_setup *s, uint32_t slot)
{
	const struct packed_desc *d = packed_desc_at(s, slot);

	return vq16_load_acquire(journal_fmt(s), &d->flags);
}

/** Whether no device has used the ring yet: the guest set it up anew at the same place. */
static bool
packed_fresh(const struct vq_setup *s)
{
	uint32_t i;

	for (i = 0; i < s->size; i++)
		if (packed_flags_at(s, i) & PACKED_F_USED)
			return false;
	return true;
}

/**
 * Whether the pending batch still has to be written. Its first element is
 * stored last; once it was, the driver may have put new descriptors anywhere
 * in the batch's slots, and they must not be overwritten.
 */
static bool
packed_redo(const struct vq_journal *j, const struct vq_setup *s)
{
	uint16_t flags = packed_flags_at(s, j->e[0].slot);
	/*
	 * not of j->state: a crash while the batch was committed may have left a part of the next
	 * one
	 */
	bool wrap = j->e[0].flags & PACKED_F_USED;

	return !!(flags & PACKED_F_AVAIL) == wrap && !!(flags & PACKED_F_USED) != wrap;
}

static void
packed_finish(const struct vq_journal *j, const struct vq_setup *s)
{
	const struct vq_fmt f = journal_fmt(s);
	uint32_t i;

	for (i = j->n; i-- > 0;) { /* the first element last */
		struct packed_desc *d = packed_desc_at(s, j->e[i].slot);

		d->id = vq16_make(f, j->e[i].id);
		d->len = vq32_make(f, j->e[i].len);
		vq16_store_release(f, &d->flags, j->e[i].flags);
	}
}

static void
split_finish(const struct vq_journal *j, const struct vq_setup *s)
{
	const struct vq_fmt f = journal_fmt(s);
	struct split_used *used = s->device;
	uint32_t i;

	for (i = 0; i < j->n; i++) {
		uint32_t slot = j->e[i].slot & (s->size - 1);
		size_t off = offsetof(struct split_used, ring[slot]);
		vq32_t *id = journal_at(s, VQ_DEVICE, used, off);
		vq32_t *len = journal_at(s, VQ_DEVICE, used, off + sizeof(*id));

		*id = vq32_make(f, j->e[i].id);
		*len = vq32_make(f, j->e[i].len);
	}
	vq16_store_release(f, &used->idx, j->next.used);
}

/** False: the ring is not where the journal left it. */
static bool
packed_recover(struct vq_journal *j, const struct vq_setup *s)
{
	if (packed_fresh(s))
		return false;
	if (j->pending && packed_redo(j, s))
		packed_finish(j, s);
	return true;
}

static bool
split_recover(struct vq_journal *j, const struct vq_setup *s)
{
	uint16_t idx = vq_split_used_idx(s->layout, s->device);

	if (j->pending && idx == j->next.used)
		return true;
	if (idx != j->state.used)
		return false;
	if (j->pending)
		split_finish(j, s);
	return true;
}

/** Split rings tell where they stand, and a fresh one stands where the front-end says. */
static bool
hardware_had(const struct vq_journal *j, const struct vq_journal_key *key, const struct vq_setup *s)
{
	return !j->running && j->pending == VQ_JOURNAL_HARDWARE && s->layout == VQ_PACKED &&
	       journal_same_ring(&j->key, key, s) && !packed_fresh(s);
}

enum vq_journal_word
vq_journal_recover(struct vq_journal *j, const struct vq_journal_key *key, struct vq_setup *s)
{
	if (hardware_had(j, key, s))
		return vq_packed_find(s, &s->state) ? VQ_JOURNAL_POSITION : VQ_JOURNAL_LOST;
	if (!j->running || !journal_same_ring(&j->key, key, s) || !journal_sane(j, s))
		return VQ_JOURNAL_SILENT;
	if (!(s->layout == VQ_PACKED ? packed_recover(j, s) : split_recover(j, s)))
		return VQ_JOURNAL_SILENT;
	if (j->pending) {
		j->state = j->next;
		__atomic_store_n(&j->pending, 0, __ATOMIC_RELEASE);
	}
	s->state = j->state;
	return VQ_JOURNAL_POSITION;
}
