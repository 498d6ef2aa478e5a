// SPDX-License-Identifier: MIT
/* Opening a clock with a page in physical memory. */

#include "memories.h"

struct refusal {
	const char *name;
	int error; /* of the open */
	int of_memory;
	void (*spoil)(void);
	const char *sentence;
};

static void forbid(void)
{
	fake->env.read_memory = NULL;
}

static void be_busy(void)
{
	put32(fake->vmclock, 12, 1);
}

static const struct refusal refusals[] = {
	{ "memory that is not there", -ENODEV, -ENODEV, NULL,
	  "the memory is hidden" },
	{ "memory that cannot be used", -ENODEV, -ENXIO, NULL,
	  "the memory is hidden" },
	{ "memory that is forbidden", -EACCES, -EACCES, NULL,
	  "the memory is hidden" },
	{ "no descriptor left", -ENOMEM, -ENOMEM, NULL,
	  "the memory is hidden" },
	{ "an env without memory", -EOPNOTSUPP, 0, forbid,
	  "cannot look at physical memory" },
	{ "a page that goes at once", -ENODEV, 0, vanish, "cannot be read" },
	{ "a page without magic", -EPROTO, 0, lose_magic, "magic" },
	{ "a page of another version", -EPROTO, 0, lose_version, "version" },
	{ "a page with a wrong size", -EPROTO, 0, lose_size, "size" },
	{ "a page that is too short", -EPROTO, 0, shrink, "size" },
	{ "a page that stays mid-update", -ENODEV, 0, be_busy,
	  "middle of an update" },
};

/* By name, and where the best source is chosen: there is no better one. */
static void an_open_fails_and_says_why(void **state)
{
	static const char *const backends[] = { "kvmclock", NULL, "vmclock" };
	const struct refusal *refusal = *state;

	for (size_t i = 0; i < ARRAY_LEN(backends); i++) {
		struct paraclock *clk = (void *)1;
		char detail[256];

		make_memory(NULL);
		memory.error = refusal->of_memory;
		if (refusal->spoil)
			refusal->spoil();
		assert_int_equal(try_open(&clk, backends[i], NULL, detail),
				 refusal->error);
		assert_ptr_equal(clk, (void *)1);
		if (strncmp(detail, "no valid host clock", 19) == 0 ||
		    !strstr(detail, refusal->sentence))
			fail_msg("%s", detail);
		close_clock(NULL);
	}
}

static void a_page_that_a_driver_shows_is_not_looked_at(void **state)
{
	struct paraclock_sample sample;
	struct paraclock *clk;

	(void)state;
	fake->vmclock_error = 0;
	memory.error = -ENODEV;
	clk = open_clock("kvmclock");
	no_event(clk);
	put64(fake->vmclock, 16, 8);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.epoch, 2);
	assert_int_equal(sample.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_UPDATED);
	no_event(clk);
	assert_int_equal(memory.looks, 0);
	close_clock(clk);
}

static void without_the_flag_nobody_looks(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");
	struct paraclock_marker marker;

	(void)state;
	put64(fake->vmclock, 16, 8);
	no_event(clk);
	assert_int_equal(paraclock_marker(clk, &marker), -EOPNOTSUPP);
	assert_int_equal(memory.looks, 0);
	close_clock(clk);
	assert_int_equal(fake_try_open(&clk, fake, "vmclock", NULL, NULL),
			 -ENODEV);
	assert_int_equal(memory.looks, 0);
}

/* Where no source gives time. */
static void by_name_it_is_opened_for_its_markers_alone(void **state)
{
	struct paraclock_sample sample;
	struct paraclock_event event;
	struct paraclock *clk;
	char text[256];

	(void)state;
	fake->pvclock_error = -ENODEV;
	assert_int_equal(try_open(&clk, NULL, NULL, text), -ENODEV);
	clk = open_clock("vmclock");
	assert_string_equal(paraclock_backend_name(clk), "vmclock");
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_STATUS);
	assert_int_equal(sample.host_ns, 0);
	assert_int_equal(sample.marker_class, PARACLOCK_MARKER_NONE);
	paraclock_explain(clk, 0, &sample, text, sizeof(text));
	assert_non_null(strstr(text, "for its markers only"));
	no_event(clk);
	put64(fake->vmclock, 16, 8);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_int_equal(event.marker_after.value, 8);
	assert_int_equal(event.flags, PARACLOCK_EVENT_MARKERS);
	no_event(clk);
	memory.read_error = -ENODEV;
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_SOURCE_LOST);
	assert_string_equal(event.source, "vmclock");
	close_clock(clk);
}

static void a_device_of_another_machine_is_refused(void **state)
{
	struct paraclock *clk;
	char detail[256];

	(void)state;
	assert_int_equal(try_open(&clk, "kvmclock", "/image", detail), -EINVAL);
	assert_non_null(strstr(detail, "another machine's"));
	assert_int_equal(memory.looks, 0);
	close_clock(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_that_a_driver_shows_is_not_looked_at),
		cmocka_unit_test(without_the_flag_nobody_looks),
		cmocka_unit_test(by_name_it_is_opened_for_its_markers_alone),
		cmocka_unit_test(a_device_of_another_machine_is_refused),
	};

	each_test(make_memory, NULL);
	ADD_ROWS(refusals, an_open_fails_and_says_why);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
