// SPDX-License-Identifier: MIT
/* What a host clock says, as a claim. */

#include <err.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "leap_near.h"
#include "serve_service.h"

/* Readings of one conversion, as far apart as it reaches back: each is a whole
 * ns, so that half a second knows its rate to 4 ppb. Ticks. */
#define SPAN_FIRST ((uint64_t)1 << 31)
#define SPAN_LAST  ((uint64_t)1 << 18)

#define DAY_NS (NSEC_PER_SEC * 60 * 60 * 24)

/* By so much two readings of one line may differ. */
#define ROUNDED_NS 4

static const char *name_of(const struct serve *serve)
{
	return paraclock_backend_name(serve->observer.keeper.clk);
}

/* --- the rate ------------------------------------------------------------- */

static bool is_one_line(const struct paraclock_sample *a,
			const struct paraclock_sample *b)
{
	return a->valid && b->valid && a->epoch == b->epoch &&
	       a->timescale == b->timescale && a->leap == b->leap &&
	       a->tai_offset_sec == b->tai_offset_sec;
}

/* From both ends of a span, by one conversion: the first end says the same
 * before and after the second. */
static int read_span(const struct paraclock *clk, uint64_t from, uint64_t to,
		     struct paraclock_sample ends[2])
{
	struct paraclock_sample again;
	int ret = paraclock_read_at(clk, from, &ends[0]);

	if (!ret)
		ret = paraclock_read_at(clk, to, &ends[1]);
	if (!ret)
		ret = paraclock_read_at(clk, from, &again);
	if (ret)
		return ret;
	return is_one_line(&ends[0], &ends[1]) &&
			       is_one_line(&ends[0], &again) &&
			       again.host_ns == ends[0].host_ns
		       ? 0
		       : -ERANGE;
}

/* How fast the source's own bound grows, ppb of the time that passes. */
static uint64_t growth_of(const struct paraclock_sample ends[2])
{
	uint64_t from = ends[0].clock_error_ns, to = ends[1].clock_error_ns;
	uint64_t ns = (uint64_t)ends[1].host_ns - (uint64_t)ends[0].host_ns;

	if (to == PARACLOCK_ERROR_UNKNOWN || to <= from)
		return 0;
	/* Both are rounded up. */
	if (to - from > UINT64_MAX / NSEC_PER_SEC - 1)
		return UINT64_MAX;
	return (to - from + 1) * NSEC_PER_SEC / ns + 1;
}

static int rate_by_conversion(const struct paraclock *clk, uint64_t counter,
			      struct serve_rate *ret_rate, uint64_t *ret_growth)
{
	struct paraclock_sample ends[2];
	struct serve_reading from, to;
	uint64_t span = SPAN_FIRST;
	int ret = -ERANGE;

	for (; span >= SPAN_LAST && ret; span /= 4) {
		if (counter < span)
			continue;
		ret = read_span(clk, counter - span, counter, ends);
		if (ret == -EOPNOTSUPP)
			return ret;
	}
	if (ret)
		return ret;
	/* Each is rounded down to a ns. */
	from = (struct serve_reading){ .counter = ends[0].host_tsc,
				       .ns = ends[0].host_ns };
	to = (struct serve_reading){ .counter = ends[1].host_tsc,
				     .ns = ends[1].host_ns,
				     .error_ns = 1 };
	ret = serve_rate_between(&from, &to, ret_rate);
	if (!ret)
		*ret_growth = growth_of(ends);
	return ret;
}

/* --- the time ------------------------------------------------------------- */

static int tai_by_list(struct serve *serve, struct paraclock_sample *sample,
		       int64_t *ret_tai_ns)
{
	struct paraclock_leap_table table;
	struct paraclock_utc utc;
	int64_t tai_ns;
	int ret = serve_leap_table(serve, &table);

	if (!ret)
		ret = paraclock_sample_to_tai(sample, &table, &tai_ns);
	if (!ret)
		ret = paraclock_tai_to_utc(&table, tai_ns, &utc);
	if (ret)
		return ret;
	sample->tai_offset_sec = utc.tai_offset_sec;
	sample->flags |= PARACLOCK_FLAG_TAI_OFFSET;
	*ret_tai_ns = tai_ns;
	return 0;
}

static bool is_last_of_month(int64_t utc_ns)
{
	time_t tomorrow = (time_t)((utc_ns + DAY_NS) / NSEC_PER_SEC);
	struct tm tm;

	return !gmtime_r(&tomorrow, &tm) || tm.tm_mday == 1;
}

/*
 * Does the month end with a leap second? The page cannot say that it is not
 * known, and "no" is believed: UTC would be a second wrong from then on. A host
 * that smears one is off for half a day after it as well.
 */
