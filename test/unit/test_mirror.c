/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mirrors and captures: every frame of a port is seen once each way and as it
 * was, no other frame is, and the accounts of the switch stay exact.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bsd/string.h>

#include <rte_mbuf.h>

#include "base/ev.h"
#include "eal.h"
#include "fakesw.h"
#include "switch/mirror_filter.h"
#include "switch/modes.h"
#include "switch/port_limits.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/capture_handover.h"
#include "switch/capture_ring.h"
#include "switch/handover.h"
#include "switch/sw_capture.h"
#include "switch/sw_ports.h"

static struct rte_ether_addr host[FAKE_PORTS];
static char path[] = "/tmp/vqs_mirror_XXXXXX";

/* --- mirrors --- */

static void
test_mirror(void **state)
{
	assert_int_equal(sw_mirror(&fake_ports[0].p, &fake_ports[3].p), 0);
	fake_put(0, &host[0], &host[1], 100);
	fake_put(0, &host[0], &host[2], 200);
	fake_poll();
	fake_put(1, &host[1], &host[0], 300);
	fake_put(2, &host[2], &host[1], 400); /* no business of port 0 */
	fake_poll();
	assert_int_equal(fake_ports[3].nout, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(fake_ports[3].out[i].len, 100 * (i + 1));
		assert_int_equal(fake_ports[3].out[i].b[50], 50);
	}
	assert_int_equal(fake_ports[1].nout, 2);
	fake_check_accounts();
}

/* A frame from port 0 with a tag, VLAN 7, and an IPv4 packet from 192.0.2.1 to 198.51.100.1. */
static uint32_t
mirrored(uint16_t vlan, const struct rte_ether_addr *to)
{
	static const uint8_t ip[] = {0x08, 0, 0x45, 0,   0, 46, 0, 0,   0,  0,   9,
				     17,   0, 0,    192, 0, 2,  1, 198, 51, 100, 1};
	struct fake_frame *f = fake_put(0, &host[0], to, 100);
	uint32_t at = 12;

	fake_ports[3].nout = 0;
	if (vlan != 0) {
		memcpy(f->b + 12, (const uint8_t[]){0x81, 0, 0, (uint8_t)vlan}, 4);
		at = 16;
	}
	memcpy(f->b + at, ip, sizeof(ip));
	fake_poll();
	fake_check_accounts();
	return fake_ports[3].nout;
}

static void
test_filter(void **state)
{
	struct mirror_filter f = {.has_mac = true, .mac = host[1]};
	struct port *p = &fake_ports[0].p;

	assert_int_equal(sw_mirror(p, &fake_ports[3].p), 0);
	assert_int_equal(sw_mirror_filter(p, &f), 0);
	assert_int_equal(mirrored(0, &host[1]), 1);
	assert_int_equal(mirrored(0, &host[2]), 0);
	f = (struct mirror_filter){.vlan = 7};
	assert_int_equal(sw_mirror_filter(p, &f), 0);
	assert_int_equal(mirrored(7, &host[1]), 1);
	assert_int_equal(mirrored(8, &host[1]), 0);
	assert_int_equal(mirrored(0, &host[1]), 0);
	f = (struct mirror_filter){.has_ip = true};
	assert_true(ip_prefix_parse("198.51.100.0/24", &f.ip));
	assert_int_equal(sw_mirror_filter(p, &f), 0);
	assert_int_equal(mirrored(0, &host[1]), 1);
	assert_int_equal(mirrored(7, &host[1]), 1);
	f.vlan = 8; /* all of it has to fit */
	assert_int_equal(sw_mirror_filter(p, &f), 0);
	assert_int_equal(mirrored(7, &host[1]), 0);
	assert_true(ip_prefix_parse("2001:db8::/32", &f.ip));
	f.vlan = 0;
	assert_int_equal(sw_mirror_filter(p, &f), 0);
	assert_int_equal(mirrored(0, &host[1]), 0);
	/* four of nine fit so far */
	assert_int_equal(atomic_load(&p->mirror_seen.fits), 4);
	assert_int_equal(atomic_load(&p->mirror_seen.left_out), 5);
	assert_int_equal(sw_mirror_filter(p, NULL), 0);
	assert_int_equal(mirrored(0, &host[2]), 1);
	assert_int_equal(atomic_load(&p->mirror_seen.fits), 4);
}

