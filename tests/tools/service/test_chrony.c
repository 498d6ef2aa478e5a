// SPDX-License-Identifier: MIT
/* What chronyd is told after a step: a chronyc that fails, and a loop whose
 * time passes as the test says. */

#include <signal.h>
#include <stdio.h>

#include "service/chrony.h"

#include "../../shared/rows.h"

#define SEC 1000000000LL

/* The program is linked with --wrap for both. */
FILE *__wrap_fopen(const char *path, const char *mode);
int __wrap_kill(pid_t pid, int sig);

static struct {
	/* The chronyd. */
	int missing;	/* errno of its pid file */
	int kill_error; /* errno */
	/* The chronyc that runs. */
	char command[64];
	child_fn *done;
	void *arg;
	int start_error;
	char all[1024];
	/* The timer. */
	loop_fn *fn;
	void *fn_arg;
	int64_t in_ns;
	unsigned int logged;
} fake;

FILE *__wrap_fopen(const char *path, const char *mode)
{
	static char pid[] = "1234\n";

	(void)mode;
	assert_string_equal(path, "/run/chrony/chronyd.pid");
	if (!fake.missing)
		return fmemopen(pid, strlen(pid), "r");
	errno = fake.missing;
	return NULL;
}

int __wrap_kill(pid_t pid, int sig)
{
	assert_int_equal(pid, 1234);
	assert_int_equal(sig, 0);
	errno = fake.kill_error;
	return fake.kill_error ? -1 : 0;
}

int child_start(struct loop *loop, char *const argv[], const char *input,
		int64_t limit_ns, child_fn *done, void *arg)
{
	size_t used;

	(void)loop;
	assert_null(input);
	assert_in_range(limit_ns, SEC, 60 * SEC);
	/* One at a time. */
	assert_null(fake.done);
	for (used = 0; argv[used]; used++) {
		if (used)
			strcat(fake.command, " ");
		else
			fake.command[0] = '\0';
		assert_true(strlen(fake.command) + strlen(argv[used]) + 2 <
			    sizeof(fake.command));
		strcat(fake.command, argv[used]);
	}
	assert_in_range(used, 3, 5);
	used = strlen(fake.all);
	snprintf(fake.all + used, sizeof(fake.all) - used, "%s; ",
		 fake.command);
	if (fake.start_error)
		return fake.start_error;
	fake.done = done;
	fake.arg = arg;
	return 0;
}

int loop_timer(struct loop *loop, int64_t in_ns, loop_fn *fn, void *arg)
{
	(void)loop;
	fake.fn = fn;
	fake.fn_arg = arg;
	fake.in_ns = in_ns;
	return 0;
}

void service_log(int level, const char *format, ...)
{
	(void)level;
	(void)format;
	fake.logged++;
}

/* The chronyc that runs ends. */
static void ends_saying(int status, const char *out)
{
	child_fn *done = fake.done;

	assert_non_null(done);
	fake.done = NULL;
	done(fake.arg, status, out);
}

static void ends(int status)
{
	ends_saying(status, status ? "506 Cannot talk to daemon\n" : "");
}

/* The timer fires; returns how long it was set for. */
static int64_t fires(void)
{
	loop_fn *fn = fake.fn;

	assert_non_null(fn);
	fake.fn = NULL;
	fn(fake.fn_arg);
	return fake.in_ns;
}

static int reset(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	return 0;
}

#define RESET "chronyc reset sources"
#define BURST "chronyc burst 4/4"

/* --- the tests ------------------------------------------------------------ */

static void it_forgets_and_measures(void **state)
{
	struct chrony chrony = { 0 };

	(void)state;
	chrony_forget(&chrony);
	assert_string_equal(fake.command, RESET);
	assert_true(chrony_is_busy(&chrony));
	ends(0);
	assert_string_equal(fake.command, BURST);
	assert_true(chrony_is_busy(&chrony));
	ends(0);
	assert_false(chrony_is_busy(&chrony));
	assert_null(fake.fn);
	/* No makestep, no offline, no online. */
	assert_string_equal(fake.all, RESET "; " BURST "; ");
}

/* chronyd may only just start, and its socket may belong to somebody else. */
static void it_is_told_until_it_has_forgotten(void **state)
{
	struct chrony chrony = { 0 };
	int64_t wait_ns = 0;

	(void)state;
	chrony_forget(&chrony);
	for (int i = 0; i < 20; i++) {
		int64_t before_ns = wait_ns;

		ends(256);
		assert_string_equal(fake.command, RESET);
		assert_true(chrony_is_busy(&chrony));
		wait_ns = fires();
		/* Ever rarer, but not by much. */
		assert_in_range(wait_ns, before_ns > SEC ? before_ns : 1,
				60 * SEC);
	}
	/* Said once, not each time. */
	assert_int_equal(fake.logged, 1);
	ends(0);
	assert_string_equal(fake.command, BURST);
	ends(0);
	assert_false(chrony_is_busy(&chrony));
}

