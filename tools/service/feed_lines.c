// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "feed_lines.h"
#include "news.h"

/* --- what is written ------------------------------------------------------ */

static void put_sample(struct json *json, const struct feed_sample *sample)
{
	json_put_text(json, "type", "sample");
	json_put_time(json, "time", sample->real_ns);
	json_put_s64(json, "realtime_ns", sample->real_ns);
	json_put_s64(json, "offset_ns", sample->offset_ns);
	/* Many readers have no larger integers. */
	if (sample->bound_ns <= INT64_MAX)
		json_put_u64(json, "bound_ns", sample->bound_ns);
	else
		json_put_null(json, "bound_ns");
	json_put_bool(json, "has_bound", sample->has_bound);
	json_put_u64(json, "spread_ns", sample->spread_ns);
	json_put_u64(json, "n", sample->n);
	json_put_text(json, "leap", paraclock_leap_name(sample->leap));
	json_put_text(json, "backend", sample->backend);
	json_put_text(json, "timescale",
		      paraclock_timescale_name(sample->timescale));
	json_put_u64(json, "epoch", sample->epoch);
}

static void put_disruption(struct json *json, const struct keeper *keeper)
{
	json_put_text(json, "type", "disruption");
	json_put_now(json);
	json_put_u64(json, "disruptions", keeper->disruptions);
	/* A disruption that is dealt with already is the last one. */
	news_put_cause(json, keeper->cause.kind ? &keeper->cause
						: &keeper->last_cause);
}

/* --- how ------------------------------------------------------------------ */

/* A pipe that polls as writable takes PIPE_BUF bytes at once; no line is as
 * long. */
int feed_lines_write(struct feed_output *output, const char *line, size_t size)
{
	struct pollfd poller = { .fd = output->fd, .events = POLLOUT };
	ssize_t written;

	if (poll(&poller, 1, 0) != 1 || !(poller.revents & POLLOUT))
		return poller.revents & (POLLERR | POLLHUP | POLLNVAL)
			       ? -EPIPE
			       : -EAGAIN;
	/* Else the line would be a part of the torn one. */
	if (output->is_torn && write(output->fd, "\n", 1) != 1)
		return -EAGAIN;
	output->is_torn = false;
	written = write(output->fd, line, size);
	if (written < 0)
		return -errno;
	if ((size_t)written < size) {
		output->is_torn = true;
		return -ENOSPC;
	}
	return 0;
}

struct line {
	char *text;
	size_t size;
	struct json json;
};

static int begin_line(struct line *line)
{
	*line = (struct line){ 0 };
	line->json.to = open_memstream(&line->text, &line->size);
	if (!line->json.to)
		return -ENOMEM;
	json_begin(&line->json, NULL, '{');
	return 0;
}

static int end_line(struct line *line, struct feed_output *output)
{
	int ret;

	json_end(&line->json, '}');
	(void)json_finish(&line->json);
	ret = fclose(line->json.to)
		      ? -ENOMEM
		      : feed_lines_write(output, line->text, line->size);
	free(line->text);
	return ret;
}

static int send_sample(struct feed_output *output,
		       const struct feed_sample *sample)
{
	struct line line;
	int ret = begin_line(&line);

	if (ret)
		return ret;
	put_sample(&line.json, sample);
	return end_line(&line, output);
}

void feed_lines_disruption(struct feed_output *output,
			   const struct keeper *keeper)
{
	struct line line;

	if (begin_line(&line))
		return;
	put_disruption(&line.json, keeper);
	(void)end_line(&line, output);
}

void feed_lines_open(struct feed_output *output, int fd)
{
	static const struct feed_output_kind kind = {
		.name = "stdout",
		.send = send_sample,
	};

	*output = (struct feed_output){ .kind = &kind, .fd = fd };
}
