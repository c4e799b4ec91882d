/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on: the writer of a capture. */
#include "switch/pcapng.h"

#include <assert.h>
#include <string.h>

#include <rte_common.h>
#include <rte_mbuf.h>

/* Blocks begin with a type and their length, end with the length again, and are in words. */
#define BLOCK_INTERFACE 1u
#define BLOCK_STATISTICS 5u
#define BLOCK_PACKET 6u
#define BLOCK_SECTION 0x0a0d0d0au

#define MAGIC 0x1a2b3c4du /* says in which byte order this host writes */
#define LINKTYPE_ETHERNET 1

#define OPT_SECTION_USERAPPL 4
#define OPT_INTERFACE_NAME 2
#define OPT_INTERFACE_DESCRIPTION 3
#define OPT_INTERFACE_TSRESOL 9
#define OPT_PACKET_FLAGS 2
#define OPT_PACKET_QUEUE 6
#define OPT_STATISTICS_RECEIVED 4
#define OPT_STATISTICS_DROPPED 5

#define NANOSECONDS 9 /* a timestamp counts units of 10^-9 s */

/** The words of a block in the making, or of its end. */
struct block {
	uint32_t n;
	uint32_t w[96];
};

static void
put(struct block *b, uint32_t word)
{
	assert(b->n < RTE_DIM(b->w));
	b->w[b->n++] = word;
}

static void
put64(struct block *b, uint64_t time)
{
	put(b, (uint32_t)(time >> 32));
	put(b, (uint32_t)time);
}

static void
put_option(struct block *b, uint16_t code, const void *data, size_t len)
{
	uint32_t words = (uint32_t)RTE_ALIGN_CEIL(len, sizeof(uint32_t)) / sizeof(uint32_t);
	const uint16_t head[2] = {code, (uint16_t)len};
	uint32_t word;

	assert(b->n + 1 + words < RTE_DIM(b->w));
	memcpy(&word, head, sizeof(word));
	put(b, word);
	memset(&b->w[b->n], 0, words * sizeof(uint32_t));
	memcpy(&b->w[b->n], data, len);
	b->n += words;
}

static void
put_string(struct block *b, uint16_t code, const char *s)
{
	put_option(b, code, s, strnlen(s, 128));
}

static bool
put_out(const struct block *b, FILE *f)
{
	return fwrite(b->w, sizeof(b->w[0]), b->n, f) == b->n;
}

/* End of options and block; @p before: words that lie before those in @p b. */
static void
finish(struct block *b, uint32_t before, uint32_t *len)
{
	put(b, 0); /* opt_endofopt */
	*len = (before + b->n + 1) * (uint32_t)sizeof(uint32_t);
	put(b, *len);
}

static bool
write_block(struct block *b, FILE *f)
{
	finish(b, 0, &b->w[1]);
	return put_out(b, f);
}

bool
pcapng_begin(FILE *f)
{
	const uint16_t version[2] = {1, 0};
	struct block b = {.n = 0};
	uint32_t word;

	memcpy(&word, version, sizeof(word));
	put(&b, BLOCK_SECTION);
	put(&b, 0);
	put(&b, MAGIC);
	put(&b, word);
	put(&b, UINT32_MAX); /* length of the section: not known */
	put(&b, UINT32_MAX);
	put_string(&b, OPT_SECTION_USERAPPL, "vqswitch " VQS_VERSION);
	return write_block(&b, f);
}

bool
pcapng_interface(FILE *f, const char *name, const char *description, uint32_t snaplen)
{
	const uint16_t type[2] = {LINKTYPE_ETHERNET, 0};
	const uint8_t resolution = NANOSECONDS;
	struct block b = {.n = 0};
	uint32_t word;

	memcpy(&word, type, sizeof(word));
	put(&b, BLOCK_INTERFACE);
	put(&b, 0);
	put(&b, word);
	put(&b, snaplen);
	put_string(&b, OPT_INTERFACE_NAME, name);
	if (description != NULL)
		put_string(&b, OPT_INTERFACE_DESCRIPTION, description);
	put_option(&b, OPT_INTERFACE_TSRESOL, &resolution, sizeof(resolution));
	return write_block(&b, f);
}

static bool
write_data(FILE *f, const struct rte_mbuf *m)
{
	static const uint8_t zeros[sizeof(uint32_t)];
	uint32_t pad = RTE_ALIGN_CEIL(m->pkt_len, (uint32_t)sizeof(uint32_t)) - m->pkt_len;

	for (; m != NULL; m = m->next)
		if (fwrite(rte_pktmbuf_mtod(m, void *), 1, m->data_len, f) != m->data_len)
			return false;
	return fwrite(zeros, 1, pad, f) == pad;
}

bool
pcapng_packet(FILE *f, const struct pcapng_frame *frame, const struct rte_mbuf *m)
{
	uint32_t words = RTE_ALIGN_CEIL(m->pkt_len, (uint32_t)sizeof(uint32_t)) / 4;
	uint32_t flags = frame->direction;
	struct block head = {.n = 0}, tail = {.n = 0};

	put(&head, BLOCK_PACKET);
	put(&head, 0);
	put(&head, frame->interface);
	put64(&head, frame->time_ns);
	put(&head, m->pkt_len);
	put(&head, frame->len);
	put_option(&tail, OPT_PACKET_FLAGS, &flags, sizeof(flags));
	put_option(&tail, OPT_PACKET_QUEUE, &frame->queue, sizeof(frame->queue));
	finish(&tail, head.n + words, &head.w[1]);
	return put_out(&head, f) && write_data(f, m) && put_out(&tail, f);
}

bool
pcapng_statistics(FILE *f, uint32_t interface, uint64_t time_ns, uint64_t received,
		  uint64_t dropped)
{
	struct block b = {.n = 0};

	put(&b, BLOCK_STATISTICS);
	put(&b, 0);
	put(&b, interface);
	put64(&b, time_ns);
	put_option(&b, OPT_STATISTICS_RECEIVED, &received, sizeof(received));
	put_option(&b, OPT_STATISTICS_DROPPED, &dropped, sizeof(dropped));
	return write_block(&b, f);
}
