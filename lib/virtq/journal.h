/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ring state outside the process, so that a switch killed with -9 and started again carries on with
 * guests that kept running - packed rings too, whose indices and wrap counters are not in guest
 * memory.
 *
 * One small shared-memory file per port, one struct vq_journal per queue. It
 * is a redo log: before a batch is made visible the elements about to be
 * written and the state after them are recorded; afterwards the record is
 * committed. Recovery finishes a batch that was caught half-way: every element
 * is written again (idempotent) and the new state adopted. A machine crash is
 * out of scope, since the guest ends with it.
 *
 * The queue's owner writes; control reads, when a queue starts.
 */
#ifndef VIRTQ_JOURNAL_H
#define VIRTQ_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "virtq/vq.h"

#define VQ_JOURNAL_MAGIC 0x56515357 /* "VQSW" */
#define VQ_JOURNAL_VERSION 1
#define VQ_JOURNAL_HARDWARE 2 /* hardware has the ring of this key, and keeps no journal */

struct vq_journal_elem {
	uint32_t len;
	uint16_t id;
	uint16_t slot;  /* packed: ring slot the used element goes to; split: used index */
	uint16_t flags; /* packed: final flags of that slot */
	uint16_t pad;
};

/** Identity of the ring the state belongs to: a different ring must not inherit it. Control. */
struct vq_journal_key {
	uint64_t desc_uva, driver_uva, device_uva;
	uint64_t features;
	uint32_t size;
	uint32_t base; /* the value of SET_VRING_BASE when the ring was started */
};

struct vq_journal {
	uint32_t running; /* 1: started and not cleanly stopped */
	/* 1: the batch below is being published; VQ_JOURNAL_HARDWARE, and not running: see there */
	uint32_t pending;
	struct vq_journal_key key;
	struct vq_state state; /* committed */
	struct vq_state next;  /* after the pending batch */
	uint32_t n;
	struct vq_journal_elem e[VQ_USED_MAX];
} __rte_cache_aligned;

struct vq_journal_file;

/**
 * Open or create @p path for @p nqueues queues; mode 0600, never follows a
 * symlink, an unusable or foreign file is replaced. Locked (flock) so that two
 * switches cannot share it. A predecessor's (base/heir.h) is shared with it; EBUSY: it has another
 * shape. NULL with errno set.
 */
struct vq_journal_file *vq_journal_open(const char *path, uint32_t nqueues);

/** @p unlink_it: delete the file, after a clean stop, unless a predecessor may go on with it. */
void vq_journal_close(struct vq_journal_file *f, bool unlink_it);

struct vq_journal *vq_journal_get(struct vq_journal_file *f, uint32_t queue);

/** A word of the owner's, which its successor finds; 0 in a new file. Control. */
uint64_t *vq_journal_note(struct vq_journal_file *f);

/** The word of a journal about the position of a ring. */
enum vq_journal_word {
	VQ_JOURNAL_SILENT,   /* none: use the front-end's position */
	VQ_JOURNAL_POSITION, /* one that is newer than the front-end's */
	VQ_JOURNAL_LOST,     /* hardware had the ring, which does not tell: it must not start */
};

/**
 * The position of a ring that was running, has the same key and is not a fresh one. Finishes a
 * pending batch in the ring (@p s->desc/device are mapped) and puts the state into @p s->state. A
 * packed ring that hardware had when the process died that gave it to it is looked at instead
 * (vq_packed_find()), once: its driver goes on writing. Control.
 */
enum vq_journal_word vq_journal_recover(struct vq_journal *j, const struct vq_journal_key *key,
					struct vq_setup *s);

/** A queue starts (control) or stops cleanly (control). */
void vq_journal_start(struct vq_journal *j, const struct vq_journal_key *key,
		      const struct vq_state *state);
void vq_journal_stop(struct vq_journal *j);

/** Hardware starts on the queue. Its position is not known here until it gives it back. Control. */
void vq_journal_hardware(struct vq_journal *j, const struct vq_journal_key *key);

/** Whether a ring goes on by this journal alone, should the process end now. Control. */
static inline bool
vq_journal_needed(const struct vq_journal *j)
{
	return j->running || j->pending == VQ_JOURNAL_HARDWARE;
}

/**
 * The position of a packed ring whose device is gone, by what is in the ring: @p s->desc is mapped.
 * False: the ring does not tell. Control.
 */
bool vq_packed_find(const struct vq_setup *s, struct vq_state *out);

#endif
