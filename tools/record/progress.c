// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "progress.h"

/* What is over sooner needs no bar. */
#define SHORT_NS 2000000000

#define WIDTH_DEFAULT 80U
#define WIDTH_MAX     200U
#define BAR_MIN	      10U
#define BAR_MAX	      40U

static unsigned int terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return WIDTH_DEFAULT;
	return size.ws_col < WIDTH_MAX ? size.ws_col : WIDTH_MAX;
}

void progress_start(struct progress *progress, int64_t total_ns)
{
	const char *term = getenv("TERM");

	progress->total_ns = total_ns;
	progress->is_shown = isatty(STDERR_FILENO) && term && term[0] &&
			     strcmp(term, "dumb") != 0 &&
			     (!total_ns || total_ns > SHORT_NS);
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

void progress_format_counts(const struct progress *progress, char *buf,
			    size_t size)
{
	snprintf(buf, size,
		 "%" PRIu64 " reading%s, %" PRIu64 " not valid, %" PRIu64
		 " disruption%s",
		 progress->readings, plural(progress->readings),
		 progress->not_valid, progress->disruptions,
		 plural(progress->disruptions));
}

static double share(const struct progress *progress, int64_t elapsed_ns)
{
	const double done = (double)elapsed_ns / (double)progress->total_ns;

	return done < 1 ? done : 1;
}

/* "[####------]", or nothing where there is no room for it. */
static void format_bar(double done, unsigned int room, char *buf, size_t size)
{
	char cells[BAR_MAX + 1];
	unsigned int width, full;

	buf[0] = '\0';
	if (room < BAR_MIN + 4)
		return;
	/* Less the brackets and two spaces. */
	width = room - 4 < BAR_MAX ? room - 4 : BAR_MAX;
	full = (unsigned int)(done * width);
	memset(cells, '-', width);
	memset(cells, '#', full);
	cells[width] = '\0';
	snprintf(buf, size, "[%s]  ", cells);
}

void progress_format(const struct progress *progress, int64_t elapsed_ns,
		     unsigned int width, char *buf, size_t size)
{
	char counts[128], text[256], bar[BAR_MAX + 8] = "";
	double done;
	size_t length;

	progress_format_counts(progress, counts, sizeof(counts));
	if (!progress->total_ns) {
		snprintf(text, sizeof(text), "%.1f s: %s",
			 (double)elapsed_ns / 1e9, counts);
	} else {
		done = share(progress, elapsed_ns);
		snprintf(text, sizeof(text), "%3.0f %%  %.1f of %.1f s: %s",
			 done * 100, (double)elapsed_ns / 1e9,
			 (double)progress->total_ns / 1e9, counts);
		length = strlen(text);
		format_bar(done,
			   width > length ? width - (unsigned int)length : 0,
			   bar, sizeof(bar));
	}
	snprintf(buf, size, "%s%s", bar, text);
	if (strlen(buf) > width && width < size)
		buf[width] = '\0';
}

void progress_draw(struct progress *progress, int64_t now_ns,
		   int64_t elapsed_ns)
{
	/* The last column stays empty: some terminals wrap there. */
	const unsigned int width = terminal_width() - 1;
	char line[WIDTH_MAX + 1];

	if (!progress->is_shown ||
	    (progress->is_drawn &&
	     now_ns - progress->drawn_at_ns < PROGRESS_EVERY_NS))
		return;
	progress_format(progress, elapsed_ns, width, line, sizeof(line));
	fprintf(stderr, "\r%-*s", (int)width, line);
	progress->is_drawn = true;
	progress->drawn_at_ns = now_ns;
}

void progress_clear(struct progress *progress)
{
	if (!progress->is_drawn)
		return;
	fprintf(stderr, "\r%*s\r", (int)terminal_width() - 1, "");
	progress->is_drawn = false;
}
