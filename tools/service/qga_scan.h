/* SPDX-License-Identifier: MIT */
/*
 * Where a request ends, and which command it is.
 *
 * qemu-ga reads a stream of JSON texts: no newline has to stand between them,
 * and one may stand within. So this scans the same stream, and accepts nothing
 * that two parsers could see ends of in different places: what it passes is
 * JSON to the letter, with qemu-ga's one extension, strings in 'single' quotes.
 * Otherwise a host could wrap a command of ours in something malformed, and the
 * upstream would find it there.
 */
#ifndef QGA_SCAN_H
#define QGA_SCAN_H

#include <stdbool.h>
#include <stdint.h>

/* qemu-ga refuses what nests deeper. */
#define QGA_SCAN_DEPTH 1024

enum qga_command {
	QGA_OTHER,
	QGA_PING,
	QGA_SYNC,
	QGA_SYNC_DELIMITED,
	QGA_INFO,
	/* Those from here on are never passed to an upstream. */
	QGA_GET_TIME,
	QGA_SET_TIME,
	QGA_STATUS,
};
#define QGA_FIRST_OWN QGA_GET_TIME

/* The name, NULL if there is no such command. */
const char *qga_command_name(enum qga_command command);

enum qga_token {
	QGA_MORE,     /* the byte belongs to a request that goes on */
	QGA_END,      /* it ends one: command and deepest are known */
	QGA_SPACE,    /* it stands between two */
	QGA_SENTINEL, /* 0xFF: whatever came before it is void */
	QGA_BAD,      /* no JSON; qga_scan_reset() before the next */
};

/* Zeroed, it stands before a request. */
struct qga_scan {
	uint8_t state;
	uint8_t quote;
	const char *literal;
	uint16_t depth, deepest;
	uint8_t is_object[QGA_SCAN_DEPTH / 8];
	/* The string that is being read at depth 1, and what it stands for. */
	char text[32];
	uint8_t text_len;
	bool text_is_long, is_key, is_execute;
	uint8_t hex_left;
	uint16_t hex;
	/* The last of our own that "execute" named, else the last it named. */
	enum qga_command command;
};

void qga_scan_reset(struct qga_scan *scan);
enum qga_token qga_scan_byte(struct qga_scan *scan, uint8_t byte);

#endif
