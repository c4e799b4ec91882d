/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vqgen: a load generator that is a handful of guests to any vhost-user
 * back-end. One thread polls all queues; no EAL, no hugepages needed.
 *
 *   vqgen.c         main loop
 *   vqgen_opt.c     command line
 *   vqgen_port.c    a guest: session, memory, queues
 *   vqgen_migrate.c a guest that is migrated there and back
 *   vqgen_frame.c   frames: made, recognised, compared
 *   vqgen_verify.c  per flow: lost, duplicated, reordered
 *   vqgen_report.c  rates, latency histogram, output
 */
#ifndef VQGEN_H
#define VQGEN_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ether.h>

#include "gmem/gm.h"
#include "vhost_user/vhf.h"
#include "virtq/driver.h"
#include "virtq/net.h"

#define PORTS_MAX 64
#define PAIRS_MAX 16
#define SIZES_MAX 16
#define BURST_MAX 256
#define FRAME_MAX 65549 /* a 65535-byte IP packet */
#define FRAME_MIN 64    /* holds the tag */
#define FRAME_MIN_TSO 80

/** Work on each frame, from nothing to everything. */
enum mode {
	MODE_STATIC,  /* made once, never looked at: ring work only */
	MODE_TOUCH,   /* headers and tag written per frame, first line read back */
	MODE_VERIFY,  /* every byte made and compared, sequence checked */
	MODE_LATENCY, /* as touch, with time stamps */
};

enum pattern { PATTERN_PAIR, PATTERN_RING, PATTERN_ALL_TO_ONE };

struct options {
	uint32_t nports;
	const char *path[PORTS_MAX];
	const char *target; /* guest 0 is migrated there and back; or NULL */
	uint32_t moves;     /* migrations that succeed, and that fail */
	uint32_t failures;
	bool server;
	bool huge;
	bool learn;     /* announce every MAC first */
	bool blind;     /* what is sent need not come back */
	bool reconnect; /* carry on when the back-end comes back */
	bool bidir;
	bool mergeable, indirect, hdr_alone, in_order, event_idx, legacy, tso, mem_slots;
	enum vq_layout layout;
	uint32_t ring;  /* queue size */
	uint32_t pairs; /* queue pairs per port */
	uint32_t burst;
	uint32_t rx_buf; /* bytes, 0: chosen */
	uint32_t tx_seg; /* longest descriptor of a sent chain, 0: frame in one */
	uint32_t nsizes;
	uint32_t size[SIZES_MAX];
	uint32_t flows, macs;
	uint32_t learn_rate; /* announcements per second */
	enum pattern pattern;
	enum mode mode;
	uint32_t nap_us; /* 0: poll */
	uint32_t window; /* frames on their way at most, 0: no limit */
	double rate;     /* frames per second of all senders, 0: no limit */
	double warmup, duration;
	int cpu; /* -1: not pinned */
	int timeout_ms;
};

/** Fill @p o from the command line; exits on --help and on errors. */
void options_parse(struct options *o, int argc, char **argv);
const char *mode_name(enum mode m);
const char *layout_name(enum vq_layout l);

/* --- a guest --- */

/** One virtqueue of a guest, with its buffers. */
struct queue {
	struct vqd d;
	struct vhu_frontend_ring ring;
	struct vqd_net net;
	uint16_t hdr_len;
	bool chains; /* tx: frames in chains of several descriptors */
	uint32_t seg;
	uint32_t nbufs;
	/* tx in chains: free buffers in the order they came back */
	uint32_t *fifo;
	uint32_t head, room;
	/* rx: a merged frame of which more parts are to come */
	uint32_t parts, parts_left, have;
	uint8_t *assembly;
};

/** The back-end marks the pages it has written there. */
struct port_log {
	int fd;
	uint64_t size;
	uint8_t *bits;
};

struct port {
	uint32_t id;
	struct vhf *vhf;
	struct gm mem;
	const struct port_log *log; /* of writes, while the guest is migrated; or NULL */
	bool ended;                 /* the session, as it was to; there is going to be another */
	bool silent;                /* it neither sends nor receives */
	bool reached;               /* by a frame since the last step of a migration */
	struct queue rx[PAIRS_MAX], tx[PAIRS_MAX];
	uint16_t hdr_len;
};

/** Connect, negotiate, make memory and rings, start. Exits with a message when that fails. */
void port_open(struct port *p, uint32_t id, const struct options *o);
void port_close(struct port *p, const struct options *o);

/** Whether the back-end is still connected. */
bool port_alive(const struct port *p);

/** Connect again and carry on with the rings where they are. */
void port_reconnect(struct port *p, const struct options *o);

/*
 * Parts of a session, as a VMM says them; 0 or -errno, with a sentence in vhf->err. In the order of
 * a session: port_negotiate(), port_announce_memory(), port_start().
 */
int port_negotiate(struct vhf *v, const struct options *o);
int port_announce_memory(struct port *p, struct vhf *v, int fd);
/** All rings, from where they were stopped. */
int port_start(struct port *p, const struct options *o);
int port_stop(struct port *p, const struct options *o);
/** Have the back-end begin or end to mark what it writes, while rings run. */
int port_log_on(struct port *p, const struct options *o, const struct port_log *log);
int port_log_off(struct port *p, const struct options *o);

/* --- a guest that is migrated --- */

struct migration;

