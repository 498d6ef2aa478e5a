// SPDX-License-Identifier: MIT
/*
 * A source that can no longer be read, and one that can be read again: each is
 * reported once, whatever the cause, and a passing fault only when it has
 * lasted.
 */

#include <paraclock/backend.h>

#include "events.h"

#define SEC 1000000000LL

/* MONOTONIC's value; and a source without a page. */
static int64_t mono_ns;
static bool has_clock;
static int gone;
static struct own {
	int error;
	unsigned int asked;
} own;

static int read_mono(void *ctx, int clock_id, int64_t *ret_ns)
{
	(void)ctx;
	(void)clock_id;
	if (!has_clock)
		return -EOPNOTSUPP;
	*ret_ns = mono_ns;
	return 0;
}

static int is_there(void *ctx, const struct paraclock_mapping *map)
{
	(void)ctx;
	assert_non_null(map->addr);
	return gone;
}

static int setup(void **state)
{
	(void)state;
	world_init(&world);
	fake->env.read_clock = read_mono;
	fake->env.is_there = is_there;
	mono_ns = 100 * SEC;
	has_clock = true;
	gone = 0;
	own = (struct own){ 0 };
	return 0;
}

static int own_open(const struct paraclock_env *env,
		    const struct paraclock_options *opts, void *arg,
		    void **ret_state)
{
	(void)env;
	(void)opts;
	(void)arg;
	*ret_state = &own;
	return 0;
}

static int own_time(void *state, struct paraclock_sample *ret_sample)
{
	struct own *it = state;

	it->asked++;
	if (it->error)
		return it->error;
	*ret_sample = (struct paraclock_sample){
		.valid = 1,
		.host_tsc = fake->counter,
		.counter = PARACLOCK_COUNTER_X86_TSC,
	};
	return 0;
}

static void own_close(void *state)
{
	(void)state;
}

static const struct paraclock_backend own_backend = {
	.size = sizeof(own_backend),
	.name = "own",
	.open = own_open,
	.get_time = own_time,
	.close = own_close,
};

static struct paraclock *open_own(void)
{
	const struct paraclock_options opts = { .size = sizeof(opts),
						.env = &fake->env };
	struct paraclock *clk;

	assert_int_equal(
		paraclock_open_backend(&clk, &own_backend, NULL, &opts), 0);
	return clk;
}

static void is_lost(struct paraclock *clk, const char *source, int error)
{
	struct paraclock_event event = next_event(clk);

	assert_int_equal(event.kind, PARACLOCK_EVENT_SOURCE_LOST);
	assert_string_equal(paraclock_event_kind_name(event.kind),
			    "source-lost");
	assert_string_equal(event.source, source);
	assert_int_equal(event.error, error);
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	assert_int_equal(event.flags, 0);
	assert_int_equal(event.epoch, 1);
	assert_int_equal(event.reserved, 0);
}

static void is_found(struct paraclock *clk, const char *source)
{
	struct paraclock_event event = next_event(clk);

	assert_int_equal(event.kind, PARACLOCK_EVENT_SOURCE_FOUND);
	assert_string_equal(paraclock_event_kind_name(event.kind),
			    "source-found");
	assert_string_equal(event.source, source);
	assert_int_equal(event.error, 0);
}

/* However often the caller asks, and however long it lasts. */
static void nothing_more(struct paraclock *clk, int error)
{
	struct paraclock_event event = { .size = sizeof(event) };

	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(paraclock_next_event(clk, &event), error);
		mono_ns += SEC / 3;
	}
}

/* --- pages ---------------------------------------------------------------- */

struct page_case {
	const char *name;
	const char *backend;
	uint8_t *page;
	size_t at;
	uint8_t bad;
	int error;
	const char *source;
};

static struct page_case pages[] = {
	/* clang-format off */
	{ "kvmclock without a multiplier", "kvmclock", world.fake.pvclock, 27,
	  0, -EPROTO, "kvmclock" },
	{ "kvmclock with a wild shift", "kvmclock", world.fake.pvclock, 28, 127,
	  -EPROTO, "kvmclock" },
	{ "hyperv without a scale", "hyperv", world.fake.hyperv, 8, 0,
	  -EPROTO, "hyperv" },
	{ "vmclock with another magic", "vmclock", world.fake.vmclock, 0, 0,
	  -EPROTO, "vmclock" },
	{ "vmclock of version 2", "vmclock", world.fake.vmclock, 8, 2,
	  -EPROTO, "vmclock" },
	{ "vmclock of no size", "vmclock", world.fake.vmclock, 5, 0,
	  -EPROTO, "vmclock" },
	{ "vmclock of the year 2500", "vmclock", world.fake.vmclock, 76, 4,
	  -ERANGE, "vmclock" },
	{ "the markers beside a kvmclock", "kvmclock", world.fake.vmclock, 0, 0,
	  -EPROTO, "vmclock" },
	/* clang-format on */
};

/*
 * The conversion belongs to the page for as long as the words that identify its
 * state are there.
 */
static bool is_seen(const struct page_case *c)
{
	return c->page != world.fake.vmclock || c->at == 8;
}

