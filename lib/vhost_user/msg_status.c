/* SPDX-License-Identifier: BSD-3-Clause */
/* Device status, reset and config space. */
#include <errno.h>
#include <stddef.h>

#include "vdev/netcfg.h"
#include "vhost_user/session.h"

#define CONFIG_HEADER offsetof(struct vhu_config_msg, data)

int
vhu_reset_device(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	vdev_reset(s->dev);
	return 0;
}

int
vhu_set_status(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	if (m->payload.u64 > UINT8_MAX)
		return vhu_refuse(s, EINVAL, "no such device status");
	vdev_set_status(s->dev, (uint8_t)m->payload.u64);
	return 0;
}

int
vhu_get_status(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	m->payload.u64 = vdev_get_status(s->dev);
	m->header.size = sizeof(m->payload.u64);
	return 0;
}

static bool
config_sane(const struct vhu_msg *m)
{
	const struct vhu_config_msg *c = &m->payload.config;

	return c->size <= VHU_CONFIG_MAX && m->header.size == CONFIG_HEADER + c->size;
}

/** Readable in every state. An empty payload tells the front-end that its range is invalid. */
int
vhu_get_config(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	struct vhu_config_msg *c = &m->payload.config;

	if (!config_sane(m) || vdev_config_read(s->dev, c->offset, c->size, c->data) != 0)
		m->header.size = 0;
	return 0;
}

int
vhu_set_config(struct vhu_session *s, struct vhu_msg *m, struct vhu_fds *fds)
{
	const struct vhu_config_msg *c = &m->payload.config;

	if (!config_sane(m))
		return vhu_refuse(s, EBADMSG, "size and payload do not agree");
	/* no field is writable by a guest of vhost-user */
	if (c->flags != VHU_CONFIG_MIGRATION)
		return vhu_refuse(s, EPERM, "config space is written by a migration only");
	return vdev_config_restore(s->dev, c->offset, c->size, c->data);
}
