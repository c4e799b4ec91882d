/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Post-copy: the front-end lets the guest run before its memory has come, and brings each page when
 * it is needed.
 *
 *     ADVISE            answered with a userfaultfd, by which the front-end hears of such pages
 *     LISTEN            from now on memory is announced this way:
 *     SET_MEM_TABLE     answered with the addresses it is mapped at, by which the front-end knows
 *                       which page a fault is about
 *     SET_MEM_TABLE     without regions: it knows them, faults may come
 *     END               all pages are there
 *
 * The addresses and the descriptor are those of the pager's process (gmem/pager.h), not ours. It
 * takes a moment to start and to map a table: meanwhile the message waits in its connection.
 */
#include <errno.h>

#include "base/irq.h"
#include "gmem/pager.h"
#include "gmem/present.h"
#include "vhost_user/session.h"

static void
on_pages(struct pager *p, void *ctx)
{
	struct vhu_session *s = ctx;

	if (pager_state(p) == PAGER_DEAD)
		log_peer(&s->dev->log_limit, s->dev->name, "post-copy cannot go on: %s",
			 pager_why(p));
	else if (s->dev->pager == p)
		vdev_pages_arrived(s->dev);
}

static const struct pager_ops pager_ops = {.event = on_pages};

const char *
vhu_postcopy_unavailable(const struct vhu_session *s)
{
	/*
	 * QEMU says each of its messages once for every pair, and then waits for answers to tables
	 * that it has sent once
	 */
	if (s->dev->cfg.queue_pairs > 1)
		return "front-ends cannot do post-copy with several queue pairs";
	return pager_unavailable();
}

/* Those of this one and of those before. */
static struct pager_counters
all_counters(const struct vhu_session *s)
{
	struct pager_counters c = s->paged, now = {0};

	if (s->postcopy.pager != NULL)
		pager_counters(s->postcopy.pager, &now);
	c.wanted += now.wanted;
	c.waiting = now.waiting;
	c.arrived += now.arrived;
	c.stalls += now.stalls;
	c.stalled_us += now.stalled_us;
	c.longest_us = RTE_MAX(c.longest_us, now.longest_us);
	return c;
}

uint32_t
vhu_postcopy_facts(const struct vhu_session *s, struct transport_fact *out)
{
	const struct pager_counters c = all_counters(s);
	uint32_t n = 0;

	if ((s->extra & VHU_PF(PAGEFAULT)) == 0)
		return 0;
	out[n++] = (struct transport_fact){"postcopy_pages_asked", NULL, c.wanted};
	out[n++] = (struct transport_fact){"postcopy_pages_awaited", NULL, c.waiting};
	out[n++] = (struct transport_fact){"postcopy_pages_arrived", NULL, c.arrived};
	out[n++] = (struct transport_fact){"postcopy_stalls", NULL, c.stalls};
	out[n++] = (struct transport_fact){"postcopy_stalled_us", NULL, c.stalled_us};
	out[n++] = (struct transport_fact){"postcopy_longest_stall_us", NULL, c.longest_us};
	return n;
}

bool
vhu_postcopy_starts(struct vhu_session *s, const struct vhu_msg *m, const struct vhu_fds *fds)
{
	struct vhu_postcopy *c = &s->postcopy;

	if (c->pager == NULL)
		c->pager = pager_new(s->loop, irq_group_lane(s->dev->irqs), &pager_ops, s);
	return c->pager != NULL && pager_state(c->pager) == PAGER_STARTING;
}

int
vhu_postcopy_advise(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct vhu_postcopy *c = &s->postcopy;

	if (c->advised)
		return vhu_refuse(s, EINVAL, "post-copy was advised before");
	if (c->pager == NULL)
		return vhu_refuse(s, ENOMEM, "no memory, or no descriptors, for post-copy");
	s->reply_fd = pager_take_fd(c->pager);
	if (s->reply_fd < 0)
		return vhu_refuse(s, EIO, pager_why(c->pager));
	m->header.size = 0;
	c->advised = true;
	return 0;
}

