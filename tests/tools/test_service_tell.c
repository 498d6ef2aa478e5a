// SPDX-License-Identifier: MIT
/* What a service tells: lines of its log, and datagrams for systemd. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "service.h"

/* --- the log -------------------------------------------------------------- */

struct log_case {
	const char *name;
	const char *text;
	bool is_journal;
	int level;
	const char *want;
};

static struct log_case log_cases[] = {
	/* clang-format off */
	{ "a line has the command's name", "the clock is right", false,
	  LOG_LEVEL_INFO, "paraclock keep: the clock is right\n" },
	{ "the journal gets the priority", "stepped", true,
	  LOG_LEVEL_NOTICE, "<5>paraclock keep: stepped\n" },
	{ "the journal gets the priority of an error", "cannot", true,
	  LOG_LEVEL_ERROR, "<3>paraclock keep: cannot\n" },
	{ "one call is one line", "a\nb\r\n", false,
	  LOG_LEVEL_INFO, "paraclock keep: a?b??\n" },
	{ "no other priority can be smuggled in", "a\n<0>b", true,
	  LOG_LEVEL_INFO, "<6>paraclock keep: a?<0>b\n" },
	{ "a terminal is not controlled", "\033[2J\t\x7f\x9b."  , false,
	  LOG_LEVEL_INFO, "paraclock keep: ?[2J???.\n" },
	{ "the text is no format of its own", "100 %n %s", false,
	  LOG_LEVEL_INFO, "paraclock keep: 100 %n %s\n" },
	/* clang-format on */
};

/* Log into a pipe instead of stderr; returns what was read. */
static void log_line(const struct log_case *c, char *line, size_t size)
{
	const int old = dup(STDERR_FILENO);
	struct stat st;
	char name[64];
	int fd[2];
	ssize_t n;

	assert_int_equal(pipe(fd), 0);
	assert_int_equal(dup2(fd[1], STDERR_FILENO), STDERR_FILENO);
	close(fd[1]);
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	/* Of another file, where it is not the journal. */
	snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino + !c->is_journal);
	setenv("JOURNAL_STREAM", name, 1);
	errno = EPERM;
	service_log(c->level, "%s", c->text);
	assert_int_equal(errno, EPERM);
	unsetenv("JOURNAL_STREAM");
	dup2(old, STDERR_FILENO);
	close(old);
	n = read(fd[0], line, size - 1);
	assert_true(n > 0);
	line[n] = '\0';
	close(fd[0]);
}

static void check_log(void **state)
{
	const struct log_case *c = *state;
	char line[2048];

	log_line(c, line, sizeof(line));
	assert_string_equal(line, c->want);
}

static void a_long_line_is_cut(void **state)
{
	struct log_case c = { .level = LOG_LEVEL_INFO };
	char text[4096], line[4096];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	c.text = text;
	log_line(&c, line, sizeof(line));
	assert_true(strlen(line) < 2200);
	assert_string_equal(line + strlen(line) - 3, "xx\n");
}

/* It returns, and that is all that can be said. */
static void a_reader_that_is_stuck_stops_nobody(void **state)
{
	const int old = dup(STDERR_FILENO);
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
	while (write(fd[1], "", 1) == 1)
		;
	fcntl(fd[1], F_SETFL, 0);
	dup2(fd[1], STDERR_FILENO);
	service_log(LOG_LEVEL_INFO, "nobody reads this");
	dup2(old, STDERR_FILENO);
	close(old);
	close(fd[0]);
	close(fd[1]);
}

/* --- systemd -------------------------------------------------------------- */

#define FOLDER "/tmp/paraclock-tell-XXXXXX"