/* Flooded frames come twice to a port that is in the same domain, once to one that is not. */
static void
test_mirror_of_a_flood(void **state)
{
	assert_int_equal(sw_mirror(&fake_ports[0].p, &fake_ports[3].p), 0);
	fake_put(1, &host[1], &fake_broadcast, 100);
	fake_poll();
	assert_int_equal(fake_ports[3].nout, 2);
	fake_ports[3].p.domain = 7;
	sw_publish(&fake_sw);
	fake_put(1, &host[1], &fake_broadcast, 100);
	fake_poll();
	assert_int_equal(fake_ports[3].nout, 3);
	/* what the mirror sends to the mirrored does not come back */
	fake_ports[3].p.domain = 0;
	sw_publish(&fake_sw);
	fake_put(3, &host[3], &host[0], 100);
	fake_poll();
	assert_int_equal(fake_ports[3].nout, 3);
	fake_check_accounts();
}

/* Frames that are refused were sent all the same. */
static void
test_mirror_before_limits(void **state)
{
	const struct limits l = {.locked = true, .nmac = 1, .mac = {host[2]}};

	assert_int_equal(sw_mirror(&fake_ports[0].p, &fake_ports[3].p), 0);
	assert_int_equal(port_set_limits(&fake_ports[0].p, &l), 0);
	fake_put(0, &host[0], &host[1], 100);
	fake_poll();
	assert_int_equal(fake_ports[1].nout, 0);
	assert_int_equal(fake_ports[3].nout, 1);
	assert_int_equal(fake_dropped(0, DROP_RX_LOCKED), 1);
	fake_check_accounts();
}

static void
test_mirror_wire(void **state)
{
	fake_sw.mode = fwd_mode_by_name("io");
	assert_int_equal(sw_mirror(&fake_ports[1].p, &fake_ports[3].p), 0);
	fake_put(0, &host[0], &host[1], 100);
	fake_put(1, &host[1], &host[0], 200);
	fake_poll();
	assert_int_equal(fake_ports[1].nout, 1);
	assert_int_equal(fake_ports[3].nout, 2);
	fake_check_accounts();
}

static void
test_mirror_ends(void **state)
{
	assert_int_equal(sw_mirror(&fake_ports[0].p, &fake_ports[0].p), -EINVAL);
	assert_int_equal(sw_mirror(&fake_ports[0].p, &fake_ports[3].p), 0);
	assert_true(dp_live(&fake_sw.dp)->by_id[0]->copied);
	sw_port_remove(&fake_sw, &fake_ports[3].p);
	assert_null(fake_ports[0].p.mirror);
	assert_true(dp_live(&fake_sw.dp)->by_id[0]->plain);
	fake_put(0, &host[0], &host[1], 100);
	fake_poll();
	assert_int_equal(fake_ports[1].nout, 1);
	fake_check_accounts();
}

/* --- reading a capture --- */

/** Frames found in a file. */
struct found {
	uint32_t npackets, ninterfaces, nstatistics;
	uint64_t dropped; /* as its statistics say */
	struct {
		char interface[16];
		uint32_t len, caplen, flags;
		uint64_t ns;
		uint8_t b[FAKE_LEN];
	} packet[256];
	char name[FAKE_PORTS + 1][16], description[FAKE_PORTS + 1][16];
};

static uint32_t
word(const uint8_t *b)
{
	uint32_t w;

	memcpy(&w, b, sizeof(w));
	return w;
}

/* The value of an option, or NULL. */
static const uint8_t *
option(const uint8_t *at, const uint8_t *end, uint16_t code, uint16_t *len)
{
	uint16_t head[2];

	for (; at + 4 <= end; at += 4 + (head[1] + 3u) / 4 * 4) {
		memcpy(head, at, sizeof(head));
		if (head[0] == 0)
			break;
		assert_true(at + 4 + head[1] <= end);
		*len = head[1];
		if (head[0] == code)
			return at + 4;
	}
	return NULL;
}

static void
read_interface(struct found *f, const uint8_t *b, const uint8_t *end)
{
	const uint8_t *o;
	uint16_t len;

	assert_int_equal(word(b) & 0xffff, 1); /* Ethernet */
	o = option(b + 8, end, 9, &len);
	assert_non_null(o);
	assert_int_equal(*o, 9);
	o = option(b + 8, end, 2, &len);
	assert_non_null(o);
	assert_in_range(len, 1, sizeof(f->name[0]) - 1);
	memcpy(f->name[f->ninterfaces], o, len);
	o = option(b + 8, end, 3, &len);
	assert_non_null(o);
	assert_in_range(len, 1, sizeof(f->description[0]) - 1);
	memcpy(f->description[f->ninterfaces++], o, len);
}

