// SPDX-License-Identifier: MIT
/* Playing a script: its events, and what ends it. */

#include "plays.h"

/* --- events --------------------------------------------------------------- */

static void events_come_in_order_with_their_time(void **state)
{
	unsigned int failed = 77;
	char detail[256] = "x";

	(void)state;
	assert_int_equal(play("world seed 3\nhost   a # one\nhost b ahead 1ms\n"
			      "vm v on a with vmclock\n\nopen v\nrun 2s\n"
			      "migrate v to b downtime 1s\nat 4s\n"
			      "expect v valid disrupted error < 2ns",
			      false, &failed, detail),
			 0);
	assert_string_equal(w.printed,
			    "0 2 host a\n"
			    "0 3 host b ahead 1ms\n"
			    "0 4 vm v on a with vmclock\n"
			    "0 6 open v: vmclock\n"
			    "0 7 run 2s\n"
			    "2000000000 8 migrate v to b downtime 1s\n"
			    "3000000000 9 at 4s\n"
			    "4000000000 10 expect v valid disrupted "
			    "error < 2ns\n");
	assert_int_equal(failed, 0);
	assert_string_equal(detail, "");
	assert_int_equal(w.vms, 1);
	assert_string_equal(w.name, "v");
	assert_true(w.pages >= 8);
}

static void callbacks_are_optional(void **state)
{
	struct paraclock_sim_script *script =
		parse("host a\nvm v on a\nopen v\nrun 1s\nexpect v invalid");
	struct paraclock_sim_script *small = parse("host a");
	unsigned int failed = 77;

	(void)state;
	assert_int_equal(
		paraclock_sim_script_play(script, NULL, &failed, NULL, 0), 0);
	assert_int_equal(failed, 1);
	assert_int_equal(paraclock_sim_script_play(script, NULL, NULL, NULL, 0),
			 0);
	assert_int_equal(
		paraclock_sim_script_play(small, NULL, &failed, NULL, 0), 0);
	assert_int_equal(failed, 0);
	paraclock_sim_script_free(script);
	paraclock_sim_script_free(small);
}

static void the_same_script_gives_the_same_bytes(void **state)
{
	static const char text[] = "host a\nhost b\nvm v on a with vmclock\n"
				   "run 1s\nclone v as x\nmigrate v to b\n"
				   "save v as s\nrun 7s\nrestore v from s";
	uint8_t before[sizeof(w.vmclock)];

	(void)state;
	assert_int_equal(play(text, false, NULL, NULL), 0);
	memcpy(before, w.vmclock, sizeof(before));
	assert_int_equal(w.vms, 2);
	setup(NULL);
	assert_int_equal(play(text, false, NULL, NULL), 0);
	assert_memory_equal(w.vmclock, before, sizeof(before));
}

/* --- expectations ---------------------------------------------------------
 */

#define MOVE                                               \
	"host a\nhost b ahead 1ms\n"                       \
	"vm v on a with vmclock,pvclock\nopen v\nrun 1s\n" \
	"migrate v to b\n"
#define WATCHED                                    \
	"host a\nvm v on a with vmclock\nopen v\n" \
	"watch v every 1ms within 1us\n"
#define TORN MOVE "fault v vmclock torn\n"

