// SPDX-License-Identifier: MIT
/*
 * Conversions: the hot read equals the exact conversion, to the bit, for any
 * page and at any counter value.
 */

#include "base/counter.h"
#include "base/fixed.h"
#include "fake.h"
#include "hyperv/hyperv_page.h"
#include "kvmclock/pvclock.h"
#include "page/conversion.h"
#include "vmclock/vmclock_page.h"

#define PAGES	 60000
#define COUNTERS 12

/* --- random pages ------------------------------------------------------- */

/* xorshift64*: the same pages in every run. */
static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t any(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 0x2545f4914f6cdd1d;
}

/* Any order of magnitude. */
static uint64_t sized(unsigned int bits)
{
	return any() >> (64 - bits + any() % bits);
}

static bool one_in(unsigned int n)
{
	return any() % n == 0;
}

static void random_pvclock(struct pvclock *pv, uint64_t now)
{
	*pv = (struct pvclock){
		.version = 2,
		.tsc_timestamp = one_in(3) ? sized(63) : now - sized(40),
		.system_time = one_in(4) ? INT64_MAX - sized(60) : sized(62),
		.tsc_to_system_mul = (uint32_t)(any() >> one_in(2) * 31) | 1,
		.tsc_shift = (int8_t)(any() % 5 - 2),
		.flags = PVCLOCK_TSC_STABLE | (any() & PVCLOCK_GUEST_STOPPED),
	};
	if (one_in(4))
		pv->tsc_shift = (int8_t)(any() % 127 - 63);
	if (one_in(50))
		pv->flags = 0;
}

static void random_hyperv(struct hyperv_page *hv, uint64_t now)
{
	(void)now;
	*hv = (struct hyperv_page){
		.tsc_sequence = 1 + (uint32_t)(any() % 1000),
		.tsc_scale = one_in(2) ? sized(64) | 1
				       : 10000000 * (UINT64_MAX / 2596123000),
		.tsc_offset = (int64_t)sized(62) * (one_in(2) ? 1 : -1),
		.reserved2 = any(),
	};
	if (one_in(50))
		hv->tsc_scale = 0;
}

/* A period of some 100 Hz to 10 GHz, or anything. */
static void random_rate(struct vmclock_page *vc)
{
	vc->counter_period_shift = (uint8_t)(any() % 34);
	vc->counter_period_frac_sec =
		(UINT64_MAX >> (34 - vc->counter_period_shift)) /
		(1 + any() % 8);
	vc->counter_period_frac_sec |= 1;
	if (one_in(8)) {
		vc->counter_period_shift = (uint8_t)(any() % 128);
		vc->counter_period_frac_sec = sized(64) | 1;
	}
	/* From nothing over parts per million to anything. */
	if (one_in(3))
		vc->counter_period_maxerror_rate_frac_sec =
			vc->counter_period_frac_sec >> (4 + any() % 30);
	else if (one_in(4))
		vc->counter_period_maxerror_rate_frac_sec = sized(64);
}

static void random_vmclock(struct vmclock_page *vc, uint64_t now)
{
	*vc = (struct vmclock_page){
		.magic = VMCLOCK_MAGIC,
		.size = one_in(8) ? 88 : 4096,
		.version = 1,
		.counter_id = VMCLOCK_COUNTER_X86_TSC,
		.time_type = (uint8_t)(any() % 3),
		.seq_count = 2,
		.disruption_marker = any(),
		.flags = any() % 256,
		.clock_status = 2 + one_in(3),
		.tai_offset_sec = (int16_t)(one_in(4) ? any() : 37),
		.leap_indicator = (uint8_t)(any() % 7),
		.counter_value = one_in(3) ? sized(63) : now - sized(40),
		/* Some minutes before and after the end of July 2026. */
		.time_sec = 1785542400 - 300 + any() % 400,
		.time_frac_sec = any(),
		.time_maxerror_nanosec = sized(31),
		.vm_generation_counter = any(),
	};
	random_rate(vc);
	if (one_in(8))
		vc->time_sec = sized(34);
	if (one_in(50))
		vc->clock_status = (uint8_t)any();
}

/* Ticks at which the page that was made last is next to a whole ns. */
static uint64_t near_ticks;