static void a_chronyc_that_is_missing_is_tried_again(void **state)
{
	struct chrony chrony = { 0 };

	(void)state;
	fake.start_error = -ENOENT;
	chrony_forget(&chrony);
	assert_true(chrony_is_busy(&chrony));
	fake.start_error = 0;
	(void)fires();
	ends(0);
	assert_string_equal(fake.command, BURST);
}

/* What it measured between the two steps is void as well. */
static void another_step_while_it_is_told(void **state)
{
	struct chrony chrony = { 0 };

	(void)state;
	chrony_forget(&chrony);
	ends(0);
	assert_string_equal(fake.command, BURST);
	chrony_forget(&chrony);
	assert_string_equal(fake.command, BURST);
	ends(0);
	assert_string_equal(fake.command, RESET);
	ends(0);
	ends(0);
	assert_false(chrony_is_busy(&chrony));
	assert_string_equal(fake.all,
			    RESET "; " BURST "; " RESET "; " BURST "; ");
}

static void another_step_while_it_forgets(void **state)
{
	struct chrony chrony = { 0 };

	(void)state;
	chrony_forget(&chrony);
	chrony_forget(&chrony);
	ends(0);
	/* The first may have come before the second step. */
	for (int i = 0; i < 4 && fake.done; i++)
		ends(0);
	assert_false(chrony_is_busy(&chrony));
	assert_non_null(strstr(fake.all + strlen(RESET), RESET));
}

/* Its sources must not be reset twice for one step. */
static void a_try_that_was_overtaken(void **state)
{
	struct chrony chrony = { 0 };

	(void)state;
	chrony_forget(&chrony);
	ends(256);
	chrony_forget(&chrony);
	ends(0);
	ends(0);
	(void)fires();
	assert_null(fake.done);
	assert_false(chrony_is_busy(&chrony));
}

/* Reference clocks only: there is nobody to send a burst to. */
static void a_chronyd_without_servers(void **state)
{
	struct chrony chrony = { 0 };

	(void)state;
	chrony_forget(&chrony);
	ends(0);
	fake.logged = 0;
	ends_saying(256, "503 No such source\n");
	assert_int_equal(fake.logged, 0);
	assert_false(chrony_is_busy(&chrony));
	chrony_forget(&chrony);
	ends(0);
	fake.logged = 0;
	ends(256);
	assert_int_equal(fake.logged, 1);
}

static void no_chronyd(void **state)
{
	struct chrony chrony = { 0 };

	(void)state;
	fake.missing = ENOENT;
	chrony_forget(&chrony);
	assert_false(chrony_is_busy(&chrony));
	fake.missing = 0;
	fake.kill_error = ESRCH;
	chrony_forget(&chrony);
	assert_false(chrony_is_busy(&chrony));
	assert_string_equal(fake.all, "");
	assert_int_equal(fake.logged, 0);
}

/* Where nobody else would look for it: its process is not looked for either. */
static void a_chronyd_behind_a_socket(void **state)
{
	struct chrony chrony = { .socket = "/tmp/chronyd.sock" };

	(void)state;
	fake.missing = ENOENT;
	chrony_forget(&chrony);
	assert_string_equal(fake.command,
			    "chronyc -h /tmp/chronyd.sock reset sources");
	ends(0);
	assert_string_equal(fake.command,
			    "chronyc -h /tmp/chronyd.sock burst 4/4");
	ends(0);
	assert_false(chrony_is_busy(&chrony));
}

static void a_chronyd_of_another_user(void **state)
{
	struct chrony chrony = { 0 };

	(void)state;
	fake.kill_error = EPERM;
	chrony_forget(&chrony);
	assert_string_equal(fake.command, RESET);
	ends(0);
	ends(0);
	fake.missing = EACCES;
	chrony_forget(&chrony);
	assert_string_equal(fake.command, RESET);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("rule 7: reset sources, then burst, and nothing else",
		     it_forgets_and_measures),
		TEST("rule 5: it is told until it has forgotten",
		     it_is_told_until_it_has_forgotten),
		TEST("a chronyc that is missing is tried again",
		     a_chronyc_that_is_missing_is_tried_again),
		TEST("another step while it is told: told again",
		     another_step_while_it_is_told),
		TEST("another step while it forgets: told again",
		     another_step_while_it_forgets),
		TEST("a try that another one has overtaken is not made",
		     a_try_that_was_overtaken),
		TEST("a burst that no server can answer is no failure",
		     a_chronyd_without_servers),
		TEST("no chronyd: nothing is run, nothing is said", no_chronyd),
		TEST("a chronyd behind a socket of the user's is told there",
		     a_chronyd_behind_a_socket),
		TEST("a chronyd of another user is told",
		     a_chronyd_of_another_user),
	};

	each_test(reset, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
