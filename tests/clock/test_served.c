// SPDX-License-Identifier: MIT
/* The page that `paraclock serve` keeps: what is believed of it, and how it
 * plays together with the machine's own marker. */

#include "fake.h"
#include "vmclock/vmclock_page.h"

#define SEC	1000000000LL
#define REF_SEC 1700000000
#define REF_TSC 1000000

static struct fake fake;
static struct paraclock *clk;

/* A 16th of a ns late: the rate is rounded down. */
static void serve(uint32_t seq, uint64_t marker, uint64_t tsc, uint64_t sec)
{
	put64(fake.served, 80, 1 << 30);
	fake_set_served(&fake, seq, marker, tsc, sec);
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	fake.served_error = 0;
	serve(2, 7, REF_TSC, REF_SEC);
	fake.counter = REF_TSC + 5;
	clk = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	paraclock_close(clk);
	assert_int_equal(fake.allocs, fake.frees);
	return 0;
}

static struct paraclock_sample read_sample(void)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	return sample;
}

static void assert_valid(int64_t host_ns)
{
	const struct paraclock_sample sample = read_sample();

	assert_int_equal(sample.reason, PARACLOCK_REASON_OK);
	assert_true(sample.valid);
	assert_int_equal(sample.host_ns, host_ns);
}

static void assert_reason(uint8_t reason)
{
	const struct paraclock_sample sample = read_sample();

	assert_int_equal(sample.reason, reason);
	assert_int_equal(sample.valid, !reason);
}

/* The device's page: markers only, as QEMU's. */
static void have_device(uint64_t marker)
{
	fake.vmclock_error = 0;
	fake_set_vmclock_marker(&fake, marker);
}

static void have_bound(uint64_t ns)
{
	put64(fake.served, 24,
	      VMCLOCK_FLAG_TAI_OFFSET_VALID |
		      VMCLOCK_FLAG_PERIOD_MAXERROR_VALID |
		      VMCLOCK_FLAG_TIME_MAXERROR_VALID);
	put64(fake.served, 64, 1);
	put64(fake.served, 96, ns);
}

/* --- what it says of itself ------------------------------------------------- */

static void it_is_tai_and_own_kernel(void **state)
{
	struct paraclock_sample sample;

	(void)state;
	have_bound(1234);
	clk = fake_open(&fake, "served");
	/* Slowly, and by the conversion. */
	for (unsigned int i = 0; i < 3; i++) {
		sample = read_sample();
		assert_true(sample.valid);
		assert_int_equal(sample.host_ns, REF_SEC * SEC + 5);
		assert_int_equal(sample.clock_error_ns, 1235);
		assert_int_equal(sample.pair_error_ns, 0);
		assert_int_equal(sample.timescale, PARACLOCK_TIMESCALE_TAI);
		assert_int_equal(sample.flags,
				 PARACLOCK_FLAG_OWN_KERNEL |
					 PARACLOCK_FLAG_TAI_OFFSET);
		assert_int_equal(sample.tai_offset_sec, 37);
		assert_int_equal(sample.marker_class, PARACLOCK_MARKER_NONE);
	}
	assert_int_equal(paraclock_read_at(clk, REF_TSC + 2, &sample), 0);
	assert_int_equal(sample.host_ns, REF_SEC * SEC + 2);
	assert_true(sample.flags & PARACLOCK_FLAG_OWN_KERNEL);
}

static void it_is_never_chosen(void **state)
{
	char detail[256];

	(void)state;
	fake.pvclock_error = -ENODEV;
	assert_int_equal(fake_try_open(&clk, &fake, NULL, NULL, detail),
			 -ENODEV);
	fake.pvclock_error = 0;
	assert_int_equal(fake_try_open(&clk, &fake, NULL, NULL, detail), 0);
	assert_string_equal(paraclock_backend_name(clk), "kvmclock");
}

