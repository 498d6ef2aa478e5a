// SPDX-License-Identifier: MIT
/* A read and a disruption, one step at a time. */

#include "base/fixed.h"
#include "fake.h"

static struct fake fake;

/* 1 ns a tick, as fake.c writes it. */
#define MUL   0x80000000U
#define SCALE 184467440737095516U
/* The fake's counter, and its time there by the pvclock page. */
#define NOW    1000000000
#define NOW_NS (NOW - 1000 + 5000)

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	return 0;
}

static struct paraclock_sample read_valid(const struct paraclock *clk)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_OK);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.pair_error_ns, 0);
	assert_int_equal(sample.epoch, paraclock_epoch(clk));
	return sample;
}

static struct paraclock_sample read_unfit(const struct paraclock *clk,
					  uint8_t reason)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.reason, reason);
	assert_int_equal(sample.valid, 0);
	assert_int_equal(sample.pair_error_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(sample.clock_error_ns, PARACLOCK_ERROR_UNKNOWN);
	return sample;
}

static void read_fails(const struct paraclock *clk, int error)
{
	struct paraclock_sample sample, before;

	memset(&sample, 0x5a, sizeof(sample));
	before = sample;
	assert_int_equal(paraclock_read(clk, &sample), error);
	assert_memory_equal(&sample, &before, sizeof(sample));
}

/* --- which changes are a re-base, and which are not ----------------------- */

static void set_pvclock(uint32_t version, uint64_t tsc, uint64_t ns,
			uint32_t mul, uint8_t flags)
{
	fake_set_pvclock(&fake, version | 1, tsc, ns);
	put32(fake.pvclock, 24, mul);
	fake.pvclock[29] = flags;
	put32(fake.pvclock, 0, version);
}

struct pvclock_case {
	const char *name;
	uint64_t tsc, ns; /* The new reference point. */
	uint32_t mul;
	uint64_t epochs;
};

static struct pvclock_case pvclocks[] = {
	/* clang-format off */
	{ "pvclock: the same again is no jump", 1000, 5000, MUL, 0 },
	{ "pvclock: a later reference point is no jump",
	  500001000, 500005000, MUL, 0 },
	{ "pvclock: 999 ns ahead are no jump", 501000, 505999, MUL, 0 },
	{ "pvclock: 1000 ns ahead are no jump", 501000, 506000, MUL, 0 },
	{ "pvclock: 1001 ns ahead are a jump", 501000, 506001, MUL, 1 },
	{ "pvclock: 999 ns behind are no jump", 501000, 504001, MUL, 0 },
	{ "pvclock: 1000 ns behind are no jump", 501000, 504000, MUL, 0 },
	{ "pvclock: 1001 ns behind are a jump", 501000, 503999, MUL, 1 },
	{ "pvclock: a jump at the same reference point is noticed",
	  1000, 6001, MUL, 1 },
	{ "pvclock: five seconds are a jump",
	  NOW, NOW_NS + 5000000000, MUL, 1 },
	{ "pvclock: a rate 0.9998 ppm up is no jump",
	  500001000, 500005000, MUL + 2147, 0 },
	{ "pvclock: a rate 1.0003 ppm up is a jump",
	  500001000, 500005000, MUL + 2148, 1 },
	{ "pvclock: a rate 0.9998 ppm down is no jump",
	  500001000, 500005000, MUL - 2147, 0 },
	{ "pvclock: a rate 1.0003 ppm down is a jump",
	  500001000, 500005000, MUL - 2148, 1 },
	{ "pvclock: a reference point moved back is a jump",
	  999, 4999, MUL, 1 },
	/* clang-format on */
};

static void check_pvclock(void **state)
{
	const struct pvclock_case *c = *state;
	struct paraclock_sample before, after;
	struct paraclock *clk;

	setup(NULL);
	clk = fake_open(&fake, "kvmclock");
	before = read_valid(clk);
	assert_int_equal(before.host_ns, NOW_NS);
	set_pvclock(4, c->tsc, c->ns, c->mul, 1);
	assert_int_equal(paraclock_disrupted(clk, before.epoch), c->epochs);
	after = read_valid(clk);
	assert_int_equal(after.epoch, before.epoch + c->epochs);
	assert_int_equal(after.host_ns,
			 c->ns + ((u128)(NOW - c->tsc) * c->mul >> 31));
	assert_int_equal(after.marker_class, PARACLOCK_MARKER_HEURISTIC);
	/* The verdict stays. */
	after = read_valid(clk);
	assert_int_equal(after.epoch, before.epoch + c->epochs);
	paraclock_close(clk);
}

struct hyperv_case {
	const char *name;
	uint64_t scale;
	int64_t offset; /* 100 ns */
	uint64_t epochs;
};