/** Port @p p is going to be migrated to o->target, and back. NULL: no, it is not. */
struct migration *migration_new(struct port *p, const struct options *o);
void migration_free(struct migration *m);
/** The next step, if its time has come. @p flows: frames have arrived everywhere since the last. */
bool migration_step(struct migration *m, bool flows);
/**
 * The back-end was gone and is there again. A frame in the middle of which it died was written in
 * part and is not marked; the one that comes in its place is, before memory is compared.
 */
void migration_interrupted(struct migration *m);
/** As many as were wished have been made. */
bool migration_done(const struct migration *m);
void migration_report(const struct migration *m);
/** Memory differed at the end of one. */
bool migration_differed(const struct migration *m);

/** Buffers of tx queue @p q that can be filled. */
uint32_t queue_room(struct queue *q);

/** The @p i'th of them: the virtio-net header, then the frame. */
static inline uint8_t *
queue_buf(const struct queue *q, uint32_t i)
{
	if (!q->chains)
		return vqd_net_buf(&q->d, (uint16_t)i);
	return q->net.hva + (size_t)q->fifo[(q->head + i) % q->nbufs] * q->net.stride;
}

/** Send the next @p n of them, len[i] bytes each with the header. */
void queue_send(struct queue *q, const uint32_t *len, uint32_t n);

/* --- frames --- */

/** Behind the headers of each frame; all its bytes are a function of the tag and the length. */
struct tag {
	uint16_t magic;
	uint16_t stream;
	uint32_t flow;
	uint32_t seq;
	uint64_t tsc;
} __attribute__((packed));

/** Traffic from one port to another. */
struct stream {
	uint16_t id;
	struct port *from, *to;
	uint32_t next_flow[PAIRS_MAX]; /* of each tx queue */
	uint32_t next_size;
	uint32_t *seq;            /* per flow, next to send */
	struct flow_check *check; /* per flow, verify mode */
	uint64_t sent;
};

/** A frame a guest received, in one segment: the virtio-net header is before it. */
struct rx_frame {
	const uint8_t *frame;
	uint32_t len;
	bool header_ok; /* num_buffers, flags and type are what the guest accepted */
};

typedef void (*rx_fn)(void *ctx, struct port *p, const struct rx_frame *f);

/** Call fn() for each frame that waits in rx queue @p q. Returns how many buffers they took. */
uint32_t queue_recv(struct port *p, struct queue *q, rx_fn fn, void *ctx);

/**
 * The same without looking at anything: counts frames and bytes. Only when no frame needs two
 * buffers.
 */
uint32_t queue_recv_count(struct queue *q, uint64_t *bytes);

/** Fill a buffer with the virtio-net and other headers of a frame of @p len bytes for @p flow. */
void frame_headers(uint8_t *buf, const struct stream *s, uint32_t flow, uint32_t len,
		   const struct options *o);
/** Make a frame that has headers one of another flow: addresses and ports, not the length. */
void frame_patch(uint8_t *frame, const struct stream *s, uint32_t flow, const struct options *o);
/** Write the tag of a frame whose headers are there. */
void frame_tag(uint8_t *frame, const struct stream *s, uint32_t flow, uint32_t seq, uint64_t tsc,
	       const struct options *o);
/** Fill what follows the tag. */
void frame_fill(uint8_t *frame, uint32_t len, uint32_t seq, const struct options *o);
/** The tag of a received frame, or false: not one of ours. */
bool frame_parse(const uint8_t *frame, uint32_t len, struct tag *t, const struct options *o);
/** Whether all bytes of a received frame, its virtio-net header apart, are what was sent. */
bool frame_intact(const uint8_t *frame, uint32_t len, const struct tag *t, const struct stream *s,
		  const struct options *o);
/** Make the announcement of MAC number @p mac of port @p port. Returns its length. */
uint32_t frame_announce(uint8_t *buf, uint16_t hdr_len, uint32_t port, uint32_t mac);
bool frame_is_announce(const uint8_t *frame, uint32_t len);

/* --- checking --- */

#define WINDOW 1024 /* how far out of order a frame may be to be told from a duplicate */

struct flow_check {
	uint32_t next; /* highest sequence number seen, plus one */
	uint64_t seen[WINDOW / 64];
};

struct check {
	uint64_t good, lost, duplicated, reordered, late, corrupt, stray, bad_header;
};

/** Account the arrival of sequence number @p seq. */
void check_sequence(struct check *c, struct flow_check *f, uint32_t seq);
/** Frames @p f was sent up to @p sent: what has not arrived is lost. */
void check_finish(struct check *c, const struct flow_check *f, uint32_t sent);

/* --- results --- */

#define LAT_SUB 32 /* steps per power of two: 3 % */
#define LAT_BUCKETS (64 * LAT_SUB)

struct results {
	uint64_t tx_frames, tx_bytes, rx_frames, rx_bytes; /* within the measured time */
	uint64_t no_room;                                  /* bursts that found the tx ring full */
	double seconds;
	double tsc_hz;
	uint64_t all_sent, all_received; /* from first to last, warm-up included */
	double gap_us;                   /* longest time in which nothing arrived */
	double slice_p90; /* frames per second in the 90th percentile of 2 ms slices */
	struct check check;
	uint64_t latency[LAT_BUCKETS], latency_n;
	uint64_t kicks, reconnects;
};

void latency_add(struct results *r, uint64_t cycles);
double tsc_calibrate(void);
void report(const struct options *o, const struct results *r);
/** One line during the run. */
void report_progress(const struct results *r, uint64_t received, double gap_us);

#endif