/*
 * Where rounding could show: a reference time such that some ticks later the
 * exact time is a whole ns, to a few 2^-64 s. Chance alone never finds it.
 */
static void aim_at_whole_ns(struct vmclock_page *vc)
{
	u128 whole = ((u128)(any() % NSEC_PER_SEC) << 64) / NSEC_PER_SEC;
	u128 took;

	near_ticks = sized(45);
	took = shift_right((u128)near_ticks * vc->counter_period_frac_sec,
			   vc->counter_period_shift);
	vc->time_frac_sec = (uint64_t)(whole - took) + any() % 4 - 1;
}

/* --- the three kinds ------------------------------------------------------ */

union any_page {
	struct pvclock pv;
	struct hyperv_page hv;
	struct vmclock_page vc;
};

static const struct pvclock_limits pv_limits = { UINT64_MAX,
						 PVCLOCK_TSC_STABLE };
static const struct vmclock_limits vc_limits = {
	.counter_id = PARACLOCK_COUNTER_X86_TSC,
};

static void make_pvclock(struct fake *fake, union any_page *page, uint64_t now)
{
	random_pvclock(&page->pv, now);
	memcpy(fake->pvclock, &page->pv, sizeof(page->pv));
}

static void make_hyperv(struct fake *fake, union any_page *page, uint64_t now)
{
	random_hyperv(&page->hv, now);
	memcpy(fake->hyperv, &page->hv, sizeof(page->hv));
	fake->hyperv_error = 0;
}

static void make_vmclock(struct fake *fake, union any_page *page, uint64_t now)
{
	struct page_copy copy = { .size = sizeof(page->vc) };

	random_vmclock(&page->vc, now);
	if (one_in(2))
		aim_at_whole_ns(&page->vc);
	memcpy(fake->vmclock, &page->vc, sizeof(page->vc));
	fake->vmclock_error = 0;
	memcpy(copy.word, &page->vc, sizeof(page->vc));
	assert_null(pclk_vmclock_decode(&copy, &page->vc));
}

/* The page's time, and the conversion from there; the exact way. */
static int exact_pvclock(const union any_page *page, uint64_t counter,
			 struct paraclock_sample *sample,
			 struct paraclock_conversion *conv)
{
	const char *bad;
	int ret = pclk_pvclock_convert(&page->pv, &pv_limits, counter, sample,
				       &bad);

	if (!ret)
		pclk_pvclock_conversion(&page->pv, &pv_limits, sample, conv);
	return ret;
}

static int exact_hyperv(const union any_page *page, uint64_t counter,
			struct paraclock_sample *sample,
			struct paraclock_conversion *conv)
{
	const char *bad;
	int ret = pclk_hyperv_convert(&page->hv, counter, sample, &bad);

	if (!ret)
		pclk_hyperv_conversion(&page->hv, sample, conv);
	return ret;
}

static int exact_vmclock(const union any_page *page, uint64_t counter,
			 struct paraclock_sample *sample,
			 struct paraclock_conversion *conv)
{
	const char *bad;
	int ret = pclk_vmclock_convert(&page->vc, &vc_limits, counter, sample,
				       &bad);

	if (!ret)
		pclk_vmclock_conversion(&page->vc, &vc_limits, sample, conv);
	return ret;
}

struct kind {
	const char *name;
	const char *backend;
	uint8_t marker_class;
	void (*make)(struct fake *fake, union any_page *page, uint64_t now);
	int (*exact)(const union any_page *page, uint64_t counter,
		     struct paraclock_sample *sample,
		     struct paraclock_conversion *conv);
};

static struct kind kinds[] = {
	{ "a hot read of a pvclock page is exact", "kvmclock",
	  PARACLOCK_MARKER_HEURISTIC, make_pvclock, exact_pvclock },
	{ "a hot read of a Hyper-V page is exact", "hyperv",
	  PARACLOCK_MARKER_HEURISTIC, make_hyperv, exact_hyperv },
	{ "a hot read of a vmclock page is exact", "vmclock",
	  PARACLOCK_MARKER_AUTHORITATIVE, make_vmclock, exact_vmclock },
};

