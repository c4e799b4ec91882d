/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records of a predecessor that are the fuzzer's input, read by the switch, its tunnels and ports
 * of all kinds but vhost-user ones, whose records are those of fuzz_handover. Each record is {type,
 * port, length, data}. This must hold after each run: each VTEP has the port of its number, no
 * descriptor is left, and the switch can be published and shown.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "app.h"
#include "cli/cli.h"
#include "fuzz/program.h"
#include "pkt/legend.h"
#include "switch/capture_handover.h"
#include "switch/handover.h"
#include "switch/publish.h"
#include "switch/sw.h"
#include "switch/sw_capture.h"
#include "switch/sw_ports.h"
#include "vxlan/vxlan.h"

#define TYPES 8 /* from the first one of a reader on */
#define ETHDEV_FIRST 0x400
#define VNI 100

static const char config[] = "port attach net_null0,no-rx=1\n"
			     "vxlan add vx local 192.0.2.1 underlay 2\n"
			     "vxlan vni 100 domain 5 flood 192.0.2.2,192.0.2.3\n"
			     "vxlan vni 101 domain 5 vlan 7 flood 192.0.2.3\n"
			     "set port 0 rate pps 1000\n";

static int file; /* of a capture that goes on */

/* The first type of each reader. */
static const uint16_t first[] = {SW_HAND_FIRST,    SW_HAND_PORT,    ETHDEV_FIRST,
				 VXLAN_HAND_FIRST, VXLAN_HAND_PORT, CAPTURE_HAND_FIRST};

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	CHECK(cli_run_text(fuzz_app()->cli, config, "config", fuzz_nowhere()) == 0);
	/* takes the right to make devices */
	(void)cli_run_text(fuzz_app()->cli, "vxlan vni 102 domain 6 evpn\n", "evpn",
			   fuzz_nowhere());
	file = memfd_create("capture", MFD_CLOEXEC);
	CHECK(file >= 0);
	return 0;
}

static void
make_blob(struct blob *b, const uint8_t *p, size_t left)
{
	while (left >= 4) {
		struct blob_record r = {.type = (uint16_t)(first[p[0] % RTE_DIM(first)] +
							   (p[0] >> 4) % TYPES),
					.flags = p[0] >> 7,
					.len = RTE_MIN((uint32_t)p[1] << 2, (uint32_t)left - 4)};

		r.nfds = r.type == CAPTURE_HAND_FIRST && (p[2] & 1) != 0;
		blob_put_fds(b, &r, p + 4, &file);
		p += 4 + r.len;
		left -= 4 + r.len;
	}
	CHECK(!b->failed);
}

/* The first VTEP's, and there may be none. */
static struct port *
vtep_port(struct app *app)
{
	const struct vxlan_vtep *v = STAILQ_FIRST(&vxlan_find_vni(app->vxlan, VNI)->vteps);

	return v != NULL ? &v->port->port : NULL;
}

/** One record, to the reader that its type is of. */
static const char *
take(struct app *app, const struct hand_record *h)
{
	static struct baseline own;
	struct baseline *const base[] = {&own};
	struct port *p = app->sw.port[0];

	if (h->r.type < SW_HAND_PORT)
		return sw_take_over(&app->sw, h);
	if (h->r.type < SW_HAND_END)
		return port_take_over(p, h, base, RTE_DIM(base));
	if (h->r.type >= VXLAN_HAND_FIRST && h->r.type < VXLAN_HAND_PORT)
		return vxlan_take_over(app->vxlan, h);
	p = h->r.type < VXLAN_HAND_FIRST ? sw_port_by_name(&app->sw, "net_null0") : vtep_port(app);
	return p != NULL ? p->ops->handover->load(p, h) : "no such port";
}

static void
check_numbers(const struct app *app)
{
	const struct vxlan_tunnel *t;
	const struct vxlan_vtep *v;
	const struct vxlan_vni *n;

	STAILQ_FOREACH (t, vxlan_all(app->vxlan), entry)
		STAILQ_FOREACH (n, &t->vnis, entry)
			STAILQ_FOREACH (v, &n->vteps, entry)
				CHECK(app->sw.port[v->port->port.id] == &v->port->port);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct legend legend;
	struct app *app = fuzz_app();
	unsigned int before = fuzz_open_fds();
	struct blob b = {0};
	struct blob_reader reader = {.blob = &b};
	struct hand_record h = {.reader = &reader, .legend = &legend};
	const char *why = NULL;

	for (legend.n = 0; legend.n < 4; legend.n++)
		legend.to[legend.n] = (uint16_t)(legend.n * 20);
	make_blob(&b, data, size);
	while (why == NULL && (h.data = blob_read(&reader, &h.r)) != NULL)
		why = take(app, &h);
	blob_free(&b);
	vxlan_run(app->vxlan);
	check_numbers(app);
	sw_publish(&app->sw);
	CHECK(cli_run_text(app->cli, "show vxlan vtep\nshow vxlan neigh\nshow fdb\n", "show",
			   fuzz_nowhere()) == 0);
	if (size % 2 != 0)
		capture_hand_run(&app->sw);
	fuzz_iteration(app);
	sw_capture_stop(&app->sw);
	CHECK(ftruncate(file, 0) == 0);
	CHECK(fuzz_open_fds() == before);
	return 0;
}
