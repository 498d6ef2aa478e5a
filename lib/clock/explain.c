// SPDX-License-Identifier: MIT
/* A sentence for each error and reason: what it means, and what to do. */

#include <errno.h>

#include "base/fixed.h"
#include "base/text.h"
#include "clock.h"
#include "timescale/leap_table.h"

static const struct {
	int error;
	const char *text;
} errors[] = {
	{ -EACCES, "the source is here, but this process may not use it" },
	{ -EAGAIN, "the page stayed in the middle of an update or kept "
		   "changing, or a rate is still being measured; try again" },
	{ -EINVAL, "a bad argument, or a counter value later than now, or "
		   "before the window and the history" },
	{ -ENODEV, "the source is not here, or has gone; or its counter "
		   "cannot be correlated with the system clocks, because "
		   "the clocksource is not an image of it" },
	{ -ENOMEM, "no memory or no file descriptor is left" },
	{ -EOPNOTSUPP, "this source cannot answer that" },
	{ -EPROTO, "what the host wrote is malformed; report it as a bug "
		   "of the host" },
	{ -ERANGE, "the host's time does not fit into 64 bits of ns; "
		   "report it as a bug of the host" },
	{ -ESTALE, "a disruption or a clock set came in between; measure "
		   "again" },
	{ -ETIMEDOUT, "the device did not answer; try again later" },
};

static const char *explain_error(int error)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (errors[i].error == error)
			return errors[i].text;
	}
	return "an error that the manual page of the function explains";
}

static const char *const reasons[] = {
	[PARACLOCK_REASON_OK] = "fit for correlation",
	[PARACLOCK_REASON_HOST_CLOCK] =
		"the host gave a time without a counter value",
	[PARACLOCK_REASON_UNSTABLE] =
		"the counters of the CPUs are not known to agree; use "
		"another source",
	[PARACLOCK_REASON_SEQUENCE] = "the host has switched its page off",
	[PARACLOCK_REASON_STATUS] = "the host does not vouch for its time",
	[PARACLOCK_REASON_COUNTER] =
		"the page counts with another machine's counter",
	[PARACLOCK_REASON_WINDOW] =
		"the counter is outside of the page's window: before "
		"its reference point, before the last disruption, or "
		"past what the page's age allows",
	[PARACLOCK_REASON_WIDE] =
		"the pair is wider than allowed (max_pair_error_ns); "
		"read again, or allow more",
	[PARACLOCK_REASON_DISRUPTED] =
		"a disruption is being handled; read again in a moment",
	[PARACLOCK_REASON_IMPLAUSIBLE] = "a second clock contradicts this one",
};

static const char *explain_reason(unsigned int reason)
{
	return reason < sizeof(reasons) / sizeof(reasons[0])
		       ? reasons[reason]
		       : "a reason that this library does not know";
}

/* UTC at a valid sample; false: it says none. */
static bool utc_of(const struct paraclock_sample *sample, int64_t *ret_ns)
{
	int64_t offset_ns = 0;

	if (sample->timescale == PARACLOCK_TIMESCALE_TAI) {
		if (!(sample->flags & PARACLOCK_FLAG_TAI_OFFSET) ||
		    !pclk_leap_offset_is_plausible(sample->tai_offset_sec))
			return false;
		offset_ns = sample->tai_offset_sec * (int64_t)NSEC_PER_SEC;
	} else if (sample->timescale != PARACLOCK_TIMESCALE_UTC &&
		   sample->timescale != PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED) {
		return false;
	}
	return !__builtin_sub_overflow(sample->host_ns, offset_ns, ret_ns);
}

/* paraclock_offset() refuses samples that read() does not. */
static const char *explain_valid(const struct paraclock_sample *sample)
{
	int64_t utc_ns;

	return sample->valid && utc_of(sample, &utc_ns) &&
			       pclk_leap_is_near(sample->leap, utc_ns,
						 sample->pair_error_ns)
		       ? "fit for correlation, but a leap second is so close "
			 "that UTC is ambiguous; measure again in two seconds"
		       : explain_reason(sample->reason);
}

