/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/acl.h"

#include <stdlib.h>
#include <string.h>

#include <rte_acl.h>
#include <rte_byteorder.h>
#include <rte_common.h>

#include "base/counter.h"
#include "base/unseen.h"

/* --- rules as they are set --- */

static bool
same_prefix(bool has_x, const struct ip_prefix *x, bool has_y, const struct ip_prefix *y)
{
	return has_x == has_y && (!has_x || ip_prefix_same(x, y));
}

static bool
same_ports(const struct acl_ports *x, const struct acl_ports *y)
{
	return x->given == y->given && x->from == y->from && x->to == y->to;
}

static bool
same_rule(const struct acl_rule *x, const struct acl_rule *y)
{
	return x->seq == y->seq && x->drop == y->drop && x->track == y->track &&
	       x->not4 == y->not4 && x->not6 == y->not6 && x->later == y->later &&
	       x->has_proto == y->has_proto && x->proto == y->proto &&
	       same_prefix(x->has_src, &x->src, y->has_src, &y->src) &&
	       same_prefix(x->has_dst, &x->dst, y->has_dst, &y->dst) &&
	       same_ports(&x->sport, &y->sport) && same_ports(&x->dport, &y->dport);
}

bool
acl_same(const struct acl_config *x, const struct acl_config *y)
{
	if (x->drop != y->drop || x->track != y->track || x->n != y->n)
		return false;
	for (uint32_t i = 0; i < x->n; i++)
		if (!same_rule(&x->rule[i], &y->rule[i]))
			return false;
	return true;
}

bool
acl_tracks(const struct acl_config *c)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->rule[i].track)
			return true;
	return c->track;
}

/* --- rules as they are compared --- */

static void
fill_address(struct acl_match *m, uint32_t word, const struct ip_prefix *p)
{
	uint8_t mask[16];

	ip_prefix_mask(p, mask);
	memcpy(&m->mask[word], mask, sizeof(mask));
	memcpy(&m->value[word], p->addr, sizeof(p->addr));
}

static struct acl_ports
range_of(const struct acl_ports *p)
{
	return p->given ? *p : (struct acl_ports){.from = 0, .to = UINT16_MAX};
}

static void
fill_match(struct acl_match *m, const struct acl_rule *r)
{
	uint8_t proto[sizeof(uint32_t)] = {r->proto}, all[sizeof(uint32_t)] = {UINT8_MAX};
	uint32_t flags = 0;

	if (r->has_proto) {
		memcpy(&m->value[ACL_WORD_PROTO], proto, sizeof(proto));
		memcpy(&m->mask[ACL_WORD_PROTO], all, sizeof(all));
	}
	if (r->has_src)
		fill_address(m, ACL_WORD_SRC, &r->src);
	if (r->has_dst)
		fill_address(m, ACL_WORD_DST, &r->dst);
	if (r->sport.given || r->dport.given)
		flags |= ACL_HAS_PORTS;
	if (r->later)
		flags |= ACL_LATER;
	m->value[ACL_WORD_FLAGS] = m->mask[ACL_WORD_FLAGS] = rte_cpu_to_be_32(flags);
	m->sport = range_of(&r->sport);
	m->dport = range_of(&r->dport);
}

/* Whether packets of that family can fit at all. */
static bool
is_for(const struct acl_rule *r, enum acl_family f)
{
	bool is6 = f == ACL_IP6;

	return !(is6 ? r->not6 : r->not4) && !(r->has_src && r->src.ip6 != is6) &&
	       !(r->has_dst && r->dst.ip6 != is6);
}

static void
fill_table(struct acl *a, enum acl_family f)
{
	struct acl_table *t = &a->table[f];

	for (uint32_t i = 0; i < a->set.n; i++) {
		if (!is_for(&a->set.rule[i], f))
			continue;
		fill_match(&t->match[t->n], &a->set.rule[i]);
		t->match[t->n++].rule = (uint16_t)(i + 1);
	}
}

struct acl *
acl_new(const struct acl_config *c, uint32_t nworkers)
{
	struct acl *a = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*a));
	size_t size = nworkers * sizeof(*a->counts);

	if (a == NULL)
		return NULL;
	memset(a, 0, sizeof(*a));
	a->counts = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (a->counts == NULL) {
		free(a);
		return NULL;
	}
	memset(a->counts, 0, size);
	a->nworkers = nworkers;
	a->set = *c;
	a->drop[0] = c->drop;
	a->track[0] = c->track;
	for (uint32_t i = 0; i < c->n; i++) {
		a->drop[i + 1] = c->rule[i].drop;
		a->track[i + 1] = c->rule[i].track;
	}
	for (int f = 0; f < ACL_FAMILIES; f++)
		fill_table(a, (enum acl_family)f);
	atomic_init(&a->refs, 1);
	return a;
}

static atomic_size_t charged;

size_t
acl_charged(void)
{
	return atomic_load_explicit(&charged, memory_order_relaxed);
}

bool
acl_charge(size_t n, size_t most)
{
	if (acl_charged() + n > most)
		return false;
	atomic_fetch_add_explicit(&charged, n, memory_order_relaxed);
	return true;
}

static void
free_trie(struct acl_table *t)
{
	struct rte_acl_ctx *ctx = atomic_load_explicit(&t->trie, memory_order_relaxed);

	if (ctx == NULL)
		return;
	unseen_begin();
	rte_acl_free(ctx);
	unseen_end();
	atomic_fetch_sub_explicit(&charged, t->trie_bytes, memory_order_relaxed);
}

void
acl_free(struct acl *a)
{
	if (a == NULL || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (int f = 0; f < ACL_FAMILIES; f++)
		free_trie(&a->table[f]);
	free(a->counts);
	free(a);
}

/* --- counters --- */

struct acl_count
acl_read(const struct acl *a, uint32_t rule)
{
	struct acl_count sum = a->before.of[rule];

	for (uint32_t i = 0; i < a->nworkers; i++) {
		sum.frames += counter_read(&a->counts[i].of[rule].frames);
		sum.bytes += counter_read(&a->counts[i].of[rule].bytes);
	}
	return sum;
}

void
acl_inherit(struct acl *a, const struct acl *before)
{
	uint32_t k = 0;

	a->before.of[0] = acl_read(before, 0);
	for (uint32_t i = 0; i < a->set.n; i++) {
		while (k < before->set.n && before->set.rule[k].seq < a->set.rule[i].seq)
			k++;
		if (k < before->set.n && same_rule(&before->set.rule[k], &a->set.rule[i]))
			a->before.of[i + 1] = acl_read(before, k + 1);
	}
}

bool
acl_restore(struct acl *a, uint32_t seq, const struct acl_count *n)
{
	for (uint32_t i = 0; i <= a->set.n; i++) {
		if (acl_seq_of(&a->set, i) != seq)
			continue;
		a->before.of[i] = *n;
		return true;
	}
	return false;
}
