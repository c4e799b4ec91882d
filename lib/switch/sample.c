/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/sample.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "pkt/pool_order.h"
#include "switch/port.h"
#include "switch/publish.h"
#include "switch/sample_ring.h"
#include "switch/sw.h"

#define RING_SIZE 1024 /* samples between two looks of control */

static void
sampling_free(struct sampling *s)
{
	struct rte_mbuf *m;

	if (s == NULL)
		return;
	while (s->ring != NULL && rte_ring_sc_dequeue(s->ring, (void **)&m) == 0)
		pool_give(m);
	rte_ring_free(s->ring);
	rte_mempool_free(s->mp);
	free(s);
}

static struct sampling *
sampling_new(uint32_t rate, uint32_t header)
{
	struct sampling *s = calloc(1, sizeof(*s));
	static unsigned int serial;
	char name[32];

	if (s == NULL)
		return NULL;
	s->rate = rate;
	s->header = header;
	snprintf(name, sizeof(name), "samples%u", serial++);
	s->ring = rte_ring_create(name, RING_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	s->mp = rte_pktmbuf_pool_create(name, RING_SIZE - 1, 0,
					RTE_ALIGN_CEIL(sizeof(struct sample_note), 8),
					RTE_PKTMBUF_HEADROOM + SAMPLE_HEADER_MAX, SOCKET_ID_ANY);
	if (s->ring == NULL || s->mp == NULL) {
		sampling_free(s);
		return NULL;
	}
	return s;
}

int
sw_set_sampling(struct sw *s, uint32_t rate, uint32_t header)
{
	struct sampling *old = s->sampling, *new = NULL;

	if (rate == 0 && old == NULL)
		return 0;
	if (rate != 0) {
		new = sampling_new(rate, header);
		if (new == NULL)
			return -ENOMEM;
	}
	s->sampling = new;
	sw_publish(s);
	sampling_free(old);
	return 0;
}

void
sw_set_port_sampled(struct port *p, bool on)
{
	if (p->not_sampled == !on)
		return;
	p->not_sampled = !on;
	sw_publish(p->sw);
}

bool
sw_take_sample(struct sw *s, struct sample *out)
{
	const struct sample_note *note;
	struct rte_mbuf *m;

	if (s->sampling == NULL || rte_ring_sc_dequeue(s->sampling->ring, (void **)&m) != 0)
		return false;
	note = rte_mbuf_to_priv(m);
	*out = (struct sample){
		.port = note->port,
		.len = note->len,
		.header_len = m->data_len,
		.header = rte_pktmbuf_mtod(m, uint8_t *),
		.buffer = m,
	};
	return true;
}

void
sample_free(struct sample *s)
{
	pool_give(s->buffer);
	s->buffer = NULL;
}

uint64_t
sw_samples_lost(const struct sw *s)
{
	return s->sampling != NULL ? atomic_load_explicit(&s->sampling->lost, memory_order_relaxed)
				   : 0;
}
