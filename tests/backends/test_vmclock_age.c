// SPDX-License-Identifier: MIT
/*
 * For how long a vmclock page is believed: by the formula, and by the
 * conversion.
 */

#include "fake.h"
#include "vmclock/vmclock_page.h"

#define SEC 1000000000ULL

/* A us a tick, rounded down: 2^64 / 10^6. */
#define PERIOD 18446744073709ULL
#define BASE   1000
/* 2^-30 s a tick, so that a second takes 2^30 of them. */
#define RATE  (1ULL << 34)
#define NEVER UINT64_MAX

struct age_case {
	const char *name;
	bool terms; /* both flags are set */
	uint64_t rate, maxerror_ns, max_age_ns;
	uint64_t last_us; /* the last valid tick; NEVER: never valid */
};

static struct age_case cases[] = {
	/* clang-format off */
	{ "an hour without error terms", false, 0, 0, 0, 3600000000 },
	{ "an hour without error terms, whatever those fields hold",
	  false, RATE, 5, 0, 3600000000 },
	{ "an hour with a bound that does not grow",
	  true, 0, 77, 0, 3600000000 },
	{ "an hour with a bound of a second that does not grow",
	  true, 0, SEC, 0, 3600000000 },
	{ "not at all with a bound beyond a second that does not grow",
	  true, 0, SEC + 1, 0, NEVER },
	{ "until the bound passes a second, if that comes sooner",
	  true, RATE, SEC - 932, 0, 1000 },
	{ "until the bound passes a second, if that comes later",
	  true, RATE, 0, 0, 1 << 30 },
	{ "as long as the caller says, with a bound that does not grow",
	  true, 0, 77, 7200 * SEC, 7200000000 },
	{ "as long as the caller says, with a bound that grows",
	  true, RATE, 0, 5 * SEC, 5000000 },
	/* clang-format on */
};

static struct vmclock_page page_of(const struct age_case *c)
{
	return (struct vmclock_page){
		.size = sizeof(struct vmclock_page),
		.counter_id = VMCLOCK_COUNTER_X86_TSC,
		.time_type = VMCLOCK_TIME_TAI,
		.flags = c->terms ? VMCLOCK_FLAG_PERIOD_MAXERROR_VALID |
					    VMCLOCK_FLAG_TIME_MAXERROR_VALID
				  : 0,
		.clock_status = VMCLOCK_STATUS_SYNCHRONIZED,
		.counter_value = BASE,
		.counter_period_frac_sec = PERIOD,
		.counter_period_maxerror_rate_frac_sec = c->rate,
		.time_sec = 1700000000,
		.time_maxerror_nanosec = c->maxerror_ns,
	};
}

static struct vmclock_limits limits_of(const struct age_case *c)
{
	return (struct vmclock_limits){
		.max_age_ns = c->max_age_ns,
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
	};
}

static struct paraclock_sample sample_at(const struct age_case *c,
					 uint64_t ticks)
{
	const struct vmclock_page vc = page_of(c);
	const struct vmclock_limits limits = limits_of(c);
	struct paraclock_sample got;
	const char *bad = NULL;

	assert_int_equal(pclk_vmclock_convert(&vc, &limits, BASE + ticks, &got,
					      &bad),
			 0);
	assert_null(bad);
	return got;
}

static void check_formula(void **state)
{
	const struct age_case *c = *state;
	struct paraclock_sample got;
	uint64_t last = c->last_us == NEVER ? 0 : c->last_us;

	if (c->last_us != NEVER) {
		got = sample_at(c, last);
		assert_int_equal(got.valid, 1);
		if (!c->terms)
			assert_int_equal(got.clock_error_ns, UINT64_MAX);
		else if (!c->rate)
			/*
			 * A sample that is believed for an hour only is still
			 * given.
			 */
			assert_int_equal(got.clock_error_ns, c->maxerror_ns);
		last++;
	}
	got = sample_at(c, last);
	assert_int_equal(got.valid, 0);
	assert_int_equal(got.reason, PARACLOCK_REASON_WINDOW);
	assert_int_equal(got.host_ns, 1700000000 * SEC);
	got = sample_at(c, last + (1ULL << 40));
	assert_int_equal(got.reason, PARACLOCK_REASON_WINDOW);
}

/*
 * The conversion must not be followed further than the formula goes, and must
 * not end long before it.
 */
static void check_conversion(void **state)
{
	const struct age_case *c = *state;
	const struct vmclock_page vc = page_of(c);
	const struct vmclock_limits limits = limits_of(c);
	const struct paraclock_sample sample = sample_at(c, 0);
	struct paraclock_conversion conv = { 0 };

	pclk_vmclock_conversion(&vc, &limits, &sample, &conv);
	if (c->last_us == NEVER) {
		assert_int_equal(conv.usable, 0);
		return;
	}
	if (!conv.usable) /* Too close to a second: the formula answers. */
		assert_true(c->maxerror_ns > SEC - 2);
	else
		assert_in_range(conv.max_ticks, c->last_us - c->last_us / 8,
				c->last_us);
}

int main(void)
{
	static char names[ARRAY_LEN(cases)][96];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		add_row(cases[i].name, check_formula, &cases[i]);
		strcpy(names[i], "by the conversion: ");
		strncat(names[i], cases[i].name, sizeof(names[i]) - 20);
		add_row(names[i], check_conversion, &cases[i]);
	}
	return run_suite(NULL, NULL);
}
