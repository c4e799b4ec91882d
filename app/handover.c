/* SPDX-License-Identifier: BSD-3-Clause */
#include "handover.h"

#include <errno.h>
#include <string.h>

#include <bsd/string.h>
#include <rte_common.h>

int
handover_say(int sock, uint16_t type, const char *text, uint32_t timeout_ms)
{
	struct blob b = {0};
	int ret;

	blob_put_record(&b, &(struct blob_record){type, BLOB_MUST_KNOW, (uint32_t)strlen(text), 0},
			text);
	ret = blob_send(sock, &b, timeout_ms);
	blob_free(&b);
	return ret;
}

/* One line, of printable characters: it goes to terminals and logs. */
static void
take_line(char line[HANDOVER_LINE_MAX], const uint8_t *data, uint32_t len)
{
	uint32_t n = RTE_MIN(len, HANDOVER_LINE_MAX - 1u);

	for (uint32_t i = 0; i < n; i++)
		line[i] = data[i] >= ' ' && data[i] < 0x7f ? (char)data[i] : '?';
	line[n] = '\0';
}

static int
hear_one(int sock, uint16_t *type, char line[HANDOVER_LINE_MAX], uint32_t timeout_ms)
{
	struct blob b = {0};
	struct blob_reader reader = {.blob = &b};
	struct blob_record r = {0};
	const uint8_t *data;
	int ret = blob_receive(sock, &b, 2 * HANDOVER_LINE_MAX, timeout_ms);

	line[0] = '\0';
	if (ret < 0)
		return ret;
	data = blob_read(&reader, &r);
	*type = r.type;
	if (data == NULL)
		ret = -EPROTO;
	else
		take_line(line, data, r.len);
	blob_free(&b);
	return ret;
}

static int
hear(int sock, uint16_t type, char line[HANDOVER_LINE_MAX], uint32_t timeout_ms, int most)
{
	uint16_t got = HANDOVER_ALIVE;
	int ret = 0;

	for (int i = 0; ret == 0 && got == HANDOVER_ALIVE && i <= most; i++)
		ret = hear_one(sock, &got, line, timeout_ms);
	if (ret == 0 && got != type)
		ret = got == HANDOVER_REFUSED ? -ECONNREFUSED : -EPROTO;
	return ret;
}

int
handover_hear(int sock, uint16_t type, char line[HANDOVER_LINE_MAX], uint32_t timeout_ms)
{
	return hear(sock, type, line, timeout_ms, 0);
}

int
handover_hear_alive(int sock, uint16_t type, char line[HANDOVER_LINE_MAX], uint32_t timeout_ms)
{
	return hear(sock, type, line, timeout_ms, HANDOVER_ALIVE_MAX);
}
