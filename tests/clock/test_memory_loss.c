// SPDX-License-Identifier: MIT
/* A page in physical memory, whatever it holds. */

#include "memories.h"

static void an_update_under_way_is_waited_for(void **state)
{
	struct paraclock *clk = open_clock("kvmclock");
	unsigned int looks;

	(void)state;
	/* The marker as before: it will be seen when it changes. */
	put32(fake->vmclock, 12, 1);
	no_event(clk);
	put64(fake->vmclock, 16, 8);
	looks = memory.looks;
	no_event(clk);
	assert_true(memory.looks - looks < 1000);
	put32(fake->vmclock, 12, 2);
	assert_int_equal(next_event(clk).marker_after.value, 8);
	no_event(clk);
	close_clock(clk);
}

static void a_page_that_never_stands_still_is_lost(void **state)
{
	struct paraclock *clk = open_clock("kvmclock");
	struct paraclock_event event;
	struct paraclock_sample sample;

	(void)state;
	memory.tears = true;
	no_event(clk);
	memory.mono_ns += SEC / 2;
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_SOURCE_LOST);
	assert_int_equal(event.error, -EAGAIN);
	assert_string_equal(event.source, "vmclock");
	no_event(clk);
	/* The clock itself is as good as ever. */
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	memory.tears = false;
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_SOURCE_FOUND);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_int_equal(event.epoch, 2);
	close_clock(clk);
}

struct loss {
	const char *name;
	int error;
	void (*spoil)(void);
	const char *sentence;
};

static const struct loss losses[] = {
	{ "a page that can no longer be read is lost", -ENODEV, vanish,
	  "a driver has claimed it" },
	{ "a page without its magic is lost", -EPROTO, lose_magic, "magic" },
	{ "a page of another version is lost", -EPROTO, lose_version,
	  "version is not 1" },
	{ "a page whose size is below its fields is lost", -EPROTO, lose_size,
	  "size is below 32" },
	{ "a page that ends too early is lost", -EPROTO, shrink,
	  "ends before its fixed fields" },
	{ "memory that reads as ones is lost", -EPROTO, read_all_ones,
	  "magic" },
};

static void a_loss_is_told_once(void **state)
{
	const struct loss *loss = *state;
	struct paraclock *clk = open_clock("kvmclock");
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock_sample sample;
	char text[256];

	loss->spoil();
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_SOURCE_LOST);
	assert_int_equal(event.error, loss->error);
	assert_string_equal(event.source, "vmclock");
	assert_int_equal(event.epoch, 1);
	paraclock_explain(clk, event.error, NULL, text, sizeof(text));
	if (!strstr(text, loss->sentence))
		fail_msg("%s", text);
	/* Once; and it is not known that nothing happens. */
	assert_int_equal(paraclock_next_event(clk, &event), loss->error);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	/* It comes back, and has changed meanwhile. */
	memory.read_error = 0;
	memory.size = 4096;
	memset(fake->vmclock, 0, sizeof(fake->vmclock));
	fake_set_vmclock_marker(fake, 9);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_SOURCE_FOUND);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_int_equal(event.marker_before.value, 7);
	assert_int_equal(event.marker_after.value, 9);
	no_event(clk);
	close_clock(clk);
}

static void descriptors_that_run_out_are_no_loss_at_once(void **state)
{
	struct paraclock *clk = open_clock("kvmclock");
	struct paraclock_event event = { .size = sizeof(event) };

	(void)state;
	memory.read_error = -ENOMEM;
	assert_int_equal(paraclock_next_event(clk, &event), -ENOMEM);
	memory.read_error = 0;
	no_event(clk);
	memory.mono_ns += SEC;
	memory.read_error = -ENOMEM;
	assert_int_equal(paraclock_next_event(clk, &event), -ENOMEM);
	memory.mono_ns += SEC;
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_SOURCE_LOST);
	close_clock(clk);
}

/* As far as the page goes: markers are in the first 32 bytes, a generation in
 * the last 8. */
static void a_short_page_is_enough(void **state)
{
	static const size_t sizes[] = { 32, 104, 112, 4096 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct paraclock *clk;

		make_memory(NULL);
		set_generation(4);
		memory.size = sizes[i];
		clk = open_clock("kvmclock");
		put64(fake->vmclock, 16, 8);
		set_generation(5);
		assert_int_equal(next_event(clk).kind,
				 sizes[i] < 112 ? PARACLOCK_EVENT_UPDATED
						: PARACLOCK_EVENT_RESTORED);
		close_clock(clk);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_update_under_way_is_waited_for),
		cmocka_unit_test(a_page_that_never_stands_still_is_lost),
		cmocka_unit_test(descriptors_that_run_out_are_no_loss_at_once),
		cmocka_unit_test(a_short_page_is_enough),
	};

	each_test(make_memory, NULL);
	ADD_ROWS(losses, a_loss_is_told_once);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
