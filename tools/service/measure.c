// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "measure.h"

/* --- the host's UTC ------------------------------------------------------- */

/* TAI without an offset, or UTC that may be smeared: ask whoever may know. */
static int by_help(const struct paraclock_crosststamp *xt,
		   const struct utc_help *help, struct paraclock_offset *off)
{
	struct paraclock_leap_table table;
	int ret = help->leap_table ? help->leap_table(help->ctx, &table)
				   : -ENOENT;
	int error;

	if (!ret)
		off->leap_table = &table;
	if (help->tai_offset &&
	    help->tai_offset(help->ctx, &off->assume_tai_offset_sec))
		off->assume_tai_offset_sec = 0;
	error = paraclock_offset_of(xt, off);
	/* It is this function's own. */
	off->leap_table = NULL;
	return error == -EOPNOTSUPP && ret ? ret : error;
}

/* Only a start turns it into UTC; how much has passed is known without. */
static int since_start(const struct paraclock_crosststamp *xt,
		       struct paraclock_offset *off)
{
	off->sample = xt->sample;
	off->utc_ns = xt->sample.host_ns;
	off->bound_ns = PARACLOCK_ERROR_UNKNOWN;
	off->valid = 1;
	return __builtin_sub_overflow(off->utc_ns,
				      xt->ns[PARACLOCK_CLOCK_REALTIME],
				      &off->offset_ns)
		       ? -ERANGE
		       : 0;
}

static void set_utc(const struct paraclock_crosststamp *xt,
		    const struct utc_help *help, struct measurement *m)
{
	struct paraclock_offset off = {
		.size = sizeof(off),
		.start_utc_ns = help->has_start ? help->start_utc_ns : 0,
	};
	bool is_mono = xt->sample.timescale == PARACLOCK_TIMESCALE_MONOTONIC;
	int ret = paraclock_offset_of(xt, &off);

	if (ret == -EOPNOTSUPP)
		ret = xt->sample.timescale == PARACLOCK_TIMESCALE_TAI
			      ? by_help(xt, help, &off)
			      : since_start(xt, &off);
	else if (help->bounds_utc && off.flags & PARACLOCK_OFFSET_MAYBE_SMEARED)
		ret = by_help(xt, help, &off);
	/* A leap second is too close: the number may mean two instants. */
	if (!ret && !off.valid)
		ret = -EAGAIN;
	m->utc_error = ret;
	if (ret)
		return;
	m->is_of_utc = off.bound_ns != PARACLOCK_ERROR_UNKNOWN;
	m->sample = off.sample;
	m->utc_ns = off.utc_ns;
	m->offset_ns = off.offset_ns;
	if (!is_mono || !help->has_start)
		return;
	/* What the host states is of its own clock, and not of the start; nor
	 * does it say how it counts a leap second. */
	m->has_bound = false;
	m->sample.host_ns = m->utc_ns;
	m->sample.timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
	m->sample.leap = PARACLOCK_LEAP_UNKNOWN;
}

static int cross(const struct paraclock *clk, struct paraclock_crosststamp *xt)
{
	const unsigned int needed = 1U << PARACLOCK_CLOCK_REALTIME |
				    1U << PARACLOCK_CLOCK_MONOTONIC_RAW;
	int ret = paraclock_crosststamp(clk, NULL, xt);

	if (ret == -ENODEV || ret == -EOPNOTSUPP)
		ret = paraclock_bracket(clk, xt);
	if (ret || !xt->sample.valid)
		return ret;
	return xt->realtime_valid && (xt->known & needed) == needed ? 0
								    : -ESTALE;
}

static void set_bound(const struct paraclock_crosststamp *xt,
		      struct measurement *m)
{
	m->has_bound = m->sample.clock_error_ns != PARACLOCK_ERROR_UNKNOWN;
	m->bound_ns = add_bounds(xt->uncertainty_ns, m->sample.pair_error_ns);
	if (m->has_bound)
		m->bound_ns = add_bounds(m->bound_ns, m->sample.clock_error_ns);
}

void measure(const struct paraclock *clk, const struct utc_help *help,
	     struct measurement *ret_measurement)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	struct measurement m = { .error = cross(clk, &xt) };

	/* If nothing was read, nothing is known to have happened since. */
	if (m.error)
		m.sample.epoch = paraclock_epoch(clk);
	else
		m.sample = xt.sample;
	if (!m.error && m.sample.valid) {
		m.counter = xt.counter;
		m.raw_ns = xt.ns[PARACLOCK_CLOCK_MONOTONIC_RAW];
		set_bound(&xt, &m);
		set_utc(&xt, help, &m);
	}
	*ret_measurement = m;
}
