/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages in words, of vhost-user and VDUSE: names and fields. */
#ifndef VQSCTL_FIELDS_H
#define VQSCTL_FIELDS_H

#include <stdio.h>

#include "base/recording.h"

/** "SET_OWNER"; "?": not known. */
const char *message_name(enum record_transport transport, const struct record_message *m);

/** The fields of a message's payload, each with a blank in front of it; " ..." for one left out. */
void message_fields(FILE *out, enum record_transport transport, const struct recording_event *e);

/** Its descriptors: " fd=memory:64 MiB". */
void message_fds(FILE *out, const struct recording_event *e);

#endif
