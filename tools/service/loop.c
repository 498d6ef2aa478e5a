// SPDX-License-Identifier: MIT
/* One poll(2) loop: descriptors, timers, signals and children. */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "duration.h"
#include "loop.h"
#include "timers.h"

/* timer_fd has fired, and is to be set anew. */
#define TIMER_UNKNOWN (-1)

/* What is polled besides the watches, and where. */
enum {
	POLL_SIGNALS,
	POLL_TIMERS,
	POLL_WATCHES
};

/* poll(2) ignores a negative descriptor: a child is watched as -pid. */
struct watch {
	int fd;
	short events;
	/* Added since poll(2) was called: what that returned is not for it. */
	bool fresh;
	loop_fn *fn;
	loop_fn *cleanup;
	void *arg;
};

struct loop {
	int signal_fd;
	int timer_fd;
	bool ended;
	/* A signal said so, and not all children have been asked yet. */
	bool child_changed;
	int status;
	int64_t armed_ns; /* what timer_fd is set to */
	struct watch *watches;
	size_t watch_count;
	size_t watch_room;
	struct pollfd *polls; /* room for watch_room + POLL_WATCHES */
	struct timers timers;
	sigset_t before;
};

int64_t loop_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* nohup(1) and a shell's background jobs ignore some signals. Blocked ones
 * would reach signalfd(2) all the same. */
static void add_unless_ignored(sigset_t *set, int number)
{
	struct sigaction action;

	sigaction(number, NULL, &action);
	if (action.sa_handler != SIG_IGN)
		sigaddset(set, number);
}

static int open_signals(struct loop *loop)
{
	const struct sigaction reap = { .sa_handler = SIG_DFL };
	sigset_t caught;

	sigemptyset(&caught);
	add_unless_ignored(&caught, SIGTERM);
	add_unless_ignored(&caught, SIGINT);
	add_unless_ignored(&caught, SIGHUP);
	/* If SIGCHLD were ignored, the kernel would reap the children. */
	sigaction(SIGCHLD, &reap, NULL);
	sigaddset(&caught, SIGCHLD);

	loop->signal_fd = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->signal_fd < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &caught, &loop->before);
	return 0;
}

static int open_files(struct loop *loop)
{
	loop->polls = calloc(POLL_WATCHES, sizeof(*loop->polls));
	if (!loop->polls)
		return -ENOMEM;
	loop->timer_fd =
		timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->timer_fd < 0)
		return -errno;
	return open_signals(loop);
}

int loop_new(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int ret;

	if (!loop)
		return -ENOMEM;
	loop->signal_fd = loop->timer_fd = -1;
	loop->armed_ns = TIMER_NEVER;
	ret = open_files(loop);
	if (ret) {
		loop_free(loop);
		return ret;
	}
	*ret_loop = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	for (size_t i = 0; i < loop->watch_count; i++) {
		if (loop->watches[i].cleanup)
			loop->watches[i].cleanup(loop->watches[i].arg);
	}
	if (loop->signal_fd >= 0) {
		sigprocmask(SIG_SETMASK, &loop->before, NULL);
		close(loop->signal_fd);
	}
	if (loop->timer_fd >= 0)
		close(loop->timer_fd);
	free(loop->watches);
	free(loop->polls);
	timers_free(&loop->timers);
	free(loop);
}

static struct watch *find_watch(struct loop *loop, int fd)
{
	for (size_t i = 0; i < loop->watch_count; i++) {
		if (loop->watches[i].fd == fd)
			return &loop->watches[i];
	}
	return NULL;
}

/* Never less room than before: a round may be walking along the polls. */
static int make_room_for_watch(struct loop *loop)
{
	const size_t room = loop->watch_count + 1;
	struct watch *watches;
	struct pollfd *polls;

	if (room <= loop->watch_room)
		return 0;
	watches = reallocarray(loop->watches, room, sizeof(*watches));
	if (!watches)
		return -ENOMEM;
	loop->watches = watches;
	polls = reallocarray(loop->polls, room + POLL_WATCHES, sizeof(*polls));
	if (!polls)
		return -ENOMEM;
	loop->polls = polls;
	loop->watch_room = room;
	return 0;
}

static int put_watch(struct loop *loop, const struct watch *watch)
{
	struct watch *old = find_watch(loop, watch->fd);

	if (!old) {
		if (make_room_for_watch(loop))
			return -ENOMEM;
		old = &loop->watches[loop->watch_count++];
	}
	*old = *watch;
	return 0;
}

/* Keep the order: it is the order in which functions are called. */
static void remove_watch(struct loop *loop, int fd)
{
	struct watch *watch = find_watch(loop, fd);
	size_t after;

	if (!watch)
		return;
	after = loop->watch_count - (size_t)(watch - loop->watches) - 1;
	memmove(watch, watch + 1, after * sizeof(*watch));
	loop->watch_count--;
}

