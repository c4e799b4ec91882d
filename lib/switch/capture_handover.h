/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: control.
 *
 * A capture goes on in another process, which writes to the same file where this one stopped.
 */
#ifndef SWITCH_CAPTURE_HANDOVER_H
#define SWITCH_CAPTURE_HANDOVER_H

struct blob;
struct hand_record;
struct sw;

#define CAPTURE_HAND_FIRST 0x110 /* record types of a capture, among those of the switch, */
#define CAPTURE_HAND_END 0x118   /* and behind them */

/** Something against it, static text; NULL: nothing, or there is no capture. */
const char *capture_hand_against(const struct sw *s);

/**
 * No port has queues: write all that was captured, and append the records. Nothing is written then
 * until capture_hand_run().
 */
void capture_hand_over(struct sw *s, struct blob *b);

/** Take a record. NULL, or the reason why it cannot be taken, static text. */
const char *capture_take_over(struct sw *s, const struct hand_record *h);

/** Go on: in the successor, or where it was stopped and no process took over. */
void capture_hand_run(struct sw *s);

#endif
