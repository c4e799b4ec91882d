/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/port_ct.h"

#include <errno.h>
#include <string.h>

#include "base/ev.h"
#include "switch/ct_table.h"
#include "switch/port.h"
#include "switch/publish.h"
#include "switch/sw.h"

#define HANDED_MAX 2097152u /* connections a successor takes over, of all ports */
#define PORTION 65536u      /* slots ct_maintain() looks at */

static void
set_clock(uint64_t now_ns)
{
	atomic_store_explicit(&ct_common.now, (uint32_t)(now_ns / NS_PER_S), memory_order_relaxed);
}

static uint32_t
limit_of(const struct port *p)
{
	return p->ct_limit != 0 ? p->ct_limit : CT_LIMIT_DEFAULT;
}

/* Limits in force, after another number of tables or of connections. */
static void
divide(struct sw *s)
{
	uint32_t tables = RTE_MAX(ct_common.tables, 1u);
	uint32_t share = RTE_MAX(ct_common.total / tables, 1u);

	for (uint16_t i = 0; i < s->nports; i++) {
		struct port *p = s->port[i];

		if (p != NULL && p->ct != NULL)
			atomic_store_explicit(&p->ct->limit, RTE_MIN(limit_of(p), share),
					      memory_order_relaxed);
	}
}

int
ct_set_total(struct sw *s, uint32_t total)
{
	if (total == 0 || total > CT_TOTAL_MAX)
		return -ERANGE;
	ct_settle();
	ct_common.total = total;
	divide(s);
	return 0;
}

uint32_t
port_ct_limit(const struct port *p)
{
	return p->ct != NULL ? atomic_load_explicit(&p->ct->limit, memory_order_relaxed)
			     : limit_of(p);
}

/* --- a port's table --- */

static bool
is_tracked(const struct port *p)
{
	for (int dir = 0; dir < ACL_DIRS; dir++)
		if (p->acl[dir] != NULL && acl_tracks(&p->acl[dir]->set))
			return true;
	return false;
}

static void
drop_table(struct port *p, struct ct *old)
{
	if (old == NULL)
		return;
	ct_free(old);
	ct_common.tables--;
	divide(p->sw);
}

bool
port_ct_make(struct port *p)
{
	ct_settle();
	if (ct_now() == 0)
		set_clock(ev_now_ns());
	if (p->ct != NULL || !is_tracked(p))
		return true;
	p->ct = ct_new(limit_of(p), p->sw->dp.nworkers);
	if (p->ct == NULL)
		return false;
	ct_common.tables++;
	divide(p->sw);
	return true;
}

struct ct *
port_ct_take(struct port *p)
{
	struct ct *old = p->ct;

	if (is_tracked(p))
		return NULL;
	p->ct = NULL;
	return old;
}

void
port_ct_drop(struct port *p, struct ct *old)
{
	drop_table(p, old);
}

void
port_ct_free(struct port *p)
{
	struct ct *old = p->ct;

	p->ct = NULL;
	drop_table(p, old);
	p->ct_limit = 0;
}

static void
copy_all(struct ct *to, const struct ct *from)
{
	uint32_t slots = (from->mask + 1) * CT_WAYS, slot;

	for (uint32_t i = 0; i < slots; i++) {
		uint64_t w = atomic_load_explicit(&from->word[i], memory_order_acquire);
		struct ct_key k;

		if (!ct_lives(w) || !ct_read_key(from, i, w, &k))
			continue;
		ct_add(to, &k, ct_hash(&k), &w, (uint32_t)ct_left(w), &slot);
	}
}

int
port_set_ct_limit(struct port *p, uint32_t limit)
{
	struct ct *old = p->ct, *now;
	struct ct_counts n;

	if (limit > CT_LIMIT_MAX)
		return -ERANGE;
	if (old != NULL) {
		now = ct_new(limit != 0 ? limit : CT_LIMIT_DEFAULT, p->sw->dp.nworkers);
		if (now == NULL)
			return -ENOMEM;
		copy_all(now, old);
		p->ct = now;
	}
	p->ct_limit = limit;
	divide(p->sw);
	if (old == NULL)
		return 0;
	sw_publish(p->sw);
	copy_all(p->ct, old); /* what came meanwhile */
	ct_sum(old, &n);
	p->ct->before = n;
	ct_free(old);
	return 0;
}