static struct hyperv_case hypervs[] = {
	/* clang-format off */
	{ "hyperv: the same again is no jump", SCALE, 0, 0 },
	{ "hyperv: 1000 ns ahead are no jump", SCALE, 10, 0 },
	{ "hyperv: 1100 ns ahead are a jump", SCALE, 11, 1 },
	{ "hyperv: 1000 ns behind are no jump", SCALE, -10, 0 },
	{ "hyperv: 1100 ns behind are a jump", SCALE, -11, 1 },
	/* 0.9 and 1.1 ppm, which are 900 and 1100 ns after 10^9 ticks. */
	{ "hyperv: a rate 0.9 ppm up is no jump",
	  SCALE + SCALE / 10000000 * 9, -9, 0 },
	{ "hyperv: a rate 1.1 ppm up is a jump",
	  SCALE + SCALE / 10000000 * 11, -11, 1 },
	{ "hyperv: a rate 0.9 ppm down is no jump",
	  SCALE - SCALE / 10000000 * 9, 9, 0 },
	{ "hyperv: a rate 1.1 ppm down is a jump",
	  SCALE - SCALE / 10000000 * 11, 11, 1 },
	/* clang-format on */
};

static void set_hyperv(uint32_t sequence, uint64_t scale, int64_t offset)
{
	fake_set_hyperv(&fake, 0, offset);
	put64(fake.hyperv, 8, scale);
	put32(fake.hyperv, 0, sequence);
}

static struct paraclock *open_hyperv(void)
{
	fake.hyperv_error = 0;
	set_hyperv(1, SCALE, 0);
	return fake_open(&fake, "hyperv");
}

static void check_hyperv(void **state)
{
	const struct hyperv_case *c = *state;
	struct paraclock_sample before, after;
	struct paraclock *clk;

	setup(NULL);
	clk = open_hyperv();
	before = read_valid(clk);
	set_hyperv(2, c->scale, c->offset);
	assert_int_equal(paraclock_disrupted(clk, before.epoch), c->epochs);
	after = read_valid(clk);
	assert_int_equal(after.epoch, before.epoch + c->epochs);
	assert_in_range(after.host_ns, NOW - 1200, NOW + 1200);
	assert_int_equal(after.marker_class, PARACLOCK_MARKER_HEURISTIC);
	paraclock_close(clk);
}

/* --- pages that are off for a while --------------------------------------- */

static void a_page_that_was_off_has_not_forgotten(void **state)
{
	struct paraclock *clk = open_hyperv();
	uint64_t epoch = read_valid(clk).epoch;

	(void)state;
	put32(fake.hyperv, 0, 0);
	read_unfit(clk, PARACLOCK_REASON_SEQUENCE);
	set_hyperv(3, SCALE, 0);
	assert_int_equal(read_valid(clk).epoch, epoch);
	put32(fake.hyperv, 0, 0);
	read_unfit(clk, PARACLOCK_REASON_SEQUENCE);
	/* Five seconds, while the page is off. */
	set_hyperv(4, SCALE, 50000000);
	assert_int_equal(read_valid(clk).epoch, epoch + 1);
	paraclock_close(clk);
}

static void a_tuple_that_was_unstable_has_not_forgotten(void **state)
{
	struct paraclock *clk = fake_open(&fake, "kvmclock");
	uint64_t epoch = read_valid(clk).epoch;

	(void)state;
	set_pvclock(4, 1000, 5000, MUL, 0);
	read_unfit(clk, PARACLOCK_REASON_UNSTABLE);
	set_pvclock(6, 1000, 5000, MUL, 1);
	assert_int_equal(read_valid(clk).epoch, epoch);
	set_pvclock(8, 1000, 5000, MUL, 0);
	read_unfit(clk, PARACLOCK_REASON_UNSTABLE);
	set_pvclock(10, 1000, 5000005000, MUL, 1);
	assert_int_equal(read_valid(clk).epoch, epoch + 1);
	paraclock_close(clk);
}

static void a_sequence_of_0_for_ever_is_off(void **state)
{
	struct paraclock *clk = open_hyperv();
	static const uint32_t off[] = { 0, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(off); i++) {
		uint64_t epoch = paraclock_epoch(clk);

		put32(fake.hyperv, 0, off[i]);
		read_unfit(clk, PARACLOCK_REASON_SEQUENCE);
		assert_int_equal(paraclock_epoch(clk), epoch);
	}
	paraclock_close(clk);
}

/* --- bounds --------------------------------------------------------------- */

static unsigned int counter_reads;

static uint64_t counting_counter(void *ctx)
{
	struct fake *f = ctx;

	counter_reads++;
	f->counter += f->counter_step;
	return f->counter;
}

/*
 * More than any bound, and less than for ever; the second counter stands still.
 */
static const uint64_t steps[] = { 100, 0 };

