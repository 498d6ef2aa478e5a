// SPDX-License-Identifier: MIT
/*
 * The own-kernel source: which bracket it uses, and how it qualifies its
 * samples.
 */

#include "fake.h"

static struct fake fake;

#define NS 1700000000000000000LL

/* The counter's values, in turn; the last one is repeated for ever. */
static struct {
	const uint64_t *tsc;
	unsigned int n, at;
} script;

static void start(const uint64_t *tsc, unsigned int n)
{
	script.tsc = tsc;
	script.n = n;
	script.at = 0;
}

static uint64_t scripted_counter(void *ctx)
{
	unsigned int at = script.at;

	(void)ctx;
	if (script.at < script.n - 1)
		script.at++;
	return script.tsc[at];
}

/* The clock goes on by a second at each reading, so that readings differ. */
static int scripted_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	struct fake *f = ctx;

	(void)clock_id;
	*ret_ns = f->realtime_ns;
	f->realtime_ns += 1000000000;
	return 0;
}

/*
 * The counter is read once before the conversion turns out to be unusable, and
 * then before and after each of four readings of the clock.
 */
struct bracket_case {
	const char *name;
	uint64_t tsc[9];
	uint64_t hz;
	int ret;
	uint8_t reason;
	/* The rest is compared only if ret is 0. */
	uint64_t host_tsc, error_ns;
	unsigned int second; /* The index of the reading. */
};

#define GHZ 1000000000ULL
#define TOP (UINT64_MAX - 1000)

enum {
	OK = PARACLOCK_REASON_OK,
	WIDE = PARACLOCK_REASON_WIDE,
};

static struct bracket_case cases[] = {
	/* clang-format off */
	{ "the narrowest bracket is used",
	  { 0, 1000, 1400, 2000, 2300, 3000, 3100, 4000, 4200 }, GHZ,
	  0, OK, 3050, 52, 2 },
	{ "an odd width is rounded up",
	  { 0, 1000, 1401, 2000, 2401, 3000, 3401, 4000, 4401 }, GHZ,
	  0, OK, 1200, 203, 0 },
	{ "a bracket that ends before it begins is dropped",
	  { 0, 2000, 1000, 2000, 2300, 3000, 2999, 4000, 3000 }, GHZ,
	  0, OK, 2150, 152, 1 },
	{ "the only bracket is used even if it is wide",
	  { 0, 1000, 9000, 9000, 8999, 9000, 8000, 9000, 0 }, GHZ,
	  0, WIDE, 5000, 4002, 0 },
	{ "four brackets that end before they begin give no answer",
	  { 0, 2000, 1999, 3000, 2000, 4000, 3999, 5000, 1 }, GHZ,
	  -EAGAIN, 0, 0, 0, 0 },
	{ "four brackets that begin at the counter's end and end after it",
	  { 0, TOP, 5, TOP, 6, TOP, 7, TOP, 8 }, GHZ, -EAGAIN, 0, 0, 0, 0 },
	/* At 1 Hz a tick is a second: 2^63 of them are more than fit. */
	{ "a width beyond 64 bits of ns is reported as the largest",
	  { 0, 0, TOP, 1, TOP - 1, 2, TOP - 2, 3, TOP - 4 }, 1,
	  0, WIDE, TOP / 2, PARACLOCK_ERROR_UNKNOWN, 3 },
	/* clang-format on */
};

static void check_bracket(void **state)
{
	const struct bracket_case *c = *state;
	static const uint64_t still[] = { 0, 100 };
	struct paraclock_sample sample, before;
	struct paraclock *clk;

	fake_init(&fake);
	fake.machine.counter_hz = c->hz;
	fake.env.counter = scripted_counter;
	fake.env.read_clock = scripted_clock;
	start(still, ARRAY_LEN(still));
	clk = fake_open(&fake, "tsc");
	start(c->tsc, ARRAY_LEN(c->tsc));
	fake.realtime_ns = NS;
	memset(&sample, 0x5a, sizeof(sample));
	before = sample;
	assert_int_equal(paraclock_read(clk, &sample), c->ret);
	if (c->ret) {
		assert_memory_equal(&sample, &before, sizeof(sample));
		paraclock_close(clk);
		return;
	}
	assert_int_equal(sample.reason, c->reason);
	assert_int_equal(sample.valid, !c->reason);
	assert_int_equal(sample.host_tsc, c->host_tsc);
	assert_int_equal(sample.pair_error_ns, c->error_ns);
	assert_int_equal(sample.host_ns, NS + c->second * 1000000000LL);
	assert_int_equal(sample.counter, PARACLOCK_COUNTER_X86_TSC);
	paraclock_close(clk);
}