/* A sample whose UTC is known, but of which paraclock_interval() says no UTC or
 * paraclock_interval_tai() no TAI. */
static const char *explain_interval(const struct paraclock_sample *sample,
				    int64_t utc_ns)
{
	if (sample->timescale == PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED)
		return "the host may be smearing a leap second, so nothing "
		       "bounds UTC; open a source on UTC or TAI "
		       "(options.timescales, --timescale)";
	if (sample->clock_error_ns == PARACLOCK_ERROR_UNKNOWN ||
	    sample->pair_error_ns == PARACLOCK_ERROR_UNKNOWN)
		return "the sample has no bound, because the host states none; "
		       "'paraclock serve' makes a time with a bound of one "
		       "without";
	if (pclk_leap_is_near(sample->leap, utc_ns,
			      add_bounds(sample->clock_error_ns,
					 sample->pair_error_ns)))
		return "a leap second is too close: UTC repeats or leaves out "
		       "a second; ask for TAI, or read again when it is over";
	return "the sample has no plausible TAI offset; take it from a "
	       "leap-seconds list (paraclock_leap_list_parse())";
}

/* -EOPNOTSUPP: there is no way from the sample's scale to UTC, or no bound of
 * it. Without the sample that was refused it is one of the clock's. */
static void explain_scale(const struct paraclock *clk,
			  const struct paraclock_sample *sample, char *buf,
			  size_t size)
{
	static const char no_date[] =
		": it does not say what time of day it is, nor how far "
		"CLOCK_REALTIME is off; open a source on UTC or TAI "
		"(options.timescales, --timescale)";
	const char *name = clk ? clk->be->name : "the sample";
	/* What a call that failed left unwritten may be anything. */
	const bool is_given = sample && sample->valid == 1 && !sample->reason;
	struct paraclock_sample own = { 0 };
	int ret = clk ? paraclock_read(clk, &own) : -EAGAIN;
	int64_t utc_ns;

	/* It is the read that cannot answer, or nothing is known of the scale. */
	if (ret == -EOPNOTSUPP || (!is_given && (ret || !own.valid)))
		return;
	if (!is_given)
		sample = &own;
	if (utc_of(sample, &utc_ns))
		TEXT(buf, size,
		     is_given ? explain_interval(sample, utc_ns) : "");
	else if (sample->timescale == PARACLOCK_TIMESCALE_TAI)
		TEXT(buf, size, name,
		     " gives TAI without a plausible offset from UTC; take it "
		     "from a leap-seconds list (paraclock_leap_list_parse())");
	else
		TEXT(buf, size, name, " is on the timescale ",
		     paraclock_timescale_name(sample->timescale), no_date);
}

/* The error of a source that only events look at is not one of the reads'. */
static void explain_lost_memory(const struct paraclock *clk, int error,
				char *buf, size_t size)
{
	for (unsigned int i = 0; i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];

		if (source->be->explain && look_error(source) == error)
			source->be->explain(source->state, error, NULL, buf,
					    size);
	}
}

int paraclock_explain(const struct paraclock *clk, int error,
		      const struct paraclock_sample *sample, char *buf,
		      size_t size)
{
	if (!buf || !size)
		return -EINVAL;
	TEXT(buf, size, "");
	if (clk && error)
		explain_lost_memory(clk, error, buf, size);
	if (error == -EOPNOTSUPP && !buf[0])
		explain_scale(clk, sample, buf, size);
	if (clk && !buf[0] && clk->be->explain)
		clk->be->explain(clk->state, error, sample, buf, size);
	/* An error may also come from a source of markers. */
	for (unsigned int i = 0; clk && error && i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];

		if (!buf[0] && source->be->explain)
			source->be->explain(source->state, error, sample, buf,
					    size);
	}
	if (buf[0])
		return 0;
	if (error)
		TEXT(buf, size, explain_error(error));
	else
		TEXT(buf, size,
		     sample ? explain_valid(sample)
			    : explain_reason(PARACLOCK_REASON_OK));
	return 0;
}
