/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Port states: one machine for migration, quiesce and hardware hand-over.
 *
 * The states and single-step arcs are those of VFIO's migration protocol v2, so that a port, a
 * passed-through function and a vDPA device of one VM can be driven through the same sequence. This
 * file knows which arcs exist and how a request for a distant state is broken into arcs; the effect
 * of an arc on the device is the owner's.
 *
 * Pure functions over constant tables: any thread.
 */
#ifndef VDEV_STATE_H
#define VDEV_STATE_H

#include <stdint.h>

/* X(enumerator, v2 value, name) */
#define VDEV_STATES(X)                                                                    \
	X(ERROR, 0, "error")               /* ring or format violation, bad state data */ \
	X(STOP, 1, "stop")                 /* no access to guest memory, indices fixed */ \
	X(RUNNING, 2, "running")           /* queues run */                               \
	X(STOP_COPY, 3, "stop-copy")       /* stopped, state is being saved */            \
	X(RESUMING, 4, "resuming")         /* stopped, state is being loaded */           \
	X(RUNNING_P2P, 5, "running-p2p")   /* quiesced: takes kicks, starts no copy */    \
	X(PRE_COPY, 6, "pre-copy")         /* running with the dirty log on */            \
	X(PRE_COPY_P2P, 7, "pre-copy-p2p") /* quiesced with the dirty log on */

enum vdev_state {
#define X(sym, value, name) VDEV_STATE_##sym = (value),
	VDEV_STATES(X)
#undef X
		VDEV_STATE_NUM
};

/** "running-p2p"; "?" for a value out of range. */
const char *vdev_state_name(enum vdev_state s);

/** The state called @p name, or -EINVAL. */
int vdev_state_parse(const char *name);

/**
 * The next state on the way from @p from to @p to: one arc. Shortest path; a
 * state that saves is passed through only on the way from pre-copy to another
 * saving state, since leaving it would discard what was saved.
 * @p from == @p to returns @p to. -EINVAL: not reachable (out of ERROR only a
 * reset leads; ERROR cannot be requested; a stopped copy cannot become a
 * running one again).
 */
int vdev_state_next(enum vdev_state from, enum vdev_state to);

#endif