static struct expectation {
	const char *name;
	const char *text;
	const char *printed; /* ends with this; NULL: it holds */
} expectations[] = {
	/* clang-format off */
	{ "valid", MOVE "expect v valid", NULL },
	{ "invalid", MOVE "status b unknown\nexpect v invalid reason status",
	  NULL },
	{ "valid, but it is not", MOVE "status b unknown\nexpect v valid",
	  "not valid: not valid: status\n" },
	{ "invalid, but it is valid", MOVE "expect v invalid",
	  "not invalid: valid, off by +0 ns\n" },
	{ "invalid, but it fails", TORN "expect v invalid",
	  "not invalid: failed: EAGAIN\n" },
	{ "a reason, but it is another",
	  MOVE "status b unknown\nexpect v reason window",
	  "not reason: not valid: status\n" },
	{ "a reason, but it is valid", MOVE "expect v reason window",
	  "not reason: valid, off by +0 ns\n" },
	{ "a read that fails", TORN "expect v fails EAGAIN", NULL },
	{ "a read that fails otherwise", TORN "expect v fails EPROTO",
	  "not fails: failed: EAGAIN\n" },
	{ "a read that does not fail", MOVE "expect v fails EAGAIN",
	  "not fails: valid, off by +0 ns\n" },
	{ "disrupted, once", MOVE "expect v disrupted\nexpect v undisrupted",
	  NULL },
	{ "disrupted, but nothing was", MOVE
	  "expect v disrupted\nexpect v disrupted",
	  "not disrupted: valid, off by +0 ns; no disruption was noticed\n" },
	{ "undisrupted, but it was", MOVE "expect v undisrupted",
	  "not undisrupted: valid, off by +0 ns; a disruption was noticed\n" },
	{ "an error that is smaller", MOVE "expect v error < 1ns", NULL },
	{ "an error of nothing", MOVE "expect v error < 0ns",
	  "not error: valid, off by +0 ns\n" },
	{ "an error of an invalid reading",
	  MOVE "status b unknown\nexpect v error < 1d",
	  "not error: not valid: status\n" },
	{ "an error of a stale page",
	  MOVE "fault v vmclock stale\nstep b +5us\nexpect v error < 5us",
	  "not error: valid, off by -5000 ns\n" },
	{ "an error just within", MOVE
	  "fault v vmclock stale\nstep b +5us\nexpect v error < 5001ns", NULL },
	{ "each present backend",
	  MOVE "open v with kvmclock\nexpect v valid error < 3ns\n"
	  "open v with sim\nexpect v valid error < 1ns\n"
	  "open v with vmclock kernel\nexpect v valid error < 2ns", NULL },
	{ "a watch that holds",
	  MOVE "watch v every 1ms within 1ns\nrun 1s",
	  "watch v every 1ms within 1ns: 1000 readings, 1000 valid, 0 of these "
	  "wrong\n" },
	/* clang-format on */
};

static void check_expectation(void **state)
{
	const struct expectation *e = *state;
	unsigned int failed = 77;
	size_t printed, want = e->printed ? strlen(e->printed) : 0;

	assert_int_equal(play(e->text, false, &failed, NULL), 0);
	printed = strlen(w.printed);
	if (printed < want ||
	    strcmp(w.printed + printed - want, e->printed ? e->printed : ""))
		fail_msg("%s", w.printed);
	assert_int_equal(failed, w.failed);
	if (e->printed && strncmp(e->printed, "not", 3) == 0)
		assert_int_equal(failed, 1);
	else
		assert_int_equal(failed, 0);
}

static void a_watch_reports_the_first_and_counts_the_others(void **state)
{
	unsigned int failed = 77;

	(void)state;
	assert_int_equal(play("host a\nvm v on a with vmclock\nopen v\n"
			      "watch v every 1ms within 4us\n"
			      "fault v vmclock stale\nrun 10ms\nstep a 5us\n"
			      "run 10ms\nfault v vmclock none\nrun 10ms\n"
			      "close v",
			      false, &failed, NULL),
			 0);
	assert_int_equal(failed, 1);
	assert_non_null(strstr(w.printed,
			       "11000000 4! watch v every 1ms within "
			       "4us: valid, off by -5001 ns\n"));
	assert_non_null(strstr(w.printed, "30000000 4 watch v every 1ms within "
					  "4us: 30 readings, 30 valid, 10 of "
					  "these wrong\n"));
}

