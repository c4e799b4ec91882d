/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sFlow agent: sends samples of frames (switch/sample.h) and the counters of ports to
 * collectors, as datagrams of sFlow version 5 over UDP. Without a collector nothing is sampled.
 *
 * A collector's socket never blocks: a datagram it does not take is counted and gone. The number
 * of an interface (ifIndex) is that of the port plus one, since no interface has number 0.
 * Control thread.
 */
#ifndef APP_SFLOW_AGENT_H
#define APP_SFLOW_AGENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

struct app;
struct sflow_agent;

#define SFLOW_AGENT_COLLECTORS 8
#define SFLOW_AGENT_RATE 1000 /* defaults */
#define SFLOW_AGENT_INTERVAL 20
#define SFLOW_AGENT_HEADER 128
#define SFLOW_AGENT_INTERVAL_MAX 86400
#define SFLOW_AGENT_HEADER_MIN 14 /* addresses and type */
#define SFLOW_AGENT_TEXT 128      /* an address, its scope and a port */

/** Which frames are sampled, and when counters are sent. */
struct sflow_settings {
	uint32_t rate;     /* one of so many frames; up to SAMPLE_RATE_MAX */
	uint32_t interval; /* seconds between the counters of a port; 0: none are sent */
	uint32_t header;   /* bytes of a sampled frame */
	/* that the collectors know this switch by; ss_family 0: the one the kernel sends from */
	struct sockaddr_storage agent;
};

/** An address and a UDP port datagrams go to. */
struct sflow_collector {
	struct sockaddr_storage to;
	socklen_t to_len;
	int fd;               /* connected; -1: that failed */
	uint64_t retry_at_ns; /* not before */
	uint64_t sent, failed;
	int error; /* of the last that failed */
	STAILQ_ENTRY(sflow_collector) entry;
};

STAILQ_HEAD(sflow_collectors, sflow_collector);

struct sflow_agent_stats {
	uint64_t samples, lost;     /* of frames; lost: by the switch */
	uint64_t counters;          /* samples of counters */
	uint64_t datagrams, failed; /* over all collectors */
};

/** NULL: out of memory. */
struct sflow_agent *sflow_agent_new(struct app *app);
void sflow_agent_free(struct sflow_agent *a); /* NULL is fine */

/**
 * The IPv4 or IPv6 address in @p text, numeric, with @p udp_port. Its length, or 0: it is none of a
 * host.
 */
socklen_t sflow_agent_parse(const char *text, uint16_t udp_port, struct sockaddr_storage *out);

/** Its text, "192.0.2.1 port 6343"; without the port if that is 0. Returns @p buf. */
const char *sflow_agent_text(const struct sockaddr_storage *sa, char buf[SFLOW_AGENT_TEXT]);

/** 0, also if it is one already; -ENOSPC (SFLOW_AGENT_COLLECTORS), -ENOMEM. */
int sflow_agent_add(struct sflow_agent *a, const struct sockaddr_storage *to, socklen_t len);
/** All collectors at that address, with any UDP port. -ENOENT: there is none. */
int sflow_agent_del(struct sflow_agent *a, const struct sockaddr_storage *to);

/** 0 or -ENOMEM, and nothing has changed. Values are in range. */
int sflow_agent_set(struct sflow_agent *a, const struct sflow_settings *s);

const struct sflow_settings *sflow_agent_settings(const struct sflow_agent *a);
const struct sflow_collectors *sflow_agent_collectors(const struct sflow_agent *a);
void sflow_agent_get_stats(const struct sflow_agent *a, struct sflow_agent_stats *out);

/** The address that is sent as the agent's: as set, or by the kernel. False: not known yet. */
bool sflow_agent_address(const struct sflow_agent *a, struct sockaddr_storage *out);

#endif
