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

static int spawn(const int fds[3], pid_t *ret_pid)
{
	char name[] = "gnuplot", defaults[] = "-d";
	char *const argv[] = { name, defaults, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int ret = 0;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	set_attributes(&attributes);
	for (int i = 0; i < 3 && !ret; i++)
		ret = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
	if (!ret)
		ret = posix_spawnp(ret_pid, name, &actions, &attributes, argv,
				   environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -ret;
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

static int run(int script_fd, int out_fd, const int errors[2], char *said,
	       size_t size)
{
	const int fds[3] = { script_fd, out_fd, errors[1] };
	int status = 0, ret;
	pid_t pid;

	ret = spawn(fds, &pid);
	close(errors[1]);
	if (ret)
		return ret;
	ret = listen_to(errors[0], said, size);
	if (ret)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return !ret && status ? -EPROTO : ret;
}

int gnuplot_run(int script_fd, int out_fd, char *said, size_t size)
{
	int errors[2], ret;

	said[0] = '\0';
	if (pipe2(errors, O_CLOEXEC))
		return -errno;
	ret = run(script_fd, out_fd, errors, said, size);
	close(errors[0]);
	return ret;
}
