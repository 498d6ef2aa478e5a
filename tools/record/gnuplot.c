// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gnuplot.h"
#include "tools.h"

/* It draws within seconds. Nobody has to wait for one that hangs. */
#define LIMIT_SEC 300

/* main() ignores SIGPIPE, and a program would inherit that. */
static void set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	posix_spawnattr_setsigdefault(attributes, &pipe);
	posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF);
}

/* The process, or a negative errno. @p fds are 3 or more: none is overwritten
 * before it is used. */
static pid_t spawn(const int fds[3])
{
	char name[] = "gnuplot", defaults[] = "-d";
	char *const argv[] = { name, defaults, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid = 0;
	int ret = 0;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	set_attributes(&attributes);
	for (int i = 0; i < 3 && !ret; i++)
		ret = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
	if (!ret)
		ret = posix_spawnp(&pid, name, &actions, &attributes, argv,
				   environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return ret ? -ret : pid;
}

/* Until it closes its stderr, which it does when it ends. Keep the begin. */
static int listen_to(int fd, char *said, size_t size)
{
	const struct timespec limit = { .tv_sec = LIMIT_SEC };
	size_t length = 0;

	for (;;) {
		struct pollfd poller = { .fd = fd, .events = POLLIN };
		const int ready = stop_poll(&poller, 1, &limit);
		char rest[512];
		ssize_t n;

		if (stop)
			return -EINTR;
		if (ready == 0)
			return -ETIMEDOUT;
		n = read(fd, rest, sizeof(rest));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		for (ssize_t i = 0; i < n && length + 1 < size; i++)
			said[length++] = rest[i];
		said[length] = '\0';
	}
}

/* A pipe for its stderr, and copies of the others: a caller whose own stdin or
 * stdout is closed has them where a child's belong. */
static int open_fds(int script_fd, int out_fd, int fds[3], int *ret_errors)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	*ret_errors = ends[0];
	fds[0] = fcntl(script_fd, F_DUPFD_CLOEXEC, 3);
	fds[1] = fcntl(out_fd, F_DUPFD_CLOEXEC, 3);
	fds[2] = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
	close(ends[1]);
	return fds[0] < 0 || fds[1] < 0 || fds[2] < 0 ? -EMFILE : 0;
}

static int wait_for(pid_t pid, int errors, char *said, size_t size)
{
	const int ret = listen_to(errors, said, size);
	int status = 0;

	if (ret)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return !ret && status ? -EPROTO : ret;
}

int gnuplot_run(int script_fd, int out_fd, char *said, size_t size)
{
	int fds[3] = { -1, -1, -1 }, errors = -1;
	int ret = open_fds(script_fd, out_fd, fds, &errors);
	pid_t pid = 0;

	said[0] = '\0';
	if (!ret)
		pid = spawn(fds);
	for (int i = 0; i < 3; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	if (pid > 0)
		ret = wait_for(pid, errors, said, size);
	else if (!ret)
		ret = pid;
	if (errors >= 0)
		close(errors);
	return ret;
}
