// SPDX-License-Identifier: MIT
/* Cross timestamps of a source, on clocks that are exactly known. */

#include "fake_clocks.h"

static struct fake_clocks clocks;

static int setup(void **state)
{
	(void)state;
	fake_clocks_init(&clocks);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return clocks.world.allocs != clocks.world.frees;
}

static void check_truth(const struct paraclock_crosststamp *xt)
{
	fake_check_truth(&clocks, xt->known, xt->ns, xt->counter,
			 xt->uncertainty_ns);
}

static struct paraclock_crosststamp cross(const struct paraclock *clk)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };

	assert_int_equal(paraclock_crosststamp(clk, NULL, &xt), 0);
	return xt;
}

static void a_page_and_the_clocks_at_one_instant(void **state)
{
	struct paraclock *clk = fake_open(&clocks.world, "kvmclock");
	unsigned int allocs = clocks.world.allocs;
	struct paraclock_crosststamp xt;

	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		xt = cross(clk);
		check_truth(&xt);
		assert_int_equal(xt.sample.valid, 1);
		/* The fake page: 1 ns a tick, 5000 ns at 1000. */
		assert_int_equal(xt.sample.host_ns, xt.counter - 1000 + 5000);
		assert_int_equal(xt.sample.host_tsc, xt.counter);
		assert_int_equal(xt.known, 0x1f);
	}
	assert_int_equal(clocks.world.allocs, allocs);
	assert_int_equal(clocks.source_reads, 1);
	paraclock_close(clk);
}

static void a_page_that_is_not_valid_has_no_clocks(void **state)
{
	struct paraclock *clk = fake_open(&clocks.world, "kvmclock");
	struct paraclock_crosststamp xt;

	(void)state;
	clocks.world.pvclock[29] = 0;
	xt = cross(clk);
	assert_int_equal(xt.sample.valid, 0);
	assert_int_equal(xt.sample.reason, PARACLOCK_REASON_UNSTABLE);
	assert_int_equal(xt.known, 0);
	paraclock_close(clk);
}

static unsigned int until_move;

static void move_in_the_middle(struct fake_clocks *c, int clock_id)
{
	(void)clock_id;
	if (until_move && !--until_move)
		fake_set_pvclock(&c->world, 4, 2000, 7000000000);
}

/*
 * A disruption before the first look at the page is past; after the last it
 * comes too late to be seen. In between, it is noticed.
 */
static void a_disruption_in_between_is_estale(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= 8; n++) {
		struct paraclock_crosststamp xt = { .size = sizeof(xt) }, was;
		struct paraclock *clk;

		fake_set_pvclock(&clocks.world, 2, 1000, 5000);
		clk = fake_open(&clocks.world, "kvmclock");
		(void)cross(clk);
		was = xt;
		until_move = n;
		clocks.on_read = move_in_the_middle;
		assert_int_equal(paraclock_crosststamp(clk, NULL, &xt),
				 -ESTALE);
		assert_memory_equal(&xt, &was, sizeof(xt));
		xt = cross(clk);
		assert_int_equal(xt.sample.epoch, 2);
		check_truth(&xt);
		clocks.on_read = NULL;
		paraclock_close(clk);
	}
}

static void an_earlier_disruption_does_not_count(void **state)
{
	struct paraclock *clk = fake_open(&clocks.world, "kvmclock");
	struct paraclock_crosststamp xt = cross(clk);

	(void)state;
	assert_int_equal(xt.sample.epoch, 1);
	fake_set_pvclock(&clocks.world, 4, 2000, 7000000000);
	xt = cross(clk);
	assert_int_equal(xt.sample.epoch, 2);
	check_truth(&xt);
	paraclock_close(clk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_and_the_clocks_at_one_instant),
		cmocka_unit_test(a_page_that_is_not_valid_has_no_clocks),
		cmocka_unit_test(a_disruption_in_between_is_estale),
		cmocka_unit_test(an_earlier_disruption_does_not_count),
	};

	each_test(setup, teardown);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