static void a_missing_page_says_what_to_run(void **state)
{
	char detail[256];

	(void)state;
	fake.served_error = -ENODEV;
	assert_int_equal(fake_try_open(&clk, &fake, "served", NULL, detail),
			 -ENODEV);
	assert_string_equal(detail, "no page at /run/paraclock/serve/"
				    "utc.vmclock; run 'paraclock serve'");
	fake.served_error = -ENXIO;
	assert_int_equal(fake_try_open(&clk, &fake, "served", NULL, detail),
			 -ENODEV);
	assert_string_equal(detail, "the fake has no such page");
}

static void a_read_costs_one_reading_of_the_counter(void **state)
{
	uint64_t before;

	(void)state;
	have_device(7);
	fake.counter_step = 1;
	clk = fake_open(&fake, "served");
	read_sample();
	for (unsigned int i = 0; i < 10; i++) {
		before = fake.counter;
		read_sample();
		assert_int_equal(fake.counter - before, 1);
	}
}

static void a_read_costs_no_more_without_a_device(void **state)
{
	uint64_t before;

	(void)state;
	fake.counter_step = 1;
	clk = fake_open(&fake, "served");
	read_sample();
	before = fake.counter;
	read_sample();
	assert_int_equal(fake.counter - before, 1);
}

/* --- its age ---------------------------------------------------------------- */

struct age_case {
	const char *name;
	uint64_t max_age_ns;
	bool bound;
	uint8_t status;
	uint64_t last_ns;
};

static struct age_case ages[] = {
	/* clang-format off */
	{ "a page is believed for 60 s", 0, false, 2, 60 * SEC },
	{ "with a bound as well", 0, true, 2, 60 * SEC },
	{ "a free-running one is, too", 0, true, 3, 60 * SEC },
	{ "whatever the caller allows beyond that",
	  3600 * SEC, true, 2, 60 * SEC },
	{ "for ever is 60 s", UINT64_MAX, true, 2, 60 * SEC },
	{ "the caller may allow less", SEC, true, 2, SEC },
	/* clang-format on */
};

