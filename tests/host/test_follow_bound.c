// SPDX-License-Identifier: MIT
/*
 * The bound of a timekeeper that follows a clock, for all of its lease: against
 * a truth that the test keeps itself, in 10^-9 ns.
 */

#include "follows.h"

#define US   1000LL
#define UNIT 1000000000LL /* of the truth in a ns; and ppb in 1 */

/* --- the truth ------------------------------------------------------------ */

/* A tick is a ns, and ppb more or less than that, since here. */
static struct {
	uint64_t since;
	s128 time;
	int64_t ppb;
} true_rate;

static s128 true_at(uint64_t counter)
{
	return true_rate.time +
	       (s128)(counter - true_rate.since) * (UNIT + true_rate.ppb);
}

static void set_true_rate(int64_t ppb)
{
	uint64_t now = keeper.fake.counter;

	true_rate.time = true_at(now);
	true_rate.since = now;
	true_rate.ppb = ppb;
}

static void begin_truth(int64_t ppb)
{
	true_rate.since = keeper.fake.counter;
	true_rate.time = (s128)1700000000 * UNIT * UNIT;
	true_rate.ppb = ppb;
}

static uint64_t distance(s128 a, s128 b)
{
	return (uint64_t)(((a > b ? a - b : b - a) + UNIT - 1) / UNIT);
}

static uint64_t absolute(int64_t ns)
{
	return (uint64_t)(ns < 0 ? -ns : ns);
}

/* The timekeeper's distance to the truth, rounded up; its bound. 1: no time. */
static int look(uint64_t *ret_off, uint64_t *ret_bound)
{
	struct paraclock_sample s;

	if (keeper_read(&keeper, keeper.fake.counter, &s))
		return 1;
	assert_int_equal(s.valid, 1);
	*ret_off = distance((s128)s.host_ns * UNIT, true_at(s.host_tsc));
	*ret_bound = s.clock_error_ns;
	return 0;
}

/* --- a host with a vmclock page ------------------------------------------- */

#define ERRORS ((1U << 4) | (1U << 6))

static uint32_t page_seq;

/*
 * The time is off by off_ns where the page begins, and the rate is the true one
 * plus ppb.
 */
static void write_page(int64_t off_ns, int64_t ppb, uint64_t maxerror_ns,
		       uint64_t growth_ppb)
{
	const uint64_t now = keeper.fake.counter;
	s128 time = true_at(now) + (s128)off_ns * UNIT;
	uint64_t sec = (uint64_t)(time / UNIT / UNIT);
	uint64_t part = (uint64_t)(time - (s128)sec * UNIT * UNIT);
	uint64_t rate = (uint64_t)(UNIT + true_rate.ppb + ppb);
	uint8_t *page = keeper.fake.vmclock;

	fake_set_vmclock(&keeper.fake, page_seq += 2, 1, now, sec);
	put64(page, 24, ERRORS | 1);
	page[34] = 3; /* FREERUNNING */
	/* 2^64 / 10^18 s, and 2^93 / 10^18 s a tick. */
	put64(page, 80, (uint64_t)(((u128)part << 64) / ((u128)UNIT * UNIT)));
	put64(page, 48, (uint64_t)(((u128)rate << 93) / ((u128)UNIT * UNIT)));
	put64(page, 64,
	      (uint64_t)(((u128)growth_ppb << 93) / ((u128)UNIT * UNIT)) + 1);
	put64(page, 96, maxerror_ns);
}

static void open_vmclock(void)
{
	paraclock_close(clk);
	keeper.fake.vmclock_error = 0;
	clk = fake_open(&keeper.fake, "vmclock");
}

/*
 * A page that is 50 ppm fast, and whose error rate is 50.003 ppm. After 8.55 s
 * it is off by 427499.99 ns and its own bound is 100 + 427525.65 ns. The
 * timekeeper runs at its rate, and had its last sample at 5.05 s.
 */
