// SPDX-License-Identifier: MIT
/*
 * Scripts of simulated hosts: an error names its line and column, and shows
 * them; a good script plays to its end, twice in the same way.
 */

#include <errno.h>
#include <string.h>

#include <paraclock/sim_script.h>

#include "fuzz_page.h"

/* More of them would find nothing new. */
#define EVENTS_MAX 500

struct seen {
	unsigned int events;
	uint64_t hash;
};

static void add(struct seen *seen, const void *data, size_t size)
{
	const uint8_t *byte = data;

	/* FNV-1a */
	for (size_t i = 0; i < size; i++)
		seen->hash = (seen->hash ^ byte[i]) * 1099511628211U;
}

static int on_event(void *arg, const struct paraclock_sim_event *event)
{
	struct seen *seen = arg;

	add(seen, &event->time_ns, sizeof(event->time_ns));
	add(seen, event->text, strlen(event->text));
	add(seen, event->detail, strlen(event->detail));
	CHECK(event->failed <= 1 && event->line && event->column);
	return ++seen->events < EVENTS_MAX ? 0 : -EINTR;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Hours of virtual time take seconds of this machine's. */
static bool is_short(const char *text)
{
	size_t digits = 0;

	if (strstr(text, "every"))
		return false;
	for (; *text; text++) {
		digits = is_digit(*text) ? digits + 1 : 0;
		if (digits > 3)
			return false;
		if (digits && (text[1] == 'h' || text[1] == 'd' ||
			       strncmp(text + 1, "min", 3) == 0))
			return false;
	}
	return true;
}

static struct seen play(const struct paraclock_sim_script *script)
{
	struct seen seen = { 0, 14695981039346656037U };
	struct paraclock_sim_play_options opts = {
		.size = sizeof(opts),
		.arg = &seen,
		.on_event = on_event,
	};
	unsigned int failed = 77;
	char detail[256] = "x";
	int ret = paraclock_sim_script_play(script, &opts, &failed, detail,
					    sizeof(detail));

	if (ret && ret != -EINTR)
		CHECK(is_digit(detail[0]) && strchr(detail, ':'));
	CHECK(!ret || failed == 77);
	return seen;
}

/* Bytes of line number n of the text, from 1; -1: it has no such line. */
static long line_length(const char *text, size_t size, unsigned long n)
{
	const char *const end = text + size;

	for (;;) {
		const char *next = memchr(text, '\n', (size_t)(end - text));

		if (!--n)
			return (next ? next : end) - text;
		if (!next)
			return -1;
		text = next + 1;
	}
}

static void check_wrong(const char *detail, const char *text, size_t size)
{
	unsigned long column, line;
	unsigned int lines = 0;
	char *rest;

	line = strtoul(detail, &rest, 10);
	CHECK(line >= 1 && *rest == ':');
	column = strtoul(rest + 1, &rest, 10);
	CHECK(column >= 1 && *rest == ':');
	/* A line that ends too early is wrong just after its end. */
	CHECK((long)column <= line_length(text, size, line) + 1);
	CHECK(strstr(detail, "expected"));
	for (; *detail; detail++) {
		CHECK((*detail >= ' ' && *detail <= '~') || *detail == '\n');
		lines += *detail == '\n';
	}
	CHECK(lines == 0 || (lines == 2 && detail[-1] == '^'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct paraclock_sim_script *script = NULL;
	char *text = malloc(size + 1);
	char detail[1024] = "";
	int ret;

	CHECK(text);
	memcpy(text, data, size);
	text[size] = '\0';
	ret = paraclock_sim_script_parse(&script, (const char *)data, size,
					 detail, sizeof(detail));
	CHECK(ret == 0 || ret == -EPROTO);
	if (ret) {
		CHECK(!script);
		check_wrong(detail, text, size);
	} else if (is_short(text)) {
		struct seen first = play(script), second = play(script);

		CHECK(first.events == second.events &&
		      first.hash == second.hash);
	}
	paraclock_sim_script_free(script);
	free(text);
	return 0;
}
