/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/port_acl.h"

#include <errno.h>

#include "switch/acl_trie.h"
#include "switch/port.h"
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

int
port_set_acl(struct port *p, enum acl_dir dir, const struct acl_config *c)
{
	struct acl *old = p->acl[dir], *now = NULL;
	int ret = check(c);

	if (ret < 0)
		return ret;
	if (acl_same(c, port_get_acl(p, dir)))
		return 0;
	if (c->n != 0 || c->drop) {
		now = acl_new(c, p->sw->dp.nworkers);
		if (now == NULL)
			return -ENOMEM;
		acl_trie_make(now);
	}
	p->acl[dir] = now;
	sw_publish(p->sw);
	if (now != NULL && old != NULL)
		acl_inherit(now, old);
	acl_free(old);
	return 0;
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
