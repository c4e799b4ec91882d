/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: workers. */
#include "switch/ct_worker.h"

#include "base/counter.h"

#define TRIES 4 /* others change the same entry */
#define ANSWER_KNOWN (UINT64_C(1) << 32)
#define CONFIRM_MOST (UINT32_C(1) << 17) /* bytes behind a SYN that may be confirmed with it */

/* --- handshakes --- */

static bool
is_reply(uint64_t w, enum acl_dir dir)
{
	return ((w & CT_OUT) != 0) != (dir == ACL_OUT);
}

/*
 * Remember the sequence number that has to be confirmed, and the one before: a server without
 * memory may answer once more with another. If the slot is another connection's by now, that one
 * stays CT_ANSWERED for longer.
 */
static void
note_answer(struct ct *t, uint32_t slot, const struct ct_packet *c)
{
	_Atomic uint64_t *a = t->line[slot].answer;
	uint64_t now = ANSWER_KNOWN | (uint32_t)(c->seq + 1);
	uint64_t last = atomic_load_explicit(&a[0], memory_order_relaxed);

	if (now == last)
		return;
	atomic_store_explicit(&a[1], last, memory_order_relaxed);
	atomic_store_explicit(&a[0], now, memory_order_relaxed);
	/* who sees the new state sees this */
	atomic_thread_fence(memory_order_release);
}

/*
 * One that forges SYNs does not see their answers. Without the number in an answer, what it sends
 * next would make a connection that is in use for a day.
 */
static bool
confirms(const struct ct *t, uint32_t slot, const struct ct_packet *c)
{
	const _Atomic uint64_t *a = t->line[slot].answer;
	uint64_t last = atomic_load_explicit(&a[0], memory_order_relaxed);
	uint64_t before = atomic_load_explicit(&a[1], memory_order_relaxed);

	if (last == 0) /* the answer came before an upgrade */
		return true;
	return c->ack - (uint32_t)last < CONFIRM_MOST ||
	       (before != 0 && c->ack - (uint32_t)before < CONFIRM_MOST);
}

/* --- states --- */

/* One end says that it is done, or both have. */
static uint64_t
tcp_fin(uint64_t w, enum acl_dir dir)
{
	w |= CT_FIN_IN << dir;
	return ct_with_state(w,
			     (w & CT_FIN_IN) != 0 && (w & CT_FIN_OUT) != 0 ? CT_WAIT : CT_CLOSING);
}

static uint64_t
tcp_next(uint64_t w, uint32_t flags, enum acl_dir dir, bool confirmed)
{
	const bool reply = is_reply(w, dir);
	const enum ct_state s = ct_state_of(w);

	if ((flags & CT_RST) != 0)
		return ct_with_state(w, CT_CLOSED);
	if (s == CT_NEW && reply && (flags & CT_SYN) != 0)
		return ct_with_state(w, CT_ANSWERED);
	if (s == CT_NEW && reply && (w & CT_PICKED) != 0)
		w = ct_with_state(w, CT_ESTABLISHED);
	if (s == CT_ANSWERED && !reply && (flags & CT_SYN) == 0 && confirmed)
		w = ct_with_state(w, CT_ESTABLISHED);
	if ((flags & CT_FIN) != 0 && ct_state_of(w) >= CT_ESTABLISHED && s != CT_CLOSED)
		w = tcp_fin(w, dir);
	return w;
}

static uint64_t
next(uint64_t w, const struct ct_packet *c, enum acl_dir dir, bool confirmed)
{
	uint64_t to = w;

	if ((c->flags & CT_IS_TCP) != 0)
		to = tcp_next(w, c->flags, dir, confirmed);
	else if (is_reply(w, dir))
		to = ct_with_state(w, CT_ESTABLISHED);
	return (to & ~(uint64_t)UINT32_MAX) |
	       (uint32_t)(ct_now() + ct_seconds(c->proto, c->ip6, ct_state_of(to)));
}

/* Written when something is another than before: of packets of one second that is the first. */
static void
refresh(struct ct *t, uint32_t slot, uint64_t w, const struct ct_packet *c, enum acl_dir dir)
{
	bool confirmed = false;

	if (unlikely(ct_state_of(w) <= CT_ANSWERED) && (c->flags & CT_IS_TCP) != 0) {
		if ((c->flags & CT_SYN) != 0 && is_reply(w, dir))
			note_answer(t, slot, c);
		confirmed = confirms(t, slot, c);
	}
	for (uint32_t i = 0; i < TRIES; i++) {
		uint64_t was = w, to = next(w, c, dir, confirmed);

		if (to == w || ct_change(t, slot, &w, to))
			return;
		if (((w ^ was) & CT_SAME) != 0 || ct_state_of(w) < CT_NEW)
			return; /* it is another connection's by now */
	}
}

/* --- packets --- */

bool
ct_known(struct ct *t, uint32_t worker, const struct ct_packet *c, enum acl_dir dir)
{
	struct ct_counts *n = &t->counts[worker].n;
	uint64_t word;
	uint32_t slot;

	if (c->kind < CT_PACKET || (c->flags & CT_OPENS) != 0)
		return false;
	slot = ct_find(t, &c->key, c->hash, &word);
	if (slot == CT_NO_SLOT)
		return false;
	if (c->kind == CT_RELATED) {
		counter_add(&n->related, 1);
		return true;
	}
	counter_add(&n->hits, 1);
	refresh(t, slot, word, c, dir);
	return true;
}

/* The first packet of a connection that has the ends of one which is over. */
static void
reopen(struct ct *t, uint32_t slot, uint64_t w, uint64_t fresh, const struct ct_packet *c,
       enum acl_dir dir)
{
	uint64_t to;

	if ((c->flags & CT_OPENS) == 0 || ct_state_of(w) < CT_CLOSING) {
		refresh(t, slot, w, c, dir);
		return;
	}
	to = (w & CT_SAME) | fresh | (uint32_t)(ct_now() + ct_seconds(c->proto, c->ip6, CT_NEW));
	ct_change(t, slot, &w, to); /* false: the other end's packet is at it, which is as good */
}

enum ct_verdict
ct_open(struct ct *t, uint32_t worker, const struct ct_packet *c, enum acl_dir dir)
{
	struct ct_counts *n = &t->counts[worker].n;
	uint64_t fresh = ct_with_state(dir == ACL_OUT ? CT_OUT : 0, CT_NEW), word;
	uint32_t slot;

	if (c->kind == CT_INVALID) {
		counter_add(&n->invalid, 1);
		return CT_MALFORMED;
	}
	if (c->kind != CT_PACKET || (c->flags & CT_ANSWERS) != 0)
		return CT_PASSES;
	if ((c->flags & (CT_IS_TCP | CT_OPENS)) == CT_IS_TCP)
		fresh |= CT_PICKED;
	word = fresh;
	switch (ct_add(t, &c->key, c->hash, &word, ct_seconds(c->proto, c->ip6, CT_NEW), &slot)) {
	case CT_KNOWN:
		reopen(t, slot, word, fresh, c, dir);
		return CT_PASSES;
	case CT_FULL:
		counter_add(&n->full, 1);
		return CT_NO_ROOM;
	case CT_ADDED_EVICTING:
		counter_add(&n->evicted, 1);
		break;
	case CT_ADDED:
		break;
	}
	counter_add(&n->opened, 1);
	return CT_PASSES;
}
