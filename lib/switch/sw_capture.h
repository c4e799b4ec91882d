/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * The capture of a switch: one at a time.
 */
#ifndef SWITCH_SW_CAPTURE_H
#define SWITCH_SW_CAPTURE_H

#include <stdint.h>

struct capture_stats;
struct sw;
struct sw_capture;

/**
 * Write the frames a port, or all, send and are sent to a file, or if cfg->live to @p fd, which is
 * taken in any case; last and serial of @p cfg are ignored. 0, -EBUSY (there is a capture), or that
 * of capture_start().
 */
int sw_capture_start(struct sw *s, const struct sw_capture *cfg, int fd);
/**
 * Go on with a predecessor's capture, @p cfg, to the plain file @p fd, which is taken in any case:
 * from capture_go_on() on, without ports so far. 0 or -errno.
 */
int sw_capture_restore(struct sw *s, const struct sw_capture *cfg, int fd);
/**
 * Make buffers for it beforehand, of frames of @p snaplen; 0: free those it did not use. Without
 * memory it is tried again then.
 */
void sw_capture_expect(struct sw *s, uint32_t snaplen);

void sw_capture_stop(struct sw *s); /* nothing when there is none; numbers in s->captured.last */
void sw_capture_stats(const struct sw *s, struct capture_stats *out); /* running, or the last */

#endif