static void an_odd_version_for_ever_is_eagain(void **state)
{
	struct paraclock *clk = fake_open(&fake, "kvmclock");
	uint64_t epoch = paraclock_epoch(clk);

	(void)state;
	fake.env.counter = counting_counter;
	put32(fake.pvclock, 0, 3);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		fake.counter_step = steps[i];
		counter_reads = 0;
		read_fails(clk, -EAGAIN);
		assert_in_range(counter_reads, 1, 1U << 20);
		if (steps[i])
			assert_in_range(counter_reads, 1, 10000);
	}
	assert_int_equal(paraclock_disrupted(clk, epoch), -EAGAIN);
	assert_int_equal(paraclock_epoch(clk), epoch);
	/* The writer came back. */
	put32(fake.pvclock, 0, 4);
	assert_int_equal(read_valid(clk).epoch, epoch);
	paraclock_close(clk);
}

static void a_page_that_is_off_is_left_within_the_bound(void **state)
{
	struct paraclock *clk = open_hyperv();

	(void)state;
	fake.env.counter = counting_counter;
	put32(fake.hyperv, 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		fake.counter_step = steps[i];
		counter_reads = 0;
		read_unfit(clk, PARACLOCK_REASON_SEQUENCE);
		/* It may look twice: once to see, once to commit. */
		assert_in_range(counter_reads, 1, 1U << 20);
	}
	paraclock_close(clk);
}

/* --- read_at -------------------------------------------------------------- */

static void a_counter_of_the_past_is_answered(void **state)
{
	struct paraclock *clk = fake_open(&fake, "kvmclock");
	struct paraclock_sample now = read_valid(clk), then, untouched;

	(void)state;
	assert_int_equal(paraclock_read_at(clk, NOW, &then), 0);
	assert_memory_equal(&then, &now, sizeof(now));
	assert_int_equal(paraclock_read_at(clk, NOW - 12345, &then), 0);
	assert_int_equal(then.valid, 1);
	assert_int_equal(then.host_tsc, NOW - 12345);
	assert_int_equal(then.host_ns, NOW_NS - 12345);
	memset(&then, 0x5a, sizeof(then));
	untouched = then;
	assert_int_equal(paraclock_read_at(clk, NOW + 1, &then), -EINVAL);
	assert_int_equal(paraclock_read_at(clk, UINT64_MAX, &then), -EINVAL);
	assert_memory_equal(&then, &untouched, sizeof(then));
	paraclock_close(clk);
}

static void a_counter_from_before_a_disruption_is_not(void **state)
{
	struct paraclock *clk = fake_open(&fake, "kvmclock");
	struct paraclock_sample then;

	(void)state;
	fake.counter = NOW + 1000;
	/* By the page alone, every value from 1000 on has a time. */
	set_pvclock(4, 1000, 5000005000, MUL, 1);
	fake.counter = NOW + 2000;
	read_valid(clk);
	fake.counter = NOW + 3000;
	assert_int_equal(paraclock_read_at(clk, NOW + 1999, &then), 0);
	assert_int_equal(then.valid, 0);
	assert_int_equal(then.reason, PARACLOCK_REASON_WINDOW);
	assert_int_equal(then.host_tsc, NOW + 1999);
	assert_int_equal(then.pair_error_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(paraclock_read_at(clk, NOW + 2000, &then), 0);
	assert_int_equal(then.valid, 1);
	assert_int_equal(then.epoch, paraclock_epoch(clk));
	paraclock_close(clk);
}

/*
 * That very call notices the disruption, and asks about a value from before it.
 */
static void read_at_notices_a_disruption(void **state)
{
	struct paraclock *clk = fake_open(&fake, "kvmclock");
	uint64_t epoch = paraclock_epoch(clk);
	struct paraclock_sample then;

	(void)state;
	set_pvclock(4, 1000, 5000005000, MUL, 1);
	assert_int_equal(paraclock_read_at(clk, NOW - 1, &then), 0);
	assert_int_equal(then.reason, PARACLOCK_REASON_WINDOW);
	assert_int_equal(then.valid, 0);
	assert_int_equal(then.epoch, epoch + 1);
	paraclock_close(clk);
}

static const struct CMUnitTest others[] = {
	TEST("a page that was off has not forgotten",
	     a_page_that_was_off_has_not_forgotten),
	TEST("a tuple that was unstable has not forgotten",
	     a_tuple_that_was_unstable_has_not_forgotten),
	TEST("a sequence of 0 for ever is off",
	     a_sequence_of_0_for_ever_is_off),
	TEST("an odd version for ever is EAGAIN",
	     an_odd_version_for_ever_is_eagain),
	TEST("a page that is off is left within the bound",
	     a_page_that_is_off_is_left_within_the_bound),
	TEST("a counter of the past is answered",
	     a_counter_of_the_past_is_answered),
	TEST("a counter from before a disruption is not",
	     a_counter_from_before_a_disruption_is_not),
	TEST("read_at() notices by itself", read_at_notices_a_disruption),
};

int main(void)
{
	ADD_ROWS(pvclocks, check_pvclock);
	ADD_ROWS(hypervs, check_hyperv);
	each_test(setup, NULL);
	ADD_TESTS(others);
	return run_suite(NULL, NULL);
}
