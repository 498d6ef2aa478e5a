// SPDX-License-Identifier: MIT
/*
 * What the library says of the counter's frequency: by firmware, by the clock,
 * and beside clocks that are too coarse.
 */

#include <stdio.h>

#include "base/frequency.h"
#include "base/text.h"
#include "fake_machine.h"

static struct fake_machine machine;

static const struct fake_counter tsc = { "2.096 GHz", 2096000000, 1, 1 };
static const struct fake_counter arm = { "24 MHz", 24000000, 1, 1 };
static const struct fake_counter slow = { "1 MHz", 1000000, 1, 1 };
static const struct fake_counter coarse = { "1536 MHz", 24000000, 64, 1 };

static const struct fake_counter *const counters[] = { &tsc, &arm, &coarse,
						       &slow };
/* The clocks before slow are measured to 500 ppm within 4 ms. */
#define FINE 3

/* The counter must be read no more often than that. */
#define READS_MAX 400000

static struct paraclock_machine describe(uint64_t stated_hz)
{
	struct paraclock_machine got = { .size = sizeof(got) };
	unsigned int reads = machine.counter_reads;

	machine.world.machine.counter_hz = stated_hz;
	machine.world.machine.measured = 0;
	assert_int_equal(paraclock_describe_machine(&machine.world.env, &got),
			 0);
	assert_true(machine.counter_reads - reads < READS_MAX);
	return got;
}

/* A measured frequency is right to within its own bound. */
static void check_measured(const struct paraclock_machine *got)
{
	uint64_t hz = fake_machine_tick_hz(&machine);

	if (!got->measured_hz) {
		assert_int_equal(got->measured_error_hz, 0);
		return;
	}
	if (distance((int64_t)got->measured_hz, (int64_t)hz) >
	    got->measured_error_hz)
		fail_msg("%llu Hz by the clock, to within %llu; it is %llu",
			 (unsigned long long)got->measured_hz,
			 (unsigned long long)got->measured_error_hz,
			 (unsigned long long)hz);
	/* A frequency that is not known to 2 % is not given. */
	assert_true(got->measured_error_hz <= hz / 50);
}

/* --- claims --------------------------------------------------------------- */

/* The firmware states hz * num / den, or num itself if den is 0. */
static struct claim {
	const char *name;
	uint64_t num, den;
	bool holds;
} claims[] = {
	/* clang-format off */
	{ "the truth", 1, 1, true },
	{ "100 ppm above", 1000100, 1000000, true },
	{ "100 ppm below", 999900, 1000000, true },
	{ "400 ppm above", 1000400, 1000000, true },
	{ "0.1 % above", 1001, 1000, false },
	{ "0.1 % below", 999, 1000, false },
	{ "half of it", 1, 2, false },
	{ "twice as much", 2, 1, false },
	{ "5875 MHz", 5875000000, 0, false },
	{ "1834125 MHz", 1834125000000, 0, false },
	{ "1 Hz", 1, 0, false },
	{ "1 kHz", 1000, 0, false },
	{ "2^64 - 1 Hz", UINT64_MAX, 0, false },
	{ "2^64 - 1 kHz, cut", UINT64_MAX - 999, 0, false },
	{ "2^63 Hz", 1ULL << 63, 0, false },
	/* clang-format on */
};

static uint64_t stated_of(const struct claim *claim)
{
	uint64_t hz = fake_machine_tick_hz(&machine);

	return claim->den ? hz * claim->num / claim->den : claim->num;
}

/* Whatever firmware states, a bracket is as wide as it is. */
static void check_pairs(void)
{
	struct paraclock *clk = fake_open(&machine.world, "tsc");

	for (unsigned int i = 0; i < 200; i++) {
		struct paraclock_sample sample;

		assert_int_equal(paraclock_read(clk, &sample), 0);
		fake_machine_check(&machine, PARACLOCK_CLOCK_REALTIME,
				   sample.host_ns, sample.host_tsc,
				   sample.pair_error_ns);
		/*
		 * 20 ns and 10 on either side, half of it, and two steps at
		 * most.
		 */
		assert_true(sample.pair_error_ns <=
			    100 + 2000000000 / machine.is.moves_hz);
	}
	paraclock_close(clk);
}

static void check_claim(void **state)
{
	const struct claim *claim = *state;

	for (size_t i = 0; i < FINE; i++) {
		struct paraclock_machine got;

		fake_machine_init(&machine, counters[i]);
		got = describe(stated_of(claim));
		check_measured(&got);
		assert_true(got.measured_hz);
		assert_true(got.measured_error_hz <= got.measured_hz / 2000);
		assert_true(got.stated_hz == stated_of(claim));
		assert_int_equal(got.measured, !claim->holds);
		assert_true(got.counter_hz ==
			    (claim->holds ? got.stated_hz : got.measured_hz));
		check_pairs();
	}
}