static struct left_out {
	const char *name;
	const char *text;
	const char *printed; /* ends with this */
} left_out[] = {
	/* clang-format off */
	{ "a watch leaves out what is due while the VM is paused",
	  WATCHED "run 10ms\npause v\nrun 20ms\nstep a 1s\nrun 20ms\n"
	  "resume v\nrun 10ms", "within 1us: 20 readings, 20 valid, 0 of" },
	/* A watch due in a move reads once, after it. */
	{ "a watch does not catch up after a move",
	  WATCHED "run 10ms\nmigrate v to a downtime 500ms\nrun 10ms",
	  "within 1us: 21 readings, 21 valid, 0 of" },
	{ "a watch does not catch up after a move, however long",
	  "host a\nvm v on a with vmclock\nopen v\n"
	  "watch v every 1us within 1us\nmigrate v to a downtime 9s\nrun 10us",
	  "within 1us: 11 readings, 11 valid, 0 of" },
	{ "a watch leaves out what is due while the VM's host is paused",
	  "host a\nvm u on a with vmclock\nnested-host n in u\n"
	  "vm v on n with vmclock\nopen v\nwatch v every 1ms within 1us\n"
	  "run 10ms\npause u\nrun 20ms\nstep a 1s\nrun 20ms\nresume u\n"
	  "run 10ms", "within 1us: 20 readings, 20 valid, 0 of" },
	/* clang-format on */
};

static void check_left_out(void **state)
{
	const struct left_out *l = *state;
	unsigned int failed = 77;

	assert_int_equal(play(l->text, false, &failed, NULL), 0);
	if (!strstr(w.printed, l->printed))
		fail_msg("%s", w.printed);
	assert_int_equal(failed, 0);
}

static void a_world_begins_as_late_as_a_script_can_say(void **state)
{
	char detail[256] = "";

	(void)state;
	if (play("world start 2115-12-31T23:59:59Z tai-offset 100\nhost a\n"
		 "vm v on a with vmclock\ntai a 100\nopen v\nrun 366d\n"
		 "expect v valid error < 2ns",
		 false, NULL, detail))
		fail_msg("%s", detail);
	assert_int_equal(w.failed, 0);
}

/* --- what ends a play ----------------------------------------------------- */

#define FORTY_YEARS \
	"step a +3660d\nstep a +3660d\nstep a +3660d\nstep a +3660d\n"

static struct refusal {
	const char *name;
	const char *text;
	int ret;
	const char *detail;
	bool live;
} refusals[] = {
	/* clang-format off */
	{ "a clock that is absent",
	  "host a\nvm v on a with pvclock\nopen v with vmclock", -ENODEV,
	  "3:1: open v with vmclock: /dev/vmclock0", false },
	{ "a page that cannot express the time, while time passes",
	  "world start 2115-12-31T00:00:00Z\n"
	  "host a\nvm v on a with vmclock\n" FORTY_YEARS FORTY_YEARS
	  FORTY_YEARS "step a +3660d\nstep a +3660d\nstep a +1900d\n"
	  "slew a 100000ppm\nrun 366d", -ERANGE,
	  "20:1: run 366d: refused (ERANGE)", false },
	{ "a clock before 1970",
	  "world start 1972-01-01T00:00:00Z\nhost a\nstep a -3660d", -ERANGE,
	  "3:1: step a -3660d: its clock would be before 1970", false },
	{ "a TSC that is too far from the host's",
	  "host a tsc 1MHz\nvm v on a tsc 100GHz", -ERANGE,
	  "2:1: vm v on a tsc 100GHz: a part needs another", false },
	{ "parts that need another",
	  "host a\nvm v on a with pvclock,ptp-vmclock", -EINVAL,
	  "2:1: vm v on a with pvclock,ptp-vmclock: a part needs another",
	  false },
	{ "vCPU 0 apart from itself", "host a\nvm v on a\nskew v vcpu 0 by 5",
	  -EINVAL, "3:1: skew v vcpu 0 by 5: vCPU 0", false },
	{ "live: a TSC of its own", "host a\nvm v on a\ntsc a jump 5", -EINVAL,
	  "3:1: tsc a jump 5: in a live world", true },
	{ "live: a TSC that stops", "host a\nvm v on a\n"
	  "migrate v to a counter-stops", -EINVAL, "3:1: migrate", true },
	{ "live: a TSC that stops while paused",
	  "host a\nvm v on a\npause v\nresume v counter-stops", -EINVAL,
	  "4:1: resume", true },
	{ "live: vCPUs apart", "host a\nvm v on a vcpus 2\nskew v vcpu 1 by 5",
	  -EINVAL, "3:1: skew", true },
	/* clang-format on */
};

