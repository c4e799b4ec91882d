/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio-net device, device side: the facts a front-end stated, and the one function that derives
 * from them which queues run.
 *
 * Control thread only. Transports (transport.h) record facts with the setters below and call
 * vdev_sync() once per message. A setter that touches what a worker may be using refuses with
 * -EBUSY unless the device is paused; the message table says which messages pause. vdev_sync() is
 * level-triggered: it may be called at any time, starts the queues that can run, stops those that
 * cannot, and publishes only when something changed.
 *
 * A queue can run when: its size and the three addresses are known and the
 * ring's whole extent is mapped (translated, with an IOMMU), the transport has said
 * that it is ready (legacy devices run before DRIVER_OK), its format is not
 * contradictory, it is not broken, and the device is neither stopped nor dead
 * (see state.h). A queue that runs but is not enabled receives nothing and what it
 * transmits is discarded (vhost-user spec, "Ring states"). Front-ends start a ring and enable it
 * with the next message: workers leave it alone for VDEV_ENABLE_MS after it became ready, so that
 * frames that were pending across a restart are not lost between the two.
 *
 * Life cycle: vdev_new(), then any number of sessions (facts until
 * vdev_disconnect()), vdev_free(). Queues (struct vq) and their counters live
 * as long as the device.
 */
#ifndef VDEV_VDEV_H
#define VDEV_VDEV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>

#include "base/ev.h"
#include "base/log.h"
#include "gmem/dirty.h"
#include "gmem/gmem.h"
#include "gmem/iotlb.h"
#include "vdev/format.h"
#include "vdev/state.h"
#include "virtq/journal.h"
#include "virtq/vq.h"

#define VDEV_QUEUE_PAIRS_MAX 128
#define VDEV_QUEUES_MAX (2 * VDEV_QUEUE_PAIRS_MAX)
#define VDEV_RING_SIZE_MAX 32768
#define VDEV_STATUS_NEEDS_RESET 0x40u
#define ENGINE_WHY_MAX 160  /* bytes of a reason against an engine */
#define VDEV_ENABLE_MS 2000 /* a ring that is ready waits so long to be enabled or disabled */
#define VDEV_ADDR_F_LOG 1u  /* flag of vdev_vq_set_addr(): VHOST_VRING_F_LOG */

struct vdev;
struct engine;
struct transport;
struct vdev_attn;
struct blob;
struct irq;
struct irq_group;
struct pager;

/** Whether hardware may move the frames: X(symbol, word). */
#define VDEV_HWS(X)           \
	X(PREFER, "prefer")   \
	X(REQUIRE, "require") \
	X(NEVER, "never")

/** The engine that moves the frames while a migration has writes logged: X(symbol, word). */
#define VDEV_MIGRATES(X)        \
	X(SOFTWARE, "software") \
	X(DEVICE, "device")

#define X(sym, word) VDEV_HW_##sym,
enum vdev_hw { VDEV_HWS(X) VDEV_HW_NUM };
#undef X
#define X(sym, word) VDEV_MIGRATE_##sym,
enum vdev_migrate { VDEV_MIGRATES(X) VDEV_MIGRATE_NUM };
#undef X

/** Functions of the device's owner (a port). Control thread. */
struct vdev_ops {
	/**
	 * The set of running queues changed: publish it. Returns after the grace period: no worker
	 * uses the old set any more.
	 */
	void (*publish)(struct vdev *d);
	/**
	 * The same for a change that may take effect later, before the control loop waits again;
	 * once for any number of devices and changes. May be NULL: publish() is called.
	 */
	void (*publish_soon)(struct vdev *d);
	/** Wait until no worker uses anything it could see before the call. */
	void (*grace)(struct vdev *d);
	/** Workers that sleep look at their queues again: a queue can go on. May be NULL. */
	void (*wake)(struct vdev *d);
	/**
	 * Work of the owner on frames that hardware would bypass, static text; NULL: none. A reason
	 * against every engine but software. May be NULL.
	 */
	const char *(*needs_software)(const struct vdev *d);
	/** Link state, features or format changed; for display and events. May be NULL. */
	void (*changed)(struct vdev *d);
	/**
	 * The owner's records: added to the saved state of a device, and read back from loaded
	 * state (save.h). May be NULL.
	 */
	void (*save)(struct vdev *d, struct blob *b);
	void (*load)(struct vdev *d, uint16_t type, const void *data, uint32_t len);
	/**
	 * The guest moved here and cannot announce itself: send a RARP request from @p mac into the
	 * switch. May be NULL.
	 */
	void (*rarp)(struct vdev *d, const uint8_t mac[6]);
};

