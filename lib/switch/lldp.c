/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: control. */
#include "switch/lldp.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "switch/inject.h"
#include "switch/port.h"
#include "switch/sw.h"

#define ETHER_TYPE 0x88cc
#define TLV_LEN_MAX 511

/* TLVs and subtypes */
enum {
	TLV_END,
	TLV_CHASSIS,
	TLV_PORT,
	TLV_TTL,
	TLV_PORT_TEXT,
	TLV_SYSTEM,
	TLV_SYSTEM_TEXT,
	TLV_CAN
};
#define CHASSIS_LOCAL 7 /* a name of our own choice */
#define PORT_IF_NAME 5
#define CAN_BRIDGE 0x0004

static void
put16(uint8_t *b, uint16_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

/* A TLV of a text, with a subtype in front unless that is 0. */
static uint8_t *
put_text(uint8_t *at, unsigned int type, uint8_t subtype, const char *text)
{
	uint8_t *head = at;

	at += 2;
	if (subtype != 0)
		*at++ = subtype;
	for (unsigned int i = 0; i < LLDP_TEXT_MAX && text[i] != '\0'; i++)
		*at++ = (uint8_t)text[i];
	put16(head, (uint16_t)(type << 9 | (uint16_t)(at - head - 2)));
	return at;
}

uint32_t
lldp_frame(const struct port *p, const struct lldp_facts *f, uint8_t *frame)
{
	static const uint8_t to[] = {0x01, 0x80, 0xc2, 0, 0, 0x0e};
	uint8_t *at = frame + RTE_ETHER_HDR_LEN;

	memcpy(frame, to, sizeof(to));
	memcpy(frame + sizeof(to), &p->mac, RTE_ETHER_ADDR_LEN);
	put16(frame + 2 * RTE_ETHER_ADDR_LEN, ETHER_TYPE);
	at = put_text(at, TLV_CHASSIS, CHASSIS_LOCAL, f->system);
	at = put_text(at, TLV_PORT, PORT_IF_NAME, p->name);
	put16(at, TLV_TTL << 9 | 2);
	put16(at + 2, f->ttl_s);
	at += 4;
	if (f->ttl_s != 0) {
		at = put_text(at, TLV_SYSTEM, 0, f->system);
		at = put_text(at, TLV_SYSTEM_TEXT, 0, f->description);
		put16(at, TLV_CAN << 9 | 4);
		put16(at + 2, CAN_BRIDGE);
		put16(at + 4, CAN_BRIDGE);
		at += 6;
	}
	put16(at, TLV_END);
	at += 2;
	/* not every device pads */
	while (at < frame + RTE_ETHER_MIN_LEN - RTE_ETHER_CRC_LEN)
		*at++ = 0;
	return (uint32_t)(at - frame);
}

static void
tell(struct port *p, uint16_t ttl_s)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->sw->mp);
	char system[HOST_NAME_MAX + 1] = "";
	struct lldp_facts f = {.system = system,
			       .description = "vqswitch " VQS_VERSION,
			       .ttl_s = ttl_s};
	uint8_t *frame;

	if (m == NULL)
		return;
	if (gethostname(system, sizeof(system) - 1) != 0 || system[0] == '\0')
		f.system = "vqswitch";
	frame = (uint8_t *)rte_pktmbuf_append(m, LLDP_FRAME_MAX);
	if (frame == NULL) {
		rte_pktmbuf_free(m);
		return;
	}
	rte_pktmbuf_trim(m, (uint16_t)(LLDP_FRAME_MAX - lldp_frame(p, &f, frame)));
	if (sw_send(p->sw, p, m))
		p->lldp_sent++;
}

static void
on_due(struct ev_timer *t)
{
	struct sw *s = container_of(t, struct sw, lldp);
	bool any = false;

	for (uint16_t i = 0; i < s->nports; i++) {
		struct port *p = s->port[i];

		if (p == NULL || !p->lldp)
			continue;
		any = true;
		if (p->ops->link_up(p))
			tell(p, LLDP_TTL_S);
	}
	if (any)
		ev_timer_arm(s->loop, t, LLDP_INTERVAL_S * 1000);
}

void
lldp_set(struct port *p, bool on)
{
	struct sw *s = p->sw;

	if (p->lldp == on)
		return;
	p->lldp = on;
	if (!on) {
		tell(p, 0);
		return;
	}
	s->lldp.cb = on_due;
	if (s->loop != NULL)
		ev_timer_arm(s->loop, &s->lldp, 0);
}

void
lldp_fini(struct sw *s)
{
	ev_timer_cancel(&s->lldp);
}
