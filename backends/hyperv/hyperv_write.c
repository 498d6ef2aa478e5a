// SPDX-License-Identifier: MIT
/* A timeline as a reference TSC page. See hyperv_page.h for the source. */

#include <errno.h>

#include "base/fixed.h"
#include "host/page_writer.h"
#include "host/timeline.h"
#include "hyperv_page.h"

#define KIND 2

/* Units of the page in a second. */
#define UNITS_PER_SEC 10000000U

/* Time in 2^-64 units, as the page adds it up. */
#define UNIT ((s128)1 << 64)
/* How far one page may be ahead of the next of the same timeline: offsets are
 * rounded by half a unit. */
#define ROUNDED UNIT
/* The same while the counter has run for less than 7 minutes: beyond this the
 * scale must make up for the offset. */
#define LEAD_YOUNG (3 * UNIT)

/* A ns in 2^-64 units, rounded up. */
#define UNIT_NS ((UINT64_MAX / 100) + 1)

/* Times beyond 2^62 units do not fit an int64_t of ns, and are refused before
 * they are added up. */
#define UNITS_MAX (1LL << 62)

/* 2^-64 units per tick, rounded to the nearest. */
static int set_scale(struct hyperv_page *hv,
		     const struct paraclock_timeline *tl)
{
	u128 tick = (u128)tl->period_frac * UNITS_PER_SEC;
	u128 scale = tick >> tl->period_shift;

	if (tl->period_shift)
		scale += (tick >> (tl->period_shift - 1)) & 1;
	if (!scale || scale >> 64)
		return -ERANGE;
	hv->tsc_scale = (uint64_t)scale;
	return 0;
}

static int hyperv_reading(const void *image, uint64_t counter, s128 *ret_time)
{
	const struct hyperv_page *hv = image;
	u128 product = (u128)counter * hv->tsc_scale;
	s128 units = (s128)(product >> 64) + hv->tsc_offset;

	if (units >= UNITS_MAX || units <= -UNITS_MAX)
		return -ERANGE;
	*ret_time = units * UNIT + (uint64_t)product;
	return 0;
}

/* The offset with which the page says time, or the next later time that it
 * can say. */
static int set_offset(struct hyperv_page *hv, uint64_t counter, s128 time)
{
	s128 zero, offset;
	int ret;

	hv->tsc_offset = 0;
	ret = hyperv_reading(hv, counter, &zero);
	if (ret)
		return ret;
	/* The arithmetic shift rounds down; UNIT - 1 makes that up. */
	offset = (time - zero + UNIT - 1) >> 64;
	if (offset >= UNITS_MAX || offset <= -UNITS_MAX)
		return -ERANGE;
	hv->tsc_offset = (int64_t)offset;
	return 0;
}

static int hyperv_make(const struct paraclock_timeline *tl, void *image)
{
	const u128 time = (u128)tl->base_sec << 64 | tl->base_frac;
	int ret = set_scale(image, tl);

	/* Below 2^57 units, as its ns fit. Half a unit less, rounded up, is the
	 * nearest. */
	return ret ? ret
		   : set_offset(image, tl->base_tsc,
				(s128)(time * UNITS_PER_SEC) - UNIT / 2);
}

/*
 * How far ahead a page may be, 2^-64 units: see <paraclock/host.h>. The lead
 * that a young counter has caused is made up for at one part in 2^32: one unit
 * for each 2^32 units that the counter has run.
 */
static s128 lead_max(const struct hyperv_page *hv, uint64_t counter)
{
	uint64_t age = mul_high(counter, hv->tsc_scale) >> 32;
	unsigned int left = 1;

	if (age < 4)
		left = age ? 5 - (unsigned int)age : 4;
	return left * UNIT + UNIT_NS;
}

/* The beginning of the ns that a time is in: readers show no less. Always the
 * beginning, so that the lead does not grow with each update. */
static s128 whole_ns(s128 time)
{
	uint64_t part = (uint64_t)time;

	return time - part + (s128)(mul_high(part, 100) * (u128)UNIT_NS);
}

/*
 * An offset alone cannot say exactly what readers may have seen. Scale and
 * offset together can, because the scale applies to the counter itself: an
 * offset above it, and a scale that makes up for the difference. If the counter
 * has not run for long, that scale is too far off to be followed for long, and
 * is used only if the page is too far ahead already.
 */
static int hyperv_lift(const struct page_lift *lift, void *image)
{
	struct hyperv_page *hv = image;
	const s128 was = whole_ns(lift->was);
	uint64_t slightly = hv->tsc_scale >> PAGE_SLOWER_SHIFT;
	uint64_t slower;
	u128 truth;
	s128 now;

	if (lift->is >= was)
		return 0;
	hv->tsc_scale -= slightly;
	if (set_offset(hv, lift->counter, was) ||
	    hyperv_reading(hv, lift->counter, &now) ||
	    pclk_timeline_time(lift->tl, lift->counter, &truth))
		return -ERANGE;
	slower = lift->counter ? (uint64_t)(now - was) / lift->counter : 0;
	if ((slower <= slightly || now - lift->is > LEAD_YOUNG) &&
	    slower < hv->tsc_scale) {
		hv->tsc_scale -= slower;
		now -= (s128)slower * lift->counter;
	}
	return now - (s128)(truth * UNITS_PER_SEC) > lead_max(hv, lift->counter)
		       ? -ESTALE
		       : 0;
}

static bool hyperv_is_usable(const void *image)
{
	const struct hyperv_page *hv = image;

	return hv->tsc_scale != 0;
}

static const struct page_writer_kind hyperv_kind = {
	.rounded = ROUNDED,
	.shape = &pclk_hyperv_shape,
	.id = KIND,
	.first = 1,
	.is_tsc = true,
	.moves_base = true,
	.is_usable = hyperv_is_usable,
	.make = hyperv_make,
	.reading = hyperv_reading,
	.lift = hyperv_lift,
};

int paraclock_hyperv_write(void *page, struct paraclock_page_writer *writer,
			   const struct paraclock_env *env,
			   const struct paraclock_timeline *tl)
{
	return pclk_page_write(&hyperv_kind, page, writer, env, tl);
}

int paraclock_hyperv_freeze(void *page, struct paraclock_page_writer *writer,
			    const struct paraclock_env *env)
{
	return pclk_page_freeze(&hyperv_kind, page, writer, env);
}
