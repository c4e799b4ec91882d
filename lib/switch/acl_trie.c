/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control; build() and what it calls on a thread of a lane. */
#include "switch/acl_trie.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_acl.h>
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "base/log.h"
#include "base/unseen.h"
#include "switch/acl.h"

#define FIELDS_MAX (ACL_WORDS + 1) /* ports are two */
#define POLL_US 200

/* All fields of one trie; the last words of an address are IPv6's only. */
struct fields {
	uint32_t n;
	uint8_t word[FIELDS_MAX]; /* each one is in */
	struct rte_acl_field_def def[FIELDS_MAX];
};

RTE_ACL_RULE_DEF(trie_rule, FIELDS_MAX);

static struct lane lane;
static atomic_uint in_hand; /* lists whose tries are being made */

/* Of DPDK's memory: all there is, or what is in use. */
static size_t
heap_bytes(bool in_use)
{
	struct rte_malloc_socket_stats st;
	size_t sum = 0;

	for (unsigned int i = 0; i < rte_socket_count(); i++) {
		int socket = rte_socket_id_by_idx(i);

		if (socket >= 0 && rte_malloc_get_socket_stats(socket, &st) == 0)
			sum += in_use ? st.heap_allocsz_bytes : st.heap_totalsz_bytes;
	}
	return sum;
}

static void
add_field(struct fields *fs, uint8_t word, uint8_t offset, uint8_t size, uint8_t type)
{
	fs->word[fs->n] = word;
	fs->def[fs->n] = (struct rte_acl_field_def){
		.type = type,
		.size = size,
		.field_index = (uint8_t)fs->n,
		/* fields within four bytes have the same number */
		.input_index = (uint8_t)(offset == 0 ? fs->n : fs->def[fs->n - 1].input_index),
		.offset = word * (uint32_t)sizeof(uint32_t) + offset,
	};
	fs->n++;
}

static void
define(struct fields *fs, enum acl_family f)
{
	uint8_t words = f == ACL_IP6 ? 4 : 1;

	fs->n = 0;
	add_field(fs, ACL_WORD_PROTO, 0, 1, RTE_ACL_FIELD_TYPE_BITMASK);
	for (uint8_t i = 0; i < words; i++)
		add_field(fs, ACL_WORD_SRC + i, 0, 4, RTE_ACL_FIELD_TYPE_BITMASK);
	for (uint8_t i = 0; i < words; i++)
		add_field(fs, ACL_WORD_DST + i, 0, 4, RTE_ACL_FIELD_TYPE_BITMASK);
	add_field(fs, ACL_WORD_PORTS, 0, 2, RTE_ACL_FIELD_TYPE_RANGE);
	add_field(fs, ACL_WORD_PORTS, 2, 2, RTE_ACL_FIELD_TYPE_RANGE);
	add_field(fs, ACL_WORD_FLAGS, 0, 4, RTE_ACL_FIELD_TYPE_BITMASK);
}

/* Rules are in host order. */
static void
fill_field(struct rte_acl_field *to, const struct fields *fs, uint32_t i, const struct acl_match *m)
{
	const struct acl_ports *ports = fs->def[i].offset % 4 == 0 ? &m->sport : &m->dport;
	uint8_t word = fs->word[i];

	if (fs->def[i].type == RTE_ACL_FIELD_TYPE_RANGE) {
		to->value.u16 = ports->from;
		to->mask_range.u16 = ports->to;
	} else if (fs->def[i].size == 1) {
		memcpy(&to->value.u8, &m->value[word], 1);
		memcpy(&to->mask_range.u8, &m->mask[word], 1);
	} else {
		to->value.u32 = rte_be_to_cpu_32(m->value[word]);
		to->mask_range.u32 = rte_be_to_cpu_32(m->mask[word]);
	}
}

