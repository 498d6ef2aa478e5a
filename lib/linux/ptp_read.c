// SPDX-License-Identifier: MIT
/*
 * Reading a PTP hardware clock: its time, and the counter at that time.
 *
 * No interface of Linux returns both. A driver can return its time together
 * with the system clocks around it, and the counter is found from those:
 * between a snapshot before and one after, each system clock is linear in the
 * counter. There are three ways, from narrow to wide:
 *
 * - PRECISE: one CLOCK_MONOTONIC_RAW, captured with the device's time.
 * - EXTENDED: the driver's own clock readings close around the device's.
 * - BRACKET: the counter around a system call that reads the device.
 */

#include <errno.h>
#include <string.h>

#include <paraclock/system.h>

#include "base/fixed.h"
#include "base/relaxed.h"
#include "ptp_window.h"

/* Linux clock ids, for EXTENDED. */
#define CLOCK_ID_REALTIME      0
#define CLOCK_ID_MONOTONIC_RAW 4

/* How often one way is tried if clocks step or the driver is busy. */
#define TRIES 3
/* How many readings to ask of EXTENDED: the first finds caches cold, two more
 * show a step, and a slow device (virtio) is not kept busy for long. */
#define EXTENDED_READINGS 3
/* The most brackets, each a system call, while they are too wide. */
#define BRACKETS 4

/* How long a refusal is remembered. */
#define REFUSED_NS NSEC_PER_SEC

static int take_snapshot(const struct ptp *ptp, struct paraclock_snapshot *snap)
{
	memset(snap, 0, sizeof(*snap));
	snap->size = sizeof(*snap);
	return paraclock_snapshot(ptp->env, snap);
}

/* --- what a driver has refused ------------------------------------------- */

/*
 * A driver may refuse a way for good. Or it cannot translate its counter to the
 * present clocksource (-ENODEV, from one driver -EOPNOTSUPP), or its host
 * cannot pair at present (also -EOPNOTSUPP). So a refusal is remembered for
 * this clocksource only, and for a second.
 *
 * It is one word: a mask of 1 << enum ptp_way, with the clocksource's kind and
 * count of changes above it. If threads set bits at once, one may be lost: that
 * costs an ioctl.
 */
static uint64_t refusal_key(const struct ptp_window *w)
{
	return (uint64_t)w->begin.clocksource_changed_seq << 8 |
	       w->begin.clocksource_kind;
}

static uint64_t raw_ns(const struct ptp_window *w)
{
	return (uint64_t)w->begin.ns[PARACLOCK_CLOCK_MONOTONIC_RAW];
}

static uint64_t refusals(const struct ptp *ptp, const struct ptp_window *w)
{
	uint64_t word = LOAD(ptp->refused);

	if (raw_ns(w) - LOAD(ptp->refused_ns) > REFUSED_NS)
		return 0;
	return word >> 8 == refusal_key(w) ? word & 0xff : 0;
}

static void refuse(struct ptp *ptp, const struct ptp_window *w, uint64_t mask)
{
	uint64_t known = refusals(ptp, w);

	if (!known)
		STORE(ptp->refused_ns, raw_ns(w));
	STORE(ptp->refused, refusal_key(w) << 8 | known | mask);
}

void pclk_ptp_forget(struct ptp *ptp)
{
	STORE(ptp->refused, 0);
}

static void note_refusal(struct ptp *ptp, const struct ptp_window *w, int error)
{
	bool never = error == -EOPNOTSUPP || error == -ENOTTY;

	if (w->way == PTP_WAY_PRECISE && (never || error == -ENODEV))
		refuse(ptp, w, 1U << PTP_WAY_PRECISE);
	else if (w->way == PTP_WAY_EXTENDED_RAW && never)
		refuse(ptp, w,
		       1U << PTP_WAY_EXTENDED_RAW |
			       1U << PTP_WAY_EXTENDED_REALTIME);
	else if (w->way == PTP_WAY_EXTENDED_REALTIME && never)
		refuse(ptp, w, 1U << PTP_WAY_EXTENDED_REALTIME);
}

/* --- asking the driver ---------------------------------------------------- */

static int to_ns(const struct ptp_time *time, int64_t *ret_ns)
{
	s128 ns = (s128)time->sec * NSEC_PER_SEC + time->nsec;

	if (time->nsec >= NSEC_PER_SEC)
		return -EPROTO;
	if (!fits_s64(ns))
		return -ERANGE;
	*ret_ns = (int64_t)ns;
	return 0;
}

static int to_reading(const struct ptp_time *before,
		      const struct ptp_time *device,
		      const struct ptp_time *after,
		      struct ptp_reading *ret_reading)
{
	struct ptp_reading reading;
	int ret = to_ns(before, &reading.before);

	if (!ret)
		ret = to_ns(device, &reading.host);
	if (!ret)
		ret = to_ns(after, &reading.after);
	if (!ret)
		*ret_reading = reading;
	return ret;
}

static int ask_precise(const struct ptp *ptp, struct ptp_window *w)
{
	struct ptp_precise precise;
	int ret;

	memset(&precise, 0, sizeof(precise));
	ret = ptp->env->ioctl(ptp->env->ctx, ptp->fd, PTP_SYS_OFFSET_PRECISE,
			      &precise);
	if (ret)
		return ret;
	w->n = 1;
	return to_reading(&precise.monoraw, &precise.device, &precise.monoraw,
			  &w->reading[0]);
}

