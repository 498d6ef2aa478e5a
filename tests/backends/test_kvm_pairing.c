// SPDX-License-Identifier: MIT
/* kvm-pairing in ring 0: which answers are pairs, and which are not. */

#include "fake_pairing.h"
#include "kvmclock/kvm_call.h"

static struct paraclock *open_good(void)
{
	struct paraclock *clk = NULL;

	assert_int_equal(open_pairing(&clk, NULL, NULL, 0), 0);
	return clk;
}

static int setup(void **state)
{
	(void)state;
	host_init();
	return 0;
}

static void check_foreign(struct paraclock *clk)
{
	struct paraclock_sample sample;
	char text[256];

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_COUNTER);
	assert_int_equal(sample.host_ns, HOST_NS);
	assert_int_equal(sample.pair_error_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(paraclock_explain(clk, 0, &sample, text, sizeof(text)),
			 0);
	assert_non_null(strstr(text, "counters of all CPUs"));
}

/*
 * Two wrong answers and then a right one are accepted; after three wrong ones
 * the counter is not ours.
 */
static void check_off(struct paraclock *clk, int64_t off)
{
	struct paraclock_sample sample;

	host.tsc_off = off;
	host.off_times = 2;
	host.calls = 0;
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(host.calls, 3);
	host.off_times = 3;
	check_foreign(clk);
	assert_int_equal(host.calls, 6);
}

static void a_counter_from_outside_the_call_is_not_ours(void **state)
{
	static const int64_t offs[] = { -40, 3001, INT64_MIN, 1000000000 };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(offs); i++) {
		struct paraclock *clk;

		host_init();
		if (i % 2)
			ENV.counter_id = PARACLOCK_COUNTER_ARM_VCNT;
		clk = open_good();
		check_off(clk, offs[i / 2]);
		paraclock_close(clk);
	}
}

static void both_ends_of_the_call_are_within_it(void **state)
{
	static const int64_t offs[] = { -39, 0, 3000 };
	struct paraclock *clk = open_good();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(offs); i++) {
		struct paraclock_sample sample;

		host.tsc_off = offs[i];
		host.off_times = 1;
		host.calls = 0;
		assert_int_equal(paraclock_read(clk, &sample), 0);
		assert_int_equal(sample.valid, 1);
		assert_int_equal(host.calls, 1);
	}
	paraclock_close(clk);
}

static void a_host_may_fail_and_come_back(void **state)
{
	struct paraclock_sample sample, before;
	struct paraclock *clk = open_good();
	char text[256];

	(void)state;
	host.code = (uint64_t)-95;
	memset(&sample, 0xa5, sizeof(sample));
	before = sample;
	assert_int_equal(paraclock_read(clk, &sample), -EOPNOTSUPP);
	assert_memory_equal(&sample, &before, sizeof(sample));
	assert_int_equal(paraclock_explain(clk, -EOPNOTSUPP, NULL, text,
					   sizeof(text)),
			 0);
	assert_non_null(strstr(text, "the host gives no pair"));
	host.code = 0;
	check_pair(clk, HOST_NS);
	paraclock_close(clk);
}

/* Each call under way has a result of its own; there are 64 results. */
static void reads_within_reads_do_not_mix(void **state)
{
	struct paraclock *clk = open_good();
	struct paraclock_sample sample;

	(void)state;
	host.nested = clk;
	host.depths = 63;
	/* Each nested call runs within another one, whose time includes it. */
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(host.busy, 0);
	host.depths = 64;
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(host.busy, 1);
	host.nested = NULL;
	check_pair(clk, HOST_NS);
	paraclock_close(clk);
}

static void in_ring_0_a_device_is_a_ptp_clock(void **state)
{
	struct paraclock *clk = UNTOUCHED;
	char detail[256];

	(void)state;
	assert_int_equal(open_pairing(&clk, "/dev/ptp0", detail,
				      sizeof(detail)),
			 -EOPNOTSUPP);
	assert_ptr_equal(clk, UNTOUCHED);
	assert_non_null(strstr(detail, "PTP clocks"));
	assert_int_equal(host.calls, 0);
}

/* For kvm-pairing the archive for ring 0 has the hypercall alone. */
static void the_archive_for_ring_0_has_the_call_alone(void **state)
{
	char detail[256] = "";
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.device = "/dev/ptp0",
		.env = &ENV,
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	struct paraclock *clk = UNTOUCHED;

	(void)state;
	assert_int_equal(paraclock_open_backend(&clk, &pclk_backend_kvm_call,
						NULL, &opts),
			 -EINVAL);
	assert_non_null(strstr(detail, "no device"));
	opts.device = NULL;
	ENV.hypercall = NULL;
	assert_int_equal(paraclock_open_backend(&clk, &pclk_backend_kvm_call,
						NULL, &opts),
			 -EOPNOTSUPP);
	assert_non_null(strstr(detail, "no hypercalls"));
	assert_ptr_equal(clk, UNTOUCHED);
	assert_int_equal(host.calls, 0);
	host_init();
	assert_int_equal(paraclock_open_backend(&clk, &pclk_backend_kvm_call,
						NULL, &opts),
			 0);
	check_pair(clk, HOST_NS);
	paraclock_close(clk);
}

static const struct CMUnitTest tests[] = {
	TEST("a counter from outside the call is not ours",
	     a_counter_from_outside_the_call_is_not_ours),
	TEST("both ends of the call are within it",
	     both_ends_of_the_call_are_within_it),
	TEST("a host may fail and come back", a_host_may_fail_and_come_back),
	TEST("reads within reads do not mix", reads_within_reads_do_not_mix),
	TEST("in ring 0 a device is a PTP clock",
	     in_ring_0_a_device_is_a_ptp_clock),
	TEST("the archive for ring 0 has the call alone",
	     the_archive_for_ring_0_has_the_call_alone),
};

int main(void)
{
	each_test(setup, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