int loop_watch(struct loop *loop, int fd, short events, loop_fn *fn, void *arg)
{
	const struct watch watch = {
		.fd = fd,
		.events = events,
		.fresh = true,
		.fn = fn,
		.arg = arg,
	};

	if (events)
		return put_watch(loop, &watch);
	remove_watch(loop, fd);
	return 0;
}

int loop_watch_child(struct loop *loop, const struct loop_child *child)
{
	const struct watch watch = {
		.fd = -child->pid,
		.fresh = true,
		.fn = child->fn,
		.cleanup = child->cleanup,
		.arg = child->arg,
	};

	return put_watch(loop, &watch);
}

void loop_forget_child(struct loop *loop, pid_t pid)
{
	remove_watch(loop, -pid);
}

const sigset_t *loop_signals_before(const struct loop *loop)
{
	return &loop->before;
}

int loop_timer(struct loop *loop, int64_t in_ns, loop_fn *fn, void *arg)
{
	int64_t due_ns;

	if (in_ns < 0) {
		timers_cancel(&loop->timers, fn, arg);
		return 0;
	}
	if (__builtin_add_overflow(loop_now_ns(), in_ns, &due_ns))
		due_ns = TIMER_NEVER;
	return timers_set(&loop->timers, &(struct timer){ .due_ns = due_ns,
							  .fn = fn,
							  .arg = arg });
}

/* Setting timer_fd also clears what it has counted: nobody has to read it. */
static void arm(struct loop *loop)
{
	const int64_t due_ns = timers_first_due(&loop->timers);
	struct itimerspec when = { 0 };

	if (due_ns == loop->armed_ns)
		return;
	if (due_ns != TIMER_NEVER) {
		when.it_value.tv_sec = due_ns / NSEC_PER_SEC;
		when.it_value.tv_nsec = due_ns % NSEC_PER_SEC;
	}
	timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
	loop->armed_ns = due_ns;
}

/* As many as were due at first: a timer that sets itself to 0 ns must not keep
 * the descriptors from being served. */
static void run_timers(struct loop *loop)
{
	const int64_t now = loop_now_ns();
	size_t due = timers_count_due(&loop->timers, now);
	struct timer timer;

	loop->armed_ns = TIMER_UNKNOWN;
	/* A function may move or cancel the others. */
	while (due-- && !loop->ended &&
	       timers_take_due(&loop->timers, now, &timer))
		timer.fn(timer.arg);
}

static void take_signals(struct loop *loop)
{
	struct signalfd_siginfo info;

	while (read(loop->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			loop->child_changed = true;
		else
			loop_end(loop, 0);
	}
}

static void run_watches(struct loop *loop, size_t count)
{
	const bool child = loop->child_changed;

	for (size_t i = POLL_WATCHES; i < count && !loop->ended; i++) {
		const struct pollfd poller = loop->polls[i];
		struct watch *watch;

		if (poller.fd < 0 ? !child : !poller.revents)
			continue;
		/* An earlier function may have removed or replaced it. */
		watch = find_watch(loop, poller.fd);
		if (watch && !watch->fresh)
			watch->fn(watch->arg);
	}
	/* If the loop has ended, it asks the others when it is run again. */
	if (!loop->ended)
		loop->child_changed = false;
}

static size_t fill_polls(struct loop *loop)
{
	struct pollfd *polls = loop->polls;

	polls[POLL_SIGNALS] = (struct pollfd){ loop->signal_fd, POLLIN, 0 };
	polls[POLL_TIMERS] = (struct pollfd){ loop->timer_fd, POLLIN, 0 };
	for (size_t i = 0; i < loop->watch_count; i++) {
		struct watch *watch = &loop->watches[i];

		watch->fresh = false;
		polls[POLL_WATCHES + i] =
			(struct pollfd){ watch->fd, watch->events, 0 };
	}
	return POLL_WATCHES + loop->watch_count;
}

static void run_once(struct loop *loop)
{
	const size_t count = fill_polls(loop);

	arm(loop);
	if (poll(loop->polls, count, loop->child_changed ? 0 : -1) < 0) {
		if (errno == EINTR)
			return;
		service_log(LOG_LEVEL_ERROR, "poll: %s", strerror(errno));
		loop_end(loop, EXIT_FAILURE);
		return;
	}
	if (loop->polls[POLL_SIGNALS].revents)
		take_signals(loop);
	if (!loop->ended && loop->polls[POLL_TIMERS].revents)
		run_timers(loop);
	run_watches(loop, count);
}

int loop_run(struct loop *loop)
{
	while (!loop->ended)
		run_once(loop);
	loop->ended = false;
	return loop->status;
}

void loop_end(struct loop *loop, int status)
{
	loop->ended = true;
	loop->status = status;
}
