// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "duration.h"
#include "feed_sample.h"

#define NSEC_PER_USEC 1000

/* CLOCK_REALTIME may be slewed by a tenth (chrony's maxslewrate is 83333 ppm). */
#define SLEWED(ns) ((ns) / 8)

/* A step by less is no worse than the reading. */
#define STEP_NS 1000

/* --- the burst ------------------------------------------------------------ */

uint64_t feed_bound(const struct measurement *m, int64_t assume_error_ns)
{
	return m->has_bound
		       ? m->bound_ns
		       : add_bounds(m->bound_ns, (uint64_t)assume_error_ns);
}

static int compare(const void *a, const void *b)
{
	const struct measurement *first = a, *second = b;

	return (first->offset_ns > second->offset_ns) -
	       (first->offset_ns < second->offset_ns);
}

static bool is_one_burst(const struct measurement *m, unsigned int n)
{
	for (unsigned int i = 1; i < n; i++) {
		if (m[i].sample.epoch != m[0].sample.epoch ||
		    m[i].sample.timescale != m[0].sample.timescale)
			return false;
	}
	return true;
}

/* How sure the pair of the two clocks is, whatever the host's own error. */
static uint64_t precision_of(const struct measurement *m)
{
	return m->has_bound ? m->bound_ns - m->sample.clock_error_ns
			    : m->bound_ns;
}

/* Two readings differ by no more than both are sure to and somebody slews. */
static bool may_follow(const struct measurement *a, const struct measurement *b)
{
	uint64_t apart = (uint64_t)b->offset_ns - (uint64_t)a->offset_ns;
	uint64_t sure = add_bounds(precision_of(a), precision_of(b));
	uint64_t passed = (uint64_t)b->raw_ns - (uint64_t)a->raw_ns;

	if (b->offset_ns < a->offset_ns)
		apart = -apart;
	sure = add_bounds(sure, SLEWED(passed) + STEP_NS);
	return b->raw_ns >= a->raw_ns && apart <= sure;
}

/* In the order of time. A host that jumps in the middle of a burst would have
 * its old time as the median. */
static bool is_one_line(const struct measurement *m, unsigned int n)
{
	for (unsigned int i = 1; i < n; i++) {
		if (!may_follow(&m[i - 1], &m[i]))
			return false;
	}
	return true;
}

int feed_sample_make(struct measurement *m, unsigned int n,
		     int64_t assume_error_ns, struct feed_sample *ret_sample)
{
	const struct measurement *median = &m[n / 2];
	struct feed_sample sample = { .n = n };

	if (!is_one_burst(m, n) || !is_one_line(m, n))
		return -ESTALE;
	qsort(m, n, sizeof(*m), compare);
	if (__builtin_sub_overflow(median->utc_ns, median->offset_ns,
				   &sample.real_ns) ||
	    sample.real_ns < 0)
		return -ERANGE;
	sample.offset_ns = median->offset_ns;
	sample.raw_ns = median->raw_ns;
	/* Two's complement: right also if the difference is beyond INT64_MAX. */
	sample.spread_ns =
		(uint64_t)m[n - 1].offset_ns - (uint64_t)m[0].offset_ns;
	sample.bound_ns = feed_bound(median, assume_error_ns);
	sample.precision_ns = precision_of(median);
	sample.epoch = median->sample.epoch;
	sample.leap = median->sample.leap;
	sample.timescale = median->sample.timescale;
	sample.has_bound = median->has_bound;
	*ret_sample = sample;
	return 0;
}

bool feed_is_current(const struct feed_sample *sample,
		     const struct feed_now *now)
{
	int64_t raw_ns, real_ns, least_ns, most_ns;

	/* Between measuring and now this much has passed, by the clock that
	 * nobody sets; and by the other. */
	if (__builtin_sub_overflow(now->before_raw_ns, sample->raw_ns,
				   &least_ns) ||
	    __builtin_sub_overflow(now->after_raw_ns, sample->raw_ns,
				   &raw_ns) ||
	    __builtin_sub_overflow(now->real_ns, sample->real_ns, &real_ns))
		return false;
	if (least_ns < 0 || raw_ns < least_ns || raw_ns > INT64_MAX / 2)
		return false;
	least_ns -= SLEWED(least_ns) + STEP_NS;
	most_ns = raw_ns + SLEWED(raw_ns) + STEP_NS;
	return real_ns >= 0 && real_ns >= least_ns && real_ns <= most_ns;
}

/* --- as it is told -------------------------------------------------------- */

struct feed_tv feed_tv(int64_t ns)
{
	int64_t sec = ns / NSEC_PER_SEC, rest = ns % NSEC_PER_SEC;

	if (rest < 0) {
		rest += NSEC_PER_SEC;
		sec--;
	}
	return (struct feed_tv){ sec, (int32_t)(rest / NSEC_PER_USEC) };
}

int feed_leap(uint8_t leap)
{
	if (leap == PARACLOCK_LEAP_PRE_POS)
		return 1;
	return leap == PARACLOCK_LEAP_PRE_NEG ? 2 : 0;
}

int feed_log2_precision(const struct feed_sample *sample)
{
	uint64_t ns = sample->precision_ns > sample->spread_ns
			      ? sample->precision_ns
			      : sample->spread_ns;
	int log2 = 0;

	while (log2 > -30 && ns <= (uint64_t)NSEC_PER_SEC >> (1 - log2))
		log2--;
	return log2;
}
