/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages about guest memory and the dirty log. */
#include <errno.h>
#include <stddef.h>

#include "vhost_user/session.h"

/** With GPA_ADDRESSES the front-end's addresses, of rings and translations too, are the guest's. */
static struct gmem_desc
region_desc(const struct vhu_session *s, const struct vhu_mem_region *r)
{
	return (struct gmem_desc){
		.gpa = r->gpa,
		.size = r->size,
		.uva = (s->protocol_features & VHU_PF(GPA_ADDRESSES)) ? r->gpa : r->uva,
		.mmap_offset = r->mmap_offset,
	};
}

/** @p m plus a region; the reference to @p m is consumed. NULL with the reason in the session. */
static struct gmem *
add_region(struct vhu_session *s, struct gmem *m, const struct vhu_mem_region *r, int fd)
{
	struct gmem_desc d = region_desc(s, r);
	struct gmem *next = NULL;

	if (m == NULL)
		s->why = "out of memory";
	else
		next = gmem_add(m, &d, fd, &s->dev->fault, &s->why);
	gmem_put(m);
	return next;
}

struct gmem *
vhu_table_map(struct vhu_session *s, const struct vhu_msg *m, const struct vhu_fds *fds)
{
	const struct vhu_mem_table *t = &m->payload.mem_table;
	struct gmem *map;
	uint32_t i;

	if (t->n == 0 || t->n != fds->n ||
	    m->header.size != offsetof(struct vhu_mem_table, r[t->n])) {
		s->why = "regions, size and descriptors do not agree";
		return NULL;
	}
	map = gmem_new();
	for (i = 0; i < t->n && (map != NULL || i == 0); i++)
		map = add_region(s, map, &t->r[i], fds->fd[i]);
	return map;
}

int
vhu_set_mem_table(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct gmem *map;

	if (s->postcopy.listening)
		return vhu_postcopy_table(s, m, fds);
	/* the migration was over before pages had to be waited for: there is no other end of it */
	if (s->postcopy.advised)
		vhu_postcopy_stop(s);
	map = vhu_table_map(s, m, fds);
	return map == NULL ? -EINVAL : vdev_set_mem(s->dev, map);
}

int
vhu_get_max_mem_slots(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	m->payload.u64 = GMEM_SLOTS_MAX;
	m->header.size = sizeof(m->payload.u64);
	return 0;
}

int
vhu_add_mem_reg(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct gmem_desc d = region_desc(s, &m->payload.mem.r);
	struct gmem *now = s->dev->gmem;
	struct gmem *map;

	if (now != NULL && gmem_add_again(now, &d, fds->fd[0]))
		return 0;
	map = now != NULL ? gmem_ref(now) : gmem_new();
	map = add_region(s, map, &m->payload.mem.r, fds->fd[0]);
	if (map == NULL)
		return -EINVAL;
	return vdev_set_mem(s->dev, map);
}

int
vhu_rem_mem_reg(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct gmem_desc d = region_desc(s, &m->payload.mem.r);
	struct gmem *now = s->dev->gmem;
	struct gmem *map;

	if (now != NULL && gmem_remove_again(now, &d))
		return 0;
	map = now != NULL ? gmem_remove(now, &d) : NULL;
	if (map == NULL)
		return vhu_refuse(s, EINVAL, "no such memory region");
	return vdev_set_mem(s->dev, map);
}

/** The reply repeats the message: some front-ends expect a body, the others ignore it. */
int
vhu_set_log_base(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	const struct vhu_log *l = &m->payload.log;
	struct dirty *log = dirty_new(fds->fd[0], l->offset, l->size, &s->dev->fault, &s->why);

	if (log == NULL)
		return -EINVAL;
	return vdev_set_log(s->dev, log);
}

/** A descriptor to signal new entries in the log. No front-end waits on it; it is closed. */
int
vhu_set_log_fd(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	return 0;
}