static int set_leap(struct serve *serve, struct paraclock_sample *sample,
		    bool is_smeared, int64_t tai_ns)
{
	int64_t utc_ns = tai_ns - sample->tai_offset_sec * NSEC_PER_SEC;
	struct paraclock_leap_table table;
	struct paraclock_utc utc = { .leap = PARACLOCK_LEAP_UNKNOWN };

	if (!serve_leap_table(serve, &table))
		(void)paraclock_tai_to_utc(&table, tai_ns, &utc);
	sample->leap = utc.leap;
	if (utc.leap != PARACLOCK_LEAP_UNKNOWN)
		return 0;
	sample->leap = PARACLOCK_LEAP_NONE;
	return is_last_of_month(utc_ns) ||
			       (is_smeared && is_last_of_month(utc_ns - DAY_NS))
		       ? -EDOM
		       : 0;
}

static int find_tai(struct serve *serve, struct paraclock_sample *sample,
		    int64_t *ret_tai_ns)
{
	int ret;

	if (!(sample->flags & PARACLOCK_FLAG_TAI_OFFSET)) {
		ret = tai_by_list(serve, sample, ret_tai_ns);
		if (!ret)
			return 0;
		if (serve_kernel_tai(serve, &sample->tai_offset_sec))
			return ret;
		sample->flags |= PARACLOCK_FLAG_TAI_OFFSET;
	}
	return paraclock_sample_to_tai(sample, NULL, ret_tai_ns);
}

static int to_tai(struct serve *serve, struct paraclock_sample *sample,
		  int64_t *ret_tai_ns)
{
	bool is_smeared =
		sample->timescale == PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
	bool is_told = !is_smeared && sample->leap != PARACLOCK_LEAP_UNKNOWN;
	int ret;

	/* No leap second is near, and the assumed error covers the rest. */
	if (is_smeared) {
		sample->timescale = PARACLOCK_TIMESCALE_UTC;
		sample->leap = PARACLOCK_LEAP_NONE;
	}
	ret = find_tai(serve, sample, ret_tai_ns);
	return ret || is_told
		       ? ret
		       : set_leap(serve, sample, is_smeared, *ret_tai_ns);
}

/* The host's own bound, or what the user vouches for. UINT64_MAX: neither. */
static uint64_t error_of(const struct serve *serve,
			 const struct paraclock_sample *sample)
{
	bool is_smeared =
		sample->timescale == PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
	int64_t assumed_ns = serve->options->assume_error_ns;
	uint64_t error_ns = sample->clock_error_ns;

	if (error_ns == PARACLOCK_ERROR_UNKNOWN || is_smeared) {
		if (assumed_ns < 0)
			return UINT64_MAX;
		if (error_ns == PARACLOCK_ERROR_UNKNOWN ||
		    error_ns < (uint64_t)assumed_ns)
			error_ns = (uint64_t)assumed_ns;
	}
	/* 1: host_ns is rounded down. */
	return add_bounds(add_bounds(error_ns, sample->pair_error_ns), 1);
}

/* A reading, as TAI with a bound; the rate is not set. */
static int make_claim(struct serve *serve, struct paraclock_sample *sample,
		      struct serve_claim *claim)
{
	const struct keeper *keeper = &serve->observer.keeper;

	if (!sample->valid || sample->epoch != keeper->last.sample.epoch)
		return -EAGAIN;
	claim->counter = sample->host_tsc;
	claim->bound_ns = error_of(serve, sample);
	if (claim->bound_ns == UINT64_MAX)
		return -EOPNOTSUPP;
	return to_tai(serve, sample, &claim->tai_ns);
}

/* --- looking -------------------------------------------------------------- */

static int set_rate(struct serve *serve, const struct paraclock_sample *sample,
		    struct serve_claim *claim)
{
	const struct paraclock *clk = serve->observer.keeper.clk;
	const struct serve_reading now = {
		.counter = claim->counter,
		.ns = claim->tai_ns,
		.error_ns = claim->bound_ns,
		.pair_ns = sample->pair_error_ns,
	};
	uint64_t growth = 0, drift = serve->options->drift_ppb;
	struct serve_rate rate;
	int ret = rate_by_conversion(clk, claim->counter, &rate, &growth);

	/* What was read before the host renewed its page says nothing of the
	 * rate since: a page that is too young is asked again. */
	if (ret == -EOPNOTSUPP)
		ret = serve_rate_add(&serve->readings, &now, drift, &rate);
	if (ret)
		return ret;
	claim->hz_frac = rate.hz_frac;
	claim->growth_ppb =
		add_bounds(growth < drift ? drift : growth, rate.error_ppb);
	return 0;
}

static void not_read(struct serve *serve, int error,
		     const struct paraclock_sample *sample)
{
	char text[sizeof(serve->text)] = "";

	(void)paraclock_explain(serve->observer.keeper.clk, error, sample, text,
				sizeof(text));
	serve_not_measured(serve, error ? "no-answer" : "not-valid", "%s",
			   text);
}

