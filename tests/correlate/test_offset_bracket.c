// SPDX-License-Identifier: MIT
/*
 * The offset where the kernel's clock is not on the counter: CLOCK_REALTIME
 * between two reads of the host clock, on clocks that are exactly known.
 */

#include "fake_clocks.h"

static struct fake_clocks clocks;
static struct paraclock *clk;

/* The fake page: TAI, offset 37 s, 1 ns a tick, this at counter 1000. */
#define PAGE_TAI 1800000000LL
#define SEC	 1000000000LL

static int setup(void **state)
{
	(void)state;
	fake_clocks_init(&clocks);
	strcpy(clocks.source, "hpet");
	clocks.kind = PARACLOCK_CLOCKSOURCE_OTHER;
	clocks.world.vmclock_error = 0;
	fake_set_vmclock(&clocks.world, 2, 7, 1000, PAGE_TAI);
	clk = fake_open(&clocks.world, "vmclock");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	paraclock_close(clk);
	return clocks.world.allocs != clocks.world.frees;
}

/* By CLOCK_REALTIME as it was at that counter value. */
static void check_truth(const struct paraclock_offset *off, int64_t page_tai)
{
	const int64_t utc_ns =
		(page_tai - 37) * SEC + (int64_t)(off->counter - 1000);
	const int64_t real_ns =
		fake_clock_at(&clocks, PARACLOCK_CLOCK_REALTIME, off->counter);
	const int64_t error_ns = (int64_t)off->error_ns + 1;

	assert_int_equal(off->valid, 1);
	assert_int_equal(off->flags, PARACLOCK_OFFSET_BRACKETED);
	/* The page's period is rounded down. */
	assert_in_range(off->utc_ns, utc_ns - 1, utc_ns);
	assert_in_range(off->offset_ns - (utc_ns - real_ns) + error_ns, 0,
			2 * error_ns);
}

static struct paraclock_offset measure(void)
{
	struct paraclock_offset off = { .size = sizeof(off) };

	assert_int_equal(paraclock_offset(clk, &off), 0);
	return off;
}

static void a_bracket_holds(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		struct paraclock_offset off = measure();

		check_truth(&off, PAGE_TAI);
		/* Two clocks, and two reads of the counter. */
		assert_in_range(off.error_ns, 52, 120);
		assert_int_equal(off.bound_ns, PARACLOCK_ERROR_UNKNOWN);
		fake_clocks_pass(&clocks, 12345678);
	}
}

static unsigned int reads;

/* All but the third bracket are wide. */
static void interrupt(struct fake_clocks *c, int clock_id)
{
	if (clock_id == 0 && ++reads % 5 != 3)
		fake_clocks_pass(c, 1000000);
}

static void the_narrowest_counts(void **state)
{
	struct paraclock_offset off;

	(void)state;
	/* The first snapshot, which finds that the clock is not on the
	 * counter, reads clocks as well. */
	(void)measure();
	reads = 0;
	clocks.on_read = interrupt;
	off = measure();
	check_truth(&off, PAGE_TAI);
	assert_in_range(off.error_ns, 52, 120);
}

static void always(struct fake_clocks *c, int clock_id)
{
	(void)clock_id;
	fake_clocks_pass(c, 1000000);
}

static void a_wide_one_says_so(void **state)
{
	struct paraclock_offset off;

	(void)state;
	(void)measure();
	clocks.on_read = always;
	off = measure();
	check_truth(&off, PAGE_TAI);
	assert_in_range(off.error_ns, 1000000, 1100000);
}

static void set_the_clock(struct fake_clocks *c, int clock_id)
{
	(void)clock_id;
	c->real_minus_mono += SEC;
	c->on_read = NULL;
}

/* A reading is of before the set or of after it, and both are true. */
static void a_clock_that_is_set_in_between(void **state)
{
	struct paraclock_offset off;
	int64_t first_ns;

	(void)state;
	first_ns = measure().offset_ns;
	clocks.on_read = set_the_clock;
	off = measure();
	assert_int_equal(off.valid, 1);
	assert_in_range(first_ns - off.offset_ns, SEC - 100000, SEC + 100000);
}

static unsigned int until_move;

static void move(struct fake_clocks *c, int clock_id)
{
	(void)clock_id;
	if (until_move && !--until_move)
		fake_set_vmclock(&c->world, 4, 8, 1000, PAGE_TAI + 5);
}

/* Before the first bracket it is past; in a bracket it voids the measurement. */
static void a_disruption_in_between(void **state)
{
	unsigned int stale = 0, past = 0;

	(void)state;
	for (unsigned int n = 1; n <= 14; n++) {
		struct paraclock_offset off = { .size = sizeof(off) },
					was = off;
		int ret;

		fake_set_vmclock(&clocks.world, 2, 7, 1000, PAGE_TAI);
		(void)measure();
		until_move = n;
		clocks.on_read = move;
		ret = paraclock_offset(clk, &off);
		clocks.on_read = NULL;
		assert_int_equal(until_move, 0);
		if (ret) {
			assert_int_equal(ret, -ESTALE);
			assert_memory_equal(&off, &was, sizeof(off));
			stale++;
		} else {
			check_truth(&off, PAGE_TAI + 5);
			past++;
		}
	}
	assert_int_equal(stale, 10);
	assert_int_equal(past, 4);
}

static void a_page_that_is_not_valid(void **state)
{
	struct paraclock_offset off;

	(void)state;
	fake_set_vmclock_marker(&clocks.world, 7);
	off = measure();
	assert_int_equal(off.valid, 0);
	assert_int_not_equal(off.reason, PARACLOCK_REASON_OK);
	assert_int_equal(off.flags, 0);
	assert_int_equal(off.error_ns, PARACLOCK_ERROR_UNKNOWN);
}

static void a_page_that_stays_mid_update(void **state)
{
	struct paraclock_offset off = { .size = sizeof(off) }, was = off;

	(void)state;
	fake_set_vmclock(&clocks.world, 5, 7, 1000, PAGE_TAI);
	assert_int_equal(paraclock_offset(clk, &off), -EAGAIN);
	assert_memory_equal(&off, &was, sizeof(off));
}

static void clocks_that_cannot_be_read(void **state)
{
	struct paraclock_offset off = { .size = sizeof(off) }, was = off;

	(void)state;
	(void)measure();
	clocks.clock_error = -EPERM;
	assert_int_equal(paraclock_offset(clk, &off), -EPERM);
	clocks.clock_error = 12345;
	assert_int_equal(paraclock_offset(clk, &off), -EIO);
	assert_memory_equal(&off, &was, sizeof(off));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bracket_holds),
		cmocka_unit_test(the_narrowest_counts),
		cmocka_unit_test(a_wide_one_says_so),
		cmocka_unit_test(a_clock_that_is_set_in_between),
		cmocka_unit_test(a_disruption_in_between),
		cmocka_unit_test(a_page_that_is_not_valid),
		cmocka_unit_test(a_page_that_stays_mid_update),
		cmocka_unit_test(clocks_that_cannot_be_read),
	};

	each_test(setup, teardown);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
