// SPDX-License-Identifier: MIT
/* Other programs: what they get, what is kept of them, and how they end. */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "service.h"

#define MSEC  INT64_C(1000000)
#define HOURS (3600000 * MSEC)

/* What done was told. */
struct answer {
	struct loop *loop;
	unsigned int calls;
	int status;
	char out[8192];
};

static void done(void *arg, int status, const char *out)
{
	struct answer *answer = arg;

	answer->calls++;
	answer->status = status;
	snprintf(answer->out, sizeof(answer->out), "%s", out);
	loop_end(answer->loop, 0);
}

static int setup(void **state)
{
	static struct answer answer;

	memset(&answer, 0, sizeof(answer));
	*state = &answer;
	/* As main() does, and what a child must not inherit. */
	signal(SIGPIPE, SIG_IGN);
	return loop_new(&answer.loop);
}

static int teardown(void **state)
{
	struct answer *answer = *state;

	loop_free(answer->loop);
	return 0;
}

/* Returns what it wrote. */
static const char *run(struct answer *answer, const char *script,
		       const char *input, int64_t limit_ns)
{
	char *const argv[] = { (char[]){ "sh" }, (char[]){ "-c" },
			       strdup(script), NULL };

	answer->calls = 0;
	assert_int_equal(child_start(answer->loop, argv, input, limit_ns, done,
				     answer),
			 0);
	assert_int_equal(answer->calls, 0);
	loop_run(answer->loop);
	assert_int_equal(answer->calls, 1);
	free(argv[2]);
	return answer->out;
}

/* Gone, or dead and nobody has looked. However long it takes. */
static void wait_until_dead(const char *pid)
{
	char path[64], state = '?';

	assert_true(atoi(pid) > 1);
	snprintf(path, sizeof(path), "/proc/%d/stat", atoi(pid));
	for (;;) {
		FILE *file = fopen(path, "r");

		if (!file)
			return;
		if (fscanf(file, "%*d %*s %c", &state) != 1)
			state = 'Z';
		fclose(file);
		if (state == 'Z' || state == 'X')
			return;
		usleep(1000);
	}
}

static void it_reads_and_writes(void **state)
{
	struct answer *a = *state;

	assert_string_equal(run(a, "cat; echo end; exit 3", "one\ntwo\n",
				HOURS),
			    "one\ntwo\nend\n");
	assert_true(WIFEXITED(a->status));
	assert_int_equal(WEXITSTATUS(a->status), 3);
}

static void without_input_it_reads_nothing(void **state)
{
	struct answer *a = *state;

	assert_string_equal(run(a, "cat; echo end", NULL, HOURS), "end\n");
	assert_int_equal(a->status, 0);
}

static void its_signal_is_told(void **state)
{
	struct answer *a = *state;

	run(a, "kill -USR1 $$", NULL, HOURS);
	assert_true(WIFSIGNALED(a->status));
	assert_int_equal(WTERMSIG(a->status), SIGUSR1);
}

static void it_may_ignore_its_input(void **state)
{
	struct answer *a = *state;
	char *input = malloc(1048577);

	memset(input, 'x', 1048576);
	input[1048576] = '\0';
	run(a, "exit 0", input, HOURS);
	assert_int_equal(a->status, 0);
	/* And one that does read gets all of it. */
	assert_string_equal(run(a, "wc -c", input, HOURS), "1048576\n");
	free(input);
}

static void long_output_is_cut_and_does_not_block(void **state)
{
	struct answer *a = *state;

	run(a, "head -c 1048576 /dev/zero | tr '\\0' x || exit 9", NULL, HOURS);
	assert_int_equal(a->status, 0);
	assert_int_equal(strlen(a->out), 4095);
	assert_int_equal(strspn(a->out, "x"), 4095);
}

static void output_of_zeros_ends_at_once(void **state)
{
	struct answer *a = *state;

	run(a, "head -c 100000 /dev/zero", NULL, HOURS);
	assert_int_equal(a->status, 0);
	assert_string_equal(a->out, "");
}

static void after_its_limit_it_dies_with_its_children(void **state)
{
	struct answer *a = *state;
	const char *out = "";

	/* On a busy machine the shell may not get that far. */
	for (int64_t limit_ns = 200 * MSEC; !out[0]; limit_ns *= 2) {
		out = run(a, "trap '' TERM; sleep 9999 & echo $!; wait", NULL,
			  limit_ns);
		assert_int_equal(a->status, -ETIMEDOUT);
	}
	wait_until_dead(out);
}

static void what_it_leaves_in_its_group_dies(void **state)
{
	struct answer *a = *state;
	const char *out = run(a, "sleep 9999 & echo $!", NULL, HOURS);

	assert_int_equal(a->status, 0);
	wait_until_dead(out);
}

/* It holds stdout open for ever. */
static void a_daemon_that_it_starts_lives(void **state)
{
	struct answer *a = *state;
	const char *out = run(a,
			      "setsid sleep 9999 & echo $!;"
			      "until read -r name </proc/$!/comm &&"
			      " [ \"$name\" = sleep ]; do :; done; exit 4",
			      NULL, HOURS);

	assert_int_equal(WEXITSTATUS(a->status), 4);
	assert_int_equal(kill(atoi(out), 0), 0);
	kill(atoi(out), SIGKILL);
}