/* --- hot and exact -------------------------------------------------------- */

static struct fake fake;
static unsigned int counter_reads;

static uint64_t counting_counter(void *ctx)
{
	counter_reads++;
	return ((struct fake *)ctx)->counter;
}

/* Both ways must agree, and neither may write when it fails. */
static void compare(const struct kind *kind, const union any_page *page,
		    int ret, const struct paraclock_sample *hot,
		    uint64_t counter)
{
	struct paraclock_sample exact, clean;
	struct paraclock_conversion conv = { 0 };

	memset(&exact, 0xa5, sizeof(exact));
	memset(&clean, 0xa5, sizeof(clean));
	assert_int_equal(kind->exact(page, counter, &exact, &conv), ret);
	if (ret) {
		assert_memory_equal(hot, &clean, sizeof(clean));
		assert_memory_equal(&exact, &clean, sizeof(clean));
		return;
	}
	exact.epoch = 1;
	exact.marker_class = kind->marker_class;
	assert_memory_equal(hot, &exact, sizeof(exact));
	assert_int_equal(hot->valid, hot->reason == PARACLOCK_REASON_OK);
}

/* The third, which has the counter as an argument, must agree as well. */
static void compare_at(const struct paraclock *clk, int ret,
		       const struct paraclock_sample *hot, uint64_t counter)
{
	struct paraclock_sample at;

	memset(&at, 0xa5, sizeof(at));
	counter_reads = 0;
	assert_int_equal(paraclock_read_at(clk, counter, &at), ret);
	assert_memory_equal(&at, hot, sizeof(at));
}

/* Around the base, around the end of the conversion, and anywhere. */
static uint64_t some_counter(uint64_t base, uint64_t max_ticks)
{
	switch (any() % 8) {
	case 0:
		return base;
	case 1:
		return base - 1 - sized(20);
	case 2:
		return base + max_ticks + any() % 5 - 2;
	case 3:
		return sized(64);
	case 4:
		return base + near_ticks;
	case 5:
		return max_ticks ? base + any() % max_ticks : base;
	default:
		return base + sized(50);
	}
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Upwards: a counter does not go back over a leap second. */
static void choose_counters(const struct kind *kind, const union any_page *page,
			    uint64_t counters[COUNTERS])
{
	struct paraclock_sample sample;
	struct paraclock_conversion conv = { 0 };
	uint64_t base = 0;

	if (kind->exact == exact_pvclock)
		base = page->pv.tsc_timestamp;
	else if (kind->exact == exact_vmclock)
		base = page->vc.counter_value;
	(void)kind->exact(page, base, &sample, &conv);
	for (unsigned int i = 0; i < COUNTERS; i++)
		counters[i] = some_counter(base, conv.max_ticks);
	qsort(counters, COUNTERS, sizeof(counters[0]), by_value);
}

static void check_kind(void **state)
{
	const struct kind *kind = *state;
	uint64_t counters[COUNTERS];
	unsigned int hot_reads = 0, hot_reads_at = 0;

	for (unsigned int i = 0; i < PAGES; i++) {
		union any_page page;
		struct paraclock *clk;

		fake_init(&fake);
		fake.env.counter = counting_counter;
		kind->make(&fake, &page, 1ULL << 50);
		choose_counters(kind, &page, counters);
		fake.counter = counters[0];
		clk = fake_open(&fake, kind->backend);
		for (unsigned int c = 0; c < COUNTERS; c++) {
			struct paraclock_sample hot, now;
			struct paraclock_conversion conv = { 0 };
			int ret;

			memset(&hot, 0xa5, sizeof(hot));
			fake.counter = counters[c];
			counter_reads = 0;
			ret = paraclock_read(clk, &hot);
			hot_reads += counter_reads == 1;
			compare(kind, &page, ret, &hot, counters[c]);
			compare_at(clk, ret, &hot, counters[c]);
			hot_reads_at += counter_reads == 1;
			/*
			 * In the past, unless the page's time now exceeds 64
			 * bits.
			 */
			fake.counter += sized(20);
			if (!kind->exact(&page, fake.counter, &now, &conv) &&
			    fake.counter > counters[c])
				compare_at(clk, ret, &hot, counters[c]);
		}
		paraclock_close(clk);
	}
	/* Without any hot read this would have shown nothing. */
	assert_true(hot_reads > PAGES * COUNTERS / 5);
	assert_true(hot_reads_at > PAGES * COUNTERS / 5);
}

/* The CPU's own counter is read by other code than env->counter. */
static void check_native(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(kinds) * PAGES / 4; i++) {
		const struct kind *kind = &kinds[i % ARRAY_LEN(kinds)];
		struct paraclock *clk;
		union any_page page;

		fake_init(&fake);
		fake.env.counter = NULL;
		kind->make(&fake, &page, counter_fenced());
		clk = fake_open(&fake, kind->backend);
		for (unsigned int c = 0; c < 3; c++) {
			struct paraclock_sample hot, then;
			struct paraclock_conversion conv = { 0 };
			int ret;

			memset(&hot, 0xa5, sizeof(hot));
			ret = paraclock_read(clk, &hot);
			if (ret)
				continue;
			compare(kind, &page, ret, &hot, hot.host_tsc);
			/* Unless the page's time soon exceeds 64 bits. */
			if (!kind->exact(&page, hot.host_tsc + (1ULL << 40),
					 &then, &conv))
				compare_at(clk, ret, &hot, hot.host_tsc);
		}
		paraclock_close(clk);
	}
}

