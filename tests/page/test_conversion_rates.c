// SPDX-License-Identifier: MIT
/*
 * Conversions of counters of any rate: the hot read works as long as the page
 * does, and equals the exact conversion.
 */

#include <paraclock/host.h>

#include "base/fixed.h"
#include "fake.h"
#include "hyperv/hyperv_page.h"
#include "kvmclock/pvclock.h"
#include "vmclock/vmclock_page.h"

/* The rates of arm64 machines, of x86 ones, and next to a ns a tick. */
static const uint64_t rates_hz[] = {
	19200000,   24000000,	25000000,   54000000,	100000000,
	250000000,  500000000,	999999999,  1000000000, 1000000001,
	1050000000, 2596123000, 4000000000, 5000000000,
};

static struct fake fake;
static unsigned int counter_reads;

static struct pvclock pv;
static struct hyperv_page hv;
static struct vmclock_page vc;

static uint64_t counting_counter(void *ctx)
{
	counter_reads++;
	return ((struct fake *)ctx)->counter;
}

static void begin(void)
{
	fake_init(&fake);
	fake.env.counter = counting_counter;
}

static void make_pvclock(uint64_t hz)
{
	int shift = -4;
	u128 mul;

	do {
		shift++;
		mul = ((u128)NSEC_PER_SEC << (32 - shift)) / hz;
	} while (mul >> 32);
	pv = (struct pvclock){
		.version = 2,
		.tsc_to_system_mul = (uint32_t)mul,
		.tsc_shift = (int8_t)shift,
		.flags = PVCLOCK_TSC_STABLE,
	};
	memcpy(fake.pvclock, &pv, sizeof(pv));
}

static void make_hyperv(uint64_t hz)
{
	hv = (struct hyperv_page){
		.tsc_sequence = 1,
		.tsc_scale = (uint64_t)(((u128)10000000 << 64) / hz),
	};
	memcpy(fake.hyperv, &hv, sizeof(hv));
	fake.hyperv_error = 0;
}

static void make_vmclock(uint64_t hz)
{
	struct paraclock_timeline tl = { .size = sizeof(tl) };

	assert_int_equal(paraclock_timeline_set_hz(&tl, hz, 0), 0);
	vc = (struct vmclock_page){
		.magic = VMCLOCK_MAGIC,
		.size = 4096,
		.version = 1,
		.counter_id = VMCLOCK_COUNTER_X86_TSC,
		.time_type = 1,
		.seq_count = 2,
		.clock_status = 2,
		.time_sec = 1700000000,
		/*
		 * Not a whole ns, on which the conversion leaves the answer to
		 * the formula.
		 */
		.time_frac_sec = 0x123456789abcdef0,
		.counter_period_shift = tl.period_shift,
		.counter_period_frac_sec = tl.period_frac,
	};
	memcpy(fake.vmclock, &vc, sizeof(vc));
	fake.vmclock_error = 0;
}

/* --- the exact way -------------------------------------------------------- */

static int exact_pvclock(uint64_t counter, struct paraclock_sample *ret_sample)
{
	const struct pvclock_limits limits = { UINT64_MAX, PVCLOCK_TSC_STABLE };
	const char *bad;

	return pclk_pvclock_convert(&pv, &limits, counter, ret_sample, &bad);
}

static int exact_hyperv(uint64_t counter, struct paraclock_sample *ret_sample)
{
	const char *bad;

	return pclk_hyperv_convert(&hv, counter, ret_sample, &bad);
}

static int exact_vmclock(uint64_t counter, struct paraclock_sample *ret_sample)
{
	const struct vmclock_limits limits = {
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
	};
	const char *bad;

	return pclk_vmclock_convert(&vc, &limits, counter, ret_sample, &bad);
}

/* --- as far as the page --------------------------------------------------- */

struct kind {
	const char *name;
	const char *backend;
	void (*make)(uint64_t hz);
	int (*exact)(uint64_t counter, struct paraclock_sample *ret_sample);
	uint64_t sec; /* it must be hot for this long */
};

/* 20 years; a vmclock without a bound is believed for an hour. */
static struct kind kinds[] = {
	{ "a pvclock page of any rate is read hot for as long as it holds",
	  "kvmclock", make_pvclock, exact_pvclock, 631152000 },
	{ "a Hyper-V page of any rate is read hot for as long as it holds",
	  "hyperv", make_hyperv, exact_hyperv, 631152000 },
	{ "a vmclock page of any rate is read hot for as long as it holds",
	  "vmclock", make_vmclock, exact_vmclock, 3600 },
};

static void read_hot(const struct kind *kind, const struct paraclock *clk)
{
	struct paraclock_sample hot, exact;

	counter_reads = 0;
	assert_int_equal(paraclock_read(clk, &hot), 0);
	assert_int_equal(counter_reads, 1);
	assert_true(hot.valid);
	assert_int_equal(kind->exact(fake.counter, &exact), 0);
	assert_int_equal(hot.host_ns, exact.host_ns);
	assert_int_equal(hot.host_tsc, exact.host_tsc);
	assert_int_equal(hot.clock_error_ns, exact.clock_error_ns);
}

static void hot_as_far_as_the_page(void **state)
{
	const struct kind *kind = *state;

	for (size_t i = 0; i < ARRAY_LEN(rates_hz); i++) {
		const uint64_t hz = rates_hz[i];
		struct paraclock *clk;

		begin();
		kind->make(hz);
		fake.counter = 0;
		clk = fake_open(&fake, kind->backend);
		for (unsigned int tenth = 1; tenth <= 10; tenth++) {
			/* A ms and some, for the rounding of the rate. */
			fake.counter =
				kind->sec * hz / 10 * tenth - hz / 1000 - 3;
			read_hot(kind, clk);
		}
		paraclock_close(clk);
	}
}

/* --- a flag --------------------------------------------------------------- */

/*
 * The guest may clear the flag under the same version: one read looks at the
 * page, and the later ones are hot again.
 */
static void a_flag_that_the_guest_clears_costs_one_read(void **state)
{
	static const unsigned int reads[] = { 1, 1, 0, 1, 1 };
	struct paraclock_sample sample;
	struct paraclock *clk;

	(void)state;
	begin();
	fake.pvclock[29] |= PVCLOCK_GUEST_STOPPED;
	fake.counter = 2000;
	clk = fake_open(&fake, "kvmclock");
	for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
		if (!reads[i])
			fake.pvclock[29] = PVCLOCK_TSC_STABLE;
		counter_reads = 0;
		assert_int_equal(paraclock_read(clk, &sample), 0);
		assert_true(sample.valid);
		assert_int_equal(sample.epoch, 1);
		assert_int_equal(counter_reads == 1, reads[i]);
	}
	paraclock_close(clk);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		TEST("a flag that the guest clears costs one read",
		     a_flag_that_the_guest_clears_costs_one_read),
	};

	ADD_TESTS(others);
	ADD_ROWS(kinds, hot_as_far_as_the_page);
	return run_suite(NULL, NULL);
}