static void an_unstated_frequency_is_measured(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
		struct paraclock_machine got;

		fake_machine_init(&machine, counters[i]);
		got = describe(0);
		check_measured(&got);
		assert_int_equal(got.measured, 1);
		assert_int_equal(got.stated_hz, 0);
		assert_true(got.counter_hz == got.measured_hz);
		check_pairs();
	}
}

/* The sentence names both. */
static void a_contradiction_is_explained(void **state)
{
	struct paraclock_sample sample;
	struct paraclock *clk;
	char text[256];

	(void)state;
	fake_machine_init(&machine, &tsc);
	machine.world.machine.counter_hz = 5875000000;
	clk = fake_open(&machine.world, "tsc");
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(paraclock_explain(clk, 0, &sample, text, sizeof(text)),
			 0);
	assert_non_null(strstr(text, "5875.000000 MHz"));
	assert_non_null(strstr(text, "2096 MHz"));
	paraclock_close(clk);
	machine.world.machine.counter_hz = 2096000000;
	clk = fake_open(&machine.world, "tsc");
	assert_int_equal(paraclock_explain(clk, 0, &sample, text, sizeof(text)),
			 0);
	assert_null(strstr(text, "MHz"));
	paraclock_close(clk);
}

/* --- clocks that are too coarse ------------------------------------------- */

static struct jiffies {
	const char *name;
	uint64_t quantum; /* fs; 0: it stands still */
	bool known;	  /* it moves often enough */
} jiffies[] = {
	{ "100 jiffies a second", FS_PER_SEC / 100, false },
	{ "250 jiffies a second", FS_PER_SEC / 250, false },
	{ "1000 jiffies a second", FS_PER_SEC / 1000, false },
	{ "a clock that stands still", 0, false },
	{ "a clock that moves every us", FS_PER_SEC / 1000000, true },
	{ "a clock that moves every 100 ns", FS_PER_SEC / 10000000, true },
};

static void set_jiffies(const struct jiffies *j, const struct fake_counter *is)
{
	fake_machine_init(&machine, is);
	machine.quantum = j->quantum;
	machine.stand = !j->quantum;
	machine.phase = j->quantum ? random_word() % j->quantum : 0;
}

static void check_jiffies(void **state)
{
	const struct jiffies *j = *state;

	for (unsigned int i = 0; i < 200; i++) {
		struct paraclock_machine got;

		set_jiffies(j, counters[i % ARRAY_LEN(counters)]);
		got = describe(0);
		check_measured(&got);
		assert_true(got.counter_hz == got.measured_hz);
		if (j->known)
			assert_true(got.measured_hz);
		/* A stated frequency that cannot be checked is kept. */
		got = describe(1000);
		if (!got.measured_hz)
			assert_int_equal(got.counter_hz, 1000);
	}
}

/* As Linux's env does: two looks, and a pause in between. */
static void check_pauses(void **state)
{
	const struct jiffies *j = *state;

	for (unsigned int i = 0; i < 200; i++) {
		struct paraclock_machine got = { .size = sizeof(got) };
		struct frequency frequency;

		set_jiffies(j, counters[i % ARRAY_LEN(counters)]);
		assert_int_equal(pclk_frequency_begin(&frequency,
						      &machine.world.env),
				 0);
		fake_machine_pass(&machine, FS_PER_SEC / 100);
		pclk_frequency_end(&frequency, &got);
		check_measured(&got);
		assert_int_equal(got.measured_hz != 0, j->known);
		assert_true(got.counter_hz == got.measured_hz);
	}
}

/* A single move of the clock does not give a snapshot a rate, either. */
static void check_snapshots(void **state)
{
	const struct jiffies *j = *state;

	for (unsigned int i = 0; i < 40; i++) {
		struct paraclock_snapshot snap = { .size = sizeof(snap) };
		unsigned int reads;
		int ret;

		set_jiffies(j, &tsc);
		fake_machine_become(&machine, j->known ? "tsc" : "jiffies",
				    j->known ? PARACLOCK_CLOCKSOURCE_COUNTER
					     : PARACLOCK_CLOCKSOURCE_OTHER,
				    0);
		reads = machine.counter_reads;
		ret = paraclock_snapshot(&machine.world.env, &snap);
		assert_true(machine.counter_reads - reads < READS_MAX);
		assert_int_equal(ret, j->known ? 0 : -ENODEV);
		if (!ret)
			fake_machine_check_snapshot(&machine, &snap);
	}
}

/* --- a guest's frequency and its host's ------------------------------------ */

#if defined(__x86_64__)

static int guest_khz;

static int kvm_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	(void)ctx;
	(void)fd;
	(void)arg;
	switch (request) {
	case 0xae00: /* KVM_GET_API_VERSION: a vCPU knows it not */
		return -EINVAL;
	case 0xaea3: /* KVM_GET_API_VERSION: a vCPU does not know it */
		return guest_khz;
	default:
		return 0;
	}
}

