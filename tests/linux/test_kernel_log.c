// SPDX-License-Identifier: MIT
/* The kernel's log: which record says that the machine was restored, and what
 * this kernel's own /dev/kmsg gives. */

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <paraclock/backend.h>

#include "linux/device.h"
#include "linux/generation.h"
#include "rows.h"

#define FORK "random: crng reseeded due to virtual machine fork"

/* --- the text ------------------------------------------------------------- */

struct text_case {
	const char *name;
	const char *text;
	size_t size;
	bool expected;
};

#define TEXT(name, text, expected)                      \
	{                                               \
		name, text, sizeof(text) - 1, expected, \
	}

static struct text_case texts[] = {
	TEXT("the kernel's record", "5,412,7032123,-;" FORK "\n", true),
	TEXT("another level", "0,1,2,-;" FORK "\n", true),
	TEXT("the name of a caller", "5,412,7032123,-,caller=T1;" FORK "\n",
	     true),
	TEXT("more lines", "5,412,1,-;" FORK "\n SUBSYSTEM=x\n", true),
	TEXT("a number that no kernel counts to",
	     "7,18446744073709551615,9999999999999999999,-;" FORK "\n", false),
	TEXT("a process wrote it", "13,344,26180528221,-;" FORK "\n", false),
	TEXT("a process wrote it, as daemon", "29,344,1,-;" FORK "\n", false),
	TEXT("the facility after the kernel's", "8,344,1,-;" FORK "\n", false),
	TEXT("a level that is no number", "x,344,1,-;" FORK "\n", false),
	TEXT("a level below 0", "-5,344,1,-;" FORK "\n", false),
	TEXT("no level", ",344,1,-;" FORK "\n", false),
	TEXT("a level that wraps to 5 in 64 bits",
	     "18446744073709551621,344,1,-;" FORK "\n", false),
	TEXT("nothing", "", false),
	TEXT("no fields", FORK "\n", false),
	TEXT("a field too few", "5,1;" FORK "\n", false),
	TEXT("no text", "5,1,2,-", false),
	TEXT("an empty text", "5,1,2,-;", false),
	TEXT("a text that is cut off", "5,1,2,-;random: crng reseeded", false),
	TEXT("a line that does not end", "5,1,2,-;" FORK, false),
	TEXT("more text behind it", "5,1,2,-;" FORK "!\n", false),
	TEXT("text before it", "5,1,2,-;init: " FORK "\n", false),
	TEXT("another text of the same driver",
	     "5,1,2,-;random: crng init done\n", false),
	TEXT("the text as a second line", "5,1,2,-;a\n" FORK "\n", false),
	TEXT("the text as a variable", "5,1,2,-;a\n A=5,1,2,-;" FORK "\n",
	     false),
};

static void a_text(void **state)
{
	const struct text_case *c = *state;
	/* On the heap: a sanitizer sees an access to the byte behind. */
	char *copy = malloc(c->size ? c->size : 1);

	memcpy(copy, c->text, c->size);
	assert_int_equal(pclk_kernel_log_is_generation(copy, c->size),
			 c->expected);
	free(copy);
}

/* Every one of its parts matters. */
static void no_byte_of_the_record_is_ignored(void **state)
{
	static const char good[] = "5,1,2,-;" FORK "\n";
	const size_t text = sizeof("5,1,2,-;") - 1;
	char copy[sizeof(good)];

	(void)state;
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		/* A longer number, or another flag, is as good. */
		if (i < text && strchr("5,12,-", good[i]) && good[i] != ',')
			continue;
		memcpy(copy, good, sizeof(good));
		copy[i] = '#';
		assert_false(
			pclk_kernel_log_is_generation(copy, sizeof(good) - 1));
	}
	for (size_t size = 0; size < sizeof(good) - 1; size++)
		assert_false(pclk_kernel_log_is_generation(good, size));
}

/* --- a log of our own ------------------------------------------------------ */

