// SPDX-License-Identifier: MIT
/*
 * Containers whose first processes are both process 1: who owns the page, and
 * who holds the lock of a handle?
 */

#include <paraclock/timekeeper.h>

#include "clock/clock.h"
/* Before headers in which a variable has the name of an argument. */
#include "base/seqword.h"

#include "processes.h"

/* --- containers ----------------------------------------------------------- */

static int container_start[2], container_end[2];

static struct paraclock_timeline running(void)
{
	struct paraclock_timeline tl = {
		.size = sizeof(tl),
		.base_sec = 5,
		.t_end = UINT64_MAX - 1,
		.flags = PARACLOCK_TIMELINE_STABLE,
		.timescale = PARACLOCK_TIMESCALE_MONOTONIC,
		.counter = env->counter_id,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
	};

	(void)paraclock_timeline_set_hz(&tl, 2000000000, 0);
	return tl;
}

/* The first process of a container: it acquires, and then waits. */
static int first_container(void)
{
	struct paraclock_timeline tl = running();
	char byte = 0;

	if (getpid() != 1)
		return 77;
	if (paraclock_page_writer_acquire(&shared->writer, NULL))
		return 1;
	if (paraclock_timekeeper_acquire(&shared->tk, NULL, NULL))
		return 2;
	if (paraclock_timekeeper_set(&shared->tk, NULL, &tl, 0))
		return 3;
	if (write(container_start[1], &byte, 1) != 1 ||
	    read(container_end[0], &byte, 1) != 1)
		return 4;
	/* It still owns both. */
	if (paraclock_timekeeper_set(&shared->tk, NULL, &tl, 0))
		return 5;
	return paraclock_page_writer_release(&shared->writer, NULL) ? 6 : 0;
}

/* The first process of another container, which is process 1 as well. */
static int second_container(void)
{
	struct paraclock_timeline tl = running();

	tl.base_sec = 1000;
	if (getpid() != 1)
		return 77;
	if (paraclock_timekeeper_set(&shared->tk, NULL, &tl, 0) != -EPERM)
		return 1;
	if (paraclock_timekeeper_release(&shared->tk, NULL) != -EPERM)
		return 2;
	if (paraclock_timekeeper_freeze(&shared->tk, NULL) != -EPERM)
		return 3;
	if (paraclock_page_writer_release(&shared->writer, NULL) != -EPERM)
		return 4;
	if (paraclock_timekeeper_acquire(&shared->tk, NULL, NULL) != -EBUSY)
		return 5;
	return paraclock_page_writer_acquire(&shared->writer, NULL) == -EBUSY
		       ? 0
		       : 6;
}

static int second_with_proc(void)
{
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", 0, NULL))
		return 77;
	return second_container();
}

static int without_proc(void)
{
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/proc", "tmpfs", 0, NULL))
		return 77;
	return second_container();
}

static int first_with_proc(void)
{
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", 0, NULL))
		return 77;
	return first_container();
}

static int first_without_proc(void)
{
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/proc", "tmpfs", 0, NULL))
		return 77;
	return first_container();
}

struct container_case {
	const char *name;
	int (*first)(void);
	int (*second)(void);
};

static struct container_case container_cases[] = {
	/* clang-format off */
	{ "two containers, each with its own /proc", first_with_proc,
	  second_with_proc },
	{ "both with the host's", first_container, second_container },
	{ "the first with the host's", first_container, second_with_proc },
	{ "the second with the host's", first_with_proc, second_container },
	{ "none at all", first_without_proc, without_proc },
	{ "no /proc in the second container", first_with_proc, without_proc },
	{ "no /proc in the first container",
	  first_without_proc, second_with_proc },
	/* clang-format on */
};

static void containers_are_told_apart(void **state)
{
	const struct container_case *c = *state;
	const int flags = CLONE_NEWPID | CLONE_NEWNS;
	pid_t first;
	char byte = 0;
	int ret;

	assert_int_equal(pipe(container_start), 0);
	assert_int_equal(pipe(container_end), 0);
	first = (pid_t)syscall(SYS_clone, (long)flags | SIGCHLD, NULL, NULL,
			       NULL, 0);
	if (first == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(c->first());
	}
	SKIP_IF(first < 0, "no PID namespaces for this process");
	close(container_start[1]);
	if (read(container_start[0], &byte, 1) != 1) {
		ret = wait_for(first);
		SKIP_IF(ret == 77, "no mounts in a namespace here");
		assert_int_equal(ret, 0);
	}
	ret = run_in(flags, c->second);
	/*
	 * The owner is not this process, either, which is in neither container.
	 */
	assert_int_equal(paraclock_timekeeper_freeze(&shared->tk, NULL),
			 -EPERM);
	assert_int_equal(paraclock_timekeeper_acquire(&shared->tk, NULL, NULL),
			 -EBUSY);
	assert_int_equal(write(container_end[1], &byte, 1), 1);
	assert_int_equal(wait_for(first), 0);
	close(container_start[0]);
	close(container_end[0]);
	close(container_end[1]);
	SKIP_IF(ret == 77, "no mounts in a namespace here");
	assert_int_equal(ret, 0);
}

