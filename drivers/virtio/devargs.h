/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device arguments of a vhost port, in the words of DPDK's net_vhost PMD so
 * that a dpdk-testpmd command line works, plus our own keys:
 *
 *     net_vhost0,iface=/run/vm1.sock,queues=4,client=1,mode=0660,group=kvm
 *     net_vhost1,iface=/run/vm2.sock,vdpa=0000:3b:00.2,sim0,hw=prefer,uplink=net_ring_w0
 *
 * A path below /dev/vduse/ is a VDUSE device, which has keys of its own:
 *
 *     net_vhost1,iface=/dev/vduse/web,attach=virtio,netns=web,ifname=eth0
 *
 * A key is in the table of devargs.c or it is an error; keys of the PMD without a meaning here are
 * accepted when their value is the default.
 */
#ifndef VIRTIO_DEVARGS_H
#define VIRTIO_DEVARGS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/un.h>

#include <rte_ether.h>

#include "switch/port_kind.h"
#include "vdev/vdev.h"
#include "vdpa/vdpa.h"
#include "vduse/vduse.h"

#define VIRTIO_DEVARGS_MAX 1024
#define VIRTIO_VM_MAX 64
#define VIRTIO_VDPA_MAX 8 /* devices a port may be given to */
#define VIRTIO_NETNS_MAX 64
#define VIRTIO_RECORD_MAX 512

struct virtio_devargs {
	char name[PORT_NAME_MAX];      /* "net_vhost0" */
	char text[VIRTIO_DEVARGS_MAX]; /* the text behind the name, as given */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	uint32_t queues; /* pairs */
	bool client;
	uint64_t without; /* feature bits not to offer */
	uint32_t options; /* VHU_OPTION_* */
	mode_t mode;      /* of the socket; 0: the default of the back-end */
	uid_t owner;      /* -1: unchanged */
	gid_t group;
	enum vdev_policy policy;
	char vm[VIRTIO_VM_MAX]; /* name of the VM, for commands to all its ports; "": none */
	uint16_t mtu;           /* 0: none announced */
	bool rehearsal;         /* the transport stays closed; no part of the argument */
	bool successor;         /* likewise, see struct port_defaults */
	uint32_t nvdpa;
	char vdpa[VIRTIO_VDPA_MAX][VDPA_NAME_MAX]; /* in the order they are preferred */
	enum vdev_hw hw;
	enum vdev_migrate migrate;
	char uplink[PORT_NAME_MAX];     /* name or number of a port; "": none */
	char shadow[PORT_NAME_MAX];     /* likewise, of the driver of its device */
	char record[VIRTIO_RECORD_MAX]; /* file of the recording; "": none */
	uint32_t record_max;            /* its limit in MiB; 0: the default */
	bool mac_set;
	struct rte_ether_addr mac;
	/* of a VDUSE device */
	enum vduse_attach attach;
	char ifname[IFNAMSIZ]; /* "": as the kernel names it */
	char netns[VIRTIO_NETNS_MAX];
};

/** Whether a --vdev argument names one of our devices (net_vhost*, eth_vhost*). */
bool virtio_devargs_ours(const char *devargs);

/**
 * Parse "NAME,key=value,...". @p a holds the defaults on entry.
 * 0, or -EINVAL with a sentence in @p err.
 */
int virtio_devargs_parse(const char *devargs, struct virtio_devargs *a, char *err, size_t errlen);

/** The defaults: one queue pair, server, everything offered. */
void virtio_devargs_init(struct virtio_devargs *a);

/** Parse what @p r asks for over the program's defaults. 0, or -EINVAL with a sentence. */
int virtio_devargs_of(const struct port_request *r, struct virtio_devargs *out);

/** Whether two arguments ask for the same device, whatever is written out or in which order. */
bool virtio_devargs_same(const struct virtio_devargs *a, const struct virtio_devargs *b);

/** Write the argument for @p a, with what came from the defaults. */
void virtio_devargs_print(const struct virtio_devargs *a, FILE *out);

#endif
