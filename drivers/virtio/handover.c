/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio port goes on in another process. */
#include "base/record.h"
#include "switch/handover.h"
#include "vdev/handover.h"
#include "virtio/port.h"

static const char *
against(const struct port *p)
{
	const struct vdev *d = virtio_port_vdev(p);
	const struct transport *t = virtio_port_transport(p);

	if (vdev_has_hardware(d))
		return "a port that hardware may move frames for is not handed over";
	if (d->transfer != VDEV_STATE_RUNNING)
		return "the device's state is being moved";
	return t->ops->busy(t);
}

static void
stop(struct port *p)
{
	struct transport *t = virtio_port_transport(p);

	if (t->ops->hand_stop != NULL)
		t->ops->hand_stop(t);
	vdev_hand_stop(virtio_port_device(p));
}

static void
save(struct port *p, struct blob *b)
{
	const struct transport *t = virtio_port_transport(p);

	t->ops->hand_over(t, b);
	vdev_hand_over(virtio_port_device(p), b);
}

static const char *
load(struct port *p, const struct hand_record *h)
{
	struct transport *t = virtio_port_transport(p);

	if (h->r.type < TRANSPORT_HAND_FIRST)
		return vdev_take_over(virtio_port_device(p), h);
	return t->ops->take_over(t, h);
}

static void
run(struct port *p)
{
	struct transport *t = virtio_port_transport(p);
	struct vdev *d = virtio_port_device(p);

	/* the predecessor may go on until now, and so does its recording */
	record_start(virtio_port_record(p));
	vdev_sync(d);
	if (t->ops->hand_run != NULL)
		t->ops->hand_run(t);
	/* one that the predecessor was about to make may be lost; one more does no harm */
	vdev_interrupt(d);
}

const struct port_handover_ops virtio_handover = {
	.against = against,
	.stop = stop,
	.save = save,
	.load = load,
	.run = run,
};
