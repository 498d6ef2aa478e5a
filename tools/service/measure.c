// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <time.h>

#include <paraclock/backend.h>

#include "duration.h"
#include "measure.h"

/* Readings of which the narrowest counts. */
#define BRACKETS 5

/* --- the host's UTC ------------------------------------------------------- */

static int by_list(const struct utc_help *help, struct measurement *m)
{
	struct paraclock_leap_table table;
	struct paraclock_utc utc;
	int ret = help->leap_table ? help->leap_table(help->ctx, &table)
				   : -ENOENT;

	if (!ret)
		ret = paraclock_tai_to_utc(&table, m->sample.host_ns, &utc);
	if (ret)
		return ret;
	m->utc_ns = utc.ns;
	m->sample.leap = utc.leap;
	m->sample.tai_offset_sec = utc.tai_offset_sec;
	m->sample.flags |= PARACLOCK_FLAG_TAI_OFFSET;
	return 0;
}

static int by_offset(struct measurement *m, int16_t sec)
{
	m->sample.tai_offset_sec = sec;
	m->sample.flags |= PARACLOCK_FLAG_TAI_OFFSET;
	return __builtin_sub_overflow(m->sample.host_ns,
				      (int64_t)sec * NSEC_PER_SEC, &m->utc_ns)
		       ? -ERANGE
		       : 0;
}

static int from_tai(const struct utc_help *help, struct measurement *m)
{
	int16_t sec = m->sample.tai_offset_sec;
	int ret;

	if (m->sample.flags & PARACLOCK_FLAG_TAI_OFFSET)
		return by_offset(m, sec);
	ret = by_list(help, m);
	if (!ret || !help->tai_offset || help->tai_offset(help->ctx, &sec))
		return ret;
	return by_offset(m, sec);
}

static int from_start(const struct utc_help *help, struct measurement *m)
{
	struct paraclock_sample *sample = &m->sample;

	if (__builtin_add_overflow(sample->host_ns, help->start_utc_ns,
				   &m->utc_ns))
		return -ERANGE;
	sample->host_ns = m->utc_ns;
	/* What the host states is of its own clock, and not of the start. */
	m->has_bound = false;
	/* Nobody says how the host counts a leap second. */
	sample->timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
	sample->leap = PARACLOCK_LEAP_UNKNOWN;
	return 0;
}

static int set_utc(const struct utc_help *help, struct measurement *m)
{
	switch (m->sample.timescale) {
	case PARACLOCK_TIMESCALE_TAI:
		return from_tai(help, m);
	case PARACLOCK_TIMESCALE_MONOTONIC:
		if (help->has_start)
			return from_start(help, m);
		break;
	default:
		break;
	}
	m->utc_ns = m->sample.host_ns;
	return 0;
}

/* --- by a cross timestamp ------------------------------------------------- */

static int by_crosststamp(const struct paraclock *clk, struct measurement *m,
			  int64_t *ret_real_ns)
{
	const unsigned int needed = 1U << PARACLOCK_CLOCK_REALTIME |
				    1U << PARACLOCK_CLOCK_MONOTONIC_RAW;
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	int ret = paraclock_crosststamp(clk, NULL, &xt);

	if (ret)
		return ret;
	m->sample = xt.sample;
	if (!xt.sample.valid)
		return 0;
	if (!xt.realtime_valid || (xt.known & needed) != needed)
		return -ESTALE;
	m->counter = xt.counter;
	m->raw_ns = xt.ns[PARACLOCK_CLOCK_MONOTONIC_RAW];
	m->bound_ns = xt.uncertainty_ns;
	*ret_real_ns = xt.ns[PARACLOCK_CLOCK_REALTIME];
	return 0;
}

/* --- by a bracket --------------------------------------------------------- */

struct bracket {
	struct paraclock_sample before, after;
	int64_t real_ns, raw_ns;
	uint64_t width_ns;
};

static int read_bracket(const struct paraclock *clk,
			const struct paraclock_env *env, struct bracket *b)
{
	int ret = paraclock_read(clk, &b->before);

	if (!ret)
		ret = env->read_clock(env->ctx, CLOCK_REALTIME, &b->real_ns);
	if (!ret)
		ret = env->read_clock(env->ctx, CLOCK_MONOTONIC_RAW,
				      &b->raw_ns);
	if (!ret)
		ret = paraclock_read(clk, &b->after);
	if (ret || !b->before.valid)
		return ret;
	if (!b->after.valid || b->before.epoch != b->after.epoch ||
	    b->before.timescale != b->after.timescale ||
	    b->before.leap != b->after.leap ||
	    b->before.tai_offset_sec != b->after.tai_offset_sec ||
	    b->after.host_ns < b->before.host_ns)
		return -ESTALE;
	b->width_ns = (uint64_t)b->after.host_ns - (uint64_t)b->before.host_ns;
	/* Each end is as sure as it says. */
	if (b->after.pair_error_ns > b->before.pair_error_ns)
		b->before.pair_error_ns = b->after.pair_error_ns;
	if (b->after.clock_error_ns > b->before.clock_error_ns)
		b->before.clock_error_ns = b->after.clock_error_ns;
	return 0;
}

static int by_bracket(const struct paraclock *clk,
		      const struct paraclock_env *env, struct measurement *m,
		      int64_t *ret_real_ns)
{
	struct bracket best = { .width_ns = UINT64_MAX }, b;
	int ret = 0;

	if (!env->read_clock)
		return -EOPNOTSUPP;
	for (int i = 0; i < BRACKETS && !ret; i++) {
		ret = read_bracket(clk, env, &b);
		if (!ret && !b.before.valid) {
			m->sample = b.before;
			return 0;
		}
		/* What was read before a disruption is void. */
		if (!ret && (b.before.epoch != best.before.epoch ||
			     b.width_ns < best.width_ns))
			best = b;
	}
	if (best.width_ns == UINT64_MAX || ret == -ESTALE)
		return ret;
	m->sample = best.before;
	m->sample.host_ns += (int64_t)(best.width_ns / 2);
	m->counter = best.before.host_tsc;
	m->raw_ns = best.raw_ns;
	m->bound_ns = best.width_ns / 2 + 1;
	*ret_real_ns = best.real_ns;
	return 0;
}

void measure(const struct paraclock *clk, const struct paraclock_env *env,
	     const struct utc_help *help, struct measurement *ret_measurement)
{
	struct measurement m = { 0 };
	int64_t real_ns = 0;

	m.error = by_crosststamp(clk, &m, &real_ns);
	if (m.error == -ENODEV || m.error == -EOPNOTSUPP)
		m.error = by_bracket(clk, env, &m, &real_ns);
	if (!m.error && m.sample.valid) {
		m.has_bound =
			m.sample.clock_error_ns != PARACLOCK_ERROR_UNKNOWN;
		if (m.has_bound)
			m.bound_ns =
				add_bounds(m.bound_ns, m.sample.clock_error_ns);
		m.bound_ns = add_bounds(m.bound_ns, m.sample.pair_error_ns);
		m.utc_error = set_utc(help, &m);
		if (!m.utc_error &&
		    __builtin_sub_overflow(m.utc_ns, real_ns, &m.offset_ns))
			m.error = -ERANGE;
	}
	/* Nothing was read, and nothing is known to have happened since. */
	if (m.error)
		m.sample.epoch = paraclock_epoch(clk);
	*ret_measurement = m;
}
