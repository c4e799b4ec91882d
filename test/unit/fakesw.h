/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A switch of four ports with one queue pair each and one worker: what a test
 * puts into a port comes out of others byte by byte.
 */
#ifndef TEST_FAKESW_H
#define TEST_FAKESW_H

#include <stdint.h>

#include "base/blob.h"
#include "switch/poll.h"
#include "switch/send.h"
#include "switch/port.h"
#include "switch/sw.h"

#define FAKE_PORTS 4
#define FAKE_LEN 2304
#define FAKE_IN 64   /* frames that can wait in a port */
#define FAKE_OUT 512 /* frames that are remembered */

struct rte_mempool;

struct fake_frame {
	uint32_t len;
	uint32_t split; /* in: where the second fragment begins, 0: one fragment; out: fragments */
	uint32_t step;  /* in: bytes of each fragment from the second one on, 0: there is one */
	uint16_t need;
	struct pkt_vnet vnet;
	uint8_t b[FAKE_LEN];
};

struct fake_port {
	struct port p;
	struct pktq rx, tx;
	uint32_t nin, nout;
	struct fake_frame in[FAKE_IN], out[FAKE_OUT];
};

extern struct sw fake_sw;
extern struct worker *fake_worker;
extern struct fake_port fake_ports[FAKE_PORTS];

/** Bodies of a cmocka setup and teardown; forwarding is started. */
int fake_setup(void **state);
int fake_teardown(void **state);

/** Make the pool for the software offloads of the worker; before fake_setup(). NULL: no memory. */
struct rte_mempool *fake_pool(uint32_t mbufs);

/** The address of host @p host behind port @p port. */
struct rte_ether_addr fake_mac(uint32_t port, uint32_t host);

/** Put a frame of @p len bytes into @p port; the payload counts up. Returns it for changes. */
struct fake_frame *fake_put(uint32_t port, const struct rte_ether_addr *src,
			    const struct rte_ether_addr *dst, uint32_t len);
extern const struct rte_ether_addr fake_broadcast;

/** One poll iteration of the worker, and of control. */
void fake_poll(void);

/** Forget what came out. */
void fake_clear(void);

/** The equations of drop.h, for all queues and between them. */
void fake_check_accounts(void);

/** Have what a successor takes over of a port written to @p b. */
void fake_save(uint32_t port, struct blob *b);

/** Have a port go on with it. NULL, or why it cannot. */
const char *fake_load(uint32_t port, struct blob *b);

uint64_t fake_dropped(uint32_t port, enum drop_reason why);

#endif
