// SPDX-License-Identifier: MIT
/* The Linux env's files, devices and watch, on this machine. */

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <paraclock/backend.h>

#include "fake.h"
#include "linux/device.h"

/* ioctl(2) of a terminal, which /dev/null is not. */
#define TERMINAL_IOCTL 0x5401UL

static const struct paraclock_env *env;

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void text_comes_without_its_newline(void **state)
{
	char path[] = "/tmp/paraclock-text-XXXXXX", buf[16];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "tsc\n", 4), 4);
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(env->read_text(env->ctx, path, buf, sizeof(buf)), 3);
	assert_string_equal(buf, "tsc");
	/* Cut to fit, and terminated. */
	assert_int_equal(env->read_text(env->ctx, path, buf, 3), 2);
	assert_string_equal(buf, "ts");
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(env->read_text(env->ctx, path, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	close(fd);
	unlink(path);
}

static void below_dev_links_are_read_and_nothing_else(void **state)
{
	char path[] = "/dev/../tmp/paraclock-link-XXXXXX", buf[16] = "abc";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "text", 4), 4);
	close(fd);
	assert_int_equal(env->read_text(env->ctx, path, buf, sizeof(buf)),
			 -ENODEV);
	assert_string_equal(buf, "abc");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("ptp7", path), 0);
	assert_int_equal(env->read_text(env->ctx, path, buf, sizeof(buf)), 4);
	assert_string_equal(buf, "ptp7");
	assert_int_equal(env->read_text(env->ctx, path, buf, 3), 2);
	assert_string_equal(buf, "pt");
	assert_int_equal(unlink(path), 0);
}

static void a_file_that_is_not_there_is_an_error(void **state)
{
	char buf[4] = "abc";
	int fd = -7;

	(void)state;
	errno = 12345;
	assert_int_equal(env->read_text(env->ctx, "/nonexistent", buf, 4),
			 -ENODEV);
	assert_string_equal(buf, "abc");
	assert_int_equal(env->open_device(env->ctx, "/nonexistent", &fd),
			 -ENOENT);
	assert_int_equal(fd, -7);
	assert_int_equal(errno, 12345);
}

static void a_device_answers_by_errno(void **state)
{
	int before = open_descriptors();
	int fd = -1;

	(void)state;
	assert_int_equal(env->open_device(env->ctx, "/dev/null", &fd), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	errno = 12345;
	assert_int_equal(env->ioctl(env->ctx, fd, TERMINAL_IOCTL, NULL),
			 -ENOTTY);
	assert_int_equal(errno, 12345);
	env->close_device(env->ctx, fd);
	assert_int_equal(open_descriptors(), before);
}

static void a_read_only_device_is_opened_for_reading(void **state)
{
	int fd = -1;

	(void)state;
	/* A file that nobody may write, root included. */
	assert_int_equal(env->open_device(env->ctx, "/proc/self/stat", &fd), 0);
	env->close_device(env->ctx, fd);
}

static void the_clocksource_has_a_name(void **state)
{
	char name[32];
	uint8_t kind = 99;
	int ret;

	(void)state;
	memset(name, 'x', sizeof(name));
	ret = env->clocksource(env->ctx, name, &kind);
	if (ret == -ENODEV) {
		print_message("skipped: no clocksource in sysfs\n");
		skip();
	}
	assert_int_equal(ret, 0);
	assert_true(strlen(name) > 0 && strlen(name) < sizeof(name));
	assert_in_range(kind, PARACLOCK_CLOCKSOURCE_COUNTER,
			PARACLOCK_CLOCKSOURCE_OTHER);
	if (strcmp(name, "tsc") == 0)
		assert_int_equal(kind, PARACLOCK_CLOCKSOURCE_COUNTER);
	/* The whole name is there: names are compared whole. */
	for (size_t i = strlen(name); i < sizeof(name); i++)
		assert_int_equal(name[i], '\0');
}

/* As arch/x86/kernel/tsc.c, arch/x86/kernel/kvmclock.c, arch/x86/xen/time.c,
 * drivers/clocksource/hyperv_timer.c, drivers/clocksource/arm_arch_timer.c and
 * others of Linux's name them. */
static void a_clocksource_is_the_counter_or_its_image_or_neither(void **state)
{
	static const struct {
		const char *name;
		uint8_t kind;
	} sources[] = {
		{ "tsc", PARACLOCK_CLOCKSOURCE_COUNTER },
		{ "tsc-early", PARACLOCK_CLOCKSOURCE_COUNTER },
		{ "arch_sys_counter", PARACLOCK_CLOCKSOURCE_COUNTER },
		{ "kvm-clock", PARACLOCK_CLOCKSOURCE_IMAGE },
		{ "xen", PARACLOCK_CLOCKSOURCE_IMAGE },
		{ "hyperv_clocksource_tsc_page", PARACLOCK_CLOCKSOURCE_IMAGE },
		{ "hyperv_clocksource_msr", PARACLOCK_CLOCKSOURCE_OTHER },
		{ "arch_mem_counter", PARACLOCK_CLOCKSOURCE_OTHER },
		{ "hpet", PARACLOCK_CLOCKSOURCE_OTHER },
		{ "acpi_pm", PARACLOCK_CLOCKSOURCE_OTHER },
		{ "jiffies", PARACLOCK_CLOCKSOURCE_OTHER },
		{ "refined-jiffies", PARACLOCK_CLOCKSOURCE_OTHER },
		{ "xenon", PARACLOCK_CLOCKSOURCE_OTHER },
		{ "Xen", PARACLOCK_CLOCKSOURCE_OTHER },
		{ "xe", PARACLOCK_CLOCKSOURCE_OTHER },
		{ "", PARACLOCK_CLOCKSOURCE_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sources); i++)
		assert_int_equal(pclk_clocksource_kind(sources[i].name),
				 sources[i].kind);
}

static void a_clock_that_is_not_there_is_an_error(void **state)
{
	int64_t ns = 4711;

	(void)state;
	assert_int_equal(env->read_clock(env->ctx, 4242, &ns), -EINVAL);
	assert_int_equal(ns, 4711);
}

/* Nobody sets the clock of the machine that runs the tests. */
static void a_watch_wakes_once_a_second_and_says_nothing(void **state)
{
	int before = open_descriptors();
	struct paraclock_watch *watch = NULL;
	struct pollfd poll_fd = { .events = POLLIN };
	int woken = 1;

	(void)state;
	assert_int_equal(paraclock_watch_open(&watch, NULL), 0);
	poll_fd.fd = paraclock_watch_fd(watch);
	assert_true(poll_fd.fd >= 0);
	assert_int_equal(paraclock_watch_update(watch), 0);
	assert_int_equal(poll(&poll_fd, 1, -1), 1);
	/*
	 * An update takes away its wakeup; after a preemption of a second the
	 * watch wakes anew.
	 */
	for (int i = 0; i < 100 && woken; i++) {
		assert_int_equal(paraclock_watch_update(watch), 0);
		woken = poll(&poll_fd, 1, 0);
	}
	assert_int_equal(woken, 0);
	paraclock_watch_close(watch);
	assert_int_equal(open_descriptors(), before);
}

/* libc's, unless a test wants something else. */
static int settime_error;
static unsigned int settimes;

int timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
		    struct itimerspec *old_value)
{
	long ret =
		syscall(SYS_timerfd_settime, fd, flags, new_value, old_value);

