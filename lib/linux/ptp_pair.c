// SPDX-License-Identifier: MIT
/* From readings of a PTP hardware clock to a pair with the counter. */

#include <errno.h>
#include <string.h>

#include <paraclock/crosststamp.h>

#include "base/fixed.h"
#include "base/interpolate.h"
#include "ptp_window.h"

/* If two readings of a device disagree by more than this, the device stepped,
 * ns. Smaller steps do not show in devices that count units of 100 ns. */
#define STEP_NS 1000

/* If a window is longer than 2^50 ns (13 days), a clock is broken. */
#define WINDOW_MAX (1ULL << 50)

/* What the readings are measured by: a system clock from begin to end, in ns
 * since begin, and the counter, in ticks since begin. */
struct ruler {
	int64_t from; /* the clock at begin, ns */
	uint64_t span_ns;
	uint64_t ticks;
	uint64_t uncertainty_ns;
	uint64_t step_ns; /* what the counter moves by at a time */
};

/* whole * part / of, rounded down, within 1; whole if part >= of. */
static uint64_t scale(uint64_t whole, uint64_t part, uint64_t of)
{
	return part >= of ? whole : mul_high(whole, fraction(part, of));
}

static int make_ruler(const struct ptp_window *w, struct ruler *ret_ruler)
{
	const struct paraclock_snapshot *a = &w->begin, *b = &w->end;
	unsigned int clock = w->way == PTP_WAY_EXTENDED_REALTIME
				     ? PARACLOCK_CLOCK_REALTIME
				     : PARACLOCK_CLOCK_MONOTONIC_RAW;
	struct ruler ruler = {
		.from = a->ns[clock],
		.span_ns = (uint64_t)b->ns[clock] - (uint64_t)a->ns[clock],
		.ticks = b->counter - a->counter,
		.uncertainty_ns = a->uncertainty_ns > b->uncertainty_ns
					  ? a->uncertainty_ns
					  : b->uncertainty_ns,
	};

	if (!(a->known & b->known & 1U << clock))
		return -EOPNOTSUPP;
	/* A clock was set, switched, or jumped in between: not linear. */
	if (a->clocksource_changed_seq != b->clocksource_changed_seq ||
	    (clock == PARACLOCK_CLOCK_REALTIME &&
	     a->clock_was_set_seq != b->clock_was_set_seq) ||
	    !ruler.span_ns || ruler.span_ns > WINDOW_MAX || !ruler.ticks ||
	    ruler.ticks > INT64_MAX || ruler.uncertainty_ns > WINDOW_MAX)
		return -EAGAIN;
	ruler.step_ns = scale(ruler.span_ns, b->counter_step, ruler.ticks) + 1;
	*ret_ruler = ruler;
	return 0;
}

/* A time of the clock in ns since begin; false: it is not between the ends. */
static bool is_within(int64_t ns, const struct ruler *ruler, int64_t *ret_since)
{
	int64_t slack = (int64_t)ruler->uncertainty_ns + 1;
	int64_t since;

	if (__builtin_sub_overflow(ns, ruler->from, &since) || since < -slack ||
	    since > (int64_t)ruler->span_ns + slack)
		return false;
	*ret_since = since;
	return true;
}

/* Express a reading's two ends in ns since begin. -EPROTO: they are not between
 * the snapshots, so they are of another clock. */
static int place(const struct ptp_window *w, const struct ruler *ruler,
		 struct ptp_reading *reading)
{
	if (w->way == PTP_WAY_BRACKET) {
		uint64_t a = (uint64_t)reading->before - w->begin.counter;
		uint64_t b = (uint64_t)reading->after - w->begin.counter;

		/* The counter went back: another CPU, or another machine. */
		if (a > b || b > ruler->ticks)
			return -EAGAIN;
		reading->before =
			(int64_t)scale(ruler->span_ns, a, ruler->ticks);
		reading->after =
			(int64_t)scale(ruler->span_ns, b, ruler->ticks);
		return 0;
	}
	if (!is_within(reading->before, ruler, &reading->before) ||
	    !is_within(reading->after, ruler, &reading->after))
		return -EPROTO;
	return reading->after < reading->before ? -EAGAIN : 0;
}

/* Did the device advance from one reading to the next as time did? */
static bool follows(const struct ptp_reading *a, const struct ptp_reading *b,
		    const struct ruler *ruler)
{
	int64_t least = b->before - a->after;
	int64_t most = b->after - a->before;
	/* The rates of the two clocks differ while one of them is slewed. */
	int64_t slack =
		most / 10 + 2 * (int64_t)ruler->uncertainty_ns + STEP_NS;
	int64_t went;

	if (least < -(int64_t)ruler->uncertainty_ns - 1 ||
	    __builtin_sub_overflow(b->host, a->host, &went))
		return false;
	return went >= 0 && went >= least - slack && went <= most + slack;
}

/* The narrowest reading, if all of them show one steady clock. */
static int choose(const struct ptp_window *w, const struct ruler *ruler,
		  struct ptp_reading *ret_reading)
{
	struct ptp_reading last = w->reading[0], best;
	int ret = place(w, ruler, &last);

