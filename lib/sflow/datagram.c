/* SPDX-License-Identifier: BSD-3-Clause */
#include "sflow/datagram.h"

#include <netinet/in.h>
#include <string.h>

#define VERSION 5
#define ADDRESS_UNKNOWN 0
#define ADDRESS_IPV4 1
#define ADDRESS_IPV6 2

/* formats of sflow.org itself, whose enterprise is 0 */
#define FLOW_SAMPLE 1
#define COUNTERS_SAMPLE 2
#define RAW_HEADER 1         /* record of a flow sample */
#define INTERFACE_COUNTERS 1 /* records of a counters sample */
#define PORT_NAME 1005

#define PROTOCOL_ETHERNET 1
#define FCS_LEN 4 /* lengths of frames include it, though no frame has one here */
#define IF_ETHERNET 6
#define IF_FULL_DUPLEX 1
#define IF_ADMIN_UP 1u
#define IF_OPER_UP 2u

#define NAME_MAX_LEN 255

/* --- XDR (RFC 4506) --- */

/* Writes behind the end of a datagram change nothing but len, by which they are noticed. */
static void
put_bytes(struct sflow_datagram *d, const void *data, size_t len)
{
	if (d->len + len <= sizeof(d->data))
		memcpy(d->data + d->len, data, len);
	d->len += len;
}

static void
put_u32(struct sflow_datagram *d, uint32_t v)
{
	const uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
			      (uint8_t)v};

	put_bytes(d, b, sizeof(b));
}

static void
put_u64(struct sflow_datagram *d, uint64_t v)
{
	put_u32(d, (uint32_t)(v >> 32));
	put_u32(d, (uint32_t)v);
}

/* Its length first, zeroes up to a multiple of 4 behind it. */
static void
put_opaque(struct sflow_datagram *d, const void *data, uint32_t len)
{
	static const uint8_t zeroes[3];

	put_u32(d, len);
	put_bytes(d, data, len);
	put_bytes(d, zeroes, -len & 3);
}

/* A length that is known later, when what follows has been written. */
static size_t
put_room(struct sflow_datagram *d)
{
	put_u32(d, 0);
	return d->len;
}

static void
overwrite_u32(struct sflow_datagram *d, size_t at, uint32_t v)
{
	size_t len = d->len;

	d->len = at;
	put_u32(d, v);
	d->len = len;
}

static void
end_room(struct sflow_datagram *d, size_t start)
{
	overwrite_u32(d, start - 4, (uint32_t)(d->len - start));
}

/* --- datagrams --- */

static void
put_address(struct sflow_datagram *d, const struct sockaddr *sa)
{
	if (sa != NULL && sa->sa_family == AF_INET) {
		put_u32(d, ADDRESS_IPV4);
		put_bytes(d, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
	} else if (sa != NULL && sa->sa_family == AF_INET6) {
		put_u32(d, ADDRESS_IPV6);
		put_bytes(d, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
	} else {
		put_u32(d, ADDRESS_UNKNOWN);
	}
}

void
sflow_begin(struct sflow_datagram *d, const struct sflow_head *head)
{
	d->len = 0;
	d->samples = 0;
	put_u32(d, VERSION);
	put_address(d, head->agent);
	put_u32(d, 0); /* the one sub-agent */
	put_u32(d, head->sequence);
	put_u32(d, head->uptime_ms);
	d->samples_at = d->len;
	put_u32(d, 0);
}

/* One more sample, if all of it that was written since @p start is within the datagram. */
static bool
commit(struct sflow_datagram *d, size_t start)
{
	if (d->len > sizeof(d->data)) {
		d->len = start;
		return false;
	}
	overwrite_u32(d, d->samples_at, ++d->samples);
	return true;
}

static void
put_raw_header(struct sflow_datagram *d, const struct sflow_flow *f)
{
	size_t record;

	put_u32(d, RAW_HEADER);
	record = put_room(d);
	put_u32(d, PROTOCOL_ETHERNET);
	put_u32(d, f->frame_len + FCS_LEN);
	put_u32(d, FCS_LEN); /* of it were taken away */
	put_opaque(d, f->header, f->header_len);
	end_room(d, record);
}

bool
sflow_add_flow(struct sflow_datagram *d, const struct sflow_flow *f)
{
	size_t start = d->len, sample;

	put_u32(d, FLOW_SAMPLE);
	sample = put_room(d);
	put_u32(d, f->sequence);
	put_u32(d, f->interface); /* the source: class 0, an ifIndex */
	put_u32(d, f->rate);
	put_u32(d, f->pool);
	put_u32(d, f->drops);
	put_u32(d, f->interface);
	put_u32(d, 0); /* it is not decided where the frame goes */
	put_u32(d, 1); /* record */
	put_raw_header(d, f);
	end_room(d, sample);
	return commit(d, start);
}

static void
put_interface(struct sflow_datagram *d, const struct sflow_counters *c)
{
	size_t record;

	put_u32(d, INTERFACE_COUNTERS);
	record = put_room(d);
	put_u32(d, c->interface);
	put_u32(d, IF_ETHERNET);
	put_u64(d, c->speed);
	put_u32(d, IF_FULL_DUPLEX);
	put_u32(d, (c->admin_up ? IF_ADMIN_UP : 0) | (c->oper_up ? IF_OPER_UP : 0));
	put_u64(d, c->in_bytes);
	put_u32(d, c->in_frames);
	put_u32(d, c->in_multicast);
	put_u32(d, c->in_broadcast);
	put_u32(d, c->in_discards);
	put_u32(d, c->in_errors);
	put_u32(d, SFLOW_UNKNOWN); /* unknown protocols */
	put_u64(d, c->out_bytes);
	put_u32(d, c->out_frames);
	put_u32(d, c->out_multicast);
	put_u32(d, c->out_broadcast);
	put_u32(d, c->out_discards);
	put_u32(d, c->out_errors);
	put_u32(d, c->promiscuous ? 1 : 2);
	end_room(d, record);
}

static void
put_name(struct sflow_datagram *d, const char *name)
{
	size_t record;

	put_u32(d, PORT_NAME);
	record = put_room(d);
	put_opaque(d, name, (uint32_t)strnlen(name, NAME_MAX_LEN));
	end_room(d, record);
}

bool
sflow_add_counters(struct sflow_datagram *d, const struct sflow_counters *c)
{
	size_t start = d->len, sample;

	put_u32(d, COUNTERS_SAMPLE);
	sample = put_room(d);
	put_u32(d, c->sequence);
	put_u32(d, c->interface);
	put_u32(d, 2); /* records */
	put_interface(d, c);
	put_name(d, c->name);
	end_room(d, sample);
	return commit(d, start);
}