static void
read_packet(struct found *f, const uint8_t *b, const uint8_t *end)
{
	uint32_t interface = word(b), caplen = word(b + 12), n = f->npackets++;
	const uint8_t *flags, *at = b + 20 + (caplen + 3) / 4 * 4;
	uint16_t len;

	assert_true(interface < f->ninterfaces);
	assert_true(caplen <= FAKE_LEN && at <= end);
	memcpy(f->packet[n].interface, f->name[interface], sizeof(f->name[0]));
	f->packet[n].ns = (uint64_t)word(b + 4) << 32 | word(b + 8);
	f->packet[n].caplen = caplen;
	f->packet[n].len = word(b + 16);
	memcpy(f->packet[n].b, b + 20, caplen);
	flags = option(at, end, 2, &len);
	assert_non_null(flags);
	f->packet[n].flags = word(flags);
}

static void
read_statistics(struct found *f, const uint8_t *b, const uint8_t *end)
{
	const uint8_t *o;
	uint64_t n;
	uint16_t len;

	o = option(b + 12, end, 5, &len);
	assert_non_null(o);
	memcpy(&n, o, sizeof(n));
	f->dropped += n;
	f->nstatistics++;
}

static void
read_block(struct found *f, uint32_t type, const uint8_t *b, const uint8_t *end)
{
	switch (type) {
	case 1:
		read_interface(f, b, end);
		break;
	case 5:
		read_statistics(f, b, end);
		break;
	case 6:
		read_packet(f, b, end);
		break;
	default:
		fail_msg("block type %u", type);
	}
}

static struct found *
read_file(void)
{
	static uint8_t b[1 << 20];
	static struct found f;
	FILE *file = fopen(path, "r");
	size_t n, len;

	assert_non_null(file);
	n = fread(b, 1, sizeof(b), file);
	fclose(file);
	memset(&f, 0, sizeof(f));
	assert_int_equal(word(b), 0x0a0d0d0a);
	assert_int_equal(word(b + 8), 0x1a2b3c4d);
	for (size_t at = word(b + 4); at < n; at += len) {
		len = word(b + at + 4);
		assert_true(len >= 12 && len % 4 == 0 && at + len <= n);
		assert_int_equal(word(b + at + len - 4), len);
		read_block(&f, word(b + at), b + at + 8, b + at + len - 4);
	}
	return &f;
}

/* --- captures --- */

static void
start(uint16_t port, uint32_t snaplen, uint64_t count)
{
	struct sw_capture cfg = {.port = port, .snaplen = snaplen, .count = count};

	strlcpy(cfg.path, path, sizeof(cfg.path));
	assert_int_equal(sw_capture_start(&fake_sw, &cfg, -1), 0);
	assert_int_equal(sw_capture_start(&fake_sw, &cfg, -1), -EBUSY);
}

static void
test_capture(void **state)
{
	uint64_t now = (uint64_t)time(NULL) * 1000000000;
	struct fake_frame *split;
	const struct found *f;

	start(0, CAPTURE_SNAPLEN, 0);
	fake_put(0, &host[0], &host[1], 61);
	split = fake_put(0, &host[0], &host[2], 1501);
	split->split = 7;
	fake_poll();
	fake_put(1, &host[1], &host[0], 300);
	fake_put(1, &host[1], &host[2], 400);
	fake_poll();
	sw_capture_stop(&fake_sw);
	fake_put(0, &host[0], &host[1], 64);
	fake_poll();
	f = read_file();
	assert_int_equal(f->npackets, 3);
	assert_int_equal(f->ninterfaces, 1);
	assert_int_equal(f->nstatistics, 1);
	assert_int_equal(f->dropped, 0);
	for (uint32_t i = 0; i < 3; i++) {
		static const uint32_t len[] = {61, 1501, 300};

		assert_string_equal(f->packet[i].interface, "port0");
		assert_int_equal(f->packet[i].len, len[i]);
		assert_int_equal(f->packet[i].caplen, len[i]);
		assert_int_equal(f->packet[i].flags, i < 2 ? 1 : 2); /* in, out */
		assert_memory_equal(f->packet[i].b, &host[i < 2 ? i + 1 : 0], 6);
		assert_int_equal(f->packet[i].b[len[i] - 1], (uint8_t)(len[i] - 1));
		assert_true(f->packet[i].ns + 60000000000 > now);
		assert_true(f->packet[i].ns < now + 60000000000);
	}
	fake_check_accounts();
	assert_int_equal(fake_sw.captured.last.frames, 3);
	assert_true(dp_live(&fake_sw.dp)->by_id[0]->plain);
}

