/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers of a mempool that go from thread to thread.
 *
 * The ring in a mempool makes the order: one that is taken was given back before. ThreadSanitizer
 * does not see that ring, which lies in a library of DPDK that is not built with it, and is told
 * here.
 */
#ifndef PKT_POOL_ORDER_H
#define PKT_POOL_ORDER_H

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>

#define pool_given(mp) __tsan_release(mp)
#define pool_taken(mp) __tsan_acquire(mp)
#else
#define pool_given(mp) ((void)(mp))
#define pool_taken(mp) ((void)(mp))
#endif

/** As rte_pktmbuf_alloc(). */
static inline struct rte_mbuf *
pool_take(struct rte_mempool *mp)
{
	struct rte_mbuf *m = rte_mbuf_raw_alloc(mp);

	if (unlikely(m == NULL))
		return NULL;
	pool_taken(mp);
	rte_pktmbuf_reset(m);
	return m;
}

/** Give an mbuf back that is not shared and has one segment. */
static inline void
pool_give(struct rte_mbuf *m)
{
	struct rte_mempool *mp = m->pool;

	m = rte_pktmbuf_prefree_seg(m);
	pool_given(mp);
	rte_mbuf_raw_free(m);
}

#endif
