/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages and rings that are wrong. A back-end may refuse them or end the session; afterwards it
 * serves a new one.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "frame.h"
#include "link.h"
#include "outcome.h"

#define REACTION_MS 300
#define RING_MAX 32768

static const struct station_wish modern = {.features = MODERN};
static const struct station_wish packed = {.features = PACKED};
static const struct station_wish indirect = {.features = MODERN | BIT(VIRTIO_RING_F_INDIRECT_DESC)};

/** The session is over, by either side, and the next one is as any other. */
static void
recovered(struct link *l)
{
	(void)station_left(&l->here, REACTION_MS);
	vhf_close(&l->here.vhf);
	if (l->there == &l->other)
		vhf_close(&l->other.vhf);
	usleep((useconds_t)station_target.settle_ms * 1000);
	station_target.gone_is_failure = true;
	link_open(l, &modern);
	link_exchange(l, 16);
	link_close(l);
}

/* --- messages --- */

struct wrong_message {
	uint32_t request;
	uint32_t flags; /* of the header; 0: those of any message */
	uint32_t size;  /* of the payload; 0: that of its content */
	union vhu_payload payload;
	uint32_t payload_len;
	int fds; /* descriptors of memory with it */
};

/** In the midst of a session whose rings run. */
static void
message(const void *arg)
{
	const struct wrong_message *w = arg;
	static struct vhu_msg m;
	int fds[16];
	struct link l;

	link_open(&l, &modern);
	m.header = (struct vhu_header){.request = w->request,
				       .size = w->size != 0 ? w->size : w->payload_len};
	m.payload = w->payload;
	for (int i = 0; i < w->fds; i++)
		fds[i] = l.here.mem.fd;
	(void)station_say(&l.here, &m, w->flags != 0 ? w->flags : VHU_VERSION, fds,
			  (uint32_t)w->fds);
	recovered(&l);
}

/** Before there is anything. */
static void
early_message(const void *arg)
{
	const struct wrong_message *w = arg;
	static struct vhu_msg m;
	struct link l = {0};

	link_other(&l);
	station_connect(&l.here, 0, &modern);
	m.header = (struct vhu_header){.request = w->request, .size = w->payload_len};
	m.payload = w->payload;
	(void)station_say(&l.here, &m, VHU_VERSION, NULL, 0);
	recovered(&l);
}

/** An error is told to a front-end that asks for an answer, or ends the session. */
static void
refusal(const void *arg)
{
	const struct wrong_message *w = arg;
	const struct station_wish wish = {.features = MODERN, .protocol = VHU_PF(REPLY_ACK)};
	static struct vhu_msg m, answer;
	struct link l = {0};

	link_other(&l);
	station_connect(&l.here, 0, &wish);
	station_negotiate(&l.here);
	m.header = (struct vhu_header){.request = w->request, .size = w->payload_len};
	m.payload = w->payload;
	(void)station_say(&l.here, &m, VHU_VERSION | VHU_NEED_REPLY, NULL, 0);
	if (station_hear(&l.here, &answer)) {
		if (answer.header.request != w->request || answer.payload.u64 == 0)
			outcome_fail("a wrong message is answered with success");
	} else if (!station_left(&l.here, 0)) {
		outcome_fail("a wrong message is not answered");
	}
	recovered(&l);
}

/* --- memory --- */

enum table { TABLE_OVERLAP, TABLE_BEYOND_FILE, TABLE_WRAPS, TABLE_EMPTY };

static void
memory_table(const void *arg)
{
	struct vhu_msg m = {.header = {.request = VHU_SET_MEM_TABLE}};
	struct vhu_mem_region *r = m.payload.mem_table.r;
	struct link l = {0};
	uint32_t n = 1;
	int fds[2];

	link_other(&l);
	station_connect(&l.here, 0, &modern);
	station_negotiate(&l.here);
	station_prepare(&l.here);
	r[0] = (struct vhu_mem_region){l.here.mem.gpa, l.here.mem.size, (uintptr_t)l.here.mem.hva,
				       0};
	switch (*(const enum table *)arg) {
	case TABLE_OVERLAP:
		r[1] = r[0];
		n = 2;
		break;
	case TABLE_BEYOND_FILE:
		r[0].size *= 2;
		break;
	case TABLE_WRAPS:
		r[0].gpa = UINT64_MAX - 4095;
		break;
	case TABLE_EMPTY:
		r[0].size = 0;
		break;
	}
	m.payload.mem_table.n = n;
	m.header.size = (uint32_t)(offsetof(struct vhu_mem_table, r) + n * sizeof(*r));
	fds[0] = fds[1] = l.here.mem.fd;
	(void)station_say(&l.here, &m, VHU_VERSION, fds, n);
	recovered(&l);
}