	best = last;
	for (unsigned int i = 1; i < w->n && !ret; i++) {
		struct ptp_reading next = w->reading[i];

		ret = place(w, ruler, &next);
		if (ret)
			break;
		if (!follows(&last, &next, ruler))
			return -EAGAIN;
		if (next.after - next.before < best.after - best.before)
			best = next;
		last = next;
	}
	if (!ret)
		*ret_reading = best;
	return ret;
}

/* A system clock at that many ticks since begin. */
static int64_t system_at(const struct ptp_window *w, enum paraclock_clock clock,
			 uint64_t ticks)
{
	uint64_t total = w->end.counter - w->begin.counter;

	if (ticks >= total)
		return w->end.ns[clock];
	return pclk_interpolate(w->begin.ns[clock], w->end.ns[clock],
				fraction(ticks, total));
}

/* Compare the device's time with the system clocks. */
static void compare(const struct ptp_window *w, uint64_t ticks,
		    struct ptp_pair *pair)
{
	const struct paraclock_snapshot *a = &w->begin, *b = &w->end;
	const unsigned int known = a->known & b->known;

	pair->over_monotonic_ns =
		(uint64_t)pair->host_ns -
		(uint64_t)system_at(w, PARACLOCK_CLOCK_MONOTONIC, ticks);
	if (!(known & 1U << PARACLOCK_CLOCK_REALTIME) ||
	    a->clock_was_set_seq != b->clock_was_set_seq)
		return;
	pair->ahead_known = !__builtin_sub_overflow(
		pair->host_ns, system_at(w, PARACLOCK_CLOCK_REALTIME, ticks),
		&pair->ahead_ns);
	if (known & 1U << PARACLOCK_CLOCK_TAI &&
	    a->tai_offset_sec == b->tai_offset_sec)
		pair->tai_offset_sec = b->tai_offset_sec;
}

/*
 * The counter at the middle of the reading, and the device's time there. The
 * error is half of the reading's width, because the device was read somewhere
 * within it; a step of the counter, because the second end may be that late,
 * whether it is a counter value or a clock that is computed from one; the
 * uncertainty of the snapshots; and 2 for rounding.
 */
static int pair_up(const struct ptp_window *w, const struct ruler *ruler,
		   const struct ptp_reading *reading, struct ptp_pair *ret_pair)
{
	int64_t width = reading->after - reading->before;
	int64_t middle = reading->before + width / 2;
	uint64_t ticks = scale(ruler->ticks, middle > 0 ? (uint64_t)middle : 0,
			       ruler->span_ns);
	int64_t there = (int64_t)scale(ruler->span_ns, ticks, ruler->ticks);
	struct ptp_pair pair = {
		.tsc = w->begin.counter + ticks,
		.error_ns = (uint64_t)(width - width / 2) +
			    ruler->uncertainty_ns + ruler->step_ns + 2,
		.coupled = true,
	};

	/* The middle lies a fraction of a tick from a counter value. */
	if (__builtin_sub_overflow(reading->host, middle - there,
				   &pair.host_ns))
		return -ERANGE;
	/* REALTIME may be slewed, by a tenth at most; if the slew begins within
	 * the window, that bends it by a quarter of a tenth. */
	if (w->way == PTP_WAY_EXTENDED_REALTIME)
		pair.error_ns += (uint64_t)width / 10 + ruler->span_ns / 40 + 1;
	compare(w, ticks, &pair);
	*ret_pair = pair;
	return 0;
}

/* If the kernel does not run on the counter, nothing says how long a tick
 * is. */
static int pair_loosely(const struct ptp_window *w, struct ptp_pair *ret_pair)
{
	const struct ptp_reading *last = &w->reading[w->n - 1];
	uint64_t width = (uint64_t)last->after - (uint64_t)last->before;
	struct ptp_pair pair = {
		.host_ns = last->host,
		.tsc = (uint64_t)last->before + width / 2,
		.error_ns = PARACLOCK_ERROR_UNKNOWN,
	};

	if (width > INT64_MAX)
		return -EAGAIN;
	compare(w, w->end.counter - w->begin.counter, &pair);
	*ret_pair = pair;
	return 0;
}

static bool is_coupled(const struct ptp_window *w)
{
	return w->begin.valid_for_correlation && w->end.valid_for_correlation &&
	       w->begin.known & w->end.known &
		       1U << PARACLOCK_CLOCK_MONOTONIC_RAW;
}

int pclk_ptp_evaluate(const struct ptp_window *w, struct ptp_pair *ret_pair)
{
	struct ptp_reading reading;
	struct ruler ruler;
	int ret;

	if (!is_coupled(w)) {
		if (w->way != PTP_WAY_BRACKET)
			return -EAGAIN;
		return pair_loosely(w, ret_pair);
	}
	ret = make_ruler(w, &ruler);
	if (!ret)
		ret = choose(w, &ruler, &reading);
	return ret ? ret : pair_up(w, &ruler, &reading, ret_pair);
}