/** A device's fixed properties. */
struct vdev_config {
	const char *name;        /* log tag, copied */
	uint32_t queue_pairs;    /* 1..VDEV_QUEUE_PAIRS_MAX offered */
	uint64_t features;       /* features offered; see vdev_features_all() */
	enum vdev_policy policy; /* may be changed later: vdev_set_policy() */
	const char *state_path;  /* journal file, NULL: none */
	bool spare_journal;      /* with an entry for a ring of the transport's own */
	struct rte_mempool *mp;  /* for frames in the backlog on IOTLB misses; may be NULL */
	/* where workers' attention is handled; NULL: the owner calls vdev_attention() */
	struct ev_loop *loop;
	uint8_t mac[6]; /* config space only; 0: none */
	uint16_t mtu;   /* config space, and the limit for NET_SET_MTU; 0: none */
	/*
	 * engines that may move the frames, best first, then NULL; outlives the device. NULL:
	 * software
	 */
	struct engine *const *engines;
	const struct vdev_ops *ops;
	void *ctx; /* the owner's */
};

/** The place of one area of a ring in this process, and for the dirty log. */
struct vdev_ring_area {
	void *hva;              /* of its beginning */
	uint64_t gpa;           /* likewise */
	struct vq_pages *pages; /* owned; NULL: the whole area is at hva */
};

struct vdev_ring_map {
	struct vdev_ring_area area[VQ_AREAS];
};

/** [ctl] The front-end's facts about one ring, and the ring itself. */
struct vdev_queue {
	uint32_t size; /* 0: not set */
	uint64_t desc_uva, driver_uva, device_uva, log_gpa;
	uint32_t addr_flags; /* VDEV_ADDR_F_LOG */
	bool addr_set;
	struct vq_state state; /* position: as stated, or as found when it was stopped */
	struct vq_state said;  /* as stated last; part of its key in the journal */
	bool state_set;        /* one of the two is known */
	bool state_ours;       /* state was found at a stop: better than the journal */
	int kick_fd, err_fd;   /* owned; -1: none */
	struct irq *irq;       /* owned; NULL: none */
	bool ready;            /* all facts are there: it is to start */
	bool enabled;
	bool enable_due; /* ready, and the front-end has yet to enable or disable it since */
	bool edited;     /* changed while disabled: started again when enabled or ready again */
	bool endian_set, big_endian; /* byte order as stated for this ring */
	bool broken;
	bool addr_again, ready_again; /* stated since it broke: with both it is another ring */
	bool refused;                 /* it cannot start with these facts: why has the reason */
	const char *why;              /* reason for not running, static text; NULL while it runs */
	enum vdev_format format;      /* of the last start */
	enum vq_layout layout;        /* likewise */
	const char *how;              /* how the format was decided, static text */
	struct vdev_ring_map map;     /* valid while running */
	bool running;                 /* published or about to be */
	bool shown_running, shown_enabled; /* to be published, or published */
	bool live;                         /* published: a worker may be using it */
	bool waits;      /* for the IOMMU translation of its areas; suspended, if it runs */
	bool waits_long; /* a worker waited for one at the last look, too */
	struct vq *vq;   /* made on first use; counters live as long as the device */
};

#define VDEV_IOTLB_REQUESTS_MAX 128

/* Tables of translations that are kept before a grace period is waited for, and their bytes. */
#define VDEV_RETIRED_MAX 64
#define VDEV_RETIRED_BYTES_MAX (1u << 20)