/** Memory that its owner makes smaller while rings run in it. */
static void
memory_vanishes(const void *arg)
{
	struct link l;

	link_open(&l, &modern);
	if (ftruncate(l.here.mem.fd, 0) != 0)
		outcome_skip("memory cannot be made smaller");
	if (l.there == &l.other)
		for (int i = 0; i < 4; i++)
			station_send(l.there, ++l.seq, FRAME_MIN, NULL);
	usleep(REACTION_MS * 1000);
	recovered(&l);
}

/* --- rings --- */

/** How a guest that runs breaks its transmit ring. */
typedef void (*break_fn)(struct station *s);

static struct split_desc *
desc_of(struct station *s)
{
	return (struct split_desc *)s->q[STATION_TX].d.desc;
}

/** Make descriptor 0 of the transmit ring available, once. */
static void
offer(struct station *s, uint16_t head, uint16_t n)
{
	struct vqd *d = &s->q[STATION_TX].d;
	struct split_avail *a = (struct split_avail *)d->driver;

	for (uint16_t i = 0; i < n; i++)
		a->ring[(uint16_t)(d->avail + i) % d->size].v = rte_cpu_to_le_16(head);
	__atomic_store_n(&a->idx.v, rte_cpu_to_le_16((uint16_t)(d->avail + n)), __ATOMIC_RELEASE);
	vqd_kick(d);
}

static void
set_desc(struct split_desc *d, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	*d = (struct split_desc){{rte_cpu_to_le_64(addr)},
				 {rte_cpu_to_le_32(len)},
				 {rte_cpu_to_le_16(flags)},
				 {rte_cpu_to_le_16(next)}};
}

static void
head_outside(struct station *s)
{
	offer(s, (uint16_t)s->q[STATION_TX].d.size, 1);
}

static void
index_jumps(struct station *s)
{
	set_desc(&desc_of(s)[0], s->mem.gpa, 100, 0, 0);
	offer(s, 0, (uint16_t)(s->q[STATION_TX].d.size + 5));
}

static void
loops(struct station *s)
{
	set_desc(&desc_of(s)[0], s->mem.gpa, 100, VRING_DESC_F_NEXT, 0);
	offer(s, 0, 1);
}

static void
next_outside(struct station *s)
{
	set_desc(&desc_of(s)[0], s->mem.gpa, 100, VRING_DESC_F_NEXT, 0xffff);
	offer(s, 0, 1);
}

static void
address_outside(struct station *s)
{
	set_desc(&desc_of(s)[0], 0x10, 100, 0, 0);
	offer(s, 0, 1);
}

static void
address_wraps(struct station *s)
{
	set_desc(&desc_of(s)[0], UINT64_MAX - 10, 100, 0, 0);
	offer(s, 0, 1);
}

static void
length_huge(struct station *s)
{
	set_desc(&desc_of(s)[0], s->mem.gpa, UINT32_MAX, 0, 0);
	offer(s, 0, 1);
}

static void
header_short(struct station *s)
{
	set_desc(&desc_of(s)[0], s->mem.gpa, 4, 0, 0);
	offer(s, 0, 1);
}

static void
only_written(struct station *s)
{
	set_desc(&desc_of(s)[0], s->mem.gpa, 100, VRING_DESC_F_WRITE, 0);
	offer(s, 0, 1);
}

static void
table_nested(struct station *s)
{
	struct split_desc *table = (struct split_desc *)s->q[STATION_TX].d.indirect;
	const uint64_t at = s->q[STATION_TX].d.indirect_addr;

	set_desc(&table[0], at, 16, VRING_DESC_F_INDIRECT, 0);
	set_desc(&desc_of(s)[0], at, 16, VRING_DESC_F_INDIRECT, 0);
	offer(s, 0, 1);
}

static void
table_odd(struct station *s)
{
	const uint64_t at = s->q[STATION_TX].d.indirect_addr;

	set_desc(&desc_of(s)[0], at, 17, VRING_DESC_F_INDIRECT, 0);
	offer(s, 0, 1);
}