static void
test_capture_all(void **state)
{
	const struct found *f;

	start(SW_CAPTURE_ALL, 20, 0);
	for (uint32_t i = 0; i < 8; i++)
		fake_put(0, &host[0], &fake_broadcast, 100);
	fake_poll();
	sw_capture_stop(&fake_sw);
	f = read_file();
	assert_int_equal(f->npackets, 8 * FAKE_PORTS);
	assert_int_equal(f->ninterfaces, FAKE_PORTS);
	for (uint32_t i = 0; i < f->npackets; i++) {
		assert_int_equal(f->packet[i].len, 100);
		assert_int_equal(f->packet[i].caplen, 20);
	}
	fake_check_accounts();
}

/* A port that is made while the capture runs is another one than was at its number before. */
static void
test_capture_of_a_later_port(void **state)
{
	struct port *p = &fake_ports[3].p;
	const struct found *f;

	start(SW_CAPTURE_ALL, 20, 0);
	fake_put(0, &host[0], &fake_broadcast, 100);
	fake_poll();
	sw_port_remove(&fake_sw, p);
	strlcpy(p->name, "later", sizeof(p->name));
	assert_int_equal(sw_port_add(&fake_sw, p), 0);
	assert_int_equal(p->id, 3);
	sw_publish(&fake_sw);
	fake_put(0, &host[0], &fake_broadcast, 100);
	fake_poll();
	sw_capture_stop(&fake_sw);
	f = read_file();
	assert_int_equal(f->ninterfaces, FAKE_PORTS + 1);
	assert_int_equal(f->nstatistics, FAKE_PORTS + 1);
	assert_string_equal(f->name[FAKE_PORTS], "port3");
	assert_string_equal(f->description[FAKE_PORTS], "later");
	assert_string_equal(f->description[0], fake_ports[0].p.name);
}

/* More than there is room for: nothing of it stays unaccounted. */
static void
test_capture_overrun(void **state)
{
	struct capture_stats s;
	uint64_t sent = 0;

	start(0, 64, 0);
	for (uint32_t round = 0; round < 500; round++) {
		for (uint32_t i = 0; i < FAKE_IN; i++)
			fake_put(0, &host[0], &host[1], 1000);
		fake_poll();
		fake_clear();
		sent += FAKE_IN;
	}
	sw_capture_stop(&fake_sw);
	sw_capture_stats(&fake_sw, &s);
	assert_int_equal(s.frames + s.lost, sent);
	assert_int_equal(s.bytes, s.frames * 1000);
	assert_int_equal(s.error, 0);
	fake_check_accounts();
}

static void
test_capture_count(void **state)
{
	struct capture_stats s;

	fake_sw.loop = ev_loop_new();
	assert_non_null(fake_sw.loop);
	start(0, CAPTURE_SNAPLEN, 5);
	for (uint32_t i = 0; i < 20; i++)
		fake_put(0, &host[0], &host[1], 100);
	fake_poll();
	while (fake_sw.capture != NULL)
		ev_run_once(fake_sw.loop, 1000);
	sw_capture_stats(&fake_sw, &s);
	assert_int_equal(s.frames, 5);
	assert_int_equal(read_file()->npackets, 5);
	/* stopped while the writer's message is under way */
	start(0, CAPTURE_SNAPLEN, 1);
	fake_put(0, &host[0], &host[1], 100);
	fake_poll();
	do
		sw_capture_stats(&fake_sw, &s);
	while (s.frames == 0);
	sw_capture_stop(&fake_sw);
	ev_run_once(fake_sw.loop, 1000);
	assert_null(fake_sw.capture);
	ev_loop_free(fake_sw.loop);
	fake_sw.loop = NULL;
}

static void
test_capture_disk_full(void **state)
{
	struct sw_capture cfg = {.port = 0, .snaplen = 100, .path = "/dev/full"};

	/* not a plain file: refused as a pipe is */
	assert_int_equal(sw_capture_start(&fake_sw, &cfg, -1), -EINVAL);
	strcpy(cfg.path, "/nowhere/at/all");
	assert_int_equal(sw_capture_start(&fake_sw, &cfg, -1), -ENOENT);
	assert_null(fake_sw.capture);
}

