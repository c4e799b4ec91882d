/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest: a session at one of the peer's sockets, memory, a receive and a transmit queue whose
 * buffers are cut in any way. A failure ends the check (outcome.h), so functions return no errors.
 *
 * The usual order: station_open() or, step by step, station_connect(), station_negotiate(),
 * station_prepare(), station_announce(), station_start(), station_enable(), station_ready().
 *
 * Around each segment of a buffer are bytes that no device may change, and what is sent is compared
 * when it comes back.
 */
#ifndef VQCONFORM_STATION_H
#define VQCONFORM_STATION_H

#include <stdbool.h>
#include <stdint.h>

#include "gmem/gm.h"
#include "vhost_user/vhf.h"
#include "virtq/driver.h"
#include "virtq/net.h"

#define STATION_GPA UINT64_C(0x40000000)     /* where a guest's memory begins */
#define STATION_IOVA UINT64_C(0x80000000000) /* and where for a device behind an IOMMU */
#define STATION_SLOT 8192u                   /* bytes for one buffer with what is around it */
#define STATION_SLOTS 64u                    /* buffers of a queue at most */
#define STATION_PARTS_MAX 72u                /* segments of a buffer */
#define STATION_RECEIVED_MAX 65535u

#define BIT(n) (UINT64_C(1) << (n))
#define MODERN BIT(VIRTIO_F_VERSION_1)
#define PACKED (MODERN | BIT(VIRTIO_F_RING_PACKED))

/* Queues by the index vhost-user knows them by. */
enum { STATION_RX, STATION_TX, STATION_QUEUES };

/** Of the command line; the same for all checks. */
struct station_target {
	const char *path[2];
	unsigned int paths;   /* 1: the peer sends back what it gets */
	bool listen;          /* the peer connects */
	int timeout_ms;       /* for an answer, a frame, an interrupt */
	int settle_ms;        /* between the end of a session and the next one */
	bool gone_is_failure; /* set by a check: a peer that is not there was there before */
};
extern struct station_target station_target;

/** How a buffer is cut. */
struct station_shape {
	uint16_t n;            /* segments; 0: one */
	const uint16_t *len;   /* of all segments but the last one, which has the rest */
	bool indirect;         /* through a table */
	bool table_is_written; /* the descriptor of the table says that the device writes it */
	uint16_t direct; /* with indirect, split rings: so many descriptors before the table */
};

struct station_wish {
	uint64_t features; /* that a check needs: it is skipped where they are not offered */
	uint64_t optional; /* taken where they are */
	uint64_t protocol; /* likewise needed */
	uint64_t refused;  /* of the protocol features that are taken otherwise */
	bool big_endian;
	bool no_protocol; /* bit 30 is not accepted */
	uint32_t size;    /* of both rings; 0: 256 */
	uint16_t start;   /* where the rings begin */
	bool start_wrap;  /* packed: the wrap counters are 0 there */
	uint32_t rx_len;  /* bytes of a receive buffer; 0: enough for any frame */
	struct station_shape rx;
	bool no_kick, no_call; /* the peer polls; it sends no interrupts */
};

struct station_queue {
	struct vqd d;
	struct vhu_frontend_ring ring;
	uint8_t *slot; /* nslots of STATION_SLOT bytes */
	uint32_t nslots;
	uint32_t fifo[STATION_SLOTS]; /* free slots */
	uint32_t head, room;
	struct {
		uint32_t len;               /* bytes of the buffer */
		struct station_shape shape; /* how it was cut */
	} given[STATION_SLOTS];
	uint8_t *copy; /* transmit: as it was given */
	uint64_t returned;
	uint32_t last_slot, last_used; /* of the buffer that came back last, and the length given */
};

/** A frame as it arrived. */
struct station_received {
	uint32_t seq;
	uint32_t len;
	uint32_t buffers;     /* it was spread over */
	bool together;        /* all of them came at once */
	bool full;            /* and all but the last one are full */
	uint16_t num_buffers; /* as its header says; 1 where it has none */
	uint8_t flags, gso_type;
	const uint8_t *frame; /* until the next one */
};

/** With ACCESS_PLATFORM: how the peer's questions for translations are answered. */
struct station_iommu {
	bool deaf;       /* not at all */
	uint8_t rx_perm; /* receive buffers: VHOST_ACCESS_*; 0: all */
	uint64_t misses; /* questions so far */
};

