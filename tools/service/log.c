// SPDX-License-Identifier: MIT
/* The log: one line on stderr for each change of state. */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service.h"

/* A line longer than this is cut. */
#define LINE_SIZE 2048

/* A reader of the log that is stuck costs a line, not the service. */
#define WAIT_MS 1000

/* systemd names the stream that it made; stderr may since have become another
 * file. */
static bool is_journal(void)
{
	const char *name = getenv("JOURNAL_STREAM");
	char mine[48];
	struct stat st;

	if (!name || fstat(STDERR_FILENO, &st))
		return false;
	snprintf(mine, sizeof(mine), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	return strcmp(name, mine) == 0;
}

static void write_line(const char *line, size_t length)
{
	struct pollfd poller = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&poller, 1, WAIT_MS) <= 0)
		return;
	/* Where else could a failure be reported? */
	if (write(STDERR_FILENO, line, length) < 0)
		return;
}

void service_make_printable(char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			*text = '?';
	}
}

void service_log(int level, const char *format, ...)
{
	const int before = errno;
	char text[LINE_SIZE], line[LINE_SIZE + 64], level_text[16] = "";
	va_list args;
	int length;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	service_make_printable(text);

	if (is_journal())
		snprintf(level_text, sizeof(level_text), "<%d>", level);
	length = snprintf(line, sizeof(line), "%s%.48s: %s\n", level_text,
			  program_invocation_short_name, text);
	if (length > 0)
		write_line(line, (size_t)length);
	errno = before;
}
