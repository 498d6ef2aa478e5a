// SPDX-License-Identifier: MIT
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "chrony.h"
#include "duration.h"

#define FIRST_WAIT_NS (NSEC_PER_SEC / 2)
#define LAST_WAIT_NS  (30 * NSEC_PER_SEC)
#define LIMIT_NS      (10 * NSEC_PER_SEC)

/* Compiled in by default, and Debian's. */
#define PID_FILE "/run/chrony/chronyd.pid"

static bool is_chronyd_running(void)
{
	FILE *file = fopen(PID_FILE, "re");
	long pid = 0;
	char text[32];

	if (!file)
		/* Its folder may be closed to us while chronyd runs. */
		return errno == EACCES;
	if (fgets(text, sizeof(text), file))
		pid = strtol(text, NULL, 10);
	fclose(file);
	return pid > 0 && (!kill((pid_t)pid, 0) || errno == EPERM);
}

static void start(void *arg);

static void after_burst(void *arg, int status, const char *out)
{
	struct chrony *chrony = arg;

	chrony->is_running = false;
	/* A burst is for NTP servers, and some have none. */
	if (status && !strstr(out, "503 No such source"))
		service_log(LOG_LEVEL_WARNING,
			    "chronyc burst failed; chronyd measures anew at "
			    "its next poll");
	if (chrony->is_asked)
		start(chrony);
}

static void run(struct chrony *chrony, const char *command,
		const char *argument, child_fn *done)
{
	const char *argv[6] = { "chronyc" };
	int n = 1, ret;

	if (chrony->socket) {
		argv[n++] = "-h";
		argv[n++] = chrony->socket;
	}
	argv[n++] = command;
	argv[n] = argument;
	ret = child_start(chrony->loop, (char *const *)(uintptr_t)argv, NULL,
			  LIMIT_NS, done, chrony);
	chrony->is_running = !ret;
	if (ret)
		done(chrony, ret, "");
}

static void try_later(struct chrony *chrony)
{
	chrony->is_asked = true;
	(void)loop_timer(chrony->loop, chrony->wait_ns, start, chrony);
	chrony->wait_ns *= 2;
	if (chrony->wait_ns > LAST_WAIT_NS)
		chrony->wait_ns = LAST_WAIT_NS;
}

static void log_failure(int status, const char *out)
{
	size_t length = strcspn(out, "\n");

	if (status == -ENOENT)
		service_log(LOG_LEVEL_WARNING,
			    "chronyd cannot be told to forget its "
			    "measurements: chronyc is not in PATH; trying "
			    "until it is");
	else
		service_log(LOG_LEVEL_WARNING,
			    "chronyc reset sources failed%s%.*s; trying until "
			    "it succeeds. It needs to run as root or chronyd's "
			    "user",
			    length ? ": " : "", (int)length, out);
}

static void after_reset(void *arg, int status, const char *out)
{
	struct chrony *chrony = arg;

	chrony->is_running = false;
	if (!status) {
		service_log(LOG_LEVEL_INFO,
			    "chronyd has forgotten its measurements");
		chrony->is_told = false;
		run(chrony, "burst", "4/4", after_burst);
		return;
	}
	if (!chrony->is_told)
		log_failure(status, out);
	chrony->is_told = true;
	try_later(chrony);
}

static void start(void *arg)
{
	struct chrony *chrony = arg;

	/* The timer of a try that another one has overtaken. */
	if (chrony->is_running || !chrony->is_asked)
		return;
	chrony->is_asked = false;
	/* By a socket of the user's, chronyc finds out. */
	if (chrony->socket || is_chronyd_running())
		run(chrony, "reset", "sources", after_reset);
}

void chrony_forget(struct chrony *chrony)
{
	chrony->wait_ns = FIRST_WAIT_NS;
	chrony->is_asked = true;
	start(chrony);
}

bool chrony_is_busy(const struct chrony *chrony)
{
	return chrony->is_running || chrony->is_asked;
}