static void a_bound_grows_as_its_sources_does(void **state)
{
	struct paraclock_sample own;
	uint64_t away, wide;

	(void)state;
	page_seq = 0;
	begin_truth(0);
	write_page(0, 50000, 100, 50003);
	open_vmclock();
	follow.drift_ppb = 10;
	keeper.fake.counter += 50 * MS;
	assert_int_equal(call(), -EAGAIN);
	assert_int_equal(call_for(1), -EAGAIN);
	assert_int_equal(call_for(4), 0);
	assert_int_equal(look(&away, &wide), 0);
	assert_in_range(away, 252499, 252500);
	assert_true(wide >= 100 + 252516);
	keeper.fake.counter += 3500 * MS;
	assert_int_equal(look(&away, &wide), 0);
	assert_in_range(away, 427499, 427501);
	assert_true(wide >= 427626);
	assert_true(wide < PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(paraclock_read(clk, &own), 0);
	assert_int_equal(own.clock_error_ns, 427626);
}

/* A page that is rewritten after this call has read it. */
static unsigned int until_renewed;

static uint64_t counter_that_renews(void *ctx)
{
	(void)ctx;
	if (until_renewed && --until_renewed == 0)
		write_page(-1000, 0, 1000, 0);
	return keeper.fake.counter;
}

/*
 * It was 1000 ns ahead, and is 1000 behind, each within 1000. In 4 s the truth
 * loses 2000, which is within the new page's bound as well; and the timekeeper,
 * by the old page, is then 3000 ahead.
 */
static void a_page_that_changes_meanwhile(void **state)
{
	uint64_t away, wide;

	(void)state;
	page_seq = 0;
	begin_truth(0);
	write_page(1000, 0, 1000, 0);
	open_vmclock();
	follow.drift_ppb = 1;
	follow.rate_interval_ns = 99 * SEC;
	assert_int_equal(call(), -EAGAIN);
	keeper.fake.counter += 100 * SEC;
	assert_int_equal(call(), -EAGAIN);
	keeper.fake.counter += 100 * SEC;
	keeper.fake.env.counter = counter_that_renews;
	/* Three looks for the read; the timekeeper is looked at after that. */
	until_renewed = 4;
	assert_int_equal(call(), 0);
	assert_int_equal(until_renewed, 0);
	set_true_rate(-500);
	keeper.fake.counter += 3999 * MS;
	assert_int_equal(look(&away, &wide), 0);
	assert_in_range(away, 2998, 3001);
	assert_true(away <= wide);
	assert_in_range(wide, 3000, 3100);
}

/* --- hosts that correct themselves ---------------------------------------- */

static int64_t own_off;	    /* of the clock, ns */
static uint64_t own_bound;  /* its bound for that */
static uint64_t own_growth; /* ppb, since there */
static uint64_t own_since;

static void say_own(struct paraclock_sample *sample)
{
	s128 time = true_at(sample->host_tsc) + (s128)own_off * UNIT;
	uint64_t age = sample->host_tsc - own_since;

	sample->host_ns = (int64_t)(time / UNIT);
	sample->clock_error_ns =
		own_bound +
		(uint64_t)(((u128)age * own_growth + UNIT - 1) / UNIT);
}

struct correction {
	const char *name;
	int64_t from_ns, by_ns; /* in each of two intervals */
	uint64_t bound_ns, pair_ns, drift_ppb;
	/* Of the rate, ppm: twice the bound, and twice the pairs, a second. */
	uint64_t least_ppm;
};

static struct correction corrections[] = {
	/* clang-format off */
	{ "-400 us, twice, within 1 ms", -134033, -400 * US, 1000000, 0, 84760,
	  2000 },
	{ "400 us, twice, within 1 ms", 134033, 400 * US, 1000000, 0, 10,
	  2000 },
	{ "from end to end", 700 * US, -700 * US, 700000, 0, 1, 1400 },
	{ "a third each, with pairs", -30 * US, 30 * US, 40000, 500, 1000,
	  81 },
	{ "by a ns, within a ns", 1, -1, 1, 0, 1, 0 },
	{ "by nothing", 0, 0, 250000, 0, 1, 500 },
	/* clang-format on */
};

/* The correction lasts all of the lease, and is not the rate of the truth. */
static void corrections_are_no_rate(void **state)
{
	const struct correction *c = *state;
	uint64_t first = 0, away, wide;
	int64_t off_ns;

	begin_truth(0);
	source.say = say_own;
	own_off = c->from_ns;
	own_bound = c->bound_ns;
	own_growth = 0;
	source.sample.pair_error_ns = c->pair_ns;
	follow.drift_ppb = c->drift_ppb;
	/* A clock that is set back takes less than a second to do so. */
	follow.rate_interval_ns = 990 * MS;
	assert_int_equal(call(), -EAGAIN);
	own_off += c->by_ns;
	assert_int_equal(call_for(1), -EAGAIN);
	own_off += c->by_ns;
	assert_int_equal(call_for(1), 0);
	off_ns = own_off;
	for (unsigned int i = 0; i < 40; i++) {
		int64_t is = off_ns + c->by_ns * (int64_t)i / 10;

		assert_int_equal(look(&away, &wide), 0);
		/* It goes on as it was corrected. */
		assert_in_range(away, absolute(is) - (is ? 1 : 0),
				absolute(is) + 3);
		assert_true(away <= wide);
		first = i ? first : wide;
		assert_true(wide - first >= c->least_ppm * 100 * i);
		keeper.fake.counter += 100 * MS;
	}
	/* The bound does not grow without end. */
	assert_true(wide - first <=
		    c->least_ppm * 4000 + c->drift_ppb * 4 + 10000);
}

/* --- any honest host ------------------------------------------------------ */

static uint64_t seed;

/* Reproducible: xorshift64. */
static uint64_t die(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % sides;
}

static int64_t die_within(uint64_t most)
{
	return (int64_t)die(2 * most + 1) - (int64_t)most;
}

/* A host, and the limits that keep it honest. */
static struct {
	bool has_page;
	uint64_t
		drift_ppb; /* of the counter's rate, from one end to the other */
	uint64_t maxerror_ns, growth_ppb;
	uint64_t renew;	  /* ticks, at most */
	int64_t creep_ns; /* corrected by that each time, while it fits */
	uint64_t renewed;
} host;

/* Anywhere within its bound at this moment. */
static void move_within(void)
{
	uint64_t age = keeper.fake.counter - own_since;

	own_off = die_within(own_bound + age * own_growth / UNIT);
}

static void renew(void)
{
	int64_t most = (int64_t)host.maxerror_ns;

	if (die(3) == 0)
		host.creep_ns = die_within(host.maxerror_ns);
	own_off += host.creep_ns;
	if (own_off > most || own_off < -most)
		own_off = die(2) ? most : -most;
	own_bound = host.maxerror_ns;
	own_since = keeper.fake.counter;
	if (host.has_page)
		/* The counter's drift is within the bound's growth, too. */
		write_page(own_off,
			   die_within(host.growth_ppb - host.drift_ppb),
			   host.maxerror_ns, host.growth_ppb);
	host.renewed = keeper.fake.counter + 1 + die(host.renew);
}

static void begin_host(bool has_page)
{
	static const uint64_t sizes[] = { 1, 100, 5000, 200000, 1000000 };

	assert_int_equal(set_up(NULL), 0);
	page_seq = 0;
	own_off = 0;
	host.has_page = has_page;
	host.drift_ppb = 1 + die(die(2) ? 100 : 20000);
	host.growth_ppb = host.drift_ppb + die(die(2) ? 1000 : 100000);
	host.maxerror_ns = sizes[die(ARRAY_LEN(sizes))];
	host.renew = (die(2) ? 300 : 3000) * MS;
	own_growth = has_page ? 0 : host.growth_ppb;
	begin_truth(die_within(100000));
	source.say = say_own;
	renew();
	if (has_page)
		open_vmclock();
	/* The rate may be 120 ppm below that of the truth. */
	follow.drift_ppb = host.drift_ppb + host.drift_ppb / 1000 + 1;
	follow.rate_interval_ns = (1 + die(1500)) * MS;
	follow.lease_ns = (10 + die(8000)) * MS;
	follow.step_ns = die(3) ? 0 : 1 + die(MS);
	follow.flags = die(2) ? MONO : 0;
}

/* Reads fall anywhere in a lease, also where no call came for long. */
static void live_on(unsigned int *ret_reads)
{
	const int64_t middle = true_rate.ppb;

	for (unsigned int i = 0; i < 400; i++) {
		uint64_t away, wide, to;

		(void)call();
		to = keeper.fake.counter + die(die(4) ? 400 * MS : 4 * SEC);
		for (unsigned int j = 0; j < 5; j++) {
			keeper.fake.counter += (to - keeper.fake.counter) / 5;
			if (keeper.fake.counter >= host.renewed)
				renew();
			if (!host.has_page && die(4) == 0)
				move_within();
			if (die(3) == 0)
				set_true_rate(middle +
					      (int64_t)die(host.drift_ppb + 1));
			if (look(&away, &wide))
				continue;
			if (away > wide)
				fail_msg("seed %llu: off by %llu, bound %llu",
					 (unsigned long long)seed,
					 (unsigned long long)away,
					 (unsigned long long)wide);
			*ret_reads += wide < PARACLOCK_ERROR_UNKNOWN;
		}
	}
}

static void honest_hosts_are_within(bool has_page)
{
	unsigned int reads = 0;

	seed = 20261129 + has_page;
	for (unsigned int i = 0; i < 150; i++) {
		begin_host(has_page);
		live_on(&reads);
		assert_int_equal(tear_down(NULL), 0);
	}
	print_message("%u reads with a bound\n", reads);
	assert_true(reads > 100000);
}

static void bounds_hold_with_honest_pages(void **state)
{
	(void)state;
	honest_hosts_are_within(true);
}

static void bounds_hold_with_honest_clocks(void **state)
{
	(void)state;
	honest_hosts_are_within(false);
}

int main(void)
{
	each_test(set_up, tear_down);
	add_test("a bound grows as its source's does",
		 a_bound_grows_as_its_sources_does);
	add_test("a page that changes meanwhile",
		 a_page_that_changes_meanwhile);
	ADD_ROWS(corrections, corrections_are_no_rate);
	each_test(NULL, NULL);
	add_test("the bounds of honest hosts with a page hold",
		 bounds_hold_with_honest_pages);
	add_test("the bounds of honest hosts with single samples hold",
		 bounds_hold_with_honest_clocks);
	return run_suite(NULL, NULL);
}
