// SPDX-License-Identifier: MIT
/* A timeline as a vmclock page. See vmclock_page.h for the source. */

#include <errno.h>
#include <string.h>

#include "base/fixed.h"
#include "boot_id.h"
#include "host/page_writer.h"
#include "host/timeline.h"
#include "leap.h"
#include "vmclock_page.h"

#define KIND 3

#define COUNTER_INVALID	  0xffU
#define STATUS_UNRELIABLE 4U
#define SMEAR_MAX	  2U
#define PERIOD_SHIFT_MAX  127U
#define VERSION		  1U
#define FLAG_PERIOD_MAX	  VMCLOCK_FLAG_PERIOD_MAXERROR_VALID
#define FLAG_TIME_MAX	  VMCLOCK_FLAG_TIME_MAXERROR_VALID
#define FLAG_PERIOD_EST	  (1U << 3)
#define FLAG_TIME_EST	  (1U << 5)
#define FLAG_SOON	  (1U << 1)
#define FLAG_IMMINENT	  (1U << 2)
#define FLAG_NOTIFICATION (1U << 9)
/* These flags belong to the time. */
#define FLAGS_OF_TIME \
	(FLAG_PERIOD_MAX | FLAG_TIME_MAX | FLAG_PERIOD_EST | FLAG_TIME_EST)

/* How far a timeline may be behind the last one, and a page ahead of its
 * timeline, 2^-64 s. Both are exact, but a step on the way to them may not have
 * been. */
#define ROUNDED ((s128)TIMELINE_NSEC)

_Static_assert(sizeof(struct page_image) == sizeof(struct vmclock_page),
	       "an image holds the whole page");
_Static_assert(BOOT_ID_OFFSET >= sizeof(struct vmclock_page),
	       "the boot id is behind it");

/* For each of our flags, from the lowest: the page's bit. */
#define NO_BIT 32
static const uint8_t bits[] = { 7, NO_BIT, 0, 6, 4, 5, 3, 8, 9, 1, 2, 63, 62 };
/* NOLINTBEGIN(misc-redundant-expression): both sides are meant to be equal. */
_Static_assert(1U << 7 == VMCLOCK_FLAG_TIME_MONOTONIC &&
		       1U << 0 == VMCLOCK_FLAG_TAI_OFFSET_VALID &&
		       1U << 6 == FLAG_TIME_MAX && 1U << 4 == FLAG_PERIOD_MAX &&
		       1U << 5 == FLAG_TIME_EST && 1U << 3 == FLAG_PERIOD_EST,
	       "their bits");
_Static_assert(1U << 8 == VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT &&
		       1U << 9 == FLAG_NOTIFICATION && 1U << 1 == FLAG_SOON &&
		       1U << 2 == FLAG_IMMINENT &&
		       1ULL << 63 == VMCLOCK_FLAG_OWN_KERNEL &&
		       1ULL << 62 == VMCLOCK_FLAG_INFERRED,
	       "their bits");
_Static_assert(sizeof(bits) == 13 && PARACLOCK_TIMELINE_MONOTONIC == 1U << 0 &&
		       PARACLOCK_TIMELINE_INFERRED == 1U << 12,
	       "our bits");
/* NOLINTEND(misc-redundant-expression) */

static uint64_t flags_of(const struct paraclock_timeline *tl)
{
	uint64_t theirs = 0;

	for (unsigned int i = 0; i < sizeof(bits); i++)
		theirs |= (uint64_t)(tl->flags >> i & 1) << bits[i];
	return theirs & ~((uint64_t)1 << NO_BIT);
}

static uint8_t timescale_of(const struct vmclock_page *vc)
{
	if (vc->time_type == VMCLOCK_TIME_UTC)
		return PARACLOCK_TIMESCALE_UTC;
	return vc->time_type == VMCLOCK_TIME_TAI
		       ? PARACLOCK_TIMESCALE_TAI
		       : PARACLOCK_TIMESCALE_MONOTONIC;
}

/* No reader accepts a counter from before the reference point. */
static uint64_t ticks_at(const struct vmclock_page *vc, uint64_t counter)
{
	return counter > vc->counter_value ? counter - vc->counter_value : 0;
}