/* --- a fork while a thread holds the lock --------------------------------- */

static struct fake fake;
static uint32_t flag;

static int acquire_orphan(void)
{
	if (!try_lock(&flag, &fake.env))
		return 1;
	unlock(&flag);
	/* Afterwards it is a process like any other. */
	if (!try_lock(&flag, &fake.env) || try_lock(&flag, &fake.env))
		return 2;
	return 0;
}

/* Process 1 of one container forks process 1 of another, with the lock held. */
static int fork_first_of_another(void)
{
	if (getpid() != 1)
		return 77;
	if (!try_lock(&flag, &fake.env))
		return 3;
	return run_in(CLONE_NEWPID, acquire_orphan);
}

static int fork_into_another(void)
{
	return run_in(CLONE_NEWPID, acquire_orphan);
}

static int fork_twice(void)
{
	if (getpid() != 1)
		return 77;
	return try_lock(&flag, &fake.env) ? run_in(0, fork_into_another) : 3;
}

/* A handle whose lock a thread of the parent's holds. */
static struct paraclock *clk;

static int read_on(void)
{
	struct paraclock_sample sample;
	int ret = paraclock_read(clk, &sample);

	if (ret)
		return 1;
	return sample.valid && !sample.reason ? 0 : 2;
}

static int fork_and_read(void)
{
	if (getpid() != 1)
		return 77;
	if (!try_lock(&clk->owner, &fake.env))
		return 3;
	/* The change that it would commit. */
	fake_set_pvclock(&fake, 4, 1000000000 - 500, 5500);
	return run_in(CLONE_NEWPID, read_on);
}

static int first_forks(void)
{
	return run_in(CLONE_NEWPID, fork_first_of_another);
}

struct fork_case {
	const char *name;
	int flags;
	int (*fn)(void);
};

static struct fork_case fork_cases[] = {
	/* clang-format off */
	{ "a child acquires the lock that its parent held", 0, acquire_orphan },
	{ "a child that is process 1, of one that is", CLONE_NEWPID,
	  fork_first_of_another },
	{ "a child of that one", CLONE_NEWPID, first_forks },
	{ "a grandchild of a process that did not ask",
	  CLONE_NEWPID, fork_twice },
	{ "its reads are valid", CLONE_NEWPID, fork_and_read },
	/* clang-format on */
};

static void a_flag_is_not_for_ever(void **state)
{
	const struct fork_case *c = *state;
	int ret;

	fake_init(&fake);
	fake.env.process_id = env->process_id;
	fake.env.fork_id = env->fork_id;
	flag = 0;
	clk = fake_open(&fake, "kvmclock");
	if (c->fn == acquire_orphan)
		assert_true(try_lock(&flag, &fake.env));
	ret = run_in(c->flags, c->fn);
	paraclock_close(clk);
	SKIP_IF(ret == 77, "no PID namespaces for this process");
	assert_int_equal(ret, 0);
}

static void a_fork_has_another_id(void **state)
{
	const uint32_t mine = env->fork_id(env->ctx);
	int status;
	pid_t child;

	(void)state;
	assert_int_not_equal(mine, 0);
	assert_int_equal(env->fork_id(env->ctx), mine);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		const uint32_t own = env->fork_id(env->ctx);
		bool right =
			own && own != mine && env->fork_id(env->ctx) == own;

		child = fork();
		if (child == 0) {
			const uint32_t last = env->fork_id(env->ctx);

			_exit(!last || last == own || last == mine);
		}
		_exit(!right || waitpid(child, &status, 0) != child || status);
	}
	assert_int_equal(wait_for(child), 0);
	assert_int_equal(env->fork_id(env->ctx), mine);
}

int main(void)
{
	each_test(set_up, tear_down);
	ADD_ROWS(container_cases, containers_are_told_apart);
	add_test("a fork has another id", a_fork_has_another_id);
	ADD_ROWS(fork_cases, a_flag_is_not_for_ever);
	return run_suite(NULL, NULL);
}