static int couple(uint64_t stated_hz, int khz)
{
	struct paraclock_coupling coupling;

	fake_machine_init(&machine, &tsc);
	machine.world.env.ioctl = kvm_ioctl;
	machine.world.machine.counter_hz = stated_hz;
	guest_khz = khz;
	return paraclock_coupling_kvm(&coupling, &machine.world.env, 3, 0, 0);
}

/* The host's TSC runs at 2096 MHz, whatever the firmware states. */
static void a_guests_frequency_is_checked_against_the_measured_one(void **state)
{
	static const uint64_t stated[] = { 2096000000, 2096209600,
					   5875000000, 1834125000000,
					   1,	       0,
					   UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(stated); i++) {
		assert_int_equal(couple(stated[i], 2096000), 0);
		assert_int_equal(couple(stated[i], 2096209), 0);
		assert_int_equal(couple(stated[i], 5875000), -ENODEV);
		assert_int_equal(couple(stated[i], 2000000), -ENODEV);
		assert_int_equal(couple(stated[i], 2098096), -ENODEV);
		assert_int_equal(couple(stated[i], 1), -ENODEV);
		assert_int_equal(couple(stated[i], INT32_MAX), -ENODEV);
	}
}

#endif

/*
 * An env that measures by itself and says so replaces the library's
 * measurement.
 */
static void an_env_without_a_frequency_is_not_believed(void **state)
{
	static const uint64_t errors[] = {
		UINT64_MAX,
		3000000000,
		/* 10^15 Hz would remain. */
		3000000000U - 1000000000000000U,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		fake_machine_init(&machine, &tsc);
		machine.world.machine.counter_hz = 3000000000;
		machine.world.machine.measured_hz = 3000000000;
		machine.world.machine.measured_error_hz = errors[i];
		machine.world.machine.measured = 1;
		check_pairs();
	}
}

/* --- digits ---------------------------------------------------------------- */

static void only_known_digits_are_printed(void **state)
{
	static const struct {
		uint64_t hz, error_hz;
		const char *text;
	} rows[] = {
		{ 2096006271, 0, "2096.006271 MHz" },
		{ 2096006271, 1, "2096.00627 MHz" },
		{ 2096006271, 7985, "2096.0 MHz" },
		{ 2096096271, 5000, "2096.10 MHz" },
		{ 2096496271, 400000, "2096 MHz" },
		{ 2096500000, 500000, "2097 MHz" },
		{ 24000000, 20, "24.0000 MHz" },
		/* Known to 1.5 %, so not even all digits of MHz are known. */
		{ 2076006271, 31000000, "2100 MHz" },
		{ 2076006271, 5000000, "2080 MHz" },
		{ 2076006271, 5000001, "2100 MHz" },
		{ 2076006271, 500001, "2080 MHz" },
		{ 24000000, 360000, "24 MHz" },
		{ 996000000, 4000000, "1000 MHz" },
		{ 1, 0, "0.000001 MHz" },
		{ 0, 0, "0.000000 MHz" },
		{ UINT64_MAX, 0, "18446744073709.551615 MHz" },
		{ UINT64_MAX, UINT64_MAX, "18446744073710 MHz" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[32];

		pclk_text_hz(rows[i].hz, rows[i].error_hz, text);
		assert_string_equal(text, rows[i].text);
	}
}

#define N_JIFFIES ARRAY_LEN(jiffies)
#define N_LOOKS	  3

int main(void)
{
	const struct CMUnitTest whole[] = {
		cmocka_unit_test(an_unstated_frequency_is_measured),
		cmocka_unit_test(a_contradiction_is_explained),
		cmocka_unit_test(an_env_without_a_frequency_is_not_believed),
		cmocka_unit_test(only_known_digits_are_printed),
#if defined(__x86_64__)
		cmocka_unit_test(
			a_guests_frequency_is_checked_against_the_measured_one),
#endif
	};
	static const struct {
		const char *name;
		CMUnitTestFunction run;
	} looks[] = {
		{ "frequency", check_jiffies },
		{ "frequency, after a pause", check_pauses },
		{ "snapshots", check_snapshots },
	};
	static char names[N_LOOKS * N_JIFFIES][64];

	ADD_ROWS(claims, check_claim);
	for (size_t i = 0; i < N_LOOKS * N_JIFFIES; i++) {
		struct jiffies *j = &jiffies[i / N_LOOKS];

		(void)snprintf(names[i], sizeof(names[i]), "%s, %s", j->name,
			       looks[i % N_LOOKS].name);
		add_row(names[i], looks[i % N_LOOKS].run, j);
	}
	ADD_TESTS(whole);
	return run_suite(NULL, NULL);
}