/* An env for the pages of other machines does not name a counter of its own. */
static void a_counter_without_a_name_does_not_count(void **state)
{
	struct paraclock_sample sample;
	struct paraclock *clk;
	char text[128];

	(void)state;
	fake_init(&fake);
	fake.env.counter_id = PARACLOCK_COUNTER_ANY;
	clk = fake_open(&fake, "tsc");
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.counter, PARACLOCK_COUNTER_NONE);
	assert_int_equal(sample.valid, 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_COUNTER);
	assert_int_equal(sample.pair_error_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(paraclock_explain(clk, 0, &sample, text, sizeof(text)),
			 0);
	assert_non_null(strstr(text, "which counter"));
	paraclock_close(clk);
}

/* Each sentence names what is missing, and nothing else. */
static void unstable_names_what_is_missing(void **state)
{
	static const struct {
		uint8_t invariant;
		const char *clocksource, *says, *does_not;
	} rows[] = {
		{ 0, "tsc", "invariant", "clocksource" },
		{ 0, "hpet", "invariant", "not tsc" },
		{ 1, "hpet", "clocksource is hpet and not tsc", "invariant" },
		{ 1, "kvm-clock", "is kvm-clock and not tsc", "invariant" },
		{ 1, "xen", "is xen and not tsc", "invariant" },
		{ 1, "tsc-early", "is tsc-early and not tsc", "invariant" },
		{ 1, "", "cannot be read", "not tsc" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct paraclock_sample sample;
		struct paraclock *clk;
		char text[256];

		fake_init(&fake);
		fake.machine.invariant = rows[i].invariant;
		memset(fake.machine.clocksource, 0,
		       sizeof(fake.machine.clocksource));
		strcpy(fake.machine.clocksource, rows[i].clocksource);
		clk = fake_open(&fake, "tsc");
		assert_int_equal(paraclock_read(clk, &sample), 0);
		assert_int_equal(sample.reason, PARACLOCK_REASON_UNSTABLE);
		assert_int_equal(paraclock_explain(clk, 0, &sample, text,
						   sizeof(text)),
				 0);
		assert_non_null(strstr(text, rows[i].says));
		assert_null(strstr(text, rows[i].does_not));
		paraclock_close(clk);
	}
}

/*
 * jiffies may move once in 4 ms, and then the width of a reading does not show
 * how far it is behind.
 */
static void an_arm_kernel_on_another_clock_is_unstable(void **state)
{
	static const struct {
		const char *clocksource;
		uint8_t reason;
		const char *says;
	} rows[] = {
		{ "arch_sys_counter", PARACLOCK_REASON_OK, "" },
		{ "jiffies", PARACLOCK_REASON_UNSTABLE,
		  "is jiffies and not arch_sys_counter" },
		{ "tsc", PARACLOCK_REASON_UNSTABLE,
		  "is tsc and not arch_sys_counter" },
		/* The architecture guarantees that the counter is steady. */
		{ "", PARACLOCK_REASON_OK, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct paraclock_sample sample;
		struct paraclock *clk;
		char text[256];

		fake_init(&fake);
		fake.env.counter_id = PARACLOCK_COUNTER_ARM_VCNT;
		fake.machine.counter = PARACLOCK_COUNTER_ARM_VCNT;
		memset(fake.machine.clocksource, 0,
		       sizeof(fake.machine.clocksource));
		strcpy(fake.machine.clocksource, rows[i].clocksource);
		clk = fake_open(&fake, "tsc");
		assert_int_equal(paraclock_read(clk, &sample), 0);
		assert_int_equal(sample.reason, rows[i].reason);
		assert_int_equal(paraclock_explain(clk, 0, &sample, text,
						   sizeof(text)),
				 0);
		assert_non_null(strstr(text, rows[i].says));
		paraclock_close(clk);
	}
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(a_counter_without_a_name_does_not_count),
		cmocka_unit_test(unstable_names_what_is_missing),
		cmocka_unit_test(an_arm_kernel_on_another_clock_is_unstable),
	};

	ADD_TESTS(others);
	ADD_ROWS(cases, check_bracket);
	return run_suite(NULL, NULL);
}