struct station {
	unsigned int side; /* index of its path */
	struct station_wish wish;
	struct vhf vhf;
	struct gm mem; /* with ACCESS_PLATFORM: gpa is the I/O virtual address */
	struct station_iommu iommu;
	struct station *beside; /* its questions are answered meanwhile, too; NULL: none */
	uint16_t hdr_len;
	struct station_queue q[STATION_QUEUES];
	bool holds;      /* received buffers are not given back to the device */
	uint64_t probes; /* received */
	uint8_t *assembly;
};

/** All of it: a guest that runs. */
void station_open(struct station *s, unsigned int side, const struct station_wish *wish);

void station_connect(struct station *s, unsigned int side, const struct station_wish *wish);
void station_negotiate(struct station *s);
/** Memory, and rings in it, by what was negotiated. */
void station_prepare(struct station *s);
/** Tell the back-end about the memory. */
void station_announce(struct station *s);
/** Start a ring; both of them. */
void station_start_one(struct station *s, unsigned int queue);
void station_start(struct station *s);
void station_enable(struct station *s, bool on);
/** DRIVER_OK, receive buffers, and a kick: all begins. */
void station_ready(struct station *s);
/** All three, for both rings. */
void station_run(struct station *s);

/** Stop a ring. Returns where the back-end says it stands. */
uint32_t station_stop(struct station *s, unsigned int queue);

/** The rings stopped, the session ended, and its memory freed. */
void station_close(struct station *s);

/** The same without a word, and a new session with the same rings. */
void station_reconnect(struct station *s);

/** The first half of it: up to the negotiation. */
void station_return(struct station *s);

/** In the same session a guest that starts anew: other features and rings in the same memory. */
void station_again(struct station *s, const struct station_wish *wish);

/** SET_FEATURES. */
void station_set_features(struct station *s, uint64_t features);

/** A message with descriptors; answered, where the back-end acknowledges. */
void station_request(struct station *s, const struct vhu_msg *m, const int *fds, uint32_t nfds);

/** SET_VRING_KICK, SET_VRING_CALL: @p fd stays the caller's. */
void station_notifier(struct station *s, uint32_t request, unsigned int queue, int fd);

/** Until the back-end has handled what it was sent. */
void station_barrier(struct station *s);

/** A number that all bytes of the memory make. */
uint64_t station_checksum(const struct station *s);

/** Give the device all free receive buffers. */
void station_post(struct station *s);

/** Send frame @p seq, cut as @p shape says (NULL: one segment), and notify if asked to. */
void station_send(struct station *s, uint32_t seq, uint32_t len, const struct station_shape *shape);

/** Take the buffers that are used by now: rings go on behind them. */
void station_collect(struct station *s);

/** Until all that was sent is back. */
void station_drain(struct station *s);

/** The next frame of ours that is no probe, within @p ms. False: none. */
bool station_receive(struct station *s, struct station_received *r, int ms);

/** Look after the session, and wait for a moment. */
void station_idle(struct station *s);

/** Whether the peer notified of @p queue within @p ms. */
bool station_interrupted(struct station *s, unsigned int queue, int ms);

/** Forget notifications so far. */
void station_clear_interrupts(struct station *s, unsigned int queue);

/** Send @p m without waiting for anything. False: the connection is over. */
bool station_say(struct station *s, const struct vhu_msg *m, uint32_t flags, const int *fds,
		 uint32_t nfds);

/** The next message of the back-end outside of an operation. False: none in time. */
bool station_hear(struct station *s, struct vhu_msg *m);

/** The same with the descriptor that comes along, -1: none; more than one is a failure. */
bool station_hear_fd(struct station *s, struct vhu_msg *m, int *fd);

/** Answer the peer's questions for translations. station_idle() does it. */
void station_translate(struct station *s);

/** State or revoke translations of all memory: VHU_IOTLB_UPDATE, VHU_IOTLB_INVALIDATE. */
void station_translate_all(struct station *s, uint8_t type);

/** Whether the back-end ends the session within @p ms. */
bool station_left(struct station *s, int ms);

/** A word for the features of these bits that one can read. */
const char *station_feature_names(uint64_t features);

#endif