	settimes++;
	if (!settime_error)
		return (int)ret;
	errno = settime_error;
	return -1;
}

/* The kernel arms it, and reports that the clock was set meanwhile. */
static void a_set_while_it_is_armed_is_no_failure(void **state)
{
	int fd = -1;

	(void)state;
	settime_error = ECANCELED;
	settimes = 0;
	assert_int_equal(env->watch_clock(env->ctx, &fd), 0);
	assert_int_equal(settimes, 1);
	assert_true(fd >= 0);
	settime_error = 0;
	assert_int_equal(env->watch_clock(env->ctx, &fd), 0);
	env->close_device(env->ctx, fd);
	settime_error = EINVAL;
	fd = -1;
	assert_int_equal(env->watch_clock(env->ctx, &fd), -EOPNOTSUPP);
	assert_int_equal(fd, -1);
	settime_error = 0;
}

static int setup(void **state)
{
	(void)state;
	env = paraclock_default_env();
	return env ? 0 : -1;
}

static void a_child_is_another_process(void **state)
{
	int status;
	pid_t child;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(env->process_id(env->ctx), getpid());
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		/* Its own child, too, before and after it was asked. */
		bool own = env->process_id(env->ctx) == (uint32_t)getpid() &&
			   env->process_id(env->ctx) == (uint32_t)getpid();

		child = fork();
		if (!child)
			_exit(env->process_id(env->ctx) != (uint32_t)getpid());
		_exit(!own || waitpid(child, &status, 0) != child || status);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(env->process_id(env->ctx), getpid());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_comes_without_its_newline),
		cmocka_unit_test(below_dev_links_are_read_and_nothing_else),
		cmocka_unit_test(a_child_is_another_process),
		cmocka_unit_test(a_file_that_is_not_there_is_an_error),
		cmocka_unit_test(a_device_answers_by_errno),
		cmocka_unit_test(a_read_only_device_is_opened_for_reading),
		cmocka_unit_test(the_clocksource_has_a_name),
		cmocka_unit_test(
			a_clocksource_is_the_counter_or_its_image_or_neither),
		cmocka_unit_test(a_clock_that_is_not_there_is_an_error),
		cmocka_unit_test(a_set_while_it_is_armed_is_no_failure),
		cmocka_unit_test(a_watch_wakes_once_a_second_and_says_nothing),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