static int ask_extended(const struct ptp *ptp, struct ptp_window *w)
{
	struct ptp_extended extended;
	int ret;

	memset(&extended, 0, sizeof(extended));
	extended.n_samples = EXTENDED_READINGS;
	extended.clock_id = w->way == PTP_WAY_EXTENDED_RAW
				    ? CLOCK_ID_MONOTONIC_RAW
				    : CLOCK_ID_REALTIME;
	ret = ptp->env->ioctl(ptp->env->ctx, ptp->fd, PTP_SYS_OFFSET_EXTENDED,
			      &extended);
	if (ret)
		return ret;
	/* A driver that returned fewer leaves the rest zero. */
	if (!extended.n_samples || extended.n_samples > EXTENDED_READINGS)
		return -EPROTO;
	w->n = extended.n_samples;
	for (unsigned int i = 0; i < w->n && !ret; i++)
		ret = to_reading(&extended.time[i][0], &extended.time[i][1],
				 &extended.time[i][2], &w->reading[i]);
	return ret;
}

/* Add one reading to those that are there. */
static int ask_bracket(const struct ptp *ptp, struct ptp_window *w)
{
	const struct paraclock_env *env = ptp->env;
	/* A PTP clock as a POSIX clock, see clock_getres(2). */
	int clock_id = (int)(~(unsigned int)ptp->fd << 3 | 3);
	struct ptp_reading *reading = &w->reading[w->n];
	int ret;

	reading->before = (int64_t)counter_read(env, ptp->how);
	ret = env->read_clock(env->ctx, clock_id, &reading->host);
	reading->after = (int64_t)counter_read(env, ptp->how);
	if (!ret)
		w->n++;
	return ret;
}

static int ask(const struct ptp *ptp, struct ptp_window *w)
{
	switch (w->way) {
	case PTP_WAY_PRECISE:
		return ask_precise(ptp, w);
	case PTP_WAY_BRACKET:
		return ask_bracket(ptp, w);
	default:
		return ask_extended(ptp, w);
	}
}

/* --- the walk ------------------------------------------------------------- */

/* One way, once, with w->begin taken. Brackets are added until one is
 * narrow. */
static int attempt(const struct ptp *ptp, struct ptp_window *w,
		   struct ptp_pair *ret_pair)
{
	struct ptp_pair pair = { 0 };
	int ret;

	w->n = 0;
	do {
		ret = ask(ptp, w);
		if (!ret)
			ret = take_snapshot(ptp, &w->end);
		if (!ret)
			ret = pclk_ptp_evaluate(w, &pair);
	} while (!ret && w->way == PTP_WAY_BRACKET && pair.coupled &&
		 pair.error_ns > ptp->good_ns && w->n < BRACKETS);
	if (!ret)
		*ret_pair = pair;
	return ret;
}

static bool is_transient(int error)
{
	return error == -EAGAIN || error == -EBUSY || error == -EINTR;
}

/* One way, as often as a retry may help. */
static int measure(const struct ptp *ptp, struct ptp_window *w,
		   struct ptp_pair *ret_pair)
{
	int ret = attempt(ptp, w, ret_pair);

	for (unsigned int i = 1; i < TRIES && is_transient(ret); i++) {
		ret = take_snapshot(ptp, &w->begin);
		if (!ret)
			ret = attempt(ptp, w, ret_pair);
	}
	return ret;
}

/* The error to return if no way worked; error is the last way's. */
static int final_error(struct ptp *ptp, int error)
{
	struct ptp_caps caps;

	STORE(ptp->busy, error == -EBUSY);
	if (is_transient(error))
		return -EAGAIN;
	if (error == -EPROTO || error == -ERANGE || error == -EACCES)
		return error;
	/* A device that has gone refuses every request, one that has no time at
	 * present only those for its time. */
	if (ptp->env->ioctl(ptp->env->ctx, ptp->fd, PTP_CLOCK_GETCAPS, &caps) ==
	    -ENODEV)
		return -ENODEV;
	return -ETIMEDOUT;
}

static bool may_try(const struct ptp *ptp, const struct ptp_window *w)
{
	if (w->way == PTP_WAY_BRACKET)
		return true;
	if (!w->begin.valid_for_correlation ||
	    (w->way == PTP_WAY_PRECISE && !ptp->cross))
		return false;
	return !(refusals(ptp, w) & 1U << w->way);
}

int pclk_ptp_read(struct ptp *ptp, struct ptp_pair *ret_pair)
{
	int ret = -EAGAIN, raw_error = 0;
	struct ptp_window w;

	for (unsigned int i = 0; i < TRIES && ret == -EAGAIN; i++)
		ret = take_snapshot(ptp, &w.begin);
	if (ret) {
		STORE(ptp->busy, 0);
		return ret;
	}
	for (w.way = PTP_WAY_PRECISE; w.way < PTP_WAYS; w.way++) {
		if (!may_try(ptp, &w))
			continue;
		ret = measure(ptp, &w, ret_pair);
		if (!ret)
			break;
		/* The driver has waited for its host, perhaps 100 ms; every
		 * other way would wait again. */
		if (ret == -ETIMEDOUT)
			return ret;
		note_refusal(ptp, &w, ret);
		if (w.way == PTP_WAY_EXTENDED_RAW)
			raw_error = ret;
	}
	if (ret)
		return final_error(ptp, ret);
	/* REALTIME worked where RAW did not: the kernel does not know the clock
	 * id, or the driver ignores it. */
	if (w.way == PTP_WAY_EXTENDED_REALTIME &&
	    (raw_error == -EINVAL || raw_error == -EPROTO))
		refuse(ptp, &w, 1U << PTP_WAY_EXTENDED_RAW);
	return 0;
}
