// SPDX-License-Identifier: MIT
/*
 * Which process this is, and whether another one still exists: by /proc, and by
 * this kernel, with containers, hidden processes and no descriptors left.
 */

#include <sys/resource.h>

#include <paraclock/timekeeper.h>

#include "linux/process.h"
#include "processes.h"

/* --- what /proc says ------------------------------------------------------ */

struct stat_case {
	const char *name;
	const char *text;
	int ret;
	uint64_t start;
	uint32_t has_ended;
};

/* As Linux 6 writes it: the state, the threads (1) and the start (1234). */
#define STAT(name, state, threads, started)                                 \
	"7 (" name ") " state                                               \
	" 1 7 7 0 -1 4194560 100 0 0 0 5 6 0 0 20 0 " threads " 0 " started \
	" 2703360 230 18446744073709551615 1 1 0"

static struct stat_case stat_cases[] = {
	/* clang-format off */
	{ "a running process lives", STAT("a", "R", "1", "1234"), 0, 1234, 0 },
	{ "a sleeping process lives", STAT("a", "S", "1", "1234"), 0, 1234, 0 },
	{ "a stopped process lives", STAT("a", "T", "1", "1234"), 0, 1234, 0 },
	{ "a process that waits for a disk lives",
	  STAT("a", "D", "1", "1"), 0, 1, 0 },
	{ "a zombie has ended", STAT("a", "Z", "1", "1234"), 0, 1234, 1 },
	{ "a dead process has ended", STAT("a", "X", "0", "1234"), 0, 1234, 1 },
	{ "a first thread may end before the others",
	  STAT("a", "Z", "2", "1234"), 0, 1234, 0 },
	{ "a name does not count as the state",
	  STAT("a) Z 1 7 (b", "R", "1", "1234"), 0,
	  1234, 0 },
	{ "a name full of brackets", STAT("))) Z", "S", "1", "1234"), 0, 1234,
	  0 },
	{ "a name of blanks", STAT("  ", "Z", "1", "1234"), 0, 1234, 1 },
	{ "a start of 64 bits", STAT("a", "R", "1", "18446744073709551615"), 0,
	  UINT64_MAX, 0 },
	{ "a text that is cut off proves nothing",
	  "7 (other) R 1", -EIO, 0, 0 },
	{ "a text that is cut off in the start proves nothing",
	  "7 (a) R 1 7 7 0 -1 4194560 100 0 0 0 5 6 0 0 20 0 1 0 123", -EIO,
	  0, 0 },
	{ "a text that ends with the name proves nothing",
	  "7 (a)", -EIO, 0, 0 },
	{ "a text without a name proves nothing", "7 a R 1 7", -EIO, 0, 0 },
	{ "an empty text proves nothing", "", -EIO, 0, 0 },
	/* clang-format on */
};

static void reads_a_stat(void **state)
{
	const struct stat_case *c = *state;
	struct paraclock_process who = { .id = 5 };

	assert_int_equal(pclk_parse_stat(c->text, &who), c->ret);
	assert_int_equal(who.start, c->start);
	assert_int_equal(who.has_ended, c->has_ended);
	assert_int_equal(who.id, 5);
}

struct status_case {
	const char *name;
	const char *text;
	int ret;
};

static struct status_case status_cases[] = {
	/* clang-format off */
	{ "its own namespace", "Name:\tx\nNSpid:\t4711\nNSpgid:\t4711\n", 0 },
	{ "a namespace below", "Name:\tx\nNSpid:\t4711\t1\n", -EXDEV },
	{ "a namespace below, with the same number",
	  "Name:\tx\nNSpid:\t4711\t4711\n",
	  -EXDEV },
	{ "another number", "Name:\tx\nNSpid:\t471\nNSpgid:\t471\n", -EXDEV },
	{ "a name that looks like that line",
	  "Name:\tNSpid: 4711\nNSpid:\t3\t4711\n",
	  -EXDEV },
	{ "a kernel without the line", "Name:\tx\nTgid:\t4711\n", -EXDEV },
	{ "a text that is cut off", "Name:\tx\nNSpid:\t4711", -EXDEV },
	{ "an empty text", "", -EXDEV },
	/* clang-format on */
};

static void reads_a_status(void **state)
{
	const struct status_case *c = *state;

	assert_int_equal(pclk_parse_status(c->text, 4711), c->ret);
}

/* --- this kernel ---------------------------------------------------------- */

static struct paraclock_process identified(uint32_t id)
{
	struct paraclock_process who;

	assert_int_equal(env->identify(env->ctx, id, &who), 0);
	return who;
}

static void this_process_is_known(void **state)
{
	struct paraclock_process a = identified(0),
				 b = identified((uint32_t)getpid());

	(void)state;
	assert_int_equal(a.id, getpid());
	assert_true(a.start > 0);
	SKIP_IF(!a.space, "/proc does not show this PID namespace");
	assert_memory_equal(&a, &b, sizeof(a));
	/* Asked anew, not remembered. */
	a = identified((uint32_t)getpid());
	assert_memory_equal(&a, &b, sizeof(a));
}

static int child_is_another(void)
{
	struct paraclock_process self;

	if (env->identify(env->ctx, 0, &self))
		return 1;
	return self.id == (uint32_t)getpid() ? 0 : 2;
}