static void check_ticks_within(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 1000000; i++) {
		uint64_t ns = sized(64);
		uint64_t hi = one_in(2) ? 0 : sized(33);
		uint64_t lo = sized(64);
		uint64_t ticks = pclk_ticks_within(ns, hi, lo);
		u128 low = (u128)ticks * lo;
		u128 whole = (u128)ticks * hi + (uint64_t)(low >> 64);
		bool part = (uint64_t)low != 0;

		assert_true(whole + part <= ns);
		/* Not too few either, except for one and some parts in 2^62. */
		if (hi < UINT32_MAX && ticks < 1ULL << 62)
			assert_true(whole + 2 * (hi + 1) + (ns >> 60) >= ns);
	}
	assert_int_equal(pclk_ticks_within(1000, 1, 0), 1000);
	assert_int_equal(pclk_ticks_within(1000, 41, UINT64_MAX), 23);
	assert_int_equal(pclk_ticks_within(1000, 0, 1ULL << 63), 2000);
	assert_int_equal(pclk_ticks_within(0, 0, 1), 0);
	assert_int_equal(pclk_ticks_within(1, 0, 0), 1ULL << 62);
	assert_int_equal(pclk_ticks_within(UINT64_MAX, UINT64_MAX, 0), 0);
}

/* By hand: 2^63 is half a ns a tick. */
static void check_confine(void **state)
{
	struct paraclock_conversion conv = { .max_ticks = UINT64_MAX,
					     .usable = 1 };

	(void)state;
	pclk_conversion_confine(&conv);
	assert_int_equal(conv.max_ticks, UINT64_MAX);
	conv.base_tsc = 0xf000000000000000;
	pclk_conversion_confine(&conv);
	assert_int_equal(conv.max_ticks, 0x0fffffffffffffff);
	assert_true(pclk_conversion_reaches(&conv, UINT64_MAX));
	assert_false(pclk_conversion_reaches(&conv, 0));
	assert_false(pclk_conversion_reaches(&conv, 1000000000000));
	conv.max_ticks = 1000;
	conv.error_ns = UINT64_MAX - 11;
	conv.error_mult = 1ULL << 63;
	pclk_conversion_confine(&conv);
	assert_int_equal(conv.max_ticks, 20);
	conv.error_ns = UINT64_MAX;
	pclk_conversion_confine(&conv);
	assert_int_equal(conv.max_ticks, 0);
	conv.usable = 0;
	assert_false(pclk_conversion_reaches(&conv, conv.base_tsc));
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		TEST("a read by the CPU's own counter is exact", check_native),
		TEST("ticks within a time never take longer",
		     check_ticks_within),
		TEST("a conversion ends before the counter or its error wraps",
		     check_confine),
	};

	ADD_TESTS(others);
	ADD_ROWS(kinds, check_kind);
	return run_suite(NULL, NULL);
}