/** [ctl] An IOMMU translation requested of the front-end. */
struct vdev_iotlb_request {
	uint64_t iova;
	uint32_t perm;
	uint32_t age; /* timer periods since it was made */
	uint64_t serial;
};

/** [ctl] For display; one is added for each event. */
struct vdev_counters {
	uint64_t ring_starts, ring_errors, features_refused, iotlb_misses, faults;
};

struct vdev {
	struct vdev_config cfg;
	char name[64];
	/* facts */
	uint64_t features; /* acked, 0 after a reset */
	bool features_set;
	bool enable_used;        /* rings are enabled one by one; else all are */
	uint32_t formats_needed; /* acked format bits, see struct vdev_format_facts */
	uint8_t status;          /* virtio device status as last set, NEEDS_RESET added by us */
	bool status_used;        /* the front-end speaks SET_STATUS */
	const char *status_why;  /* why FEATURES_OK was not kept, static text; NULL: it was */
	struct gmem *gmem;       /* NULL: none */
	bool arriving;           /* memory that is announced has yet to be migrated, page by page */
	struct pager *pager; /* the transport's: has pages of gmem migrated; NULL: there is none */
	struct iotlb *tlb;   /* used with ACCESS_PLATFORM */
	struct vdev_iotlb_request request[VDEV_IOTLB_REQUESTS_MAX];
	uint32_t nrequests;
	bool requests_put_off;   /* a missing translation could not be requested yet */
	uint64_t request_serial; /* of the last request */
	bool flushes;            /* the front-end invalidates all translations that end */
	struct dirty *log;
	uint16_t mtu;
	/* packets the network lets pass, 0: of any length; of this session, and the next one */
	uint16_t mtu_most, mtu_next;
	bool no_carrier;          /* the network behind it is down */
	enum vdev_state wanted;   /* by the operator: RUNNING, RUNNING_P2P or a stopped one */
	enum vdev_state transfer; /* STOP_COPY, RESUMING: the front-end moves state; else RUNNING */
	bool paused;
	bool unpublished;        /* the shown state of the queues is not published yet */
	struct gmem_fault fault; /* [atomic] set by the fault guard */
	bool fault_seen;
	uint32_t nqueues;           /* highest queue index seen, plus one */
	struct engine *engine;      /* in charge; NULL: none, or not decided yet */
	struct engine *engine_next; /* to be in charge when the rings have stopped; else the same */
	bool stopping; /* rings are to stop, and the engine in charge has not released them yet */
	char engine_why[ENGINE_WHY_MAX]; /* reason against the last of the list */
	enum vdev_hw hw;                 /* by the operator */
	enum vdev_migrate migrate;       /* likewise */
	struct vq_mem *vq_mem;           /* the software engine's: what running queues use */
	/* likewise, used before, owned with their translations: until the next grace period */
	struct vq_mem *retired[VDEV_RETIRED_MAX];
	uint32_t nretired;
	size_t retired_bytes;
	struct vq_host host;
	atomic_uint kept_mbufs; /* [atomic] in the backlogs of its queues */
	struct vdev_attn *attn; /* workers' way to control */
	struct irq_group *irqs; /* the account of all eventfds of the peer's */
	uint64_t irqs_offences; /* the log has told of so many */
	struct ev_timer watch;  /* looks for faults while connected */
	struct ev_timer
		enable_late; /* the front-end has had its time to enable rings that are ready */
	struct vq_journal_file *journal;
	struct log_limit log_limit;
	struct vdev_counters counters;
	struct transport *transport; /* NULL: not connected */
	struct vdev_queue q[];       /* cfg.queue_pairs of them twice: most devices have few */
};

/* --- features (feature.c) --- */

/* The bits the device model itself looks at: VDEV_F(VERSION_1). */
#define VDEV_BIT_NET_MTU 3
#define VDEV_BIT_NET_MQ 22
#define VDEV_BIT_LOG_ALL 26
#define VDEV_BIT_PROTOCOL_FEATURES 30 /* of vhost-user; means nothing to the device */
#define VDEV_BIT_VERSION_1 32
#define VDEV_BIT_ACCESS_PLATFORM 33
#define VDEV_BIT_RING_PACKED 34
#define VDEV_F(name) (1ull << VDEV_BIT_##name)

