/* SPDX-License-Identifier: MIT */
/* The rows of test_judge.c: a situation, a measurement, and the verdict. */
#ifndef JUDGE_ROWS_H
#define JUDGE_ROWS_H

#include "service/judge.h"

#include "../../shared/rows.h"

#define US   1000LL
#define MS   (1000 * US)
#define SEC  (1000 * MS)
#define HOUR (3600 * SEC)
#define DAY  (24 * HOUR)

/* When the program was built, and the host clock a year later. */
#define BUILT (1790000000 * SEC)
#define NOW   (BUILT + 365 * DAY)

#define HALF (1ULL << 63)

/* --- what a row says ------------------------------------------------------ */

/* The situation. */
#define DISRUPTED 0x1U
#define RESTORED  0x2U
#define SYNCED	  0x4U
#define LEAP_NEAR 0x8U
/* The options. */
#define GO_BACK	  0x10U
#define AT_BOOT	  0x20U
#define ON_SLEW	  0x40U /* --on-disruption */
#define ON_REPORT 0x80U
#define ELSE_SLEW 0x100U /* --otherwise */
/* The measurement. */
#define NO_BOUND      0x200U  /* the host states none */
#define EXACT	      0x400U  /* no error at all */
#define NO_ASSUMPTION 0x800U  /* --assume-error 0 */
#define NO_TOLERANCE  0x1000U /* --step-above 0 */
#define NO_STEPS      0x2000U /* --max-step 0 */

/* Zero is the default of the command line, or an ordinary measurement. */
struct row {
	const char *name;
	int64_t offset_ns;
	unsigned int facts;
	enum keep_verdict verdict;
	enum keep_why why;
	uint64_t bound_ns; /* 0: 1 us */
	int64_t max_step_ns;
	int64_t step_above_ns;
	int64_t assume_error_ns;
	int64_t stepped_ns;
	int64_t utc_ns;
	uint32_t flags;	   /* of the sample */
	uint8_t timescale; /* 0: UTC */
	uint8_t reason;	   /* not OK: the sample is not valid */
	uint8_t leap;
	int error, utc_error;
};

#define SAYS(x, y) .verdict = KEEP_##x, .why = KEEP_WHY_##y
#define RIGHT	   SAYS(IS_RIGHT, NONE)
#define STEP	   SAYS(DO_STEP, NONE)
#define SLEW	   SAYS(DO_SLEW, NONE)
#define WAIT(y)	   SAYS(WAIT, y)
#define LEAVE(y)   SAYS(LEAVE, y)

/* The test of a row. */
void check_row(void **state);

#endif