int
vhu_postcopy_listen(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct vhu_postcopy *c = &s->postcopy;

	if (!c->advised)
		return vhu_refuse(s, EINVAL, "post-copy was not advised (POSTCOPY_ADVISE)");
	/* its pages would have to be taken for absent, and the front-end does not know where */
	if (s->dev->gmem != NULL)
		return vhu_refuse(s, EINVAL, "memory was announced before post-copy began");
	c->listening = true;
	vdev_set_arriving(s->dev, true);
	return 0;
}

static bool
is_ack(const struct vhu_msg *m, const struct vhu_fds *fds)
{
	return m->header.size == sizeof(m->payload.u64) && fds->n == 0;
}

/** Have the table mapped, here and by the pager. NULL, or the reason why it cannot be. */
static const char *
begin_table(struct vhu_session *s, const struct vhu_msg *m, const struct vhu_fds *fds)
{
	struct vhu_postcopy *c = &s->postcopy;
	struct gmem *map;

	s->why = "guest memory cannot be mapped";
	map = vhu_table_map(s, m, fds);
	if (map == NULL)
		return s->why;
	map->present = present_new(map);
	if (map->present == NULL || pager_map(c->pager, map) != 0) {
		gmem_put(map);
		return "the process for post-copy cannot map guest memory";
	}
	c->mapping = map;
	return NULL;
}

/** The pager has one table: rings that run on another have no one to ask any more. */
static void
drop_tables(struct vhu_session *s)
{
	struct vhu_postcopy *c = &s->postcopy;

	vdev_set_pager(s->dev, NULL);
	if (c->pager != NULL)
		pager_unmap(c->pager);
	gmem_put(c->mapping);
	gmem_put(c->unacked);
	c->mapping = c->unacked = NULL;
}

bool
vhu_postcopy_maps(struct vhu_session *s, const struct vhu_msg *m, const struct vhu_fds *fds)
{
	struct vhu_postcopy *c = &s->postcopy;

	if (!c->listening || is_ack(m, fds))
		return false;
	if (c->mapping == NULL) {
		drop_tables(s);
		c->why = begin_table(s, m, fds);
		if (c->why != NULL)
			return false;
	}
	return pager_state(c->pager) == PAGER_MAPPING;
}

/** The front-end knows where the pager has mapped the table: faults may come. */
static int
table_acknowledged(struct vhu_session *s, const struct vhu_msg *m)
{
	struct vhu_postcopy *c = &s->postcopy;
	struct gmem *map = c->unacked;
	int ret;

	if (map == NULL)
		return vhu_refuse(s, EINVAL, "an acknowledgement of no table");
	if (m->payload.u64 != 0)
		return vhu_refuse(s, EINVAL, "the front-end did not take the addresses");
	c->unacked = NULL;
	ret = vdev_set_mem(s->dev, map);
	if (ret == 0)
		vdev_set_pager(s->dev, c->pager);
	else
		drop_tables(s);
	return ret;
}

int
vhu_postcopy_table(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct vhu_postcopy *c = &s->postcopy;
	struct vhu_mem_table *t = &m->payload.mem_table;
	struct gmem *map = c->mapping;
	uint32_t i;

	if (is_ack(m, fds))
		return table_acknowledged(s, m);
	s->answers = true;
	c->mapping = NULL;
	if (map == NULL)
		return vhu_refuse(s, EINVAL, c->why);
	if (pager_state(c->pager) != PAGER_SERVING) {
		gmem_put(map);
		return vhu_refuse(s, EIO, pager_why(c->pager));
	}
	c->unacked = map;
	for (i = 0; i < t->n; i++) {
		const struct gmem_region *r = gmem_find(map, t->r[i].gpa);

		t->r[i].uva = pager_address(c->pager, (uint32_t)(r - map->r));
	}
	return 0;
}

int
vhu_postcopy_end(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	int ret;

	if (!s->postcopy.listening)
		return vhu_refuse(s, EINVAL, "post-copy has not begun (POSTCOPY_LISTEN)");
	ret = vdev_pages_complete(s->dev);
	if (ret == 0)
		vhu_postcopy_stop(s);
	return ret;
}

void
vhu_postcopy_stop(struct vhu_session *s)
{
	struct vhu_postcopy *c = &s->postcopy;

	vdev_set_arriving(s->dev, false);
	drop_tables(s);
	s->paged = all_counters(s);
	pager_free(c->pager);
	*c = (struct vhu_postcopy){0};
}