static int
add_rules(struct rte_acl_ctx *ctx, const struct fields *fs, const struct acl_table *t)
{
	int ret = 0;

	for (uint16_t i = 0; i < t->n && ret == 0; i++) {
		struct trie_rule r = {.data = {.category_mask = 1,
					       .priority = ACL_RULES_MAX + 1 - i,
					       .userdata = t->match[i].rule}};

		for (uint32_t k = 0; k < fs->n; k++)
			fill_field(&r.field[k], fs, k, &t->match[i]);
		ret = rte_acl_add_rules(ctx, (const struct rte_acl_rule *)&r, 1);
	}
	return ret;
}

/*
 * The size of a trie depends on how its rules overlap: 64 of them take 100 kB or 16 MB. rte_acl
 * does not tell it, so what others allocate meanwhile may be counted, too, until the trie is freed.
 * False: with it, tries would have too much.
 */
static bool
charge(struct acl_table *t, size_t before)
{
	static struct log_limit limit; /* a lane has one job at a time */
	size_t after = heap_bytes(true), most = heap_bytes(false) / ACL_TRIES_PART;

	t->trie_bytes = after > before ? after - before : 0;
	if (acl_charge(t->trie_bytes, most))
		return true;
	log_peer(&limit, "acl",
		 "no trie for a list of %u rules, it takes %zu kB: all have %zu of %zu kB;"
		 " packets are compared with each rule (-m)",
		 t->n, t->trie_bytes / 1000, acl_charged() / 1000, most / 1000);
	return false;
}

static void
build_table(struct acl_table *t, enum acl_family f)
{
	static atomic_uint_fast64_t serial;
	size_t before = heap_bytes(true);
	struct rte_acl_config cfg = {.num_categories = 1};
	char name[RTE_ACL_NAMESIZE];
	struct rte_acl_param param = {
		.name = name,
		.socket_id = SOCKET_ID_ANY,
		.rule_size = RTE_ACL_RULE_SZ(FIELDS_MAX),
		.max_rule_num = ACL_RULES_MAX,
	};
	struct rte_acl_ctx *ctx;
	struct fields fs;

	/* of two with the same name there would be one */
	snprintf(name, sizeof(name), "vqs%" PRIu64, (uint64_t)atomic_fetch_add(&serial, 1));
	define(&fs, f);
	cfg.num_fields = fs.n;
	memcpy(cfg.defs, fs.def, fs.n * sizeof(fs.def[0]));
	unseen_begin();
	ctx = rte_acl_create(&param);
	if (ctx != NULL &&
	    (add_rules(ctx, &fs, t) != 0 || rte_acl_build(ctx, &cfg) != 0 || !charge(t, before))) {
		rte_acl_free(ctx);
		ctx = NULL;
	}
	unseen_end();
	if (ctx != NULL)
		atomic_store_explicit(&t->trie, ctx, memory_order_release);
}

/* This job alone has the list: it was replaced meanwhile. */
static bool
is_given_up(const struct acl *a)
{
	return atomic_load_explicit(&a->refs, memory_order_relaxed) == 1;
}

static void
build(struct lane_job *j)
{
	struct acl *a = container_of(j, struct acl, job);

	for (int f = 0; f < ACL_FAMILIES; f++)
		if (a->table[f].n >= ACL_TRIE_MIN && !is_given_up(a))
			build_table(&a->table[f], (enum acl_family)f);
	acl_free(a);
	atomic_fetch_sub_explicit(&in_hand, 1, memory_order_release);
}

static void
keep(struct lane *l)
{
}

void
acl_trie_make(struct acl *a)
{
	if (RTE_MAX(a->table[ACL_IP4].n, a->table[ACL_IP6].n) < ACL_TRIE_MIN)
		return;
	if (lane.free == NULL)
		lane_init(&lane, keep);
	atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&in_hand, 1, memory_order_relaxed);
	a->job.fn = build;
	lane_submit(&lane, &a->job);
}

void
acl_trie_settle(void)
{
	while (atomic_load_explicit(&in_hand, memory_order_acquire) != 0)
		usleep(POLL_US);
}