static void a_malformed_page(void **state)
{
	const struct page_case *c = *state;
	struct paraclock *clk;
	uint64_t was[8];

	setup(NULL);
	fake->hyperv_error = 0;
	fake->vmclock_error = 0;
	fake_set_vmclock(fake, 2, 7, 1000, 1700000000);
	fake_set_hyperv(fake, 2, 0);
	clk = fake_open(fake, c->backend);
	nothing_more(clk, -EAGAIN);
	for (unsigned int i = 0; i < 3; i++) {
		memcpy(was, c->page + c->at / 8 * 8, 8);
		if (c->at == 8 && c->page == fake->hyperv)
			put64(c->page, 8, 0);
		else if (c->at == 27)
			put32(c->page, 24, 0);
		else
			c->page[c->at] = c->bad;
		mono_ns += SEC;
		is_lost(clk, c->source, c->error);
		/*
		 * An error that a read by the conversion does not see is no
		 * error of the read.
		 */
		nothing_more(clk, is_seen(c) ? c->error : -EAGAIN);
		memcpy(c->page + c->at / 8 * 8, was, 8);
		mono_ns += SEC;
		is_found(clk, c->backend);
		nothing_more(clk, -EAGAIN);
	}
	paraclock_close(clk);
}

static void the_new_page_raises_an_event_of_its_own(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");
	struct paraclock_event event;

	(void)state;
	put32(fake->pvclock, 24, 0);
	is_lost(clk, "kvmclock", -EPROTO);
	fake_set_pvclock(fake, 4, 1000, 5000 + 3 * SEC);
	is_found(clk, "kvmclock");
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_JUMPED);
	assert_int_equal(event.gap_ns, 3 * SEC);
	assert_int_equal(event.error, 0);
	nothing_more(clk, -EAGAIN);
	paraclock_close(clk);
}

static void a_page_that_stays_in_an_update_is_lost(void **state)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock *clk = fake_open(fake, "kvmclock");

	(void)state;
	fake->counter_step = 100;
	put32(fake->pvclock, 0, 3);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	mono_ns += SEC / 2 - 1;
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	mono_ns++;
	is_lost(clk, "kvmclock", -EAGAIN);
	nothing_more(clk, -EAGAIN);
	put32(fake->pvclock, 0, 4);
	is_found(clk, "kvmclock");
	/* A fault that ended in between begins anew. */
	put32(fake->pvclock, 0, 5);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	put32(fake->pvclock, 0, 6);
	mono_ns += SEC;
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	put32(fake->pvclock, 0, 7);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	paraclock_close(clk);
}

static void a_removed_file_is_readable_and_lost(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");
	struct paraclock_sample sample;
	char text[256];

	(void)state;
	gone = -ENODEV;
	is_lost(clk, "kvmclock", -ENODEV);
	nothing_more(clk, -EAGAIN);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	paraclock_explain(clk, -ENODEV, NULL, text, sizeof(text));
	assert_non_null(strstr(text, "pvclock page was removed or replaced"));
	gone = 0;
	is_found(clk, "kvmclock");
	paraclock_close(clk);
}

/* --- sources without a page ----------------------------------------------- */

static void a_source_that_is_called(void **state)
{
	static const int errors[] = { -ENODEV, -EACCES, -EPERM,	    -EPROTO,
				      -EIO,    -ENXIO,	-EOPNOTSUPP };
	struct paraclock *clk = open_own();

	(void)state;
	nothing_more(clk, -EAGAIN);
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		own.error = errors[i];
		is_lost(clk, "own", errors[i]);
		nothing_more(clk, -EAGAIN);
		own.error = 0;
		is_found(clk, "own");
		nothing_more(clk, -EAGAIN);
	}
	paraclock_close(clk);
}

static void a_passing_error_is_waited_for(void **state)
{
	static const int errors[] = { -EAGAIN, -ETIMEDOUT, -ENOMEM };
	struct paraclock_event event = { .size = sizeof(event) };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(errors); i++) {
		struct paraclock *clk = open_own();

		has_clock = i % 2;
		mono_ns += SEC;
		own.error = errors[i / 2];
		assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
		mono_ns += SEC;
		is_lost(clk, "own", errors[i / 2]);
		own.error = 0;
		mono_ns += SEC;
		is_found(clk, "own");
		paraclock_close(clk);
	}
}

static void a_source_that_is_called_is_asked_twice_a_second(void **state)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock *clk = open_own();
	unsigned int before;

	(void)state;
	nothing_more(clk, -EAGAIN);
	before = own.asked;
	for (unsigned int i = 0; i < 10000; i++) {
		assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
		mono_ns += SEC / 1000;
	}
	assert_in_range(own.asked - before, 19, 21);
	paraclock_close(clk);
}

static void a_source_that_was_never_there_is_reported(void **state)
{
	struct paraclock *clk;

	(void)state;
	fake->hyperv_error = 0;
	put32(fake->hyperv, 0, 2);
	clk = fake_open(fake, "hyperv");
	is_lost(clk, "hyperv", -EPROTO);
	nothing_more(clk, -EPROTO);
	paraclock_close(clk);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_new_page_raises_an_event_of_its_own),
		cmocka_unit_test(a_page_that_stays_in_an_update_is_lost),
		cmocka_unit_test(a_removed_file_is_readable_and_lost),
		cmocka_unit_test(a_source_that_is_called),
		cmocka_unit_test(a_passing_error_is_waited_for),
		cmocka_unit_test(
			a_source_that_is_called_is_asked_twice_a_second),
		cmocka_unit_test(a_source_that_was_never_there_is_reported),
	};

	ADD_ROWS(pages, a_malformed_page);
	each_test(setup, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
