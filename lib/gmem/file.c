/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/lane.h"
#include "base/log.h"
#include "gmem/file.h"
#include "gmem/reaper.h"
#include "gmem/sigbus.h"

struct gmem_file {
	uint32_t refs; /* [ctl] */
	enum gmem_voucher voucher;
	int fd;            /* ours, of the same file */
	struct lane *lane; /* counted, where fd is closed; NULL: on control */
	void *base;
	size_t len;
	size_t page;
	uint64_t start; /* base is this byte of the file */
	dev_t dev;      /* which file, of a peer's */
	ino_t ino;
};

bool
gmem_file_in_memory(int fd)
{
	/* seals are known to these files only */
	return fcntl(fd, F_GET_SEALS) >= 0;
}

/* Page size of mappings of @p fd. */
static size_t
file_page_size(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0 && (uint32_t)fs.f_type == HUGETLBFS_MAGIC)
		return (size_t)fs.f_bsize;
	return (size_t)getpagesize();
}

static bool
file_covers(int fd, uint64_t offset, uint64_t size, struct stat *st, const char **why)
{
	uint64_t end;

	if (size == 0 || __builtin_add_overflow(offset, size, &end)) {
		*why = "size is 0 or offset + size wraps";
		return false;
	}
	if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode)) {
		*why = "not a regular file";
		return false;
	}
	if (end > (uint64_t)st->st_size) {
		*why = "the file is shorter than offset + size";
		return false;
	}
	return true;
}

bool
gmem_file_withdrawn(int fd, uint64_t offset, uint64_t size)
{
	int seals = fcntl(fd, F_GET_SEALS);
	const char *why;
	struct stat st;

	return gmem_file_in_memory(fd) &&
	       (!file_covers(fd, offset, size, &st, &why) ||
		(seals >= 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0));
}

/*
 * Sealing is rare in practice and the fault guard does not need it: one hint per process is enough.
 */
static void
note_missing_seal(int fd)
{
	static bool noted;
	int seals;

	if (noted)
		return;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals >= 0 && (seals & F_SEAL_SHRINK) != 0)
		return;
	noted = true;
	log_debug(NULL,
		  "a peer shares memory without F_SEAL_SHRINK; truncation will cost its port");
}

/** Map what has been checked. */
static struct gmem_file *
map_file(int fd, uint64_t offset, uint64_t size, struct gmem_fault *fault, const char **why)
{
	size_t page = file_page_size(fd);
	struct gmem_file *f = malloc(sizeof(*f));

	if (f == NULL) {
		*why = "out of memory";
		return NULL;
	}
	/* offset + size is within off_t, so rounding up to a page cannot wrap */
	f->start = RTE_ALIGN_FLOOR(offset, (uint64_t)page);
	f->len = RTE_ALIGN_CEIL(offset + size, (uint64_t)page) - f->start;
	f->page = page;
	f->refs = 1;
	f->base = mmap(NULL, f->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		       (off_t)f->start);
	if (f->base == MAP_FAILED) {
		*why = "mmap failed";
		free(f);
		return NULL;
	}
	f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (f->fd < 0 || sigbus_guard(f->base, f->len, page, fault) < 0) {
		*why = f->fd < 0 ? "too many open files" : "too many mappings";
		munmap(f->base, f->len);
		if (f->fd >= 0)
			close(f->fd);
		free(f);
		return NULL;
	}
	madvise(f->base, f->len, MADV_DONTDUMP);
	f->lane = fault->lane;
	if (f->lane != NULL)
		lane_get(f->lane);
	return f;
}

struct gmem_file *
gmem_file_map(int fd, uint64_t offset, uint64_t size, struct gmem_fault *fault, uint8_t **data,
	      const char **why)
{
	struct gmem_file *f;
	struct stat st;

	if (!gmem_file_in_memory(fd)) {
		*why = "the file is not in memory (memfd, tmpfs or hugetlbfs)";
		return NULL;
	}
	if (!file_covers(fd, offset, size, &st, why))
		return NULL;
	f = map_file(fd, offset, size, fault, why);
	if (f == NULL)
		return NULL;
	f->voucher = GMEM_PEER;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	note_missing_seal(fd);
	*data = (uint8_t *)f->base + (offset - f->start);
	return f;
}

struct gmem_file *
gmem_file_map_kernel(int fd, uint64_t offset, uint64_t size, struct gmem_fault *fault,
		     uint8_t **data, const char **why)
{
	struct gmem_file *f;

	if (size == 0 || offset > INT64_MAX || size > INT64_MAX - offset) {
		*why = "size is 0 or offset + size wraps";
		return NULL;
	}
	f = map_file(fd, offset, size, fault, why);
	if (f == NULL)
		return NULL;
	f->voucher = GMEM_KERNEL;
	*data = (uint8_t *)f->base + (offset - f->start);
	return f;
}

struct gmem_file *
gmem_file_ref(struct gmem_file *f)
{
	f->refs++;
	return f;
}

bool
gmem_file_is(const struct gmem_file *f, const uint8_t *data, int fd, uint64_t offset)
{
	struct stat st;

	return f->voucher == GMEM_PEER && gmem_file_in_memory(fd) && fstat(fd, &st) == 0 &&
	       st.st_dev == f->dev && st.st_ino == f->ino &&
	       f->start + (uint64_t)(data - (const uint8_t *)f->base) == offset;
}

int
gmem_file_fd(const struct gmem_file *f, const uint8_t *data, uint64_t *offset)
{
	*offset = f->start + (uint64_t)(data - (const uint8_t *)f->base);
	return f->fd;
}

enum gmem_voucher
gmem_file_voucher(const struct gmem_file *f)
{
	return f->voucher;
}

struct gmem_file_range
gmem_file_range(const struct gmem_file *f)
{
	return (struct gmem_file_range){f->base, f->start, f->len, f->page};
}

void
gmem_file_put(struct gmem_file *f)
{
	if (f == NULL || --f->refs > 0)
		return;
	sigbus_unguard(f->base);
	reaper_unmap(&(struct reaper_mapping){.base = f->base,
					      .len = f->len,
					      .page_size = f->page,
					      .fd = f->fd,
					      .lane = f->lane});
	if (f->lane != NULL)
		lane_put(f->lane);
	free(f);
}
