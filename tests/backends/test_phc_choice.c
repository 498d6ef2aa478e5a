// SPDX-License-Identifier: MIT
/* Which PTP clocks are chosen automatically. */

#include "fake_ptp.h"

static struct fake_ptp ptp;

/*
 * The driver goes on with the time of a page that the host has declared
 * unreliable.
 */
static void a_vmclocks_is_chosen_by_name_only(void **state)
{
	char why[256];
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = &ptp.clocks.world.env,
		.detail = why,
		.detail_size = sizeof(why),
	};
	struct paraclock *clk = NULL;
	struct paraclock_sample sample;

	(void)state;
	fake_ptp_init(&ptp);
	fake_ptp_add(&ptp, 0, "vmclock0", 0);
	assert_int_equal(paraclock_open(&clk, &opts), -ENODEV);
	assert_null(clk);
	opts.backend = "phc";
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.flags, PARACLOCK_FLAG_UNVOUCHED);
	paraclock_close(clk);
	/* Another driver's clock is chosen. */
	fake_ptp_add(&ptp, 1, "hyperv", 0);
	ptp.phc[0].name[0] = '\0';
	opts.backend = NULL;
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.flags, 0);
	paraclock_close(clk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vmclocks_is_chosen_by_name_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
