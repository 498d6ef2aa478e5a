// SPDX-License-Identifier: MIT
/* The loop: who is called, in which order, and who no longer is. */

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "timers.h"

#define MSEC INT64_C(1000000)
#define MANY 200

/* What the functions below share: the loop, and a letter for each call. */
struct world {
	struct loop *loop;
	char calls[64];
	int fd[8];
	unsigned int count;
};

static int setup(void **state)
{
	static struct world world;

	memset(&world, 0, sizeof(world));
	*state = &world;
	return loop_new(&world.loop);
}

static int teardown(void **state)
{
	struct world *w = *state;

	loop_free(w->loop);
	return 0;
}

static void note(struct world *w, char call)
{
	const size_t n = strlen(w->calls);

	if (n + 1 < sizeof(w->calls))
		w->calls[n] = call;
}

static void note_a(void *arg)
{
	note(arg, 'a');
}

static void note_b(void *arg)
{
	note(arg, 'b');
}

static void note_c(void *arg)
{
	note(arg, 'c');
}

static void end(void *arg)
{
	struct world *w = arg;

	note(w, '.');
	loop_end(w->loop, 7);
}

static void open_ready_pipe(int fd[2])
{
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(write(fd[1], "x", 1), 1);
}

static void close_pipe(const int fd[2])
{
	close(fd[0]);
	close(fd[1]);
}

static void timers_run_by_their_time(void **state)
{
	struct timers timers = { 0 };
	struct timer taken;

	(void)state;
	timers_set(&timers, &(struct timer){ 30, note_c, NULL });
	timers_set(&timers, &(struct timer){ 10, note_a, NULL });
	timers_set(&timers, &(struct timer){ 20, note_b, NULL });
	assert_int_equal(timers_count_due(&timers, 20), 2);
	assert_true(timers_take_due(&timers, 20, &taken));
	assert_ptr_equal(taken.fn, note_a);
	assert_true(timers_take_due(&timers, 20, &taken));
	assert_ptr_equal(taken.fn, note_b);
	assert_false(timers_take_due(&timers, 29, &taken));
	assert_ptr_equal(taken.fn, note_b);
	assert_int_equal(timers_first_due(&timers), 30);
	timers_cancel(&timers, note_c, NULL);
	assert_int_equal(timers_first_due(&timers), TIMER_NEVER);
	timers_free(&timers);
}

static void a_second_call_moves_a_timer(void **state)
{
	struct world *w = *state;

	loop_timer(w->loop, 0, note_a, w);
	loop_timer(w->loop, 5 * MSEC, note_b, w);
	loop_timer(w->loop, 10 * MSEC, note_a, w);
	loop_timer(w->loop, 20 * MSEC, end, w);
	loop_run(w->loop);
	assert_string_equal(w->calls, "ba.");
}

static void timers_of_other_arguments_are_others(void **state)
{
	struct world *w = *state, other = { .loop = w->loop };

	loop_timer(w->loop, 0, note_a, w);
	loop_timer(w->loop, 0, note_a, &other);
	loop_timer(w->loop, -1, note_a, w);
	loop_timer(w->loop, 10 * MSEC, end, w);
	loop_run(w->loop);
	assert_string_equal(w->calls, ".");
	assert_string_equal(other.calls, "a");
}

static void cancel_b(void *arg)
{
	struct world *w = arg;

	note_a(w);
	loop_timer(w->loop, -1, note_b, w);
}

static void a_due_timer_can_be_cancelled(void **state)
{
	struct world *w = *state;

	loop_timer(w->loop, 0, cancel_b, w);
	loop_timer(w->loop, 1, note_b, w);
	usleep(1000);
	loop_timer(w->loop, 10 * MSEC, end, w);
	loop_run(w->loop);
	assert_string_equal(w->calls, "a.");
}

static void move_end(void *arg)
{
	struct world *w = arg;

	note_a(w);
	loop_timer(w->loop, 10 * MSEC, end, w);
}

static void a_due_timer_can_be_moved(void **state)
{
	struct world *w = *state;

	loop_timer(w->loop, 0, move_end, w);
	loop_timer(w->loop, 1, end, w);
	loop_timer(w->loop, 2, note_c, w);
	usleep(1000);
	loop_run(w->loop);
	assert_string_equal(w->calls, "ac.");
}

static void cancel_self(void *arg)
{
	struct world *w = arg;

	note_a(w);
	loop_timer(w->loop, 0, cancel_self, w);
	loop_timer(w->loop, -1, cancel_self, w);
}

static void a_timer_can_cancel_itself(void **state)
{
	struct world *w = *state;

	loop_timer(w->loop, 0, cancel_self, w);
	loop_timer(w->loop, 10 * MSEC, end, w);
	loop_run(w->loop);
	assert_string_equal(w->calls, "a.");
}