/** Every virtio-net and ring feature the software datapath can offer. */
uint64_t vdev_features_all(void);

/**
 * What this device offers: its configuration, as far as the policy allows and hardware of its list
 * that is there can serve it. It accepts all of its configuration: a guest that has negotiated more
 * stays in software.
 */
uint64_t vdev_features_offered(const struct vdev *d);

/**
 * The formats of guests it serves, 1 << enum vdev_format: those the policy allows; of a port that
 * wants hardware only (hw=require), those that a device of its list which is there can serve.
 */
uint32_t vdev_formats_offered(const struct vdev *d);

/** Its configuration: what it accepts. */
uint64_t vdev_features_own(const struct vdev *d);

/** Name of a feature bit ("VIRTIO_NET_F_MRG_RXBUF"), or NULL. Any thread. */
const char *vdev_feature_name(unsigned int bit);

/** The acked features that have an effect: without others they need, many have none. */
uint64_t vdev_features_effective(const struct vdev *d);

/**
 * The outcome of feature bit 0..63 and its cause, in @p buf: offered or not, dropped, in effect.
 * NULL: no virtio-net device has such a bit.
 */
const char *vdev_feature_outcome(const struct vdev *d, unsigned int bit, char *buf, size_t len);

/** The reason why this set cannot be served at all, or NULL. Static text. Any thread. */
const char *vdev_features_check(uint64_t features);

/* --- life cycle (vdev.c) --- */

/** NULL with errno set. */
struct vdev *vdev_new(const struct vdev_config *cfg);

/**
 * Stop every queue, forget all facts, free. The journal file stays for a successor if @p
 * keep_state, or if a guest is left with rings that were not stopped by its front-end.
 */
void vdev_free(struct vdev *d, bool keep_state);

/* --- facts; 0 or -errno, a refused fact changes nothing. -EBUSY: not at this time. --- */

/**
 * Before the start any subset of the offer, the last call counts, 0 is always accepted; while an
 * enabled ring runs only LOG_ALL may differ (-EBUSY). Rings that run disabled are stopped until
 * they are ready again: some front-ends reset a device by nothing else.
 */
int vdev_set_features(struct vdev *d, uint64_t features);
/** The format bits that were acked: at most one (-EINVAL). Rings as for vdev_set_features(). */
int vdev_set_formats(struct vdev *d, uint32_t needed);
/** Whether rings are enabled one by one (vdev_vq_set_enable()); if not, all are. */
void vdev_use_enable(struct vdev *d, bool used);
/**
 * FEATURES_OK is not kept for a combination that cannot be served; 0 stops all rings and keeps
 * their indices.
 */
void vdev_set_status(struct vdev *d, uint8_t status);
uint8_t vdev_get_status(const struct vdev *d);
/**
 * New memory map; takes the reference, also on failure. Rings whose addresses stay mapped run on.
 */
int vdev_set_mem(struct vdev *d, struct gmem *m);
/**
 * Pages of the memory map that have not arrived (present.h) are asked of @p p, which stays the
 * caller's, from now on; NULL: they are not asked for.
 */
void vdev_set_pager(struct vdev *d, struct pager *p);
/**
 * Whether memory that is announced from now on arrives page by page: no hardware has it mapped,
 * which would put pages of zeros in place of those that have not.
 */
void vdev_set_arriving(struct vdev *d, bool arriving);
/** Some have arrived: what waits for them goes on. */
void vdev_pages_arrived(struct vdev *d);
/** All have arrived. 0, or -ENOMEM and nothing changed. */
int vdev_pages_complete(struct vdev *d);
/**
 * New dirty log (NULL: none); takes it, also on failure. Running rings change over without a stop.
 */