static void check_refusal(void **state)
{
	const struct refusal *r = *state;
	unsigned int failed = 77;
	char detail[256] = "";

	assert_int_equal(play(r->text, r->live, &failed, detail), r->ret);
	assert_int_equal(failed, 77);
	if (strncmp(detail, r->detail, strlen(r->detail)) != 0)
		fail_msg("%s", detail);
	/* A live world's limits are known before anything happens. */
	if (r->live)
		assert_int_equal(w.events, 0);
}

static int keep_columns(void *arg, const struct paraclock_sim_event *event)
{
	char *buf = arg;

	snprintf(buf + strlen(buf), 16, "%u:%u%s ", event->line, event->column,
		 event->failed ? "!" : "");
	return 0;
}

static void an_event_has_line_and_column(void **state)
{
	struct paraclock_sim_script *script =
		parse("host a\n  vm v on a\nopen v\n"
		      "expect v  valid disrupted error < 1s\n"
		      "\texpect v error < 0ns\nread v\n");
	char seen[256] = "";
	struct paraclock_sim_play_options opts = {
		.size = sizeof(opts),
		.arg = seen,
		.on_event = keep_columns,
	};

	(void)state;
	assert_int_equal(
		paraclock_sim_script_play(script, &opts, NULL, NULL, 0), 0);
	/* Of an expectation: the condition that does not hold. */
	assert_string_equal(seen, "1:1 2:3 3:1 4:17! 5:17! 6:1 ");
	paraclock_sim_script_free(script);
}

static void a_callback_may_end_the_play(void **state)
{
	unsigned int failed = 77;

	(void)state;
	w.end_at = 2;
	assert_int_equal(play("host a\nvm v on a\nrun 5s", false, &failed,
			      NULL),
			 -EINTR);
	assert_int_equal(w.events, 2);
	assert_int_equal(failed, 77);
}

static void options_are_checked(void **state)
{
	struct paraclock_sim_script *script = parse("run 1s");
	struct paraclock_sim_play_options opts = options(true);

	(void)state;
	opts.counter_hz = 0;
	assert_int_equal(paraclock_sim_script_play(script, &opts, NULL, NULL,
						   0),
			 -EINVAL);
	opts = options(true);
	opts.wait = NULL;
	assert_int_equal(paraclock_sim_script_play(script, &opts, NULL, NULL,
						   0),
			 -EINVAL);
	opts = options(false);
	opts.size--;
	assert_int_equal(paraclock_sim_script_play(script, &opts, NULL, NULL,
						   0),
			 -EINVAL);
	assert_int_equal(w.events, 0);
	paraclock_sim_script_free(script);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(events_come_in_order_with_their_time),
		cmocka_unit_test(callbacks_are_optional),
		cmocka_unit_test(the_same_script_gives_the_same_bytes),
		cmocka_unit_test(
			a_watch_reports_the_first_and_counts_the_others),
		cmocka_unit_test(a_world_begins_as_late_as_a_script_can_say),
		cmocka_unit_test(an_event_has_line_and_column),
		cmocka_unit_test(a_callback_may_end_the_play),
		cmocka_unit_test(options_are_checked),
	};

	each_test(setup, NULL);
	ADD_TESTS(others);
	ADD_ROWS(expectations, check_expectation);
	ADD_ROWS(left_out, check_left_out);
	ADD_ROWS(refusals, check_refusal);
	return run_suite(NULL, NULL);
}