/* --- captures to a pipe --- */

static int
start_live(int fd)
{
	struct sw_capture cfg = {.port = 0, .snaplen = CAPTURE_SNAPLEN, .live = true};

	return sw_capture_start(&fake_sw, &cfg, fd);
}

/* Control writes the head of the file: it must not wait for ever. */
static void
test_capture_full_pipe(void **state)
{
	static const char full[4096];
	int ends[2];

	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	while (write(ends[1], full, sizeof(full)) > 0)
		;
	assert_int_equal(start_live(ends[1]), -EAGAIN);
	assert_null(fake_sw.capture);
	assert_int_equal(fcntl(ends[1], F_GETFD), -1); /* it was taken */
	close(ends[0]);
}

static atomic_bool hurry;

/* Takes little at a time. */
static void *
read_slowly(void *arg)
{
	const struct timespec nap = {.tv_nsec = 20000000};
	const int *fd = arg;
	char some[512];

	while (read(*fd, some, sizeof(some)) > 0)
		if (!atomic_load(&hurry))
			nanosleep(&nap, NULL);
	return NULL;
}

/* Nor for all that is in the ring, as long as the reader takes a bit of it. */
static void
test_capture_slow_reader(void **state)
{
	struct capture_stats s;
	pthread_t reader;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	atomic_store(&hurry, false);
	assert_int_equal(pthread_create(&reader, NULL, read_slowly, &ends[0]), 0);
	assert_int_equal(start_live(ends[1]), 0);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < FAKE_IN; i++)
			fake_put(0, &host[0], &host[1], 1000);
		fake_poll();
		fake_clear();
	}
	sw_capture_stop(&fake_sw);
	sw_capture_stats(&fake_sw, &s);
	assert_int_equal(s.error, EAGAIN);
	atomic_store(&hurry, true);
	pthread_join(reader, NULL);
	close(ends[0]);
	fake_check_accounts();
}

/* The switch may end in the middle of it. */
static void
test_capture_at_the_end(void **state)
{
	start(SW_CAPTURE_ALL, CAPTURE_SNAPLEN, 0);
	fake_put(0, &host[0], &fake_broadcast, 100);
	fake_poll();
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, fake_teardown)

static int
setup(void **state)
{
	if (fake_setup(state) != 0)
		return -1;
	for (uint16_t i = 0; i < FAKE_PORTS; i++) {
		host[i] = fake_mac(i, 1);
		if (fdb_add_static(fake_sw.fdb, &host[i], 0, i) != 0)
			return -1;
	}
	return 0;
}
/* The records of the switch, to the switch as its own successor. NULL, or why they are refused. */
static const char *
take_over(struct blob *b)
{
	struct blob_reader reader = {.blob = b};
	struct hand_record h = {.reader = &reader};
	const char *why = NULL;

	while (why == NULL && (h.data = blob_read(&reader, &h.r)) != NULL)
		why = sw_take_over(&fake_sw, &h);
	return why;
}

/* Another process writes on where this one stopped; one that does not leaves it to go on here. */
static void
test_capture_goes_on(void **state)
{
	struct blob b = {0}, unused = {0};
	struct capture *old;
	const struct found *f;

	start(SW_CAPTURE_ALL, 20, 0);
	fake_put(0, &host[0], &fake_broadcast, 100);
	fake_poll();
	capture_hand_over(&fake_sw, &unused);
	blob_free(&unused);
	capture_hand_run(&fake_sw); /* here */
	fake_put(0, &host[0], &fake_broadcast, 100);
	fake_poll();
	capture_hand_over(&fake_sw, &b);
	f = read_file();
	assert_int_equal(f->npackets, 2 * FAKE_PORTS);
	assert_int_equal(f->nstatistics, 0);

	old = fake_sw.capture;
	fake_sw.capture = NULL;
	for (uint32_t i = 0; i < FAKE_PORTS; i++)
		fake_ports[i].p.captured = NULL;
	assert_null(take_over(&b));
	capture_hand_run(&fake_sw);
	sw_publish(&fake_sw);
	fake_put(0, &host[0], &fake_broadcast, 100);
	fake_poll();
	sw_capture_stop(&fake_sw);
	f = read_file();
	assert_int_equal(f->npackets, 3 * FAKE_PORTS);
	assert_int_equal(f->ninterfaces, FAKE_PORTS);
	assert_int_equal(f->nstatistics, FAKE_PORTS);
	assert_int_equal(fake_sw.captured.last.frames, 3 * FAKE_PORTS);
	capture_stop(old, &(struct capture_stats){0});
	blob_free(&b);
}