int vdev_set_log(struct vdev *d, struct dirty *log);
int vdev_set_mtu(struct vdev *d, uint16_t mtu);
/** An IOTLB entry. -ENOTSUP unless addresses are IOVAs (enum vdev_space). */
int vdev_iotlb_update(struct vdev *d, const struct iotlb_entry *e);
/** Forget translations. When it returns no worker uses them any more. */
int vdev_iotlb_invalidate(struct vdev *d, uint64_t iova, uint64_t size);
/** Engines that may move the frames from the next vdev_sync() on, as vdev_config.engines. */
void vdev_set_engines(struct vdev *d, struct engine *const *engines);
/** The engine that moves the frames, or is about to, if it is not software; else NULL. */
const struct engine *vdev_hardware(const struct vdev *d);
/** Whether there is hardware in the list, present or not. */
bool vdev_has_hardware(const struct vdev *d);
/** Whether hardware of the list may move the frames, from the next vdev_sync() on. */
void vdev_set_hw(struct vdev *d, enum vdev_hw hw);
/** Whether it may while writes are logged, if it has a dirty log; likewise. */
void vdev_set_migrate(struct vdev *d, enum vdev_migrate migrate);
/** "prefer"; "software" */
const char *vdev_hw_name(enum vdev_hw hw);
const char *vdev_migrate_name(enum vdev_migrate migrate);
/** Whether @p word names one, and which. */
bool vdev_hw_parse(const char *word, enum vdev_hw *out);
bool vdev_migrate_parse(const char *word, enum vdev_migrate *out);

/** Engines of the list that failed may be tried again, at the next vdev_sync(). */
void vdev_retry(struct vdev *d);
/** The operator's choice; rings that contradict it stop at the next vdev_sync(). */
void vdev_set_policy(struct vdev *d, enum vdev_policy policy);

/*
 * Facts about queue @p i; -EINVAL when there is no such queue, -EBUSY while it runs and the device
 * is not paused.
 */
int vdev_vq_set_num(struct vdev *d, uint32_t i, uint32_t size);
int vdev_vq_set_addr(struct vdev *d, uint32_t i, uint64_t desc_uva, uint64_t driver_uva,
		     uint64_t device_uva, uint64_t log_gpa, uint32_t flags);
/** Position of the ring: split, avail and used alike; packed, index and wrap counter of both. */
int vdev_vq_set_state(struct vdev *d, uint32_t i, const struct vq_state *s);
/**
 * Stop that ring only, until vdev_vq_set_ready(); its position in @p s. Its kick eventfd is closed.
 */
int vdev_vq_stop(struct vdev *d, uint32_t i, struct vq_state *s);
/** Position of a ring that goes on from there; the device is paused if it runs. */
int vdev_vq_get_state(struct vdev *d, uint32_t i, struct vq_state *s);
int vdev_vq_set_kick(struct vdev *d, uint32_t i,
		     int fd);                      /* -1: none, poll; takes fd, also on failure */
int vdev_vq_set_ready(struct vdev *d, uint32_t i); /* all facts are there, it may start */
/** It is not to run until it is ready again, and then goes on from where it stands. */
int vdev_vq_clear_ready(struct vdev *d, uint32_t i);
/** The guest's interrupt, of d->irqs; NULL: none. Takes it, also on failure; a ring may run. */
int vdev_vq_set_irq(struct vdev *d, uint32_t i, struct irq *irq);
/** The same, an eventfd; -1: none. Takes fd, also on failure. */
int vdev_vq_set_call(struct vdev *d, uint32_t i, int fd);
int vdev_vq_set_err(struct vdev *d, uint32_t i, int fd); /* likewise; it may run */
int vdev_vq_set_enable(struct vdev *d, uint32_t i, bool on);
int vdev_vq_set_endian(struct vdev *d, uint32_t i,
		       uint32_t num); /* 0 little, 1 big; -EBUSY while it runs, paused or not */

/** The format of ring @p i by the present facts; it is decided anew at each start. */
struct vdev_format_verdict vdev_vq_format(const struct vdev *d, uint32_t i);

/** The number of @p q, which is one of @p d's. */
uint32_t vdev_vq_index(const struct vdev *d, const struct vdev_queue *q);

