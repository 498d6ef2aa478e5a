// SPDX-License-Identifier: MIT
/* stdout: whole, or a failure; and what fits on it. */

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
/* Narrower than this nothing is readable: let the terminal wrap. */
#define WIDTH_MIN 40U

/* Whoever closed the pipe, or sent a signal, knows. */
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
	/* Said once: output_close() has no more to say. */
	clearerr(stdout);
	__fpurge(stdout);
	return -EIO;
}

void output_close(void)
{
	bool used = __fpending(stdout) > 0;
	bool failed = ferror(stdout) != 0;

	errno = 0;
	/* A stdout that never was open is missed only by who used it. */
	if (fclose(stdout) && (used || errno != EBADF))
		failed = true;
	if (!failed)
		return;
	complain(errno);
	/* exit() in an exit handler is undefined; stderr has no buffer. */
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
	/* A word of more than a line is cut. */
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
