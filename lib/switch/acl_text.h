/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on: any thread.
 *
 * Rules of access control lists in text:
 *
 *     [seq N] allow|allow-related|drop [ip|ip6] [proto P] [src PREFIX] [dst PREFIX]
 *         [sport A[-B]] [dport A[-B]] [fragments]
 *
 * What is not said fits anything. Port numbers are those of TCP, UDP, UDP-Lite, SCTP and DCCP.
 * fragments: those but the first. allow-related: with packets of the connection, both ways, and
 * ICMP errors about it.
 */
#ifndef SWITCH_ACL_TEXT_H
#define SWITCH_ACL_TEXT_H

#include <stdio.h>

#include "switch/acl.h"

/** A word that is none of what was expected in its place. */
struct acl_text_error {
	char word[IP_PREFIX_TEXT]; /* its beginning; empty: the text is at its end */
	const char *expected;      /* static */
};

/** The rule of @p text; seq is 0 if it is not said. False: *@p e. */
bool acl_text_parse(const char *text, struct acl_rule *r, struct acl_text_error *e);

/** Write a rule so that it can be parsed, seq included. */
void acl_text_print(const struct acl_rule *r, FILE *out);

/** The word for what a rule does with a packet. Static. */
const char *acl_text_verdict(bool drop, bool track);

/** The name of a protocol, or NULL: it has a number only. */
const char *acl_text_proto(uint8_t proto);

/** Whether packets of that protocol begin with two port numbers. */
bool acl_has_ports(uint8_t proto);

#endif
