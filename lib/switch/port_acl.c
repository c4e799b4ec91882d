/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/port_acl.h"

#include <errno.h>
#include <string.h>

#include "switch/acl_trie.h"
#include "switch/port.h"
#include "switch/port_ct.h"
#include "switch/publish.h"
#include "switch/sw.h"

static int
check(const struct acl_config *c)
{
	if (c->n > ACL_RULES_MAX)
		return -ERANGE;
	for (uint32_t i = 0; i < c->n; i++)
		if (c->rule[i].seq <= (i > 0 ? c->rule[i - 1].seq : 0))
			return -EINVAL;
	return 0;
}

static bool
is_empty(const struct acl_config *c)
{
	return c->n == 0 && !c->drop && !c->track;
}

/* With connections tracked there is a list for both directions, without rules if need be. */
static bool
is_needed(const struct acl_config *c, const struct acl_config *other)
{
	return !is_empty(c) || acl_tracks(other);
}

/** Lists to be, and those there were. */
struct lists {
	struct acl *now[ACL_DIRS], *old[ACL_DIRS];
};

/* The list for a direction becomes @p c, or stays: there may have to be one, or need not. */
static bool
make_list(struct port *p, struct lists *l, int dir, const struct acl_config *c,
	  const struct acl_config *other)
{
	l->old[dir] = l->now[dir] = p->acl[dir];
	if (!is_needed(c, other)) {
		l->now[dir] = NULL;
		return true;
	}
	if (p->acl[dir] != NULL && acl_same(c, &p->acl[dir]->set))
		return true;
	l->now[dir] = acl_new(c, p->sw->dp.nworkers);
	return l->now[dir] != NULL;
}

/* Free @p lists but for those that are in @p keep, too. */
static void
put_lists(struct acl *const *lists, struct acl *const *keep)
{
	for (int dir = 0; dir < ACL_DIRS; dir++)
		if (lists[dir] != NULL && lists[dir] != keep[dir])
			acl_free(lists[dir]);
}

static void
publish_lists(struct port *p, const struct lists *l)
{
	struct ct *ct = port_ct_take(p);

	for (int dir = 0; dir < ACL_DIRS; dir++)
		if (l->now[dir] != NULL && l->now[dir] != l->old[dir])
			acl_trie_make(l->now[dir]);
	sw_publish(p->sw);
	for (int dir = 0; dir < ACL_DIRS; dir++)
		if (l->now[dir] != NULL && l->old[dir] != NULL && l->now[dir] != l->old[dir])
			acl_inherit(l->now[dir], l->old[dir]);
	put_lists(l->old, l->now);
	port_ct_drop(p, ct);
}

int
port_set_acl(struct port *p, enum acl_dir dir, const struct acl_config *c)
{
	const struct acl_config other = *port_get_acl(p, dir == ACL_IN ? ACL_OUT : ACL_IN);
	struct lists l = {0};
	int ret = check(c);

	if (ret < 0)
		return ret;
	if (acl_same(c, port_get_acl(p, dir)))
		return 0;
	if (make_list(p, &l, dir, c, &other) && make_list(p, &l, !dir, &other, c)) {
		memcpy(p->acl, l.now, sizeof(p->acl));
		if (port_ct_make(p)) {
			publish_lists(p, &l);
			return 0;
		}
		memcpy(p->acl, l.old, sizeof(p->acl));
	}
	put_lists(l.now, l.old);
	return -ENOMEM;
}

const struct acl_config *
port_get_acl(const struct port *p, enum acl_dir dir)
{
	static const struct acl_config none;

	return p->acl[dir] != NULL ? &p->acl[dir]->set : &none;
}

struct acl_count
port_acl_count(const struct port *p, enum acl_dir dir, uint32_t rule)
{
	return p->acl[dir] != NULL ? acl_read(p->acl[dir], rule) : (struct acl_count){0};
}

bool
port_acl_restore(struct port *p, enum acl_dir dir, uint32_t seq, const struct acl_count *n)
{
	return p->acl[dir] != NULL && acl_restore(p->acl[dir], seq, n);
}
