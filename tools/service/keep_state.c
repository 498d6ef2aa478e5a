// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "duration.h"
#include "keep_options.h"
#include "keep_state.h"
#include "writer.h"

/* The file has less than 2 KiB. */
#define FILE_MAX 16384

/* NULL: no keep runs. */
static json_t *load_from(const char *folder)
{
	char text[FILE_MAX];
	int fd;
	json_t *state;
	ssize_t size;

	snprintf(text, sizeof(text), "%s/keep.json", folder);
	fd = open(text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	size = read(fd, text, sizeof(text));
	close(fd);
	state = size > 0 ? json_loadb(text, (size_t)size, 0, NULL) : NULL;
	if (json_is_object(state) && writer_is_running(state))
		return state;
	json_decref(state);
	return NULL;
}

static json_t *load(void)
{
	return load_from(KEEP_FOLDER);
}

static const char *text_of(const json_t *state, const char *key)
{
	const char *text = json_string_value(json_object_get(state, key));

	return text ? text : "";
}

static int64_t number_of(const json_t *state, const char *key)
{
	json_int_t ns = json_integer_value(json_object_get(state, key));

	return ns > 0 ? ns : 0;
}

void keep_history_load(const char *folder, struct keep_history *ret_history)
{
	json_t *state = load_from(folder ? folder : KEEP_FOLDER);
	const char *name;

	*ret_history = (struct keep_history){ .is_running = state };
	if (!state)
		return;
	name = text_of(state, "state");
	ret_history->is_settled =
		!strcmp(name, "right") || !strcmp(name, "off");
	ret_history->is_authoritative =
		!strcmp(text_of(state, "marker_class"), "authoritative");
	ret_history->watching_since_ns = number_of(state, "watching_since_ns");
	ret_history->last_ns = number_of(state, "last_disruption_ns");
	ret_history->disruptions = (uint64_t)number_of(state, "disruptions");
	snprintf(ret_history->last, sizeof(ret_history->last), "%s",
		 text_of(state, "last_disruption"));
	json_decref(state);
}

void keep_state_print(void)
{
	const json_t *offset;
	json_t *state = load();
	char text[48];

	if (!state)
		return;
	printf("%-12s %s", "keep", text_of(state, "state"));
	offset = json_object_get(state, "offset_ns");
	if (json_is_integer(offset)) {
		int64_t ns = json_integer_value(offset);

		printf(": CLOCK_REALTIME was %s %s the host's clock",
		       format_duration(duration_of(ns), text, sizeof(text)),
		       ns < 0 ? "ahead of" : "behind");
	}
	printf("\n%-12s since %s", "", text_of(state, "time"));
	if (text_of(state, "text")[0])
		printf("; %s", text_of(state, "text"));
	putchar('\n');
	json_decref(state);
}

void keep_state_put(struct json *json)
{
	json_t *state = load();
	char *text = state ? json_dumps(state, JSON_COMPACT) : NULL;

	if (text)
		json_put_object(json, "keep", text);
	free(text);
	json_decref(state);
}
