// SPDX-License-Identifier: MIT
/* Asking Hyper-V for announcements, and which requests are refused. */

#include <paraclock/relay.h>

#include "reenlightens.h"

static void announcements_are_asked_for_and_cancelled(void **state)
{
	(void)state;
	assert_int_equal(paraclock_reenlightenment_start(&re), 0);
	assert_int_equal(hv.control, 5ULL << 32 | 1ULL << 16 | 0xee);
	assert_int_equal(hv.emulation, 1);
	assert_int_equal(re.hz, 2500000000U);
	assert_int_equal(re.notifications, 1);
	hv.status = 1;
	assert_int_equal(paraclock_reenlightenment_stop(&re), -EBUSY);
	assert_int_equal(hv.emulation, 1);
	hv.status = 0;
	assert_int_equal(paraclock_reenlightenment_stop(&re), 0);
	assert_int_equal(hv.control, 0);
	assert_int_equal(hv.emulation, 0);
}

static void no_msrs(void)
{
	above.fake.env.wrmsr = NULL;
}

static void no_cpuid(void)
{
	above.fake.env.cpuid = NULL;
}

static void another_hypervisor(void)
{
	hv.absent = true;
}

static void no_frequency_bit(void)
{
	hv.eax &= ~(1U << 11);
}

static void no_reenlightenment_bit(void)
{
	hv.eax &= ~(1U << 13);
}

static void no_frequency_msrs(void)
{
	hv.edx = 0;
}

static void low_vector(void)
{
	re.vector = 15;
}

static void too_small(void)
{
	re.size--;
}

static void small_env(void)
{
	above.fake.env.size--;
}

static void no_emulation(void)
{
	hv.bad_write = EMULATION;
}

static void no_frequency(void)
{
	hv.hz = 0;
}

static struct refusal {
	const char *name;
	void (*spoil)(void);
	int ret;
} refusals[] = {
	{ "without MSRs the request is refused", no_msrs, -EOPNOTSUPP },
	{ "without CPUID the request is refused", no_cpuid, -EOPNOTSUPP },
	{ "another hypervisor announces nothing", another_hypervisor, -ENODEV },
	{ "without AccessFrequencyMsrs the request is refused",
	  no_frequency_bit, -EOPNOTSUPP },
	{ "without AccessReenlightenmentControls the request is refused",
	  no_reenlightenment_bit, -EOPNOTSUPP },
	{ "without frequency MSRs the request is refused", no_frequency_msrs,
	  -EOPNOTSUPP },
	{ "a vector of the CPU's own is refused", low_vector, -EINVAL },
	{ "a struct that is too small is refused", too_small, -EINVAL },
	{ "an env that is too small is refused", small_env, -EINVAL },
	{ "without emulation nothing is announced", no_emulation, -EIO },
	{ "a frequency of 0 is refused", no_frequency, -EPROTO },
};

static void is_refused(void **state)
{
	const struct refusal *refusal = *state;
	struct paraclock *clk = NULL;

	refusal->spoil();
	assert_int_equal(paraclock_reenlightenment_start(&re), refusal->ret);
	assert_int_equal(hv.control, 0);
	assert_int_equal(hv.emulation, 0);
	if (refusal->ret != -EIO) {
		assert_int_equal(re.hz, 0);
		assert_int_equal(paraclock_reenlightenment_open(&clk, &re),
				 -EINVAL);
		assert_null(clk);
	}
	above.fake.env.size = sizeof(above.fake.env);
}

static void null_is_refused(void **state)
{
	struct paraclock *clk = NULL;

	(void)state;
	assert_int_equal(paraclock_reenlightenment_start(NULL), -EINVAL);
	assert_int_equal(paraclock_reenlightenment_stop(NULL), -EINVAL);
	assert_int_equal(paraclock_reenlightenment_run(NULL), -EINVAL);
	assert_int_equal(paraclock_reenlightenment_open(&clk, NULL), -EINVAL);
	assert_null(clk);
	paraclock_reenlightenment_notify(NULL);
	assert_int_equal(paraclock_reenlightenment_start(&re), 0);
	assert_int_equal(paraclock_reenlightenment_open(NULL, &re), -EINVAL);
}

static void a_page_that_is_absent(void **state)
{
	struct paraclock *clk = NULL;

	(void)state;
	assert_int_equal(paraclock_reenlightenment_start(&re), 0);
	above.fake.hyperv_error = -ENODEV;
	assert_int_equal(paraclock_reenlightenment_open(&clk, &re), -ENODEV);
	assert_null(clk);
}

int main(void)
{
	each_test(set_up, tear_down);
	add_test("announcements are asked for, and cancelled",
		 announcements_are_asked_for_and_cancelled);
	ADD_ROWS(refusals, is_refused);
	add_test("NULL is refused", null_is_refused);
	add_test("a page that is absent", a_page_that_is_absent);
	return run_suite(NULL, NULL);
}
