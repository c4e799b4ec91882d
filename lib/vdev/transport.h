/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a guest's driver reaches the device: vhost-user is one.
 *
 * A transport receives messages, records facts in a struct vdev and answers. The
 * device knows it through these functions only, and so does the port that owns
 * both (drivers/virtio/port.c). Control thread only.
 *
 * Life cycle: made by its own constructor with the device it serves; while a
 * peer is there it is the device's (vdev_connect() to vdev_disconnect());
 * ops->free() ends both.
 */
#ifndef VDEV_TRANSPORT_H
#define VDEV_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct blob;
struct hand_record;
struct transport;

/** Record types of a transport's state for a successor (vdev/handover.h), before the end. */
#define TRANSPORT_HAND_FIRST 0x300
#define TRANSPORT_HAND_END 0x400

/** The address space of ring addresses. Buffer addresses are guest-physical or IOVAs. */
enum vdev_space {
	VDEV_SPACE_FRONTEND, /* the front-end's own, as it announced memory regions */
	VDEV_SPACE_IOVA,     /* an IOMMU's, like those of buffers: the device's IOTLB translates */
};

/** Facts a device waits for: X(symbol, text where the transport has none of its own). */
#define VDEV_LACKS(X)                                                             \
	X(MEMORY, "no guest memory yet")                                          \
	X(SIZE, "ring size not set")                                              \
	X(ADDRESSES, "ring addresses not set")                                    \
	X(READY, "ring not started by the front-end")                             \
	X(ENABLE, "disabled by the front-end")                                    \
	X(FEATURES, "the guest's driver has not started: no features were acked") \
	X(LOG, "there is no log")

enum vdev_lack {
#define X(sym, text) VDEV_LACK_##sym,
	VDEV_LACKS(X)
#undef X
		VDEV_LACK_NUM
};

/** Counters and facts for display. */
struct transport_info {
	bool connected;
	const char *kind;  /* of @c where: "Socket"; static text */
	const char *where; /* valid as long as the transport */
	const char *role;  /* "server", "client"; static text */
	uint64_t connects;
	uint64_t messages, refused, unknown;
	uint64_t protocol_features; /* negotiated beside the device's features; 0: none */
	const char *last_error;     /* static text, NULL: none */
	uint32_t pairs;  /* the device was made with, if fewer than its port's; 0: it was not */
	const char *few; /* and why, static text */
	/* why the driver sees no carrier although rings run, static text; NULL: it does see one */
	const char *no_carrier;
};

#define TRANSPORT_FACTS_MAX 24

/** A fact that one transport alone has, for "show ... json" and metrics. */
struct transport_fact {
	const char *name; /* static */
	const char *text; /* valid as long as the transport; NULL: a number */
	uint64_t number;
};

/** Memory a guest's driver writes to notify the device: a card's, or its simulation's. */
struct transport_doorbell {
	int fd; /* -1: the kick eventfd again */
	uint64_t offset, size;
};

/** The functions of a transport for the device and its owner. Only the marked ones may be NULL. */
struct transport_ops {
	const char *name; /* "vhost-user" */
	/** By enum vdev_lack, naming the message that is missing; static texts, NULL: none. */
	const char *const *lack;
	/**
	 * Translations hold until vdev_iotlb_invalidate(). False: the peer may forget to say that
	 * one has ended, so each holds for the chains it was asked for.
	 */
	bool takes_back;
	/** The address space of ring addresses with these negotiated features. */
	enum vdev_space (*space)(const struct transport *t, uint64_t features);
	/**
	 * Ask for the translation of @p iova for an access @p perm (IOTLB_*). It arrives through
	 * vdev_iotlb_update(), after this has returned. False: not now, try again. May be NULL.
	 */
	bool (*translate)(struct transport *t, uint64_t iova, uint32_t perm);
	/** The contents of the config space have changed. May be NULL. */
	void (*config_changed)(struct transport *t);
	/**
	 * Workers see all that was told the device so far: its peer may be answered. Called after
	 * each publication. May be NULL.
	 */
	void (*published)(struct transport *t);
	/** A ring broke; its err eventfd has been written. May be NULL. */
	void (*ring_error)(struct transport *t, uint32_t queue);
	/**
	 * The guest is to notify ring @p queue through doorbell @p b, whose descriptor stays the
	 * caller's, where the front-end can do that. When the eventfd is used again every ring is
	 * kicked once, since the guest may have rung the old one meanwhile. False: it cannot. May
	 * be NULL.
	 */
	bool (*host_notifier)(struct transport *t, uint32_t queue,
			      const struct transport_doorbell *b);
	void (*info)(const struct transport *t, struct transport_info *out);
	/** Fills @p out of TRANSPORT_FACTS_MAX; how many. May be NULL. */
	uint32_t (*facts)(const struct transport *t, struct transport_fact *out);
	/** Peer, transport-level negotiation and last messages with their results, in lines. */
	void (*show)(const struct transport *t, FILE *out);
	/**
	 * Its port is closed for good, not left to a successor of this process: what was made for
	 * the peer goes with free(). May be NULL.
	 */
	void (*remove)(struct transport *t);
	/** Something against handing the session over just now, static text; NULL: nothing. */
	const char *(*busy)(const struct transport *t);
	/**
	 * Append the session for a successor of this process, and there go on with it, record by
	 * record, before the device does: NULL, or the reason why it cannot, static text. The
	 * transport was made with descriptors of its predecessor's (base/heir.h) and has had no
	 * peer yet.
	 */
	void (*hand_over)(const struct transport *t, struct blob *b);
	const char *(*take_over)(struct transport *t, const struct hand_record *h);
	/**
	 * Around it: nothing is to be said to the peer any more; and again, here since no process
	 * took over, or there, when rings run. May be NULL.
	 */
	void (*hand_stop)(struct transport *t);
	void (*hand_run)(struct transport *t);
	/** End the session, stop serving, free. The device stays. */
	void (*free)(struct transport *t);
};

/** First member of every transport. */
struct transport {
	const struct transport_ops *ops;
};

#endif
