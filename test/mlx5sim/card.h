/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Simulated ConnectX-6 Dx functions for DPDK's mlx5 vDPA driver, preloaded under a program.
 *
 * The library has those functions of libibverbs and libmlx5 that the driver calls (verbs.c, devx.c,
 * steer.c), objects that firmware makes for it (object.c), and a thread that does what the hardware
 * does: reads the guest's rings where the driver's keys say (key.c, virtq.c), moves frames between
 * the functions (wire.c), and completes event queue pairs (event.c). Faults and wires are set by a
 * file (order.c).
 *
 * MLX5SIM names a directory with one folder for each function, of its PCI address, in which there
 * is device/uevent as in /sys/class/infiniband. `orders` is looked for there. Nothing about timing,
 * prefetching or error codes is known from a card: it is a guess.
 *
 * One lock guards everything. Commands come from any thread and go before the hardware's thread.
 */
#ifndef MLX5SIM_CARD_H
#define MLX5SIM_CARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <infiniband/mlx5dv.h>
#include <infiniband/verbs.h>

#define CARDS_MAX 8
#define OBJECTS_MAX 4096 /* of all cards */
#define QUEUES_MAX 16    /* virtqueues of a card */
#define RQT_MAX 512
#define PAGE 4096u
#define FRAME_MAX 65550u

#define container_of(p, type, member) ((type *)((uintptr_t)(p)-offsetof(type, member)))

enum kind {
	KIND_NONE,
	KIND_MR,
	KIND_NULL_MR,
	KIND_KEY, /* indirect */
	KIND_UMEM,
	KIND_CQ,
	KIND_QP,
	KIND_TD,
	KIND_TIS,
	KIND_TIR,
	KIND_RQT,
	KIND_VIRTQ,
	KIND_COUNTERS,
	KIND_MATCHER,
	KIND_RULE,
	KIND_PLAIN, /* nothing but there: tables, domains, actions */
};

/** Memory the program gave; its own mapping, since the program's ends before the key's. */
struct mr {
	struct ibv_mr verbs;
	uint64_t iova, len;
	uint8_t *at;
	bool pinned;
};

/** An entry of an indirect key. */
struct klm {
	uint64_t address;
	uint32_t len, key;
};

struct key {
	uint64_t start, len;
	uint32_t log; /* of the size all entries have; 0: each has its own */
	uint32_t n;
	struct klm *klm;
};

struct umem {
	struct mlx5dv_devx_umem dv;
	uint8_t *at;
	size_t len;
};

/** The place of a queue's records. */
struct record {
	uint32_t umem;
	uint64_t offset;
};

struct cq {
	struct record ring, doorbell;
	uint32_t produced, consumed; /* completions; the arming last acted upon */
	bool fresh;                  /* never armed */
	struct channel *channel;
	uint64_t cookie;
};

struct qp {
	struct record doorbell;
	uint32_t remote, cq;
	uint16_t posted;
	bool ready;
};

struct rqt {
	uint32_t entry[RQT_MAX], n;
};

enum state { STATE_INIT, STATE_RDY, STATE_SUSPEND, STATE_ERROR };

struct virtq {
	enum state state;
	uint16_t index, size;
	uint16_t avail, used;
	uint64_t desc_gpa, used_gpa, avail_gpa;
	uint32_t key, event_qp, counters;
	uint8_t event_mode, error;
	bool version_1, tx_csum;
	bool look; /* the doorbell was rung since the ring was seen empty */
	bool owes; /* used elements the guest has not been told of */
	struct channel *channel;
	uint64_t cookie;
};

struct counters {
	uint64_t received, completed;
	uint32_t bad, chain, invalid;
};

struct object {
	enum kind kind;
	uint32_t id; /* in the table of all objects */
	struct card *card;
	union {
		struct mr mr;
		struct key key;
		struct umem umem;
		struct cq cq;
		struct qp qp;
		struct rqt rqt;
		struct virtq virtq;
		struct counters counters;
		uint32_t refers; /* TIR: its RQT; action, rule: their TIR */
	};
};

struct channel {
	struct mlx5dv_devx_event_channel dv; /* records are read here */
	int in;
	bool plain; /* a record has the number of the subscription and nothing else */
};

struct card {
	struct ibv_device device;
	struct verbs_context verbs;
	char name[16]; /* its PCI address */
	_Atomic uint32_t *doorbell;
	uint32_t rules; /* that lead frames to rings */
	uint32_t rqt;
	/* set by orders */
	bool wire_back, gone, stalled, fetched;
};

/* card.c */
extern struct card cards[CARDS_MAX];
extern uint32_t ncards;

struct card *card_of(const struct ibv_context *c);

/** A command runs between two iterations of the hardware's thread, which waits for it. */
void card_lock(void);
void card_unlock(void);

/** The hardware's thread, once. */
void card_power_on(void);

/* object.c */
/** NULL: there are too many. */
struct object *object_new(struct card *c, enum kind kind);
struct object *object_at(uint32_t id, enum kind kind);
/** The @p i'th of a card that is there, or NULL; for loops over all: i < OBJECTS_MAX. */
struct object *object_nth(const struct card *c, uint32_t i, enum kind kind);
void object_free(struct object *o);

/* key.c */
/** The memory at @p addr, with so much after it in @p room; NULL: there is none. */
uint8_t *key_at(uint32_t key, uint64_t addr, uint64_t *room);
/** The record at @p r, @p len bytes long; NULL: its memory is gone. */
void *umem_at(const struct record *r, size_t len);

/* event.c */
/** A message of a firmware queue pair to its peer. False: it has to wait. */
bool event_send(uint32_t qp);
/** Tell of a completion if the queue is armed. */
void event_look(struct object *cq);
void event_post(struct channel *ch, uint64_t cookie);

/* virtq.c */
/** Whether any queue of the card had work. */
bool virtq_iterate(struct card *c);
/** The queue fails: the driver is told. */
void virtq_error(struct card *c, uint16_t index);

enum accept { ACCEPT_TAKEN, ACCEPT_LATER, ACCEPT_NEVER };
enum accept virtq_accept(struct card *c, const uint8_t *frame, uint32_t len);

/* wire.c */
/** A frame leaves @p c. False: it has to wait, since the wire leads back and there is no room. */
bool wire_send(struct card *c, const uint8_t *frame, uint32_t len);

/* order.c */
/** Carry out the orders in the file, if there is one, and remove it. */
void order_look(void);
/** Whether the call or command named so is to fail now. */
bool order_fails(const struct card *c, const char *call);

#endif
