// SPDX-License-Identifier: MIT
/* Signals that ask the program to stop: it does so at a safe point. */

#include <poll.h>
#include <signal.h>

#include "tools.h"

volatile sig_atomic_t stop;

static sigset_t caught;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

void stop_on_signals(bool once)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = on_signal };

	if (once)
		action.sa_flags = (int)SA_RESETHAND;
	sigemptyset(&action.sa_mask);
	sigemptyset(&caught);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction old;

		sigaction(signals[i], NULL, &old);
		/* nohup(1) and a shell's background jobs ignore some. */
		if (old.sa_handler == SIG_IGN)
			continue;
		sigaction(signals[i], &action, NULL);
		sigaddset(&caught, signals[i]);
	}
}

int stop_poll(struct pollfd *poller, unsigned int n,
	      const struct timespec *left)
{
	sigset_t outside;
	int ret = -1;

	sigprocmask(SIG_BLOCK, &caught, &outside);
	if (!stop)
		ret = ppoll(poller, n, left, &outside);
	sigprocmask(SIG_SETMASK, &outside, NULL);
	return ret;
}