static void records_are_read_one_by_one(void **state)
{
	static const char *const record[] = { "6,1,1,-;a\n",
					      "5,2,1,-;" FORK "\n",
					      "13,3,1,-;" FORK "\n" };
	char *longer = calloc(1, 4096);
	int ends[2];

	(void)state;
	assert_non_null(longer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
				    ends),
			 0);
	assert_int_equal(pclk_kernel_log_read(ends[0]), -EAGAIN);
	for (size_t i = 0; i < ARRAY_LEN(record); i++)
		assert_true(write(ends[1], record[i], strlen(record[i])) > 0);
	memset(longer, 'a', 4096);
	assert_true(write(ends[1], longer, 4096) > 0);
	assert_int_equal(pclk_kernel_log_read(ends[0]), 0);
	assert_int_equal(pclk_kernel_log_read(ends[0]), GENERATION_CHANGED);
	assert_int_equal(pclk_kernel_log_read(ends[0]), 0);
	assert_int_equal(pclk_kernel_log_read(ends[0]), 0);
	assert_int_equal(pclk_kernel_log_read(ends[0]), -EAGAIN);
	close(ends[0]);
	close(ends[1]);
	free(longer);
}

/* --- this kernel's --------------------------------------------------------- */

static const struct paraclock_env *env;

static int setup(void **state)
{
	(void)state;
	env = paraclock_default_env();
	return 0;
}

static int open_or_skip(void)
{
	int fd = -1;

	if (pclk_kernel_log_open(&fd)) {
		assert_int_equal(fd, -1);
		puts("skipped: this process may not read /dev/kmsg");
		skip();
	}
	return fd;
}

static void write_record(const char *text)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	ssize_t put = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	if (put < 0) {
		puts("skipped: this process may not write to /dev/kmsg");
		skip();
	}
}

static void the_watch_prefers_the_log(void **state)
{
	int log = open_or_skip(), fd = -1;
	char link[64], target[64] = "";

	(void)state;
	close(log);
	assert_int_equal(env->watch_generation(env->ctx, &fd), 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	assert_true(readlink(link, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "/dev/kmsg");
	env->close_device(env->ctx, fd);
}

/* Whatever level and facility it names: the kernel replaces its own. */
static void a_process_is_not_believed(void **state)
{
	struct pollfd poller = { .events = POLLIN };
	int fd = open_or_skip();

	(void)state;
	close(fd);
	fd = -1;
	assert_int_equal(env->watch_generation(env->ctx, &fd), 0);
	assert_int_equal(env->watch_generation(env->ctx, &fd), 0);
	write_record("<5>" FORK "\n");
	write_record(FORK "\n");
	poller.fd = fd;
	/* The kernel may limit how much of what processes write it keeps. */
	if (poll(&poller, 1, 1000) != 1) {
		env->close_device(env->ctx, fd);
		puts("skipped: the kernel keeps no records of processes");
		skip();
	}
	for (unsigned int i = 0; i < 100 && poll(&poller, 1, 0) == 1; i++)
		assert_int_equal(env->watch_generation(env->ctx, &fd), 0);
	env->close_device(env->ctx, fd);
}

static void older_records_are_not_told(void **state)
{
	int fd = open_or_skip();
	unsigned int records = 0;

	(void)state;
	/* Others may be written meanwhile, but not as many as there were. */
	while (pclk_kernel_log_read(fd) != -EAGAIN)
		records++;
	assert_true(records < 100);
	close(fd);
}

/* A child of ours in which each read of fd fails with EPIPE. */
static int read_in_a_child(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)fd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPIPE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = { .len = ARRAY_LEN(code),
					   .filter = code };
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
			_exit(77);
		_exit(env->watch_generation(env->ctx, &fd));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void an_overwritten_record_may_have_been_the_one(void **state)
{
	int fd = open_or_skip();
	int got = read_in_a_child(fd);

	(void)state;
	close(fd);
	if (got == 77) {
		puts("skipped: this process may not filter system calls");
		skip();
	}
	assert_int_equal(got, GENERATION_LOST);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_byte_of_the_record_is_ignored),
		cmocka_unit_test(records_are_read_one_by_one),
		cmocka_unit_test(the_watch_prefers_the_log),
		cmocka_unit_test(a_process_is_not_believed),
		cmocka_unit_test(older_records_are_not_told),
		cmocka_unit_test(an_overwritten_record_may_have_been_the_one),
	};

	ADD_ROWS(texts, a_text);
	each_test(setup, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