static void repeat(void *arg)
{
	struct world *w = arg;

	w->count++;
	loop_timer(w->loop, 0, repeat, w);
}

static void a_timer_without_pause_starves_nobody(void **state)
{
	struct world *w = *state;
	int fd[2];

	open_ready_pipe(fd);
	loop_timer(w->loop, 0, repeat, w);
	loop_watch(w->loop, fd[0], POLLIN, end, w);
	loop_run(w->loop);
	assert_true(w->count <= 1);
	close_pipe(fd);
}

static void the_latest_time_does_not_overflow(void **state)
{
	struct world *w = *state;

	loop_timer(w->loop, INT64_MAX, note_a, w);
	loop_timer(w->loop, 5 * MSEC, end, w);
	loop_run(w->loop);
	assert_string_equal(w->calls, ".");
	/* Also alone. */
	loop_timer(w->loop, 0, end, w);
	loop_run(w->loop);
	assert_string_equal(w->calls, "..");
}

static void descriptors_are_served_in_order(void **state)
{
	struct world *w = *state;
	int a[2], b[2], c[2];

	open_ready_pipe(c);
	open_ready_pipe(b);
	open_ready_pipe(a);
	loop_watch(w->loop, a[0], POLLIN, note_a, w);
	loop_watch(w->loop, b[0], POLLIN, note_b, w);
	loop_watch(w->loop, c[0], POLLIN, end, w);
	loop_run(w->loop);
	assert_string_equal(w->calls, "ab.");
	close_pipe(a);
	close_pipe(b);
	close_pipe(c);
}

static void a_second_call_replaces_a_watch(void **state)
{
	struct world *w = *state;
	int fd[2];

	open_ready_pipe(fd);
	loop_watch(w->loop, fd[0], POLLIN, note_a, w);
	loop_watch(w->loop, fd[0], POLLIN, end, w);
	loop_run(w->loop);
	assert_string_equal(w->calls, ".");
	close_pipe(fd);
}

static void remove_others(void *arg)
{
	struct world *w = arg;

	note_a(w);
	/* Its own as well, and one that nobody has. */
	loop_watch(w->loop, w->fd[0], 0, NULL, NULL);
	loop_watch(w->loop, w->fd[2], 0, NULL, NULL);
	loop_watch(w->loop, 999, 0, NULL, NULL);
}

static void a_removed_watch_is_not_called(void **state)
{
	struct world *w = *state;
	int third[2];

	open_ready_pipe(w->fd);
	open_ready_pipe(w->fd + 2);
	open_ready_pipe(third);
	loop_watch(w->loop, w->fd[0], POLLIN, remove_others, w);
	loop_watch(w->loop, w->fd[2], POLLIN, note_b, w);
	loop_watch(w->loop, third[0], POLLIN, end, w);
	loop_run(w->loop);
	assert_string_equal(w->calls, "a.");
	close_pipe(w->fd);
	close_pipe(w->fd + 2);
	close_pipe(third);
}

/* fd[2] is ready; another file gets its number, and that is not ready. */
static void reuse_number(void *arg)
{
	struct world *w = arg;
	int fresh[2];

	note_a(w);
	loop_watch(w->loop, w->fd[0], 0, NULL, NULL);
	loop_watch(w->loop, w->fd[2], 0, NULL, NULL);
	assert_int_equal(pipe(fresh), 0);
	assert_int_equal(dup2(fresh[0], w->fd[2]), w->fd[2]);
	close(fresh[0]);
	w->fd[4] = fresh[1];
	loop_watch(w->loop, w->fd[2], POLLIN, note_b, w);
	loop_timer(w->loop, 10 * MSEC, end, w);
}

static void a_reused_number_is_another_file(void **state)
{
	struct world *w = *state;

	open_ready_pipe(w->fd);
	open_ready_pipe(w->fd + 2);
	loop_watch(w->loop, w->fd[0], POLLIN, reuse_number, w);
	loop_watch(w->loop, w->fd[2], POLLIN, note_c, w);
	loop_run(w->loop);
	assert_string_equal(w->calls, "a.");
	close_pipe(w->fd);
	close_pipe(w->fd + 2);
	close(w->fd[4]);
}

static void count_one(void *arg)
{
	struct world *w = arg;

	if (++w->count == MANY)
		loop_end(w->loop, 0);
}

static void add_many(void *arg)
{
	struct world *w = arg;

	loop_watch(w->loop, w->fd[0], 0, NULL, NULL);
	for (int i = 0; i < MANY; i++) {
		const int fd = fcntl(w->fd[0], F_DUPFD_CLOEXEC, 0);

		assert_true(fd >= 0);
		loop_watch(w->loop, fd, POLLIN, count_one, w);
		w->fd[4] = fd;
	}
}