static int open_socket(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	const size_t length = strlen(name);

	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(
		bind(fd, (struct sockaddr *)&address,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				 length)),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static const char *take(int fd)
{
	static char text[1024];
	const ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void tell_all(int fd)
{
	notify_ready("waiting for the host");
	assert_string_equal(take(fd), "READY=1\nSTATUS=waiting for the host");
	notify_status("right\nMAINPID=1");
	assert_string_equal(take(fd), "STATUS=right?MAINPID=1");
	notify_stopping();
	assert_string_equal(take(fd), "STOPPING=1");
	assert_string_equal(take(fd), "");
}

static void systemd_is_told_by_a_path(void **state)
{
	char folder[] = FOLDER, path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/notify", folder);
	fd = open_socket(path);
	tell_all(fd);
	close(fd);
	unlink(path);
	rmdir(folder);
}

static void systemd_is_told_by_an_abstract_name(void **state)
{
	char name[64];
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@paraclock-tell-%ld", (long)getpid());
	fd = open_socket(name);
	tell_all(fd);
	close(fd);
}

/* None of these may end the process or send anything anywhere. */
static void without_a_usable_socket_nobody_is_told(void **state)
{
	static const char *const names[] = {
		"", "/", "@", "relative", "vsock:2:1234", "/nonexistent/x"
	};
	char name[256];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify_ready("x");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		notify_ready("x");
	}
	memset(name, '/', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	notify_stopping();
	unsetenv("NOTIFY_SOCKET");
}

static void a_long_status_is_cut(void **state)
{
	char name[64], text[4096];
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@paraclock-tell-%ld", (long)getpid());
	fd = open_socket(name);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	notify_status(text);
	assert_int_equal(strlen(take(fd)), 7 + 255);
	close(fd);
}

struct watchdog_case {
	const char *name;
	const char *usec;
	int pid; /* added to this process's; -1: not set */
	bool is_fed;
};

static struct watchdog_case watchdog_cases[] = {
	{ "a watchdog is fed again and again", "2000", 0, true },
	{ "a watchdog without a process is this one's", "2000", -1, true },
	{ "another process's watchdog is not fed", "2000", 1, false },
	{ "no watchdog", NULL, 0, false },
	{ "a watchdog of 0", "0", 0, false },
	{ "a negative watchdog", "-2000", 0, false },
	{ "a watchdog that is no number", "2000x", 0, false },
	{ "an empty watchdog", "", 0, false },
	{ "a watchdog beyond all numbers", "99999999999999999999", 0, false },
	{ "a watchdog of 500000 years", "15768000000000000000", 0, false },
};

struct counter {
	struct loop *loop;
	int fd;
	unsigned int count;
};

static void count_datagram(void *arg)
{
	struct counter *counter = arg;

	assert_string_equal(take(counter->fd), "WATCHDOG=1");
	if (++counter->count == 3)
		loop_end(counter->loop, 0);
}

static void end_loop(void *arg)
{
	struct counter *counter = arg;

	loop_end(counter->loop, 0);
}

static void set_watchdog(const struct watchdog_case *c)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "%ld", (long)getpid() + c->pid);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (c->usec)
		setenv("WATCHDOG_USEC", c->usec, 1);
	if (c->pid >= 0)
		setenv("WATCHDOG_PID", pid, 1);
}

static void check_watchdog(void **state)
{
	const struct watchdog_case *c = *state;
	struct counter counter = { 0 };
	char name[64];

	snprintf(name, sizeof(name), "@paraclock-tell-%ld", (long)getpid());
	counter.fd = open_socket(name);
	assert_int_equal(loop_new(&counter.loop), 0);
	loop_watch(counter.loop, counter.fd, POLLIN, count_datagram, &counter);
	set_watchdog(c);
	notify_watchdog(counter.loop);
	if (!c->is_fed)
		loop_timer(counter.loop, 20000000, end_loop, &counter);
	loop_run(counter.loop);
	assert_int_equal(counter.count, c->is_fed ? 3 : 0);
	loop_free(counter.loop);
	close(counter.fd);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

int main(void)
{
	struct CMUnitTest rows[LENGTH(log_cases) + LENGTH(watchdog_cases)];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_line_is_cut),
		cmocka_unit_test(a_reader_that_is_stuck_stops_nobody),
		cmocka_unit_test(systemd_is_told_by_a_path),
		cmocka_unit_test(systemd_is_told_by_an_abstract_name),
		cmocka_unit_test(without_a_usable_socket_nobody_is_told),
		cmocka_unit_test(a_long_status_is_cut),
	};
	size_t n = 0;

	memset(rows, 0, sizeof(rows));
	for (size_t i = 0; i < LENGTH(log_cases); i++, n++) {
		rows[n].name = log_cases[i].name;
		rows[n].test_func = check_log;
		rows[n].initial_state = &log_cases[i];
	}
	for (size_t i = 0; i < LENGTH(watchdog_cases); i++, n++) {
		rows[n].name = watchdog_cases[i].name;
		rows[n].test_func = check_watchdog;
		rows[n].initial_state = &watchdog_cases[i];
	}
	program_invocation_short_name = (char *)(uintptr_t) "paraclock keep";
	return cmocka_run_group_tests_name("lines", rows, NULL, NULL) +
	       cmocka_run_group_tests_name("others", tests, NULL, NULL);
}