/* A packet that prolongs it at the same time does not keep it. */
static void
forget(struct ct *t, uint32_t slot)
{
	uint64_t w;

	do {
		w = atomic_load_explicit(&t->word[slot], memory_order_relaxed);
	} while (ct_state_of(w) >= CT_NEW && !ct_remove(t, slot, w));
}

void
port_ct_clear(struct port *p)
{
	for (uint32_t i = 0; i < port_ct_slots(p); i++)
		forget(p->ct, i);
}

/* --- what there is --- */

uint32_t
port_ct_handed(const struct port *p)
{
	return HANDED_MAX / RTE_MAX(ct_common.tables, 1u);
}

uint32_t
port_ct_entries(const struct port *p)
{
	return p->ct != NULL ? atomic_load_explicit(&p->ct->n, memory_order_relaxed) : 0;
}

void
port_ct_counts(const struct port *p, struct ct_counts *out)
{
	memset(out, 0, sizeof(*out));
	if (p->ct != NULL)
		ct_sum(p->ct, out);
}

void
port_ct_set_counts(struct port *p, const struct ct_counts *n)
{
	if (p->ct != NULL)
		p->ct->before = *n;
}

uint32_t
port_ct_slots(const struct port *p)
{
	return p->ct != NULL ? (p->ct->mask + 1) * CT_WAYS : 0;
}

bool
port_ct_at(const struct port *p, uint32_t slot, struct ct_info *out)
{
	uint64_t w = atomic_load_explicit(&p->ct->word[slot], memory_order_acquire);

	if (!ct_lives(w) || !ct_read_key(p->ct, slot, w, &out->key))
		return false;
	out->left_s = (uint32_t)ct_left(w);
	out->state = (uint8_t)ct_state_of(w);
	out->out = (w & CT_OUT) != 0;
	out->flags = (uint8_t)((w & CT_FLAGS) >> CT_FLAGS_SHIFT);
	return true;
}

bool
port_ct_restore(struct port *p, const struct ct_info *i)
{
	uint64_t w = ((uint64_t)i->flags << CT_FLAGS_SHIFT) & CT_FLAGS;
	uint32_t slot;

	if (p->ct == NULL || i->state < CT_NEW || i->state >= CT_STATES || i->left_s == 0)
		return false;
	w = ct_with_state(w, (enum ct_state)i->state);
	ct_add(p->ct, &i->key, ct_hash(&i->key), &w, RTE_MIN(i->left_s, CT_TIMEOUT_MAX), &slot);
	return true;
}

/* --- age --- */

/* Look at some slots of a port's table, and go on there the next time. How many were looked at. */
static uint32_t
age_port(struct ct *t, uint32_t most)
{
	uint32_t slots = (t->mask + 1) * CT_WAYS, n = RTE_MIN(slots - t->next, most);

	for (uint32_t i = t->next; i < t->next + n; i++) {
		uint64_t w = atomic_load_explicit(&t->word[i], memory_order_relaxed);

		if (ct_state_of(w) >= CT_NEW && ct_left(w) <= 0)
			ct_remove(t, i, w);
	}
	t->next = (t->next + n) % slots;
	return n;
}

void
ct_maintain(struct sw *s, uint64_t now_ns)
{
	uint32_t left = PORTION;

	if ((uint32_t)(now_ns / NS_PER_S) == ct_now())
		return;
	set_clock(now_ns);
	if (ct_common.tables == 0)
		return;
	for (uint16_t n = 0; n < s->nports && left > 0; n++) {
		struct port *p = s->port[ct_common.next_port++ % s->nports];

		if (p != NULL && p->ct != NULL)
			left -= age_port(p->ct, left);
	}
	if (s->nports > 0)
		ct_common.next_port %= s->nports;
}