static void a_process_that_is_gone_is_known_to_be_gone(void **state)
{
	struct paraclock_process who;
	pid_t child = fork();
	siginfo_t info;

	(void)state;
	if (child == 0)
		_exit(child_is_another());
	assert_true(child > 0);
	/* Ended, but not yet waited for. */
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT),
			 0);
	if (identified(0).space) {
		assert_int_equal(identified((uint32_t)child).has_ended, 1);
		assert_int_equal(identified((uint32_t)child).id, child);
	}
	assert_int_equal(wait_for(child), 0);
	assert_int_equal(env->identify(env->ctx, (uint32_t)child, &who),
			 -ESRCH);
	assert_int_equal(env->identify(env->ctx, UINT32_MAX, &who), -ESRCH);
}

/* --- no descriptors ------------------------------------------------------- */

static int without_descriptors(void)
{
	const struct rlimit none = { 0, 0 };
	struct paraclock_process who;

	if (setrlimit(RLIMIT_NOFILE, &none))
		return 77;
	/* The process does not know who it is, and will ask again. */
	if (paraclock_page_writer_acquire(&shared->writer, NULL) != -ENOMEM)
		return 1;
	/*
	 * Its parent, the owner, exists: that needs no descriptor, and is all
	 * that can be known.
	 */
	if (env->identify(env->ctx, (uint32_t)getppid(), &who) >= 0)
		return 2;
	return env->identify(env->ctx, 4194303, &who) == -ESRCH ? 0 : 3;
}

/* It knows who it is, and then descriptors run out. */
static int runs_out_of_descriptors(void)
{
	const struct rlimit none = { 0, 0 };
	struct paraclock_process who;

	if (env->identify(env->ctx, 0, &who) || setrlimit(RLIMIT_NOFILE, &none))
		return 77;
	return paraclock_page_writer_acquire(&shared->writer, NULL) == -EBUSY
		       ? 0
		       : 1;
}

static void without_descriptors_every_process_counts_as_alive(void **state)
{
	(void)state;
	assert_int_equal(paraclock_page_writer_acquire(&shared->writer, NULL),
			 0);
	assert_int_equal(run_in(0, without_descriptors), 0);
	assert_int_equal(run_in(0, runs_out_of_descriptors), 0);
	assert_int_equal(paraclock_page_writer_release(&shared->writer, NULL),
			 0);
}

/* --- hidden processes ----------------------------------------------------- */

/* As another user, from whom /proc hides the owner. */
static int behind_hidepid(void)
{
	char path[64];

	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", 0, "hidepid=2") || setgid(65534) ||
	    setuid(65534))
		return 77;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)getppid());
	if (access(path, R_OK) == 0)
		return 77;
	if (paraclock_page_writer_acquire(&shared->writer, NULL) != -EBUSY)
		return 1;
	if (paraclock_timekeeper_acquire(&shared->tk, NULL, NULL) != -EBUSY)
		return 2;
	return paraclock_timekeeper_freeze(&shared->tk, NULL) == -EPERM ? 0 : 3;
}

static void a_hidden_process_counts_as_alive(void **state)
{
	int ret;

	(void)state;
	assert_int_equal(paraclock_page_writer_acquire(&shared->writer, NULL),
			 0);
	assert_int_equal(paraclock_timekeeper_acquire(&shared->tk, NULL, NULL),
			 0);
	ret = run_in(CLONE_NEWNS, behind_hidepid);
	SKIP_IF(ret == 77, "no mount of /proc with hidepid=2 here");
	assert_int_equal(ret, 0);
	assert_int_equal(paraclock_timekeeper_freeze(&shared->tk, NULL), 0);
	assert_int_equal(paraclock_page_writer_release(&shared->writer, NULL),
			 0);
}

/* A container's first process, which sees only itself there. */
static int first_behind_hidepid(void)
{
	int ready[2];
	pid_t owner;
	char byte = 0;
	int ret;

	if (getpid() != 1 || pipe(ready) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", 0, "hidepid=2"))
		return 77;
	owner = fork();
	if (owner == 0) {
		ret = paraclock_page_writer_acquire(&shared->writer, NULL);
		if (ret || write(ready[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return 1;
	if (setgid(65534) || setuid(65534) ||
	    access("/proc/2/stat", R_OK) == 0 ||
	    access("/proc/1/stat", R_OK) != 0)
		return 77;
	return paraclock_page_writer_acquire(&shared->writer, NULL) == -EBUSY
		       ? 0
		       : 2;
}

static void a_process_hidden_in_a_container_counts_as_alive(void **state)
{
	int ret = run_in(CLONE_NEWNS | CLONE_NEWPID, first_behind_hidepid);

	(void)state;
	SKIP_IF(ret == 77, "no mount of /proc with hidepid=2 here");
	assert_int_equal(ret, 0);
}

int main(void)
{
	each_test(set_up, tear_down);
	ADD_ROWS(stat_cases, reads_a_stat);
	ADD_ROWS(status_cases, reads_a_status);
	add_test("this process is known", this_process_is_known);
	add_test("a process that is gone is known to be gone",
		 a_process_that_is_gone_is_known_to_be_gone);
	add_test("without descriptors every process counts as alive",
		 without_descriptors_every_process_counts_as_alive);
	add_test("a hidden process counts as alive",
		 a_hidden_process_counts_as_alive);
	add_test("a process hidden in a container counts as alive",
		 a_process_hidden_in_a_container_counts_as_alive);
	return run_suite(NULL, NULL);
}
