// SPDX-License-Identifier: MIT
/*
 * How Linux's env affects the calling thread and process. Its system calls, and
 * libcpuid's one hook, pass through here.
 */

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <libcpuid/libcpuid.h>
#endif

#include <paraclock/backend.h>

#include "fake.h"

/* --- moving a thread ------------------------------------------------------ */

/* The answers of the calls, and how often they were made. */
static struct {
	bool scripted;
	long policy, set_ret;
	unsigned int gets, sets, firsts;
	unsigned long was, last;
} calls;

static long set_affinity(const unsigned long *mask)
{
	calls.last = mask[0];
	if (calls.sets++ == 0)
		calls.firsts = mask[0] == 1;
	if (calls.set_ret)
		errno = EINVAL;
	return calls.set_ret;
}

static long get_affinity(unsigned long *mask)
{
	calls.gets++;
	mask[0] = calls.was;
	return sizeof(mask[0]);
}

/*
 * The name of libc's, so that this one is called. No call here has more than
 * five arguments, and fewer are in registers all the same.
 */
long syscall(long number, ...)
{
	long (*next)(long number, ...);
	va_list args;
	long arg[5];

	va_start(args, number);
	for (unsigned int i = 0; i < ARRAY_LEN(arg); i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (calls.scripted && number == SYS_sched_getscheduler) {
		if (calls.policy < 0)
			errno = EPERM;
		return calls.policy;
	}
	if (calls.scripted && number == SYS_sched_getaffinity)
		return get_affinity((void *)arg[2]);
	if (calls.scripted && number == SYS_sched_setaffinity)
		return set_affinity((void *)arg[2]);
	*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	return next(number, arg[0], arg[1], arg[2], arg[3], arg[4]);
}

/* The thread is on another CPU than the one asked for. */
int sched_getcpu(void)
{
	return 1;
}

struct visit_case {
	const char *name;
	long policy;
	long set_ret;
	int go, ret;
	unsigned int sets; /* how often the affinity was set */
};

static struct visit_case cases[] = {
	{ "a thread is moved there and back", SCHED_OTHER, 0, 1, 0, 2 },
	{ "a thread of the batch class is moved, too", SCHED_BATCH, 0, 1, 0,
	  2 },
	{ "an idle thread is moved, too", SCHED_IDLE, 0, 1, 0, 2 },
	{ "a thread is moved only if that is allowed", SCHED_OTHER, 0, 0,
	  -EAGAIN, 0 },
	{ "a thread that may not go there stays where it was", SCHED_OTHER, -1,
	  1, -EAGAIN, 1 },
	{ "a thread under SCHED_FIFO is not moved", SCHED_FIFO, 0, 1, -EAGAIN,
	  0 },
	{ "a thread under SCHED_RR is not moved", SCHED_RR, 0, 1, -EAGAIN, 0 },
	{ "a thread under SCHED_DEADLINE is not moved", 6, 0, 1, -EAGAIN, 0 },
	{ "a thread whose children are not real-time is not moved",
	  SCHED_FIFO | SCHED_RESET_ON_FORK, 0, 1, -EAGAIN, 0 },
	{ "a thread without that flag is moved",
	  SCHED_OTHER | SCHED_RESET_ON_FORK, 0, 1, 0, 2 },
	{ "a thread that may not ask is not moved", -1, 0, 1, -EAGAIN, 0 },
};

static void check_visit(void **state)
{
	const struct paraclock_env *env = paraclock_default_env();
	const struct visit_case *c = *state;
	int ret;

	memset(&calls, 0, sizeof(calls));
	calls.policy = c->policy;
	calls.set_ret = c->set_ret;
	calls.was = 6;
	errno = 4242;
	calls.scripted = true;
	ret = env->run_on_cpu(env->ctx, 0, c->go);
	calls.scripted = false;
	assert_int_equal(errno, 4242);
	assert_int_equal(ret, c->ret);
	assert_int_equal(calls.sets, c->sets);
	if (c->sets)
		assert_int_equal(calls.firsts, 1);
	if (c->sets > 1)
		assert_int_equal(calls.last, calls.was);
}

/* --- libcpuid ------------------------------------------------------------- */

#if defined(__x86_64__)

static unsigned int hook_sets;

/* The name of libcpuid's. */
libcpuid_warn_fn_t cpuid_set_warn_function(libcpuid_warn_fn_t warn)
{
	libcpuid_warn_fn_t (*next)(libcpuid_warn_fn_t warn);

	__atomic_fetch_add(&hook_sets, 1, __ATOMIC_RELAXED);
	*(void **)&next = dlsym(RTLD_NEXT, "cpuid_set_warn_function");
	return next(warn);
}

static void *describe(void *arg)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };

	(void)arg;
	for (unsigned int i = 0; i < 4; i++) {
		if (paraclock_describe_machine(NULL, &machine))
			return (void *)1;
	}
	return NULL;
}

/* libcpuid's hook is a plain variable: setting it twice is a race. */
static void libcpuids_hook_is_set_once(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, describe, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		void *failed;

		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	/* 0: CPUID faults here, and is not executed. */
	assert_in_range(hook_sets, 0, 1);
}

#else

static void libcpuids_hook_is_set_once(void **state)
{
	(void)state;
	skip();
}

#endif

int main(void)
{
	static const struct CMUnitTest others[] = {
		TEST("libcpuid's hook is set once", libcpuids_hook_is_set_once),
	};

	ADD_TESTS(others);
	ADD_ROWS(cases, check_visit);
	return run_suite(NULL, NULL);
}
