// SPDX-License-Identifier: MIT
/* The list of backends: which are here, and why the others are not. */

#include "fake.h"

static struct fake fake;

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	return 0;
}

/* --- lists ---------------------------------------------------------------- */

struct listed {
	unsigned int count, stop_at;
	int quality, last_error;
	bool seen_kvmclock, seen_tsc, seen_hyperv;
};

static void check_listing(const struct paraclock_listing *listing)
{
	const struct paraclock_sample none = { 0 };

	assert_int_equal(listing->size, sizeof(*listing));
	assert_non_null(listing->detail);
	assert_string_not_equal(listing->detail, "");
	assert_int_equal(listing->own_kernel, listing->quality < 0);
	if (listing->error)
		assert_memory_equal(&listing->sample, &none, sizeof(none));
	if (!listing->error && listing->sample.valid)
		assert_true(listing->gives_time);
}

static int on_listing(void *arg, const struct paraclock_listing *listing)
{
	struct listed *listed = arg;

	check_listing(listing);
	assert_true(listing->quality <= listed->quality);
	listed->quality = listing->quality;
	listed->last_error = listing->error;
	if (strcmp(listing->name, "kvmclock") == 0) {
		listed->seen_kvmclock = true;
		assert_int_equal(listing->error, fake.pvclock_error);
		assert_int_equal(listing->sample.valid, !listing->error);
	} else if (strcmp(listing->name, "hyperv") == 0) {
		listed->seen_hyperv = true;
		assert_int_equal(listing->error, fake.hyperv_error);
	} else if (strcmp(listing->name, "tsc") == 0) {
		listed->seen_tsc = true;
		assert_int_equal(listing->own_kernel, 1);
		assert_true(listing->sample.flags & PARACLOCK_FLAG_OWN_KERNEL);
	}
	return ++listed->count == listed->stop_at ? 42 : 0;
}

static void the_list_names_every_backend_and_why_not(void **state)
{
	struct listed listed = { .quality = INT32_MAX };

	(void)state;
	assert_int_equal(paraclock_list(&fake.env, on_listing, &listed), 0);
	assert_true(listed.seen_kvmclock && listed.seen_hyperv &&
		    listed.seen_tsc);
	fake.pvclock_error = -EACCES;
	fake.hyperv_error = -EACCES;
	fake.vmclock_error = -EACCES;
	listed.quality = INT32_MAX;
	assert_int_equal(paraclock_list(&fake.env, on_listing, &listed), 0);
	assert_int_equal(fake.allocs, fake.frees);
}

static void a_list_ends_when_the_callback_says_so(void **state)
{
	struct listed listed = { .quality = INT32_MAX, .stop_at = 2 };

	(void)state;
	assert_int_equal(paraclock_list(&fake.env, on_listing, &listed), 42);
	assert_int_equal(listed.count, 2);
	assert_int_equal(fake.allocs, fake.frees);
}

static int forbidden_counter(void *ctx)
{
	(void)ctx;
	return -EACCES;
}

static int on_refusal(void *arg, const struct paraclock_listing *listing)
{
	assert_int_equal(listing->error, *(int *)arg);
	check_listing(listing);
	return 0;
}

static void a_list_without_a_counter_says_so(void **state)
{
	int error = -EACCES;

	(void)state;
	fake.env.check_counter = forbidden_counter;
	assert_int_equal(paraclock_list(&fake.env, on_refusal, &error), 0);
}

/* --- the machine ---------------------------------------------------------- */

static void the_machine_is_described(void **state)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };

	(void)state;
	assert_int_equal(paraclock_describe_machine(&fake.env, &machine), 0);
	assert_memory_equal(&machine, &fake.machine, sizeof(machine));

	memset(&machine, 0x5a, sizeof(machine));
	machine.size = sizeof(machine) - 1;
	assert_int_equal(paraclock_describe_machine(&fake.env, &machine),
			 -EINVAL);
	assert_int_equal(machine.counter, 0x5a);
	machine.size = sizeof(machine);
	fake.env.describe = NULL;
	assert_int_equal(paraclock_describe_machine(&fake.env, &machine),
			 -EOPNOTSUPP);
	assert_int_equal(machine.counter, 0x5a);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("the list names every backend and why not",
		     the_list_names_every_backend_and_why_not),
		TEST("a list ends when the callback says so",
		     a_list_ends_when_the_callback_says_so),
		TEST("a list without a counter says so of each backend",
		     a_list_without_a_counter_says_so),
		TEST("the machine is described", the_machine_is_described),
	};

	each_test(setup, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