static void a_function_can_add_many(void **state)
{
	struct world *w = *state;

	open_ready_pipe(w->fd);
	open_ready_pipe(w->fd + 2);
	loop_watch(w->loop, w->fd[0], POLLIN, add_many, w);
	loop_watch(w->loop, w->fd[2], POLLIN, note_b, w);
	loop_run(w->loop);
	/* One round calls the old one, the next one all. */
	assert_string_equal(w->calls, "bb");
	assert_int_equal(w->count, MANY);
	for (int fd = w->fd[4]; fd > w->fd[3]; fd--)
		close(fd);
	close_pipe(w->fd);
	close_pipe(w->fd + 2);
}

static void a_hang_up_is_told(void **state)
{
	struct world *w = *state;
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	close(fd[1]);
	loop_watch(w->loop, fd[0], POLLIN, end, w);
	assert_int_equal(loop_run(w->loop), 7);
	close(fd[0]);
}

static void after_the_end_nobody_is_called(void **state)
{
	struct world *w = *state;
	int a[2], b[2];

	open_ready_pipe(a);
	open_ready_pipe(b);
	loop_watch(w->loop, a[0], POLLIN, end, w);
	loop_watch(w->loop, b[0], POLLIN, note_b, w);
	loop_run(w->loop);
	assert_string_equal(w->calls, ".");
	/* Before it runs, too; and then it runs again. */
	loop_watch(w->loop, a[0], 0, NULL, NULL);
	loop_end(w->loop, 3);
	assert_int_equal(loop_run(w->loop), 3);
	assert_string_equal(w->calls, ".");
	loop_watch(w->loop, b[0], POLLIN, end, w);
	assert_int_equal(loop_run(w->loop), 7);
	close_pipe(a);
	close_pipe(b);
}

static void send_signals(void *arg)
{
	(void)arg;
	/* Ignored from the beginning: nohup(1). */
	raise(SIGHUP);
	raise(SIGCHLD);
}

static void terminate(void *arg)
{
	note(arg, 't');
	raise(SIGTERM);
}

static void a_signal_ends_it(void **state)
{
	struct world *w = *state;
	sigset_t before = { 0 }, during, after = { 0 };

	/* The loop of setup() has blocked them already. */
	loop_free(w->loop);
	signal(SIGHUP, SIG_IGN);
	sigprocmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(loop_new(&w->loop), 0);
	sigprocmask(SIG_SETMASK, NULL, &during);
	assert_true(sigismember(&during, SIGTERM));
	assert_true(sigismember(&during, SIGINT));
	assert_false(sigismember(&during, SIGHUP));
	loop_timer(w->loop, 0, send_signals, w);
	loop_timer(w->loop, 5 * MSEC, terminate, w);
	assert_int_equal(loop_run(w->loop), 0);
	assert_string_equal(w->calls, "t");
	signal(SIGHUP, SIG_DFL);
	loop_free(w->loop);
	w->loop = NULL;
	sigprocmask(SIG_SETMASK, NULL, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

/* A program that the service starts must inherit none of them. */
static void its_descriptors_close_on_exec(void **state)
{
	struct world *w = *state;
	bool was_open[64];
	int count = 0;

	loop_free(w->loop);
	for (int fd = 0; fd < 64; fd++)
		was_open[fd] = fcntl(fd, F_GETFD) >= 0;
	assert_int_equal(loop_new(&w->loop), 0);
	for (int fd = 0; fd < 64; fd++) {
		const int flags = fcntl(fd, F_GETFD);

		if (was_open[fd] || flags < 0)
			continue;
		count++;
		assert_true(flags & FD_CLOEXEC);
	}
	assert_int_equal(count, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(timers_run_by_their_time),
		TEST(a_second_call_moves_a_timer),
		TEST(timers_of_other_arguments_are_others),
		TEST(a_due_timer_can_be_cancelled),
		TEST(a_due_timer_can_be_moved),
		TEST(a_timer_can_cancel_itself),
		TEST(a_timer_without_pause_starves_nobody),
		TEST(the_latest_time_does_not_overflow),
		TEST(descriptors_are_served_in_order),
		TEST(a_second_call_replaces_a_watch),
		TEST(a_removed_watch_is_not_called),
		TEST(a_reused_number_is_another_file),
		TEST(a_function_can_add_many),
		TEST(a_hang_up_is_told),
		TEST(after_the_end_nobody_is_called),
		TEST(a_signal_ends_it),
		TEST(its_descriptors_close_on_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