static void check_age(void **state)
{
	const struct age_case *c = *state;
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "served",
		.env = &fake.env,
		.max_age_ns = c->max_age_ns,
	};
	struct paraclock_sample sample;

	if (c->bound)
		have_bound(1000);
	fake.served[34] = c->status;
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	/* 1: the page's rate is rounded. */
	fake.counter = REF_TSC + c->last_ns - 1;
	assert_int_equal(read_sample().reason, PARACLOCK_REASON_OK);
	fake.counter = REF_TSC + c->last_ns + 2;
	sample = read_sample();
	assert_int_equal(sample.reason, PARACLOCK_REASON_WINDOW);
	assert_int_equal(sample.clock_error_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(paraclock_read_at(clk, fake.counter, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_WINDOW);
	/* And is believed again when it is renewed. */
	serve(4, 7, fake.counter - 1, REF_SEC + 100);
	assert_valid((REF_SEC + 100) * SEC + 1);
}

static void a_bound_beyond_a_second_is_no_time(void **state)
{
	(void)state;
	have_bound(SEC + 1);
	clk = fake_open(&fake, "served");
	assert_reason(PARACLOCK_REASON_WINDOW);
}

static void a_counter_before_the_page_is_no_time(void **state)
{
	(void)state;
	fake.counter = REF_TSC - 1;
	clk = fake_open(&fake, "served");
	assert_reason(PARACLOCK_REASON_WINDOW);
}

/* --- the machine's marker --------------------------------------------------- */

static void a_page_from_after_the_last_disruption_is_valid(void **state)
{
	(void)state;
	have_device(7);
	clk = fake_open(&fake, "served");
	assert_valid(REF_SEC * SEC + 5);
	assert_int_equal(read_sample().marker_class,
			 PARACLOCK_MARKER_AUTHORITATIVE);
}

static void a_page_from_before_is_disrupted(void **state)
{
	struct paraclock_sample sample;
	uint64_t epoch;

	(void)state;
	have_device(8);
	clk = fake_open(&fake, "served");
	for (unsigned int i = 0; i < 3; i++)
		assert_reason(PARACLOCK_REASON_DISRUPTED);
	assert_int_equal(paraclock_read_at(clk, REF_TSC + 1, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_DISRUPTED);
	epoch = read_sample().epoch;
	serve(4, 8, REF_TSC + 3, REF_SEC + 50);
	assert_valid((REF_SEC + 50) * SEC + 2);
	/* It catches up with a disruption that the epoch knows of. */
	assert_int_equal(read_sample().epoch, epoch);
}

static void that_very_read_shows_a_disruption(void **state)
{
	char text[256];
	struct paraclock_sample sample;
	uint64_t epoch;

	(void)state;
	have_device(7);
	clk = fake_open(&fake, "served");
	epoch = read_sample().epoch;
	assert_valid(REF_SEC * SEC + 5);
	put64(fake.vmclock, 16, 8);
	sample = read_sample();
	assert_int_equal(sample.reason, PARACLOCK_REASON_DISRUPTED);
	assert_int_equal(sample.epoch, epoch + 1);
	assert_int_equal(paraclock_explain(clk, 0, &sample, text, 256), 0);
	assert_non_null(strstr(text, "'paraclock serve'"));
	assert_reason(PARACLOCK_REASON_DISRUPTED);
	/* A renewed page with the old marker was measured before. */
	serve(4, 7, REF_TSC + 3, REF_SEC);
	assert_reason(PARACLOCK_REASON_DISRUPTED);
	serve(6, 8, REF_TSC + 3, REF_SEC + 50);
	assert_valid((REF_SEC + 50) * SEC + 2);
	assert_int_equal(read_sample().epoch, epoch + 1);
}

static void a_page_ahead_of_the_device_is_disrupted(void **state)
{
	(void)state;
	have_device(7);
	clk = fake_open(&fake, "served");
	serve(4, 8, REF_TSC, REF_SEC);
	assert_reason(PARACLOCK_REASON_DISRUPTED);
	put64(fake.vmclock, 16, 8);
	assert_valid(REF_SEC * SEC + 5);
}

static void no_status_comes_first(void **state)
{
	(void)state;
	have_device(8);
	fake.served[34] = 4;
	clk = fake_open(&fake, "served");
	assert_reason(PARACLOCK_REASON_STATUS);
}

static void have_generation(uint8_t *page, uint64_t generation)
{
	put64(page, 24,
	      VMCLOCK_FLAG_TAI_OFFSET_VALID |
		      VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT);
	put64(page, 104, generation);
}

static void a_generation_is_compared_if_the_page_has_one(void **state)
{
	(void)state;
	have_device(7);
	have_generation(fake.vmclock, 3);
	clk = fake_open(&fake, "served");
	assert_reason(PARACLOCK_REASON_OK);
	have_generation(fake.served, 2);
	put32(fake.served, 12, 4);
	assert_reason(PARACLOCK_REASON_DISRUPTED);
	have_generation(fake.served, 3);
	put32(fake.served, 12, 6);
	assert_reason(PARACLOCK_REASON_OK);
	put64(fake.vmclock, 104, 4);
	assert_reason(PARACLOCK_REASON_DISRUPTED);
}

static void an_inferred_marker_promises_less(void **state)
{
	(void)state;
	have_device(7);
	put64(fake.vmclock, 24, VMCLOCK_FLAG_INFERRED);
	clk = fake_open(&fake, "served");
	assert_valid(REF_SEC * SEC + 5);
	assert_int_equal(read_sample().marker_class,
			 PARACLOCK_MARKER_HEURISTIC);
}

static void without_a_device_its_own_marker_counts(void **state)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock_marker marker;
	uint64_t epoch;

	(void)state;
	clk = fake_open(&fake, "served");
	epoch = read_sample().epoch;
	assert_int_equal(paraclock_marker(clk, &marker), 0);
	assert_int_equal(marker.value, 7);
	serve(4, 8, REF_TSC, REF_SEC);
	assert_valid(REF_SEC * SEC + 5);
	assert_int_equal(read_sample().epoch, epoch + 1);
	assert_int_equal(read_sample().marker_class, PARACLOCK_MARKER_NONE);
	assert_int_equal(paraclock_next_event(clk, &event), 0);
	assert_string_equal(event.source, "served");
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_NONE);
	assert_int_equal(event.marker_after.value, 8);
}

