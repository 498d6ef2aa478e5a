// SPDX-License-Identifier: MIT
/* A timeline as a pvclock record. See pvclock.h for the source. */

#include <errno.h>

#include "base/fixed.h"
#include "host/page_writer.h"
#include "host/timeline.h"
#include "pvclock.h"

#define KIND 1

/* A shift of 31 either way allows ticks from 2^-32 ns to 2 s. */
#define SHIFT_MAX 31

/*
 * How far one record may be ahead of the next of the same timeline: each is
 * rounded down by less than 1 ns at its base, by the shift, and by the
 * multiplication.
 */
#define ROUNDED ((s128)3 << 64)

/* A base more than 2^31 ns ago is moved: after that long a rounded multiplier is
 * off by 1 ns. */
#define OLD_NS (1ULL << 31)

/* The flags are the record's second byte from bit 32 of its last word on. */
#define FLAGS_SHIFT 40

static unsigned int top_bit(u128 value)
{
	uint64_t high = (uint64_t)(value >> 64);

	return high ? 127U - (unsigned int)__builtin_clzll(high)
		    : 63U - (unsigned int)__builtin_clzll((uint64_t)value);
}

/* How a multiplier is rounded. */
enum rounding {
	NEAREST, /* within 2^-32 of the rate */
	DOWN,	 /* within 2^-31, and never faster */
	SLOWER,	 /* one below the nearest */
};

/* Multiplier and shift; the multiplier uses all of its 32 bits. */
static int set_rate(struct pvclock *pv, const struct paraclock_timeline *tl,
		    enum rounding rounding)
{
	/* A tick, 2^-(66 + period_shift) ns. At least 2^31. */
	u128 tick = (u128)tl->period_frac * NSEC_PER_SEC << 2;
	int drop = (int)top_bit(tick) - 31;
	uint64_t mul = (uint64_t)(tick >> drop);
	int shift;

	if (rounding != DOWN && drop)
		mul += (uint64_t)(tick >> (drop - 1)) & 1;
	if (rounding == SLOWER)
		mul--;
	if (mul >> 32) {
		mul >>= 1;
		drop++;
	}
	/* mul * 2^(drop - 2 - 64 - period_shift) == mul / 2^32 * 2^shift */
	shift = drop - 34 - tl->period_shift;
	if (shift > SHIFT_MAX || shift < -SHIFT_MAX)
		return -ERANGE;
	pv->tsc_to_system_mul = (uint32_t)mul;
	pv->tsc_shift = (int8_t)shift;
	return 0;
}

static bool pvclock_is_usable(const void *image)
{
	const struct pvclock *pv = image;

	return pv->tsc_to_system_mul && pv->tsc_shift <= SHIFT_MAX &&
	       pv->tsc_shift >= -SHIFT_MAX;
}

/* Before the base: the base's time. Whole ns, as readers compute it. */
static int pvclock_reading(const void *image, uint64_t counter, s128 *ret_time)
{
	const struct pvclock *pv = image;
	int shift = pv->tsc_shift;
	u128 ns = 0;

	if (counter > pv->tsc_timestamp) {
		ns = counter - pv->tsc_timestamp;
		ns = shift < 0 ? ns >> -shift : ns << shift;
		ns = ns * pv->tsc_to_system_mul >> 32;
	}
	ns += pv->system_time;
	if (ns > INT64_MAX)
		return -ERANGE;
	*ret_time = (s128)ns << 64;
	return 0;
}

static int pvclock_lift(const struct page_lift *lift, void *image)
{
	struct pvclock *pv = image;
	u128 truth;

	if (pv->tsc_timestamp < lift->counter)
		pv->tsc_timestamp = lift->counter;
	if (pclk_timeline_time(lift->tl, pv->tsc_timestamp, &truth))
		return -ERANGE;
	if (lift->was > (s128)(truth * NSEC_PER_SEC) + ROUNDED)
		return -ESTALE;
	pv->system_time = (uint64_t)(lift->was >> 64);
	return set_rate(pv, lift->tl, SLOWER);
}

static int pvclock_make(const struct paraclock_timeline *tl, void *image)
{
	const u128 time = (u128)tl->base_sec << 64 | tl->base_frac;
	/* If it ran faster, later records would have to stay ahead of their
	 * timeline. */
	bool down = tl->flags & PARACLOCK_TIMELINE_MONOTONIC;
	struct pvclock *pv = image;

	pv->tsc_timestamp = tl->base_tsc;
	pv->system_time = (uint64_t)(time * NSEC_PER_SEC >> 64);
	pv->flags =
		tl->flags & PARACLOCK_TIMELINE_STABLE ? PVCLOCK_TSC_STABLE : 0;
	return set_rate(pv, tl, down ? DOWN : NEAREST);
}

/* Move a base that is long ago, so that the error of the rounded rate does not
 * add up since then. */
static int pvclock_complete(const struct paraclock_timeline *tl,
			    const struct page_pair *old, uint64_t counter,
			    struct page_pair *next)
{
	struct paraclock_timeline now = *tl;
	struct pvclock *pv = (void *)&next->asked;
	s128 is;
	int ret;

	(void)old;
	/* Move one that is still to come, too: guests' kernels would take a
	 * counter before it for one almost 2^64 ticks after it. */
	if (pv->tsc_timestamp <= counter &&
	    !pvclock_reading(pv, counter, &is) &&
	    (uint64_t)(is >> 64) - pv->system_time < OLD_NS)
		return 0;
	ret = paraclock_timeline_rebase(&now, counter);
	if (!ret)
		ret = pvclock_make(&now, pv);
	next->shown = next->asked;
	return ret;
}

static const struct page_writer_kind pvclock_kind = {
	.rounded = ROUNDED,
	.shape = &pclk_pvclock_shape,
	.id = KIND,
	.first = 1,
	.is_tsc = true,
	/* A record has no time before its base: see pvclock_complete(). */
	.moves_base = true,
	.guest_bits = (uint64_t)PVCLOCK_GUEST_STOPPED << FLAGS_SHIFT,
	.is_usable = pvclock_is_usable,
	.make = pvclock_make,
	.complete = pvclock_complete,
	.reading = pvclock_reading,
	.lift = pvclock_lift,
};

int paraclock_pvclock_write(void *page, struct paraclock_page_writer *writer,
			    const struct paraclock_env *env,
			    const struct paraclock_timeline *tl)
{
	return pclk_page_write(&pvclock_kind, page, writer, env, tl);
}