/* It had buffers for the capture before the stop, and leaves the file as it was. */
static void
test_capture_of_a_failed_successor(void **state)
{
	struct blob b = {0};
	struct capture *old;
	const struct found *f;

	start(SW_CAPTURE_ALL, 20, 0);
	fake_put(0, &host[0], &fake_broadcast, 100);
	fake_poll();
	capture_hand_over(&fake_sw, &b);
	old = fake_sw.capture;
	fake_sw.capture = NULL;
	sw_capture_expect(&fake_sw, 20);
	assert_non_null(fake_sw.expected);
	assert_null(take_over(&b));
	assert_null(fake_sw.expected);
	sw_capture_stop(&fake_sw);
	f = read_file();
	assert_int_equal(f->npackets, FAKE_PORTS);
	assert_int_equal(f->nstatistics, 0);
	fake_sw.capture = old;
	capture_hand_run(&fake_sw);
	sw_capture_stop(&fake_sw);
	f = read_file();
	assert_int_equal(f->npackets, FAKE_PORTS);
	assert_int_equal(f->nstatistics, FAKE_PORTS);
	blob_free(&b);
}

/* Buffers for frames of another length, or of no capture, are not used. */
static void
test_capture_that_was_not_expected(void **state)
{
	struct blob b = {0};
	struct capture *old;

	start(0, 20, 0);
	capture_hand_over(&fake_sw, &b);
	old = fake_sw.capture;
	fake_sw.capture = NULL;
	sw_capture_expect(&fake_sw, 1000);
	assert_null(take_over(&b));
	sw_capture_expect(&fake_sw, 500);
	capture_hand_run(&fake_sw);
	assert_null(fake_sw.expected);
	assert_int_equal(fake_sw.capture->snaplen, 20);
	sw_capture_stop(&fake_sw);
	capture_stop(old, &(struct capture_stats){0});
	blob_free(&b);
}

/* One that has ended is shown as before; one for a client, or into a pipe, is not handed over. */
static void
test_capture_not_handed_over(void **state)
{
	const struct sw_capture cfg = {.port = 0, .snaplen = 100, .live = true};
	struct blob b = {0};
	int ends[2];

	start(0, CAPTURE_SNAPLEN, 1);
	fake_put(0, &host[0], &host[1], 61);
	fake_poll();
	assert_null(capture_hand_against(&fake_sw));
	capture_hand_over(&fake_sw, &b);
	assert_null(fake_sw.capture);
	memset(&fake_sw.captured, 0, sizeof(fake_sw.captured));
	assert_null(take_over(&b));
	assert_int_equal(fake_sw.captured.last.frames, 1);
	assert_string_equal(fake_sw.captured.path, path);
	blob_free(&b);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(sw_capture_start(&fake_sw, &cfg, ends[1]), 0);
	assert_non_null(capture_hand_against(&fake_sw));
	fake_sw.captured.live = false;
	assert_non_null(capture_hand_against(&fake_sw));
	sw_capture_stop(&fake_sw);
	close(ends[0]);
}

static int
start_all(void **state)
{
	int fd = mkstemp(path);

	if (fd < 0 || close(fd) != 0)
		return -1;
	return eal_start("0", 64);
}

static int
end_all(void **state)
{
	return unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_mirror),
		EACH(test_filter),
		EACH(test_mirror_of_a_flood),
		EACH(test_mirror_before_limits),
		EACH(test_mirror_wire),
		EACH(test_mirror_ends),
		EACH(test_capture),
		EACH(test_capture_all),
		EACH(test_capture_of_a_later_port),
		EACH(test_capture_goes_on),
		EACH(test_capture_of_a_failed_successor),
		EACH(test_capture_that_was_not_expected),
		EACH(test_capture_not_handed_over),
		EACH(test_capture_overrun),
		EACH(test_capture_count),
		EACH(test_capture_disk_full),
		EACH(test_capture_full_pipe),
		EACH(test_capture_slow_reader),
		EACH(test_capture_at_the_end),
	};

	return cmocka_run_group_tests(tests, start_all, end_all);
}
