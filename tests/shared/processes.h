/* SPDX-License-Identifier: MIT */
/* Shared by the tests of processes: children, with namespaces of their own. */
#ifndef PROCESSES_H
#define PROCESSES_H

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <paraclock/backend.h>
#include <paraclock/timekeeper.h>

#include "fake.h"

static const struct paraclock_env *env;

/* Shared with children. */
static struct {
	struct paraclock_page_writer writer;
	struct paraclock_timekeeper tk;
} * shared;

static inline int set_up(void **state)
{
	(void)state;
	env = paraclock_default_env();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED;
}

static inline int tear_down(void **state)
{
	(void)state;
	return munmap(shared, sizeof(*shared));
}

/*
 * What a child returns: 0: right; 77: not possible here; else which step
 * failed.
 */
static inline int wait_for(pid_t child)
{
	int status = -1;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* In a process of its own, with namespaces of its own. */
static inline int run_in(int flags, int (*fn)(void))
{
	pid_t child = (pid_t)syscall(SYS_clone, (long)flags | SIGCHLD, NULL,
				     NULL, NULL, 0);

	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn());
	}
	if (child < 0)
		return 77;
	return wait_for(child);
}

#define SKIP_IF(is_so, why)                                  \
	do {                                                 \
		if (is_so) {                                 \
			print_message("skipped: %s\n", why); \
			skip();                              \
		}                                            \
	} while (0)

#endif