static void
table_loops(struct station *s)
{
	struct split_desc *table = (struct split_desc *)s->q[STATION_TX].d.indirect;
	const uint64_t at = s->q[STATION_TX].d.indirect_addr;

	set_desc(&table[0], s->mem.gpa, 100, VRING_DESC_F_NEXT, 0);
	set_desc(&desc_of(s)[0], at, 16, VRING_DESC_F_INDIRECT, 0);
	offer(s, 0, 1);
}

/** All descriptors of a packed ring are one chain without an end. */
static void
packed_endless(struct station *s)
{
	struct vqd *d = &s->q[STATION_TX].d;
	struct packed_desc *desc = (struct packed_desc *)d->desc;

	for (uint32_t i = 0; i < d->size; i++) {
		const bool wrap = d->avail_wrap ^ (i < d->avail);

		desc[i] = (struct packed_desc){
			.addr.v = rte_cpu_to_le_64(s->mem.gpa),
			.len.v = rte_cpu_to_le_32(100),
			.flags.v = rte_cpu_to_le_16(VRING_DESC_F_NEXT |
						    (wrap ? PACKED_F_AVAIL : PACKED_F_USED)),
		};
	}
	vqd_kick(d);
}

static void
packed_id_outside(struct station *s)
{
	struct vqd *d = &s->q[STATION_TX].d;
	struct packed_desc *desc = (struct packed_desc *)d->desc + d->avail;

	desc->addr.v = rte_cpu_to_le_64(s->mem.gpa);
	desc->len.v = rte_cpu_to_le_32(100);
	desc->id.v = 0xffff;
	__atomic_store_n(&desc->flags.v,
			 rte_cpu_to_le_16(d->avail_wrap ? PACKED_F_AVAIL : PACKED_F_USED),
			 __ATOMIC_RELEASE);
	vqd_kick(d);
}

struct wrong_ring {
	const struct station_wish *wish;
	break_fn spoil;
};

static void
ring(const void *arg)
{
	const struct wrong_ring *w = arg;
	struct link l;

	link_open(&l, w->wish);
	station_drain(&l.here);
	w->spoil(&l.here);
	usleep(REACTION_MS * 1000);
	recovered(&l);
}

#define WRONG(...)                    \
	&(const struct wrong_message) \
	{                             \
		__VA_ARGS__           \
	}
#define STATE(i, n) .payload.state = {i, n}, .payload_len = sizeof(struct vhu_vring_state)
#define WORD(n) .payload.u64 = (n), .payload_len = sizeof(uint64_t)
#define RING(wish, fn)                   \
	ring, &(const struct wrong_ring) \
	{                                \
		&(wish), fn              \
	}
#define TABLE(t)                          \
	memory_table, &(const enum table) \
	{                                 \
		t                         \
	}
#define COMMUNICATION "vhost-user: Communication: errors"

