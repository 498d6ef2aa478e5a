// SPDX-License-Identifier: MIT
/* Samples as lines of JSON. */

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <jansson.h>

#include "service/feed_lines.h"

#include "feed_bed.h"

static struct {
	int fd[2];
	struct feed_output output;
} lines;

static int open_lines(void **state)
{
	(void)reset(state);
	assert_int_equal(pipe2(lines.fd, O_CLOEXEC), 0);
	feed_lines_open(&lines.output, lines.fd[1]);
	return 0;
}

static int close_lines(void **state)
{
	(void)state;
	feed_output_close(&lines.output);
	close(lines.fd[0]);
	return close(lines.fd[1]);
}

static void a_line_is_an_object(void **state)
{
	const struct feed_sample sample =
		sample_of(1795000000123456789, -4864680);
	char text[4096] = "";
	json_t *line;

	(void)state;
	assert_true(feed_output_send(&lines.output, &sample));
	assert_true(read(lines.fd[0], text, sizeof(text) - 1) > 0);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	line = json_loads(text, 0, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "time")),
			    "2026-11-18T11:06:40.123456789Z");
	assert_int_equal(
		json_integer_value(json_object_get(line, "realtime_ns")),
		1795000000123456789);
	assert_int_equal(json_integer_value(json_object_get(line, "offset_ns")),
			 -4864680);
	assert_int_equal(json_integer_value(json_object_get(line, "bound_ns")),
			 1000020);
	assert_string_equal(json_string_value(json_object_get(line, "leap")),
			    "pre-pos");
	json_decref(line);
}

static void a_reader_that_does_not_read(void **state)
{
	const struct feed_sample sample = sample_of(1795000000 * SEC, 1);
	unsigned int sent = 0;
	char data[65536];

	(void)state;
	/* It returns at once: this test would hang. */
	while (sent < 100000 && feed_output_send(&lines.output, &sample))
		sent++;
	assert_int_equal(lines.output.error, -EAGAIN);
	while (read(lines.fd[0], data, sizeof(data)) == sizeof(data))
		;
	assert_true(feed_output_send(&lines.output, &sample));
}

static void a_reader_that_is_gone(void **state)
{
	const struct feed_sample sample = sample_of(1795000000 * SEC, 1);

	(void)state;
	close(lines.fd[0]);
	lines.fd[0] = -1;
	assert_false(feed_output_send(&lines.output, &sample));
	assert_int_equal(lines.output.error, -EPIPE);
	lines.fd[0] = open("/dev/null", O_RDONLY);
}

static void a_full_disk(void **state)
{
	const struct feed_sample sample = sample_of(1795000000 * SEC, 1);
	int fd = open("/dev/full", O_WRONLY);

	(void)state;
	if (fd < 0)
		skip();
	feed_lines_open(&lines.output, fd);
	for (int i = 0; i < 5; i++)
		assert_false(feed_output_send(&lines.output, &sample));
	assert_int_equal(lines.output.error, -ENOSPC);
	assert_int_equal(logged, 1);
	close(fd);
}

static const struct CMUnitTest tests[] = {
	TEST("a line is an object", a_line_is_an_object),
	TEST("a reader that does not read", a_reader_that_does_not_read),
	TEST("a reader that is gone", a_reader_that_is_gone),
	TEST("a full disk", a_full_disk),
};

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	each_test(open_lines, close_lines);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
