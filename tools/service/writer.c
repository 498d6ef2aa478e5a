// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "writer.h"

struct process {
	char state;
	uint64_t started_ticks;
};

/* What follows the name in /proc/PID/stat: the state, and 18 numbers before the
 * time when the process started. A name may have blanks and brackets in it. */
#define STAT_OF_STATE " %c"
#define STAT_OF_START                                               \
	" %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s " \
	"%*s %*s %*s %*s %" SCNu64

static int read_stat(pid_t pid, struct process *ret_process)
{
	char path[32], text[1024] = "";
	const char *after;
	int fd;

	*ret_process = (struct process){ 0 };
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	after = strrchr(text, ')');
	if (!after ||
	    sscanf(after + 1, STAT_OF_STATE STAT_OF_START, &ret_process->state,
		   &ret_process->started_ticks) != 2)
		return -EPROTO;
	return 0;
}

uint64_t writer_started_ticks(void)
{
	struct process own;

	return read_stat(getpid(), &own) ? 0 : own.started_ticks;
}

/* Another process may have the number by now, also another paraclock; in a
 * container it may be this one. What was killed and what was stopped does
 * nothing. */
static bool is_ours(pid_t pid, uint64_t started_ticks)
{
	struct process process;

	if (read_stat(pid, &process))
		return true;
	return process.started_ticks == started_ticks &&
	       !strchr("ZXTt", process.state);
}

bool writer_is_running(const json_t *state)
{
	json_int_t pid = json_integer_value(json_object_get(state, "pid"));
	json_int_t started =
		json_integer_value(json_object_get(state, "started_ticks"));

	return pid > 0 && pid <= INT32_MAX &&
	       (!kill((pid_t)pid, 0) || errno == EPERM) &&
	       is_ours((pid_t)pid, (uint64_t)started);
}
