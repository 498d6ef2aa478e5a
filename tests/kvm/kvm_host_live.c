// SPDX-License-Identifier: MIT
/* The source kvm-host on this machine's own KVM. */

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <paraclock/paraclock.h>

#include "vm.h"

static struct vm vm;

static struct paraclock *open_on(int vm_fd)
{
	char detail[256] = "";
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "kvm-host",
		.vm_fd = vm_fd,
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	struct paraclock *clk = NULL;

	if (paraclock_open(&clk, &opts))
		fail_msg("%s", detail);
	return clk;
}

static int64_t now_ns(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* 1 us: for a clock that is being slewed, and the ends' own rounding. */
static void assert_reads_this_clock(const struct paraclock *clk, uint32_t flags)
{
	int64_t before = now_ns() - 1000;
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_OK);
	assert_int_equal(sample.valid, 1);
	assert_in_range(sample.host_ns, before, now_ns() + 1000);
	assert_int_equal(sample.pair_error_ns, 0);
	assert_int_equal(sample.clock_error_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(sample.counter, PARACLOCK_COUNTER_X86_TSC);
	assert_int_equal(sample.timescale,
			 PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED);
	assert_int_equal(sample.flags, flags);
}

static void a_vm_of_its_own_says_own_kernel(void **state)
{
	struct paraclock *clk = open_on(0);

	(void)state;
	for (int i = 0; i < 10000; i++)
		assert_reads_this_clock(clk, PARACLOCK_FLAG_OWN_KERNEL);
	paraclock_close(clk);
}

static void a_vm_of_the_callers_answers_once_it_has_run(void **state)
{
	struct paraclock *clk = open_on(vm.fd);
	struct paraclock_sample sample;
	const char *why;

	(void)state;
	assert_int_equal(paraclock_read(clk, &sample), -EOPNOTSUPP);
	why = vm_run(&vm);
	if (why) {
		print_message("skipped: a vCPU cannot be run here: %s\n", why);
		paraclock_close(clk);
		skip();
	}
	for (int i = 0; i < 10000; i++)
		assert_reads_this_clock(clk, 0);
	paraclock_close(clk);
	/* It is still the caller's. */
	assert_int_equal(vm_get_clock(&vm, &(struct kvm_clock_data){ 0 }), 0);
}

/* In the child: 0 if the detail says what to do. */
static int child_is_refused(const struct paraclock *clk)
{
	struct paraclock_sample sample;
	char text[256];

	if (paraclock_read(clk, &sample) != -ENODEV)
		return 1;
	if (paraclock_explain(clk, -ENODEV, NULL, text, sizeof(text)))
		return 2;
	return strstr(text, "open another clock") ? 0 : 3;
}

static void a_forked_child_is_refused_and_its_parent_is_not(void **state)
{
	struct paraclock *clk = open_on(0);
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(child_is_refused(clk));
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_reads_this_clock(clk, PARACLOCK_FLAG_OWN_KERNEL);
	paraclock_close(clk);
}

static void a_descriptor_of_no_vm_does_not_open(void **state)
{
	const struct {
		int fd, ret;
	} rows[] = { { vm.kvm, -EINVAL }, { vm.vcpu, -EINVAL } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct paraclock_options opts = {
			.size = sizeof(opts),
			.backend = "kvm-host",
			.vm_fd = rows[i].fd,
		};
		struct paraclock *clk = NULL;

		assert_int_equal(paraclock_open(&clk, &opts), rows[i].ret);
		assert_null(clk);
	}
}

static void a_vm_that_was_closed_has_gone(void **state)
{
	struct paraclock_sample sample;
	struct paraclock *clk;
	struct vm other;

	(void)state;
	assert_null(vm_make(&other));
	clk = open_on(other.fd);
	vm_free(&other);
	assert_int_equal(paraclock_read(clk, &sample), -ENODEV);
	paraclock_close(clk);
}

static int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void every_descriptor_is_closed(void **state)
{
	int before = count_descriptors();

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct paraclock *clk = open_on(0);

		assert_int_equal(count_descriptors(), before + 1);
		paraclock_close(clk);
	}
	assert_int_equal(count_descriptors(), before);
}

static void it_is_never_chosen(void **state)
{
	struct paraclock *clk = NULL;

	(void)state;
	if (paraclock_open(&clk, NULL))
		assert_null(clk);
	else
		assert_string_not_equal(paraclock_backend_name(clk),
					"kvm-host");
	paraclock_close(clk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_of_its_own_says_own_kernel),
		cmocka_unit_test(a_vm_of_the_callers_answers_once_it_has_run),
		cmocka_unit_test(
			a_forked_child_is_refused_and_its_parent_is_not),
		cmocka_unit_test(a_descriptor_of_no_vm_does_not_open),
		cmocka_unit_test(a_vm_that_was_closed_has_gone),
		cmocka_unit_test(every_descriptor_is_closed),
		cmocka_unit_test(it_is_never_chosen),
	};
	const char *why = vm_why_not_tsc();
	int failed;

	if (!why)
		why = vm_make(&vm);
	if (why) {
		printf("skipped: %s\n", why);
		return SKIP;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	vm_free(&vm);
	return failed;
}
