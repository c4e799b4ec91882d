/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts: a virtqueue's firmware queue pair sends to the driver's, whose completion is told. */
#include "card.h"

#include <endian.h>
#include <sys/socket.h>

#define CQE_LAST_WORD 0x3c    /* number of the receive entry, signature, operation */
#define CQE_RECEIVED 0x20     /* a message has come */
#define ARM_INDEX 0x00ffffffu /* of the consumer; above it a sequence number */

void
event_post(struct channel *ch, uint64_t cookie)
{
	struct {
		uint64_t cookie;
		uint8_t data[64];
	} record = {cookie, {0}};

	(void)send(ch->in, &record, ch->plain ? sizeof(record.cookie) : sizeof(record),
		   MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
event_look(struct object *o)
{
	struct cq *cq = &o->cq;
	const _Atomic uint32_t *doorbell = umem_at(&cq->doorbell, 8);
	uint32_t arm;

	if (doorbell == NULL || cq->channel == NULL)
		return;
	arm = be32toh(atomic_load(&doorbell[1]));
	if ((!cq->fresh && arm == cq->consumed) || cq->produced == (arm & ARM_INDEX))
		return;
	cq->fresh = false;
	cq->consumed = arm;
	event_post(cq->channel, cq->cookie);
}

bool
event_send(uint32_t qp)
{
	struct object *fw = object_at(qp, KIND_QP);
	struct object *sw = fw != NULL ? object_at(fw->qp.remote, KIND_QP) : NULL;
	struct object *cq = sw != NULL ? object_at(sw->qp.cq, KIND_CQ) : NULL;
	const _Atomic uint32_t *posted = sw != NULL ? umem_at(&sw->qp.doorbell, 4) : NULL;
	uint8_t *ring = cq != NULL ? umem_at(&cq->cq.ring, 64) : NULL;

	if (posted == NULL || ring == NULL || !fw->qp.ready || !sw->qp.ready)
		return false;
	if ((uint16_t)be32toh(atomic_load(posted)) == sw->qp.posted)
		return false;
	atomic_store((_Atomic uint32_t *)(void *)(ring + CQE_LAST_WORD),
		     htobe32((uint32_t)sw->qp.posted << 16 | CQE_RECEIVED));
	sw->qp.posted++;
	cq->cq.produced = (cq->cq.produced + 1) & ARM_INDEX;
	event_look(cq);
	return true;
}