/* A page without a time has promised nothing. */
static bool is_timed(const struct vmclock_page *vc)
{
	return vc->counter_period_frac_sec &&
	       vc->counter_period_shift <= PERIOD_SHIFT_MAX;
}

static u128 elapsed_on(const struct vmclock_page *vc, uint64_t ticks)
{
	return timeline_elapsed(ticks, vc->counter_period_frac_sec,
				vc->counter_period_shift);
}

static int vmclock_reading(const void *image, uint64_t counter, s128 *ret_time)
{
	const struct vmclock_page *vc = image;
	/* Either sign: an earlier writer may have written the page. */
	int16_t tai = pclk_leap_tai(vc->tai_offset_sec);
	struct leap_state leap = {
		.leap = vc->leap_indicator,
		.timescale = timescale_of(vc),
		.tai_known = vc->flags & VMCLOCK_FLAG_TAI_OFFSET_VALID && tai,
		.tai_offset_sec = tai,
	};
	u128 time = elapsed_on(vc, ticks_at(vc, counter));
	int64_t sec;

	if (!is_timed(vc)) {
		*ret_time = 0;
		return 0;
	}
	if (vc->time_sec > TIMELINE_SEC_MAX || time >> 64 > TIMELINE_SEC_MAX)
		return -ERANGE;
	time += (u128)vc->time_sec << 64 | vc->time_frac_sec;
	sec = (int64_t)(time >> 64);
	if (!pclk_leap_apply(&leap, (int64_t)vc->time_sec, &sec) || sec < 0)
		return -ERANGE;
	*ret_time = (s128)sec << 64 | (uint64_t)time;
	return 0;
}

/* The error bound at a counter value, with what rounding adds, 2^-64 s. */
static u128 bound_at(const struct vmclock_page *vc, uint64_t counter)
{
	u128 grown = timeline_elapsed(ticks_at(vc, counter),
				      vc->counter_period_maxerror_rate_frac_sec,
				      vc->counter_period_shift);
	u128 bound = (u128)vc->time_maxerror_nanosec * TIMELINE_NSEC;

	return grown >> 127 ? grown : grown + bound + TIMELINE_NSEC;
}

static bool keeps_bound(const struct vmclock_page *old,
			const struct vmclock_page *next, uint64_t counter)
{
	const uint64_t both = FLAG_PERIOD_MAX | FLAG_TIME_MAX;
	s128 was, is;

	/* A disruption voids everything known of the counter. */
	if ((old->flags & both) != both || !is_timed(old) ||
	    old->disruption_marker != next->disruption_marker ||
	    vmclock_reading(old, counter, &was) ||
	    vmclock_reading(next, counter, &is))
		return true;
	return (u128)(is > was ? is - was : was - is) <= bound_at(old, counter);
}

/*
 * The page is exact, so it ends up ahead by what it is lifted; the bound grows by
 * as much. The slower period counts from the reference point, which may be an
 * hour ago, so the time there also makes up for what that period takes away
 * until now.
 */
static int vmclock_lift(const struct page_lift *lift, void *image)
{
	const s128 ahead = lift->was - lift->is;
	struct vmclock_page *vc = image;
	uint64_t slower = vc->counter_period_frac_sec >> PAGE_SLOWER_SHIFT;
	uint64_t ticks = ticks_at(vc, lift->counter);
	u128 time = (u128)vc->time_sec << 64 | vc->time_frac_sec;
	u128 lead;

	if (ahead > ROUNDED)
		return -ESTALE;
	lead = (u128)ahead + elapsed_on(vc, ticks);
	vc->counter_period_frac_sec -= slower;
	lead -= elapsed_on(vc, ticks);
	time += lead;
	/* The leap and the TAI offset belong to the month before. */
	if (time >> 64 >= pclk_timeline_month_end(lift->tl))
		return -ESTALE;
	vc->time_sec = (uint64_t)(time >> 64);
	vc->time_frac_sec = (uint64_t)time;
	if (vc->flags & FLAG_TIME_MAX)
		vc->time_maxerror_nanosec =
			add_bounds(vc->time_maxerror_nanosec,
				   (uint64_t)(lead * NSEC_PER_SEC >> 64) + 1);
	if (vc->flags & FLAG_PERIOD_MAX)
		vc->counter_period_maxerror_rate_frac_sec = add_bounds(
			vc->counter_period_maxerror_rate_frac_sec, slower);
	return 0;
}