/* stderr, as long as this is called, is a file. */
static off_t complaint(struct answer *a, bool is_quiet)
{
	char *const argv[] = { (char[]){ "sh" }, (char[]){ "-c" },
			       (char[]){ "echo said; echo no >&2" }, NULL };
	const int old = dup(STDERR_FILENO);
	FILE *file = tmpfile();
	struct stat st;
	int ret;

	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	ret = is_quiet ? child_start_quiet(a->loop, argv, HOURS, done, a)
		       : child_start(a->loop, argv, NULL, HOURS, done, a);
	if (!ret)
		loop_run(a->loop);
	dup2(old, STDERR_FILENO);
	close(old);
	assert_int_equal(ret, 0);
	assert_string_equal(a->out, "said\n");
	assert_int_equal(fstat(fileno(file), &st), 0);
	fclose(file);
	return st.st_size;
}

static void a_quiet_one_does_not_complain(void **state)
{
	assert_int_equal(complaint(*state, false), 3);
	assert_int_equal(complaint(*state, true), 0);
}

static void a_missing_program_is_told_at_once(void **state)
{
	struct answer *a = *state;
	char name[] = "no-such-program-anywhere";
	char *const argv[] = { name, NULL };
	const int ret = child_start(a->loop, argv, NULL, HOURS, done, a);

#if defined(__aarch64__)
	/* qemu-user makes vfork(2) a fork(2), which does not tell. */
	if (!ret) {
		loop_run(a->loop);
		assert_int_equal(WEXITSTATUS(a->status), 127);
		return;
	}
#endif
	assert_int_equal(ret, -ENOENT);
	/* done is not called later either. */
	run(a, "exit 0", NULL, HOURS);
	assert_int_equal(a->calls, 1);
}

static void its_signals_are_as_before(void **state)
{
	struct answer *a = *state;
	/* Not of the shell: it blocks its signals while it starts grep. */
	const char *out =
		run(a, "exec grep -E 'SigBlk|SigIgn' /proc/self/status", NULL,
		    HOURS);
	unsigned long long blocked = 1, ignored = 1;

	assert_int_equal(sscanf(out, "SigBlk: %llx SigIgn: %llx", &blocked,
				&ignored),
			 2);
	assert_int_equal(blocked & (1U << (SIGTERM - 1)), 0);
	assert_int_equal(blocked & (1U << (SIGCHLD - 1)), 0);
	assert_int_equal(ignored & (1U << (SIGPIPE - 1)), 0);
}

static void it_is_the_leader_of_its_group(void **state)
{
	struct answer *a = *state;
	const char *out =
		run(a, "cut -d ' ' -f 1,5 /proc/$$/stat", NULL, HOURS);
	int pid = 0, group = 0;

	assert_int_equal(sscanf(out, "%d %d", &pid, &group), 2);
	assert_int_equal(pid, group);
}

static void end_loop(void *arg)
{
	struct answer *a = arg;

	loop_end(a->loop, 0);
}

static void the_end_of_the_loop_is_its_end(void **state)
{
	struct answer *a = *state;
	char sh[] = "sleep", time[] = "9999";
	char *const argv[] = { sh, time, NULL };
	pid_t pid;

	assert_int_equal(child_start(a->loop, argv, NULL, HOURS, done, a), 0);
	loop_timer(a->loop, MSEC, end_loop, a);
	loop_run(a->loop);
	loop_free(a->loop);
	a->loop = NULL;
	assert_int_equal(a->calls, 0);
	/* Its parent is this test, unless loop_free() has seen it die. */
	do {
		pid = waitpid(-1, NULL, 0);
	} while (pid < 0 && errno == EINTR);
	assert_true(pid > 0 || errno == ECHILD);
}

static void start_another(void *arg, int status, const char *out)
{
	char echo[] = "echo", text[] = "second";
	char *const argv[] = { echo, text, NULL };
	struct answer *a = arg;

	assert_int_equal(status, 0);
	assert_string_equal(out, "first\n");
	assert_int_equal(child_start(a->loop, argv, NULL, HOURS, done, a), 0);
}

static void done_may_start_another(void **state)
{
	struct answer *a = *state;
	char echo[] = "echo", text[] = "first";
	char *const argv[] = { echo, text, NULL };

	assert_int_equal(
		child_start(a->loop, argv, NULL, HOURS, start_another, a), 0);
	loop_run(a->loop);
	assert_string_equal(a->out, "second\n");
}

static void many_at_once_are_told_apart(void **state)
{
	struct answer *a = *state;
	struct answer each[16] = { 0 };

	for (size_t i = 0; i < 16; i++) {
		char sh[] = "sh", option[] = "-c", script[32];
		char *const argv[] = { sh, option, script, NULL };

		snprintf(script, sizeof(script), "echo %zu; exit %zu", i, i);
		each[i].loop = a->loop;
		assert_int_equal(child_start(a->loop, argv, NULL, HOURS, done,
					     &each[i]),
				 0);
	}
	for (size_t left = 16; left;) {
		loop_run(a->loop);
		left = 0;
		for (size_t i = 0; i < 16; i++)
			left += !each[i].calls;
	}
	for (size_t i = 0; i < 16; i++) {
		assert_int_equal(each[i].calls, 1);
		assert_int_equal(WEXITSTATUS(each[i].status), i);
		assert_int_equal(atoi(each[i].out), i);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_reads_and_writes),
		TEST(without_input_it_reads_nothing),
		TEST(its_signal_is_told),
		TEST(it_may_ignore_its_input),
		TEST(long_output_is_cut_and_does_not_block),
		TEST(output_of_zeros_ends_at_once),
		TEST(after_its_limit_it_dies_with_its_children),
		TEST(what_it_leaves_in_its_group_dies),
		TEST(a_daemon_that_it_starts_lives),
		TEST(a_quiet_one_does_not_complain),
		TEST(a_missing_program_is_told_at_once),
		TEST(its_signals_are_as_before),
		TEST(it_is_the_leader_of_its_group),
		TEST(the_end_of_the_loop_is_its_end),
		TEST(done_may_start_another),
		TEST(many_at_once_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