/** Whether queue @p i is enabled, by itself or with all; false for any index out of range. */
bool vdev_vq_enabled(const struct vdev *d, uint32_t i);
/**
 * Whether it is not, but the front-end still has time to say so (VDEV_ENABLE_MS after it became
 * ready): frames the guest has sent are left in the ring.
 */
bool vdev_vq_awaits_enable(const struct vdev *d, uint32_t i);

/** Whether queue @p i runs; false for any index out of range. */
bool vdev_vq_running(const struct vdev *d, uint32_t i);

/* --- running --- */

/** Take every queue away from the workers; returns when none is in use. Idempotent. */
void vdev_pause(struct vdev *d);

/**
 * Have hardware that moves the frames stop, before a change of facts that stops its rings. False:
 * it has not yet, its memory must not be taken for the guest's alone; vdev_sync() is called then.
 */
bool vdev_let_go(struct vdev *d);

/** Derive what runs from the facts and have the difference published; ends a pause. */
void vdev_sync(struct vdev *d);

/**
 * The owner uses the results of vdev_rx_queue() and vdev_tx_queue() in a publication, perhaps
 * another device's: this device needs none of its own any more.
 */
void vdev_published(struct vdev *d);

/** RESET_DEVICE: rings stopped and forgotten, memory, connection, call and err descriptors kept. */
void vdev_reset(struct vdev *d);

/** RESET_OWNER: every ring is disabled and stopped until it is ready again; its state is kept. */
void vdev_disable(struct vdev *d);

/** A peer is there: @p t serves it until vdev_disconnect(). */
void vdev_connect(struct vdev *d, struct transport *t);

/** End of a session: the front-end's facts are forgotten, fds closed, memory put. Counters stay. */
void vdev_disconnect(struct vdev *d);

/**
 * A word of the transport's that is kept with the rings for a successor of this process; 0: there
 * is none, or no place for it.
 */
uint64_t vdev_note(const struct vdev *d);
void vdev_set_note(struct vdev *d, uint64_t note);

/** The entry of vdev_config.spare_journal, or NULL: there is none. */
struct vq_journal *vdev_journal_spare(const struct vdev *d);

/** Handle queues whose worker raised attention: broken rings, IOTLB misses, faults. */
void vdev_attention(struct vdev *d);

/** At least one rx and one tx queue run, are enabled and not quiesced. */
bool vdev_link_up(const struct vdev *d);

/**
 * The queue pair @p pair's vq the guest transmits on (our rx) / receives on (our tx), if it runs;
 * else NULL.
 */
struct vq *vdev_rx_queue(const struct vdev *d, uint32_t pair, bool *enabled);
struct vq *vdev_tx_queue(const struct vdev *d, uint32_t pair, bool *enabled);

/* --- port states (port_state.c); state.h defines them --- */

/** The state of the device, derived from operator, front-end and guest. */
enum vdev_state vdev_state(const struct vdev *d);

/**
 * Drive @p n devices, all ports of a VM, to a state at the same moment. When it returns and the
 * state is not one that copies, no copy from or to any of them is in flight. -EINVAL, and nothing
 * happened, when one of them cannot get there: ERROR is left by a reset only, and the front-end
 * decides whether writes are logged.
 */
int vdev_state_set(struct vdev *const *d, uint32_t n, enum vdev_state to);

/** vdev_state_set() to the quiesced and the running state, whether or not writes are logged. */
int vdev_quiesce(struct vdev *const *d, uint32_t n);
int vdev_resume(struct vdev *const *d, uint32_t n);

/** The front-end begins (STOP_COPY, RESUMING) to move state; -EINVAL unless stopped. */
int vdev_transfer_begin(struct vdev *d, enum vdev_state how);
void vdev_transfer_end(struct vdev *d);

/* --- explaining --- */

/** State, features, formats and rings, in lines: the device's part of "show port N negotiation". */
void vdev_show(const struct vdev *d, FILE *out);

/**
 * One sentence: the reason why the device passes no traffic, or that there is none. Static or in @p
 * buf.
 */
const char *vdev_why(const struct vdev *d, char *buf, size_t len);

#endif