/* A change that leaves the time alone: the old page with another status or
 * marker. */
static int without_time(const struct paraclock_timeline *tl, const void *old,
			void *image)
{
	const struct vmclock_page *before = old;
	struct vmclock_page *after = image;
	const size_t time = offsetof(struct vmclock_page, counter_value);

	if (!tl) {
		if (!old)
			return -EPROTO;
		*after = *before;
		after->clock_status = STATUS_UNRELIABLE;
		return 0;
	}
	after->flags &= ~(uint64_t)FLAGS_OF_TIME;
	/* Under another marker the old time is void, and so is its bound: a
	 * host may show the marker first and the new time later. */
	if (!old || before->disruption_marker != after->disruption_marker)
		return 0;
	after->flags |= before->flags & FLAGS_OF_TIME;
	after->counter_period_shift = before->counter_period_shift;
	memcpy((char *)after + time, (const char *)before + time,
	       offsetof(struct vmclock_page, vm_generation_counter) - time);
	return 0;
}

static int vmclock_complete(const struct paraclock_timeline *tl,
			    const struct page_pair *old, uint64_t counter,
			    struct page_pair *next)
{
	int ret;

	if (tl && pclk_timeline_has_time(tl))
		return !old || keeps_bound((const void *)&old->shown,
					   (const void *)&next->shown, counter)
			       ? 0
			       : -ESTALE;
	ret = without_time(tl, old ? &old->asked : NULL, &next->asked);
	return ret ? ret
		   : without_time(tl, old ? &old->shown : NULL, &next->shown);
}

static bool vmclock_is_usable(const void *image)
{
	const struct vmclock_page *vc = image;

	return vc->magic == VMCLOCK_MAGIC;
}

static int vmclock_check_head(const void *page, const void *image)
{
	const struct vmclock_page *live = page;
	const struct vmclock_page *want = image;
	uint32_t magic = __atomic_load_n(&live->magic, __ATOMIC_ACQUIRE);

	/* The magic is written last: without it no field is constant yet, and
	 * a freeze has nothing to freeze. */
	if (!magic)
		return want->magic ? 0 : -EPROTO;
	if (magic != VMCLOCK_MAGIC || live->size < sizeof(*live) ||
	    live->version != VERSION)
		return -EPROTO;
	if (want->magic && (live->counter_id != want->counter_id ||
			    live->time_type != want->time_type))
		return -EINVAL;
	return 0;
}

/* Zero, which every reader takes for its own, if the env does not say. */
static bool vmclock_make_tail(const struct paraclock_env *env,
			      const void *image, struct page_tail *ret_tail)
{
	const struct vmclock_page *vc = image;
	struct boot_id id;

	if (!(vc->flags & VMCLOCK_FLAG_OWN_KERNEL))
		return false;
	id = pclk_boot_id(env);
	memcpy(ret_tail->word, id.word, sizeof(ret_tail->word));
	return true;
}

static void vmclock_write_around(void *page, const void *image,
				 const struct page_tail *tail)
{
	const seqword *want = image;
	uint32_t *live = page;

	if (tail)
		boot_id_put(page, tail->word);
	if (__atomic_load_n(&live[0], __ATOMIC_RELAXED) == VMCLOCK_MAGIC)
		return;
	__atomic_store_n(&live[1], (uint32_t)(want[0] >> 32), __ATOMIC_RELAXED);
	__atomic_store_n(&live[2], (uint32_t)want[1], __ATOMIC_RELAXED);
	/* Pairs with readers, who look at the rest after the magic. */
	__atomic_store_n(&live[0], (uint32_t)want[0], __ATOMIC_RELEASE);
}

