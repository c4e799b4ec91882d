/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An interrupt of a guest: an eventfd of a peer's, or an ioctl on a device of the kernel's.
 *
 * No caller waits for a peer. An eventfd is signalled by the thread that raises the interrupt
 * (notify.h); the peer cannot make that wait, but it can make it long: the kernel calls all waiters
 * of an eventfd, and there may be hundreds of thousands. So the first notification of an eventfd is
 * made in a lane of the group's own (lane.h), and those after it by who raises them once the lane
 * has found one quick. The time is charged to the group, the interrupts of one device together. A
 * group that takes more than IRQ_BUDGET_US in IRQ_WINDOW_MS offends and is set apart: for a while,
 * longer each time it happens again, the lane makes all its notifications, and each of its eventfds
 * has to be found quick once more. Control leaves its own to the lane. An ioctl, which may wait in
 * the kernel, always is. An interrupt that is raised again before the lane has made it is made
 * once: none is lost, since the guest looks at all there is when it arrives.
 *
 * Life cycle: control makes and frees groups and interrupts. Workers use an interrupt through an
 * atomic pointer; control frees it after the grace period of the exchange. An interrupt in the
 * lane holds references of its own.
 */
#ifndef BASE_IRQ_H
#define BASE_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#define IRQ_ORDINARY_US 20 /* a notification that takes no longer is not charged */
#define IRQ_QUICK_US 100   /* the lane finds it quick */
#define IRQ_BUDGET_US 1000 /* all of a group may take so much together */
#define IRQ_WINDOW_MS 1000 /* in so long a time */
#define IRQ_APART_MS 1000  /* set apart for so long, twice as long each time it happens again */
#define IRQ_APART_MAX_MS 256000
#define IRQ_FREED_MAX 512 /* eventfds without an owner that wait in the lane, two for each ring */

struct irq;
struct irq_group;
struct lane;

/** For display. */
struct irq_info {
	bool apart;        /* set apart at present */
	uint32_t apart_ms; /* for so long still */
	uint64_t offences; /* times it was set apart */
	uint64_t left;     /* notifications left to the lane, those of ioctls included */
	uint32_t waiting;  /* of them are not made yet */
};

/** The first lcore starts after that: the clock is known. Control. */
void irq_init(void);

/** NULL: no memory. Control. */
struct irq_group *irq_group_new(void);

/** Interrupts that are left keep it. NULL is fine. Control. */
void irq_group_free(struct irq_group *g);

/** The lane, for other work that may wait for the same peer. As long as the group. Control. */
struct lane *irq_group_lane(struct irq_group *g);

/** Any thread. */
void irq_group_info(const struct irq_group *g, struct irq_info *out);

/**
 * Eventfd @p fd, which is taken, also on failure. With @p g NULL it is on no account
 * and always made at once. NULL: no memory. Control.
 */
struct irq *irq_of_eventfd(struct irq_group *g, int fd);

/**
 * @p request on @p fd, which is taken, also on failure, with a pointer to @p index as its argument.
 * It is tried again, for a tenth of a second, while the kernel refuses. NULL: no memory. Control.
 */
struct irq *irq_of_ioctl(struct irq_group *g, int (*fn)(int fd, unsigned long request, void *arg),
			 int fd, unsigned long request, uint32_t index);

/**
 * No worker can raise it any more. An ioctl that waits in the lane is not made any more, an eventfd
 * is: it counts as one about to be closed (lane_is_closing()) until then, and what would be more
 * than IRQ_FREED_MAX of its group as a descriptor to close (lane_closing()). NULL is fine. Control.
 */
void irq_free(struct irq *irq);

/** Its eventfd, for hardware that raises it itself; -1: it has none. Control. */
int irq_eventfd(const struct irq *irq);

/**
 * Interrupt the guest, now or soon. Never blocks. False: there is no interrupt (NULL), or no
 * eventfd. Any thread.
 */
bool irq_raise(struct irq *irq);

/** Signal eventfd @p fd (-1: none), which stays the caller's, in the group's lane. Control. */
void irq_signal(struct irq_group *g, int fd);

#endif
