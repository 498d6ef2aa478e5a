// SPDX-License-Identifier: MIT
#include <errno.h>

#include "duration.h"
#include "feed_burst.h"
#include "leap_near.h"
#include "steer.h"

/* A counter that nobody corrects wanders by 50 ppm. */
#define DRIFT_PARTS 20000

/* --- leap seconds --------------------------------------------------------- */

/* TAI - UTC is asked for with each measurement of a source that lacks it. */
int feed_leap_table(void *arg, struct paraclock_leap_table *ret_table)
{
	struct feed *feed = arg;

	return leap_list_get(&feed->leaps, ret_table);
}

int feed_tai_offset(void *arg, int16_t *ret_sec)
{
	struct feed *feed = arg;

	return feed_kernel_tai(&feed->kernel, feed->observer.keeper.disruptions,
			       feed_kernel_read_tai(), ret_sec);
}

/* --- the burst ------------------------------------------------------------ */

static bool is_fit(const struct keeper *keeper, const struct measurement *m,
		   enum keep_why *ret_why)
{
	const struct situation none = { 0 };
	struct judgement judgement = judge(keeper->rules, &none, m);

	*ret_why = judgement.why;
	return judgement.verdict == KEEP_IS_RIGHT;
}

/* What a host that may smear says is off by up to a second within a day of a leap
 * second. */
static bool may_be_smeared(struct feed *feed, const struct measurement *m)
{
	bool is_announced =
		feed_kernel_leap(&feed->kernel,
				 feed->observer.keeper.disruptions,
				 steer_kernel(NULL) & KEEP_KERNEL_LEAP);

	return m->sample.timescale == PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED &&
	       (is_announced || leap_is_near(m, feed_leap_table, feed));
}

/* 0: measurements that are fit. In an inserted second two instants have the same
 * UTC. */
static int measure_burst(struct feed *feed, struct measurement *m,
			 enum feed_why *ret_why)
{
	struct keeper *keeper = &feed->observer.keeper;

	for (unsigned int i = 0; i < FEED_BURST; i++) {
		keeper_measure(keeper, &m[i]);
		*ret_why = FEED_WHY_SOURCE;
		if (!is_fit(keeper, &m[i], &feed->keep_why))
			return m[i].error ? m[i].error : -EAGAIN;
		*ret_why = FEED_WHY_LEAP;
		if (m[i].sample.leap == PARACLOCK_LEAP_POS)
			return -EAGAIN;
	}
	if (may_be_smeared(feed, &m[FEED_BURST - 1]))
		return -EAGAIN;
	*ret_why = FEED_WHY_DISRUPTED;
	/* What was only measured has not looked for a jump. */
	return keeper->disruptions == feed->disruptions ? 0 : -ESTALE;
}

/* What is assumed of a source without a bound. Nobody corrects the counter that
 * --start-utc's source runs on. */
static int64_t assumed_error(struct feed *feed, const struct measurement *m)
{
	const struct keep_rules *rules = &feed->options->rules;
	uint64_t passed, error;

	if (!rules->has_start)
		return rules->assume_error_ns;
	if (!feed->has_started) {
		feed->has_started = true;
		feed->started_raw_ns = m->raw_ns;
	}
	passed = duration_of(m->raw_ns - feed->started_raw_ns);
	error = add_bounds((uint64_t)rules->assume_error_ns,
			   passed / DRIFT_PARTS);
	return error > INT64_MAX ? INT64_MAX : (int64_t)error;
}

int feed_take(struct feed *feed, struct feed_sample *ret_sample,
	      enum feed_why *ret_why)
{
	struct measurement m[FEED_BURST];
	int ret = measure_burst(feed, m, ret_why);

	if (ret)
		return ret;
	ret = feed_sample_make(m, FEED_BURST, assumed_error(feed, &m[0]),
			       ret_sample);
	*ret_why = ret == -ESTALE ? FEED_WHY_DISRUPTED : FEED_WHY_RANGE;
	if (ret)
		return ret;
	ret_sample->backend = paraclock_backend_name(feed->observer.keeper.clk);
	*ret_why = FEED_WHY_NONE;
	return 0;
}