static int set_constants(const struct paraclock_timeline *tl,
			 struct vmclock_page *vc)
{
	vc->magic = VMCLOCK_MAGIC;
	vc->size = PARACLOCK_VMCLOCK_PAGE_SIZE;
	vc->version = VERSION;
	if (tl->timescale == PARACLOCK_TIMESCALE_UTC)
		vc->time_type = VMCLOCK_TIME_UTC;
	else if (tl->timescale == PARACLOCK_TIMESCALE_TAI)
		vc->time_type = VMCLOCK_TIME_TAI;
	else if (tl->timescale == PARACLOCK_TIMESCALE_MONOTONIC)
		vc->time_type = VMCLOCK_TIME_MONOTONIC;
	else
		return -EINVAL;
	if (tl->counter == PARACLOCK_COUNTER_X86_TSC)
		vc->counter_id = VMCLOCK_COUNTER_X86_TSC;
	else if (tl->counter == PARACLOCK_COUNTER_ARM_VCNT)
		vc->counter_id = VMCLOCK_COUNTER_ARM_VCNT;
	else if (tl->counter == PARACLOCK_COUNTER_NONE &&
		 !pclk_timeline_has_time(tl))
		vc->counter_id = COUNTER_INVALID;
	else
		return -EINVAL;
	return 0;
}

static int set_status(const struct paraclock_timeline *tl,
		      struct vmclock_page *vc)
{
	bool leaps = vc->time_type != VMCLOCK_TIME_MONOTONIC &&
		     pclk_timeline_has_time(tl);

	if (tl->smear > SMEAR_MAX)
		return -EINVAL;
	if (leaps && tl->leap > PARACLOCK_LEAP_POST_NEG)
		return -EINVAL;
	if (tl->flags & PARACLOCK_TIMELINE_TAI_OFFSET) {
		if (!pclk_leap_tai_is_plausible(tl->tai_offset_sec))
			return -EINVAL;
		/* UTC - TAI: with the other sign, the PTP clock that Linux
		 * makes of a UTC page is off by twice as much. */
		vc->tai_offset_sec = (int16_t)-tl->tai_offset_sec;
	}
	vc->flags = flags_of(tl);
	vc->clock_status = tl->status;
	vc->leap_second_smearing_hint = tl->smear;
	vc->leap_indicator = leaps ? tl->leap : PARACLOCK_LEAP_NONE;
	vc->disruption_marker = tl->marker;
	if (tl->flags & PARACLOCK_TIMELINE_GENERATION)
		vc->vm_generation_counter = tl->generation;
	return 0;
}

static void set_time(const struct paraclock_timeline *tl,
		     struct vmclock_page *vc)
{
	vc->counter_period_shift = tl->period_shift;
	vc->counter_value = tl->base_tsc;
	vc->counter_period_frac_sec = tl->period_frac;
	vc->time_sec = tl->base_sec;
	vc->time_frac_sec = tl->base_frac;
	if (tl->flags & PARACLOCK_TIMELINE_MAXERROR)
		vc->time_maxerror_nanosec = tl->maxerror_ns;
	if (tl->flags & PARACLOCK_TIMELINE_MAXERROR_RATE)
		vc->counter_period_maxerror_rate_frac_sec =
			tl->maxerror_rate_frac;
	if (tl->flags & PARACLOCK_TIMELINE_ESTERROR)
		vc->time_esterror_nanosec = tl->esterror_ns;
	if (tl->flags & PARACLOCK_TIMELINE_ESTERROR_RATE)
		vc->counter_period_esterror_rate_frac_sec =
			tl->esterror_rate_frac;
}

static int vmclock_make(const struct paraclock_timeline *tl, void *image)
{
	int ret = set_constants(tl, image);

	if (!ret)
		ret = set_status(tl, image);
	if (!ret && pclk_timeline_has_time(tl))
		set_time(tl, image);
	return ret;
}

static const struct page_writer_kind vmclock_kind = {
	.rounded = ROUNDED,
	.shape = &pclk_vmclock_shape,
	.id = KIND,
	.first = offsetof(struct vmclock_page, disruption_marker) /
		 sizeof(uint64_t),
	.is_usable = vmclock_is_usable,
	.make = vmclock_make,
	.complete = vmclock_complete,
	.reading = vmclock_reading,
	.lift = vmclock_lift,
	.check_head = vmclock_check_head,
	.make_tail = vmclock_make_tail,
	.write_around = vmclock_write_around,
};

int paraclock_vmclock_write(void *page, struct paraclock_page_writer *writer,
			    const struct paraclock_env *env,
			    const struct paraclock_timeline *tl)
{
	return pclk_page_write(&vmclock_kind, page, writer, env, tl);
}

int paraclock_vmclock_freeze(void *page, struct paraclock_page_writer *writer,
			     const struct paraclock_env *env)
{
	return pclk_page_freeze(&vmclock_kind, page, writer, env);
}
