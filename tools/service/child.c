// SPDX-License-Identifier: MIT
/* Other programs: started, listened to, and killed in time. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop.h"

#define OUT_SIZE 4096

struct child {
	struct loop *loop;
	pid_t pid;
	int out_fd; /* negative: closed */
	size_t length;
	char out[OUT_SIZE];
	bool is_quiet;
	child_fn *done; /* NULL: it was called */
	void *arg;
};

/* read(2), of which the buffer keeps what it has room for. The rest is dropped,
 * or the program would wait for a reader. */
static ssize_t read_some(struct child *child)
{
	const size_t left = OUT_SIZE - 1 - child->length;
	char rest[OUT_SIZE];
	ssize_t n;

	if (!left)
		return read(child->out_fd, rest, sizeof(rest));
	n = read(child->out_fd, child->out + child->length, left);
	if (n > 0)
		child->length += (size_t)n;
	return n;
}

static void close_out(struct child *child)
{
	if (child->out_fd < 0)
		return;
	loop_watch(child->loop, child->out_fd, 0, NULL, NULL);
	close(child->out_fd);
	child->out_fd = -1;
}

static void on_output(void *arg)
{
	struct child *child = arg;
	const ssize_t n = read_some(child);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_out(child);
}

static void on_limit(void *arg);

static void report(struct child *child, int status)
{
	child_fn *const done = child->done;

	child->done = NULL;
	loop_timer(child->loop, -1, on_limit, child);
	/* What it wrote last. Not to the end of the file: a process that it
	 * left behind may write for ever. */
	while (child->out_fd >= 0 && child->length < OUT_SIZE - 1 &&
	       read_some(child) > 0)
		;
	close_out(child);
	child->out[child->length] = '\0';
	if (done)
		done(child->arg, status, child->out);
}

/* The program may have moved to another group. Only for a process that is not
 * reaped: its ids are still its own. */
static void kill_all(const struct child *child)
{
	kill(-child->pid, SIGKILL);
	kill(child->pid, SIGKILL);
}

/* A process may outlive SIGKILL for long, if its disk does not answer: the
 * limit holds for the caller, and the process is reaped when it ends. */
static void on_limit(void *arg)
{
	struct child *child = arg;

	kill_all(child);
	report(child, -ETIMEDOUT);
}

static void on_child(void *arg)
{
	struct child *child = arg;
	siginfo_t info = { 0 };
	int status = 0;

	if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT))
		info.si_pid = 0;
	if (info.si_pid != child->pid)
		return;
	kill_all(child);
	waitpid(child->pid, &status, 0);
	loop_forget_child(child->loop, child->pid);
	report(child, status);
	free(child);
}

/* The loop ends before the child. */
static void abandon(void *arg)
{
	struct child *child = arg;

	kill_all(child);
	waitpid(child->pid, NULL, WNOHANG);
	if (child->out_fd >= 0)
		close(child->out_fd);
	free(child);
}

/* A file in memory: the program reads it when it likes, or never. */
static int open_input(const char *input)
{
	size_t left = input ? strlen(input) : 0;
	const int fd = memfd_create("stdin", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (left) {
		const ssize_t n = write(fd, input, left);

		if (n < 0 && errno != EINTR) {
			const int ret = -errno;

			close(fd);
			return ret;
		}
		if (n > 0) {
			input += n;
			left -= (size_t)n;
		}
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Undo what this process did to its own signals: main() ignores SIGPIPE, and
 * the loop blocks those that it reads. */
static void set_attributes(posix_spawnattr_t *attributes,
			   const struct loop *loop)
{
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	posix_spawnattr_setsigdefault(attributes, &pipe);
	posix_spawnattr_setsigmask(attributes, loop_signals_before(loop));
	posix_spawnattr_setpgroup(attributes, 0);
	posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF |
						     POSIX_SPAWN_SETSIGMASK |
						     POSIX_SPAWN_SETPGROUP);
}

static int spawn(struct child *child, char *const argv[], int in_fd, int out_fd)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int ret;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	set_attributes(&attributes, child->loop);
	ret = posix_spawn_file_actions_adddup2(&actions, in_fd, STDIN_FILENO);
	if (!ret)
		ret = posix_spawn_file_actions_adddup2(&actions, out_fd,
						       STDOUT_FILENO);
	if (!ret && child->is_quiet)
		ret = posix_spawn_file_actions_addopen(
			&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (!ret)
		ret = posix_spawnp(&child->pid, argv[0], &actions, &attributes,
				   argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -ret;
}

static int start(struct child *child, char *const argv[], const char *input)
{
	const int in_fd = open_input(input);
	int out[2];
	int ret;

	if (in_fd < 0)
		return in_fd;
	if (pipe2(out, O_CLOEXEC)) {
		ret = -errno;
		close(in_fd);
		return ret;
	}
	ret = spawn(child, argv, in_fd, out[1]);
	close(in_fd);
	close(out[1]);
	child->out_fd = out[0];
	/* Only this end: the program gets a pipe as any other. */
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	return ret;
}

static int watch(struct child *child, int64_t limit_ns)
{
	const struct loop_child reaped = {
		.pid = child->pid,
		.fn = on_child,
		.cleanup = abandon,
		.arg = child,
	};

	if (loop_watch(child->loop, child->out_fd, POLLIN, on_output, child) ||
	    loop_timer(child->loop, limit_ns, on_limit, child) ||
	    loop_watch_child(child->loop, &reaped)) {
		kill_all(child);
		waitpid(child->pid, NULL, 0);
		loop_timer(child->loop, -1, on_limit, child);
		return -ENOMEM;
	}
	return 0;
}

static int start_and_watch(const struct child *as, char *const argv[],
			   const char *input, int64_t limit_ns)
{
	struct child *child = calloc(1, sizeof(*child));
	int ret;

	if (!child)
		return -ENOMEM;
	child->loop = as->loop;
	child->out_fd = -1;
	child->is_quiet = as->is_quiet;
	child->done = as->done;
	child->arg = as->arg;
	ret = start(child, argv, input);
	if (!ret)
		ret = watch(child, limit_ns);
	if (ret) {
		close_out(child);
		free(child);
	}
	return ret;
}

int child_start(struct loop *loop, char *const argv[], const char *input,
		int64_t limit_ns, child_fn *done, void *arg)
{
	const struct child as = { .loop = loop, .done = done, .arg = arg };

	return start_and_watch(&as, argv, input, limit_ns);
}

int child_start_quiet(struct loop *loop, char *const argv[], int64_t limit_ns,
		      child_fn *done, void *arg)
{
	const struct child as = {
		.loop = loop,
		.is_quiet = true,
		.done = done,
		.arg = arg,
	};

	return start_and_watch(&as, argv, NULL, limit_ns);
}
