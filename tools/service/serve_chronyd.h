/* SPDX-License-Identifier: MIT */
/* What chronyd says of this kernel's clock, and what follows from it. Pure. */
#ifndef SERVE_CHRONYD_H
#define SERVE_CHRONYD_H

#include <stdbool.h>
#include <stddef.h>

#include "serve_rate.h"

/* A line of "chronyc -c tracking". */
struct serve_tracking {
	int64_t reference_ns;  /* UTC of its last update */
	int64_t correction_ns; /* what CLOCK_REALTIME still lacks */
	int64_t frequency_ppb; /* the uncorrected clock is fast by this */
	int64_t residual_ppb;
	uint64_t skew_ppb;
	uint64_t delay_ns, dispersion_ns; /* to the root */
	bool is_synchronised;
	bool has_leap; /* a second is to be inserted or deleted */
};

/* 0, or -EPROTO and in @p why what is wrong with which field. */
int serve_tracking_parse(const char *line, struct serve_tracking *ret_tracking,
			 char *why, size_t size);

/* What was read while chronyd was asked, all of it by CLOCK_REALTIME. */
struct serve_asked {
	struct serve_tracking tracking;
	uint64_t counter;      /* after the answer */
	int64_t real_ns;       /* then */
	int64_t real_took_ns;  /* since before the question */
	int64_t raw_took_ns;   /* the same by CLOCK_MONOTONIC_RAW */
	uint64_t error_ns;     /* of the readings, together */
	struct serve_rate raw; /* the counter's, by CLOCK_MONOTONIC_RAW */
	uint64_t drift_ppb;    /* --drift-ppm */
	uint64_t slew_ppb;     /* --max-slew-ppm */
};

/*
 * UTC at the counter value: claim.tai_ns still lacks the TAI offset. 0; -ESTALE:
 * CLOCK_REALTIME did not run as chronyd's would, so somebody else has set it;
 * -ERANGE: no use.
 */
int serve_claim_by_chronyd(const struct serve_asked *asked,
			   struct serve_claim *ret_claim);

/* How long ago chronyd has updated its clock. Negative: after now. */
int64_t serve_tracking_age_ns(const struct serve_asked *asked);

/*
 * Was the update after an event that was @p since_ns ago? Both are spans, so
 * that it does not matter how often the clock was set meanwhile.
 */
bool serve_tracking_is_after(const struct serve_asked *asked, int64_t since_ns);

#endif
