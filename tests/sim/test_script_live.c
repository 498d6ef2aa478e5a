// SPDX-License-Identifier: MIT
/* Playing a script in a live world: its counter, and what it leaves behind. */

#include "plays.h"

/* clock_status of a vmclock page. */
#define STATUS 34

static void live_its_counter_is_the_callers(void **state)
{
	unsigned int failed = 77;
	char detail[256] = "";

	(void)state;
	if (play("host a tsc 2GHz\nvm v on a with vmclock tsc 3GHz\nopen v\n"
		 "run 1s\nexpect v valid error < 2ns\nstep a 1s\nrun 500ms",
		 true, &failed, detail))
		fail_msg("%s", detail);
	assert_int_equal(failed, 0);
	/* The VM's is looked at just before. */
	assert_in_range(w.counter - w.vm_counter, 0, 100);
	assert_in_range(w.waited_ns, 1490000000, 1500000000);
	/* Ten times a second. */
	assert_in_range(w.waits, 15, 16);
	assert_true(w.pages > w.waits);
}

static void live_a_move_keeps_the_counter(void **state)
{
	unsigned int failed = 77;
	char detail[256] = "";

	(void)state;
	if (play("host a\nhost b ahead 1ms\n"
		 "vm v on a with vmclock offset 77\nopen v\nrun 1s\n"
		 "migrate v to b downtime 2s\nat 3500ms\n"
		 "expect v valid disrupted error < 2ns\n"
		 "migrate v to a clock-stops\nsave v as s\nclone v as x\n"
		 "restore v from s\npause v\nrun 1s\nresume v\nread v",
		 true, &failed, detail))
		fail_msg("%s", detail);
	assert_int_equal(failed, 0);
	assert_in_range(w.counter + 77 - w.vm_counter, 0, 100);
	assert_in_range(w.waited_ns, 4490000000, 4500000000);
}

static void live_a_move_can_be_stopped(void **state)
{
	unsigned int failed = 77;

	(void)state;
	w.end_wait = 3;
	assert_int_equal(play("host a\nvm v on a with vmclock\n"
			      "migrate v to a downtime 1h",
			      true, &failed, NULL),
			 -EINTR);
	assert_int_equal(w.waits, 3);
	assert_int_equal(w.vmclock[STATUS], PARACLOCK_STATUS_UNRELIABLE);
}

/* Whatever was done to the page before. */
static struct left_behind {
	const char *name;
	const char *text;
} left_behind[] = {
	{ "live: a page is left behind", "run 1s" },
	{ "live: of a VM that is paused", "pause v\nrun 1s" },
	{ "live: that is stale", "fault v vmclock stale\nrun 1s" },
	{ "live: that is torn", "fault v vmclock torn\nrun 1s" },
	{ "live: whose writer died",
	  "fault v vmclock dies\nupdate v vmclock\nrun 1s" },
	{ "live: that shows late", "fault v vmclock slow 1h\nrun 1s" },
	{ "live: of vCPUs that are halted", "halt v vcpu 0\nrun 1s" },
};

/* Bit 0 of a pvclock's byte 29. */
#define FLAGS 29

static void check_left_behind(void **state)
{
	const struct left_behind *l = *state;
	char text[256];

	snprintf(text, sizeof(text),
		 "host a\nvm v on a with vmclock,pvclock\n%s", l->text);
	assert_int_equal(play(text, true, NULL, NULL), 0);
	assert_int_equal(w.vmclock[STATUS], PARACLOCK_STATUS_UNRELIABLE);
	assert_int_equal(w.vmclock[12] & 1, 0);
	assert_int_equal(w.pvclock[FLAGS] & 1, 0);
	assert_int_equal(w.pvclock[0] & 1, 0);
}

static void live_a_published_page_is_left_unreliable(void **state)
{
	(void)state;
	assert_int_equal(play("host a\nvm v on a with vmclock,no-writer\n"
			      "publish v\nrun 1s",
			      true, NULL, NULL),
			 0);
	assert_int_equal(w.vmclock[STATUS], PARACLOCK_STATUS_UNRELIABLE);
}

static void live_the_page_left_behind_is_unreliable(void **state)
{
	unsigned int failed = 77;

	(void)state;
	assert_int_equal(play("host a\nvm v on a with vmclock\nrun 1s", true,
			      &failed, NULL),
			 0);
	assert_int_equal(w.vmclock[STATUS], PARACLOCK_STATUS_UNRELIABLE);
	setup(NULL);
	w.end_wait = 3;
	assert_int_equal(play("host a\nvm v on a with vmclock\nrun 1s", true,
			      &failed, NULL),
			 -EINTR);
	assert_int_equal(w.vmclock[STATUS], PARACLOCK_STATUS_UNRELIABLE);
	assert_int_equal(w.waits, 3);
}

static void live_its_markers_are_new_each_time(void **state)
{
	static const char text[] = "host a\nvm v on a with vmclock\nrun 1s";
	uint8_t before[8];

	(void)state;
	assert_int_equal(play(text, true, NULL, NULL), 0);
	memcpy(before, w.vmclock + 16, sizeof(before));
	setup(NULL);
	w.counter += 12345;
	assert_int_equal(play(text, true, NULL, NULL), 0);
	assert_memory_not_equal(w.vmclock + 16, before, sizeof(before));
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(live_its_counter_is_the_callers),
		cmocka_unit_test(live_the_page_left_behind_is_unreliable),
		cmocka_unit_test(live_its_markers_are_new_each_time),
		cmocka_unit_test(live_a_move_keeps_the_counter),
		cmocka_unit_test(live_a_move_can_be_stopped),
		cmocka_unit_test(live_a_published_page_is_left_unreliable),
	};

	each_test(setup, NULL);
	ADD_TESTS(others);
	ADD_ROWS(left_behind, check_left_behind);
	return run_suite(NULL, NULL);
}