static void no_other_clock_looks_at_its_marker(void **state)
{
	struct paraclock_marker marker;

	(void)state;
	clk = fake_open(&fake, "kvmclock");
	assert_int_equal(paraclock_marker(clk, &marker), -EOPNOTSUPP);
}

/* --- a page that was replaced ----------------------------------------------- */

static int is_gone;

static int fake_is_there(void *ctx, const struct paraclock_mapping *map)
{
	(void)ctx;
	return is_gone && map->addr == fake.served ? -ENODEV : 0;
}

static void a_replaced_page_is_an_error_once_it_is_not_valid(void **state)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock_sample sample;
	char text[256];

	(void)state;
	fake.env.is_there = fake_is_there;
	is_gone = 0;
	clk = fake_open(&fake, "served");
	fake.counter += 61 * SEC;
	assert_reason(PARACLOCK_REASON_WINDOW);
	is_gone = 1;
	assert_int_equal(paraclock_read(clk, &sample), -ENODEV);
	assert_int_equal(paraclock_read_at(clk, fake.counter, &sample),
			 -ENODEV);
	assert_int_equal(paraclock_explain(clk, -ENODEV, NULL, text, 256), 0);
	assert_non_null(strstr(text, "open it anew"));
	/* A valid one is as good as ever, and the events say that it has
	 * gone. */
	fake.counter -= 61 * SEC;
	assert_valid(REF_SEC * SEC + 5);
	assert_int_equal(paraclock_next_event(clk, &event), 0);
	assert_int_equal(event.kind, PARACLOCK_EVENT_SOURCE_LOST);
	assert_int_equal(event.error, -ENODEV);
}

/* --- hostile ---------------------------------------------------------------- */

static void a_malformed_page_names_its_field(void **state)
{
	struct paraclock_sample sample;
	char text[256];

	(void)state;
	clk = fake_open(&fake, "served");
	put32(fake.served, 0, 1);
	put32(fake.served, 12, 4);
	assert_int_equal(paraclock_read(clk, &sample), -EPROTO);
	assert_int_equal(paraclock_explain(clk, -EPROTO, NULL, text, 256), 0);
	assert_non_null(strstr(text, "served page"));
	assert_non_null(strstr(text, "magic"));
}

static void a_writer_that_died_does_not_hang_it(void **state)
{
	struct paraclock_sample sample;

	(void)state;
	have_device(7);
	fake.counter_step = 1;
	clk = fake_open(&fake, "served");
	put32(fake.served, 12, 3);
	assert_int_equal(paraclock_read(clk, &sample), -EAGAIN);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_tai_and_own_kernel),
		cmocka_unit_test(it_is_never_chosen),
		cmocka_unit_test(a_missing_page_says_what_to_run),
		cmocka_unit_test(a_read_costs_one_reading_of_the_counter),
		cmocka_unit_test(a_read_costs_no_more_without_a_device),
		cmocka_unit_test(a_bound_beyond_a_second_is_no_time),
		cmocka_unit_test(a_counter_before_the_page_is_no_time),
		cmocka_unit_test(
			a_page_from_after_the_last_disruption_is_valid),
		cmocka_unit_test(a_page_from_before_is_disrupted),
		cmocka_unit_test(that_very_read_shows_a_disruption),
		cmocka_unit_test(a_page_ahead_of_the_device_is_disrupted),
		cmocka_unit_test(no_status_comes_first),
		cmocka_unit_test(a_generation_is_compared_if_the_page_has_one),
		cmocka_unit_test(an_inferred_marker_promises_less),
		cmocka_unit_test(without_a_device_its_own_marker_counts),
		cmocka_unit_test(no_other_clock_looks_at_its_marker),
		cmocka_unit_test(
			a_replaced_page_is_an_error_once_it_is_not_valid),
		cmocka_unit_test(a_malformed_page_names_its_field),
		cmocka_unit_test(a_writer_that_died_does_not_hang_it),
	};

	each_test(setup, teardown);
	ADD_TESTS(tests);
	ADD_ROWS(ages, check_age);
	return run_suite(NULL, NULL);
}
