/* SPDX-License-Identifier: MIT */
/*
 * What one measurement of the host clock means for CLOCK_REALTIME: right, wrong
 * and to be corrected, or wrong and left alone, and why. Pure: nothing is read
 * or set here.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include <paraclock/paraclock.h>

enum keep_policy {
	KEEP_STEP,
	KEEP_SLEW,
	KEEP_REPORT
};

/* A host clock that says less is not believed: this source is younger. */
#define KEEP_EARLIEST_NS INT64_C(1790000000000000000) /* September 2026 */

/* What the user asks for. */
struct keep_rules {
	enum keep_policy on_disruption;
	enum keep_policy otherwise; /* never KEEP_STEP */
	int64_t step_above_ns;	    /* an offset up to this is right */
	int64_t assume_error_ns;    /* of a source that states no bound */
	int64_t max_step_ns;	    /* -1: as the situation allows */
	int64_t earliest_ns;	    /* UTC: no step ends before it */
	/* The host clock has jumped if it is off by more than this, for no
	 * reason that is known. */
	int64_t jump_above_ns;
	/* What a MONOTONIC source counts from: its start's UTC. */
	bool has_start;
	int64_t start_utc_ns;
	bool backwards;
	/* At boot, while nothing has synchronised this clock, a step may go
	 * backwards. */
	bool boot;
	bool dry_run;
};

/* One measurement: how far the clock is off. */
struct measurement {
	int error; /* negative: the measurement failed with this error */
	/* -ESTALE, -ERANGE and so on: the host's UTC is not known, because no
	 * valid leap second list and no TAI offset was there; -EAGAIN: because
	 * a leap second is under way. */
	int utc_error;
	struct paraclock_sample sample;
	int64_t offset_ns; /* host UTC less CLOCK_REALTIME */
	/* The offset is right to within this; the host's own error is in it if
	 * the host states one. */
	uint64_t bound_ns;
	bool has_bound;	  /* the host states its own error */
	bool is_of_utc;	  /* and it is known to hold for UTC */
	int64_t utc_ns;	  /* the host clock, UTC */
	int64_t raw_ns;	  /* CLOCK_MONOTONIC_RAW at the same instant */
	uint64_t counter; /* and the counter */
};

/* What is known besides. */
struct situation {
	/* There was a disruption, and the clock has not been right since. */
	bool disrupted;
	/* The host's marker or the kernel says that it was a restore or a
	 * clone. */
	bool restored;
	/* Somebody kept this clock synchronised before the disruption. */
	bool synchronized;
	/* A leap second is less than a day away. */
	bool leap_is_near;
	/* By how much our own last step moved the clock, and it has not been
	 * right since; else 0. */
	int64_t stepped_ns;
};

enum keep_verdict {
	KEEP_IS_RIGHT,
	KEEP_WAIT, /* measure again: this may pass */
	KEEP_DO_STEP,
	KEEP_DO_SLEW,
	KEEP_LEAVE, /* off, and left alone */
};

enum keep_why {
	KEEP_WHY_NONE,
	KEEP_WHY_NO_ANSWER,
	KEEP_WHY_NOT_VALID,
	KEEP_WHY_OWN_KERNEL,
	KEEP_WHY_UNVOUCHED,
	KEEP_WHY_NO_UTC,
	KEEP_WHY_NO_TAI_OFFSET,
	KEEP_WHY_TOO_WIDE,
	KEEP_WHY_ASSUMED,
	KEEP_WHY_LEAP,
	KEEP_WHY_BACKWARDS,
	KEEP_WHY_EARLIEST,
	KEEP_WHY_MAX_STEP,
	KEEP_WHY_POLICY,
	KEEP_WHY_SYNCHRONIZED,
	/* The keeper's own, see keeper.h. */
	KEEP_WHY_SET_BY_OTHERS,
	KEEP_WHY_LOCKED,
	KEEP_WHY_FAILED,
	KEEP_WHY_DRY_RUN,
	KEEP_WHYS,
};

/* The sum of two bounds; UINT64_MAX if it is larger. */
static inline uint64_t add_bounds(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

struct judgement {
	enum keep_verdict verdict;
	enum keep_why why;
};

struct judgement judge(const struct keep_rules *rules,
		       const struct situation *situation,
		       const struct measurement *m);

/* Is it the source that will never do? */
bool keep_is_unfit(enum keep_why why);

/* For scripts: "max-step". For people: a sentence that ends with what to do. */
const char *keep_why_name(enum keep_why why);
const char *keep_why_text(enum keep_why why);

#endif
