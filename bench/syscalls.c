// SPDX-License-Identifier: MIT
/*
 * System calls per read: in a child, a seccomp filter turns each one into a
 * SIGSYS, whose handler counts it. No call gets past the filter, whatever
 * instruction or library makes it; a control shows that the count is right.
 */

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "bench.h"

#define READS 100000

/* Far more than the child needs: a child that hangs must not hang us. */
#define CHILD_SECONDS 60

/* Shared between parent and child. */
struct tally {
	uint64_t traps; /* by the handler, running */
	uint64_t control;
	uint64_t traps_of[SUBJECTS_MAX];
	int failed[SUBJECTS_MAX];
	int error; /* errno, if there is no filter */
	bool done;
};

/* A handler has no argument of ours. */
static struct tally *tally;

/* The kernel skipped the call: make it return 0. */
static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	__atomic_fetch_add(&tally->traps, 1, __ATOMIC_RELAXED);
#if defined(__x86_64__)
	uc->uc_mcontext.gregs[REG_RAX] = 0;
#elif defined(__aarch64__)
	uc->uc_mcontext.regs[0] = 0;
#endif
}

#define ALLOW(nr)                                        \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/*
 * The filter allows what the handler's return and the child's end need. Strict
 * mode would not do: it forbids rdtsc. The architecture is not checked, because
 * only our own code runs here.
 */
static int install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_rt_sigreturn),
		ALLOW(SYS_exit),
		ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};
	struct sigaction action = { .sa_flags = SA_SIGINFO };
	sigset_t set;

	action.sa_sigaction = on_sigsys;
	sigemptyset(&action.sa_mask);
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	/* Blocked or unhandled, the first trap would kill the child. */
	if (sigaction(SIGSYS, &action, NULL) ||
	    sigprocmask(SIG_UNBLOCK, &set, NULL) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return errno;
	return 0;
}

static uint64_t traps(void)
{
	return __atomic_load_n(&tally->traps, __ATOMIC_RELAXED);
}

static void run_child(const struct bench *bench)
{
	uint64_t before;

	alarm(CHILD_SECONDS);
	tally->error = install_filter();
	if (tally->error)
		return;
	before = traps();
	for (unsigned int i = 0; i < READS; i++)
		syscall(SYS_getppid);
	tally->control = traps() - before;
	for (unsigned int i = 0; i < bench->count; i++) {
		const struct subject *subject = &bench->subject[i];

		if (!is_measured(subject))
			continue;
		before = traps();
		tally->failed[i] = subject->run(subject->clk, READS);
		tally->traps_of[i] = traps() - before;
	}
	tally->done = true;
}

/* Returns when the child has ended; its results are in the tally. */
static int run_in_child(const struct bench *bench)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child < 0)
		return errno;
	if (child == 0) {
		run_child(bench);
		/* exit() would run the parent's exit handlers. */
		for (;;)
			syscall(SYS_exit_group, 0);
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static void count(struct bench *bench)
{
	struct method *method = &bench->syscalls;
	int error = run_in_child(bench);

	if (!error)
		error = tally->error;
	if (error || !tally->done) {
		snprintf(method->why, sizeof(method->why),
			 "no seccomp filter: %s",
			 error ? strerror(error) : "the child was killed");
		return;
	}
	method->used = true;
	method->expected = READS;
	method->counted = tally->control;
	for (unsigned int i = 0; i < bench->count; i++) {
		struct subject *subject = &bench->subject[i];

		if (is_measured(subject) && !is_broken(method) &&
		    subject_check(subject, tally->failed[i]))
			subject->syscalls = (double)tally->traps_of[i] / READS;
	}
}

void measure_syscalls(struct bench *bench)
{
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED) {
		snprintf(bench->syscalls.why, sizeof(bench->syscalls.why),
			 "no shared memory: %s", strerror(errno));
		return;
	}
	count(bench);
	munmap(tally, sizeof(*tally));
	tally = NULL;
}