static void no_claim(struct serve *serve, int error,
		     const struct paraclock_sample *sample)
{
	if (!sample->valid)
		not_read(serve, 0, sample);
	else if (error == -EAGAIN)
		serve_not_measured(serve, "not-valid", "it has changed");
	else if (error == -EDOM)
		serve_not_measured(
			serve, "leap",
			"it is not known whether this month ends with a leap "
			"second: the host does not say, and no leap second "
			"list that has not expired was there: update tzdata");
	else
		serve_not_measured(
			serve, "no-tai-offset",
			"the host does not say TAI - UTC, and no leap second "
			"list that has not expired was there: update tzdata");
}

static bool may_be_smeared_now(struct serve *serve)
{
	const struct measurement *m = &serve->observer.keeper.last;

	return m->sample.timescale == PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED &&
	       leap_is_near(m, serve_leap_table, serve);
}

static void measured(struct serve *serve, const struct paraclock_sample *sample,
		     struct serve_claim *claim)
{
	struct paraclock_timeline *tl = &serve->track.tl;
	int ret = set_rate(serve, sample, claim);

	/* The page goes on at the old rate. */
	if (ret == -ESTALE)
		serve_contradict(serve);
	if (ret) {
		serve_not_measured(serve, "rate",
				   "measuring the rate of the counter");
		return;
	}
	tl->tai_offset_sec = sample->tai_offset_sec;
	tl->flags |= PARACLOCK_TIMELINE_TAI_OFFSET;
	tl->leap = sample->leap <= PARACLOCK_LEAP_POST_NEG
			   ? sample->leap
			   : PARACLOCK_LEAP_NONE;
	serve_measured(serve, claim, 0);
}

void serve_host_look(struct serve *serve)
{
	const struct keeper *keeper = &serve->observer.keeper;
	struct paraclock_sample sample;
	struct serve_claim claim = { 0 };
	int ret;

	if (!keeper->clk) {
		serve_not_measured(serve, "no-source", "%s",
				   serve->observer.detail);
		return;
	}
	if (keeper->state != KEEP_RIGHT) {
		serve_not_measured(serve, keep_why_name(keeper->why), "%s",
				   keep_why_text(keeper->why));
		return;
	}
	if (may_be_smeared_now(serve)) {
		serve_not_measured(serve, "leap",
				   "a leap second is near, and the host may "
				   "smear it");
		return;
	}
	ret = paraclock_read(keeper->clk, &sample);
	if (ret) {
		not_read(serve, ret, NULL);
		return;
	}
	ret = make_claim(serve, &sample, &claim);
	if (!ret)
		measured(serve, &sample, &claim);
	else if (ret == -EOPNOTSUPP && claim.bound_ns == UINT64_MAX)
		serve_not_measured(serve, "no-bound",
				   "%s states no bound: say --assume-error",
				   name_of(serve));
	else
		no_claim(serve, ret, &sample);
}

/* Has the source changed what it says? A conversion goes on exactly as it was
 * published, to what the published rate is known to. */
static bool has_changed(const struct serve *serve,
			const struct serve_claim *claim)
{
	const struct paraclock_timeline *tl = &serve->track.tl;
	int64_t tai_ns;
	uint64_t bound_ns;

	return !serve_interval_at(tl, claim->counter, &tai_ns, &bound_ns) &&
	       duration_of(claim->tai_ns - tai_ns) >
		       (bound_ns - tl->maxerror_ns) / 8 + ROUNDED_NS;
}

void serve_host_check(struct serve *serve)
{
	const struct paraclock *clk = serve->observer.keeper.clk;
	struct paraclock_sample sample;
	struct serve_claim claim;

	if (!clk || !serve_track_has_time(&serve->track) ||
	    paraclock_read(clk, &sample) || make_claim(serve, &sample, &claim))
		return;
	if (!serve_is_consistent(&serve->track.tl, &claim)) {
		/* The next look measures; it has jumped back if that
		 * agrees. */
		serve_contradict(serve);
	} else if (!sample.pair_error_ns && has_changed(serve, &claim)) {
		/* Its rate may be another one: nothing told of it. */
		serve_host_look(serve);
		serve_bound(serve);
	}
}

int serve_host_check_bound(struct serve *serve)
{
	const struct paraclock *clk = serve->observer.keeper.clk;
	struct paraclock_sample sample;

	if (!clk || paraclock_read(clk, &sample) || !sample.valid ||
	    error_of(serve, &sample) != UINT64_MAX)
		return STATUS_OK;
	warnx("%s: it does not say how far it may be from UTC; say it by "
	      "--assume-error SECONDS",
	      name_of(serve));
	return STATUS_FAILED;
}
