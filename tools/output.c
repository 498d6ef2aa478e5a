// SPDX-License-Identifier: MIT
/* stdout: all of it is written or the command fails; and how wide it is. */

#include <err.h>
#include <errno.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools.h"

#define WIDTH_DEFAULT  80U
#define HEIGHT_DEFAULT 24U
/* Text narrower than this is unreadable: let the terminal wrap it. */
#define WIDTH_MIN 40U

/* Whoever closed the pipe or sent a signal knows why. */
static void complain(int error)
{
	if (error != EPIPE && error != EINTR)
		warnx("stdout: %s", error ? strerror(error) : "write error");
}

int output_flush(void)
{
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	complain(errno);
	/* Reported once: output_close() must not report it again. */
	clearerr(stdout);
	__fpurge(stdout);
	return -EIO;
}

void output_close(void)
{
	bool used = __fpending(stdout) > 0;
	bool failed = ferror(stdout) != 0;

	errno = 0;
	/* A stdout that was never open matters only if something was
	 * printed. */
	if (fclose(stdout) && (used || errno != EBADF))
		failed = true;
	if (!failed)
		return;
	complain(errno);
	/* exit() inside an exit handler is undefined; stderr is unbuffered. */
	_exit(STATUS_FAILED);
}

bool output_has_colour(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term &&
	       term[0] && strcmp(term, "dumb") != 0;
}

const char *output_style(const char *style)
{
	return output_has_colour() ? style : "";
}

unsigned int output_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return WIDTH_DEFAULT;
	return size.ws_col > WIDTH_MIN ? size.ws_col : WIDTH_MIN;
}

unsigned int output_height(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row)
		return HEIGHT_DEFAULT;
	return size.ws_row;
}

size_t wrap_length(const char *text, size_t width)
{
	size_t length = strlen(text);
	size_t end = width;

	if (length <= width)
		return length;
	while (end && text[end] != ' ')
		end--;
	/* A word longer than a line is cut. */
	return end ? end : width;
}

void print_wrapped(const char *text, unsigned int indent, unsigned int width)
{
	while (*text) {
		size_t length = wrap_length(text, width - indent);

		printf("%*s%.*s\n", (int)indent, "", (int)length, text);
		text += length;
		text += strspn(text, " ");
	}
}
