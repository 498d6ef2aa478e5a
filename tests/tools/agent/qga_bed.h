/* SPDX-License-Identifier: MIT */
/* Shared by the tests of the agent and its fuzz target: the protocol with a
 * clock that counts, a time that stands still, and an upstream that answers. */
#ifndef QGA_BED_H
#define QGA_BED_H

#include <stdio.h>
#include <stdlib.h>

#include "qga.h"

/* What the clock of a bed says, ns. */
#define BED_NOW INT64_C(1700000000123456789)
/* The ids of the barriers count up from here. */
#define BED_FIRST_NONCE 1001

/* Not assert(), which a release build drops, nor cmocka's, which the fuzz
 * target does not have. */
#define BED_CHECK(condition)                                               \
	do {                                                               \
		if (!(condition)) {                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
				#condition);                               \
			abort();                                           \
		}                                                          \
	} while (0)

struct bed {
	struct qga *qga;
	int64_t now_ns;
	int64_t nonce;
	/* What the clock was asked for. */
	unsigned int sets, sets_from_host;
	int64_t last_set_ns;
	int set_error;
	unsigned int told;
	/* What the upstream has seen of its input. */
	struct qga_scan scan;
	char barrier[96];
	size_t barrier_len;
};

void bed_open(struct bed *bed, bool upstream);
void bed_close(struct bed *bed);

/* Give the host's bytes in pieces of at most @p piece, as far as they are
 * taken: returns how many were. */
size_t bed_host(struct bed *bed, const char *data, size_t size, size_t piece);
void bed_upstream(struct bed *bed, const char *data, size_t size);

/*
 * Be an upstream that reads all it was sent, and answers each request and each
 * 0xFF by a line, barriers with their number; until it has nothing more to
 * read. It sees no request that is the agent's own.
 */
void bed_answer(struct bed *bed);
/* The upstream connects, or hangs up. */
void bed_connect(struct bed *bed);
void bed_away(struct bed *bed);
/* Forget what was written to the host, and return how much it was. */
size_t bed_drop_output(struct bed *bed);

#endif