static const struct check checks[] = {
	{"fault.unknown-message", COMMUNICATION, message, WRONG(.request = 1000)},
	{"fault.unknown-message-early", COMMUNICATION, early_message, WRONG(.request = 1000)},
	{"fault.version", "vhost-user: Header: version", message,
	 WRONG(.request = VHU_GET_FEATURES, .flags = 2)},
	{"fault.reply-flag", "vhost-user: Header: reply flag", message,
	 WRONG(.request = VHU_GET_FEATURES, .flags = VHU_VERSION | VHU_REPLY)},
	{"fault.size-huge", "vhost-user: Header: size", message,
	 WRONG(.request = VHU_SET_FEATURES, .size = UINT32_MAX, WORD(0))},
	{"fault.size-short", "vhost-user: Header: size", message,
	 WRONG(.request = VHU_SET_VRING_NUM, .payload_len = 4)},
	{"fault.features", "virtio 2.2.2: features that are not offered", message,
	 WRONG(.request = VHU_SET_FEATURES, WORD(BIT(63)))},
	{"fault.ring-number", "vhost-user: VHOST_USER_SET_VRING_NUM", message,
	 WRONG(.request = VHU_SET_VRING_NUM, STATE(5000, 256))},
	{"fault.refused-ring-number", "vhost-user: VHOST_USER_PROTOCOL_F_REPLY_ACK", refusal,
	 WRONG(.request = VHU_SET_VRING_NUM, STATE(5000, 256))},
	{"fault.ring-size", "virtio 2.7: a power of 2", message,
	 WRONG(.request = VHU_SET_VRING_NUM, STATE(0, 100))},
	{"fault.refused-ring-size-huge", "vhost-user: VHOST_USER_PROTOCOL_F_REPLY_ACK, virtio 2.7",
	 refusal, WRONG(.request = VHU_SET_VRING_NUM, STATE(0, 2 * RING_MAX))},
	{"fault.refused-ring-size-zero", "vhost-user: VHOST_USER_PROTOCOL_F_REPLY_ACK, virtio 2.7",
	 refusal, WRONG(.request = VHU_SET_VRING_NUM, STATE(0, 0))},
	{"fault.kick-number", "vhost-user: VHOST_USER_SET_VRING_KICK", message,
	 WRONG(.request = VHU_SET_VRING_KICK, WORD(255 | VHU_VRING_NOFD))},
	{"fault.kick-without-descriptor", "vhost-user: VHOST_USER_SET_VRING_KICK", message,
	 WRONG(.request = VHU_SET_VRING_KICK, WORD(0))},
	{"fault.address-outside", "vhost-user: VHOST_USER_SET_VRING_ADDR", message,
	 WRONG(.request = VHU_SET_VRING_ADDR,
	       .payload.addr = {.index = 0, .desc = 0x1000, .avail = 0x2000, .used = 0x3000},
	       .payload_len = sizeof(struct vhu_vring_addr))},
	{"fault.memory-without-descriptors", "vhost-user: VHOST_USER_SET_MEM_TABLE", message,
	 WRONG(.request = VHU_SET_MEM_TABLE, .payload.mem_table = {.n = 1, .r[0].size = 4096},
	       .payload_len = 40)},
	{"fault.memory-regions", "vhost-user: VHOST_USER_SET_MEM_TABLE: at most 8", message,
	 WRONG(.request = VHU_SET_MEM_TABLE, .payload.mem_table = {.n = 9}, .payload_len = 8,
	       .fds = 8)},
	{"fault.descriptors", "vhost-user: VHOST_USER_GET_FEATURES", message,
	 WRONG(.request = VHU_GET_FEATURES, .fds = 3)},
	{"fault.memory-empty", "vhost-user: VHOST_USER_SET_MEM_TABLE", TABLE(TABLE_EMPTY)},
	{"fault.memory-overlaps", "vhost-user: VHOST_USER_SET_MEM_TABLE", TABLE(TABLE_OVERLAP)},
	{"fault.memory-wraps", "vhost-user: VHOST_USER_SET_MEM_TABLE", TABLE(TABLE_WRAPS),
	 .hostile = true},
	{"fault.memory-beyond-file", "vhost-user: VHOST_USER_SET_MEM_TABLE",
	 TABLE(TABLE_BEYOND_FILE), .hostile = true},
	{"fault.memory-vanishes", "vhost-user: Support for platforms: shared memory",
	 memory_vanishes, .hostile = true},
	{"fault.head-outside", "virtio 2.7.6: the available ring", RING(modern, head_outside),
	 .hostile = true},
	{"fault.index-jumps", "virtio 2.7.6: the available ring", RING(modern, index_jumps),
	 .hostile = true},
	{"fault.chain-loops", "virtio 2.7.5.2: no loops", RING(modern, loops), .hostile = true},
	{"fault.next-outside", "virtio 2.7.5: next", RING(modern, next_outside), .hostile = true},
	{"fault.buffer-outside", "virtio 2.7.5: addr", RING(modern, address_outside),
	 .hostile = true},
	{"fault.buffer-wraps", "virtio 2.7.5: addr", RING(modern, address_wraps), .hostile = true},
	{"fault.buffer-huge", "virtio 2.7.5: len", RING(modern, length_huge), .hostile = true},
	{"fault.header-short", "virtio 5.1.6: header", RING(modern, header_short), .hostile = true},
	{"fault.write-only", "virtio 2.7.5.1: descriptor table", RING(modern, only_written),
	 .hostile = true},
	{"fault.table-nested", "virtio 2.7.5.3.1: not in a table", RING(indirect, table_nested),
	 .hostile = true},
	{"fault.table-odd", "virtio 2.7.5.3: multiple of 16", RING(indirect, table_odd),
	 .hostile = true},
	{"fault.table-loops", "virtio 2.7.5.3: tables", RING(indirect, table_loops),
	 .hostile = true},
	{"fault.packed-endless", "virtio 2.8.17: no longer than the ring",
	 RING(packed, packed_endless), .hostile = true},
	{"fault.packed-id-outside", "virtio 2.8.16: id", RING(packed, packed_id_outside),
	 .hostile = true},
};

CHECK_GROUP(checks_of_faults, checks);
